/* fetch.h - HTTP requests of many bots on one loop, by libcurl.
 *
 * At most `concurrency` at a time, the others wait in order (their time counts from when they
 * start). Connections are kept and reused. Redirects are not followed.
 *
 * Thread: belongs to the loop's thread. Callbacks come from the loop, never from inside a function
 * of this header.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_IO_FETCH_H
#define LOADTEST_IO_FETCH_H

#include "common/bytes.h"

#include <uv.h>

enum {
    FETCH_BODY_MAX = 1 << 20, /* of an answer, unless configured; more is the error "too-big" */
    FETCH_CONCURRENCY = 64,
};

struct fetcher; /* of a thread */
struct fetch;

struct fetcher_config {
    uv_loop_t *loop;
    const char *ca_file;  /* PEM; NULL: the system's. Borrowed for life */
    bool insecure;        /* any certificate will do */
    unsigned concurrency; /* 0: FETCH_CONCURRENCY */
    usec timeout;         /* of one request; 0: 10 s */
    size_t body_max;      /* 0: FETCH_BODY_MAX */
};

/* status 0: no answer, and `error` (static text, else NULL) says why: "refused", "timeout", "dns",
 * "tls", "reset", "too-big", "bad-url", "not-http", "failed". body is valid during the call. */
typedef void (*fetch_done_fn)(void *owner, int status, struct bytes body, const char *error,
                              usec now);

/* ERR_SYSTEM. */
MUST_USE enum err fetcher_new(const struct fetcher_config *config, struct fetcher **ret);
/* Cancels everything, also from within a callback. on_closed (may be NULL) is called from the loop
 * when no handle is left: then free. NULL is fine: on_closed is not called. */
void fetcher_close(struct fetcher *f, void (*on_closed)(void *data), void *data);
void fetcher_free(struct fetcher *f);

/* url   copied
 * body  JSON for a POST, copied; NULL data: a GET
 * token bearer, copied, or NULL
 * Lives until done() or fetch_cancel(). NULL without memory. */
struct fetch *fetch_start(struct fetcher *f, const char *url, struct bytes body, const char *token,
                          fetch_done_fn done, void *owner);
/* No callback any more. NULL is fine. */
void fetch_cancel(struct fetch *x);

size_t fetcher_count(const struct fetcher *f); /* running and waiting */

#endif
