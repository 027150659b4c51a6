/* world.c - see world.h. SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>

static struct world *random_world; /* the hub's randomness has no context */

static void fill(void *ret, size_t len)
{
    uint8_t *p = ret;
    for (size_t i = 0; i < len; i++)
        p[i] = random_world == NULL ? (uint8_t)i : (uint8_t)(random_world->random++ * 37u + i);
}

static void set_clock(struct world *w)
{
    hub_on_clock(w->hub, w->now, 1790000000000000 + w->now);
}

/* sfud-1 is the better one of two, while it is there. */
void world_see_nodes(struct world *w)
{
    json_t *nodes =
        json_pack("[{s:s,s:s,s:f},{s:s,s:s,s:f,s:b}]", "id", "sfud-2", "epoch", "e1", "load", 0.9,
                  "id", "sfud-1", "epoch", w->epoch, "load", 0.5, "listening", !w->node_is_deaf);
    if (w->node_is_missing)
        json_array_remove(nodes, 1);
    w->nodes_seen_at = w->now;
    hub_on_nodes(w->hub, nodes);
    json_decref(nodes);
}

void world_init(struct world *w)
{
    *w = (struct world){ .now = SECONDS(100), .verdict = OK, .epoch = "e1" };
    random_world = w;
    struct hub_options options = { .instance = "signald-1",
                                   .epoch = "e_1",
                                   .room_participants_max = 100,
                                   .address_sockets_max = 5,
                                   .joins_per_sec = 10,
                                   .joins_burst = 20,
                                   .random = fill };
    w->hub = hub_new(&options, w->now, 0);
    w->participants = json_object();
    w->chat = json_array();
    w->asked = json_array();
    w->audited = json_array();
    list_init(&w->held);
    w->claims = (struct token_claims){
        .sub = "u_1", .name = "Token Name", .org = "default", .kind = TOKEN_KIND_GUEST, .sid = "s_1"
    };
    snprintf(w->claims.grant.room, sizeof(w->claims.grant.room), "*");
    w->claims.grant.publish = TOKEN_PUBLISH_MICROPHONE | TOKEN_PUBLISH_CAMERA;
    w->claims.grant.subscribe = true;
    set_clock(w);
    hub_on_redis(w->hub, true);
    world_see_nodes(w);
}

void world_done(struct world *w)
{
    hub_free(w->hub);
    for (struct list_link *l; (l = list_pop_front(&w->held)) != NULL;)
        action_free(list_entry(l, struct action, link));
    for (size_t i = 0; i < w->socket_count; i++)
        json_decref(w->sockets[i].received);
    for (size_t i = 0; i < w->exchange_count; i++) {
        http_response_clear(&w->exchanges[i].response);
        json_decref(w->exchanges[i].problem);
    }
    json_decref(w->participants);
    json_decref(w->chat);
    json_decref(w->asked);
    json_decref(w->audited);
    random_world = NULL;
}

/* ---- the room, as the scripts keep it ---- */

static void publish(struct world *w, const char *op, json_t *participant, const json_t *record)
{
    json_t *event = json_pack("{s:I,s:s,s:o}", "seq", (json_int_t)++w->seq, "op", op, "participant",
                              participant);
    if (record != NULL)
        json_object_set(event, "private", (json_t *)(uintptr_t)record);
    if (!w->loses_events)
        hub_on_room_event(w->hub, "default/r", event);
    json_decref(event);
}

static json_t *public_of(const json_t *record)
{
    static const char *const keys[] = {
        "id", "name", "kind", "role", "hand", "connected", "tracks"
    };
    json_t *ret = json_object();
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        json_object_set(ret, keys[i], json_object_get(record, keys[i]));
    return ret;
}

static void announce(struct world *w, const char *op, const json_t *record)
{
    publish(w, op, public_of(record), record);
}

