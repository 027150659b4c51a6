/* http_server.h - an HTTP/1.1 server on a uv loop (libmicrohttpd underneath, no threads).
 *
 * Everything runs on the loop's thread. A handler gets an exchange, reads its request, fills its
 * response and finishes it, at once or later; until then the request stays valid and the connection
 * is parked. Every exchange must be finished exactly once.
 *
 *     static void get_user(struct http_exchange *x, void *data)
 *     {
 *         const char *id = http_request_param(http_exchange_request(x), "user");
 *         http_response_json(http_exchange_response(x), 200, user_to_json(id));
 *         http_exchange_finish(x);
 *     }
 *
 * The server itself answers 404 not-found, 405 method-not-allowed (with Allow), 413 body-too-large,
 * 431 headers-too-large, 400 bad-request, 503 overloaded; echoes a sane X-Request-Id or makes one;
 * adds nosniff, no-referrer, no-store (unless Cache-Control is set), a CSP that forbids everything
 * (unless set). Plain HTTP: TLS is the load balancer's.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_OS_HTTP_SERVER_H
#define COMMON_OS_HTTP_SERVER_H

#include "common/base.h"
#include "common/http.h"
#include "common/os/metrics.h"

#include <uv.h>

struct http_server;

struct http_server_options {
    const char *listen;              /* net_address_parse(); port 0 = any free one */
    const struct http_route *routes; /* borrowed while the server lives */
    size_t route_count;
    /* If set: gets every request that fits the limits, instead of the route table. */
    void (*handle_all)(struct http_exchange *exchange, void *data);
    void *data;               /* for handlers */
    size_t body_max;          /* 0 = HTTP_BODY_MAX_DEFAULT */
    unsigned connections_max; /* 0 = 1024 */
    /* Of one address that is no trusted proxy; 0 = a quarter. More are closed at once. */
    unsigned connections_per_address_max;
    usec idle_timeout; /* 0 = 30 s */
    /* From accept to the end of a request, however busily its bytes drip; 0 = 15 s. The next
     * request of a connection also has the idle timeout before it. Checked once a second. */
    usec receive_timeout;
    /* CIDRs whose X-Forwarded-For is believed; NULL = loopback only. Borrowed. */
    const char *const *trusted_proxies;
    size_t trusted_proxy_count;
    /* Optional: conclave_http_connections_limited_total{listener=,why=}, and if there is a service
     * <service>_http_requests_total{code=} and <service>_http_request_seconds. */
    struct metrics *metrics;
    const char *service;  /* metric prefix */
    const char *listener; /* NULL = "api" */
    bool log_requests;    /* one info line http.served per request (debug otherwise) */
};

/* Listens. ERR_MALFORMED (listen), ERR_SYSTEM (errno says why: EADDRINUSE, …). */
MUST_USE enum err http_server_start(uv_loop_t *loop, const struct http_server_options *options,
                                    struct http_server **ret);
uint16_t http_server_port(const struct http_server *s);
size_t http_server_exchange_count(const struct http_server *s);

/* Stops listening, lets running exchanges finish for up to `grace`, closes everything, calls
 * on_stopped (may be NULL) from the loop and frees the server. Unfinished exchanges get 503. */
void http_server_stop(struct http_server *s, usec grace, void (*on_stopped)(void *data),
                      void *data);

const struct http_request *http_exchange_request(const struct http_exchange *x);
/* Non-const: for http_route_find() in a handle_all that has its own table. */
struct http_request *http_exchange_request_mutable(struct http_exchange *x);
struct http_response *http_exchange_response(struct http_exchange *x);
/* Sends the response and forgets the exchange. A status of 0 becomes 500. Loop thread only. */
void http_exchange_finish(struct http_exchange *x);

#endif
