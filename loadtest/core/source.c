/* SPDX-License-Identifier: Apache-2.0 */
#include "core/source.h"

#include <stdlib.h>

enum { LATE_US = 300000 }; /* after a stall: go on from now instead of catching up */

struct source *source_new(const struct source *given, uint64_t random, usec now)
{
    struct source *s = malloc(sizeof *s);
    if (s == NULL) {
        free(given->svc);
        return NULL;
    }
    *s = (struct source){ .kind = given->kind,
                          .ssrc = given->ssrc,
                          .rtx_ssrc = given->rtx_ssrc,
                          .payload_type = given->payload_type,
                          .rtx_payload_type = given->rtx_payload_type,
                          .layer = given->layer,
                          .clip = given->clip,
                          .svc = given->svc,
                          .voices = given->voices,
                          .audio = given->audio,
                          .tone = given->tone };
    memcpy(s->mid, given->mid, sizeof s->mid);
    memcpy(s->rid, given->rid, sizeof s->rid);
    s->seq = (uint16_t)(random & 0x3fff);
    s->rtx_seq = (uint16_t)((random >> 16) & 0x3fff);
    s->timestamp = (uint32_t)(random >> 32);
    s->picture_id = (uint16_t)((random >> 8) & 0x7fff);
    s->packet_at = s->frame_at = USEC_NEVER;
    s->keyframe_at = now - SECONDS(10);
    if (s->kind == MEDIA_VIDEO && s->rtx_ssrc != 0 &&
        (s->sent = calloc(SOURCE_SENT_MAX, sizeof *s->sent)) == NULL) {
        source_free(s);
        return NULL;
    }
    return s;
}

void source_free(struct source *s)
{
    if (s == NULL)
        return;
    free(s->svc);
    free(s->sent);
    free(s);
}

static uint32_t clock_rate(const struct source *s)
{
    return s->kind == MEDIA_VIDEO ? CLIP_CLOCK_RATE : TONE_RATE;
}

static void resume(struct source *s, usec now)
{
    /* bots that begin together do not send together: the SSRC spreads them over a frame */
    usec interval = s->kind == MEDIA_VIDEO ? USEC_PER_SEC / MAX(s->clip->fps, 1) : SOURCE_AUDIO_US;
    s->frame_at = now + (usec)(s->ssrc * UINT64_C(2654435761) % (uint64_t)interval);
    if (!s->started)
        return;
    s->frame_at = MAX(s->frame_at, s->paused_frame_at);
    s->timestamp +=
        (uint32_t)((s->frame_at - s->paused_frame_at) * (usec)clock_rate(s) / USEC_PER_SEC);
}

void source_set_active(struct source *s, bool active, usec now)
{
    if (s->active == active)
        return;
    s->active = active;
    s->part = s->part_count = 0;
    s->keyframe_asked = true;
    if (active) {
        resume(s, now);
        return;
    }
    s->paused_frame_at = s->frame_at;
    s->frame_at = USEC_NEVER;
}

void source_set_layers(struct source *s, unsigned layers)
{
    if (s->svc != NULL)
        s->svc->layers = MAX(layers, 1u);
}

void source_ask_keyframe(struct source *s, usec now)
{
    if (s->kind == MEDIA_VIDEO && now - s->keyframe_at >= SOURCE_KEYFRAME_SPACING_US)
        s->keyframe_asked = true;
}

/* Ticks from frame `index` of the clip to the next one. */
static uint32_t clip_step(const struct clip *c, size_t index)
{
    uint32_t next = index + 1 < c->frame_count ? c->frames[index + 1].timestamp : c->duration;
    uint32_t step = next - c->frames[index].timestamp;
    return step == 0 ? CLIP_CLOCK_RATE / MAX(c->fps, 1) : step;
}

/* Moves the clock of the stream on by `ticks`, more if we have stalled. */
static void move_on(struct source *s, uint32_t ticks, uint32_t rate, usec now)
{
    s->timestamp += ticks;
    s->frame_at += (usec)((uint64_t)ticks * USEC_PER_SEC / rate);
    if (now - s->frame_at > LATE_US) {
        usec skipped = now - s->frame_at;
        s->timestamp += (uint32_t)(skipped * (usec)rate / USEC_PER_SEC);
        s->frame_at = now;
    }
}