static json_t *snapshot(struct world *w)
{
    json_t *list = json_array();
    const char *id;
    json_t *p;
    json_object_foreach(w->participants, id, p) json_array_append_new(list, json_deep_copy(p));
    return json_pack("{s:b,s:I,s:s,s:s,s:o,s:O}", "ok", 1, "seq", (json_int_t)w->seq, "node",
                     w->room_node, "epoch", w->room_epoch, "participants", list, "chat", w->chat);
}

static json_t *refuse(const char *error)
{
    return json_pack("{s:b,s:s}", "ok", 0, "error", error);
}

static json_t *track(struct world *w, json_t *p, const char *action, const char *source,
                     const char *by)
{
    json_t *tracks = json_object_get(p, "tracks"), *t;
    size_t i, at = SIZE_MAX;
    json_array_foreach(tracks, i, t) if (strcmp(json_string_value(json_object_get(t, "source")),
                                                source) == 0) at = i;
    json_t *was = json_null();
    if (at != SIZE_MAX)
        was = json_incref(json_object_get(json_array_get(tracks, at), "muted_by"));
    if (strncmp(action, "publish", 7) == 0) {
        if (at != SIZE_MAX)
            json_array_remove(tracks, at);
        json_array_append_new(tracks,
                              json_pack("{s:s,s:b,s:n,s:i,s:i}", "source", source, "muted",
                                        action[7] == '-', "muted_by", "width", 640, "height", 360));
    } else if (at == SIZE_MAX) {
        return refuse("not-found");
    } else if (strcmp(action, "unpublish") == 0) {
        json_array_remove(tracks, at);
    } else {
        bool muted = strcmp(action, "mute") == 0;
        t = json_array_get(tracks, at);
        json_object_set_new(t, "muted", json_boolean(muted));
        json_object_set_new(t, "muted_by", muted ? json_string(by) : json_null());
    }
    announce(w, "participant-updated", p);
    return json_pack("{s:b,s:I,s:o,s:s}", "ok", 1, "seq", (json_int_t)w->seq, "was", was, "node",
                     "sfud-1");
}

/* Objects keep their order of insertion, which is that of joining. */
static void promote(struct world *w)
{
    const char *id;
    json_t *p;
    json_object_foreach(w->participants, id,
                        p) if (strcmp(json_string_value(json_object_get(p, "role")), "moderator") ==
                               0) return;
    json_object_foreach(w->participants, id, p)
    {
        json_object_set_new(p, "role", json_string("moderator"));
        announce(w, "participant-updated", p);
        return;
    }
}

void world_tell_moved(struct world *w)
{
    json_t *event =
        json_pack("{s:s,s:s,s:s}", "op", "moved", "node", w->room_node, "epoch", w->room_epoch);
    if (!w->loses_events)
        hub_on_room_event(w->hub, "default/r", event);
    json_decref(event);
}

static json_t *place(struct world *w, const char *const *a)
{
    bool is_lost = strcmp(w->room_node, a[2]) == 0 && strcmp(w->room_epoch, a[3]) == 0;
    if (w->room_node[0] == 0 || is_lost) {
        if (a[0][0] == 0)
            return refuse("no-node");
        bool is_new = w->room_node[0] == 0;
        snprintf(w->room_node, sizeof(w->room_node), "%s", a[0]);
        snprintf(w->room_epoch, sizeof(w->room_epoch), "%s", a[1]);
        if (!is_new)
            world_tell_moved(w);
    }
    return json_pack("{s:b,s:s,s:s}", "ok", 1, "node", w->room_node, "epoch", w->room_epoch);
}

