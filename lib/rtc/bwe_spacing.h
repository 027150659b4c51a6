/* bwe_spacing.h - what the bottleneck carries, seen as the distance at which packets arrive that
 * left back to back.
 *
 * A delay shows a queue only after it has grown for some frames. The packets of one frame tell
 * sooner: behind a link that is slower than the sender they arrive one serialisation apart, all of
 * them. Anything else that stretches a frame (a stalled radio link, another flow's packets, a busy
 * receiver) leaves some packets close together, so the least distance of several is what counts.
 *
 * Pure. SPDX-License-Identifier: Apache-2.0 */
#ifndef RTC_BWE_SPACING_H
#define RTC_BWE_SPACING_H

#include "common/base.h"

enum {
    BWE_SPACING_PAIRS = 3,          /* that must agree */
    BWE_SPACING_SPREAD = 2,         /* a factor: more is uneven */
    BWE_SPACING_TOGETHER_US = 2000, /* sent within this: back to back */
    BWE_SPACING_SIZE_MIN = 200,     /* of smaller packets, the clock's grain shows too much */
    BWE_SPACING_FRESH_US = 250000,  /* older pairs speak of another time */
};

struct bwe_pair {
    int64_t arrival_us;
    uint64_t bps; /* size of the second over the distance of the two */
};

/* Zero-initialised is ready. */
struct bwe_spacing {
    struct bwe_pair pairs[BWE_SPACING_PAIRS]; /* a ring */
    size_t next, count;
    int64_t last_number, last_sent_us, last_arrival_us;
    bool started;
};

/* One packet arrived, in the order of their numbers. queue_us: how long the one before it waited on
 * its way. Who left within that time stood behind it, and is as good as one that left together with
 * it, if their distance was changed by a quarter; if it was not, the way is longer, and no queue.
 */
void bwe_spacing_on_packet(struct bwe_spacing *s, int64_t number, size_t size, int64_t sent_us,
                           int64_t arrival_us, int64_t queue_us);

/* No two of the newest pairs were closer than at this rate; 0: not known. */
uint64_t bwe_spacing_bps(const struct bwe_spacing *s);

/* Whether the pairs agree: jitter spreads packets unevenly, a slow link does not. */
bool bwe_spacing_is_even(const struct bwe_spacing *s);

/* What was sent before is not comparable. */
void bwe_spacing_forget(struct bwe_spacing *s);

#endif
