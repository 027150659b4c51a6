/* scan.c - see scan.h. SPDX-License-Identifier: Apache-2.0 */
#include "scan.h"

#include "../core/reaper.h"
#include "cluster.h"
#include "common/os/clock.h"
#include "common/os/random.h"
#include "runtime.h"

#include <stdio.h>
#include <stdlib.h>

#define SCAN_PERIOD_MS 5000

struct scan {
    struct runtime *runtime;
    struct reaper reaper;
    uv_timer_t timer;
    /* one round */
    bool is_running;
    bool has_failed;
    size_t waiting;
    json_t *rooms; /* {room: the owners script's answer}, owned */
    json_t *live;  /* {signald: epoch}, owned */
};

static void plan_next(struct scan *s);

static void judge_room(struct scan *s, const char *room, const json_t *owners)
{
    struct runtime *r = s->runtime;
    if (!json_is_true(json_object_get(owners, "exists"))) {
        hub_on_reap_empty(runtime_hub(r), room);
        return;
    }
    size_t i;
    json_t *o;
    json_array_foreach(json_object_get(owners, "participants"), i, o)
    {
        const char *id = json_string_value(json_object_get(o, "id"));
        enum reap verdict = reaper_judge(&s->reaper, o, s->live, clock_now(), clock_wall());
        if (id != NULL && verdict == REAP_DETACH)
            hub_on_reap_detach(runtime_hub(r), room, id,
                               json_string_value(json_object_get(o, "signald")),
                               json_string_value(json_object_get(o, "signald_epoch")));
        else if (id != NULL && verdict == REAP_REMOVE)
            hub_on_reap_remove(runtime_hub(r), room, id,
                               (int64_t)json_number_value(json_object_get(o, "detached_at")));
    }
}

static void finish(struct scan *s)
{
    const char *room;
    json_t *owners;
    if (!s->has_failed)
        json_object_foreach(s->rooms, room, owners) judge_room(s, room, owners);
    runtime_perform(s->runtime);
    json_decref(s->rooms);
    json_decref(s->live);
    s->rooms = s->live = NULL;
    s->is_running = false;
    plan_next(s);
}

static void end_step(struct scan *s, void (*next)(struct scan *s))
{
    if (--s->waiting == 0)
        next(s);
}

struct ask_signald {
    struct scan *scan;
    char id[INSTANCE_ID_MAX + 1];
};

static void on_signald(enum err e, const redisReply *reply, void *data)
{
    struct ask_signald *k = data;
    struct scan *s = k->scan;
    if (e != OK)
        s->has_failed = true;
    else if (reply->type == REDIS_REPLY_STRING) {
        json_t *j = json_loadb(reply->str, reply->len, 0, NULL);
        const char *epoch = json_string_value(json_object_get(j, "epoch"));
        if (epoch != NULL)
            json_object_set_new(s->live, k->id, json_string(epoch));
        json_decref(j);
    }
    free(k);
    end_step(s, finish);
}

static void ask_signald(struct scan *s, const char *id)
{
    struct ask_signald *k = calloc(1, sizeof(*k));
    check(k != NULL);
    k->scan = s;
    snprintf(k->id, sizeof(k->id), "%s", id);
    char key[256];
    snprintf(key, sizeof(key), "cc:signald:%s", id);
    s->waiting++;
    redis_commandv(cluster_redis(s->runtime->cluster), on_signald, k, "GET", key, NULL);
}

static void ask_signalds(struct scan *s)
{
    json_t *asked = json_object();
    const char *room;
    json_t *owners;
    s->waiting = 1;
    json_object_foreach(s->rooms, room, owners)
    {
        size_t i;
        json_t *o;
        json_array_foreach(json_object_get(owners, "participants"), i, o)
        {
            const char *id = json_string_value(json_object_get(o, "signald"));
            if (id == NULL || strlen(id) > INSTANCE_ID_MAX || json_object_get(asked, id) != NULL)
                continue;
            json_object_set_new(asked, id, json_true());
            ask_signald(s, id);
        }
    }
    json_decref(asked);
    end_step(s, finish);
}

struct ask_room {
    struct scan *scan;
    char *room;
};

static void on_owners(enum err e, json_t *answer, void *data)
{
    struct ask_room *k = data;
    struct scan *s = k->scan;
    if (e == OK)
        json_object_set(s->rooms, k->room, answer);
    else
        s->has_failed = true;
    free(k->room);
    free(k);
    end_step(s, ask_signalds);
}

static void on_rooms(enum err e, const redisReply *reply, void *data)
{
    struct scan *s = data;
    if (e != OK || reply->type != REDIS_REPLY_ARRAY)
        s->has_failed = true;
    for (size_t i = 0; !s->has_failed && i < reply->elements; i++) {
        struct ask_room *k = calloc(1, sizeof(*k));
        check(k != NULL);
        k->scan = s;
        k->room = strdup(reply->element[i]->str);
        check(k->room != NULL);
        s->waiting++;
        cluster_eval(s->runtime->cluster, SCRIPT_OWNERS, k->room, NULL, on_owners, k);
    }
    end_step(s, ask_signalds);
}

static void start(uv_timer_t *timer)
{
    struct scan *s = timer->data;
    if (s->is_running || !redis_is_connected(cluster_redis(s->runtime->cluster))) {
        plan_next(s);
        return;
    }
    s->is_running = true;
    s->has_failed = false;
    s->rooms = json_object();
    s->live = json_object();
    s->waiting = 1;
    redis_commandv(cluster_redis(s->runtime->cluster), on_rooms, s, "SMEMBERS", "cc:rooms", NULL);
}

static void plan_next(struct scan *s)
{
    if (!uv_is_closing((uv_handle_t *)&s->timer))
        uv_timer_start(&s->timer, start, SCAN_PERIOD_MS * 3 / 4 + random_below(SCAN_PERIOD_MS / 2),
                       0);
}

struct scan *scan_new(struct runtime *r)
{
    struct scan *s = calloc(1, sizeof(*s));
    check(s != NULL);
    s->runtime = r;
    reaper_init(&s->reaper);
    check(uv_timer_init(r->loop, &s->timer) == 0);
    s->timer.data = s;
    plan_next(s);
    return s;
}

void scan_on_redis(struct scan *s, bool is_connected)
{
    reaper_on_redis(&s->reaper, is_connected, clock_now(), clock_wall());
}

static void on_closed(uv_handle_t *handle)
{
    struct scan *s = handle->data;
    json_decref(s->rooms);
    json_decref(s->live);
    reaper_done(&s->reaper);
    free(s);
}

void scan_free(struct scan *s)
{
    if (s != NULL)
        uv_close((uv_handle_t *)&s->timer, on_closed);
}
