/* exporter.h - the Prometheus endpoint of the bot client: GET /metrics of a run that goes on.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_EXPORTER_H
#define LOADTEST_EXPORTER_H

#include "core/live_stats.h"

#include <uv.h>

struct exporter;

/* listen: "127.0.0.1:9464"; port 0 = any free one. ERR_MALFORMED, ERR_SYSTEM (errno). */
MUST_USE enum err exporter_start(uv_loop_t *loop, const char *listen, struct exporter **ret);
uint16_t exporter_port(const struct exporter *e);

/* What the next scrape sees; copied, with the histogram. */
void exporter_update(struct exporter *e, const struct live_stats *stats);

/* Closes, calls on_stopped (may be NULL) from the loop, frees. NULL is fine: called at once. */
void exporter_stop(struct exporter *e, void (*on_stopped)(void *data), void *data);

#endif
