/* layer_filter.h - which frames of its input a viewer gets: one decode target of them.
 *
 * A frame is sent if it belongs to the current target and nothing that it refers to was withheld.
 * The current target changes to another one at a frame that says it can be entered there and whose
 * references were all sent; to a part of itself (fewer layers of full SVC) at any frame. What was
 * decided for a frame holds for all of its packets, in whatever order they come.
 *
 * Pure. A plain value and a window per slot: copying both moves the viewer.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SFUD_CORE_LAYER_FILTER_H
#define SFUD_CORE_LAYER_FILTER_H

#include "rtc/frame_layers.h"

enum {
    LAYER_FILTER_WINDOW = 512, /* frame numbers remembered */
    LAYER_FILTER_CHANGES = 8,  /* changes of target remembered, for late frames */
    LAYER_NONE = 0xff,
    LAYER_ANY = 0xff, /* for layer_filter_want(): all there are */
};

enum layer_verdict {
    LAYER_SEND,
    LAYER_DROP,
};

/* The newest frames, as far as they are known. */
struct layer_window {
    uint64_t known[LAYER_FILTER_WINDOW / 64]; /* bit frame number % window: decided */
    uint64_t sent[LAYER_FILTER_WINDOW / 64];
};

struct layer_filter {
    /* wanted */
    uint8_t spatial_max, temporal_max;
    /* of the current input; LAYER_NONE: no target yet */
    uint8_t target, spatial, temporal;
    bool started;
    bool broken;          /* a frame of the target could not be sent */
    bool needs_keyframe;  /* see layer_filter_needs_keyframe() */
    uint32_t parts;       /* targets that the viewer can decode from what is sent */
    uint32_t all;         /* every target of the structure */
    uint16_t newest;      /* frame number */
    uint16_t key_frame;   /* number of the newest keyframe */
    uint32_t key_allowed; /* targets that were allowed when it began; 0: none is remembered */
    uint8_t change_count;
    bool forgot_changes; /* there were more in this window */
    struct {
        uint16_t from; /* frame number */
        uint8_t target;
    } changes[LAYER_FILTER_CHANGES]; /* newest last */
    struct layer_window *window;     /* borrowed */
    uint64_t change_total;
};

/* Everything is wanted; no input yet. window: kept, not touched before the first packet. */
void layer_filter_init(struct layer_filter *f, struct layer_window *window);

/* A new input begins, at the packet pushed next. The wishes stay. */
void layer_filter_reset(struct layer_filter *f);

/* The highest layers that may be sent; 0 is the lowest, LAYER_ANY all. */
void layer_filter_want(struct layer_filter *f, uint8_t spatial_max, uint8_t temporal_max);

/* One packet of the input.
 *
 * s                of the input's reader
 * ret_marker_here  the RTP marker must be set here even if the packet has none: it ends the highest
 *                  layer sent of a picture whose upper layers are dropped. A marker that the packet
 *                  has stays. */
enum layer_verdict layer_filter_push(struct layer_filter *f, const struct layer_structure *s,
                                     const struct frame_layers *fl, bool *ret_marker_here);

/* After a push: the wanted target cannot be reached without a keyframe, or there is none yet. */
static inline bool layer_filter_needs_keyframe(const struct layer_filter *f)
{
    return f->needs_keyframe;
}

/* Targets that the viewer can decode now, for depdesc_rewrite(); NULL: all of them, or no layers
 * known. Borrows from f. */
static inline const uint32_t *layer_filter_active_targets(const struct layer_filter *f)
{
    return f->target == LAYER_NONE || f->parts == f->all ? NULL : &f->parts;
}

#endif
