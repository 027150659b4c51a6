/* SPDX-License-Identifier: Apache-2.0 */
#include "core/rate_meter.h"

#include <string.h>

enum { FALL_SHIFT = 3 }; /* an eighth of the way down in each window */

/* The first window holds the keyframe that a stream begins with: it would tell too much. */
static void end_window(struct rate_meter *m, usec now)
{
    usec duration = now - m->window_at;
    for (unsigned i = 0; i < RATE_METER_TARGETS; i++) {
        uint64_t bps = (uint64_t)m->bytes[i] * 8 * USEC_PER_SEC / (uint64_t)duration;
        bps = MIN(bps, UINT32_MAX);
        m->bytes[i] = 0;
        bool is_risen = bps >= m->bps[i] || m->window_count == 1;
        m->bps[i] =
            is_risen ? (uint32_t)bps : m->bps[i] - ((m->bps[i] - (uint32_t)bps) >> FALL_SHIFT);
    }
    m->window_at = now;
    m->window_count = (uint8_t)MIN(m->window_count + 1, 2);
}

void rate_meter_add(struct rate_meter *m, uint32_t targets, size_t size, usec now)
{
    if (m->window_at == 0)
        m->window_at = now;
    else if (now - m->window_at >= RATE_METER_WINDOW)
        end_window(m, now);
    for (uint32_t left = targets; left != 0; left &= left - 1)
        m->bytes[__builtin_ctz(left)] += (uint32_t)size;
}

void rate_meter_add_keyframe(struct rate_meter *m, uint32_t targets, size_t size, bool is_first)
{
    if (is_first)
        memset(m->keyframe_bytes, 0, sizeof m->keyframe_bytes);
    for (uint32_t left = targets; left != 0; left &= left - 1)
        m->keyframe_bytes[__builtin_ctz(left)] += (uint32_t)size;
}
