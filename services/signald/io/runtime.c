/* runtime.c - see runtime.h. SPDX-License-Identifier: Apache-2.0 */
#include "runtime.h"

#include "api.h"
#include "cluster.h"
#include "common/os/clock.h"
#include "common/os/log.h"
#include "nodes.h"
#include "ws.h"

#include <stdio.h>
#include <string.h>

static const char *const join_stages[] = { "verify", "subscribe", "place",    "node",
                                           "room",   "resume",    "catch-up", "total" };

struct hub *runtime_hub(struct runtime *r)
{
    hub_on_clock(r->hub, clock_now(), clock_wall());
    return r->hub;
}

struct verifying {
    struct runtime *runtime;
    struct call *call;
};

static void verified(enum err e, const struct token_claims *claims, void *data)
{
    struct verifying *v = data;
    struct runtime *r = v->runtime;
    hub_on_answer(runtime_hub(r), v->call, &(struct answer){ .err = e, .claims = claims });
    free(v);
    runtime_perform(r);
}

static void verify(struct runtime *r, const struct action *a)
{
    struct verifying *v = calloc(1, sizeof(*v));
    check(v != NULL);
    *v = (struct verifying){ r, a->call };
    jwks_verify_async(r->jwks, bytes_of(a->text, a->text_len), clock_wall(), verified, v);
}

static const char *text_of(const json_t *j, const char *key)
{
    const char *text = json_string_value(json_object_get(j, key));
    return text != NULL && text[0] != 0 ? text : NULL;
}

static void audit(struct runtime *r, const struct action *a)
{
    const char *kind = text_of(a->json, "actor_kind");
    struct audit_event event = {
        .type = a->name,
        .actor_kind = kind == NULL ? "service" : kind,
        .actor_id = text_of(a->json, "actor_id"),
        .actor_name = text_of(a->json, "actor_name"),
        .org = text_of(a->json, "org"),
        .room = text_of(a->json, "room"),
        .address = text_of(a->json, "address"),
        .meta = json_incref(json_object_get(a->json, "meta")),
    };
    (void)audit_emit(r->audit, &event); /* says itself what it dropped */
}

static void write_log(const struct action *a)
{
    struct kv kvs[16] = { { 0 } };
    size_t count = 1;
    const char *key;
    json_t *v;
    json_object_foreach(a->json, key, v)
    {
        if (count == ARRAY_LEN(kvs))
            break;
        kvs[count++] = json_is_integer(v) ? KV_I64(key, json_integer_value(v))
                                          : KV_STR(key, json_string_value(v));
    }
    if (log_is_enabled((enum log_level)a->number))
        log_emit((enum log_level)a->number, a->name, kvs, count);
}

static void observe(struct runtime *r, const struct action *a)
{
    for (size_t i = 0; i < ARRAY_LEN(join_stages); i++)
        if (strcmp(a->name, join_stages[i]) == 0)
            metric_observe(r->join_seconds[i], (double)a->number / 1e6);
}

static void perform(struct runtime *r, const struct action *a)
{
    switch (a->kind) {
    case ACTION_SEND:
        ws_send(r->ws, a->socket, bytes_of(a->text, a->text_len));
        break;
    case ACTION_CLOSE:
        ws_close(r->ws, a->socket, (unsigned)a->number, a->text);
        break;
    case ACTION_VERIFY:
        verify(r, a);
        break;
    case ACTION_SCRIPT:
        cluster_script(r->cluster, a->call, a->script, a->room, a->json);
        break;
    case ACTION_NODE:
        nodes_request(r->nodes, a->call, a->name, a->json);
        break;
    case ACTION_SUBSCRIBE:
        cluster_subscribe(r->cluster, a->room);
        break;
    case ACTION_UNSUBSCRIBE:
        cluster_unsubscribe(r->cluster, a->room);
        break;
    case ACTION_ROOM_ADD:
        cluster_room_add(r->cluster, a->room);
        break;
    case ACTION_ROOM_REMOVE:
        cluster_room_remove(r->cluster, a->room);
        break;
    case ACTION_AUDIT:
        audit(r, a);
        break;
    case ACTION_LOG:
        write_log(a);
        break;
    case ACTION_RESPOND:
        api_respond(a->socket, a->response);
        break;
    case ACTION_OBSERVE:
        observe(r, a);
        break;
    }
}

