/* judge_output.c - what the node sends, before the network has it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "judge_private.h"

#include "rtc/rtp.h"

#include <stdio.h>
#include <stdlib.h>

/* How far the media clock of a stream may be from the time that has passed: delays, a pause of the
 * publisher's that is noticed late, retransmissions. */
#define CLOCK_TOLERANCE SECONDS(3)

const char *judge_name(const struct judged_stream *s)
{
    static char text[64];
    (void)snprintf(text, sizeof text, "bot %u, %s %08x", s->bot,
                   s->is_rtx                ? "RTX"
                   : s->kind == MEDIA_VIDEO ? "video"
                                            : "audio",
                   s->ssrc);
    return text;
}

struct judged_stream *judge_stream(struct judge *j, unsigned bot, uint32_t ssrc)
{
    for (unsigned i = j->stream_count; i-- > 0;) {
        if (j->streams[i].ssrc == ssrc && j->streams[i].bot == bot)
            return &j->streams[i];
    }
    return NULL;
}

static struct leg *leg_of(const struct judge *j, unsigned bot, uint32_t ssrc, struct sink **ret)
{
    const struct bot *b = j->sim->bots[bot].bot;
    for (unsigned i = 0; i < BOT_LEGS_MAX; i++) {
        struct leg *l = b->legs[i];
        for (unsigned k = 0; l != NULL && k < l->sink_count; k++) {
            if (l->sinks[k]->ssrc == ssrc || l->sinks[k]->rtx_ssrc == ssrc) {
                *ret = l->sinks[k];
                return l;
            }
        }
    }
    return NULL;
}

static struct judged_stream *add_stream(struct judge *j, unsigned bot, const struct rtp_packet *p,
                                        const struct sink *sink)
{
    check(j->stream_count < STREAMS_MAX);
    struct judged_stream *s = &j->streams[j->stream_count++];
    *s = (struct judged_stream){ .bot = bot,
                                 .ssrc = p->ssrc,
                                 .kind = sink->kind,
                                 .is_rtx = p->ssrc != sink->ssrc,
                                 .first = p->seq,
                                 .first_timestamp = p->timestamp,
                                 .top_timestamp = p->timestamp,
                                 .first_at = j->sim->now };
    if (s->is_rtx)
        return s;
    s->ring = calloc(OUT_RING, sizeof *s->ring);
    check(s->ring != NULL);
    for (size_t i = 0; i < OUT_RING; i++)
        s->ring[i].seq = -1;
    return s;
}

/* The layers of its camera are in one stream. */
static bool is_of_svc(const struct judge *j, unsigned bot, enum media_kind kind)
{
    for (unsigned i = j->source_count; i-- > 0;) {
        if (j->sources[i].bot == bot && j->sources[i].kind == kind)
            return j->sources[i].is_svc;
    }
    return false;
}

/* Numbers may be left out only for packets of the publisher that are not here. */
static void check_gap(struct judge *j, const struct judged_stream *s, int64_t gap, uint64_t stamp)
{
    struct stamp a = stamp_unpack(s->top_stamp), b = stamp_unpack(stamp);
    if (s->top_stamp == 0 || stamp == 0)
        return; /* from the node's cache, which keeps no stamps */
    if (a.sender != b.sender || (a.layer != b.layer && !is_of_svc(j, a.sender, s->kind))) {
        judge_fail(j, "%s: %lld numbers left out where the input changes", judge_name(s),
                   (long long)gap);
        return;
    }
    for (unsigned i = j->source_count; i-- > 0;) {
        const struct judged_source *source = &j->sources[i];
        int64_t low, high, none;
        if (source->bot != a.sender || source->kind != s->kind ||
            (!source->is_svc && source->layer != a.layer) ||
            !judge_source_span(source, s->top_stamp, &low, &none) ||
            !judge_source_span(source, stamp, &none, &high))
            continue;
        int64_t missing = 0;
        for (int64_t seq = low; seq < high; seq++) {
            const struct sent *p = judge_sent_at(source, seq);
            missing += p == NULL || p->arrived_at == USEC_NEVER;
        }
        if (missing < gap)
            judge_fail(j, "%s: %lld numbers left out, where %lld packets of bot %u never came",
                       judge_name(s), (long long)gap, (long long)missing, source->bot);
        return;
    }
}

