/* websocket_private.h - what websocket.c, websocket_pool.c and websocket_resolve.c share.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_IO_WEBSOCKET_PRIVATE_H
#define LOADTEST_IO_WEBSOCKET_PRIVATE_H

#include "common/list.h"
#include "io/websocket.h"

#include <libwebsockets.h>
#include <openssl/ssl.h>

enum {
    WEBSOCKET_HOST_MAX = 256,
    WEBSOCKET_ADDRESSES_MAX = 8,
    WEBSOCKET_RX_BUFFER = 4096, /* of libwebsockets, per connection */
};

/* A name and what it resolves to. Lives as long as the pool. */
struct websocket_host {
    struct list_link link;
    struct list waiting; /* struct websocket.wait */
    struct websocket_pool *pool;
    uv_getaddrinfo_t request;
    bool is_resolving;
    usec resolved_at;
    unsigned address_count;
    unsigned next; /* connections are dealt over the addresses */
    char addresses[WEBSOCKET_ADDRESSES_MAX][INET6_ADDRSTRLEN];
    char name[WEBSOCKET_HOST_MAX];
};

/* One text on its way out. */
struct websocket_text {
    struct list_link link;
    size_t len;
    uint8_t data[]; /* LWS_PRE bytes, then the text */
};

struct websocket {
    struct list_link link;     /* pool->all */
    struct list_link deadline; /* pool->connecting or pool->closing: by time */
    struct list_link deferred; /* pool->deferred: something to do from the loop */
    struct list_link wait;     /* host->waiting */
    struct websocket_pool *pool;
    void *owner;
    struct lws *wsi; /* NULL: no connection of libwebsockets (yet, or any more) */
    usec deadline_at;
    /* given */
    bool is_tls;
    uint16_t port;
    char *path;
    char *subprotocol; /* or NULL */
    char *authority;   /* the Host header */
    struct websocket_host *host;
    unsigned address, tries;
    /* state */
    bool is_dead;      /* the owner knows of it no more; goes when wsi is NULL */
    bool must_connect; /* deferred: start an attempt */
    bool must_kill;    /* deferred: end the connection of libwebsockets */
    bool is_starting, has_tcp, is_open;
    bool wants_close, is_close_sent;
    int close_code;                    /* of the server */
    char reason[WEBSOCKET_REASON_MAX]; /* deferred on_closed(): set, then reported */
    struct list queue;                 /* struct websocket_text */
    size_t queued_bytes;
    uint8_t *message; /* the one being received */
    size_t message_len, message_capacity;
};

struct websocket_pool {
    uv_loop_t *loop;
    const struct websocket_events *events;
    struct lws_context *context;
    struct lws_vhost *vhost;
    bool insecure, is_closing;
    usec timeout;
    struct list all, connecting, closing, deferred, hosts;
    size_t count;
    uv_timer_t soon;  /* runs `deferred` */
    uv_timer_t sweep; /* deadlines */
    SSL_CTX *tls;
};

/* --- websocket_resolve.c --- */

/* The (possibly new) host of that name. NULL without memory. */
struct websocket_host *websocket_host_find(struct websocket_pool *p, const char *name);
/* Calls websocket_connect() or websocket_fail(w, "dns"), now or later. */
void websocket_resolve(struct websocket *w);
void websocket_hosts_free(struct websocket_pool *p);

/* --- websocket.c --- */

/* The next attempt, with an address of its host. From the loop only. */
void websocket_connect(struct websocket *w);
/* Ends it, and tells the owner from the loop. First reason wins. */
void websocket_fail(struct websocket *w, const char *reason);
/* What was put off. */
void websocket_run_deferred(struct websocket *w);
int websocket_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                       size_t len);

/* --- websocket_pool.c --- */

void websocket_defer(struct websocket *w);
void websocket_destroy(struct websocket *w);

#endif
