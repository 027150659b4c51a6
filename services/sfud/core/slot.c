/* SPDX-License-Identifier: Apache-2.0 */
#include "core/slot.h"

#include "core/layer.h"
#include "core/worker_state.h"

enum {
    NO_FORMAT = 0xff,
    HEADER_SIZE_MAX = 256, /* fixed header and our extensions */
};

/* Extensions of the publisher's packet that make sense to a viewer. The dependency descriptor is
 * not among them: its frame numbers would have to be rewritten with the forwarder's switches. */
#define FORWARDED_EXTENSIONS                                                                       \
    (RTP_EXT_BIT(RTP_EXT_AUDIO_LEVEL) | RTP_EXT_BIT(RTP_EXT_ABS_CAPTURE_TIME) |                    \
     RTP_EXT_BIT(RTP_EXT_VIDEO_ORIENTATION) | RTP_EXT_BIT(RTP_EXT_PLAYOUT_DELAY))

struct slot *slot_new(struct worker *w, struct transport *t, uint8_t media_index)
{
    const struct media_params *m = &t->params.media[media_index];
    handle h;
    struct slot *slot = pool_take(&w->slots, &h);
    if (slot == NULL)
        return NULL;
    *slot = (struct slot){ .self = h,
                           .transport = t->self,
                           .media_index = media_index,
                           .kind = m->kind,
                           .ssrc = m->ssrc,
                           .rtx_ssrc = m->kind == MEDIA_VIDEO ? m->rtx_ssrc : 0,
                           .format_in = NO_FORMAT,
                           .format_out = NO_FORMAT,
                           .rtx_format = NO_FORMAT };
    list_link_init(&slot->in_track);
    uint64_t random = worker_random(w);
    forwarder_init(&slot->forwarder, m->kind == MEDIA_VIDEO, (uint16_t)(random & 0x3fff),
                   (uint32_t)(random >> 32));
    slot->rtx_index = (random >> 16) & 0x3fff;
    if (slot->rtx_ssrc != 0)
        send_log_init(&slot->log,
                      w->records + (size_t)pool_index_of(&w->slots, slot) * SLOT_LOG_COUNT,
                      SLOT_LOG_COUNT);
    return slot;
}

void slot_free(struct worker *w, struct slot *slot)
{
    slot_unlink(w, slot);
    pool_give(&w->slots, slot->self);
}

static bool is_wish(const struct slot *slot, const struct slot_setting *s)
{
    return slot->has_wish && slot->wish_source == s->source &&
           strcmp(slot->wish_participant, s->participant) == 0;
}

static const char *room_key_of(const struct worker *w, const struct slot *slot)
{
    const struct transport *t = pool_at(&w->transports, slot->transport);
    const struct room *room = pool_at(&w->rooms, t->room);
    return room->key;
}

/* The viewer wants to see the same track larger or smaller. */
static void resize(struct worker *w, struct slot *slot, uint8_t spatial_max, usec now)
{
    if (slot->spatial_max == spatial_max)
        return;
    slot->spatial_max = spatial_max;
    struct track *track = pool_at(&w->tracks, slot->track);
    if (track == NULL)
        return;
    track_update_demand(w, track);
    slot_select(w, slot, now);
}

void slot_set(struct worker *w, struct slot *slot, const struct slot_setting *s, usec now)
{
    if (s == NULL || !s->has_track) {
        slot_unlink(w, slot);
        slot->has_wish = false;
        return;
    }
    if (is_wish(slot, s)) {
        resize(w, slot, s->spatial_max, now);
        return;
    }
    slot_unlink(w, slot);
    slot->spatial_max = s->spatial_max;
    slot->has_wish = true;
    slot->wish_source = s->source;
    memcpy(slot->wish_participant, s->participant, sizeof slot->wish_participant);
    slot->wish_participant[PARTICIPANT_KEY_MAX] = '\0';
    struct bytes name = bytes_of_str(slot->wish_participant);
    slot->wish_hash = worker_hash(w, name, bytes_of(NULL, 0));
    struct track *track =
        room_find_track(w, room_key_of(w, slot), slot->wish_participant, slot->wish_source);
    if (track != NULL)
        slot_link(w, slot, track, now);
}

void slot_link(struct worker *w, struct slot *slot, struct track *track, usec now)
{
    if (slot->track != 0 || track->kind != slot->kind)
        return;
    slot->track = track->self;
    list_push_back(&track->slots, &slot->in_track);
    track_update_demand(w, track);
    stats_add(&w->stats, STAT_SLOTS_FED, 1);
    slot_select(w, slot, now);
}

