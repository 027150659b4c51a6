/* SPDX-License-Identifier: Apache-2.0 */
#include "core/frame_tracker.h"

#include <stdlib.h>

#define PLACE(t, s) (&(t)->ring[(uint64_t)(s) & (FRAME_TRACKER_PACKETS - 1)])

void frame_tracker_init(struct frame_tracker *t)
{
    *t = (struct frame_tracker){ .keyframe = -1, .broken = true, .hole_at = USEC_NEVER };
    for (size_t i = 0; i < FRAME_TRACKER_PACKETS; i++)
        t->ring[i].seq = -1;
}

void frame_tracker_done(struct frame_tracker *t)
{
    free(t->layers);
    t->layers = NULL;
}

void frame_tracker_on_layers(struct frame_tracker *t, int64_t seq, const struct layer_frame *f)
{
    if (t->layers == NULL) {
        t->layers = calloc(1, sizeof *t->layers);
        if (t->layers == NULL)
            return;
        layer_decoder_init(&t->layers->decoder);
        for (size_t i = 0; i < FRAME_TRACKER_PACKETS; i++)
            t->layers->ring[i].seq = -1;
    }
    if (t->started && seq < t->head)
        return;
    PLACE(t->layers, seq)->seq = seq;
    PLACE(t->layers, seq)->frame = *f;
}

uint8_t frame_tracker_shown(const struct frame_tracker *t)
{
    return t->layers == NULL ? LAYER_DECODER_NONE : t->layers->decoder.shown;
}

/* The next packet in order. True: a picture can be shown with it. */
static bool take(struct frame_tracker *t, int64_t seq)
{
    if (PLACE(t, seq)->keyframe_start)
        t->broken = false;
    if (t->broken)
        return false;
    bool ends = PLACE(t, seq)->frame_end;
    if (t->layers == NULL || PLACE(t->layers, seq)->seq != seq)
        return ends;
    struct layer_frame *f = &PLACE(t->layers, seq)->frame;
    t->layers->is_start |= f->starts;
    if (f->frame_end) {
        f->starts = t->layers->is_start; /* its first packet says so */
        t->layers->is_start = false;
        layer_decoder_on_frame(&t->layers->decoder, f);
    }
    if (!ends || layer_decoder_end_picture(&t->layers->decoder))
        return ends;
    t->undecodable_count++;
    t->broken = true;
    return false;
}

/* Takes packets in order as far as they are there. */
static unsigned advance(struct frame_tracker *t, usec now)
{
    unsigned frames = 0;
    for (; t->head <= t->newest && PLACE(t, t->head)->seq == t->head; t->head++)
        frames += take(t, t->head);
    if (t->head > t->newest)
        t->hole_at = USEC_NEVER;
    else if (t->hole_at == USEC_NEVER)
        t->hole_at = now;
    return frames;
}

/* Skips the hole at head, and with it all that cannot be shown without it: a keyframe that has
 * begun is not kept waiting by further holes before it. */
static unsigned give_up(struct frame_tracker *t, usec now)
{
    t->broken = true;
    t->hole_at = USEC_NEVER;
    while (t->head <= t->newest && PLACE(t, t->head)->seq != t->head)
        t->head++;
    for (int64_t seq = t->head; seq <= t->newest; seq++) {
        if (PLACE(t, seq)->seq != seq || !PLACE(t, seq)->keyframe_start)
            continue;
        t->head = seq;
        break;
    }
    return advance(t, now);
}

/* All of the newest keyframe is there, and what is before it is not. */
static bool has_whole_keyframe_behind_hole(const struct frame_tracker *t)
{
    if (t->hole_at == USEC_NEVER || t->keyframe <= t->head)
        return false;
    int64_t seq = t->keyframe;
    while (seq <= t->newest && PLACE(t, seq)->seq == seq && !PLACE(t, seq)->frame_end)
        seq++;
    return seq <= t->newest && PLACE(t, seq)->seq == seq;
}

unsigned frame_tracker_on_packet(struct frame_tracker *t, int64_t seq, bool keyframe_start,
                                 bool frame_end, usec now)
{
    if (!t->started) {
        t->started = true;
        t->head = t->newest = seq;
    }
    if (seq < t->head)
        return 0;
    unsigned frames = 0;
    if (seq - t->head >= FRAME_TRACKER_PACKETS) {
        t->broken = true; /* more is missing than we remember */
        t->hole_at = USEC_NEVER;
        t->head = seq;
    }
    if (t->broken && keyframe_start && seq > t->head) { /* what is before it is not missed */
        t->hole_at = USEC_NEVER;
        t->head = seq;
    }
    if (seq > t->newest)
        t->newest = seq;
    PLACE(t, seq)->seq = seq;
    PLACE(t, seq)->keyframe_start = keyframe_start;
    PLACE(t, seq)->frame_end = frame_end;
    if (keyframe_start)
        t->keyframe = MAX(t->keyframe, seq);
    frames += advance(t, now);
    if (has_whole_keyframe_behind_hole(t)) {
        t->head = t->keyframe;
        t->hole_at = USEC_NEVER;
        frames += advance(t, now);
    }
    return frames;
}

unsigned frame_tracker_tick(struct frame_tracker *t, usec now)
{
    if (t->hole_at == USEC_NEVER || now - t->hole_at < FRAME_TRACKER_PATIENCE_US)
        return 0;
    return give_up(t, now);
}
