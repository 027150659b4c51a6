/* SPDX-License-Identifier: Apache-2.0 */
#include "io/control_impl.h"

#include "common/os/clock.h"
#include "common/os/log.h"
#include "common/os/random.h"
#include "rtc/dtls.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define REGISTER_INTERVAL_MS 1000
#define REGISTER_TTL_MS      "5000"
#define NODES_KEY            "cc:nodes"
#define WALL_STEP_MAX        MILLIS(1) /* beyond, workers are told: lip sync is about milliseconds */

enum { CHANNEL_MAX = 256 };

/* Deletes the registration only if it is of this process: another may have our id by now. */
static struct redis_script leave_script =
    REDIS_SCRIPT("local v = redis.call('GET', KEYS[1])\n"
                 "if v and cjson.decode(v).epoch == ARGV[1] then\n"
                 "  redis.call('DEL', KEYS[1])\n"
                 "  return 1\n"
                 "end\n"
                 "return 0\n");

static void node_key(const struct control *c, char ret[CHANNEL_MAX], const char *suffix)
{
    (void)snprintf(ret, CHANNEL_MAX, "cc:node:%s%s", c->node_id, suffix);
}

void control_publish(struct control *c, const char *channel, const char *text)
{
    redis_commandv(c->redis, NULL, NULL, "PUBLISH", channel, text, NULL);
}

/* ---- registry */

static char *registration(const struct control *c)
{
    json_t *o = json_pack(
        "{s:s, s:s, s:f, s:I, s:I, s:b, s:I, s:I, s:s, s:s}", "id", c->node_id, "region", c->region,
        "load", round(c->load * 1000) / 1000, "participants",
        (json_int_t)members_count(&c->members), "workers", (json_int_t)c->worker_count, "draining",
        c->is_draining, "started", (json_int_t)(c->started / 1000), "updated",
        (json_int_t)(clock_wall() / 1000), "version", CONCLAVE_VERSION, "epoch", c->epoch);
    char *text = o == NULL ? NULL : json_dumps(o, JSON_COMPACT);
    json_decref(o);
    return text;
}

void control_register(struct control *c)
{
    if (c->is_hidden || c->is_leaving || c->threads[0] == NULL || !redis_is_connected(c->redis))
        return;
    char key[CHANNEL_MAX];
    char *text = registration(c);
    node_key(c, key, "");
    if (text != NULL) {
        redis_commandv(c->redis, NULL, NULL, "SET", key, text, "PX", REGISTER_TTL_MS, NULL);
        redis_commandv(c->redis, NULL, NULL, "SADD", NODES_KEY, c->node_id, NULL);
    }
    free(text);
}

static void update_load(struct control *c)
{
    double sum = 0;
    for (size_t i = 0; i < c->worker_count; i++) {
        double load = thread_load(c->threads[i], clock_now());
        stats_set_load(c->stats, i, load);
        sum += load;
    }
    c->load = sum / (double)c->worker_count;
}

/* Sender reports carry wall time; the wall clock drifts and is stepped. */
static void update_wall(struct control *c)
{
    wall_usec difference = clock_wall() - clock_now();
    if (llabs(difference - c->wall_minus_now) < WALL_STEP_MAX)
        return;
    for (size_t i = 0; i < c->worker_count; i++) {
        if (!dispatch_post_wall(c, i, difference))
            return; /* again in a second */
    }
    c->wall_minus_now = difference;
}

