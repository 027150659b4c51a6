/* ingress.c - one datagram in: what it is, whose it is, and into which queues it goes.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/worker_state.h"
#include "rtc/demux.h"

static void ingress_stun(struct worker *w, const struct datagram *d, usec now)
{
    stats_count(&w->stats, STAT_STUN_IN);
    struct stun_message m;
    if (stun_parse(bytes_of(d->data, d->len), &m) != OK) {
        stats_count(&w->stats, STAT_DROP_STUN);
        return;
    }
    struct transport *t = m.class == STUN_REQUEST
                              ? transport_find_ufrag(w, stun_username_local(m.username))
                              : transport_find_address(w, &d->from);
    if (t == NULL || (m.class != STUN_REQUEST && m.class != STUN_INDICATION)) {
        stats_count(&w->stats, STAT_DROP_STUN);
        return;
    }
    transport_on_stun(w, t, &m, d, now);
}

static void ingress_dtls(struct worker *w, struct transport *t, const struct datagram *d, usec now)
{
    stats_count(&w->stats, STAT_DTLS_IN);
    if (!ice_lite_is_valid(&t->ice, &d->from))
        stats_count(&w->stats, STAT_DROP_DTLS);
    else
        transport_on_dtls(w, t, d, now);
}

void worker_receive(struct worker *w, const struct datagram *d, usec now)
{
    w->now = now;
    enum demux_kind kind = demux_classify(bytes_of(d->data, d->len));
    if (kind == DEMUX_STUN) {
        ingress_stun(w, d, now);
        return;
    }
    struct transport *t = transport_find_address(w, &d->from);
    if (t == NULL) {
        stats_count(&w->stats, STAT_DROP_UNKNOWN);
        return;
    }
    if (kind == DEMUX_DTLS)
        ingress_dtls(w, t, d, now);
    else if (kind != DEMUX_RTP && kind != DEMUX_RTCP)
        stats_count(&w->stats, STAT_DROP_MALFORMED);
    else if (t->state != TRANSPORT_CONNECTED)
        stats_count(&w->stats, STAT_DROP_STATE);
    else if (kind == DEMUX_RTP)
        ingress_rtp(w, t, d, now);
    else
        feedback_receive(w, t, d, now);
}

/* One RTP packet on its way through the functions below. */
struct arrival {
    struct transport *t;
    struct rtp_packet rtp;
    struct rtp_ext_values ext;
    const struct format *format; /* of the packet; for RTX of what it repairs */
    const struct transport_ssrc *source;
    struct track *track;
    struct encoding *encoding;
    struct bytes payload; /* of the media: without RTX number */
    uint16_t seq;         /* original */
    usec at;
    size_t skipped; /* packets of the publisher, of any stream, that should have come before */
    bool is_rtx;
};

static enum worker_stat drop_of(enum err err)
{
    switch (err) {
    case ERR_AUTH:
        return STAT_DROP_AUTH;
    case ERR_EXPIRED:
        return STAT_DROP_REPLAY;
    case ERR_FULL:
        return STAT_DROP_FULL;
    default:
        return STAT_DROP_MALFORMED;
    }
}

static const struct transport_ssrc *find_ssrc(const struct transport *t, uint32_t ssrc)
{
    for (size_t i = 0; i < t->ssrc_count; i++) {
        if (t->ssrcs[i].ssrc == ssrc)
            return &t->ssrcs[i];
    }
    return NULL;
}

static bool media_has_type(const struct media_params *m, uint8_t payload_type)
{
    for (size_t i = 0; i < m->payload_type_count; i++) {
        if (m->payload_types[i] == payload_type)
            return true;
    }
    return false;
}

