/* join.c - from hello to joined, by join or by resume. See session.h.
 *
 *   join:   verify token → subscribe → place → create on node → join the room → caught up → reply
 *   resume:                subscribe → resume in the room     → caught up → reply
 *
 * The node comes before the room, so nobody hears of a participant whose SDP is refused. The reply
 * waits until this process's picture of the room contains the participant: no event is lost
 * between.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "door.h"
#include "presence.h"
#include "resume_token.h"
#include "session.h"

#include <stdio.h>
#include <stdlib.h>

/* Into the reply goes a new token, into the session the hash of its secret. */
static void give_resume_token(struct session *s)
{
    uint8_t random[RESUME_SECRET_LEN];
    char token[RESUME_TOKEN_CAPACITY];
    s->hub->options.random(random, sizeof(random));
    resume_token_write(s->door == NULL ? TOKEN_FOR_RESUME : TOKEN_FOR_DOOR, s->room_id,
                       s->participant, random, token, s->resume_hash);
    json_object_set_new(s->joined, "resume", json_string(token));
    bytes_wipe(random, sizeof(random));
    bytes_wipe(token, sizeof(token));
}

/* Fills room_id, room, org, participant of s. */
static bool read_token(struct session *s, const char *text, char ret_hash[RESUME_HASH_CAPACITY])
{
    struct resume_token t;
    if (resume_token_read(TOKEN_FOR_RESUME, text, &t) != OK)
        return false;
    memcpy(s->room_id, t.room_id, sizeof(s->room_id));
    memcpy(s->room, t.room, sizeof(s->room));
    memcpy(s->org, t.org, sizeof(s->org));
    memcpy(s->participant, t.participant, sizeof(s->participant));
    memcpy(ret_hash, t.hash, sizeof(t.hash));
    return true;
}

/* ---- failing ---- */

void session_join_failed(struct session *s, enum wire_error error, const char *text)
{
    struct hub *h = s->hub;
    hub_log(h, LOG_LEVEL_INFO, "join.refused",
            json_pack("{s:s,s:s,s:s}", "error", wire_error_name(error), "room", s->room, "address",
                      s->address));
    if (s->request != 0)
        session_error(s, s->request, error, text, 0);
    bool was_resuming = s->state == SESSION_RESUMING;
    if (s->is_in_room) {
        struct session *ghost = session_split(s);
        /* Unclear whether the room has us: find out, and undo. */
        ghost->state = SESSION_JOINED;
        ghost->catching_up = false;
        if (was_resuming)
            session_detach(ghost);
        else
            session_leave(ghost, "left");
    } else if (s->is_on_node) {
        hub_node_remove(h, s->node, s->room_id, s->participant);
    }
    bool has_socket = s->socket != NULL;
    session_forget(s); /* keeps it while it has its socket */
    if (has_socket) {
        s->state = SESSION_HELLO;
        s->opened_at = h->now;
    }
}

/* Whether an answer still belongs to the attempt that runs. A client that has gone ends it. */
static bool is_current(struct call *c)
{
    struct session *s = c->session;
    if (c->attempts != s->join_attempt ||
        (s->state != SESSION_JOINING && s->state != SESSION_RESUMING))
        return false;
    if (s->socket != NULL)
        return true;
    session_join_failed(s, WIRE_UNAVAILABLE, NULL);
    return false;
}

static struct call *step(struct session *s, void (*done)(struct call *c, const struct answer *a))
{
    struct call *c = hub_call(s->hub, s, done);
    c->attempts = s->join_attempt;
    return c;
}

static void observe(struct session *s, const char *stage)
{
    struct action *a = action_push(&s->hub->actions, ACTION_OBSERVE);
    action_set_name(a, stage);
    a->number = s->hub->now - s->stage_started;
    s->stage_started = s->hub->now;
}

static bool is_ok(const struct answer *a)
{
    return a->err == OK && json_is_true(json_object_get(a->json, "ok"));
}

/* ---- the stages of a join ---- */

