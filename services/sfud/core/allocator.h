/* allocator.h - how the bitrate toward a viewer is divided between their video slots.
 *
 * What the viewer asked for comes first: slots that want the larger picture before those that want
 * less, then by priority. Everybody gets the least picture before anybody gets more; then the most
 * wanted are raised as far as the budget goes, those who want the same size in turns. Audio is not
 * divided: the caller takes it off the budget before.
 *
 * Stable: a slot keeps what it has while that fits, and is raised only if there is some room left
 * over, so that a budget that wavers does not make pictures waver; and only to what begins soon.
 * More frames of the least picture need hardly any: they cost no keyframe, and there is no worse
 * picture to fall back to.
 * The most wanted slot may be given its least picture beyond the budget: a budget is an estimate,
 * and one picture too large shows more than none.
 *
 * Pure: the same input gives the same answer.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SFUD_CORE_ALLOCATOR_H
#define SFUD_CORE_ALLOCATOR_H

#include "limits.h"

enum {
    ALLOCATOR_RUNGS_MAX = 12,        /* three layers of up to four frame rates */
    ALLOCATOR_HEADROOM_PC = 8,       /* of the budget: stays free when something is raised … */
    ALLOCATOR_HELD_HEADROOM_PC = 25, /* … that has just been lowered */
    ALLOCATOR_RATE_HEADROOM_PC = 3,  /* … more frames of the least picture, lowered or not */
};

/* A larger picture begins with a keyframe. Until that is there, the one before stands still. */
#define ALLOCATOR_START_TIME MILLIS(400)

/* One quality that a track can be sent in. */
struct rung {
    uint8_t spatial, temporal;
    uint64_t bps;         /* all that has to be sent for it */
    uint32_t start_bytes; /* of the keyframe that it begins with; 0: does not matter */
};

/* One slot's ladder: rising in quality and in bitrate. */
struct ladder {
    struct rung rungs[ALLOCATOR_RUNGS_MAX];
    uint8_t count;
    /* given with it */
    uint8_t size;     /* highest spatial layer the viewer wants */
    uint8_t priority; /* 0 first, among those of the same size */
    int8_t current;   /* the rung that flows; -1: none */
    bool is_held;     /* it has just been lowered */
};

/* Adds a rung unless a better picture costs no more than it: those below that cost as much or more
 * go. Call in rising order of quality. */
void ladder_add(struct ladder *l, struct rung rung);

/* What all would take at their best, or to begin with it. */
uint64_t allocator_demand(const struct ladder *ladders, size_t count);

struct budget {
    uint64_t bps;
    uint64_t least_bps; /* the most wanted slot's least picture may cost so much in any case */
};

/* Divides. ret[i]: index of the rung of ladders[i], -1: nothing fits. count <= TRANSPORT_MEDIA_MAX.
 * Returns what is spent. Cost: count * rungs. */
uint64_t allocator_divide(const struct ladder *ladders, size_t count, const struct budget *budget,
                          int8_t *ret);

#endif