/* By mid and rid, else by what the offer said about SSRCs. */
static bool locate(const struct arrival *a, struct transport_ssrc *ret)
{
    const struct transport_terms *p = &a->t->params;
    bool has_mid = (a->ext.present & RTP_EXT_BIT(RTP_EXT_MID)) != 0;
    struct bytes rid = bytes_of(NULL, 0);
    if (a->is_rtx && (a->ext.present & RTP_EXT_BIT(RTP_EXT_REPAIRED_RID)))
        rid = a->ext.repaired_rid;
    else if (a->ext.present & RTP_EXT_BIT(RTP_EXT_RID))
        rid = a->ext.rid;
    for (size_t i = 0; i < p->media_count; i++) {
        const struct media_params *m = transport_media(a->t, i);
        uint32_t signaled = a->is_rtx ? m->rtx_ssrc : m->ssrc;
        bool matches = has_mid ? bytes_equal(a->ext.mid, bytes_of_str(m->mid))
                               : signaled != 0 && signaled == a->rtp.ssrc;
        if (m->role != MEDIA_PUBLISH || !matches)
            continue;
        ret->ssrc = a->rtp.ssrc;
        ret->media_index = (uint8_t)i;
        ret->is_rtx = a->is_rtx;
        ret->layer = 0;
        if (m->rid_count == 0)
            return true;
        for (uint8_t layer = 0; layer < m->rid_count; layer++) {
            ret->layer = layer;
            if (bytes_equal(rid, bytes_of_str(m->rids[layer])))
                return true;
        }
        return false;
    }
    return false;
}

/* The SSRC takes the place of one that was the same stream before. NULL: no room. */
static const struct transport_ssrc *learn(struct transport *t, const struct transport_ssrc *s)
{
    for (size_t i = 0; i < t->ssrc_count; i++) {
        struct transport_ssrc *old = &t->ssrcs[i];
        if (old->media_index == s->media_index && old->layer == s->layer &&
            old->is_rtx == s->is_rtx) {
            opener_forget(t->opener, old->ssrc);
            *old = *s;
            return old;
        }
    }
    if (t->ssrc_count == TRANSPORT_SSRCS_MAX)
        return NULL;
    t->ssrcs[t->ssrc_count] = *s;
    return &t->ssrcs[t->ssrc_count++];
}

/* Finds or makes the encoding of a media packet; for RTX it has to exist. */
static bool find_encoding(struct worker *w, struct arrival *a, usec now)
{
    a->source = find_ssrc(a->t, a->rtp.ssrc);
    struct transport_ssrc located;
    bool is_new = a->source == NULL;
    if (is_new) {
        if (!locate(a, &located)) {
            stats_count(&w->stats, STAT_DROP_SSRC);
            return false;
        }
        a->source = &located;
    }
    const struct media_params *m = transport_media(a->t, a->source->media_index);
    a->track = pool_at(&w->tracks, a->t->media[a->source->media_index]);
    if (a->track == NULL || a->is_rtx != a->source->is_rtx ||
        !media_has_type(m, a->rtp.payload_type) || codec_kind(a->format->codec) != m->kind) {
        stats_count(&w->stats, STAT_DROP_FORMAT);
        return false;
    }
    uint8_t layer = a->source->layer;
    a->encoding = track_encoding(w, a->track, layer);
    bool fits = a->encoding != NULL && (a->is_rtx || a->encoding->ssrc == a->rtp.ssrc);
    if (!fits && !a->is_rtx)
        a->encoding = track_learn(w, a->track, layer, a->rtp.ssrc, a->format, now);
    if (a->encoding == NULL) {
        stats_count(&w->stats, a->is_rtx ? STAT_DROP_SSRC : STAT_DROP_FULL);
        return false;
    }
    if (is_new)
        a->source = learn(a->t, &located);
    if (!fits)
        stats_set(&w->stats, STAT_ENCODINGS, w->encodings.live);
    return true;
}

/* Authenticates, decrypts in place, parses. Everything authentic counts for transport-cc, whatever
 * becomes of it. */
