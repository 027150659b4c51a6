/* slot_send.c - what leaves through a slot: packets forwarded, sent again, and padding.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/slot.h"
#include "core/worker_state.h"

enum {
    HEADER_SIZE_MAX = 320,  /* fixed header and our extensions */
    PADDING_SIZE_MAX = 255, /* RFC 3550 §5.1: its length is one byte */
    RESEND_TWICE_LOSS = 8,  /* of 256, as the viewer reports it */
    PADDING_REPEATS = 16,   /* recent packets that may be sent once more instead */
};
/* A layer that can be reached by a keyframe only is asked for at most so often by one viewer. */
#define LAYER_KEYFRAME_INTERVAL SECONDS(1)
/* A picture older than this is not worth beginning with. */
#define KEYFRAME_AGE_MAX MILLIS(300)

/* Extensions of the publisher's packet that make sense to a viewer as they are. */
#define FORWARDED_EXTENSIONS                                                                       \
    (RTP_EXT_BIT(RTP_EXT_AUDIO_LEVEL) | RTP_EXT_BIT(RTP_EXT_ABS_CAPTURE_TIME) |                    \
     RTP_EXT_BIT(RTP_EXT_VIDEO_ORIENTATION) | RTP_EXT_BIT(RTP_EXT_PLAYOUT_DELAY))

static uint8_t find_type(const struct transport *t, const struct media_params *m,
                         const struct format *wanted)
{
    for (size_t i = 0; i < m->payload_type_count; i++) {
        if (format_matches(&t->params.formats[m->payload_types[i]], wanted))
            return m->payload_types[i];
    }
    return SLOT_NO_FORMAT;
}

/* What goes with a payload type: its RTX, or RED. */
static uint8_t find_companion(const struct transport *t, const struct media_params *m,
                              enum codec codec, uint8_t of)
{
    for (size_t i = 0; i < m->payload_type_count && of != SLOT_NO_FORMAT; i++) {
        const struct format *f = &t->params.formats[m->payload_types[i]];
        if (f->codec == codec && f->apt == of)
            return m->payload_types[i];
    }
    return SLOT_NO_FORMAT;
}

/* How the viewer calls the publisher's format, and its RTX or RED. */
static void look_up_format(struct slot *slot, const struct transport *t,
                           const struct pass_packet *p)
{
    const struct media_params *m = slot->params;
    slot->format_input = p->encoding;
    slot->format_in = p->payload_type;
    slot->clock_rate = p->format.clock_rate;
    slot->format_out = find_type(t, m, &p->format);
    slot->takes_primary = p->format.codec == CODEC_RED && slot->format_out == SLOT_NO_FORMAT;
    if (slot->takes_primary) {
        struct format opus = p->format;
        opus.codec = CODEC_OPUS;
        slot->format_out = find_type(t, m, &opus);
    }
    slot->rtx_format = find_companion(t, m, CODEC_RTX, slot->format_out);
    slot->red_type = p->format.codec == CODEC_OPUS
                         ? find_companion(t, m, CODEC_RED, slot->format_out)
                         : SLOT_NO_FORMAT;
}

/* One packet on its way out. */
struct departure {
    struct worker *w;
    struct transport *t;
    struct slot *slot;
    struct outbox *out;
    usec now;
    uint8_t *at;     /* where it is written */
    size_t capacity; /* … and how much */
    uint8_t cluster; /* the probe it belongs to; 0: none */
    uint8_t memory[HEADER_SIZE_MAX];
};

/* False: `out` is full. */
static bool reserve(struct departure *d, size_t payload_max)
{
    d->capacity = HEADER_SIZE_MAX + SEND_PATCH_MAX + payload_max + SEAL_RTP_OVERHEAD_MAX;
    d->at = outbox_reserve(d->out, d->capacity);
    return d->at != NULL;
}

/* RTP padding (RFC 3550 §5.1) that makes it as long as the others of its frame. */
static uint8_t padding_of(const struct departure *d, const struct pass_packet *p)
{
    if (p->run == PASS_NO_RUN || d->slot->kind != MEDIA_VIDEO)
        return 0;
    size_t missing = d->w->packets[p->run].longest - p->payload.len;
    return missing <= PASS_PAD_MAX ? (uint8_t)missing : 0;
}