static void check_clock(struct judge *j, struct judged_stream *s, const struct rtp_packet *p)
{
    int64_t rate = s->kind == MEDIA_VIDEO ? 90000 : 48000;
    int32_t step = seq32_diff(p->timestamp, s->top_timestamp);
    int64_t passed = j->sim->now - s->first_at;
    int64_t told = (int64_t)(uint32_t)(p->timestamp - s->first_timestamp) * USEC_PER_SEC / rate;
    if (step < 0)
        judge_fail(j, "%s: the timestamp of number %u goes back by %d", judge_name(s), p->seq,
                   -step);
    else if (told > passed + CLOCK_TOLERANCE || told < passed - CLOCK_TOLERANCE)
        judge_fail(j, "%s: %.3f s have passed, timestamps say %.3f s", judge_name(s),
                   (double)passed / 1e6, (double)told / 1e6);
}

static void check_late(struct judge *j, const struct judged_stream *s, const struct rtp_packet *p,
                       int64_t seq)
{
    const struct out_place *before = &s->ring[(uint64_t)(seq - 1) & (OUT_RING - 1)];
    const struct out_place *behind = &s->ring[(uint64_t)(seq + 1) & (OUT_RING - 1)];
    if (seq < s->first)
        judge_fail(j, "%s: number %u is before the first", judge_name(s), p->seq);
    else if ((before->seq == seq - 1 && seq32_diff(p->timestamp, before->timestamp) < 0) ||
             (behind->seq == seq + 1 && seq32_diff(p->timestamp, behind->timestamp) > 0))
        judge_fail(j, "%s: the timestamp of late number %u is not between its neighbours'",
                   judge_name(s), p->seq);
}

void judge_on_output(struct judge *j, unsigned bot, struct bytes datagram)
{
    struct rtp_packet p;
    struct sink *sink;
    uint8_t clear[2048];
    check(datagram.len > 0 && datagram.len <= sizeof clear);
    memcpy(clear, datagram.data, datagram.len);
    clear[0] &= (uint8_t)~0x20; /* how much is padding is sealed */
    if (rtp_parse(bytes_of(clear, datagram.len), &p) != OK) {
        judge_fail(j, "bot %u: RTP that is malformed", bot);
        return;
    }
    const struct leg *l = leg_of(j, bot, p.ssrc, &sink);
    if (l == NULL)
        return;
    struct judged_stream *s = judge_stream(j, bot, p.ssrc);
    bool is_new = s == NULL;
    if (is_new)
        s = add_stream(j, bot, &p, sink);
    int64_t seq = seq_peek16(&s->unwrapper, p.seq), gap = seq - s->unwrapper.highest - 1;
    if (s->is_rtx) {
        if (!is_new && gap != 0)
            judge_fail(j, "%s: number %u does not follow", judge_name(s), p.seq);
        (void)seq_learn(&s->unwrapper, seq);
        return;
    }
    struct rtp_ext_values ext;
    rtp_ext_read(&l->remote->ext, &p, &ext);
    uint64_t stamp =
        (ext.present & RTP_EXT_BIT(RTP_EXT_ABS_CAPTURE_TIME)) != 0 ? ext.abs_capture_time : 0;
    struct out_place *place = &s->ring[(uint64_t)seq & (OUT_RING - 1)];
    if (place->seq == seq)
        judge_fail(j, "%s: number %u is used twice", judge_name(s), p.seq);
    if (is_new || seq > s->unwrapper.highest) {
        if (!is_new && gap > 0)
            check_gap(j, s, gap, stamp);
        check_clock(j, s, &p);
        s->top_timestamp = p.timestamp;
        s->top_stamp = stamp;
    } else {
        check_late(j, s, &p, seq);
    }
    *place = (struct out_place){ .seq = seq, .timestamp = p.timestamp };
    (void)seq_learn(&s->unwrapper, seq);
}