static bool open_packet(struct worker *w, struct arrival *a, const struct datagram *d, usec now)
{
    struct opened_rtp opened;
    worker_record(w, a->t->self, PACKET_IN, PACKET_RTP, &d->from, bytes_of(d->data, d->len),
                  d->len);
    enum err err = opener_rtp(a->t->opener, bytes_of(d->data, d->len), d->data, &opened);
    if (err == OK)
        err = rtp_parse(bytes_of(d->data, opened.len), &a->rtp);
    if (err != OK) {
        stats_count(&w->stats, drop_of(err));
        return false;
    }
    stats_count(&w->stats, STAT_RTP_IN);
    transport_on_authentic(w, a->t, now);
    ice_lite_on_authentic(&a->t->ice, &d->from, now);
    observation_on_media(w, a->t, now);
    rtp_ext_read(&a->t->params.ext, &a->rtp, &a->ext);
    if (a->ext.present & RTP_EXT_BIT(RTP_EXT_TRANSPORT_CC)) {
        bool marker = a->rtp.marker &&
                      codec_kind(a->t->params.formats[a->rtp.payload_type].codec) == MEDIA_VIDEO;
        a->skipped = twcc_recorder_on_packet(&a->t->twcc, a->ext.transport_seq, marker, d->arrival);
        a->t->twcc_media_ssrc = a->rtp.ssrc;
        worker_wake(w, a->t->self, twcc_recorder_next_deadline(&a->t->twcc));
    }
    return true;
}

/* What the payload is. False: nothing to forward. */
static bool unwrap_rtx(struct worker *w, struct arrival *a)
{
    const struct format *formats = a->t->params.formats;
    a->format = &formats[a->rtp.payload_type];
    a->payload = a->rtp.payload;
    a->seq = a->rtp.seq;
    if (a->format->codec == CODEC_NONE) {
        stats_count(&w->stats, STAT_DROP_FORMAT);
        return false;
    }
    if (a->format->codec != CODEC_RTX)
        return true;
    a->is_rtx = true;
    stats_count(&w->stats, STAT_RTX_IN);
    a->format = &formats[a->format->apt & 0x7f];
    /* Empty RTX is bandwidth probing. */
    return rtx_parse_payload(a->rtp.payload, &a->seq, &a->payload) == OK && a->payload.len > 0;
}

static struct bytes depdesc_of(const struct rtp_ext_values *ext)
{
    bool has = (ext->present & RTP_EXT_BIT(RTP_EXT_DEPENDENCY_DESCRIPTOR)) != 0;
    return has ? ext->dependency_descriptor : bytes_of(NULL, 0);
}

static bool find_primary(struct bytes payload, struct bytes *ret)
{
    struct red_packet red;
    if (red_parse(payload, &red) != OK)
        return false;
    *ret = red.blocks[red.block_count - 1].data;
    return true;
}

/* What the viewers' slots need to know of the frame. */
static bool inspect(struct arrival *a, struct pass_packet *p)
{
    p->layers = (struct frame_layers){ 0 };
    p->descriptor.codec = CODEC_NONE;
    p->primary = a->payload;
    if (a->format->codec == CODEC_RED && a->payload.len > 0)
        return find_primary(a->payload, &p->primary);
    if (a->payload.len == 0 || a->track->kind != MEDIA_VIDEO)
        return true;
    return layer_reader_read(&a->encoding->layers, (enum codec)a->format->codec, a->payload,
                             depdesc_of(&a->ext), &p->layers, &p->descriptor) == OK;
}

static void route(struct worker *w, struct arrival *a, const struct pass_packet *p)
{
    uint32_t index = (uint32_t)(p - w->packets);
    list_for_each(link, &a->track->slots)
    {
        struct slot *slot = list_entry(link, struct slot, in_track);
        if (!forwarder_takes(&slot->forwarder, a->encoding->self))
            continue;
        struct transport *viewer = pool_at(&w->transports, slot->transport);
        worker_enqueue(w, viewer, slot->self, QUEUE_PACKET, index, 0);
    }
}

static void hear(struct worker *w, struct arrival *a, usec now)
{
    if (a->track->source != SOURCE_MICROPHONE ||
        (a->ext.present & RTP_EXT_BIT(RTP_EXT_AUDIO_LEVEL)) == 0)
        return;
    bool spoke = a->track->meter.speaks;
    speaker_meter_push(&a->track->meter, a->ext.audio_level, now);
    dominant_meter_push(&a->track->dominance, a->ext.audio_level, now);
    room_on_level(w, pool_at(&w->rooms, a->t->room), a->track->meter.speaks && !spoke, now);
}

