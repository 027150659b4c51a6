/* token_bucket.h - a rate limit: `burst` at once, then `rate_per_sec` sustained.
 *
 * Pure. Time is a parameter. Counts in microtokens, so slow rates (one per minute) are exact.
 * Guarantee: over any interval of T seconds at most burst + rate * T tokens are taken.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_TOKEN_BUCKET_H
#define COMMON_TOKEN_BUCKET_H

#include "common/base.h"

#include <math.h>

struct token_bucket {
    double rate_per_usec;
    double burst;
    double level;
    usec updated;
};

/* Starts full. rate_per_sec may be fractional (1.0 / 60 is one per minute). */
static inline void token_bucket_init(struct token_bucket *b, double rate_per_sec, double burst,
                                     usec now)
{
    check(rate_per_sec >= 0 && burst >= 0);
    *b = (struct token_bucket){
        .rate_per_usec = rate_per_sec / 1e6, .burst = burst, .level = burst, .updated = now
    };
}

static inline void token_bucket_refill(struct token_bucket *b, usec now)
{
    if (now <= b->updated)
        return;
    b->level += (double)(now - b->updated) * b->rate_per_usec;
    if (b->level > b->burst)
        b->level = b->burst;
    b->updated = now;
}

/* Takes n tokens, or none and returns false. */
static inline bool token_bucket_take(struct token_bucket *b, double n, usec now)
{
    token_bucket_refill(b, now);
    if (b->level + 1e-9 < n)
        return false;
    b->level -= n;
    return true;
}

/* How long until n tokens can be taken: for Retry-After. USEC_NEVER if they never can. */
static inline usec token_bucket_wait(struct token_bucket *b, double n, usec now)
{
    token_bucket_refill(b, now);
    if (b->level + 1e-9 >= n)
        return 0;
    if (n > b->burst || b->rate_per_usec <= 0)
        return USEC_NEVER;
    return (usec)ceil((n - b->level) / b->rate_per_usec);
}

/* True when full: an idle bucket in a per-address map can be forgotten. */
static inline bool token_bucket_is_full(struct token_bucket *b, usec now)
{
    token_bucket_refill(b, now);
    return b->level >= b->burst;
}

#endif
