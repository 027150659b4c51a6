/* The open connections of an HTTP server, and their limits. SPDX-License-Identifier: Apache-2.0 */
#include "common/os/clock.h"
#include "common/os/http_private.h"
#include "common/os/log.h"

#include <stdlib.h>

/* A limit that holds is said so often; the metric counts every time. */
#define LIMIT_LOG_INTERVAL SECONDS(10)

static const char *const limit_names[HTTP_LIMIT_COUNT] = { [HTTP_LIMIT_FULL] = "full" };

static const char *limit_name(unsigned index)
{
    return limit_names[index];
}

static const char *listener_name(const struct http_server *s)
{
    return s->options.listener == NULL ? "api" : s->options.listener;
}

static void limit_reached(struct http_server *s, enum http_limit limit)
{
    if (s->limited[limit] != NULL)
        metric_inc(s->limited[limit]);
    usec now = clock_now();
    if (s->limit_logged[limit] != 0 && now - s->limit_logged[limit] < LIMIT_LOG_INTERVAL)
        return;
    s->limit_logged[limit] = now;
    log_warn("http.connection-limited", KV_STR("listener", listener_name(s)),
             KV_STR("why", limit_name(limit)), KV_U64("connections", s->connection_count),
             KV_U64("connections_max", s->options.connections_max));
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
        *context = c;
        list_push_back(&s->connections, &c->link);
        if (++s->connection_count == s->options.connections_max)
            limit_reached(s, HTTP_LIMIT_FULL);
    } else {
        list_remove(&c->link);
        s->connection_count--;
        *context = NULL;
        free(c);
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
        s->limited[i] = metrics_counter(s->options.metrics,
                                        "conclave_http_connections_limited_total",
                                        "Times that a limit on HTTP connections was met.", labels);
    }
}