/* Writes the header with this viewer's extension ids. v: what else is to be in it; changed. */
static struct bytes write_header(struct departure *d, struct rtp_packet *h,
                                 struct rtp_ext_values *v)
{
    const struct transport *t = d->t;
    struct slot *slot = d->slot;
    const struct media_params *m = slot->params;
    v->present |= RTP_EXT_BIT(RTP_EXT_TRANSPORT_CC) | RTP_EXT_BIT(RTP_EXT_ABS_SEND_TIME);
    v->transport_seq = t->twcc_seq;
    v->abs_send_time = abs_send_time_of(d->now);
    if (slot->mid_packets < SLOT_MID_PACKETS) {
        v->present |= RTP_EXT_BIT(RTP_EXT_MID);
        v->mid = bytes_of_str(m->mid);
    }
    v->present &= m->extensions;
    uint8_t body[HEADER_SIZE_MAX - RTP_HEADER_SIZE - 4];
    struct writer bw = writer_of(body, sizeof body);
    rtp_ext_write(&t->params.ext, v, &bw, &h->ext_profile, NULL);
    h->ext = bytes_of(body, bw.failed ? 0 : writer_len(&bw));
    h->has_ext = h->ext.len > 0;
    struct writer hw = writer_of(d->memory, sizeof d->memory);
    rtp_write_header(&hw, h);
    check(!hw.failed);
    return bytes_of(d->memory, writer_len(&hw));
}

/* Seals into the reserved memory, or leaves that to the end of worker_flush(), and commits. Returns
 * the size, 0: it was not sealed. payload: in the packets of the pass, in the cache, or in its
 * place. */
static size_t seal(struct departure *d, uint64_t index, struct bytes header, struct bytes payload)
{
    struct transport *t = d->t;
    struct writer writer = writer_of(d->at, d->capacity);
    enum err err = d->out == &d->w->control
                       ? sealer_rtp(t->sealer, index, header, payload, &writer)
                       : sealer_rtp_later(t->sealer, d->w->burst, index, header, payload, &writer);
    if (err != OK) {
        stats_count(&d->w->stats, err == ERR_EXPIRED ? STAT_UNSENT_REPEATED : STAT_UNSENT_FULL);
        return 0;
    }
    size_t size = writer_len(&writer);
    const struct transport_address *to = transport_destination(t);
    outbox_commit(d->out, &to->addr, to->path, t->self, size);
    worker_record(d->w, t->self, PACKET_OUT, PACKET_RTP, &to->addr, header, size);
    observation_on_media(d->w, t, d->now);
    bandwidth_on_sent(t, t->twcc_seq++, size, d->cluster, d->now);
    return size;
}

