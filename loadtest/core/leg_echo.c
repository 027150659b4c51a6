/* SPDX-License-Identifier: Apache-2.0 */
#include "core/leg_echo.h"

#include <stdlib.h>

enum { PACKET_SIZE = 1500, EXTENSIONS_SIZE = 96, VOICE_LEVEL = 30, QUIET_LEVEL = 127 };

/* Opus of silence is a few bytes (DTX); for those who say no level. */
enum { QUIET_BYTES = 8 };

bool leg_echo_open(struct leg *l, const struct sdp_remote_media *m, uint32_t ssrc,
                   uint32_t rtx_ssrc)
{
    if (l->echo == NULL && (l->echo = calloc(1, sizeof *l->echo)) == NULL)
        return false;
    bool video = m->kind == MEDIA_VIDEO;
    struct echo given = { .kind = (enum media_kind)m->kind,
                          .ssrc = ssrc,
                          .rtx_ssrc = video ? rtx_ssrc : 0 };
    memcpy(given.mid, m->mid, sizeof given.mid);
    struct echo *e = video ? &l->echo->camera : &l->echo->voice;
    if (e->ssrc == 0) /* not another description of the same */
        echo_init(e, &given, leg_random(l));
    return true;
}

void leg_echo_free(struct leg_echo *e)
{
    if (e == NULL)
        return;
    echo_done(&e->voice);
    echo_done(&e->camera);
    free(e);
}

/* The payload type of `codec` on the m-line of the echo, or of RTX for it. 0: not negotiated. */
static uint8_t payload_type(const struct leg *l, const struct echo *e, enum codec codec, bool rtx)
{
    const struct sdp_remote_media *m = sdp_remote_find_media(l->remote, bytes_of_str(e->mid));
    uint8_t original = 0;
    for (unsigned i = 0; m != NULL && i < m->payload_type_count && original == 0; i++) {
        const struct format *f = sdp_remote_format(l->remote, m->payload_types[i]);
        if (f != NULL && f->codec == codec)
            original = f->payload_type;
    }
    for (unsigned i = 0; rtx && m != NULL && i < m->payload_type_count; i++) {
        const struct format *f = sdp_remote_format(l->remote, m->payload_types[i]);
        if (f != NULL && f->codec == CODEC_RTX && f->apt == original)
            return f->payload_type;
    }
    return rtx ? 0 : original;
}

/* level: NULL of video */
static void write_header(struct leg *l, const struct echo *e, struct rtp_packet *header, bool named,
                         const struct rtp_ext_values *level, usec now, struct writer *w)
{
    struct rtp_ext_values v = { .present = RTP_EXT_BIT(RTP_EXT_TRANSPORT_CC) |
                                           RTP_EXT_BIT(RTP_EXT_ABS_SEND_TIME),
                                .transport_seq = l->transport_seq,
                                .abs_send_time = abs_send_time_of(now) };
    if (named) {
        v.present |= RTP_EXT_BIT(RTP_EXT_MID);
        v.mid = bytes_of_str(e->mid);
    }
    if (level != NULL) {
        v.present |= RTP_EXT_BIT(RTP_EXT_AUDIO_LEVEL);
        v.audio_level = level->audio_level;
        v.audio_voice = level->audio_voice;
    }
    uint8_t body[EXTENSIONS_SIZE];
    struct writer ext = writer_of(body, sizeof body);
    rtp_ext_write(&l->remote->ext, &v, &ext, &header->ext_profile, NULL);
    header->has_ext = !ext.failed && writer_len(&ext) > 0;
    header->ext = bytes_of(body, writer_len(&ext));
    rtp_write_header(w, header);
}

static void send_packet(struct leg *l, const struct echo *e, const struct echo_packet *p,
                        const struct rtp_ext_values *level, usec now, struct outbound *out)
{
    uint8_t type = payload_type(l, e, p->codec, false);
    uint8_t *at = type == 0 ? NULL : outbound_reserve(out, PACKET_SIZE);
    if (at == NULL)
        return;
    struct writer w = writer_of(at, PACKET_SIZE - SRTP_SESSION_OVERHEAD_MAX);
    struct rtp_packet header = { .payload_type = type,
                                 .marker = p->marker,
                                 .seq = p->seq,
                                 .timestamp = p->timestamp,
                                 .ssrc = e->ssrc };
    write_header(l, e, &header, p->named, level, now, &w);
    writer_put(&w, p->payload);
    if (w.failed || !leg_seal_and_send(l, at, writer_len(&w), out))
        return;
    struct measure *m = l->config.measure;
    struct measure_media *mm = e->kind == MEDIA_VIDEO ? &m->video : &m->audio;
    mm->sent_packets++;
    mm->sent_bytes += p->payload.len;
    mm->sent_frames += e->kind == MEDIA_VIDEO && p->marker;
}

