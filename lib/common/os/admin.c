/* SPDX-License-Identifier: Apache-2.0 */
#include "common/os/admin.h"

#include <stdlib.h>

#define CHECKS_MAX   16
#define WHY_CAPACITY 256
#define ROUTES_MAX   (3 + 8)

struct admin {
    struct http_server *server; /* NULL without a port */
    struct metrics *metrics;    /* given */
    void *data;                 /* given, for routes of the daemon's own */
    struct http_route routes[ROUTES_MAX];
    struct {
        const char *name;
        bool (*is_ready)(void *data, char *ret_why, size_t capacity);
        void *data;
    } checks[CHECKS_MAX];
    size_t check_count;
    bool is_draining;
    void (*on_stopped)(void *data);
    void *stop_data;
};

static void on_health(struct http_exchange *x, void *data)
{
    (void)data;
    http_response_json(http_exchange_response(x), 200, json_pack("{sb}", "healthy", 1));
    http_exchange_finish(x);
}

static void failing_add(json_t *failing, const char *name, const char *why)
{
    (void)json_array_append_new(failing, json_pack("{ss ss}", "check", name, "why", why));
}

static void on_ready(struct http_exchange *x, void *data)
{
    struct admin *a = data;
    json_t *failing = json_array();
    if (a->is_draining)
        failing_add(failing, "draining", "draining");
    for (size_t i = 0; i < a->check_count; i++) {
        char why[WHY_CAPACITY] = "not ready";
        if (!a->checks[i].is_ready(a->checks[i].data, why, sizeof why))
            failing_add(failing, a->checks[i].name, why);
    }
    struct http_response *r = http_exchange_response(x);
    if (json_array_size(failing) == 0) {
        json_decref(failing);
        http_response_json(r, 200, json_pack("{sb}", "ready", 1));
    } else {
        http_response_json(r, 503, json_pack("{sb so}", "ready", 0, "failing", failing));
    }
    http_exchange_finish(x);
}

static void on_metrics(struct http_exchange *x, void *data)
{
    struct admin *a = data;
    size_t len;
    char *text = metrics_render(a->metrics, &len);
    http_response_bytes(http_exchange_response(x), 200, METRICS_CONTENT_TYPE, bytes_of(text, len));
    free(text);
    http_exchange_finish(x);
}

static const struct http_route routes[] = {
    { HTTP_METHOD_GET, "/healthz", on_health, 0, NULL },
    { HTTP_METHOD_GET, "/readyz", on_ready, 0, NULL },
    { HTTP_METHOD_GET, "/metrics", on_metrics, 0, NULL },
};

enum err admin_start(uv_loop_t *loop, const char *listen, struct metrics *metrics,
                     struct admin **ret)
{
    const struct admin_routes none = { .count = 0 };
    return admin_start_with(loop, listen, metrics, &none, ret);
}

void *admin_data(const struct admin *a)
{
    return a->data;
}

enum err admin_start_with(uv_loop_t *loop, const char *listen, struct metrics *metrics,
                          const struct admin_routes *more, struct admin **ret)
{
    check(ARRAY_LEN(routes) + more->count <= ROUTES_MAX);
    struct admin *a = calloc(1, sizeof *a);
    if (a == NULL)
        return ERR_SYSTEM;
    a->metrics = metrics;
    a->data = more->data;
    memcpy(a->routes, routes, sizeof routes);
    if (more->count > 0)
        memcpy(a->routes + ARRAY_LEN(routes), more->routes, more->count * sizeof routes[0]);
    if (listen != NULL && listen[0] != '\0') {
        const struct http_server_options options = { .listen = listen,
                                                     .routes = a->routes,
                                                     .route_count = ARRAY_LEN(routes) + more->count,
                                                     .data = a,
                                                     .connections_max = 64,
                                                     .metrics = metrics,
                                                     .listener = "admin" };
        enum err e = http_server_start(loop, &options, &a->server);
        if (e != OK) {
            free(a);
            return e;
        }
    }
    *ret = a;
    return OK;
}

void admin_add_check(struct admin *a, const char *name,
                     bool (*is_ready)(void *data, char *ret_why, size_t capacity), void *data)
{
    check(a->check_count < CHECKS_MAX && is_ready != NULL);
    a->checks[a->check_count].name = name;
    a->checks[a->check_count].is_ready = is_ready;
    a->checks[a->check_count].data = data;
    a->check_count++;
}

void admin_set_draining(struct admin *a)
{
    a->is_draining = true;
}

uint16_t admin_port(const struct admin *a)
{
    return a->server == NULL ? 0 : http_server_port(a->server);
}

static void on_server_stopped(void *data)
{
    struct admin *a = data;
    void (*on_stopped)(void *) = a->on_stopped;
    void *stop_data = a->stop_data;
    free(a);
    if (on_stopped != NULL)
        on_stopped(stop_data);
}

void admin_stop(struct admin *a, void (*on_stopped)(void *data), void *data)
{
    a->on_stopped = on_stopped;
    a->stop_data = data;
    if (a->server == NULL)
        on_server_stopped(a);
    else
        http_server_stop(a->server, 0, on_server_stopped, a);
}