static void refuse_token(struct session *s, enum wire_error error)
{
    uint64_t suppressed;
    if (limits_on_refused(&s->hub->limits, s->address, s->hub->now, &suppressed))
        hub_audit(s->hub, "token.refused",
                  json_pack("{s:s,s:s,s:s,s:{s:s,s:I}}", "actor_kind", "anonymous", "address",
                            s->address, "room", s->room, "meta", "error", wire_error_name(error),
                            "suppressed", (json_int_t)suppressed));
    session_join_failed(s, error, NULL);
    session_close_socket(s, 4401, "token refused");
}

static bool take_claims(struct session *s, const struct token_claims *claims)
{
    if (!token_grant_covers_room(&claims->grant, s->room) || claims->org[0] == 0)
        return false;
    snprintf(s->identity, sizeof(s->identity), "%s", claims->sub);
    snprintf(s->sid, sizeof(s->sid), "%s", claims->sid);
    snprintf(s->org, sizeof(s->org), "%s", claims->org);
    snprintf(s->kind, sizeof(s->kind), "%s", claims->kind == TOKEN_KIND_USER ? "user" : "guest");
    if (s->name[0] == 0)
        snprintf(s->name, sizeof(s->name), "%s", claims->name);
    snprintf(s->room_id, sizeof(s->room_id), "%s/%s", s->org, s->room);
    s->is_moderator = claims->grant.moderate || claims->grant.admin;
    s->publish = claims->grant.publish;
    s->may_subscribe = claims->grant.subscribe;
    s->may_send_data = claims->grant.data;
    return true;
}

static void enter(struct session *s)
{
    struct presence *p = presence_obtain(s->hub, s->room_id);
    presence_add(p, s);
    if (p->is_subscribed)
        session_on_room_ready(s);
}

static void verify_done(struct call *c, const struct answer *a)
{
    struct session *s = c->session;
    if (!is_current(c))
        return;
    observe(s, "verify");
    const char *why;
    if (a->err == ERR_BAD_STATE || a->err == ERR_FULL || a->err == ERR_SYSTEM) {
        session_join_failed(s, WIRE_UNAVAILABLE, "Tokens cannot be verified right now.");
    } else if (a->err != OK) {
        refuse_token(s, a->err == ERR_EXPIRED ? WIRE_TOKEN_EXPIRED : WIRE_BAD_TOKEN);
    } else if (!take_claims(s, a->claims)) {
        session_join_failed(s, WIRE_FORBIDDEN, "The token is not for this room.");
    } else if (s->door != NULL && (why = door_forbids(s)) != NULL) {
        session_join_failed(s, WIRE_FORBIDDEN, why);
    } else if (display_name_check(bytes_of_str(s->name)) != OK) {
        session_join_failed(s, WIRE_BAD_NAME, NULL);
    } else {
        uint8_t random[ID_RANDOM_LEN];
        char id[ID_CAPACITY];
        s->hub->options.random(random, sizeof(random));
        id_write(id, "p_", random);
        snprintf(s->participant, sizeof(s->participant), "%s", id);
        s->joined_at_ms = hub_wall_ms(s->hub);
        enter(s);
    }
}

void session_join(struct session *s, const struct message *m)
{
    struct hub *h = s->hub;
    usec wait = limits_on_join(&h->limits, s->address, h->now);
    if (wait > 0) {
        session_error(s, m->id, WIRE_RATE_LIMITED, NULL, wait);
        return;
    }
    if (!h->has_redis) {
        session_error(s, m->id, WIRE_UNAVAILABLE, NULL, 0);
        return;
    }
    s->state = SESSION_JOINING;
    s->request = m->id;
    s->join_started = s->stage_started = h->now;
    s->offer = json_pack("{s:s,s:O}", "sdp", m->sdp, "sources", m->sources);
    check(s->offer != NULL);
    snprintf(s->room, sizeof(s->room), "%s", m->room);
    snprintf(s->name, sizeof(s->name), "%s", m->name == NULL ? "" : m->name);
    struct call *c = step(s, verify_done);
    struct action *a = action_push(&h->actions, ACTION_VERIFY);
    a->call = c;
    a->text = strdup(m->token);
    check(a->text != NULL);
    a->text_len = strlen(m->token);
}