static json_t *run(struct world *w, enum script script, const json_t *args)
{
    const char *a[8] = { "" };
    for (size_t i = 0; i < 8; i++) {
        const char *text = json_string_value(json_array_get(args, i));
        a[i] = text == NULL ? "" : text;
    }
    json_t *p = json_object_get(w->participants, a[0]);
    json_t *j;
    switch (script) {
    case SCRIPT_PLACE:
        return place(w, a);
    case SCRIPT_JOIN:
        p = json_loads(a[0], 0, NULL);
        if (json_object_size(w->participants) == 0)
            json_object_set_new(p, "role", json_string("moderator"));
        json_object_set_new(w->participants, json_string_value(json_object_get(p, "id")), p);
        announce(w, "participant-joined", p);
        j = snapshot(w);
        json_object_set(j, "role", json_object_get(p, "role"));
        json_object_set_new(j, "created", json_boolean(json_object_size(w->participants) == 1));
        return j;
    case SCRIPT_LEAVE:
        if (p == NULL)
            return json_pack("{s:b,s:b,s:b,s:b}", "ok", 1, "removed", 0, "missing", 1, "empty", 0);
        if (a[6][0] != 0 && strcmp(json_string_value(json_object_get(p, "resume")), a[6]) != 0)
            return json_pack("{s:b,s:b,s:b,s:b}", "ok", 1, "removed", 0, "missing", 0, "empty", 0);
        json_incref(p);
        json_object_del(w->participants, a[0]);
        publish(w, "participant-left", json_string(a[0]), NULL);
        if (strcmp(a[5], "again") != 0)
            promote(w);
        return json_pack("{s:b,s:b,s:b,s:o}", "ok", 1, "removed", 1, "empty",
                         json_object_size(w->participants) == 0, "participant", p);
    case SCRIPT_UPDATE:
        if (p == NULL)
            return refuse("not-found");
        j = json_loads(a[1], 0, NULL);
        json_object_update(p, j);
        json_decref(j);
        if (json_is_null(json_object_get(p, "detached_at")))
            json_object_del(p, "detached_at");
        if (a[2][0] != 0)
            announce(w, "participant-updated", p);
        return json_pack("{s:b}", "ok", 1);
    case SCRIPT_TRACK:
        return p == NULL ? refuse("not-found") : track(w, p, a[1], a[2], a[3]);
    case SCRIPT_RESUME:
        if (p == NULL || strcmp(json_string_value(json_object_get(p, "resume")), a[1]) != 0)
            return refuse("resume-expired");
        json_object_set_new(p, "resume", json_string(a[2]));
        json_object_set_new(p, "connected", json_true());
        announce(w, "participant-updated", p);
        j = snapshot(w);
        json_object_set_new(j, "participant", json_deep_copy(p));
        return j;
    case SCRIPT_CHAT:
        j = json_loads(a[1], 0, NULL);
        if (a[2][1] == 'u')
            json_array_append(w->chat, j);
        hub_on_room_event(w->hub, "default/r", j);
        json_decref(j);
        return json_pack("{s:b}", "ok", 1);
    case SCRIPT_RESTORE:
        if (w->was_removed)
            return refuse("removed");
        p = json_loads(a[0], 0, NULL);
        json_object_set_new(w->participants, json_string_value(json_object_get(p, "id")), p);
        w->seq = MAX(w->seq, (int64_t)atoll(a[1]));
        announce(w, "participant-joined", p);
        return json_pack("{s:b}", "ok", 1);
    case SCRIPT_SNAPSHOT:
        return snapshot(w);
    default:
        return json_pack("{s:b}", "ok", 1);
    }
}

/* ---- actions ---- */

static void answer(struct world *w, struct call *c, enum err e, json_t *json)
{
    if (c != NULL)
        hub_on_answer(w->hub, c, &(struct answer){ .err = e, .json = e == OK ? json : NULL });
    json_decref(json);
}