static bool keep_copy(struct worker *w, struct arrival *a, const struct pass_packet *p, usec now)
{
    if (!a->encoding->is_video || p->payload.len == 0 || list_is_empty(&a->track->slots))
        return true;
    const struct cached_packet c = { .seq = p->seq,
                                     .stored_at = now,
                                     .payload = p->payload,
                                     .timestamp = p->timestamp,
                                     .marker = p->marker };
    const struct cached_frame frame = {
        .layers = &p->layers,
        .descriptor = &p->descriptor,
        .depdesc = depdesc_of(&p->ext),
        .payload_type = p->payload_type,
        .has_orientation = (p->ext.present & RTP_EXT_BIT(RTP_EXT_VIDEO_ORIENTATION)) != 0,
        .video_orientation = p->ext.video_orientation
    };
    return encoding_cache(a->encoding, &w->payloads, &c, &frame);
}

/* Grants and mutes are enforced here, on every packet. */
static bool is_permitted(struct worker *w, const struct arrival *a)
{
    if (!a->track->allowed)
        stats_count(&w->stats, STAT_DROP_FORBIDDEN);
    else if (a->track->muted)
        stats_count(&w->stats, STAT_DROP_MUTED);
    return a->track->allowed && !a->track->muted;
}

/* Sound that begins again must not begin in front of a number that was dropped: the path may have
 * turned the last packet of a mute and the one before it round. The long count of the numbers, too,
 * has to know how far they went meanwhile. Video begins with a keyframe, and its numbers are asked
 * for: those are left alone. */
static void pass_over(const struct arrival *a, usec now)
{
    if (!a->encoding->is_video)
        (void)encoding_on_packet(a->encoding, a->seq, false, now);
}

/* A keyframe is rare, and soon past: it tells little of what the stream costs. With layers in one
 * stream its picture has further frames, which are as large and have the same timestamp. */
static void meter(struct encoding *e, const struct pass_packet *p, usec now)
{
    if (p->layers.keyframe_start)
        e->key_timestamp = p->timestamp;
    if (p->layers.frame_start)
        e->in_keyframe =
            p->layers.keyframe_start || (e->in_keyframe && p->timestamp == e->key_timestamp);
    size_t size = p->payload.len + PACKET_OVERHEAD;
    uint32_t targets = p->layers.has_layers ? p->layers.present : 1;
    rate_meter_add(&e->rates, targets, e->in_keyframe ? size / 4 : size, now);
    if (p->format.codec == CODEC_RED)
        rate_meter_add(&e->rates, 1u << ENCODING_PRIMARY, p->primary.len + PACKET_OVERHEAD, now);
    if (e->in_keyframe)
        rate_meter_add_keyframe(&e->rates, targets, size, p->layers.keyframe_start);
}

/* Whether it goes on with the frame of the packet before it. */
static void find_run(struct worker *w, struct pass_packet *p)
{
    const struct pass_packet *before = p - 1;
    bool goes_on = p > w->packets && before->encoding == p->encoding &&
                   before->timestamp == p->timestamp && p->payload.len > 0;
    p->run = goes_on ? before->run : (uint16_t)(p - w->packets);
    p->longest = 0;
    struct pass_packet *first = &w->packets[p->run];
    first->longest = MAX(first->longest, (uint16_t)p->payload.len);
}

/* A stream that has been quiet for longer has no frame under way. */
#define TAIL_TIME MILLIS(300)

/* Packets are missing that were not of this stream: perhaps the last ones of another's frame. */
static void suspect_tails(struct worker *w, struct arrival *a, int64_t own_skipped, usec now)
{
    if (a->is_rtx || (int64_t)a->skipped <= own_skipped)
        return;
    size_t count = a->skipped - (size_t)MAX(own_skipped, 0);
    for (size_t i = 0; i < a->t->ssrc_count; i++) {
        const struct transport_ssrc *s = &a->t->ssrcs[i];
        struct track *track = pool_at(&w->tracks, a->t->media[s->media_index]);
        struct encoding *e = track == NULL || s->is_rtx ? NULL : track_encoding(w, track, s->layer);
        if (e == NULL || e == a->encoding || !e->has_nack || now - e->packet_at > TAIL_TIME)
            continue;
        nack_suspect_tail(&e->nack, count, now);
        worker_wake(w, a->t->self, nack_next_deadline(&e->nack));
    }
}