/* Whether a packet comes up later anyway, in this pass or because it waits in the pacer. */
static bool is_still_to_come(const struct departure *d, const struct pass_packet *p, int64_t seq)
{
    const struct worker *w = d->w;
    if (pacer_holds(&d->t->bandwidth.pacer, d->slot->self, p->encoding, seq))
        return true;
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
static void catch_up(struct departure *d, const struct encoding *e, const struct pass_packet *p)
{
    uint32_t after = d->t->queue_first;
    for (int64_t seq = p->seq + 1; seq <= e->cache.highest && after != 0; seq++) {
        if (packet_cache_find(&e->cache, seq) != NULL && !is_still_to_come(d, p, seq))
            after = worker_enqueue(d->w, d->t, d->slot->self, QUEUE_CACHED, (uint32_t)seq, after);
    }
}

static void note_sent(struct departure *d, const struct pass_packet *p, size_t payload_len,
                      bool marker, const struct forwarder_output *o,
                      const struct send_record *patch)
{
    struct slot *slot = d->slot;
    struct transport *t = d->t;
    if (slot->packet_count == 0 && d->now + RTCP_FIRST_REPORT_TIME < t->sender_report_at) {
        t->sender_report_at = d->now + RTCP_FIRST_REPORT_TIME;
        worker_wake(d->w, t->self, t->sender_report_at);
    }
    slot->packet_count++;
    slot->octet_count += (uint32_t)payload_len;
    slot->mid_packets++;
    slot->sent_at = d->now;
    if (slot->rtx_ssrc == 0 || slot->rtx_format == SLOT_NO_FORMAT)
        return;
    struct send_record r = *patch;
    r.out_seq = o->seq;
    r.source_seq = p->seq;
    r.source = p->encoding;
    r.out_timestamp = o->timestamp;
    r.marker = marker;
    r.payload_type = slot->rtx_format;
    r.frame_offset = o->depdesc.frames;
    r.template_offset = o->depdesc.templates;
    send_log_add(&slot->log, &r);
    if (p->layers.keyframe_start)
        send_log_gate(&slot->log, o->seq);
}

/* Puts the payload in its place behind the header if it has to be patched, else leaves it where it
 * is. Fills the patch of the record. */
static struct bytes place_payload(struct departure *d, const struct pass_packet *p,
                                  const struct forwarder_output *o, size_t header_len,
                                  struct send_record *record)
{
    uint8_t padding = padding_of(d, p);
    struct writer payload = writer_of(d->at + header_len, d->capacity - header_len);
    if (o->payload.codec == CODEC_NONE && padding == 0)
        return p->payload;
    struct writer patch = writer_of(record->patch, sizeof record->patch);
    if (o->payload.codec == CODEC_NONE) {
        record->patch_skip = 0;
    } else if (o->payload.codec == CODEC_VP8) {
        vp8_write(&patch, &o->payload.vp8);
        record->patch_skip = p->descriptor.vp8.len;
    } else {
        record->patch_skip = (uint8_t)vp9_write_patch(&patch, &o->payload.vp9, p->payload);
    }
    check(!patch.failed);
    record->patch_len = (uint8_t)writer_len(&patch);
    send_record_write_payload(&payload, record, p->payload);
    for (uint8_t i = 0; i < padding; i++)
        writer_u8(&payload, i + 1 == padding ? padding : 0);
    check(!payload.failed);
    return bytes_of(d->at + header_len, writer_len(&payload));
}

/* Whether the packet is to be sent with those before it: the viewer loses some, can take RED, and
 * there is none yet. */
static bool is_repeating(const struct departure *d, const struct pass_packet *p)
{
    return d->t->redundancy.depth > 0 && d->slot->red_type != SLOT_NO_FORMAT &&
           p->format.codec == CODEC_OPUS && p->payload.len <= RED_HISTORY_SIZE_MAX;
}

/* Of RED, the newest block alone: the viewer cannot take RED; or their path is full, and loses next
 * to nothing: what is said twice there takes the place of pictures. */
static bool is_primary_only(const struct departure *d, const struct pass_packet *p)
{
    const struct slot *slot = d->slot;
    if (slot->takes_primary || p->format.codec != CODEC_RED || slot->format_out == SLOT_NO_FORMAT)
        return slot->takes_primary;
    return bandwidth_saves_sound(d->t) &&
           d->t->params.formats[d->t->params.formats[slot->format_out].apt & 0x7f].codec ==
               CODEC_OPUS;
}

static uint8_t payload_type_of(const struct departure *d, const struct pass_packet *p)
{
    const struct slot *slot = d->slot;
    if (is_repeating(d, p))
        return slot->red_type;
    bool is_opus = is_primary_only(d, p) && !slot->takes_primary;
    return is_opus ? d->t->params.formats[slot->format_out].apt : slot->format_out;
}

/* Opus in front of which the packets before it are repeated, as far as they are of this input: what
 * was before a switch, another voice has said. */
static struct bytes place_repeated(struct departure *d, const struct pass_packet *p,
                                   size_t header_len)
{
    const struct encoding *e = pool_at(&d->w->encodings, p->encoding);
    const struct forwarder *f = &d->slot->forwarder;
    const struct red_order order = { .payload_type = d->slot->format_out,
                                     .repeat_max = d->t->redundancy.depth,
                                     .repeat_from = f->memory->ranges[f->range_count - 1].from };
    struct writer w = writer_of(d->at + header_len, d->capacity - header_len);
    red_write(&w, &e->history, p->seq, p->timestamp, &order, p->payload);
    check(!w.failed);
    return bytes_of(d->at + header_len, writer_len(&w));
}

/* Sound goes out as it is, but for: RED toward somebody who cannot take it, or who gives opus
 * another name; and redundancy of ours. */
static struct bytes place_sound(struct departure *d, const struct pass_packet *p, size_t header_len)
{
    if (is_repeating(d, p))
        return place_repeated(d, p, header_len);
    if (is_primary_only(d, p))
        return p->primary;
    uint8_t name = d->t->params.formats[d->slot->format_out].apt;
    if (p->format.codec != CODEC_RED || p->format.apt == name)
        return p->payload;
    uint8_t *copy = d->at + header_len;
    check(d->capacity >= header_len + p->payload.len);
    memcpy(copy, p->payload.data, p->payload.len);
    red_rename(copy, p->format.apt, name);
    return bytes_of(copy, p->payload.len);
}

/* The viewer should get more of the input than can be begun in the middle. */
static void ask_for_layer(struct departure *d, struct encoding *e)
{
    struct slot *slot = d->slot;
    struct track *track = pool_at(&d->w->tracks, slot->track);
    if (track == NULL || d->now - slot->layer_keyframe_at < LAYER_KEYFRAME_INTERVAL)
        return;
    slot->layer_keyframe_at = d->now;
    track_want_keyframe(d->w, track, e, d->now);
}

/* Whether the viewer is to get this packet of the flowing (or now beginning) input. */
static bool is_wanted(struct departure *d, struct encoding *e, const struct pass_packet *p,
                      bool *ret_marker)
{
    struct slot *slot = d->slot;
    struct bytes payload = slot->takes_primary ? p->primary : p->payload;
    if (payload.len == 0 || slot->format_out == SLOT_NO_FORMAT)
        return false;
    if (!e->is_video)
        return true;
    if (p->encoding != slot->forwarder.input)
        layer_filter_reset(&slot->filter);
    bool sent = layer_filter_push(&slot->filter, &e->layers.structure, &p->layers, ret_marker) ==
                LAYER_SEND;
    if (layer_filter_needs_keyframe(&slot->filter))
        ask_for_layer(d, e);
    return sent;
}

/* How much later this packet came than one behind it, by the publisher's clock. */
static usec lateness(const struct encoding *e, const struct pass_packet *p,
                     const struct cached_packet *behind)
{
    int64_t ticks = seq32_diff(behind->timestamp, p->timestamp);
    return ticks * USEC_PER_SEC / e->clock_rate - (behind->stored_at - p->arrival);
}

/* A keyframe whose first packet came late is of use only if those behind it were kept (nobody may
 * have watched when they came), and if it is not old: the picture would be, and timestamps, which
 * go by when this packet came, would run ahead by as much. */
static bool can_follow(const struct departure *d, const struct encoding *e,
                       const struct pass_packet *p)
{
    int64_t next = p->seq + 1;
    if (encoding_highest(e) < next)
        return true;
    if (packet_cache_find(&e->cache, next) == NULL && !is_still_to_come(d, p, next))
        return false;
    for (int64_t seq = next; seq <= e->cache.highest; seq++) {
        const struct cached_packet *c = packet_cache_find(&e->cache, seq);
        if (c != NULL && lateness(e, p, c) > KEYFRAME_AGE_MAX)
            return false;
    }
    return true;
}

/* Whether this packet may be the first one of its input. Audio begins with the newest there is:
 * what came before was not sent, and would be missing. */
static bool can_begin(struct departure *d, struct encoding *e, const struct pass_packet *p)
{
    if (!e->is_video)
        return p->seq >= encoding_highest(e);
    if (!p->layers.keyframe_start)
        return false;
    if (can_follow(d, e, p))
        return true;
    struct track *track = pool_at(&d->w->tracks, d->slot->track);
    if (track != NULL)
        track_want_keyframe(d->w, track, e, d->now); /* another one */
    return false;
}

static enum forwarder_verdict push(struct departure *d, const struct pass_packet *p,
                                   struct forwarder_output *ret, bool *ret_marker)
{
    struct forwarder *f = &d->slot->forwarder;
    struct encoding *e = pool_at(&d->w->encodings, p->encoding);
    if (e == NULL || !forwarder_takes(f, p->encoding))
        return FORWARDER_NOT_INPUT;
    if (p->encoding != f->input && !can_begin(d, e, p))
        return FORWARDER_WAITING;
    if (p->encoding == f->input && forwarder_is_past(f, p->seq))
        return FORWARDER_STALE; /* the filter must not take it for a part of the present stream */
    bool wanted = is_wanted(d, e, p, ret_marker);
    bool numbered = (p->ext.present & RTP_EXT_BIT(RTP_EXT_DEPENDENCY_DESCRIPTOR)) != 0;
    const struct forwarder_packet in = { .input = p->encoding,
                                         .seq = p->seq,
                                         .timestamp = p->timestamp,
                                         .clock_rate = e->clock_rate,
                                         .arrival = p->arrival,
                                         .keyframe_start = p->layers.keyframe_start,
                                         .is_unwanted = !wanted,
                                         .payload = &p->descriptor,
                                         .has_frame_number = numbered && p->layers.numbered,
                                         .frame_number = p->layers.frame_number,
                                         .template_count =
                                             numbered ? e->layers.depdesc.template_count : 0,
                                         .clock = &e->clock };
    return forwarder_push(f, &in, ret);
}

/* An empty packet in the place of one that is not for the viewer: else they would ask for it. */
static void fill(struct departure *d, const struct forwarder_output *o)
{
    static const uint8_t padding[1] = { 1 };
    struct slot *slot = d->slot;
    if (slot->format_out == SLOT_NO_FORMAT)
        return;
    struct rtp_packet h = { .payload_type = slot->format_out,
                            .seq = (uint16_t)o->seq,
                            .timestamp = o->timestamp,
                            .ssrc = slot->ssrc,
                            .padding_len = sizeof padding };
    struct rtp_ext_values v = { 0 };
    struct bytes header = write_header(d, &h, &v);
    (void)seal(d, (uint64_t)o->seq, header, bytes_of(padding, sizeof padding));
}

/* The frame numbers of the viewer's stream, and which layers they can still get. */
static void add_depdesc(const struct departure *d, const struct pass_packet *p,
                        const struct forwarder_output *o, struct rtp_ext_values *v,
                        struct writer *memory)
{
    if ((p->ext.present & RTP_EXT_BIT(RTP_EXT_DEPENDENCY_DESCRIPTOR)) == 0)
        return;
    const uint32_t *active =
        p->layers.keyframe_start ? layer_filter_active_targets(&d->slot->filter) : NULL;
    depdesc_rewrite(memory, p->ext.dependency_descriptor, &p->layers.layout, o->depdesc, active);
    if (memory->failed)
        return;
    v->present |= RTP_EXT_BIT(RTP_EXT_DEPENDENCY_DESCRIPTOR);
    v->dependency_descriptor = bytes_of(memory->start, writer_len(memory));
}

/* The retransmission of a cached packet. */
static size_t send_again(struct departure *d, const struct send_record *r,
                         const struct cached_packet *source)
{
    struct slot *slot = d->slot;
    const struct cached_frame frame = encoding_cached_frame(source);
    struct rtp_packet h = { .payload_type = r->payload_type,
                            .marker = r->marker,
                            .seq = (uint16_t)slot->rtx_index,
                            .timestamp = r->out_timestamp,
                            .ssrc = slot->rtx_ssrc };
    struct rtp_ext_values v = { 0 };
    uint8_t depdesc[DEPDESC_SIZE_MAX];
    struct writer dw = writer_of(depdesc, sizeof depdesc);
    if (frame.depdesc.len > 0) {
        depdesc_rewrite(&dw, frame.depdesc, &frame.layers->layout,
                        (struct depdesc_shift){ r->frame_offset, r->template_offset }, NULL);
        v.present = dw.failed ? 0 : RTP_EXT_BIT(RTP_EXT_DEPENDENCY_DESCRIPTOR);
        v.dependency_descriptor = bytes_of(depdesc, dw.failed ? 0 : writer_len(&dw));
    }
    if (frame.has_orientation) {
        v.present |= RTP_EXT_BIT(RTP_EXT_VIDEO_ORIENTATION);
        v.video_orientation = frame.video_orientation;
    }
    struct bytes header = write_header(d, &h, &v);
    struct writer payload = writer_of(d->at + header.len, d->capacity - header.len);
    rtx_write_payload(&payload, r, source->payload);
    if (payload.failed)
        return 0;
    size_t size =
        seal(d, slot->rtx_index, header, bytes_of(d->at + header.len, writer_len(&payload)));
    slot->rtx_index += size > 0;
    return size;
}

/* Something sent a moment ago, once more. */
static size_t repeat(struct departure *d, unsigned back)
{
    const struct send_record *r = send_log_recent(&d->slot->log, back);
    const struct encoding *e = r == NULL ? NULL : pool_at(&d->w->encodings, r->source);
    const struct cached_packet *source =
        e == NULL || !e->is_video ? NULL : packet_cache_find(&e->cache, r->source_seq);
    return source == NULL ? 0 : send_again(d, r, source);
}

/* Where packets are lost, though not because there are too many, what must not be lost goes twice:
 * the other way would be a picture that stands still for another round trip. */
static bool goes_twice(const struct departure *d)
{
    return d->slot->loss >= RESEND_TWICE_LOSS && !bwe_is_congested(&d->t->bandwidth.bwe);
}

/* That the last packet of a frame is lost shows only when the next frame comes. */
static void repeat_end(struct departure *d)
{
    if (goes_twice(d) && reserve(d, DATAGRAM_SIZE_MAX) && repeat(d, 0) > 0)
        stats_count(&d->w->stats, STAT_RTX_OUT);
}

static void add_playout(struct departure *d, const struct pass_packet *p, struct rtp_ext_values *v)
{
    const struct encoding *e = pool_at(&d->w->encodings, p->encoding);
    const struct playout_path up = { e->stats.fraction_lost, e->nack.rtt_us };
    const struct playout_path down = { d->slot->loss, MAX(d->t->rtt_us, 0) };
    playout_set_full(&d->slot->playout,
                     d->w->config.playout_delay_max > 0 && bwe_is_full(&d->t->bandwidth.bwe));
    playout_look(&d->slot->playout, &up, &down, bwe_is_congested(&d->t->bandwidth.bwe),
                 d->w->config.playout_delay_max, d->now);
    playout_write(&d->slot->playout, v);
}

static void send_packet(struct departure *d, const struct pass_packet *p,
                        const struct forwarder_output *o, bool marker)
{
    struct slot *slot = d->slot;
    struct rtp_packet h = { .payload_type = payload_type_of(d, p),
                            .marker = marker,
                            .seq = (uint16_t)o->seq,
                            .timestamp = o->timestamp,
                            .ssrc = slot->ssrc,
                            .padding_len = padding_of(d, p) };
    struct rtp_ext_values v = p->ext;
    v.present &= FORWARDED_EXTENSIONS;
    if (slot->kind == MEDIA_VIDEO && d->t->params.ext.id_of[RTP_EXT_PLAYOUT_DELAY] != 0)
        add_playout(d, p, &v);
    uint8_t depdesc[DEPDESC_SIZE_MAX];
    struct writer dw = writer_of(depdesc, sizeof depdesc);
    add_depdesc(d, p, o, &v, &dw);
    struct bytes header = write_header(d, &h, &v);
    struct send_record record = { 0 };
    struct bytes payload = slot->kind == MEDIA_AUDIO ? place_sound(d, p, header.len)
                                                     : place_payload(d, p, o, header.len, &record);
    if (seal(d, (uint64_t)o->seq, header, payload) == 0)
        return;
    stats_count(&d->w->stats, STAT_RTP_OUT);
    note_sent(d, p, payload.len - h.padding_len, marker, o, &record);
    if (marker && slot->kind == MEDIA_VIDEO)
        repeat_end(d);
}

bool slot_forward(struct worker *w, struct transport *t, struct slot *slot,
                  const struct pass_packet *p, usec now, struct outbox *out)
{
    struct departure d = { .w = w, .t = t, .slot = slot, .out = out, .now = now };
    if (p->encoding != slot->format_input || p->payload_type != slot->format_in)
        look_up_format(slot, t, p);
    if (slot->format_out == SLOT_NO_FORMAT)
        stats_count(&w->stats, STAT_DROP_FORMAT);
    if (!reserve(&d, p->payload.len + PASS_PAD_MAX + (is_repeating(&d, p) ? RED_OVERHEAD_MAX : 0)))
        return false;
    struct forwarder_output o;
    bool marker_here = false;
    enum forwarder_verdict v = push(&d, p, &o, &marker_here);
    if (v == FORWARDER_FILL)
        fill(&d, &o);
    if (v == FORWARDER_SEND || v == FORWARDER_SWITCHED)
        send_packet(&d, p, &o, p->marker || marker_here);
    if (v == FORWARDER_SWITCHED) {
        stats_count(&w->stats, STAT_SWITCHES);
        const struct encoding *e = pool_at(&w->encodings, p->encoding);
        if (e->is_video)
            catch_up(&d, e, p);
    }
    return true;
}

bool slot_resend(struct worker *w, struct transport *t, struct slot *slot, uint16_t out_seq,
                 usec now, struct outbox *out)
{
    struct departure d = { .w = w, .t = t, .slot = slot, .out = out, .now = now };
    if (slot->rtx_ssrc == 0)
        return true;
    if (!reserve(&d, DATAGRAM_SIZE_MAX))
        return false;
    const struct send_record *r;
    if (send_log_serve(&slot->log, out_seq, now, MAX(t->rtt_us, 0), &r) != OK) {
        if (send_log_has_forgotten(&slot->log, out_seq))
            slot_on_beyond_repair(w, slot, now);
        return true;
    }
    const struct encoding *e = pool_at(&w->encodings, r->source);
    const struct cached_packet *source =
        e == NULL || !e->is_video ? NULL : packet_cache_find(&e->cache, r->source_seq);
    if (source == NULL) {
        slot_on_beyond_repair(w, slot, now);
        return true;
    }
    slot->sample.resent_count++;
    unsigned times = goes_twice(&d) ? 2 : 1;
    for (unsigned i = 0; i < times && reserve(&d, DATAGRAM_SIZE_MAX); i++)
        stats_add(&w->stats, STAT_RTX_OUT, send_again(&d, r, source) > 0);
    return true;
}

/* Nothing has to have been sent before: any RTX format of the m-line does for padding. */
static uint8_t padding_format(const struct transport *t, const struct slot *slot)
{
    const struct media_params *m = slot->params;
    for (size_t i = 0; i < m->payload_type_count && slot->rtx_format == SLOT_NO_FORMAT; i++) {
        if (t->params.formats[m->payload_types[i]].codec == CODEC_RTX)
            return m->payload_types[i];
    }
    return slot->rtx_format;
}

static size_t pad(struct departure *d, uint8_t size)
{
    struct slot *slot = d->slot;
    uint8_t padding[UINT8_MAX] = { 0 };
    padding[size - 1] = size;
    struct rtp_packet h = { .payload_type = padding_format(d->t, slot),
                            .seq = (uint16_t)slot->rtx_index,
                            .timestamp = slot->forwarder.out_timestamp,
                            .ssrc = slot->rtx_ssrc,
                            .padding_len = size };
    struct rtp_ext_values v = { 0 };
    struct bytes header = write_header(d, &h, &v);
    size_t sealed = seal(d, slot->rtx_index, header, bytes_of(padding, size));
    slot->rtx_index += sealed > 0;
    return sealed;
}

size_t slot_send_padding(struct worker *w, struct transport *t, struct slot *slot,
                         const struct padding *p, usec now, struct outbox *out)
{
    struct departure d = {
        .w = w, .t = t, .slot = slot, .out = out, .now = now, .cluster = p->cluster
    };
    if (slot->rtx_ssrc == 0 || padding_format(t, slot) == SLOT_NO_FORMAT || t->sealer == NULL ||
        transport_destination(t) == NULL || !reserve(&d, DATAGRAM_SIZE_MAX))
        return 0;
    size_t size = p->wanted > PADDING_SIZE_MAX ? repeat(&d, p->back % PADDING_REPEATS) : 0;
    if (size == 0)
        size = pad(&d, (uint8_t)MIN(p->wanted, (size_t)PADDING_SIZE_MAX));
    stats_add(&w->stats, STAT_PROBE_BYTES, size);
    return size;
}
