/* histogram.h - a log-linear histogram of non-negative 64-bit values (HDR style): 64 steps for each
 * doubling, so that a value is known to better than 1.6 %, in a fixed 15 KiB.
 *
 * Histograms of threads, seconds and machines add up without losing anything. Pure.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_HISTOGRAM_H
#define LOADTEST_HISTOGRAM_H

#include "common/base.h"

#include <jansson.h>

enum {
    HISTOGRAM_STEP_BITS = 6,
    HISTOGRAM_VALUE_BITS = 36, /* 19 hours of microseconds; more counts as the largest */
    HISTOGRAM_BUCKETS = (HISTOGRAM_VALUE_BITS - HISTOGRAM_STEP_BITS + 1) << HISTOGRAM_STEP_BITS,
};

/* Zero-initialised is empty. */
struct histogram {
    uint64_t count;
    uint64_t sum;
    uint64_t min, max; /* exact; meaningless while count is 0 */
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

/* Negative values count as 0. */
void histogram_record(struct histogram *h, int64_t value);
void histogram_add(struct histogram *to, const struct histogram *from);
/* to -= earlier, which is the same histogram at an earlier time. min and max become those of the
 * buckets that are left. */
void histogram_subtract(struct histogram *to, const struct histogram *earlier);

/* The value below or at which `percentile` (0..100) of the values are: the upper end of its bucket,
 * never above max. 0 if empty. */
uint64_t histogram_percentile(const struct histogram *h, double percentile);
double histogram_mean(const struct histogram *h);

/* { "count", "min", "max", "mean", "p50", "p90", "p99", "p99_9", "buckets": [[upper, count], …] }
 * with only the buckets that are not empty. A new reference. */
json_t *histogram_to_json(const struct histogram *h);
/* ERR_MALFORMED: not such an object. */
MUST_USE enum err histogram_from_json(const json_t *json, struct histogram *ret);

#endif