/* Media threads do not log: control looks. */
static void look_at_gso(struct control *c)
{
    for (size_t i = 0; i < c->worker_count; i++) {
        const struct udp_counters *u = thread_udp_counters(c->threads[i]);
        uint64_t error = atomic_load_explicit(&u->gso_error, memory_order_relaxed);
        if (error == 0 || c->is_gso_told[i])
            continue;
        c->is_gso_told[i] = true;
        log_warn("udp.gso-disabled", KV_U64("worker", i), KV_STR("error", strerror((int)error)));
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct control *c = timer->data;
    if (c->threads[0] == NULL || c->is_leaving)
        return;
    update_load(c);
    update_wall(c);
    look_at_gso(c);
    control_register(c);
}

static void on_redis_state(struct redis *r, bool is_connected, void *data)
{
    (void)r;
    struct control *c = data;
    if (c->audit != NULL)
        audit_emitter_on_redis_state(c->audit, is_connected);
    if (is_connected && c->redis != NULL)
        control_register(c);
}

/* ---- requests and events */

static void on_message(struct bytes channel, struct bytes payload, void *data)
{
    (void)channel;
    struct control *c = data;
    if (!c->is_leaving && c->threads[0] != NULL)
        dispatch_on_request(c, payload);
}

/* Publishes on the room's media channel; takes `event`. */
static void publish_media(struct control *c, const char *room, json_t *event)
{
    char channel[CHANNEL_MAX];
    char *text = event == NULL ? NULL : json_dumps(event, JSON_COMPACT);
    (void)snprintf(channel, sizeof channel, "cc:{%s}:media", room);
    if (text != NULL)
        control_publish(c, channel, text);
    free(text);
    json_decref(event);
}

static void log_transport(const struct event *e)
{
    if (e->transport == TRANSPORT_EVENT_CONNECTED && e->suite == NULL)
        log_info("transport.reconnected", KV_STR("room", e->room),
                 KV_STR("participant", e->participant));
    else if (e->transport == TRANSPORT_EVENT_CONNECTED)
        log_info("transport.connected", KV_STR("room", e->room),
                 KV_STR("participant", e->participant), KV_I64("connect_us", e->connect_us),
                 KV_STR("suite", e->suite));
    else if (e->transport == TRANSPORT_EVENT_DISCONNECTED)
        log_info("transport.disconnected", KV_STR("room", e->room),
                 KV_STR("participant", e->participant));
    else
        log_info("transport.failed", KV_STR("room", e->room), KV_STR("participant", e->participant),
                 KV_ERR("reason", e->reason));
}

static void publish_transport(struct control *c, const char *room, const char *participant,
                              enum transport_event what)
{
    publish_media(c, room,
                  json_pack("{s:s, s:s, s:s, s:s}", "op", "transport", "node", c->node_id,
                            "participant", participant, "state", transport_event_name(what)));
}

static void on_transport(struct control *c, const struct event *e)
{
    log_transport(e);
    publish_transport(c, e->room, e->participant, e->transport);
    if (e->transport != TRANSPORT_EVENT_FAILED)
        return;
    struct member *member = members_find(&c->members, e->room, e->participant);
    if (member != NULL && !member->is_creating) /* else it is the one that was replaced */
        members_remove(&c->members, member);
}

static void on_speakers(struct control *c, const struct event *e)
{
    json_t *list = json_array();
    for (size_t i = 0; list != NULL && i < e->speaker_count; i++)
        (void)json_array_append_new(list, json_pack("{s:s, s:i}", "participant",
                                                    e->speakers[i].participant, "level",
                                                    (int)e->speakers[i].level));
    publish_media(c, e->room,
                  json_pack("{s:s, s:s, s:o, s:s?}", "op", "speakers", "node", c->node_id,
                            "speakers", list, "dominant",
                            e->dominant[0] == '\0' ? NULL : e->dominant));
}

static void on_quality(struct control *c, const struct event *e)
{
    json_t *list = json_array();
    for (size_t i = 0; list != NULL && i < e->score_count; i++)
        (void)json_array_append_new(list,
                                    json_pack("{s:s, s:i}", "participant", e->scores[i].participant,
                                              "score", (int)e->scores[i].score));
    publish_media(
        c, e->room,
        json_pack("{s:s, s:s, s:o}", "op", "quality", "node", c->node_id, "scores", list));
}

static void on_event(struct control *c, const struct event *e)
{
    switch (e->kind) {
    case EVENT_TRANSPORT:
        on_transport(c, e);
        break;
    case EVENT_SPEAKERS:
        on_speakers(c, e);
        break;
    case EVENT_LAYERS:
        publish_media(c, e->room,
                      json_pack("{s:s, s:s, s:s, s:s, s:i}", "op", "layers", "node", c->node_id,
                                "participant", e->participant, "source", source_name(e->source),
                                "max", (int)e->layer_max));
        break;
    case EVENT_QUALITY:
        on_quality(c, e);
        break;
    case EVENT_COMMAND_DONE:
        dispatch_on_command_done(c, e);
        break;
    }
}

static void on_notify(uv_async_t *notify)
{
    struct control *c = notify->data;
    for (size_t i = 0; i < c->worker_count && c->threads[0] != NULL; i++) {
        struct inbox *inbox = thread_inbox(c->threads[i]);
        struct event e;
        bool any = false;
        while (inbox_next_event(inbox, &e)) {
            on_event(c, &e);
            any = true;
        }
        if (any)
            inbox_wake(inbox); /* the worker may have kept some for want of room */
    }
}

/* ---- life */

static const char *result_name(unsigned i)
{
    static const char *const names[RESULT_COUNT] = { "ok", "error", "malformed", "expired",
                                                     "repeated" };
    return names[i];
}

static enum err read_fingerprint(const char *text, struct sdp_fingerprint *ret)
{
    struct dtls_fingerprint f;
    enum err e = dtls_fingerprint_parse(bytes_of_str("sha-256"), bytes_of_str(text), &f);
    if (e != OK)
        return e;
    *ret = (struct sdp_fingerprint){ .hash = SDP_SHA256, .len = 32 };
    memcpy(ret->value, f.hash, 32);
    return OK;
}

static enum err connect_redis(struct control *c, const struct control_options *o)
{
    struct redis_options redis = { .url = o->redis_url,
                                   .name = "sfud",
                                   .on_state = on_redis_state,
                                   .data = c,
                                   .metrics = o->metrics,
                                   .service = "sfud" };
    enum err e = redis_new(o->loop, &redis, &c->redis);
    if (e != OK)
        return e;
    struct audit_options audit = {
        .redis = c->redis, .service = "sfud", .instance = o->node_id, .metrics = o->metrics
    };
    e = audit_emitter_new(o->loop, &audit, &c->audit);
    if (e != OK)
        return e;
    char channel[CHANNEL_MAX];
    struct redis_subscriber subscriber = { .on_message = on_message, .data = c };
    node_key(c, channel, ":requests");
    c->requests = redis_subscribe(c->redis, channel, &subscriber);
    return c->requests != NULL ? OK : ERR_SYSTEM;
}

static bool allocate(struct control *c)
{
    c->scratch = calloc(1, sizeof *c->scratch);
    c->negotiated = calloc(1, sizeof *c->negotiated);
    c->answer = malloc(SDP_ANSWER_SIZE_MAX);
    c->request = calloc(1, sizeof *c->request);
    return c->scratch != NULL && c->negotiated != NULL && c->answer != NULL && c->request != NULL;
}

static void control_free(struct control *c)
{
    members_done(&c->members);
    reply_memory_done(&c->replies);
    free(c->scratch);
    free(c->negotiated);
    free(c->answer);
    free(c->request);
    free(c);
}

static void start_handles(struct control *c)
{
    check(uv_async_init(c->loop, &c->notify, on_notify) == 0);
    check(uv_timer_init(c->loop, &c->timer) == 0);
    check(uv_timer_init(c->loop, &c->leave_timer) == 0);
    c->notify.data = c->timer.data = c->leave_timer.data = c;
    c->handles_open = 3;
    check(uv_timer_start(&c->timer, on_timer, REGISTER_INTERVAL_MS, REGISTER_INTERVAL_MS) == 0);
}

enum err control_start(const struct control_options *o, struct control **ret)
{
    check(o->worker_count <= WORKERS_MAX && o->candidate_count <= CANDIDATES_MAX);
    struct control *c = calloc(1, sizeof *c);
    if (c == NULL)
        return ERR_SYSTEM;
    c->loop = o->loop;
    c->node_id = o->node_id;
    c->region = o->region;
    c->stats = o->stats;
    c->worker_count = o->worker_count;
    c->candidate_count = o->candidate_count;
    c->tcp_port_announced = o->tcp_port_announced;
    memcpy(c->candidates, o->candidates, o->candidate_count * sizeof c->candidates[0]);
    c->started = clock_wall();
    c->wall_minus_now = c->started - clock_now();
    uint8_t random[26];
    random_bytes(random, sizeof random);
    base32_write(c->epoch, random + 16, 10);
    members_init(&c->members, o->worker_count, random);
    reply_memory_init(&c->replies, random);
    metrics_counters(o->metrics, "sfud_requests_total",
                     "Requests of signald by what became of them.", "result", result_name,
                     RESULT_COUNT, c->results);
    c->request_seconds = metrics_histogram(
        o->metrics, "sfud_request_seconds",
        "Time from the arrival of a request of signald to the media thread's answer.", NULL,
        METRIC_SECONDS_BOUNDS, METRIC_SECONDS_BOUND_COUNT);
    start_handles(c);
    enum err e = allocate(c) ? read_fingerprint(o->fingerprint, &c->fingerprint) : ERR_SYSTEM;
    if (e == OK)
        e = connect_redis(c, o);
    if (e != OK) {
        control_stop(c);
        return e;
    }
    *ret = c;
    return OK;
}

void control_free_command(struct command *command)
{
    dispatch_command_free(command);
}

uv_async_t *control_notify(struct control *c)
{
    return &c->notify;
}

static void audit_node(struct control *c, const char *type)
{
    struct audit_event event = { .type = type,
                                 .actor_kind = "service",
                                 .actor_id = c->node_id,
                                 .meta = json_pack("{s:s, s:I, s:s}", "region", c->region,
                                                   "workers", (json_int_t)c->worker_count,
                                                   "version", CONCLAVE_VERSION) };
    if (audit_emit(c->audit, &event) != OK)
        log_warn("audit.dropped", KV_STR("type", type));
}

void control_set_threads(struct control *c, struct media_thread *const *threads)
{
    memcpy(c->threads, threads, c->worker_count * sizeof c->threads[0]);
    audit_node(c, "node.started");
    control_register(c);
}

void control_drain(struct control *c, bool is_draining)
{
    if (c->is_draining == is_draining)
        return;
    c->is_draining = is_draining;
    if (is_draining)
        log_info("node.draining", KV_U64("participants", members_count(&c->members)));
    else
        log_info("node.undrained");
    if (is_draining)
        audit_node(c, "node.draining");
    control_register(c);
}

size_t control_participants(const struct control *c)
{
    return members_count(&c->members);
}

struct redis *control_redis(const struct control *c)
{
    return c->redis;
}

/* ---- leaving: registration away, audit flushed, then the caller goes on */

/* If it is still ours: another process of this name may have come. */
static void deregister(struct control *c, redis_callback *on_reply)
{
    char key[CHANNEL_MAX];
    node_key(c, key, "");
    struct bytes keys[] = { REDIS_ARG(key) }, args[] = { REDIS_ARG(c->epoch) };
    redis_eval(c->redis, &leave_script, keys, 1, args, 1, on_reply, c);
}

static void on_hidden(enum err e, const redisReply *reply, void *data)
{
    (void)reply;
    (void)data;
    if (e != OK)
        log_warn("node.not-deregistered", KV_ERR("error", e));
}

void control_hide(struct control *c)
{
    control_drain(c, true);
    c->is_hidden = true;
    deregister(c, on_hidden);
}

void control_evacuate(struct control *c)
{
    c->is_evacuated = true;
    size_t count = members_count(&c->members);
    for (struct map_node *n = map_first(&c->members.members); n != NULL;
         n = map_next(&c->members.members, n)) {
        const struct member *m = container_of(n, struct member, by_key);
        publish_transport(c, m->room->name, strchr(m->key, '\n') + 1, TRANSPORT_EVENT_FAILED);
    }
    log_info("node.evacuated", KV_U64("participants", count));
}

static void left(struct control *c)
{
    void (*on_left)(void *) = c->on_left;
    c->on_left = NULL;
    if (on_left == NULL)
        return; /* the timer was first */
    uv_timer_stop(&c->leave_timer);
    on_left(c->on_left_data);
}

static void on_leave_timeout(uv_timer_t *timer)
{
    struct control *c = timer->data;
    log_warn("node.left-late");
    left(c);
}

static void on_audit_flushed(size_t count, void *data)
{
    if (count > 0)
        log_warn("audit.lost", KV_U64("events", count));
    left(data);
}

static void on_registration_gone(enum err e, const redisReply *reply, void *data)
{
    struct control *c = data;
    (void)reply;
    if (e != OK)
        log_warn("node.not-deregistered", KV_ERR("error", e));
    if (c->on_left != NULL)
        audit_emitter_flush(c->audit, SECONDS(1), on_audit_flushed, c);
}

void control_leave(struct control *c, usec timeout, void (*on_left)(void *data), void *data)
{
    c->is_leaving = true;
    c->on_left = on_left;
    c->on_left_data = data;
    redis_unsubscribe(c->requests);
    c->requests = NULL;
    uv_timer_start(&c->leave_timer, on_leave_timeout, (uint64_t)(timeout / 1000), 0);
    deregister(c, on_registration_gone);
}

static void on_closed(uv_handle_t *closed)
{
    struct control *c = closed->data;
    if (--c->handles_open == 0)
        control_free(c);
}

void control_stop(struct control *c)
{
    if (c == NULL)
        return;
    c->is_leaving = true;
    c->on_left = NULL;
    memset(c->threads, 0, sizeof c->threads);
    redis_unsubscribe(c->requests);
    audit_emitter_free(c->audit);
    c->audit = NULL; /* freeing Redis calls on_redis_state() */
    redis_free(c->redis);
    uv_close((uv_handle_t *)&c->notify, on_closed);
    uv_close((uv_handle_t *)&c->timer, on_closed);
    uv_close((uv_handle_t *)&c->leave_timer, on_closed);
}
