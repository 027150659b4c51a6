/* cluster.c - see cluster.h. SPDX-License-Identifier: Apache-2.0 */
#include "cluster.h"

#include "common/map.h"
#include "common/os/clock.h"
#include "common/os/log.h"
#include "common/os/random.h"
#include "runtime.h"
#include "scan.h"
#include "signald_scripts.h"

#include <stdio.h>
#include <stdlib.h>

#define ARGS_MAX 12

struct cluster {
    struct runtime *runtime;
    struct redis *redis;
    struct map rooms; /* struct room_channels, by room id; owned */
    uv_timer_t heartbeat;
    wall_usec started;
    bool is_closed;
};

static struct redis_script scripts[SCRIPT_COUNT] = {
    [SCRIPT_PLACE] = REDIS_SCRIPT(script_place),
    [SCRIPT_JOIN] = REDIS_SCRIPT(script_join),
    [SCRIPT_LEAVE] = REDIS_SCRIPT(script_leave),
    [SCRIPT_UPDATE] = REDIS_SCRIPT(script_update),
    [SCRIPT_TRACK] = REDIS_SCRIPT(script_track),
    [SCRIPT_RESUME] = REDIS_SCRIPT(script_resume),
    [SCRIPT_RESTORE] = REDIS_SCRIPT(script_restore),
    [SCRIPT_CHAT] = REDIS_SCRIPT(script_chat),
    [SCRIPT_SNAPSHOT] = REDIS_SCRIPT(script_snapshot),
    [SCRIPT_OWNERS] = REDIS_SCRIPT(script_owners),
};

/* ---- scripts ---- */

struct eval {
    void (*done)(enum err e, json_t *answer, void *data);
    void *data;
    enum script script;
};

static void eval_done(enum err e, const redisReply *reply, void *data)
{
    struct eval *v = data;
    json_t *answer = NULL;
    if (e == OK) {
        struct bytes text = redis_reply_bytes(reply);
        answer = text.len == 0 ? NULL : json_loadb((const char *)text.data, text.len, 0, NULL);
        if (!json_is_object(answer)) {
            json_decref(answer);
            answer = NULL;
            e = ERR_MALFORMED;
        }
    }
    if (e == ERR_MALFORMED)
        log_error("script.failed", KV_STR("script", script_name(v->script)),
                  KV_STR("why", reply == NULL || reply->str == NULL ? "" : reply->str));
    if (v->done != NULL)
        v->done(e, answer, v->data);
    json_decref(answer);
    free(v);
}

void cluster_eval(struct cluster *c, enum script script, const char *room, const json_t *args,
                  void (*done)(enum err e, json_t *answer, void *data), void *data)
{
    char state[256], chat[256], removed[256], channel[256];
    snprintf(state, sizeof(state), "cc:{%s}:state", room);
    snprintf(chat, sizeof(chat), "cc:{%s}:chat", room);
    snprintf(removed, sizeof(removed), "cc:{%s}:removed", room);
    snprintf(channel, sizeof(channel), "cc:{%s}:events", room);
    struct bytes keys[] = { REDIS_ARG(state), REDIS_ARG(chat), REDIS_ARG(removed) };
    struct bytes list[ARGS_MAX] = { REDIS_ARG(channel) };
    size_t count = 1;
    size_t i;
    json_t *arg;
    json_array_foreach((json_t *)(uintptr_t)args, i, arg)
    {
        check(count < ARGS_MAX && json_is_string(arg));
        list[count++] = bytes_of(json_string_value(arg), json_string_length(arg));
    }
    struct eval *v = calloc(1, sizeof(*v));
    check(v != NULL);
    *v = (struct eval){ done, data, script };
    redis_eval(c->redis, &scripts[script], keys, ARRAY_LEN(keys), list, count, eval_done, v);
}

struct asking {
    struct runtime *runtime;
    struct call *call;
};

static void answered(enum err e, json_t *answer, void *data)
{
    struct asking *a = data;
    struct runtime *r = a->runtime;
    struct call *call = a->call;
    free(a);
    hub_on_answer(runtime_hub(r), call, &(struct answer){ .err = e, .json = answer });
    runtime_perform(r);
}

void cluster_script(struct cluster *c, struct call *call, enum script script, const char *room,
                    const json_t *args)
{
    struct asking *a = NULL;
    if (call != NULL) {
        a = calloc(1, sizeof(*a));
        check(a != NULL);
        *a = (struct asking){ c->runtime, call };
    }
    cluster_eval(c, script, room, args, call == NULL ? NULL : answered, a);
}

void cluster_room_add(struct cluster *c, const char *room)
{
    redis_commandv(c->redis, NULL, NULL, "SADD", "cc:rooms", room, NULL);
}

