/* hub.c - see hub.h. SPDX-License-Identifier: Apache-2.0 */
#include "hub.h"

#include "door.h"
#include "presence.h"
#include "session.h"

#include <stdio.h>
#include <stdlib.h>

struct hub *hub_new(const struct hub_options *options, usec now, wall_usec wall)
{
    struct hub *h = calloc(1, sizeof(*h));
    check(h != NULL);
    h->options = *options;
    h->now = now;
    h->wall = wall;
    list_init(&h->actions);
    list_init(&h->calls);
    list_init(&h->retries);
    list_init(&h->sessions);
    list_init(&h->exchanges);
    uint8_t key[16];
    options->random(key, sizeof(key));
    map_init(&h->presences, key);
    limits_init(&h->limits, options->address_sockets_max, options->joins_per_sec,
                options->joins_burst, key);
    placement_init(&h->placement);
    return h;
}

static void call_free(struct call *c)
{
    list_remove(&c->link);
    json_decref(c->context);
    free(c);
}

void hub_free(struct hub *h)
{
    if (h == NULL)
        return;
    list_for_each(c, &h->calls) call_free(list_entry(c, struct call, link));
    list_for_each(c, &h->retries) call_free(list_entry(c, struct call, link));
    list_for_each(l, &h->sessions)
    {
        struct session *s = list_entry(l, struct session, link);
        s->holds = 0;
        s->socket = NULL;
        session_forget(s);
    }
    list_for_each(l, &h->exchanges)
    {
        struct exchange *e = list_entry(l, struct exchange, link);
        e->io = NULL;
        e->holds = 1;
        exchange_release(e);
    }
    for (struct map_node *n = map_first(&h->presences), *next; n != NULL; n = next) {
        next = map_next(&h->presences, n);
        struct presence *p = container_of(n, struct presence, by_id);
        p->holds = 0;
        presence_release(p);
    }
    map_done(&h->presences);
    limits_done(&h->limits);
    for (struct action *a; (a = hub_next_action(h)) != NULL;)
        action_free(a);
    free(h);
}

struct action *hub_next_action(struct hub *h)
{
    struct list_link *l = list_pop_front(&h->actions);
    return l == NULL ? NULL : list_entry(l, struct action, link);
}

void hub_on_clock(struct hub *h, usec now, wall_usec wall)
{
    h->now = MAX(now, h->now);
    h->wall = wall;
}

struct session *hub_on_open(struct hub *h, void *socket, const char *address)
{
    if (h->is_draining || h->socket_count >= SOCKETS_MAX || strlen(address) >= 64 ||
        !limits_on_open(&h->limits, address, h->now))
        return NULL;
    h->socket_count++;
    return session_new(h, socket, address);
}

void hub_on_text(struct hub *h, struct session *s, struct bytes text)
{
    if (!s->is_closing)
        session_on_text(s, text);
}

void hub_on_binary(struct hub *h, struct session *s)
{
    h->stats.messages[MESSAGE_OP_COUNT]++;
    if (s->is_closing)
        return;
    session_error(s, 0, WIRE_BINARY_NOT_SUPPORTED, NULL, 0);
    session_close_socket(s, 1003, "binary");
}

void hub_on_too_big(struct hub *h, struct session *s)
{
    h->stats.messages[MESSAGE_OP_COUNT]++;
    if (s->is_closing)
        return;
    session_error(s, 0, WIRE_MESSAGE_TOO_BIG, NULL, 0);
    session_close_socket(s, 1009, "too big");
}

void hub_on_close(struct hub *h, struct session *s)
{
    check(s->socket != NULL && h->socket_count > 0);
    h->socket_count--;
    limits_on_close(&h->limits, s->address, h->now);
    session_on_close(s);
}

struct call *hub_call(struct hub *h, struct session *s,
                      void (*done)(struct call *c, const struct answer *a))
{
    struct call *c = calloc(1, sizeof(*c));
    check(c != NULL);
    c->hub = h;
    c->session = s;
    c->done = done;
    if (s != NULL)
        s->holds++;
    list_push_back(&h->calls, &c->link);
    return c;
}

void hub_on_answer(struct hub *h, struct call *c, const struct answer *a)
{
    check(c->hub == h);
    list_remove(&c->link);
    c->done(c, a);
    if (list_link_is_linked(&c->link))
        return; /* to be asked again */
    struct session *s = c->session;
    struct presence *p = c->presence;
    struct exchange *e = c->exchange;
    call_free(c);
    if (e != NULL)
        exchange_release(e);
    if (s != NULL) {
        s->holds--;
        session_release(s);
    }
    if (p != NULL) {
        p->holds--;
        presence_release(p);
    }
}

