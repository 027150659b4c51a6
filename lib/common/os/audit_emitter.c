/* A ring of events. The first `sent` of them are on their way to Redis; a confirmed one at the
 * front leaves. After a failure everything not confirmed is sent again, in order.
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/os/audit_emitter.h"

#include "common/os/clock.h"
#include "common/os/log.h"
#include "common/os/random.h"

#include <stdio.h>
#include <stdlib.h>

#define WINDOW   64 /* events on their way at once */
#define RETRY_MS 250
/* Auditd is long dead before this many wait; Redis must not run out of memory. */
#define STREAM_MAX "1000000"

struct record {
    char *json; /* owned */
    size_t len;
};

struct audit_emitter {
    struct audit_options options; /* given */
    /* owned */
    struct record *ring;
    size_t capacity, first, count;
    uv_timer_t timer;
    /* state */
    size_t sent;        /* of the first ones, in the present round */
    unsigned in_flight; /* callbacks still to come, of any round */
    uint64_t round;     /* a failure begins a new one; older answers are ignored */
    bool is_broken;     /* wait for the timer or for Redis before sending */
    bool is_closing;
    bool is_timer_closed;
    uint64_t dropped;
    void (*on_flushed)(size_t left, void *data);
    void *flush_data;
    usec flush_deadline;
    struct metric_counter *emitted_metric, *dropped_metric;
    struct metric_gauge *buffered_metric;
};

/* One XADD on its way. */
struct delivery {
    struct audit_emitter *emitter;
    uint64_t round;
};

static void destroy_if_idle(struct audit_emitter *a)
{
    if (!a->is_timer_closed || a->in_flight > 0)
        return;
    while (a->count > 0) {
        free(a->ring[a->first].json);
        a->first = (a->first + 1) % a->capacity;
        a->count--;
    }
    free(a->ring);
    free(a);
}

static void update_gauge(struct audit_emitter *a)
{
    if (a->buffered_metric != NULL)
        metric_set(a->buffered_metric, (double)a->count);
}

static void end_flush(struct audit_emitter *a)
{
    void (*on_flushed)(size_t, void *) = a->on_flushed;
    a->on_flushed = NULL;
    if (on_flushed != NULL)
        on_flushed(a->count, a->flush_data);
}

static void drop_first(struct audit_emitter *a)
{
    check(a->count > 0 && a->sent > 0);
    free(a->ring[a->first].json);
    a->ring[a->first].json = NULL;
    a->first = (a->first + 1) % a->capacity;
    a->count--;
    a->sent--;
    update_gauge(a);
}

static void send_more(struct audit_emitter *a);

static void begin_round(struct audit_emitter *a)
{
    a->round++;
    a->sent = 0;
    a->is_broken = true;
}

static void count_dropped(struct audit_emitter *a)
{
    a->dropped++;
    if (a->dropped_metric != NULL)
        metric_inc(a->dropped_metric);
}

/* Redis will refuse this one each time (too large, wrong type of key): it must not block the rest.
 */
static bool is_hopeless(enum err e, const redisReply *reply)
{
    return e == ERR_MALFORMED && reply != NULL && strncmp(reply->str, "ERR ", 4) == 0;
}

static void on_added(enum err e, const redisReply *reply, void *data)
{
    struct delivery *d = data;
    struct audit_emitter *a = d->emitter;
    bool is_current = d->round == a->round;
    free(d);
    a->in_flight--;
    if (a->is_closing) {
        destroy_if_idle(a);
        return;
    }
    if (!is_current)
        return;
    if (e == OK) {
        if (a->emitted_metric != NULL)
            metric_inc(a->emitted_metric);
        drop_first(a);
    } else if (is_hopeless(e, reply)) {
        log_error("audit.refused", KV_STR("why", reply->str));
        count_dropped(a);
        drop_first(a);
    } else {
        log_warn("audit.delayed", KV_ERR("err", e), KV_U64("pending", a->count));
        begin_round(a);
        return;
    }
    send_more(a);
    if (a->count == 0)
        end_flush(a);
}

static void send_one(struct audit_emitter *a, const struct record *record)
{
    struct delivery *d = malloc(sizeof *d);
    check(d != NULL);
    *d = (struct delivery){ .emitter = a, .round = a->round };
    const struct bytes args[] = {
        bytes_of_str("XADD"),     bytes_of_str(a->options.stream),
        bytes_of_str("MAXLEN"),   bytes_of_str("~"),
        bytes_of_str(STREAM_MAX), bytes_of_str("*"),
        bytes_of_str("e"),        bytes_of(record->json, record->len),
    };
    a->in_flight++;
    a->sent++;
    redis_command(a->options.redis, args, ARRAY_LEN(args), on_added, d);
}

static void send_more(struct audit_emitter *a)
{
    if (a->is_broken || a->is_closing || !redis_is_connected(a->options.redis))
        return;
    while (a->sent < a->count && a->sent < WINDOW)
        send_one(a, &a->ring[(a->first + a->sent) % a->capacity]);
}

static void on_timer(uv_timer_t *timer)
{
    struct audit_emitter *a = timer->data;
    if (a->on_flushed != NULL && (a->count == 0 || clock_now() >= a->flush_deadline))
        end_flush(a);
    if (a->is_closing)
        return;
    a->is_broken = false;
    send_more(a);
}