void cluster_room_remove(struct cluster *c, const char *room)
{
    redis_commandv(c->redis, NULL, NULL, "SREM", "cc:rooms", room, NULL);
}

/* ---- channels ---- */

struct room_channels {
    struct map_node by_room;
    struct cluster *cluster;
    char room[ROOM_ID_MAX + 1];
    struct redis_subscription *events, *media; /* owned */
    bool has_events, has_media;
    bool is_reported;
};

static void on_channel(struct bytes channel, struct bytes payload, void *data)
{
    struct room_channels *rc = data;
    struct runtime *r = rc->cluster->runtime;
    json_t *j = json_loadb((const char *)payload.data, payload.len, 0, NULL);
    if (!json_is_object(j)) {
        log_warn("event.malformed", KV_STR("room", rc->room));
    } else {
        bool is_media = channel.len > 6 && memcmp(channel.data + channel.len - 6, ":media", 6) == 0;
        if (is_media)
            hub_on_media_event(runtime_hub(r), rc->room, j);
        else
            hub_on_room_event(runtime_hub(r), rc->room, j);
        runtime_perform(r); /* may free rc */
    }
    json_decref(j);
}

static void on_subscribed(const char *channel, bool is_again, void *data)
{
    struct room_channels *rc = data;
    struct runtime *r = rc->cluster->runtime;
    bool is_media = strstr(channel, "}:media") != NULL;
    if (is_media)
        rc->has_media = true;
    else
        rc->has_events = true;
    if (!rc->has_media || !rc->has_events || (rc->is_reported && is_media))
        return;
    rc->is_reported = true;
    hub_on_subscribed(runtime_hub(r), rc->room);
    runtime_perform(r);
}

static struct redis_subscription *subscribe(struct room_channels *rc, const char *kind)
{
    char channel[256];
    snprintf(channel, sizeof(channel), "cc:{%s}:%s", rc->room, kind);
    struct redis_subscriber subscriber = { .on_message = on_channel,
                                           .on_subscribed = on_subscribed,
                                           .data = rc };
    struct redis_subscription *s = redis_subscribe(rc->cluster->redis, channel, &subscriber);
    check(s != NULL);
    return s;
}

void cluster_subscribe(struct cluster *c, const char *room)
{
    struct room_channels *rc = calloc(1, sizeof(*rc));
    check(rc != NULL && strlen(room) <= ROOM_ID_MAX);
    rc->cluster = c;
    snprintf(rc->room, sizeof(rc->room), "%s", room);
    check(map_insert(&c->rooms, &rc->by_room, rc->room) == OK);
    rc->events = subscribe(rc, "events");
    rc->media = subscribe(rc, "media");
}

void cluster_unsubscribe(struct cluster *c, const char *room)
{
    struct map_node *n = map_remove(&c->rooms, room);
    if (n == NULL)
        return;
    struct room_channels *rc = container_of(n, struct room_channels, by_room);
    redis_unsubscribe(rc->events);
    redis_unsubscribe(rc->media);
    free(rc);
}

/* ---- registry ---- */

struct look {
    struct runtime *runtime;
    json_t *nodes;     /* owned */
    json_t *listening; /* {node: whether anybody gets its requests}, owned; unknown if missing */
    size_t waiting;
    bool has_failed;
};

static void add_listening(struct look *k)
{
    size_t i;
    json_t *node;
    json_array_foreach(k->nodes, i, node)
    {
        const char *id = json_string_value(json_object_get(node, "id"));
        json_t *is_listening = id == NULL ? NULL : json_object_get(k->listening, id);
        if (is_listening != NULL)
            json_object_set(node, "listening", is_listening);
    }
}

static void look_end(struct look *k)
{
    if (--k->waiting > 0)
        return;
    if (!k->has_failed) {
        add_listening(k);
        hub_on_nodes(runtime_hub(k->runtime), k->nodes);
        runtime_perform(k->runtime);
    }
    json_decref(k->nodes);
    json_decref(k->listening);
    free(k);
}

static void on_node(enum err e, const redisReply *reply, void *data)
{
    struct look *k = data;
    if (e != OK) {
        k->has_failed = true;
    } else if (reply->type == REDIS_REPLY_STRING) {
        json_t *j = json_loadb(reply->str, reply->len, 0, NULL);
        if (json_is_object(j))
            json_array_append(k->nodes, j);
        json_decref(j);
    }
    look_end(k);
}

struct listener {
    struct look *look;
    char id[INSTANCE_ID_MAX + 1];
};

/* [channel, subscribers]. The kernel closes the sockets of a process that dies: Redis knows at
 * once. */
