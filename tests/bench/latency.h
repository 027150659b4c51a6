/* latency.h - how long forwarding takes, as the media thread itself observes it: from the kernel's
 * receipt of a datagram to the last send of the pass that took it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_BENCH_LATENCY_H
#define TESTS_BENCH_LATENCY_H

#include "common/os/metrics.h"

enum { LATENCY_BOUNDS = 32 }; /* as many as a histogram takes: steps of a third, 10 us to 60 ms */

struct latency {
    struct metrics *metrics;
    struct metric_histogram *histogram; /* for thread_config.histograms */
};

struct latency_counts {
    uint64_t below[LATENCY_BOUNDS + 1]; /* how many were up to each bound; the last: all */
};

void latency_init(struct latency *l);
void latency_done(struct latency *l); /* a zeroed one is fine */
void latency_read(const struct latency *l, struct latency_counts *ret);
/* Microseconds that the share `q` of those between two readings took at most, interpolated within a
 * bucket; 0 if there were none. */
double latency_quantile(const struct latency_counts *a, const struct latency_counts *b, double q);

#endif
