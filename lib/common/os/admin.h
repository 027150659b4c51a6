/* admin.h - the admin port: /healthz, /readyz, /metrics, and what a daemon adds. For the operator's
 * network, not the public.
 *
 * /healthz is 200 while the loop turns. /readyz is 200 {"ready":true} or 503
 * {"ready":false,"failing":[{"check":"redis","why":"connecting"}]}.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_OS_ADMIN_H
#define COMMON_OS_ADMIN_H

#include "common/base.h"
#include "common/os/http_server.h"
#include "common/os/metrics.h"

#include <uv.h>

struct admin;

/* listen "" = no port: everything else still works and does nothing. metrics is borrowed.
 * Errors as http_server_start(). */
MUST_USE enum err admin_start(uv_loop_t *loop, const char *listen, struct metrics *metrics,
                              struct admin **ret);

/* The same, with routes of the daemon's own. They are copied; their handlers get the struct admin
 * as data, of which admin_data() is `data`. At most 8. */
struct admin_routes {
    const struct http_route *routes;
    size_t count;
    void *data;
};
MUST_USE enum err admin_start_with(uv_loop_t *loop, const char *listen, struct metrics *metrics,
                                   const struct admin_routes *more, struct admin **ret);
void *admin_data(const struct admin *a);

/* Before or after serving began. is_ready returns true, or false with one line in ret_why. The name
 * is borrowed. At most 16. */
void admin_add_check(struct admin *a, const char *name,
                     bool (*is_ready)(void *data, char *ret_why, size_t capacity), void *data);

/* From now on /readyz says 503 "draining": load balancers send nothing new. */
void admin_set_draining(struct admin *a);

uint16_t admin_port(const struct admin *a); /* 0 without a port */
/* Closes and frees; on_stopped (may be NULL) is called from the loop. */
void admin_stop(struct admin *a, void (*on_stopped)(void *data), void *data);

#endif
