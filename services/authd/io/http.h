/* http.h - carries requests of the HTTP server through the core and the store.
 *
 * Loop thread only. SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTHD_IO_HTTP_H
#define AUTHD_IO_HTTP_H

#include "common/os/audit_emitter.h"
#include "common/os/http_server.h"
#include "common/os/metrics.h"
#include "common/os/redis.h"
#include "core/call.h"

struct api;

/* All borrowed; they outlive the api. */
struct api_options {
    const char *listen;
    const char *const *trusted_proxies;
    size_t trusted_proxy_count;
    struct auth *auth;
    struct redis *redis;
    struct audit_emitter *audit;
    struct metrics *metrics;
};

/* Errors as http_server_start(). */
MUST_USE enum err api_start(uv_loop_t *loop, const struct api_options *options, struct api **ret);
/* Lets requests finish for up to `grace`, then calls on_stopped from the loop and frees. */
void api_stop(struct api *api, usec grace, void (*on_stopped)(void *data), void *data);
uint16_t api_port(const struct api *api);

#endif
