/* libmicrohttpd on a uv loop: its epoll descriptor is polled, its timeout is a timer.
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/os/http_server.h"

#include "common/os/clock.h"
#include "common/os/http_private.h"
#include "common/os/log.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CONNECTIONS_MAX_DEFAULT 1024
#define ADDRESS_SHARE           4 /* one address may have a quarter of the connections */
#define IDLE_TIMEOUT_DEFAULT    SECONDS(30)
#define RECEIVE_TIMEOUT_DEFAULT SECONDS(15)
#define CONNECTION_MEMORY       (32 * 1024) /* request line and headers must fit */
#define STOP_POLL_MS            10
#define RUNS_MAX                8 /* while there is more to do at once */
#define RUN_INTERVAL_MS         1000
#define RUN_INTERVAL_FULL_MS    50

static void run(struct http_server *s);

static void on_timer(uv_timer_t *timer)
{
    run(timer->data);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    run(poll->data);
}

void http_server_run_soon(struct http_server *s)
{
    if (!s->is_running)
        check(uv_timer_start(&s->timer, on_timer, 0, 0) == 0);
}

static bool is_full(const struct http_server *s)
{
    return s->connection_count >= s->options.connections_max;
}

/* A walk over all connections: not at every run. */
static void expire(struct http_server *s)
{
    usec now = clock_now();
    usec pause = MILLIS(is_full(s) ? RUN_INTERVAL_FULL_MS : RUN_INTERVAL_MS);
    if (now - s->expired < pause)
        return;
    s->expired = now;
    http_connections_expire(s, now);
}

static void run(struct http_server *s)
{
    if (s->mhd == NULL)
        return;
    check(!s->is_running);
    MHD_UNSIGNED_LONG_LONG timeout_ms = 0;
    bool is_more = true;
    s->is_running = true;
    expire(s);
    for (int i = 0; i < RUNS_MAX && is_more; i++) {
        bool was_full = is_full(s);
        (void)MHD_run(s->mhd);
        if (MHD_get_timeout(s->mhd, &timeout_ms) != MHD_YES)
            timeout_ms = RUN_INTERVAL_MS;
        is_more = timeout_ms == 0 || (was_full && !is_full(s));
    }
    s->is_running = false;
    /* Never zero: libuv runs such a timer again without looking at anything else. Never none: a
     * full server does not listen, and only a run after one that ended connections listens again.
     */
    timeout_ms = MIN(timeout_ms, is_full(s) ? RUN_INTERVAL_FULL_MS : RUN_INTERVAL_MS);
    timeout_ms = MAX(timeout_ms, 1);
    check(uv_timer_start(&s->timer, on_timer, timeout_ms, 0) == 0);
}

static void on_library_log(void *cls, const char *format, va_list args)
{
    (void)cls;
    char text[512];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    (void)vsnprintf(text, sizeof text, format, args);
#pragma GCC diagnostic pop
    log_debug("http.library-said", KV_STR("text", text));
}

/* Paths and queries stay as they were sent; they are decoded here, once. */
static size_t keep_escapes(void *cls, struct MHD_Connection *connection, char *text)
{
    (void)cls;
    (void)connection;
    return strlen(text);
}

static int listen_on(const struct sockaddr_storage *address, uint16_t *ret_port)
{
    const struct sockaddr *generic = (const struct sockaddr *)address;
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    int yes = 1;
    struct sockaddr_storage bound;
    socklen_t bound_len = sizeof bound;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
        bind(fd, generic, net_address_len(generic)) != 0 || listen(fd, 511) != 0 ||
        getsockname(fd, (struct sockaddr *)&bound, &bound_len) != 0) {
        int why = errno;
        (void)close(fd);
        errno = why;
        return -1;
    }
    *ret_port = net_address_port((const struct sockaddr *)&bound);
    return fd;
}

static struct MHD_Daemon *mhd_start(struct http_server *s, int fd)
{
    return MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, http_connection_may_begin,
        s, http_exchange_on_request, s, MHD_OPTION_EXTERNAL_LOGGER, on_library_log, NULL,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_COMPLETED, http_exchange_on_completed, s,
        MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL, MHD_OPTION_CONNECTION_LIMIT,
        s->options.connections_max, MHD_OPTION_NOTIFY_CONNECTION, http_connection_on_change, s,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)(s->options.idle_timeout / USEC_PER_SEC),
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY, MHD_OPTION_END);
}