void ingress_rtp(struct worker *w, struct transport *t, const struct datagram *d, usec now)
{
    struct arrival a = { .t = t, .at = d->arrival };
    if (!open_packet(w, &a, d, now) || !unwrap_rtx(w, &a) || !find_encoding(w, &a, now))
        return;
    if (!a.is_rtx)
        receive_stats_on_packet(&a.encoding->stats, a.rtp.seq, a.rtp.timestamp, a.rtp.payload.len,
                                d->arrival);
    if (!is_permitted(w, &a)) {
        pass_over(&a, now);
        return;
    }
    if (w->packet_count == PASS_DATAGRAMS_MAX) {
        stats_count(&w->stats, STAT_DROP_FULL);
        return;
    }
    struct pass_packet *p = &w->packets[w->packet_count];
    if (!inspect(&a, p)) {
        stats_count(&w->stats, STAT_DROP_MALFORMED);
        return;
    }
    if (!a.is_rtx)
        track_on_packet(w, a.track, a.encoding, now);
    p->encoding = a.encoding->self;
    int64_t before = encoding_highest(a.encoding);
    p->seq = encoding_on_packet(a.encoding, a.seq, p->layers.keyframe_start, now);
    suspect_tails(w, &a, p->seq - before - 1, now);
    p->timestamp = a.rtp.timestamp;
    p->marker = a.rtp.marker;
    p->format = *a.format;
    p->payload_type = a.format->payload_type;
    p->payload = a.payload;
    w->has_sound |= !a.encoding->is_video;
    p->ext = a.ext;
    p->arrival = d->arrival;
    if (a.encoding->has_nack)
        worker_wake(w, t->self, nack_next_deadline(&a.encoding->nack));
    hear(w, &a, now);
    if (!keep_copy(w, &a, p, now)) {
        stats_count(&w->stats, STAT_DROP_DUPLICATE);
        return;
    }
    meter(a.encoding, p, now);
    if (a.format->codec == CODEC_OPUS && !list_is_empty(&a.track->slots))
        red_history_put(&a.encoding->history, p->seq, p->timestamp, p->payload);
    find_run(w, p);
    w->packet_count++;
    route(w, &a, p);
}

bool ingress_restore(struct worker *w, struct encoding *e, uint32_t low_seq,
                     struct pass_packet *ret)
{
    ret->run = PASS_NO_RUN;
    int64_t seq = e->cache.highest + seq32_diff(low_seq, (uint32_t)e->cache.highest);
    const struct cached_packet *c = e->is_video ? packet_cache_find(&e->cache, seq) : NULL;
    struct track *track = pool_at(&w->tracks, e->track);
    if (c == NULL || track == NULL)
        return false;
    const struct transport *publisher = pool_at(&w->transports, track->transport);
    const struct cached_frame frame = encoding_cached_frame(c);
    ret->payload_type = frame.payload_type;
    ret->format = publisher->params.formats[frame.payload_type & 0x7f];
    ret->ext = (struct rtp_ext_values){ 0 };
    if (frame.depdesc.len > 0) {
        ret->ext.present = RTP_EXT_BIT(RTP_EXT_DEPENDENCY_DESCRIPTOR);
        ret->ext.dependency_descriptor = frame.depdesc;
    }
    if (frame.has_orientation) {
        ret->ext.present |= RTP_EXT_BIT(RTP_EXT_VIDEO_ORIENTATION);
        ret->ext.video_orientation = frame.video_orientation;
    }
    ret->layers = *frame.layers;
    ret->descriptor = *frame.descriptor;
    ret->encoding = e->self;
    ret->seq = c->seq;
    ret->timestamp = c->timestamp;
    ret->marker = c->marker;
    ret->payload = ret->primary = c->payload;
    ret->arrival = c->stored_at;
    return true;
}
