/* SPDX-License-Identifier: Apache-2.0 */
#include "judge_private.h"

#include "alloc_count.h"
#include "common/splitmix.h"
#include "rtc/demux.h"
#include "rtc/rtp.h"
#include "rtc/vp8.h"
#include "rtc/vp9.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void judge_fail(struct judge *j, const char *format, ...)
{
    if (j->failure[0] != '\0')
        return;
    int at = snprintf(j->failure, sizeof j->failure,
                      "%.6f s: ", (double)(j->sim->now - SECONDS(1000)) / 1e6);
    va_list args;
    va_start(args, format);
    vsnprintf(j->failure + at, sizeof j->failure - (size_t)at, format, args);
    va_end(args);
}

/* --- what publishers send --- */

struct judged_source *judge_source(struct judge *j, uint32_t ssrc)
{
    for (unsigned i = j->source_count; i-- > 0;) {
        if (j->sources[i].ssrc == ssrc || (j->sources[i].rtx_ssrc == ssrc && ssrc != 0))
            return &j->sources[i];
    }
    return NULL;
}

static struct judged_source *add_source(struct judge *j, unsigned bot, const struct source *s)
{
    check(j->source_count < SOURCES_MAX);
    struct judged_source *ret = &j->sources[j->source_count++];
    *ret = (struct judged_source){ .ssrc = s->ssrc,
                                   .rtx_ssrc = s->rtx_ssrc,
                                   .bot = bot,
                                   .kind = s->kind,
                                   .codec = s->kind == MEDIA_VIDEO ? s->clip->codec : CODEC_OPUS,
                                   .layer = s->layer,
                                   .is_svc = s->svc != NULL };
    judge_source_init(ret);
    return ret;
}

uint64_t judge_payload_hash(enum codec codec, struct bytes payload)
{
    struct vp8_descriptor d;
    if (codec == CODEC_VP8 && vp8_parse(payload, &d) == OK)
        payload = bytes_of(payload.data + d.len, payload.len - d.len);
    struct vp9_descriptor v;
    if (codec == CODEC_VP9 && vp9_parse(payload, &v) == OK)
        payload = bytes_of(payload.data + v.len, payload.len - v.len);
    uint64_t h = payload.len;
    size_t at = payload.len > 64 ? payload.len - 64 : 0;
    for (; at < payload.len; at++)
        h = (h ^ payload.data[at]) * UINT64_C(0x100000001b3) + 1;
    return splitmix_mix(h);
}

static void add_references(const struct source *s, const struct source_packet *p, struct sent *sent)
{
    if (s->svc == NULL) {
        sent->references[0] = s->clip->frames[p->frame].reference;
        return;
    }
    const struct svc_frame *f = source_svc_frame(s->svc, p->frame_number);
    memcpy(sent->references, f->custom.references, sizeof sent->references);
}

static void on_sent(void *data, unsigned bot, const struct source *s, const struct source_packet *p,
                    uint32_t ssrc, uint16_t seq, uint64_t stamp, struct bytes payload)
{
    struct judge *j = data;
    struct judged_source *source = judge_source(j, s->ssrc);
    if (source == NULL)
        source = add_source(j, bot, s);
    if (ssrc != s->ssrc) { /* again */
        judge_source_add_again(source, seq, p->seq, stamp);
        return;
    }
    struct sent *sent = judge_source_add(source, seq, stamp);
    sent->timestamp = p->timestamp;
    sent->payload_hash = judge_payload_hash(source->codec, payload);
    sent->frame_number = p->frame_number;
    sent->temporal_id = p->temporal_id;
    sent->spatial_id = p->spatial_id;
    sent->keyframe = p->keyframe;
    sent->frame_start = p->frame_start;
    sent->frame_end = p->frame_end;
    sent->marker = p->marker;
    if (s->kind == MEDIA_VIDEO)
        add_references(s, p, sent);
}

/* --- what reaches the node --- */