static void cut(struct source *s, const struct packetizer_frame *frame)
{
    s->part = 0;
    s->part_count = 0; /* a frame that cannot be sent: the next one */
    if (packetizer_init(&s->cutter, frame, SOURCE_PAYLOAD_MAX) == OK)
        s->part_count = (uint16_t)s->cutter.count;
}

static void begin_layer(struct source *s)
{
    const struct source_svc *v = s->svc;
    struct packetizer_frame frame =
        source_svc_to_send(v, &v->picture[v->current], s->frame, s->picture_id);
    cut(s, &frame);
}

static void begin_layers(struct source *s, usec now)
{
    s->frame = s->keyframe_asked ? 0 : s->frame;
    s->picture_id = (uint16_t)((s->picture_id + 1) & 0x7fff);
    source_svc_picture(s->svc, s->keyframe_asked);
    s->keyframe_asked = false;
    if (s->svc->picture[0].is_key)
        s->keyframe_at = now;
    begin_layer(s);
}

static void begin_picture(struct source *s, usec now)
{
    if (s->keyframe_asked) {
        s->frame = 0;
        s->keyframe_asked = false;
    }
    const struct clip_frame *f = &s->clip->frames[s->frame];
    s->picture_id = (uint16_t)((s->picture_id + 1) & 0x7fff);
    if (f->temporal_id == 0)
        s->tl0_index++;
    if (f->keyframe)
        s->keyframe_at = now;
    struct packetizer_frame frame = clip_to_send(s->clip, s->frame, s->picture_id, s->tl0_index);
    cut(s, &frame);
}

static void begin_frame(struct source *s, usec now)
{
    s->part = 0;
    s->packet_at = s->frame_at;
    s->captured_at = s->frame_at;
    if (s->kind == MEDIA_AUDIO) {
        s->part_count = 1;
        s->voice = s->speaks;
    } else if (s->svc != NULL) {
        begin_layers(s, now);
    } else {
        begin_picture(s, now);
    }
    s->started = true;
}

static void end_frame(struct source *s, usec now)
{
    s->frame_count++;
    s->part_count = 0;
    if (s->kind == MEDIA_AUDIO) {
        s->was_voice = s->voice;
        s->frame++;
        usec interval = s->voice ? SOURCE_AUDIO_US : SOURCE_QUIET_US;
        uint32_t samples = (uint32_t)(interval * TONE_RATE / USEC_PER_SEC);
        if (s->voice && s->audio != NULL)
            samples = audio_clip_samples(s->audio, s->frame - 1);
        move_on(s, samples, TONE_RATE, now);
        return;
    }
    move_on(s, clip_step(s->clip, s->frame), CLIP_CLOCK_RATE, now);
    s->frame = (s->frame + 1) % (uint32_t)s->clip->frame_count;
}

static bool is_last_layer(const struct source *s)
{
    return s->svc == NULL || s->svc->current + 1 == s->svc->count;
}

static void describe_layer(const struct source *s, struct source_packet *ret)
{
    const struct svc_frame *f = &s->svc->picture[s->svc->current];
    ret->marker = ret->frame_end && f->ends_picture;
    ret->frame_number = f->number;
    ret->keyframe = f->is_key;
    ret->spatial_id = f->spatial;
    ret->temporal_id = f->temporal;
    ret->picture_id = s->picture_id;
}

static void describe(const struct source *s, struct source_packet *ret)
{
    *ret = (struct source_packet){ .seq = s->seq,
                                   .timestamp = s->timestamp,
                                   .marker = s->part + 1 == s->part_count,
                                   .frame_start = s->part == 0,
                                   .frame_end = s->part + 1 == s->part_count,
                                   .frame_number = (uint16_t)s->frame_count,
                                   .frame = s->frame,
                                   .part = s->part,
                                   .captured_at = s->captured_at };
    if (s->kind == MEDIA_AUDIO) {
        ret->voice = s->voice;
        ret->marker = s->voice && !s->was_voice; /* a talkspurt begins (RFC 3551 §4.1) */
        return;
    }
    if (s->svc != NULL) {
        describe_layer(s, ret);
        return;
    }
    const struct clip_frame *f = &s->clip->frames[s->frame];
    ret->keyframe = f->keyframe;
    ret->temporal_id = f->temporal_id;
    ret->layer_sync = f->layer_sync;
    ret->picture_id = s->picture_id;
    ret->tl0_index = s->tl0_index;
}

