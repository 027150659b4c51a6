/* bwe_rate.h - bytes per time over a sliding window.
 *
 * Pure. SPDX-License-Identifier: Apache-2.0 */
#ifndef RTC_BWE_RATE_H
#define RTC_BWE_RATE_H

#include "common/base.h"

enum {
    BWE_RATE_BUCKET_US = 25000,
    BWE_RATE_BUCKETS = 40, /* 1 s */
};

/* Zero-initialised is ready and empty. The clock may be anybody's; it does not go back far. */
struct bwe_rate {
    uint32_t bytes[BWE_RATE_BUCKETS];
    int64_t newest; /* number of the newest bucket */
    int64_t first;  /* number of the first bucket ever used: a young window is shorter */
    bool started;
};

/* What is older than the window is ignored. */
void bwe_rate_add(struct bwe_rate *r, size_t size, int64_t at_us);

/* The rate in bit/s over the last window_us (at most 1 s) before the newest bucket, which is still
 * filling and not counted. 0 if there is too little history. */
uint64_t bwe_rate_bps(const struct bwe_rate *r, usec window_us);

/* The same, where now is the time: silence since the last byte counts. */
uint64_t bwe_rate_bps_at(const struct bwe_rate *r, usec window_us, int64_t now_us);

#endif