static void on_listeners(enum err e, const redisReply *reply, void *data)
{
    struct listener *l = data;
    if (e == OK && reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
        reply->element[1]->type == REDIS_REPLY_INTEGER)
        json_object_set_new(l->look->listening, l->id,
                            json_boolean(reply->element[1]->integer > 0));
    look_end(l->look);
    free(l);
}

static void look_at(struct look *k, const char *id)
{
    struct listener *l = calloc(1, sizeof(*l));
    check(l != NULL);
    l->look = k;
    snprintf(l->id, sizeof(l->id), "%s", id);
    char key[256], channel[256];
    snprintf(key, sizeof(key), "cc:node:%s", id);
    snprintf(channel, sizeof(channel), "cc:node:%s:requests", id);
    struct redis *redis = k->runtime->cluster->redis;
    k->waiting += 2;
    redis_commandv(redis, on_node, k, "GET", key, NULL);
    redis_commandv(redis, on_listeners, l, "PUBSUB", "NUMSUB", channel, NULL);
}

static void on_node_ids(enum err e, const redisReply *reply, void *data)
{
    struct look *k = data;
    if (e != OK || reply->type != REDIS_REPLY_ARRAY)
        k->has_failed = true;
    for (size_t i = 0; !k->has_failed && i < reply->elements && i < NODES_MAX; i++)
        look_at(k, reply->element[i]->str);
    look_end(k);
}

static void beat(uv_timer_t *timer)
{
    struct cluster *c = timer->data;
    struct runtime *r = c->runtime;
    if (!redis_is_connected(c->redis))
        return;
    char key[256];
    snprintf(key, sizeof(key), "cc:signald:%s", r->hub->options.instance);
    json_t *j = json_pack("{s:s,s:I,s:I,s:s}", "id", r->hub->options.instance, "sessions",
                          (json_int_t)r->hub->socket_count, "started",
                          (json_int_t)(c->started / 1000), "epoch", r->epoch);
    char *text = json_dumps(j, JSON_COMPACT);
    json_decref(j);
    check(text != NULL);
    redis_commandv(c->redis, NULL, NULL, "SET", key, text, "EX", "5", NULL);
    free(text);
    struct look *k = calloc(1, sizeof(*k));
    check(k != NULL);
    *k = (struct look){
        .runtime = r, .nodes = json_array(), .listening = json_object(), .waiting = 1
    };
    redis_commandv(c->redis, on_node_ids, k, "SMEMBERS", "cc:nodes", NULL);
}

static void on_state(struct redis *redis, bool is_connected, void *data)
{
    struct cluster *c = data;
    struct runtime *r = c->runtime;
    if (r->hub == NULL)
        return;
    if (is_connected)
        beat(&c->heartbeat); /* before anybody looks for us */
    if (r->audit != NULL)
        audit_emitter_on_redis_state(r->audit, is_connected);
    if (r->scan != NULL)
        scan_on_redis(r->scan, is_connected);
    hub_on_redis(runtime_hub(r), is_connected);
    runtime_perform(r);
}

enum err cluster_new(struct runtime *r, struct cluster **ret)
{
    struct cluster *c = calloc(1, sizeof(*c));
    check(c != NULL);
    c->runtime = r;
    c->started = clock_wall();
    uint8_t key[16];
    random_bytes(key, sizeof(key));
    map_init(&c->rooms, key);
    struct redis_options options = { .url = r->config->common.redis_url,
                                     .name = r->config->common.instance_id,
                                     .on_state = on_state,
                                     .data = c,
                                     .metrics = r->metrics,
                                     .service = "signald" };
    enum err e = redis_new(r->loop, &options, &c->redis);
    if (e != OK) {
        free(c);
        return e;
    }
    check(uv_timer_init(r->loop, &c->heartbeat) == 0);
    c->heartbeat.data = c;
    uv_timer_start(&c->heartbeat, beat, 1000, 1000);
    *ret = c;
    return OK;
}

struct redis *cluster_redis(struct cluster *c)
{
    return c->redis;
}

void cluster_say_goodbye(struct cluster *c)
{
    char key[256];
    snprintf(key, sizeof(key), "cc:signald:%s", c->runtime->hub->options.instance);
    uv_timer_stop(&c->heartbeat);
    redis_commandv(c->redis, NULL, NULL, "DEL", key, NULL);
}

static void on_timer_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void cluster_free(struct cluster *c)
{
    if (c == NULL)
        return;
    for (struct map_node *n = map_first(&c->rooms), *next; n != NULL; n = next) {
        next = map_next(&c->rooms, n);
        cluster_unsubscribe(c, n->key);
    }
    map_done(&c->rooms);
    redis_free(c->redis);
    c->redis = NULL;
    uv_close((uv_handle_t *)&c->heartbeat, on_timer_closed);
}