void slot_unlink(struct worker *w, struct slot *slot)
{
    forwarder_stop(&slot->forwarder);
    if (slot->track == 0)
        return;
    list_remove(&slot->in_track);
    struct track *track = pool_at(&w->tracks, slot->track);
    if (track != NULL)
        track_update_demand(w, track);
    slot->track = 0;
    stats_set(&w->stats, STAT_SLOTS_FED, stats_read(&w->stats, STAT_SLOTS_FED) - 1);
}

void slot_select(struct worker *w, struct slot *slot, usec now)
{
    struct track *track = pool_at(&w->tracks, slot->track);
    if (track == NULL || track->muted || !track->allowed) {
        forwarder_stop(&slot->forwarder);
        return;
    }
    int layer = layer_choose(track->active, slot->spatial_max);
    if (layer < 0)
        return; /* silent: what flowed may go on */
    struct encoding *e = track_encoding(w, track, (unsigned)layer);
    if (slot->forwarder.wanted == e->self)
        return;
    forwarder_want(&slot->forwarder, e->self);
    const struct transport *viewer = pool_at(&w->transports, slot->transport);
    if (forwarder_is_waiting(&slot->forwarder) && viewer->state == TRANSPORT_CONNECTED)
        track_want_keyframe(w, track, e, now); /* else slot_on_connected() does */
}

void slot_on_connected(struct worker *w, struct slot *slot, usec now)
{
    struct track *track = pool_at(&w->tracks, slot->track);
    struct encoding *e = pool_at(&w->encodings, slot->forwarder.wanted);
    if (track != NULL && e != NULL && forwarder_is_waiting(&slot->forwarder))
        track_want_keyframe(w, track, e, now);
}

void slot_on_keyframe_request(struct worker *w, struct slot *slot, usec now)
{
    struct track *track = pool_at(&w->tracks, slot->track);
    struct encoding *e = pool_at(&w->encodings, slot->forwarder.wanted);
    if (track == NULL || e == NULL)
        return;
    if (now - slot->pli_window_at >= SLOT_PLI_WINDOW || slot->pli_count == 0) {
        slot->pli_window_at = now;
        slot->pli_count = 0;
    }
    if (slot->pli_count >= SLOT_PLI_BURST)
        return;
    slot->pli_count++;
    track_want_keyframe(w, track, e, now);
}

/* How the viewer calls the publisher's format, and its RTX. */
static void look_up_format(struct slot *slot, const struct transport *t,
                           const struct pass_packet *p)
{
    const struct media_params *m = &t->params.media[slot->media_index];
    slot->format_input = p->encoding;
    slot->format_in = p->payload_type;
    slot->format_out = slot->rtx_format = NO_FORMAT;
    slot->clock_rate = p->format.clock_rate;
    for (size_t i = 0; i < m->payload_type_count; i++) {
        uint8_t type = m->payload_types[i];
        if (slot->format_out == NO_FORMAT && format_matches(&t->params.formats[type], &p->format))
            slot->format_out = type;
    }
    for (size_t i = 0; i < m->payload_type_count && slot->format_out != NO_FORMAT; i++) {
        const struct format *f = &t->params.formats[m->payload_types[i]];
        if (f->codec == CODEC_RTX && f->apt == slot->format_out)
            slot->rtx_format = m->payload_types[i];
    }
}

/* Writes the header with this viewer's extension ids. ext: the publisher's values, or NULL. */
static struct bytes write_header(struct slot *slot, struct transport *t, struct rtp_packet *h,
                                 const struct rtp_ext_values *ext, usec now,
                                 uint8_t memory[HEADER_SIZE_MAX])
{
    const struct media_params *m = &t->params.media[slot->media_index];
    struct rtp_ext_values v = { 0 };
    if (ext != NULL) {
        v = *ext;
        v.present &= FORWARDED_EXTENSIONS;
    }
    v.present |= RTP_EXT_BIT(RTP_EXT_TRANSPORT_CC) | RTP_EXT_BIT(RTP_EXT_ABS_SEND_TIME);
    v.transport_seq = t->twcc_seq;
    v.abs_send_time = abs_send_time_of(now);
    if (slot->mid_packets < SLOT_MID_PACKETS) {
        v.present |= RTP_EXT_BIT(RTP_EXT_MID);
        v.mid = bytes_of_str(m->mid);
    }
    v.present &= m->extensions;
    uint8_t body[HEADER_SIZE_MAX / 2];
    struct writer bw = writer_of(body, sizeof body);
    rtp_ext_write(&t->params.ext, &v, &bw, &h->ext_profile, NULL);
    h->ext = bytes_of(body, bw.failed ? 0 : writer_len(&bw));
    h->has_ext = h->ext.len > 0;
    struct writer hw = writer_of(memory, HEADER_SIZE_MAX);
    rtp_write_header(&hw, h);
    check(!hw.failed);
    return bytes_of(memory, writer_len(&hw));
}