/* The room as the script saw it: the reply waits until the local picture has caught up with it. */
static void catch_up(struct session *s, const json_t *room)
{
    json_object_set(s->joined, "chat", json_object_get(room, "chat"));
    s->joined_seq = json_integer_value(json_object_get(room, "seq"));
    s->catching_up = true;
    s->catch_up_until = s->hub->now + CATCH_UP_TIMEOUT;
    presence_offer_snapshot(s->presence, room);
    session_on_picture(s);
}

/* lost: a process that the room is to be moved away from; "" = none known. */
static void place(struct session *s, const char *lost, const char *lost_epoch);

static void join_done(struct call *c, const struct answer *a)
{
    struct session *s = c->session;
    if (!is_current(c))
        return;
    struct hub *h = s->hub;
    observe(s, "room");
    const char *error = json_string_value(json_object_get(a->json, "error"));
    if (a->err != OK) {
        session_join_failed(s, WIRE_UNAVAILABLE, NULL);
        return;
    }
    if (!is_ok(a)) {
        s->is_in_room = false;
        if (error != NULL && strcmp(error, "moved") == 0 &&
            s->place_attempts < PLACE_ATTEMPTS_MAX) {
            hub_node_remove(h, s->node, s->room_id, s->participant);
            s->is_on_node = false;
            place(s, "", "");
            return;
        }
        session_join_failed(s, wire_error_parse(error), NULL);
        return;
    }
    const char *role = json_string_value(json_object_get(a->json, "role"));
    s->is_moderator = role != NULL && strcmp(role, "moderator") == 0;
    if (json_is_true(json_object_get(a->json, "created")))
        hub_audit(h, "room.created", session_audit(s));
    catch_up(s, a->json);
}

static void ask_join(struct session *s)
{
    struct hub *h = s->hub;
    give_resume_token(s);
    json_t *record = session_record(s);
    char *text = json_dumps(record, JSON_COMPACT);
    json_decref(record);
    check(text != NULL);
    s->is_in_room = true;
    action_set_room(action_push(&h->actions, ACTION_ROOM_ADD), s->room_id);
    hub_script(h, step(s, join_done), SCRIPT_JOIN, s->room_id,
               json_pack("[so]", text, json_sprintf("%u", h->options.room_participants_max)));
    free(text);
}

static enum wire_error node_error(const char *error)
{
    if (error != NULL && strcmp(error, "bad-sdp") == 0)
        return WIRE_BAD_SDP;
    if (error != NULL && strcmp(error, "bad-request") == 0)
        return WIRE_BAD_MESSAGE;
    if (error != NULL && (strcmp(error, "full") == 0 || strcmp(error, "leaving") == 0))
        return WIRE_NO_NODE;
    return WIRE_INTERNAL;
}

/* A node that is ending says so; one that drains and is without this room says that it is full. */
static bool is_leaving(struct session *s, const struct answer *a)
{
    struct placement *p = &s->hub->placement;
    const char *error = json_string_value(json_object_get(a->json, "error"));
    const struct node *n = placement_find(p, s->node);
    bool is_ending = error != NULL && strcmp(error, "leaving") == 0;
    if (is_ending)
        placement_on_leaving(p, s->node, s->node_epoch);
    bool is_full = error != NULL && strcmp(error, "full") == 0;
    return (is_ending || (is_full && (n == NULL || !n->is_fresh || n->is_draining))) &&
           s->place_attempts < PLACE_ATTEMPTS_MAX;
}

static void create_done(struct call *c, const struct answer *a)
{
    struct session *s = c->session;
    if (!is_current(c))
        return;
    observe(s, "node");
    if (a->err != OK) {
        session_join_failed(s, a->err == ERR_EXPIRED ? WIRE_NODE_TIMEOUT : WIRE_UNAVAILABLE, NULL);
        return;
    }
    const char *sdp = json_string_value(json_object_get(a->json, "sdp"));
    if (!is_ok(a) && is_leaving(s, a)) {
        s->is_on_node = false;
        place(s, s->node, s->node_epoch);
    } else if (!is_ok(a)) {
        s->is_on_node = false;
        session_join_failed(s, node_error(json_string_value(json_object_get(a->json, "error"))),
                            json_string_value(json_object_get(a->json, "message")));
    } else if (sdp == NULL || !session_set_slots(s, json_object_get(a->json, "slots"))) {
        session_join_failed(s, WIRE_INTERNAL, NULL);
    } else {
        s->joined =
            json_pack("{s:s,s:I,s:s}", "op", "joined", "id", (json_int_t)s->request, "sdp", sdp);
        ask_join(s);
    }
}