bool source_next(struct source *s, usec now, struct source_packet *ret)
{
    if (!s->active)
        return false;
    /* whoever begins to speak does not wait for the next comfort noise */
    if (s->kind == MEDIA_AUDIO && s->speaks && !s->voice && s->part_count == 0 &&
        s->frame_at > now + SOURCE_AUDIO_US && s->started) {
        usec early = (s->frame_at - now) / SOURCE_AUDIO_US * SOURCE_AUDIO_US;
        s->frame_at -= early;
        s->timestamp -= (uint32_t)(early * TONE_RATE / USEC_PER_SEC);
    }
    if (s->part_count == 0) {
        if (now < s->frame_at)
            return false;
        begin_frame(s, now);
        if (s->part_count == 0) {
            end_frame(s, now);
            return false;
        }
    }
    if (now < s->packet_at)
        return false;
    if (s->part == s->part_count) {
        s->svc->current++;
        begin_layer(s);
        check(s->part_count > 0); /* of a built-in clip */
    }
    describe(s, ret);
    if (s->sent != NULL)
        s->sent[s->seq % SOURCE_SENT_MAX] = *ret;
    s->seq++;
    s->part++;
    if (s->part % SOURCE_BURST == 0)
        s->packet_at = now + SOURCE_PACE_US;
    if (s->part == s->part_count && is_last_layer(s))
        end_frame(s, now);
    return true;
}

usec source_next_deadline(const struct source *s)
{
    if (!s->active)
        return USEC_NEVER;
    return s->part_count == 0 ? s->frame_at : s->packet_at;
}

bool source_find_sent(const struct source *s, uint16_t seq, struct source_packet *ret)
{
    if (s->sent == NULL)
        return false;
    const struct source_packet *p = &s->sent[seq % SOURCE_SENT_MAX];
    if (p->seq != seq || p->captured_at == 0)
        return false;
    *ret = *p;
    return true;
}

bool source_sender_info(const struct source *s, usec now, wall_usec wall_minus_now,
                        struct rtcp_sender_info *ret)
{
    if (!s->active || s->packet_count == 0)
        return false;
    int64_t rate = clock_rate(s);
    /* the timestamp is that of the frame due at frame_at */
    int64_t ticks = (now - s->frame_at) * rate / USEC_PER_SEC;
    *ret = (struct rtcp_sender_info){ .ssrc = s->ssrc,
                                      .ntp = ntp_of(now + wall_minus_now),
                                      .timestamp = s->timestamp + (uint32_t)ticks,
                                      .packet_count = s->packet_count,
                                      .octet_count = s->octet_count };
    return true;
}

static struct packetizer_frame frame_of(const struct source *s, const struct source_packet *p)
{
    if (s->svc == NULL)
        return clip_to_send(s->clip, p->frame, p->picture_id, p->tl0_index);
    return source_svc_to_send(s->svc, source_svc_frame(s->svc, p->frame_number), p->frame,
                              p->picture_id);
}

static size_t write_video(struct source *s, const struct source_packet *p, struct writer *w)
{
    struct packetizer old, *cutter = &s->cutter;
    if (cutter->frame.picture_id != p->picture_id ||
        cutter->frame.layer.spatial_id != p->spatial_id) { /* for RTX */
        struct packetizer_frame frame = frame_of(s, p);
        if (packetizer_init(&old, &frame, SOURCE_PAYLOAD_MAX) != OK)
            return 0;
        cutter = &old;
    }
    if (cutter->index != p->part)
        packetizer_seek(cutter, p->part);
    size_t before = writer_len(w);
    if (!packetizer_next(cutter, w) || w->failed)
        return 0;
    return writer_len(w) - before;
}

size_t source_write_payload(struct source *s, const struct source_packet *p, struct writer *w)
{
    if (s->kind == MEDIA_VIDEO)
        return write_video(s, p, w);
    struct bytes opus = !p->voice          ? voice_silence(s->voices)
                        : s->audio != NULL ? audio_clip_packet(s->audio, p->frame)
                                           : voice_frame(s->voices, s->tone, p->frame);
    writer_put(w, opus);
    return w->failed ? 0 : opus.len;
}