/* Seals into reserved memory and commits. False if it was not sealed. */
static bool seal(struct worker *w, struct transport *t, uint64_t index, struct bytes header,
                 struct bytes payload, uint8_t *at, size_t capacity, struct outbox *out)
{
    struct writer writer = writer_of(at, capacity);
    enum err err = sealer_rtp(t->sealer, index, header, payload, &writer);
    if (err != OK) {
        stats_count(&w->stats, err == ERR_EXPIRED ? STAT_UNSENT_REPEATED : STAT_UNSENT_FULL);
        return false;
    }
    const struct transport_address *to = transport_destination(t);
    outbox_commit(out, &to->addr, to->path, t->self, writer_len(&writer));
    t->twcc_seq++;
    return true;
}

/* Whether a packet comes up later in this pass anyway. */
static bool is_still_to_come(const struct worker *w, const struct pass_packet *p, int64_t seq)
{
    const struct pass_packet *end = w->packets + w->packet_count;
    if (p < w->packets || p >= end)
        return false;
    for (const struct pass_packet *other = p + 1; other < end; other++) {
        if (other->encoding == p->encoding && other->seq == seq)
            return true;
    }
    return false;
}

/* After a switch at a keyframe whose first packet came late: its other packets, which had come
 * before and were not wanted then, are in the cache. */
static void catch_up(struct worker *w, struct transport *t, struct slot *slot,
                     const struct encoding *e, const struct pass_packet *p)
{
    uint32_t after = t->queue_first;
    for (int64_t seq = p->seq + 1; seq <= e->cache.highest && after != 0; seq++) {
        if (packet_cache_find(&e->cache, seq) != NULL && !is_still_to_come(w, p, seq))
            after = worker_enqueue(w, t, slot->self, QUEUE_CACHED, (uint32_t)seq, after);
    }
}

static void note_sent(struct worker *w, struct transport *t, struct slot *slot,
                      const struct pass_packet *p, const struct forwarder_output *o,
                      const struct send_record *patch, usec now)
{
    if (slot->packet_count == 0 && now + RTCP_FIRST_REPORT_TIME < t->sender_report_at) {
        t->sender_report_at = now + RTCP_FIRST_REPORT_TIME;
        worker_wake(w, t->self, t->sender_report_at);
    }
    slot->packet_count++;
    slot->octet_count += (uint32_t)p->payload.len;
    slot->mid_packets++;
    slot->sent_at = now;
    if (slot->rtx_ssrc == 0 || slot->rtx_format == NO_FORMAT)
        return;
    struct send_record r = *patch;
    r.out_seq = o->seq;
    r.source_seq = p->seq;
    r.source = p->encoding;
    r.out_timestamp = o->timestamp;
    r.marker = p->marker;
    r.payload_type = slot->rtx_format;
    send_log_add(&slot->log, &r);
    if (p->keyframe_start)
        send_log_gate(&slot->log, o->seq);
}

/* Puts the payload in its place behind the header if it has to be patched, else leaves it where it
 * is. Fills the patch of the record. */
static struct bytes place_payload(const struct pass_packet *p, const struct forwarder_output *o,
                                  uint8_t *at, size_t capacity, struct send_record *record)
{
    if (!p->has_vp8)
        return p->payload;
    struct writer patch = writer_of(record->patch, sizeof record->patch);
    vp8_write(&patch, &o->vp8);
    check(!patch.failed);
    record->patch_len = (uint8_t)writer_len(&patch);
    record->patch_skip = p->vp8.len;
    struct writer payload = writer_of(at, capacity);
    send_record_write_payload(&payload, record, p->payload);
    check(!payload.failed);
    return bytes_of(at, writer_len(&payload));
}

static bool push(struct worker *w, struct slot *slot, const struct pass_packet *p,
                 struct forwarder_output *ret, bool *ret_switched)
{
    const struct encoding *e = pool_at(&w->encodings, p->encoding);
    if (e == NULL)
        return false;
    const struct forwarder_packet in = { .input = p->encoding,
                                         .seq = p->seq,
                                         .timestamp = p->timestamp,
                                         .clock_rate = e->clock_rate,
                                         .arrival = p->arrival,
                                         .keyframe_start = p->keyframe_start,
                                         .is_unwanted = p->payload.len == 0,
                                         .vp8 = p->has_vp8 ? &p->vp8 : NULL,
                                         .clock = &e->clock };
    enum forwarder_verdict v = forwarder_push(&slot->forwarder, &in, ret);
    *ret_switched = v == FORWARDER_SWITCHED;
    return v == FORWARDER_SWITCHED || v == FORWARDER_SEND;
}

