/* judge_arrival.c - what arrives, held against what was sent. SPDX-License-Identifier: Apache-2.0
 */
#include "judge_private.h"

#include "rtc/rtp.h"
#include "rtc/vp8.h"

enum { NEIGHBOURS = 32 };

/* How surely the packet is that one: a clip repeats itself, and much is sent again at one time. */
enum likeness { NO_LIKENESS, SIMILAR, LIKELY, CERTAIN };

static enum likeness stamp_likeness(const struct judged_source *source, const struct sent *p,
                                    const struct stamp *stamp)
{
    if (stamp_unpack(p->stamp).sent_at == stamp->sent_at)
        return CERTAIN;
    return judge_source_was_repeated_at(source, p, stamp->sent_at) ? LIKELY : SIMILAR;
}

/* Whether a packet from there would be in step with what is known around its place, in numbers and
 * in time. */
static bool fits(const struct judged_stream *s, int64_t seq, uint32_t timestamp,
                 const struct judged_source *source, const struct sent *sent)
{
    for (int64_t i = -NEIGHBOURS; i <= NEIGHBOURS; i++) {
        const struct out_place *n = &s->ring[(uint64_t)(seq + i) & (OUT_RING - 1)];
        if (n->seq != seq + i || !n->arrived || n->source != source ||
            n->source_seq - n->seq != sent->seq - seq)
            continue;
        const struct sent *other = judge_sent_at(source, n->source_seq);
        if (other != NULL && other->timestamp - n->timestamp == sent->timestamp - timestamp)
            return true;
    }
    return false;
}

static enum likeness likeness_of(const struct judged_stream *s, int64_t seq,
                                 const struct sink_packet *p, const struct judged_source *source,
                                 const struct sent *sent)
{
    enum likeness by_stamp = p->has_stamp ? stamp_likeness(source, sent, &p->stamp) : LIKELY;
    return by_stamp == LIKELY && fits(s, seq, p->rtp->timestamp, source, sent) ? CERTAIN : by_stamp;
}

/* NULL: there is none with these contents. */
static const struct sent *find(struct judge *j, const struct judged_stream *s, int64_t seq,
                               const struct sink_packet *p, const struct judged_source **ret_source,
                               enum likeness *ret_likeness)
{
    uint64_t hash = judge_payload_hash(p->codec, p->payload);
    const struct sent *best = NULL;
    *ret_likeness = NO_LIKENESS;
    for (unsigned i = j->source_count; i-- > 0;) {
        const struct judged_source *source = &j->sources[i];
        if (source->kind != s->kind ||
            (p->has_stamp && (source->bot != p->stamp.sender ||
                              (!source->is_svc && source->layer != p->stamp.layer))))
            continue;
        int64_t top = source->unwrapper.highest;
        for (int64_t at = top; at > top - SENT_RING && at >= 0; at--) {
            const struct sent *sent = judge_sent_at(source, at);
            if (sent == NULL)
                break;
            if (sent->payload_hash != hash ||
                (p->has_stamp && source->is_svc && sent->spatial_id != p->stamp.layer))
                continue;
            enum likeness likeness = likeness_of(s, seq, p, source, sent);
            if (likeness <= *ret_likeness)
                continue;
            *ret_likeness = likeness;
            *ret_source = source;
            best = sent;
            if (likeness == CERTAIN)
                return best;
        }
    }
    return best;
}

/* Of H.264 the packet with the picture counts, too: the parameter sets before it may be lost. */
static bool begins_keyframe(const struct judged_source *source, const struct sent *p)
{
    return p->keyframe && p->spatial_id == 0 && (p->frame_start || source->codec == CODEC_H264);
}

static bool needs(const struct sent *p, uint16_t frame_number)
{
    for (unsigned i = 0; i < ARRAY_LEN(p->references); i++) {
        if (p->references[i] > 0 && (uint16_t)(p->frame_number - p->references[i]) == frame_number)
            return true;
    }
    return false;
}

/* Between two packets with numbers in a row that come from one input. */
static void check_continued(struct judge *j, const struct judged_stream *s,
                            const struct out_place *a, const struct out_place *b)
{
    const struct sent *x = judge_sent_at(a->source, a->source_seq);
    const struct sent *y = judge_sent_at(b->source, b->source_seq);
    if (x == NULL || y == NULL)
        return;
    if (y->seq <= x->seq) {
        judge_fail(j, "%s: number %u is packet %lld of bot %u, after %lld", judge_name(s),
                   (uint16_t)b->seq, (long long)y->seq, b->source->bot, (long long)x->seq);
        return;
    }
    /* A stream that was stopped and goes on: its place in time is found anew. */
    if (s->kind == MEDIA_AUDIO || begins_keyframe(b->source, y))
        return;
    if (b->timestamp - a->timestamp != y->timestamp - x->timestamp)
        judge_fail(j, "%s: number %u: a step of %u ticks, its input made %u", judge_name(s),
                   (uint16_t)b->seq, b->timestamp - a->timestamp, y->timestamp - x->timestamp);
    if (a->timestamp != b->timestamp && !a->marker)
        judge_fail(
            j,
            "%s: number %u begins a picture, and the one before (frame %u S%uT%u of bot %u%s) "
            "had no marker",
            judge_name(s), (uint16_t)b->seq, x->frame_number, x->spatial_id, x->temporal_id,
            a->source->bot, x->frame_end ? ", its end" : "");
    for (int64_t seq = x->seq + 1; seq < y->seq; seq++) {
        const struct sent *left_out = judge_sent_at(a->source, seq);
        if (left_out == NULL)
            continue;
        if (left_out->temporal_id == 0 && !a->source->is_svc)
            judge_fail(j, "%s: number %u closes a gap over packet %lld of bot %u", judge_name(s),
                       (uint16_t)b->seq, (long long)seq, a->source->bot);
        else if (needs(y, left_out->frame_number))
            judge_fail(j, "%s: number %u needs a frame that was left out", judge_name(s),
                       (uint16_t)b->seq);
    }
}

