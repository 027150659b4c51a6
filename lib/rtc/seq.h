/* seq.h - serial number arithmetic (RFC 1982) for RTP sequence numbers and timestamps.
 *
 * Pure, header only. The wire carries 16 or 32 bits; everything inside works on extended 64-bit
 * values, which never wrap: extend once at ingress, truncate once at egress.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RTC_SEQ_H
#define RTC_SEQ_H

#include "common/base.h"

/* Signed distance from b to a, in [-32768, 32767]: positive if a is newer. */
static inline int16_t seq16_diff(uint16_t a, uint16_t b)
{
    return (int16_t)(uint16_t)(a - b);
}

static inline bool seq16_newer(uint16_t a, uint16_t b)
{
    return seq16_diff(a, b) > 0;
}

/* The same for 32-bit timestamps. */
static inline int32_t seq32_diff(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b);
}

static inline bool seq32_newer(uint32_t a, uint32_t b)
{
    return seq32_diff(a, b) > 0;
}

/* Extends wire values around the highest one seen. Zero-initialised is ready. The first value
 * extends to itself; what is older than the first may therefore extend to a negative number. */
struct seq_unwrapper {
    int64_t highest;
    bool started;
};

/* The extended value of v, without learning from it. */
static inline int64_t seq_peek16(const struct seq_unwrapper *u, uint16_t v)
{
    return u->started ? u->highest + seq16_diff(v, (uint16_t)u->highest) : v;
}

static inline int64_t seq_peek32(const struct seq_unwrapper *u, uint32_t v)
{
    return u->started ? u->highest + seq32_diff(v, (uint32_t)u->highest) : v;
}

static inline int64_t seq_learn(struct seq_unwrapper *u, int64_t extended)
{
    if (!u->started || extended > u->highest)
        u->highest = extended;
    u->started = true;
    return extended;
}

/* The extended value of v; v becomes the highest if it is newer. */
static inline int64_t seq_unwrap16(struct seq_unwrapper *u, uint16_t v)
{
    return seq_learn(u, seq_peek16(u, v));
}

static inline int64_t seq_unwrap32(struct seq_unwrapper *u, uint32_t v)
{
    return seq_learn(u, seq_peek32(u, v));
}

#endif