bool slot_forward(struct worker *w, struct transport *t, struct slot *slot,
                  const struct pass_packet *p, usec now, struct outbox *out)
{
    if (p->encoding != slot->format_input || p->payload_type != slot->format_in)
        look_up_format(slot, t, p);
    if (slot->format_out == NO_FORMAT) {
        stats_count(&w->stats, STAT_DROP_FORMAT);
        return true;
    }
    size_t size_max = HEADER_SIZE_MAX + SEND_PATCH_MAX + p->payload.len + SEAL_RTP_OVERHEAD_MAX;
    uint8_t *at = outbox_reserve(out, size_max);
    if (at == NULL)
        return false;
    struct forwarder_output o;
    bool switched;
    if (!push(w, slot, p, &o, &switched))
        return true;
    struct rtp_packet h = { .payload_type = slot->format_out,
                            .marker = p->marker,
                            .seq = (uint16_t)o.seq,
                            .timestamp = o.timestamp,
                            .ssrc = slot->ssrc };
    uint8_t memory[HEADER_SIZE_MAX];
    struct bytes header = write_header(slot, t, &h, &p->ext, now, memory);
    struct send_record record = { 0 };
    struct bytes payload = place_payload(p, &o, at + header.len, size_max - header.len, &record);
    if (!seal(w, t, (uint64_t)o.seq, header, payload, at, size_max, out))
        return true;
    stats_count(&w->stats, STAT_RTP_OUT);
    note_sent(w, t, slot, p, &o, &record, now);
    if (switched) {
        stats_count(&w->stats, STAT_SWITCHES);
        const struct encoding *e = pool_at(&w->encodings, p->encoding);
        if (e->is_video)
            catch_up(w, t, slot, e, p);
    }
    return true;
}

bool slot_resend(struct worker *w, struct transport *t, struct slot *slot, uint16_t out_seq,
                 usec now, struct outbox *out)
{
    if (slot->rtx_ssrc == 0)
        return true;
    size_t size_max = HEADER_SIZE_MAX + SEND_PATCH_MAX + DATAGRAM_SIZE_MAX + SEAL_RTP_OVERHEAD_MAX;
    uint8_t *at = outbox_reserve(out, size_max);
    if (at == NULL)
        return false;
    const struct send_record *r;
    if (send_log_serve(&slot->log, out_seq, now, MAX(t->rtt_us, 0), &r) != OK)
        return true;
    const struct encoding *e = pool_at(&w->encodings, r->source);
    const struct cached_packet *source =
        e == NULL || !e->is_video ? NULL : packet_cache_find(&e->cache, r->source_seq);
    if (source == NULL)
        return true;
    struct rtp_packet h = { .payload_type = r->payload_type,
                            .marker = r->marker,
                            .seq = (uint16_t)slot->rtx_index,
                            .timestamp = r->out_timestamp,
                            .ssrc = slot->rtx_ssrc };
    uint8_t memory[HEADER_SIZE_MAX];
    struct bytes header = write_header(slot, t, &h, NULL, now, memory);
    struct writer payload = writer_of(at + header.len, size_max - header.len);
    rtx_write_payload(&payload, r, source->payload);
    if (payload.failed)
        return true;
    struct bytes view = bytes_of(at + header.len, writer_len(&payload));
    if (seal(w, t, slot->rtx_index, header, view, at, size_max, out)) {
        slot->rtx_index++;
        stats_count(&w->stats, STAT_RTX_OUT);
    }
    return true;
}

/* The instant the report speaks of is now; what the media clock shows then follows from the
 * publisher's report, or from the last packet sent. */
bool slot_report(struct worker *w, struct slot *slot, usec now, struct rtcp_sender_info *ret)
{
    const struct forwarder *f = &slot->forwarder;
    if (slot->packet_count == 0 || slot->clock_rate == 0 || f->input == 0)
        return false;
    const struct encoding *e = pool_at(&w->encodings, f->input);
    const struct track *track = pool_at(&w->tracks, slot->track);
    const struct transport *publisher =
        track == NULL ? NULL : pool_at(&w->transports, track->transport);
    wall_usec wall = worker_wall(w, now);
    uint32_t timestamp;
    if (e != NULL && e->clock.domain != 0 && publisher != NULL && publisher->has_clock_offset) {
        usec since = wall - publisher->clock_offset - e->clock.ntp;
        timestamp = forwarder_timestamp(
            f, e->clock.timestamp + (uint32_t)(since * (int64_t)slot->clock_rate / USEC_PER_SEC));
    } else {
        usec since = now - f->out_at;
        timestamp = f->out_timestamp + (uint32_t)(since * (int64_t)slot->clock_rate / USEC_PER_SEC);
    }
    *ret = (struct rtcp_sender_info){ .ssrc = slot->ssrc,
                                      .ntp = ntp_of(wall),
                                      .timestamp = timestamp,
                                      .packet_count = slot->packet_count,
                                      .octet_count = slot->octet_count };
    slot->reported_at = now;
    return true;
}
