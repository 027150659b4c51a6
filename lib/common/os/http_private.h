/* http_private.h - shared by the http_*.c files. SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_OS_HTTP_PRIVATE_H
#define COMMON_OS_HTTP_PRIVATE_H

#include "common/list.h"
#include "common/os/http_server.h"
#include "common/os/net_address.h"

#include <microhttpd.h>

/* Why a connection was kept waiting, refused or closed. */
enum http_limit {
    HTTP_LIMIT_FULL,    /* connections_max are open: the next ones wait in the kernel's queue */
    HTTP_LIMIT_ADDRESS, /* this address has its share open: refused */
    HTTP_LIMIT_SLOW,    /* a request took too long to arrive: closed */
    HTTP_LIMIT_COUNT
};

struct http_server {
    /* given */
    uv_loop_t *loop;
    struct http_server_options options;
    /* owned */
    struct MHD_Daemon *mhd;
    uv_poll_t poll;   /* MHD's epoll descriptor */
    uv_timer_t timer; /* MHD's next timeout, or "now" */
    uv_timer_t stopper;
    unsigned open_count;
    struct list connections;
    usec expired; /* when http_connections_expire() was called last */
    size_t connection_count;
    struct list exchanges; /* between the first byte of a request and its end */
    size_t exchange_count;
    uint16_t port;
    bool is_running; /* inside MHD_run() */
    bool is_stopping;
    usec stop_deadline;
    void (*on_stopped)(void *data);
    void *stop_data;
    struct metric_counter *codes[6]; /* 1xx … 5xx by index */
    struct metric_histogram *seconds;
    struct metric_counter *limited[HTTP_LIMIT_COUNT];
    usec limit_logged[HTTP_LIMIT_COUNT]; /* when it was said last; 0 = never */
};

/* Whom a connection counts for: an IPv4 address, or an IPv6 /64, which is one customer's. */
struct http_origin {
    uint8_t bytes[16];
};

/* One TCP connection, from accept to close. */
struct http_connection {
    struct list_link link;
    struct MHD_Connection *connection;
    struct http_origin origin;
    /* When the request that is expected or arriving must be here; USEC_NEVER while one is answered.
     */
    usec deadline;
};

/* One request and its response. Freed when both the connection and the handler are done with it. */
struct http_exchange {
    struct list_link link;
    struct http_server *server; /* NULL once the connection is gone */
    struct MHD_Connection *connection;
    struct http_request request;
    struct http_response response;
    char *body; /* received so far; owned */
    size_t body_len, body_capacity;
    size_t body_max;
    char *query_text; /* owned */
    char client_address[NET_ADDRESS_CAPACITY];
    char request_id[HTTP_REQUEST_ID_BYTES_MAX + 1];
    const struct http_route *route;
    usec started;
    bool is_dispatched; /* the handler has it, or had it */
    bool is_finished;   /* the handler is done; or there never was one */
    bool is_suspended;
    bool is_sent;
};

/* MHD's callbacks. */
enum MHD_Result http_exchange_on_request(void *cls, struct MHD_Connection *connection,
                                         const char *url, const char *method, const char *version,
                                         const char *upload_data, size_t *upload_data_size,
                                         void **con_cls);
void http_exchange_on_completed(void *cls, struct MHD_Connection *connection, void **con_cls,
                                enum MHD_RequestTerminationCode code);
/* http_connection.c */
void http_connection_on_change(void *cls, struct MHD_Connection *connection, void **context,
                               enum MHD_ConnectionNotificationCode code);
enum MHD_Result http_connection_may_begin(void *cls, const struct sockaddr *address,
                                          socklen_t address_len);
/* The request of this connection is here, or refused before its end: it is answered in its time. */
void http_connection_on_received(struct MHD_Connection *connection);
/* It was answered: the next one may come. */
void http_connection_on_answered(struct http_server *s, struct MHD_Connection *connection);
/* Ends the connections whose request is overdue, or cannot come any more. */
void http_connections_expire(struct http_server *s, usec now);
void http_connection_declare_metrics(struct http_server *s);
/* http_exchange.c */
bool http_server_trusts(const struct http_server *s, const char *address);
/* Answers 503 in place of a handler that is too slow to stop for. */
void http_exchange_abandon(struct http_exchange *x);
void http_server_run_soon(struct http_server *s);

#endif