static struct sent *sent_of(struct judge *j, struct bytes datagram)
{
    struct rtp_packet p;
    if (demux_classify(datagram) != DEMUX_RTP || rtp_parse(datagram, &p) != OK)
        return NULL;
    struct judged_source *s = judge_source(j, p.ssrc);
    if (s == NULL)
        return NULL;
    return p.ssrc == s->ssrc ? judge_sent_at(s, seq_peek16(&s->unwrapper, p.seq))
                             : judge_source_repeated(s, p.seq);
}

static void mix(struct judge *j, unsigned bot, struct bytes datagram)
{
    uint64_t h = j->hash ^ (uint64_t)j->sim->now * SPLITMIX_STEP ^ bot;
    size_t at = 0;
    for (; at + 8 <= datagram.len; at += 8)
        h = splitmix_mix(h ^ load_be64(datagram.data + at));
    for (; at < datagram.len; at++)
        h = splitmix_mix(h ^ datagram.data[at]);
    j->hash = h;
}

static void on_input(void *data, unsigned bot, struct bytes datagram)
{
    struct judge *j = data;
    mix(j, bot, datagram);
    struct sent *sent = sent_of(j, datagram);
    if (sent != NULL)
        sent->arrived_at = MIN(sent->arrived_at, j->sim->now);
}

static bool lose(void *data, unsigned bot, struct bytes datagram)
{
    struct judge *j = data;
    if (j->lose_keyframes[bot] <= 0)
        return false;
    const struct sent *sent = sent_of(j, datagram);
    return sent != NULL && sent->keyframe && sent->frame_start &&
           (double)(splitmix_next(&j->random_state) >> 11) * 0x1p-53 < j->lose_keyframes[bot];
}

void judge_lose_keyframes(struct judge *j, unsigned bot, double share)
{
    j->lose_keyframes[bot] = share;
}

/* --- the node at work --- */

static void on_output(void *data, unsigned bot, struct bytes datagram)
{
    struct judge *j = data;
    mix(j, bot | 0x100, datagram);
    if (demux_classify(datagram) == DEMUX_RTP)
        judge_on_output(j, bot, datagram);
}

static void on_enter(void *data, bool is_media)
{
    (void)data;
    alloc_count_watch(is_media);
}

static void on_leave(void *data)
{
    struct judge *j = data;
    alloc_count_watch(false);
    if (alloc_count() > 0)
        judge_fail(j, "the node allocated memory on the media path");
}

static void on_received(void *data, unsigned bot, const struct sink *s, const struct sink_packet *p,
                        usec now)
{
    (void)now;
    judge_on_arrival(data, bot, s, p);
}

/* --- the whole --- */

struct judge *judge_new(struct sim *s)
{
    struct judge *j = calloc(1, sizeof *j);
    check(j != NULL);
    j->sim = s;
    j->random_state = s->random_state ^ 0x6a75646765;
    j->tap = (struct bot_tap){ .sent = on_sent, .received = on_received, .data = j };
    j->watch = (struct sim_watch){ .lose = lose,
                                   .input = on_input,
                                   .output = on_output,
                                   .enter = on_enter,
                                   .leave = on_leave,
                                   .data = j };
    s->world.tap = &j->tap;
    s->watch = &j->watch;
    return j;
}

void judge_free(struct judge *j)
{
    if (j == NULL)
        return;
    for (unsigned i = 0; i < j->source_count; i++)
        judge_source_free(&j->sources[i]);
    for (unsigned i = 0; i < j->stream_count; i++)
        free(j->streams[i].ring);
    j->sim->watch = NULL;
    j->sim->world.tap = NULL;
    free(j);
}

const char *judge_failure(const struct judge *j)
{
    return j->failure[0] == '\0' ? NULL : j->failure;
}

uint64_t judge_hash(const struct judge *j)
{
    return j->hash;
}

uint64_t judge_matched(const struct judge *j)
{
    return j->matched;
}