static void ask_node(struct world *w, const struct action *a)
{
    json_array_append(w->asked, a->json);
    const char *op = json_string_value(json_object_get(a->json, "op"));
    if (w->node_is_silent)
        answer(w, a->call, ERR_EXPIRED, NULL);
    else if (w->node_is_leaving && strcmp(a->name, "sfud-1") == 0 &&
             strcmp(op, "participant.create") == 0)
        answer(w, a->call, OK, json_pack("{s:b,s:s}", "ok", 0, "error", "leaving"));
    else if (w->node_is_full && strcmp(a->name, "sfud-1") == 0 &&
             strcmp(op, "participant.create") == 0)
        answer(w, a->call, OK, json_pack("{s:b,s:s}", "ok", 0, "error", "full"));
    else if (w->node_refuses && strcmp(op, "participant.create") == 0)
        answer(w, a->call, OK,
               json_pack("{s:b,s:s,s:s}", "ok", 0, "error", "bad-sdp", "message", "line 1"));
    else
        answer(w, a->call, OK,
               json_pack("{s:b,s:s,s:[{s:s,s:s},{s:s,s:s}]}", "ok", 1, "sdp", "answer", "slots",
                         "mid", "4", "kind", "audio", "mid", "5", "kind", "video"));
}

static struct world_socket *socket_of(struct world *w, void *socket)
{
    return &w->sockets[(uintptr_t)socket - 1];
}

static void take_response(struct world_exchange *x, struct http_response *response)
{
    check(x->response.status == 0);
    x->response = *response;
    *response = (struct http_response){ 0 };
    if (x->response.body_len > 0)
        x->problem = json_loadb(x->response.body, x->response.body_len, 0, NULL);
}

static void perform(struct world *w, struct action *a)
{
    switch (a->kind) {
    case ACTION_SEND:
        check(socket_of(w, a->socket)->session != NULL);
        json_array_append_new(socket_of(w, a->socket)->received,
                              json_loadb(a->text, a->text_len, 0, NULL));
        break;
    case ACTION_CLOSE:
        socket_of(w, a->socket)->close_code = a->number;
        break;
    case ACTION_VERIFY:
        hub_on_answer(
            w->hub, a->call,
            &(struct answer){ .err = w->verdict, .claims = w->verdict == OK ? &w->claims : NULL });
        break;
    case ACTION_SCRIPT:
        if (w->redis_fails)
            answer(w, a->call, ERR_BAD_STATE, NULL);
        else
            answer(w, a->call, OK, run(w, a->script, a->json));
        break;
    case ACTION_NODE:
        ask_node(w, a);
        break;
    case ACTION_SUBSCRIBE:
        w->subscribed++;
        hub_on_subscribed(w->hub, a->room);
        break;
    case ACTION_UNSUBSCRIBE:
        w->subscribed--;
        break;
    case ACTION_AUDIT:
        json_object_set_new(a->json, "type", json_string(a->name));
        json_array_append(w->audited, a->json);
        break;
    case ACTION_RESPOND:
        take_response(&w->exchanges[(uintptr_t)a->socket - 1], a->response);
        break;
    case ACTION_ROOM_ADD:
    case ACTION_ROOM_REMOVE:
    case ACTION_LOG:
    case ACTION_OBSERVE:
        break;
    }
}

void world_pump(struct world *w)
{
    for (struct action *a; (a = hub_next_action(w->hub)) != NULL;) {
        if ((w->holds_scripts && a->kind == ACTION_SCRIPT) ||
            (w->holds_nodes && a->kind == ACTION_NODE)) {
            list_push_back(&w->held, &a->link);
            continue;
        }
        perform(w, a);
        action_free(a);
    }
}

void world_release_held(struct world *w)
{
    w->holds_scripts = false;
    for (struct list_link *l; (l = list_pop_front(&w->held)) != NULL;) {
        struct action *a = list_entry(l, struct action, link);
        perform(w, a);
        action_free(a);
        world_pump(w);
    }
}

size_t world_open(struct world *w)
{
    check(w->socket_count < WORLD_SOCKETS);
    size_t i = w->socket_count++;
    w->sockets[i] = (struct world_socket){ .received = json_array() };
    set_clock(w);
    w->sockets[i].session = hub_on_open(w->hub, (void *)(uintptr_t)(i + 1), "192.0.2.1");
    world_pump(w);
    return i;
}