static json_t *allowed_sources(unsigned mask)
{
    json_t *ret = json_array();
    for (unsigned i = 0; i < SOURCE_COUNT; i++)
        if (mask & (1u << i))
            json_array_append_new(ret, json_string(source_name((enum source)i)));
    return ret;
}

static void create(struct session *s)
{
    s->is_on_node = true;
    hub_node(s->hub, step(s, create_done), s->node,
             json_pack("{s:s,s:s,s:s,s:O,s:O,s:o,s:b}", "op", "participant.create", "room",
                       s->room_id, "participant", s->participant, "sdp",
                       json_object_get(s->offer, "sdp"), "sources",
                       json_object_get(s->offer, "sources"), "allowed", allowed_sources(s->publish),
                       "data", (int)s->may_send_data));
}

static void place_done(struct call *c, const struct answer *a)
{
    struct session *s = c->session;
    if (!is_current(c))
        return;
    observe(s, "place");
    const char *node = json_string_value(json_object_get(a->json, "node"));
    const char *epoch = json_string_value(json_object_get(a->json, "epoch"));
    if (a->err != OK) {
        session_join_failed(s, WIRE_UNAVAILABLE, NULL);
    } else if (!is_ok(a) || node == NULL || epoch == NULL) {
        session_join_failed(
            s, wire_error_parse(json_string_value(json_object_get(a->json, "error"))), NULL);
    } else if (s->place_attempts < PLACE_ATTEMPTS_MAX &&
               placement_is_lost(&s->hub->placement, node, epoch, s->hub->now)) {
        place(s, node, epoch);
    } else {
        snprintf(s->node, sizeof(s->node), "%s", node);
        snprintf(s->node_epoch, sizeof(s->node_epoch), "%s", epoch);
        create(s);
    }
}

static void place(struct session *s, const char *lost, const char *lost_epoch)
{
    struct hub *h = s->hub;
    s->place_attempts++;
    const struct node *n = placement_choose(&h->placement, h->now);
    hub_script(
        h, step(s, place_done), SCRIPT_PLACE, s->room_id,
        json_pack("[ssss]", n == NULL ? "" : n->id, n == NULL ? "" : n->epoch, lost, lost_epoch));
}

/* Asked a node to take it, and still waits for the answer. */
static bool waits_for_node(const struct session *s)
{
    return s->state == SESSION_JOINING && s->is_on_node && s->joined == NULL &&
           s->place_attempts < PLACE_ATTEMPTS_MAX;
}

static void place_anew(struct session *s, const char *lost, const char *lost_epoch)
{
    s->join_attempt++; /* an answer would be too late */
    s->is_on_node = false;
    place(s, lost, lost_epoch);
}

void session_on_nodes(struct session *s)
{
    if (waits_for_node(s) &&
        placement_is_lost(&s->hub->placement, s->node, s->node_epoch, s->hub->now))
        place_anew(s, s->node, s->node_epoch);
}

void session_on_moved(struct session *s, const char *node, const char *epoch)
{
    if (strcmp(s->node, node) == 0 && strcmp(s->node_epoch, epoch) == 0)
        return;
    if (s->state == SESSION_JOINED || s->state == SESSION_DETACHED)
        session_media_failed(s, "moved");
    else if (waits_for_node(s))
        place_anew(s, "", "");
}

/* ---- resume ---- */

static void take_text(char *ret, size_t capacity, const json_t *record, const char *key)
{
    const char *text = json_string_value(json_object_get(record, key));
    snprintf(ret, capacity, "%s", text == NULL ? "" : text);
}

