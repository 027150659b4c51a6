/* leg_send.c - what a leg sends: RTP, RTX, RTCP. SPDX-License-Identifier: Apache-2.0 */
#include "core/leg_media.h"

#include "rtc/depdesc.h"

enum {
    PACKET_SIZE = 1480,
    NAMED_PACKETS = 150, /* the first packets of a stream, and keyframes, carry MID and RID */
    VOICE_LEVEL = 20,    /* -dBov */
    QUIET_LEVEL = 127,
    EXTENSIONS_SIZE = 160 + DEPDESC_PATTERN_SIZE_MAX,
};

static void name_stream(const struct source *s, bool rtx, struct rtp_ext_values *v)
{
    v->present |= RTP_EXT_BIT(RTP_EXT_MID);
    v->mid = bytes_of_str(s->mid);
    if (s->rid[0] == '\0')
        return;
    if (rtx) {
        v->present |= RTP_EXT_BIT(RTP_EXT_REPAIRED_RID);
        v->repaired_rid = bytes_of_str(s->rid);
    } else {
        v->present |= RTP_EXT_BIT(RTP_EXT_RID);
        v->rid = bytes_of_str(s->rid);
    }
}

static size_t describe(const struct leg *l, const struct source *s, const struct source_packet *p,
                       uint8_t *buffer, size_t size)
{
    if (s->kind != MEDIA_VIDEO || !l->config.group->dependency_descriptor)
        return 0;
    struct writer w = writer_of(buffer, size);
    if (s->svc != NULL) {
        svc_frame_write_depdesc(&w, s->svc->sender.pattern,
                                source_svc_frame(s->svc, p->frame_number), p->frame_start,
                                p->frame_end, s->clip->width, s->clip->height);
        return w.failed ? 0 : writer_len(&w);
    }
    struct depdesc_frame f = { .frame_number = p->frame_number,
                               .temporal_id = p->temporal_id,
                               .temporal_count = s->clip->temporal_count,
                               .layer_sync = p->layer_sync,
                               .keyframe = p->keyframe,
                               .start_of_frame = p->frame_start,
                               .end_of_frame = p->marker,
                               .width = s->clip->width,
                               .height = s->clip->height };
    depdesc_write(&w, &f);
    return w.failed ? 0 : writer_len(&w);
}

static void fill_extensions(struct leg *l, const struct source *s, const struct source_packet *p,
                            bool rtx, uint64_t stamp, usec now, struct rtp_ext_values *v)
{
    *v = (struct rtp_ext_values){ .present = RTP_EXT_BIT(RTP_EXT_TRANSPORT_CC) |
                                             RTP_EXT_BIT(RTP_EXT_ABS_SEND_TIME),
                                  .transport_seq = l->transport_seq,
                                  .abs_send_time = abs_send_time_of(now) };
    if (s->packet_count < NAMED_PACKETS || p->keyframe || rtx)
        name_stream(s, rtx, v);
    if (s->kind == MEDIA_AUDIO) {
        v->present |= RTP_EXT_BIT(RTP_EXT_AUDIO_LEVEL);
        v->audio_voice = p->voice;
        v->audio_level = p->voice ? VOICE_LEVEL : QUIET_LEVEL;
    }
    if (l->config.world->driver->stamp == STAMP_IN_EXTENSION) {
        v->present |= RTP_EXT_BIT(RTP_EXT_ABS_CAPTURE_TIME);
        v->abs_capture_time = stamp;
    }
}

static uint64_t stamp_now(const struct leg *l, const struct source *s,
                          const struct source_packet *p, usec now)
{
    struct stamp stamp = { .sent_at = now + l->config.world->wall_minus_now,
                           .sender =
                               (uint16_t)(l->config.bot_index & ((1u << STAMP_SENDER_BITS) - 1)),
                           .layer = (uint8_t)(s->layer + p->spatial_id) };
    return stamp_pack(&stamp);
}

/* Header with extensions, up to where the payload (or the original number of RTX) goes. */
static void write_header(struct leg *l, struct source *s, const struct source_packet *p, bool rtx,
                         uint64_t stamp, usec now, struct writer *w)
{
    struct rtp_ext_values v;
    fill_extensions(l, s, p, rtx, stamp, now, &v);
    uint8_t descriptor[DEPDESC_PATTERN_SIZE_MAX], body[EXTENSIONS_SIZE];
    size_t described = describe(l, s, p, descriptor, sizeof descriptor);
    if (described > 0) {
        v.present |= RTP_EXT_BIT(RTP_EXT_DEPENDENCY_DESCRIPTOR);
        v.dependency_descriptor = bytes_of(descriptor, described);
    }
    struct rtp_packet header = { .payload_type = rtx ? s->rtx_payload_type : s->payload_type,
                                 .marker = p->marker,
                                 .seq = rtx ? s->rtx_seq : p->seq,
                                 .timestamp = p->timestamp,
                                 .ssrc = rtx ? s->rtx_ssrc : s->ssrc };
    struct writer ext = writer_of(body, sizeof body);
    rtp_ext_write(&l->remote->ext, &v, &ext, &header.ext_profile, NULL);
    header.has_ext = !ext.failed && writer_len(&ext) > 0;
    header.ext = bytes_of(body, writer_len(&ext));
    rtp_write_header(w, &header);
}