void hub_script(struct hub *h, struct call *c, enum script script, const char *room, json_t *args)
{
    check(args != NULL);
    struct action *a = action_push(&h->actions, ACTION_SCRIPT);
    a->call = c;
    a->script = script;
    a->json = args;
    action_set_room(a, room);
}

void hub_node(struct hub *h, struct call *c, const char *node, json_t *request)
{
    check(request != NULL);
    struct action *a = action_push(&h->actions, ACTION_NODE);
    a->call = c;
    a->json = request;
    action_set_name(a, node);
}

static void surely_done(struct call *c, const struct answer *a)
{
    struct hub *h = c->hub;
    if (a->err == OK)
        return; /* ok, or an error that a repeat would get again */
    const struct node *n = placement_find(&h->placement, c->node);
    if (++c->attempts >= NODE_ATTEMPTS_MAX || n == NULL || !n->is_fresh)
        return; /* a node that is gone has nothing left to change */
    c->retry_at = h->now + SECONDS(1);
    list_push_back(&h->retries, &c->link);
}

void hub_node_surely(struct hub *h, const char *node, json_t *request)
{
    if (node[0] == 0) {
        json_decref(request);
        return;
    }
    struct call *c = hub_call(h, NULL, surely_done);
    snprintf(c->node, sizeof(c->node), "%s", node);
    c->context = json_incref(request);
    hub_node(h, c, node, request);
}

void hub_node_remove(struct hub *h, const char *node, const char *room, const char *participant)
{
    hub_node_surely(h, node,
                    json_pack("{s:s,s:s,s:s}", "op", "participant.remove", "room", room,
                              "participant", participant));
}

void hub_log(struct hub *h, enum log_level level, const char *event, json_t *fields)
{
    struct action *a = action_push(&h->actions, ACTION_LOG);
    action_set_name(a, event);
    a->number = (int64_t)level;
    a->json = fields;
}

void hub_audit(struct hub *h, const char *type, json_t *fields)
{
    struct action *a = action_push(&h->actions, ACTION_AUDIT);
    action_set_name(a, type);
    a->json = fields;
}

void hub_on_subscribed(struct hub *h, const char *room)
{
    struct presence *p = presence_find(h, room);
    if (p != NULL)
        presence_on_subscribed(p);
}

void hub_on_room_event(struct hub *h, const char *room, json_t *event)
{
    struct presence *p = presence_find(h, room);
    if (p != NULL)
        presence_on_event(p, event);
}

void hub_on_media_event(struct hub *h, const char *room, const json_t *event)
{
    struct presence *p = presence_find(h, room);
    if (p != NULL)
        presence_on_media(p, event);
}

/* Everybody here whose node has gone hears of it; joins that wait for it go to another. */
static void leave_lost_nodes(struct hub *h)
{
    list_for_each(l, &h->sessions)
    {
        struct session *s = list_entry(l, struct session, link);
        bool is_there = s->state == SESSION_JOINED || s->state == SESSION_DETACHED;
        const char *why = !is_there || s->media_failed
                              ? NULL
                              : placement_loss(&h->placement, s->node, s->node_epoch, h->now);
        if (why != NULL)
            session_media_failed(s, why);
        session_on_nodes(s);
    }
}

void hub_on_nodes(struct hub *h, const json_t *nodes)
{
    if (!h->has_redis)
        return;
    placement_on_nodes(&h->placement, nodes, h->now);
    leave_lost_nodes(h);
}

void hub_doubt_node(struct hub *h, const struct session *s)
{
    placement_on_doubt(&h->placement, s->node, s->node_epoch, h->now);
    if (placement_is_lost(&h->placement, s->node, s->node_epoch, h->now))
        leave_lost_nodes(h);
}

void hub_on_redis(struct hub *h, bool is_connected)
{
    if (h->has_redis == is_connected)
        return;
    h->has_redis = is_connected;
    if (is_connected) {
        h->redis_since = h->now;
    } else {
        placement_on_blind(&h->placement);
    }
    for (struct map_node *n = map_first(&h->presences); n != NULL; n = map_next(&h->presences, n)) {
        struct presence *p = container_of(n, struct presence, by_id);
        if (is_connected)
            presence_on_redis_back(p);
        else
            presence_on_redis_lost(p);
    }
}

static void reap_detach_done(struct call *c, const struct answer *a)
{
    if (a->err == OK && json_is_true(json_object_get(a->json, "ok"))) {
        c->hub->stats.reaped++;
        hub_log(c->hub, LOG_LEVEL_INFO, "participant.detached", json_incref(c->context));
    }
}

void hub_on_reap_detach(struct hub *h, const char *room, const char *participant,
                        const char *signald, const char *epoch)
{
    json_t *fields =
        json_pack("{s:b,s:I}", "connected", 0, "detached_at", (json_int_t)hub_wall_ms(h));
    char *text = json_dumps(fields, JSON_COMPACT);
    json_decref(fields);
    struct call *c = hub_call(h, NULL, reap_detach_done);
    c->context =
        json_pack("{s:s,s:s,s:s}", "room", room, "participant", participant, "signald", signald);
    hub_script(h, c, SCRIPT_UPDATE, room,
               json_pack("[sssss]", participant, text, "announce", signald, epoch));
    free(text);
}

