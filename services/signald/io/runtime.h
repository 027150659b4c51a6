/* runtime.h - what ties io to the core: one hub, its clock, and the performing of its actions.
 *
 * Every module of io reports like this:
 *     hub_on_…(runtime_hub(r), …);
 *     runtime_perform(r);
 *
 * Loop thread only. SPDX-License-Identifier: Apache-2.0 */
#ifndef SIGNALD_IO_RUNTIME_H
#define SIGNALD_IO_RUNTIME_H

#include "../config.h"
#include "../core/hub.h"
#include "common/os/admin.h"
#include "common/os/audit_emitter.h"
#include "common/os/jwks.h"
#include "common/os/metrics.h"

#include <uv.h>

struct runtime {
    const struct signald_config *config;
    uv_loop_t *loop;
    char epoch[ID_CAPACITY];
    struct hub *hub;
    struct cluster *cluster;
    struct nodes *nodes;
    struct scan *scan;
    struct ws *ws;
    struct web *web;
    struct jwks *jwks;
    struct audit_emitter *audit;
    struct metrics *metrics;
    struct metric_histogram *join_seconds[8];
    struct metric_histogram *node_seconds;
    struct metric_counter *node_timeouts;
    struct metric_counter *slow_sockets;
    bool is_performing;
};

/* The hub, its clock set. */
struct hub *runtime_hub(struct runtime *r);
/* Does everything the hub wants done. Nested calls (from a callback of an action) return at once.
 */
void runtime_perform(struct runtime *r);
/* Declares the series and the collector of the hub's counters. */
void runtime_declare_metrics(struct runtime *r);

#endif