static void declare_metrics(struct http_server *s)
{
    static const char *const classes[6] = { NULL, "1xx", "2xx", "3xx", "4xx", "5xx" };
    http_connection_declare_metrics(s);
    if (s->options.metrics == NULL || s->options.service == NULL)
        return;
    char name[96], labels[32];
    (void)snprintf(name, sizeof name, "%s_http_requests_total", s->options.service);
    for (unsigned i = 2; i < ARRAY_LEN(classes); i++) {
        (void)snprintf(labels, sizeof labels, "code=\"%s\"", classes[i]);
        s->codes[i] = metrics_counter(s->options.metrics, name, "Requests answered.", labels);
    }
    (void)snprintf(name, sizeof name, "%s_http_request_seconds", s->options.service);
    s->seconds = metrics_histogram(s->options.metrics, name,
                                   "Time from a request's headers to its response.", NULL,
                                   METRIC_SECONDS_BOUNDS, METRIC_SECONDS_BOUND_COUNT);
}

static void loop_attach(struct http_server *s)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(s->mhd, MHD_DAEMON_INFO_EPOLL_FD);
    check(info != NULL && info->epoll_fd >= 0);
    check(uv_poll_init(s->loop, &s->poll, info->epoll_fd) == 0);
    check(uv_timer_init(s->loop, &s->timer) == 0);
    check(uv_timer_init(s->loop, &s->stopper) == 0);
    s->open_count = 3;
    s->poll.data = s;
    s->timer.data = s;
    s->stopper.data = s;
    check(uv_poll_start(&s->poll, UV_READABLE, on_poll) == 0);
}

static void options_complete(struct http_server_options *o)
{
    if (o->body_max == 0)
        o->body_max = HTTP_BODY_MAX_DEFAULT;
    if (o->connections_max == 0)
        o->connections_max = CONNECTIONS_MAX_DEFAULT;
    if (o->connections_per_address_max == 0)
        o->connections_per_address_max = MAX(o->connections_max / ADDRESS_SHARE, 1);
    if (o->idle_timeout == 0)
        o->idle_timeout = IDLE_TIMEOUT_DEFAULT;
    if (o->receive_timeout == 0)
        o->receive_timeout = RECEIVE_TIMEOUT_DEFAULT;
}

enum err http_server_start(uv_loop_t *loop, const struct http_server_options *options,
                           struct http_server **ret)
{
    struct sockaddr_storage address;
    enum err e = net_address_parse(options->listen, &address);
    if (e != OK)
        return e;
    struct http_server *s = calloc(1, sizeof *s);
    if (s == NULL)
        return ERR_SYSTEM;
    s->loop = loop;
    s->options = *options;
    options_complete(&s->options);
    list_init(&s->connections);
    list_init(&s->exchanges);
    int fd = listen_on(&address, &s->port);
    if (fd < 0) {
        free(s);
        return ERR_SYSTEM;
    }
    s->mhd = mhd_start(s, fd);
    if (s->mhd == NULL) {
        (void)close(fd);
        free(s);
        errno = EINVAL;
        return ERR_SYSTEM;
    }
    declare_metrics(s);
    loop_attach(s);
    *ret = s;
    return OK;
}

uint16_t http_server_port(const struct http_server *s)
{
    return s->port;
}

size_t http_server_exchange_count(const struct http_server *s)
{
    return s->exchange_count;
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct http_server *s = handle->data;
    if (--s->open_count > 0)
        return;
    void (*on_stopped)(void *) = s->on_stopped;
    void *data = s->stop_data;
    free(s);
    if (on_stopped != NULL)
        on_stopped(data);
}

static void shut_down(struct http_server *s)
{
    list_for_each(l, &s->exchanges)
    {
        http_exchange_abandon(list_entry(l, struct http_exchange, link));
    }
    run(s); /* libmicrohttpd must not be stopped while connections are suspended */
    (void)uv_poll_stop(&s->poll);
    struct MHD_Daemon *mhd = s->mhd;
    s->mhd = NULL;
    MHD_stop_daemon(mhd);
    uv_close((uv_handle_t *)&s->poll, on_handle_closed);
    uv_close((uv_handle_t *)&s->timer, on_handle_closed);
    uv_close((uv_handle_t *)&s->stopper, on_handle_closed);
}

static void on_stop_poll(uv_timer_t *timer)
{
    struct http_server *s = timer->data;
    if (s->exchange_count == 0 || clock_now() >= s->stop_deadline)
        shut_down(s);
}

void http_server_stop(struct http_server *s, usec grace, void (*on_stopped)(void *data), void *data)
{
    check(!s->is_stopping);
    s->is_stopping = true;
    s->on_stopped = on_stopped;
    s->stop_data = data;
    s->stop_deadline = clock_now() + grace;
    int fd = MHD_quiesce_daemon(s->mhd);
    if (fd >= 0)
        (void)close(fd);
    check(uv_timer_start(&s->stopper, on_stop_poll, 0, STOP_POLL_MS) == 0);
}