static void take_view(struct session *s, const json_t *view)
{
    size_t count = MIN(json_array_size(view), (size_t)VIEW_ENTRIES_MAX);
    s->has_view = json_is_array(view);
    s->view = calloc(count + 1, sizeof(*s->view));
    check(s->view != NULL);
    for (size_t i = 0; i < count; i++) {
        const json_t *j = json_array_get(view, i);
        struct view_entry *e = &s->view[s->view_count];
        e->source = source_parse(json_string_value(json_object_get(j, "source")));
        if (e->source != SOURCE_CAMERA && e->source != SOURCE_SCREEN)
            continue;
        take_text(e->participant, sizeof(e->participant), j, "participant");
        e->width = (unsigned)json_integer_value(json_object_get(j, "width"));
        e->height = (unsigned)json_integer_value(json_object_get(j, "height"));
        s->view_count++;
    }
}

static void take_record(struct session *s, const json_t *r)
{
    char role[16];
    take_text(s->identity, sizeof(s->identity), r, "identity");
    take_text(s->sid, sizeof(s->sid), r, "sid");
    take_text(s->name, sizeof(s->name), r, "name");
    take_text(s->kind, sizeof(s->kind), r, "kind");
    take_text(s->node, sizeof(s->node), r, "node");
    take_text(s->node_epoch, sizeof(s->node_epoch), r, "epoch");
    take_text(role, sizeof(role), r, "role");
    s->is_moderator = strcmp(role, "moderator") == 0;
    s->joined_at_ms = (int64_t)json_number_value(json_object_get(r, "joined_at"));
    s->publish = (unsigned)json_integer_value(json_object_get(r, "publish"));
    s->may_subscribe = json_is_true(json_object_get(r, "subscribe"));
    if (!session_set_slots(s, json_object_get(r, "slots")))
        hub_log(s->hub, LOG_LEVEL_WARN, "resume.slots-malformed",
                json_pack("{s:s}", "participant", s->participant));
    take_view(s, json_object_get(r, "view"));
}

/* The session that had the participant here before: its socket is closed, what it showed goes on.
 */
static void replace_old(struct session *s)
{
    list_for_each(l, &s->presence->sessions)
    {
        struct session *old = list_entry(l, struct session, in_presence);
        if (old == s || strcmp(old->participant, s->participant) != 0 ||
            (old->state != SESSION_JOINED && old->state != SESSION_DETACHED))
            continue;
        for (size_t i = 0; i < s->slot_count; i++)
            for (size_t k = 0; k < old->slot_count; k++)
                if (strcmp(s->slots[i].mid, old->slots[k].mid) == 0)
                    s->slots[i] = old->slots[k];
        s->slots_version = MAX(s->slots_version, old->slots_version);
        s->media_failed = old->media_failed;
        session_close(old, "replaced", "This participant goes on on another connection.", 4409);
        session_forget(old);
    }
}

static void resume_done(struct call *c, const struct answer *a)
{
    struct session *s = c->session;
    if (!is_current(c))
        return;
    observe(s, "resume");
    if (a->err != OK) {
        session_join_failed(s, WIRE_UNAVAILABLE, NULL); /* detaches us if it did happen */
        return;
    }
    if (!is_ok(a)) {
        s->is_in_room = false;
        session_join_failed(
            s, wire_error_parse(json_string_value(json_object_get(a->json, "error"))), NULL);
        return;
    }
    take_record(s, json_object_get(a->json, "participant"));
    replace_old(s);
    catch_up(s, a->json);
}

static void ask_resume(struct session *s)
{
    struct hub *h = s->hub;
    give_resume_token(s);
    s->is_in_room = true;
    hub_script(h, step(s, resume_done), SCRIPT_RESUME, s->room_id,
               json_pack("[sssss]", s->participant,
                         json_string_value(json_object_get(s->offer, "hash")), s->resume_hash,
                         h->options.instance, h->options.epoch));
}

void session_resume(struct session *s, const struct message *m)
{
    struct hub *h = s->hub;
    char hash[RESUME_HASH_CAPACITY];
    usec wait = limits_on_join(&h->limits, s->address, h->now);
    if (wait > 0) {
        session_error(s, m->id, WIRE_RATE_LIMITED, NULL, wait);
    } else if (!h->has_redis) {
        session_error(s, m->id, WIRE_UNAVAILABLE, NULL, 0);
    } else if (!read_token(s, m->resume, hash)) {
        s->participant[0] = 0;
        session_error(s, m->id, WIRE_RESUME_EXPIRED, NULL, 0);
    } else {
        s->state = SESSION_RESUMING;
        s->request = m->id;
        s->join_started = s->stage_started = h->now;
        s->offer = json_pack("{s:s}", "hash", hash);
        s->joined = json_pack("{s:s,s:I}", "op", "resumed", "id", (json_int_t)m->id);
        enter(s);
    }
}

