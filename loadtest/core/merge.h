/* merge.h - one result of what several machines measured in the same run.
 *
 * Counters are summed, histograms added, shares computed anew from what they are shares of, lists
 * joined up to their limits, series aligned by their time. What cannot be summed is said to be what
 * it is: latency percentiles per second are those of the slowest machine ("series.latency_is"), the
 * busiest thread is the busiest of all. Percentiles of histograms are exact for all machines
 * together. Pure.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_MERGE_H
#define LOADTEST_MERGE_H

#include "common/base.h"

#include <jansson.h>

/* Limits of lists in a result, as one machine keeps them. */
enum {
    MERGE_MISSING_MAX = 50,
    MERGE_EXAMPLES_MAX = 20,
    MERGE_FAILURES_MAX = 32,
    MERGE_BOTS_MAX = 100
};

struct merge_part {
    const char *name;     /* of the machine, for what is said about it: "10.0.0.7:9700" */
    const json_t *result; /* schema conclave-loadtest/1 */
    unsigned bot_first, bot_count;
    double clock_offset_us, clock_uncertainty_us;
};

/* parts     count > 0: the machines with bots
 * observer  the result of who watched the servers and ran the commands, without bots; NULL: the
 *           first part did
 * A new reference, without a verdict; NULL without memory. A part whose result lacks something
 * counts there as nothing. */
json_t *merge_results(const struct merge_part *parts, size_t count, const json_t *observer);

#endif