void audit_emitter_on_redis_state(struct audit_emitter *a, bool is_connected)
{
    if (!is_connected) {
        if (a->sent > 0)
            begin_round(a);
        return;
    }
    a->is_broken = false;
    send_more(a);
}

static void declare_metrics(struct audit_emitter *a)
{
    struct metrics *m = a->options.metrics;
    char name[96];
    if (m == NULL)
        return;
    (void)snprintf(name, sizeof name, "%s_audit_events_total", a->options.service);
    a->emitted_metric = metrics_counter(m, name, "Audit events by outcome.", "result=\"emitted\"");
    a->dropped_metric = metrics_counter(m, name, "Audit events by outcome.", "result=\"dropped\"");
    (void)snprintf(name, sizeof name, "%s_audit_buffered", a->options.service);
    a->buffered_metric = metrics_gauge(m, name, "Audit events not confirmed by Redis yet.", NULL);
}

enum err audit_emitter_new(uv_loop_t *loop, const struct audit_options *options,
                           struct audit_emitter **ret)
{
    check(options->redis != NULL && options->service != NULL && options->instance != NULL);
    struct audit_emitter *a = calloc(1, sizeof *a);
    if (a == NULL)
        return ERR_SYSTEM;
    a->options = *options;
    if (a->options.stream == NULL)
        a->options.stream = AUDIT_STREAM;
    a->capacity = options->capacity == 0 ? AUDIT_BUFFER_DEFAULT : options->capacity;
    a->ring = calloc(a->capacity, sizeof *a->ring);
    if (a->ring == NULL) {
        free(a);
        return ERR_SYSTEM;
    }
    declare_metrics(a);
    check(uv_timer_init(loop, &a->timer) == 0);
    a->timer.data = a;
    check(uv_timer_start(&a->timer, on_timer, RETRY_MS, RETRY_MS) == 0);
    *ret = a;
    return OK;
}

/* Adds name: text if there is one. False if the text is not UTF-8. */
static bool add_text(json_t *json, const char *name, const char *text)
{
    return text == NULL || text[0] == '\0' ||
           json_object_set_new(json, name, json_string(text)) == 0;
}

static json_t *event_to_json(const struct audit_emitter *a, const struct audit_event *event)
{
    char id[UUID_CAPACITY], time[RFC3339_CAPACITY];
    random_uuid7(id);
    rfc3339_write(time, clock_wall());
    json_t *json = json_pack("{ss ss ss ss ss s{ss}}", "id", id, "time", time, "type", event->type,
                             "service", a->options.service, "instance", a->options.instance,
                             "actor", "kind", event->actor_kind);
    if (json == NULL)
        return NULL;
    json_t *actor = json_object_get(json, "actor");
    bool ok = add_text(actor, "id", event->actor_id) &&
              add_text(actor, "name", event->actor_name) && add_text(json, "org", event->org) &&
              add_text(json, "room", event->room) && add_text(json, "address", event->address) &&
              (event->meta == NULL || json_object_set(json, "meta", event->meta) == 0);
    if (ok)
        return json;
    json_decref(json);
    return NULL;
}

static enum err drop(struct audit_emitter *a, const struct audit_event *event, enum err reason,
                     size_t len)
{
    count_dropped(a);
    log_warn("audit.dropped", KV_STR("type", event->type), KV_ERR("reason", reason),
             KV_U64("pending", a->count), KV_U64("event_bytes", len));
    return reason;
}

/* text is taken over. */
static void append(struct audit_emitter *a, char *text, size_t len)
{
    a->ring[(a->first + a->count) % a->capacity] = (struct record){ .json = text, .len = len };
    a->count++;
    update_gauge(a);
    send_more(a);
}

enum err audit_emit(struct audit_emitter *a, const struct audit_event *event)
{
    check(event->type != NULL && event->actor_kind != NULL && !a->is_closing);
    json_t *json = event_to_json(a, event);
    json_decref(event->meta);
    if (json == NULL)
        return drop(a, event, ERR_MALFORMED, 0);
    char *text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    check(text != NULL);
    size_t len = strlen(text);
    if (a->count == a->capacity || len > AUDIT_EVENT_MAX) {
        free(text);
        return drop(a, event, ERR_FULL, len);
    }
    append(a, text, len);
    return OK;
}

size_t audit_emitter_pending(const struct audit_emitter *a)
{
    return a->count;
}

uint64_t audit_emitter_dropped(const struct audit_emitter *a)
{
    return a->dropped;
}

void audit_emitter_flush(struct audit_emitter *a, usec timeout,
                         void (*on_flushed)(size_t left, void *data), void *data)
{
    a->on_flushed = on_flushed;
    a->flush_data = data;
    a->flush_deadline = clock_now() + timeout;
    /* Looks at once, then often: shutdown is waiting. */
    check(uv_timer_start(&a->timer, on_timer, 0, 20) == 0);
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct audit_emitter *a = handle->data;
    a->is_timer_closed = true;
    destroy_if_idle(a);
}

void audit_emitter_free(struct audit_emitter *a)
{
    if (a == NULL)
        return;
    check(!a->is_closing);
    a->is_closing = true;
    uv_close((uv_handle_t *)&a->timer, on_timer_closed);
}