/* What the origin said of its loudness, or a guess. */
static struct rtp_ext_values level_of(const struct sink_packet *p)
{
    struct rtp_ext_values v = { .audio_voice = p->payload.len > QUIET_BYTES };
    v.audio_level = v.audio_voice ? VOICE_LEVEL : QUIET_LEVEL;
    if (p->ext != NULL && (p->ext->present & RTP_EXT_BIT(RTP_EXT_AUDIO_LEVEL)) != 0) {
        v.audio_voice = p->ext->audio_voice;
        v.audio_level = p->ext->audio_level;
    }
    return v;
}

bool leg_echo_packet(struct leg *l, const struct sink *from, const struct sink_packet *p, usec now,
                     struct outbound *out)
{
    bool video = from->kind == MEDIA_VIDEO;
    struct echo *e = video ? &l->echo->camera : &l->echo->voice;
    if (e->ssrc == 0)
        return false;
    struct echo_input in = { .origin = ((uint64_t)from->ssrc << 32) ^ (uint64_t)from->mapped_at,
                             .seq = p->rtp->seq,
                             .timestamp = p->rtp->timestamp,
                             .marker = p->rtp->marker,
                             .keyframe_start = p->keyframe_start,
                             .codec = p->codec,
                             .payload = p->payload };
    struct echo_packet back;
    struct rtp_ext_values level = level_of(p);
    if (echo_take(e, &in, now, &back))
        send_packet(l, e, &back, video ? NULL : &level, now, out);
    return echo_take_keyframe_wanted(e, now);
}

static struct echo *echo_of(struct leg *l, uint32_t ssrc)
{
    if (l->echo == NULL || ssrc == 0)
        return NULL;
    if (l->echo->camera.ssrc == ssrc)
        return &l->echo->camera;
    return l->echo->voice.ssrc == ssrc ? &l->echo->voice : NULL;
}

void leg_echo_on_pli(struct leg *l, uint32_t ssrc)
{
    struct echo *e = echo_of(l, ssrc);
    if (e != NULL)
        echo_ask_keyframe(e);
}

void leg_echo_on_nack(struct leg *l, uint32_t ssrc, uint16_t seq, usec now, struct outbound *out)
{
    struct echo *e = echo_of(l, ssrc);
    struct echo_packet p;
    if (e == NULL || e->rtx_ssrc == 0 || !echo_find_sent(e, seq, &p))
        return;
    uint8_t type = payload_type(l, e, p.codec, true);
    uint8_t *at = type == 0 ? NULL : outbound_reserve(out, PACKET_SIZE);
    if (at == NULL)
        return;
    struct writer w = writer_of(at, PACKET_SIZE - SRTP_SESSION_OVERHEAD_MAX);
    struct rtp_packet header = { .payload_type = type,
                                 .marker = p.marker,
                                 .seq = e->rtx_seq,
                                 .timestamp = p.timestamp,
                                 .ssrc = e->rtx_ssrc };
    write_header(l, e, &header, true, NULL, now, &w);
    writer_u16(&w, seq);
    writer_put(&w, p.payload);
    if (w.failed || !leg_seal_and_send(l, at, writer_len(&w), out))
        return;
    e->rtx_seq++;
    l->config.measure->video.rtx_sent++;
}

bool leg_echo_write_reports(struct leg *l, usec now, struct writer *w)
{
    bool wrote = false;
    struct echo *both[] = { l->echo == NULL ? NULL : &l->echo->voice,
                            l->echo == NULL ? NULL : &l->echo->camera };
    for (size_t i = 0; i < ARRAY_LEN(both); i++) {
        struct rtcp_sender_info info;
        if (both[i] == NULL ||
            !echo_sender_info(both[i], now, l->config.world->wall_minus_now, &info))
            continue;
        rtcp_write_sr(w, &info, NULL, 0);
        wrote = true;
    }
    return wrote;
}
