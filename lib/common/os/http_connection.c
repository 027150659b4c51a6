/* The open connections of an HTTP server, and their limits. SPDX-License-Identifier: Apache-2.0 */
#include "common/os/clock.h"
#include "common/os/http_private.h"
#include "common/os/log.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* A limit that holds is said so often; the metric counts every time. */
#define LIMIT_LOG_INTERVAL SECONDS(10)

static const char *const limit_names[HTTP_LIMIT_COUNT] = {
    [HTTP_LIMIT_FULL] = "full", [HTTP_LIMIT_ADDRESS] = "address", [HTTP_LIMIT_SLOW] = "slow"
};

static const char *limit_name(unsigned index)
{
    return limit_names[index];
}

static const char *listener_name(const struct http_server *s)
{
    return s->options.listener == NULL ? "api" : s->options.listener;
}

static void limit_reached(struct http_server *s, enum http_limit limit, const char *address)
{
    if (s->limited[limit] != NULL)
        metric_inc(s->limited[limit]);
    usec now = clock_now();
    if (s->limit_logged[limit] != 0 && now - s->limit_logged[limit] < LIMIT_LOG_INTERVAL)
        return;
    s->limit_logged[limit] = now;
    log_warn("http.connection-limited", KV_STR("listener", listener_name(s)),
             KV_STR("why", limit_name(limit)), KV_STR("address", address),
             KV_U64("connections", s->connection_count),
             KV_U64("connections_max", s->options.connections_max));
}

static struct http_origin origin_of(const struct sockaddr *address)
{
    struct http_origin origin = { 0 };
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;
        memcpy(origin.bytes + 12, &in->sin_addr, 4);
    } else if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;
        bool is_mapped = IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr);
        memcpy(origin.bytes, &in6->sin6_addr, is_mapped ? 16 : 8);
        if (is_mapped)
            memset(origin.bytes, 0, 12);
    }
    return origin;
}

static struct http_connection *connection_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info == NULL ? NULL : info->socket_context;
}

static const struct sockaddr *address_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    return info == NULL ? NULL : info->client_addr;
}

enum MHD_Result http_connection_may_begin(void *cls, const struct sockaddr *address,
                                          socklen_t address_len)
{
    (void)address_len;
    struct http_server *s = cls;
    struct http_origin origin = origin_of(address);
    unsigned count = 0;
    list_for_each(l, &s->connections)
    {
        const struct http_connection *c = list_entry(l, struct http_connection, link);
        count += memcmp(&c->origin, &origin, sizeof origin) == 0 ? 1 : 0;
    }
    if (count < s->options.connections_per_address_max)
        return MHD_YES;
    char text[NET_ADDRESS_CAPACITY];
    net_address_host(address, text);
    if (http_server_trusts(s, text))
        return MHD_YES; /* a proxy: it speaks for many */
    limit_reached(s, HTTP_LIMIT_ADDRESS, text);
    return MHD_NO;
}

void http_connection_on_change(void *cls, struct MHD_Connection *connection, void **context,
                               enum MHD_ConnectionNotificationCode code)
{
    struct http_server *s = cls;
    struct http_connection *c = *context;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        c = calloc(1, sizeof *c);
        check(c != NULL);
        c->connection = connection;
        c->deadline = clock_now() + s->options.receive_timeout;
        const struct sockaddr *address = address_of(connection);
        if (address != NULL)
            c->origin = origin_of(address);
        *context = c;
        list_push_back(&s->connections, &c->link);
        if (++s->connection_count == s->options.connections_max)
            limit_reached(s, HTTP_LIMIT_FULL, "");
    } else {
        list_remove(&c->link);
        s->connection_count--;
        *context = NULL;
        free(c);
    }
}

void http_connection_on_received(struct MHD_Connection *connection)
{
    struct http_connection *c = connection_of(connection);
    if (c != NULL)
        c->deadline = USEC_NEVER;
}

void http_connection_on_answered(struct http_server *s, struct MHD_Connection *connection)
{
    struct http_connection *c = connection_of(connection);
    if (c != NULL)
        c->deadline = clock_now() + s->options.idle_timeout + s->options.receive_timeout;
}

static int fd_of(const struct http_connection *c)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(c->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info == NULL ? -1 : info->connect_fd;
}

/* libmicrohttpd has no call that ends a connection: it sees the end of the socket instead. */
static void connection_end(struct http_connection *c)
{
    c->deadline = USEC_NEVER;
    (void)shutdown(fd_of(c), SHUT_RDWR);
}

static void connection_end_slow(struct http_server *s, struct http_connection *c)
{
    char text[NET_ADDRESS_CAPACITY] = "";
    const struct sockaddr *address = address_of(c->connection);
    if (address != NULL)
        net_address_host(address, text);
    limit_reached(s, HTTP_LIMIT_SLOW, text);
    connection_end(c);
}

/* Everything was read and the client is gone. libmicrohttpd does not see that if the end was there
 * with the last bytes already: it polls for edges and does not read again after a short read. */
static bool is_ended(const struct http_connection *c)
{
    char byte;
    return recv(fd_of(c), &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

void http_connections_expire(struct http_server *s, usec now)
{
    list_for_each(l, &s->connections)
    {
        struct http_connection *c = list_entry(l, struct http_connection, link);
        if (c->deadline == USEC_NEVER)
            continue;
        if (c->deadline <= now)
            connection_end_slow(s, c);
        else if (is_ended(c))
            connection_end(c);
    }
}

void http_connection_declare_metrics(struct http_server *s)
{
    if (s->options.metrics == NULL)
        return;
    char labels[64];
    for (unsigned i = 0; i < HTTP_LIMIT_COUNT; i++) {
        (void)snprintf(labels, sizeof labels, "listener=\"%s\",why=\"%s\"", listener_name(s),
                       limit_name(i));
        s->limited[i] =
            metrics_counter(s->options.metrics, "conclave_http_connections_limited_total",
                            "Times that a limit on HTTP connections was met.", labels);
    }
}