void world_say(struct world *w, size_t socket, const char *text)
{
    set_clock(w);
    if (w->sockets[socket].session != NULL)
        hub_on_text(w->hub, w->sockets[socket].session, bytes_of_str(text));
    world_pump(w);
}

void world_break(struct world *w, size_t socket)
{
    struct session *s = w->sockets[socket].session;
    w->sockets[socket].session = NULL;
    set_clock(w);
    if (s != NULL)
        hub_on_close(w->hub, s);
    world_pump(w);
}

void world_pass(struct world *w, usec duration)
{
    for (usec end = w->now + duration; w->now < end;) {
        w->now += MILLIS(50);
        set_clock(w);
        if (w->now - w->nodes_seen_at >= SECONDS(1) && w->hub->has_redis)
            world_see_nodes(w);
        hub_on_tick(w->hub);
        world_pump(w);
    }
}

size_t world_http(struct world *w, enum http_method method, const char *path,
                  const char *const *headers, const char *body)
{
    check(w->exchange_count < WORLD_EXCHANGES);
    size_t at = w->exchange_count++;
    char own[512];
    struct http_request r = { .method = method,
                              .client_address = "192.0.2.1",
                              .body = bytes_of_str(body == NULL ? "" : body) };
    snprintf(own, sizeof(own), "%s", path);
    char *save = NULL;
    char *query = strchr(own, '?');
    if (query != NULL)
        *query++ = 0;
    for (char *part = query == NULL ? NULL : strtok_r(query, "&", &save); part != NULL;
         part = strtok_r(NULL, "&", &save)) {
        char *equals = strchr(part, '=');
        check(equals != NULL && r.query_count < HTTP_QUERY_MAX);
        *equals = 0;
        r.query[r.query_count++] = (struct http_field){ part, equals + 1 };
    }
    r.path = own;
    for (; headers != NULL && headers[0] != NULL; headers += 2)
        r.headers[r.header_count++] = (struct http_field){ headers[0], headers[1] };
    w->exchanges[at] = (struct world_exchange){ 0 };
    set_clock(w);
    w->exchanges[at].exchange = hub_on_http(w->hub, (void *)(uintptr_t)(at + 1), &r);
    world_pump(w);
    return at;
}

void world_http_close(struct world *w, size_t exchange)
{
    struct exchange *e = w->exchanges[exchange].exchange;
    w->exchanges[exchange].exchange = NULL;
    set_clock(w);
    if (e != NULL)
        hub_on_http_closed(w->hub, e);
    world_pump(w);
}

json_t *world_last(struct world *w, size_t socket, const char *op)
{
    json_t *list = w->sockets[socket].received;
    for (size_t i = json_array_size(list); i > 0; i--) {
        json_t *m = json_array_get(list, i - 1);
        if (strcmp(json_string_value(json_object_get(m, "op")), op) == 0)
            return m;
    }
    return NULL;
}

const char *world_join(struct world *w, size_t socket, const char *name)
{
    char text[256];
    snprintf(
        text, sizeof(text),
        "{\"op\":\"join\",\"id\":1,\"token\":\"t\",\"room\":\"r\",\"name\":\"%s\",\"sdp\":\"v\","
        "\"sources\":{\"0\":\"microphone\"}}",
        name);
    w->now += MILLIS(10);
    world_say(w, socket, text);
    return json_string_value(json_object_get(world_last(w, socket, "joined"), "participant"));
}

size_t world_asked(struct world *w, const char *op)
{
    size_t count = 0, i;
    json_t *q;
    json_array_foreach(w->asked, i, q) count +=
        strcmp(json_string_value(json_object_get(q, "op")), op) == 0;
    return count;
}

json_t *world_audited(struct world *w, const char *type)
{
    for (size_t i = json_array_size(w->audited); i > 0; i--) {
        json_t *e = json_array_get(w->audited, i - 1);
        if (strcmp(json_string_value(json_object_get(e, "type")), type) == 0)
            return e;
    }
    return NULL;
}
