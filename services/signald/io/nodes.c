/* nodes.c - see nodes.h. SPDX-License-Identifier: Apache-2.0 */
#include "nodes.h"

#include "cluster.h"
#include "common/map.h"
#include "common/os/clock.h"
#include "common/os/log.h"
#include "common/os/random.h"
#include "runtime.h"

#include <stdio.h>
#include <stdlib.h>

#define NODE_DEADLINE SECONDS(2)
#define NODE_TRIES    2

struct nodes {
    struct runtime *runtime;
    struct map pending; /* struct request, by id; owned */
    struct redis_subscription *replies;
    uv_timer_t timer;
};

struct request {
    struct map_node by_id;
    struct nodes *nodes;
    char id[ID_CAPACITY];
    char node[INSTANCE_ID_MAX + 1];
    json_t *json; /* owned */
    struct call *call;
    usec started;
    usec deadline;
    unsigned tries;
};

/* Takes it off the list and answers. */
static void finish(struct request *q, enum err e, const json_t *reply)
{
    struct runtime *r = q->nodes->runtime;
    struct call *call = q->call;
    map_remove(&q->nodes->pending, q->id);
    metric_observe(r->node_seconds, (double)(clock_now() - q->started) / 1e6);
    if (e == ERR_EXPIRED) {
        metric_inc(r->node_timeouts);
        log_warn("node.timed-out", KV_STR("node", q->node),
                 KV_STR("op", json_string_value(json_object_get(q->json, "op"))));
    }
    json_decref(q->json);
    free(q);
    if (call == NULL)
        return;
    hub_on_answer(runtime_hub(r), call, &(struct answer){ .err = e, .json = reply });
    runtime_perform(r);
}

struct publishing {
    struct nodes *nodes;
    char id[ID_CAPACITY];
};

static void on_published(enum err e, const redisReply *reply, void *data)
{
    struct publishing *p = data;
    struct map_node *n = e == OK ? NULL : map_find(&p->nodes->pending, p->id);
    free(p);
    if (n != NULL) /* it may have got there, but nothing will come back soon */
        finish(container_of(n, struct request, by_id), ERR_BAD_STATE, NULL);
}

static void publish(struct request *q)
{
    struct nodes *n = q->nodes;
    char channel[256];
    snprintf(channel, sizeof(channel), "cc:node:%s:requests", q->node);
    q->tries++;
    q->deadline = clock_now() + NODE_DEADLINE;
    json_object_set_new(q->json, "deadline", json_integer((clock_wall() + NODE_DEADLINE) / 1000));
    char *text = json_dumps(q->json, JSON_COMPACT);
    check(text != NULL);
    struct publishing *p = calloc(1, sizeof(*p));
    check(p != NULL);
    p->nodes = n;
    memcpy(p->id, q->id, sizeof(p->id));
    redis_commandv(cluster_redis(n->runtime->cluster), on_published, p, "PUBLISH", channel, text,
                   NULL);
    free(text);
}

void nodes_request(struct nodes *n, struct call *call, const char *node, json_t *request)
{
    struct request *q = calloc(1, sizeof(*q));
    check(q != NULL);
    q->nodes = n;
    q->call = call;
    q->started = clock_now();
    snprintf(q->node, sizeof(q->node), "%s", node);
    random_id(q->id, "r_");
    char reply[256];
    snprintf(reply, sizeof(reply), "cc:signald:%s:replies", n->runtime->hub->options.instance);
    q->json = json_copy(request);
    json_object_set_new(q->json, "id", json_string(q->id));
    json_object_set_new(q->json, "reply", json_string(reply));
    check(map_insert(&n->pending, &q->by_id, q->id) == OK);
    publish(q);
}

static void on_reply(struct bytes channel, struct bytes payload, void *data)
{
    struct nodes *n = data;
    json_t *j = json_loadb((const char *)payload.data, payload.len, 0, NULL);
    const char *id = json_string_value(json_object_get(j, "id"));
    struct map_node *node = id == NULL ? NULL : map_find(&n->pending, id);
    if (node != NULL)
        finish(container_of(node, struct request, by_id), OK, j);
    json_decref(j);
}

static void on_timer(uv_timer_t *timer)
{
    struct nodes *n = timer->data;
    usec now = clock_now();
    struct request *late = NULL;
    do { /* finish() changes the map: look again after each */
        late = NULL;
        for (struct map_node *m = map_first(&n->pending); m != NULL && late == NULL;
             m = map_next(&n->pending, m)) {
            struct request *q = container_of(m, struct request, by_id);
            if (now >= q->deadline)
                late = q;
        }
        if (late != NULL && late->tries < NODE_TRIES)
            publish(late);
        else if (late != NULL)
            finish(late, ERR_EXPIRED, NULL);
    } while (late != NULL);
}

struct nodes *nodes_new(struct runtime *r)
{
    struct nodes *n = calloc(1, sizeof(*n));
    check(n != NULL);
    n->runtime = r;
    map_init(&n->pending, NULL);
    char channel[256];
    snprintf(channel, sizeof(channel), "cc:signald:%s:replies", r->hub->options.instance);
    struct redis_subscriber subscriber = { .on_message = on_reply, .data = n };
    n->replies = redis_subscribe(cluster_redis(r->cluster), channel, &subscriber);
    check(n->replies != NULL);
    check(uv_timer_init(r->loop, &n->timer) == 0);
    n->timer.data = n;
    uv_timer_start(&n->timer, on_timer, 100, 100);
    return n;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void nodes_free(struct nodes *n)
{
    if (n == NULL)
        return;
    redis_unsubscribe(n->replies);
    for (struct map_node *m = map_first(&n->pending), *next; m != NULL; m = next) {
        next = map_next(&n->pending, m);
        struct request *q = container_of(m, struct request, by_id);
        map_remove(&n->pending, q->id);
        json_decref(q->json);
        free(q);
    }
    map_done(&n->pending);
    uv_close((uv_handle_t *)&n->timer, on_closed);
}
