/* compare.h - results of several load tests side by side.
 *
 * Pure. SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_COMPARE_H
#define LOADTEST_COMPARE_H

#include "common/base.h"

#include <jansson.h>

enum { COMPARE_MAX = 6 };

/* One column: a result of schema conclave-loadtest/1, borrowed, and what to call it (its file). */
struct compare_run {
    const char *name;
    const json_t *result;
};

struct compare_options {
    bool colour;
};

/* A table with a row for each measurement; each run is compared with the first. A difference is
 * called better or worse only when it is more than noise: percentiles must have confidence
 * intervals (99 %, from the order statistics of their histograms) that do not overlap. Before the
 * table come the reasons why the runs may not be compared at all: other scenario, machine or
 * cipher, a saturated tester. runs: 2..COMPARE_MAX. malloc'd, the caller frees; NULL when out of
 * memory. */
char *compare_text(const struct compare_run *runs, size_t run_count,
                   const struct compare_options *options);

#endif
