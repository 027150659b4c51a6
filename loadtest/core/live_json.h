/* live_json.h - live figures of a run as JSON, and those of several machines as one.
 *
 * Pure. SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_LIVE_JSON_H
#define LOADTEST_LIVE_JSON_H

#include "core/live_stats.h"

/* All but the histogram. A new reference; NULL without memory. */
json_t *live_to_json(const struct live_stats *s);
/* What is missing or of another type stays 0; texts are cut to fit. */
void live_from_json(const json_t *json, struct live_stats *ret);
/* Adds what a machine's bots do and what it uses: counts and rates are summed, latency and the
 * busiest thread are the highest, loss weighs by packets received. What is about the run (scenario,
 * phase, servers, chaos) stays. */
void live_add(struct live_stats *to, const struct live_stats *from);

#endif