bool leg_seal_and_send(struct leg *l, uint8_t *at, size_t len, struct outbound *out)
{
    const struct net_addr *to = ice_client_selected(&l->ice);
    if (to == NULL || srtp_session_seal_rtp(l->srtp, at, &len) != OK)
        return false;
    outbound_commit(out, l->config.index, to, len);
    l->transport_seq++;
    return true;
}

/* seq: on the wire. The payload is the last `len` bytes written. */
static void tap(const struct leg *l, const struct source *s, const struct source_packet *p,
                bool rtx, uint64_t stamp, const struct writer *w, size_t len)
{
    const struct bot_tap *t = l->config.world->tap;
    if (t != NULL && !w->failed)
        t->sent(t->data, l->config.bot_index, s, p, rtx ? s->rtx_ssrc : s->ssrc,
                rtx ? s->rtx_seq : p->seq, stamp, bytes_of(w->at - len, len));
}

static void send_packet(struct leg *l, struct source *s, const struct source_packet *p, usec now,
                        struct outbound *out)
{
    uint8_t *at = outbound_reserve(out, PACKET_SIZE);
    if (at == NULL)
        return;
    struct writer w = writer_of(at, PACKET_SIZE - SRTP_SESSION_OVERHEAD_MAX);
    uint64_t stamp = stamp_now(l, s, p, now);
    write_header(l, s, p, false, stamp, now, &w);
    size_t payload = source_write_payload(s, p, &w);
    tap(l, s, p, false, stamp, &w, payload);
    if (l->config.world->driver->stamp == STAMP_IN_PAYLOAD)
        stamp_write_trailer(&w, stamp);
    if (w.failed || payload == 0 || !leg_seal_and_send(l, at, writer_len(&w), out))
        return;
    struct measure *m = l->config.measure;
    struct measure_media *mm = s->kind == MEDIA_VIDEO ? &m->video : &m->audio;
    mm->sent_packets++;
    mm->sent_bytes += payload;
    mm->sent_frames += s->kind == MEDIA_VIDEO && p->marker;
    s->packet_count++;
    s->octet_count += (uint32_t)payload;
}

void leg_send_due(struct leg *l, usec now, struct outbound *out)
{
    for (unsigned i = 0; i < l->source_count; i++) {
        struct source_packet p;
        while (source_next(l->sources[i], now, &p))
            send_packet(l, l->sources[i], &p, now, out);
    }
}

void leg_send_rtx(struct leg *l, struct source *s, uint16_t seq, usec now, struct outbound *out)
{
    struct source_packet p;
    uint8_t *at = NULL;
    if (s->rtx_ssrc == 0 || !source_find_sent(s, seq, &p) ||
        (at = outbound_reserve(out, PACKET_SIZE)) == NULL)
        return;
    struct writer w = writer_of(at, PACKET_SIZE - SRTP_SESSION_OVERHEAD_MAX);
    uint64_t stamp = stamp_now(l, s, &p, now);
    write_header(l, s, &p, true, stamp, now, &w);
    writer_u16(&w, p.seq);
    size_t payload = source_write_payload(s, &p, &w);
    tap(l, s, &p, true, stamp, &w, payload);
    if (l->config.world->driver->stamp == STAMP_IN_PAYLOAD)
        stamp_write_trailer(&w, stamp);
    if (w.failed || !leg_seal_and_send(l, at, writer_len(&w), out))
        return;
    s->rtx_seq++;
    l->config.measure->video.rtx_sent++;
}

void leg_send_rtcp(struct leg *l, const uint8_t *compound, size_t len, struct outbound *out)
{
    const struct net_addr *to = ice_client_selected(&l->ice);
    uint8_t *at = to == NULL ? NULL : outbound_reserve(out, len + SRTP_SESSION_OVERHEAD_MAX);
    if (at == NULL)
        return;
    memcpy(at, compound, len);
    if (srtp_session_seal_rtcp(l->srtp, at, &len) == OK)
        outbound_commit(out, l->config.index, to, len);
}