void runtime_perform(struct runtime *r)
{
    if (r->is_performing)
        return;
    r->is_performing = true;
    for (struct action *a; (a = hub_next_action(r->hub)) != NULL; action_free(a))
        perform(r, a);
    r->is_performing = false;
}

static void collect_labelled(struct metrics_text *out, const char *label,
                             const char *(*name)(unsigned), const uint64_t *values, size_t count)
{
    for (unsigned i = 0; i < count; i++)
        metrics_text_value_for(out, NULL, label, name(i), (double)values[i]);
}

static void collect(struct metrics_text *out, void *data)
{
    struct runtime *r = data;
    const struct hub *h = r->hub;
    metrics_text_family(out, "signald_sockets", "gauge", "Open WebSockets.");
    metrics_text_value(out, NULL, (double)(h->socket_count - h->door_count));
    metrics_text_family(out, "signald_doors", "gauge", "Participants by WHIP and WHEP.");
    metrics_text_value(out, NULL, (double)h->door_count);
    metrics_text_family(out, "signald_door_requests_total", "counter",
                        "Offers posted by WHIP and WHEP.");
    metrics_text_value_for(out, NULL, "kind", "whip", (double)h->stats.door_requests[0]);
    metrics_text_value_for(out, NULL, "kind", "whep", (double)h->stats.door_requests[1]);
    size_t count = 0;
    list_for_each(l, &h->sessions) count++;
    metrics_text_family(out, "signald_sessions", "gauge", "Sessions, with and without a socket.");
    metrics_text_value(out, NULL, (double)count);
    metrics_text_family(out, "signald_rooms", "gauge", "Rooms with sessions here.");
    metrics_text_value(out, NULL, (double)h->presences.len);
    metrics_text_family(out, "signald_messages_total", "counter", "Messages from clients.");
    collect_labelled(out, "op", message_op_name, h->stats.messages, MESSAGE_OP_COUNT + 1);
    metrics_text_family(out, "signald_errors_total", "counter", "Errors sent to clients.");
    collect_labelled(out, "error", wire_error_name, h->stats.errors, WIRE_ERROR_COUNT);
    metrics_text_family(out, "signald_event_gaps_total", "counter",
                        "Gaps in the seq of room events, mended by reading the room again.");
    metrics_text_value(out, NULL, (double)h->stats.gaps);
    metrics_text_family(out, "signald_sessions_resumed_total", "counter",
                        "Resumes by clients, here, of a participant of any signald.");
    metrics_text_value(out, NULL, (double)h->stats.resumed);
    metrics_text_family(out, "signald_sessions_detached_total", "counter",
                        "Sockets that broke while their participant was in a room.");
    metrics_text_value(out, NULL, (double)h->stats.detached);
    metrics_text_family(out, "signald_sessions_expired_total", "counter",
                        "Detached sessions that nobody resumed within the window.");
    metrics_text_value(out, NULL, (double)h->stats.expired);
    metrics_text_family(out, "signald_sessions_reaped_total", "counter",
                        "Participants of signalds that have gone: marked detached, or removed.");
    metrics_text_value(out, NULL, (double)h->stats.reaped);
}

void runtime_declare_metrics(struct runtime *r)
{
    static_assert(ARRAY_LEN(join_stages) == ARRAY_LEN(r->join_seconds), "a series per stage");
    for (size_t i = 0; i < ARRAY_LEN(join_stages); i++) {
        char labels[64];
        snprintf(labels, sizeof(labels), "stage=\"%s\"", join_stages[i]);
        r->join_seconds[i] = metrics_histogram(r->metrics, "signald_join_seconds",
                                               "Time of a join or resume, by stage.", labels,
                                               METRIC_SECONDS_BOUNDS, METRIC_SECONDS_BOUND_COUNT);
    }
    r->node_seconds =
        metrics_histogram(r->metrics, "signald_node_request_seconds",
                          "Time from a request to a media node to its answer, repeats included.",
                          NULL, METRIC_SECONDS_BOUNDS, METRIC_SECONDS_BOUND_COUNT);
    r->node_timeouts = metrics_counter(r->metrics, "signald_node_timeouts_total",
                                       "Requests that no media node answered.", NULL);
    r->slow_sockets = metrics_counter(r->metrics, "signald_slow_sockets_total",
                                      "Sockets closed because they did not take messages.", NULL);
    metrics_add_collector(r->metrics, collect, r);
}
