/* http.h - auditd's API: GET /v1/audit/status, for administrators.
 *
 *     200 { "chain", "seq", "head", "segment", "verified": { "from", "to" } }
 *
 * verified: the records whose chain this process has checked (at its start) or written.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDITD_IO_HTTP_H
#define AUDITD_IO_HTTP_H

#include "common/os/http_server.h"
#include "common/os/jwks.h"
#include "io/journal.h"

/* What the handlers need; borrowed. */
struct api {
    struct journal *journal;
    struct jwks *jwks;
};

struct api_options {
    const char *listen;
    const char *const *trusted_proxies;
    size_t trusted_proxy_count;
    struct metrics *metrics;
};

/* api must outlive the server. Errors as http_server_start(). */
MUST_USE enum err api_start(uv_loop_t *loop, const struct api_options *options, struct api *api,
                            struct http_server **ret);

#endif