/* As session_audit() writes them: {org, room}. */
static json_t *audit_of_room(const char *room_id)
{
    const char *slash = strchr(room_id, '/');
    check(slash != NULL);
    return json_pack("{s:o,s:s}", "org", json_stringn(room_id, (size_t)(slash - room_id)), "room",
                     slash + 1);
}

void hub_participant_gone(struct hub *h, const char *room, const json_t *answer, const char *reason)
{
    json_t *p = json_object_get(answer, "participant");
    const char *id = json_string_value(json_object_get(p, "id"));
    const char *node = json_string_value(json_object_get(p, "node"));
    if (id != NULL && node != NULL)
        hub_node_remove(h, node, room, id);
    json_t *fields = audit_of_room(room);
    json_object_set(fields, "actor_kind", json_object_get(p, "kind"));
    json_object_set(fields, "actor_id", json_object_get(p, "identity"));
    json_object_set(fields, "actor_name", json_object_get(p, "name"));
    json_object_set_new(fields, "meta", json_pack("{s:s}", "reason", reason));
    json_object_set(json_object_get(fields, "meta"), "participant", json_object_get(p, "id"));
    hub_audit(h, "participant.left", fields);
    if (json_is_true(json_object_get(answer, "empty"))) {
        action_set_room(action_push(&h->actions, ACTION_ROOM_REMOVE), room);
        fields = audit_of_room(room);
        json_object_set_new(fields, "actor_kind", json_string("service"));
        hub_audit(h, "room.ended", fields);
    }
}

static void reap_remove_done(struct call *c, const struct answer *a)
{
    struct hub *h = c->hub;
    if (a->err != OK || !json_is_true(json_object_get(a->json, "removed")))
        return;
    h->stats.reaped++;
    hub_log(h, LOG_LEVEL_INFO, "participant.reaped", json_incref(c->context));
    hub_participant_gone(h, json_string_value(json_object_get(c->context, "room")), a->json,
                         "lost");
}

void hub_on_reap_remove(struct hub *h, const char *room, const char *participant,
                        int64_t detached_at_ms)
{
    char at[24];
    snprintf(at, sizeof(at), "%lld", (long long)detached_at_ms);
    struct call *c = hub_call(h, NULL, reap_remove_done);
    c->context = json_pack("{s:s,s:s}", "room", room, "participant", participant);
    hub_script(h, c, SCRIPT_LEAVE, room, json_pack("[sssss]", participant, "lost", "", "", at));
}

void hub_on_reap_empty(struct hub *h, const char *room)
{
    if (presence_find(h, room) == NULL)
        action_set_room(action_push(&h->actions, ACTION_ROOM_REMOVE), room);
}

static void repeat_calls(struct hub *h)
{
    if (!h->has_redis)
        return;
    list_for_each(l, &h->retries)
    {
        struct call *c = list_entry(l, struct call, link);
        if (c->retry_at > h->now)
            continue;
        list_remove(&c->link);
        list_push_back(&h->calls, &c->link);
        hub_node(h, c, c->node, json_incref(c->context));
    }
}

void hub_on_tick(struct hub *h)
{
    repeat_calls(h);
    list_for_each(l, &h->sessions) session_on_tick(list_entry(l, struct session, link));
    for (struct map_node *n = map_first(&h->presences), *next; n != NULL; n = next) {
        next = map_next(&h->presences, n);
        presence_on_tick(container_of(n, struct presence, by_id));
    }
    if (h->now - h->swept_at > SECONDS(10)) {
        h->swept_at = h->now;
        limits_sweep(&h->limits, h->now);
    }
}

void hub_on_drain(struct hub *h)
{
    if (h->is_draining)
        return;
    h->is_draining = true;
    h->drain_until = h->now + DRAIN_SPREAD;
    size_t at = 0;
    list_for_each(l, &h->sessions)
    {
        struct session *s = list_entry(l, struct session, link);
        if (s->socket != NULL)
            s->drain_at = h->now + DRAIN_SPREAD * (usec)at++ / (usec)(h->socket_count + 1);
    }
}

bool hub_is_drained(const struct hub *h)
{
    if (!h->is_draining || h->socket_count > 0)
        return false;
    if (!h->has_redis)
        return true; /* nothing more can be said to anybody */
    list_for_each(l, &h->sessions)
    {
        const struct session *s = list_entry(l, struct session, link);
        if (s->state == SESSION_LEAVING || (s->state == SESSION_DETACHED && !s->is_marked))
            return false;
    }
    return true;
}
