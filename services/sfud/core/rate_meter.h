/* rate_meter.h - what each quality of an incoming stream costs, measured.
 *
 * A quality is a decode target of the stream: a set of its frames. The meter counts the bytes of
 * all packets that belong to a target and tells a smoothed bitrate that rises at once and falls
 * slowly: pictures that stood still may move again any time. It also tells how large the newest
 * keyframe of each was.
 *
 * Pure, a plain value; zero-initialised is ready.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SFUD_CORE_RATE_METER_H
#define SFUD_CORE_RATE_METER_H

#include "common/base.h"

enum { RATE_METER_TARGETS = 32 };
#define RATE_METER_WINDOW MILLIS(500)

struct rate_meter {
    usec window_at; /* start of what is being counted; 0: nothing yet */
    uint8_t window_count;
    uint32_t bytes[RATE_METER_TARGETS];
    uint32_t bps[RATE_METER_TARGETS];
    uint32_t keyframe_bytes[RATE_METER_TARGETS];
};

/* A packet of `size` bytes that belongs to these targets (bit per target). */
void rate_meter_add(struct rate_meter *m, uint32_t targets, size_t size, usec now);

/* 0 until the first window is over. */
static inline uint32_t rate_meter_bps(const struct rate_meter *m, unsigned target)
{
    check(target < RATE_METER_TARGETS);
    return m->bps[target];
}

/* Beside: it is of a keyframe's picture, which begins with it if is_first. */
void rate_meter_add_keyframe(struct rate_meter *m, uint32_t targets, size_t size, bool is_first);

/* 0 until the first one came. */
static inline uint32_t rate_meter_keyframe_bytes(const struct rate_meter *m, unsigned target)
{
    check(target < RATE_METER_TARGETS);
    return m->keyframe_bytes[target];
}

#endif