/* ---- both ---- */

void session_on_room_ready(struct session *s)
{
    if (s->participant[0] == 0 || s->is_on_node || s->is_in_room)
        return;
    observe(s, "subscribe");
    if (s->socket == NULL)
        session_join_failed(s, WIRE_UNAVAILABLE, NULL);
    else if (s->state == SESSION_JOINING)
        place(s, "", "");
    else
        ask_resume(s);
}

void session_late_chat(struct session *s, const json_t *chat)
{
    json_t *list = json_object_get(s->joined, "chat");
    const char *id = json_string_value(json_object_get(chat, "id"));
    size_t i;
    json_t *m;
    json_array_foreach(list, i, m)
    {
        const char *other = json_string_value(json_object_get(m, "id"));
        if (other != NULL && id != NULL && strcmp(other, id) == 0)
            return;
    }
    if (json_array_size(list) >= CHAT_HISTORY_MAX)
        json_array_remove(list, 0);
    json_array_append(list, (json_t *)(uintptr_t)chat);
}

static void announce(struct session *s)
{
    struct hub *h = s->hub;
    bool is_join = s->state == SESSION_JOINING;
    json_t *j = s->joined;
    s->joined = NULL;
    json_object_set_new(j, "participant", json_string(s->participant));
    json_object_set_new(j, "room", json_string(s->room));
    json_object_set_new(j, "seq", json_integer(s->presence->room.seq));
    json_object_set_new(j, "resume_window_ms", json_integer(RESUME_WINDOW / USEC_PER_MS));
    json_object_set_new(j, "signald", json_string(h->options.instance));
    json_object_set_new(j, "node", json_string(s->node));
    json_object_set_new(j, "role", json_string(s->is_moderator ? "moderator" : "member"));
    json_object_set_new(j, "participants", room_participants(&s->presence->room));
    json_object_set_new(j, "scores", room_scores(&s->presence->room));
    const char *dominant = room_dominant(&s->presence->room);
    json_object_set_new(j, "dominant", dominant == NULL ? json_null() : json_string(dominant));
    s->state = SESSION_JOINED;
    presence_assign(s->presence, s, false);
    json_object_set_new(j, "slots", session_slots_json(s));
    session_send(s, j);
    s->slots_changed = true;
    s->is_new_here = !is_join && dominant == NULL; /* whose media connects is told anyway */
    presence_tell_node(s);
    json_t *fields = json_pack("{s:s,s:s,s:s,s:s,s:I}", "room", s->room_id, "participant",
                               s->participant, "address", s->address, "node", s->node,
                               "duration_us", (json_int_t)(h->now - s->join_started));
    hub_log(h, LOG_LEVEL_INFO, is_join ? "session.joined" : "session.resumed", fields);
    if (is_join)
        hub_audit(h, "participant.joined", session_audit(s));
    else
        h->stats.resumed++;
}

void session_on_picture(struct session *s)
{
    if (!s->catching_up || !s->presence->room.is_loaded || s->presence->room.seq < s->joined_seq)
        return;
    if (room_find(&s->presence->room, s->participant) == NULL) {
        session_join_failed(s, WIRE_UNAVAILABLE, NULL); /* removed at once */
        return;
    }
    observe(s, "catch-up");
    s->catching_up = false;
    struct action *a = action_push(&s->hub->actions, ACTION_OBSERVE);
    action_set_name(a, "total");
    a->number = s->hub->now - s->join_started;
    json_decref(s->offer);
    s->offer = NULL;
    s->is_in_room = s->is_on_node = false;
    s->request = 0;
    bool is_join = s->state == SESSION_JOINING;
    announce(s);
    if (s->socket == NULL && is_join)
        session_leave(s, "left"); /* nobody has the token that could resume it */
    else if (s->socket == NULL)
        session_detach(s);
}