static void check_pair(struct judge *j, const struct judged_stream *s, int64_t seq)
{
    const struct out_place *a = &s->ring[(uint64_t)seq & (OUT_RING - 1)];
    const struct out_place *b = &s->ring[(uint64_t)(seq + 1) & (OUT_RING - 1)];
    if (a->seq != seq || b->seq != seq + 1 || !a->arrived || !b->arrived)
        return;
    const struct sent *y = judge_sent_at(b->source, b->source_seq);
    if (a->source == b->source)
        check_continued(j, s, a, b);
    else if (s->kind == MEDIA_VIDEO && y != NULL && !begins_keyframe(b->source, y))
        judge_fail(j,
                   "%s: number %u comes after packet %lld of bot %u (layer %u) and is %lld of bot "
                   "%u (%s, layer %u%s%s), which begins no keyframe",
                   judge_name(s), (uint16_t)b->seq, (long long)a->source_seq, a->source->bot,
                   a->source->layer, (long long)y->seq, b->source->bot,
                   codec_name(b->source->codec), b->source->layer, y->keyframe ? ", of one" : "",
                   y->frame_start ? ", begins a frame" : "");
    uint16_t expected = (uint16_t)((a->picture_id + (a->timestamp != b->timestamp)) & 0x7fff);
    if (a->has_vp8 && b->has_vp8 && b->picture_id != expected)
        judge_fail(j, "%s: number %u has picture id %u, not %u", judge_name(s), (uint16_t)b->seq,
                   b->picture_id, expected);
}

void judge_on_arrival(struct judge *j, unsigned bot, const struct sink *sink,
                      const struct sink_packet *p)
{
    struct judged_stream *s = judge_stream(j, bot, sink->ssrc);
    if (s == NULL)
        return;
    if (sink->frames != NULL && sink->frames->undecodable_count > 0)
        judge_fail(j, "%s: a picture before number %u cannot be decoded, and nothing is missing",
                   judge_name(s), p->rtp->seq);
    int64_t seq = seq_peek16(&s->unwrapper, p->rtp->seq);
    struct out_place *place = &s->ring[(uint64_t)seq & (OUT_RING - 1)];
    if (place->seq != seq) {
        judge_fail(j, "%s: number %u was never sent", judge_name(s), p->rtp->seq);
        return;
    }
    const struct judged_source *source = NULL;
    enum likeness likeness;
    const struct sent *sent = find(j, s, seq, p, &source, &likeness);
    if (sent == NULL) {
        judge_fail(j, "%s: number %u has a payload that nobody sent", judge_name(s), p->rtp->seq);
        return;
    }
    if (place->timestamp != p->rtp->timestamp)
        judge_fail(j, "%s: number %u comes again with another timestamp", judge_name(s),
                   p->rtp->seq);
    if (likeness != CERTAIN)
        return;
    j->matched++;
    if (place->arrived && (place->source != source || place->source_seq != sent->seq)) {
        judge_fail(j, "%s: number %u comes again with other contents", judge_name(s), p->rtp->seq);
        return;
    }
    /* the highest layer that is sent of a picture has the marker */
    bool may_add_marker = source->is_svc && sent->frame_end;
    if (sent->marker != p->rtp->marker && !(may_add_marker && p->rtp->marker))
        judge_fail(j, "%s: number %u: the marker is not the publisher's", judge_name(s),
                   p->rtp->seq);
    if (seq == s->first && s->kind == MEDIA_VIDEO && !begins_keyframe(source, sent))
        judge_fail(j, "%s: the first packet begins no keyframe", judge_name(s));
    struct vp8_descriptor vp8;
    place->has_vp8 = p->codec == CODEC_VP8 && vp8_parse(p->payload, &vp8) == OK;
    place->picture_id = place->has_vp8 ? vp8.picture_id : 0;
    place->arrived = true;
    place->marker = p->rtp->marker;
    place->source = source;
    place->source_seq = sent->seq;
    check_pair(j, s, seq - 1);
    check_pair(j, s, seq);
}
