/* http.c - exchange → call → store → exchange.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "io/http.h"

#include "common/os/random.h"
#include "core/routes.h"
#include "io/store.h"

#include <stdlib.h>

/* The note types of core/call.h, as metric labels. */
static const char *const note_types[] = {
    "account.created",        "session.login",  "session.login-failed", "session.refreshed",
    "session.reuse-detected", "session.logout", "guest.created",
};

struct api {
    struct api_options options;
    struct http_server *server;
    size_t call_count;
    struct metric_counter *events[ARRAY_LEN(note_types)];
    void (*on_stopped)(void *data);
    void *stopped_data;
};

/* One exchange being answered. */
struct active {
    struct api *api;
    struct http_exchange *exchange;
    struct call call;
};

static const char *or_null(const char *text)
{
    return text[0] == '\0' ? NULL : text;
}

static void count(struct api *api, const char *type)
{
    for (size_t i = 0; i < ARRAY_LEN(note_types); i++)
        if (strcmp(note_types[i], type) == 0)
            metric_inc(api->events[i]);
}

static json_t *note_meta(const struct audit_note *n)
{
    json_t *meta = json_object();
    if (n->sid[0] != '\0')
        json_object_set_new(meta, "sid", json_string(n->sid));
    if (n->reason != NULL)
        json_object_set_new(meta, "reason", json_string(n->reason));
    return meta;
}

static void notes_emit(struct active *a)
{
    for (size_t i = 0; i < a->call.note_count; i++) {
        const struct audit_note *n = &a->call.notes[i];
        const struct audit_event event = { .type = n->type,
                                           .actor_kind = n->actor_kind,
                                           .actor_id = or_null(n->actor_id),
                                           .actor_name = or_null(n->actor_name),
                                           .org = or_null(n->org),
                                           .address = a->call.request->client_address,
                                           .meta = note_meta(n) };
        count(a->api, n->type);
        (void)audit_emit(a->api->options.audit, &event); /* it counts and logs what it drops */
    }
}

static void pump(struct active *a);

static void on_reply(const struct store_reply *reply, void *data)
{
    struct active *a = data;
    a->call.reply = *reply;
    auth_resume(a->api->options.auth, &a->call);
    pump(a);
}

/* Waits for the store, or finishes. */
static void pump(struct active *a)
{
    if (a->call.next != NULL) {
        store_perform(a->api->options.redis, &a->call.op, on_reply, a);
        return;
    }
    notes_emit(a);
    http_exchange_finish(a->exchange);
    a->api->call_count--;
    call_done(&a->call);
    free(a);
}

static void handle(struct http_exchange *x, void *data)
{
    struct api *api = data;
    struct active *a = api->call_count < CALLS_MAX ? malloc(sizeof(*a)) : NULL;
    if (a == NULL) {
        http_response_header(http_exchange_response(x), "Retry-After", "1");
        http_response_problem(http_exchange_response(x), 503, "unavailable", "Too many requests.");
        http_exchange_finish(x);
        return;
    }
    uint8_t random[CALL_RANDOM_LEN];
    random_bytes(random, sizeof(random));
    a->api = api;
    a->exchange = x;
    call_init(&a->call, http_exchange_request_mutable(x), http_exchange_response(x), random);
    bytes_wipe(random, sizeof(random));
    api->call_count++;
    auth_start(api->options.auth, &a->call);
    pump(a);
}

static const char *note_type_name(unsigned index)
{
    return note_types[index];
}

enum err api_start(uv_loop_t *loop, const struct api_options *options, struct api **ret)
{
    struct api *api = calloc(1, sizeof(*api));
    check(api != NULL);
    api->options = *options;
    metrics_counters(options->metrics, "authd_events_total", "What happened to accounts.", "type",
                     note_type_name, ARRAY_LEN(note_types), api->events);
    const struct http_server_options server = { .listen = options->listen,
                                                .handle_all = handle,
                                                .data = api,
                                                .trusted_proxies = options->trusted_proxies,
                                                .trusted_proxy_count = options->trusted_proxy_count,
                                                .metrics = options->metrics,
                                                .service = "authd" };
    enum err err = http_server_start(loop, &server, &api->server);
    if (err == OK)
        *ret = api;
    else
        free(api);
    return err;
}

uint16_t api_port(const struct api *api)
{
    return http_server_port(api->server);
}

static void on_server_stopped(void *data)
{
    struct api *api = data;
    void (*on_stopped)(void *) = api->on_stopped;
    void *stopped_data = api->stopped_data;
    free(api);
    on_stopped(stopped_data);
}

void api_stop(struct api *api, usec grace, void (*on_stopped)(void *data), void *data)
{
    api->on_stopped = on_stopped;
    api->stopped_data = data;
    http_server_stop(api->server, grace, on_server_stopped, api);
}
