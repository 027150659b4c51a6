/* session.c - see session.h. SPDX-License-Identifier: Apache-2.0 */
#include "session.h"

#include "door.h"
#include "presence.h"

#include <stdio.h>
#include <stdlib.h>

struct session *session_new(struct hub *h, void *socket, const char *address)
{
    struct session *s = calloc(1, sizeof(*s));
    check(s != NULL);
    s->hub = h;
    s->socket = socket;
    s->opened_at = h->now;
    s->drain_at = USEC_NEVER;
    snprintf(s->address, sizeof(s->address), "%s", address);
    token_bucket_init(&s->messages, MESSAGES_PER_SEC, MESSAGES_BURST, h->now);
    token_bucket_init(&s->excess, EXCESS_PER_SEC, EXCESS_BURST, h->now);
    list_link_init(&s->in_presence);
    list_push_back(&h->sessions, &s->link);
    return s;
}

/* What belongs to the participant, not to the socket. */
static void clear_participant(struct session *s)
{
    if (s->presence != NULL)
        presence_remove(s->presence, s);
    free(s->slots);
    free(s->view);
    json_decref(s->offer);
    json_decref(s->joined);
    json_decref(s->public_json);
    s->slots = NULL;
    s->view = NULL;
    s->offer = s->joined = s->public_json = NULL;
    s->slot_count = s->view_count = 0;
    s->has_view = s->slots_changed = s->slots_asking = s->media_failed = s->is_new_here = false;
    s->is_on_node = s->is_in_room = s->catching_up = false;
    s->is_marked = s->is_asking = false;
    s->participant[0] = 0;
    s->request = 0;
    s->place_attempts = 0;
    s->join_attempt++;
}

void session_release(struct session *s)
{
    if (s->state == SESSION_HELLO && s->socket == NULL)
        s->state = SESSION_GONE;
    if (s->state != SESSION_GONE || s->socket != NULL || s->holds > 0)
        return;
    clear_participant(s);
    door_free(s);
    list_remove(&s->link);
    free(s);
}

struct session *session_split(struct session *s)
{
    struct session *ghost = session_new(s->hub, NULL, s->address);
    struct list_link link = ghost->link;
    struct presence *p = s->presence;
    if (p != NULL)
        p->holds++; /* stays while s moves out of it and the ghost in */
    if (p != NULL)
        presence_remove(p, s);
    *ghost = *s;
    ghost->link = link;
    list_link_init(&ghost->in_presence);
    ghost->socket = NULL;
    ghost->door = NULL;
    ghost->holds = 0;
    ghost->is_closing = ghost->slots_asking = ghost->is_asking = false;
    if (p != NULL) {
        presence_add(p, ghost);
        p->holds--;
    }
    s->slots = NULL;
    s->view = NULL;
    s->offer = s->joined = s->public_json = NULL;
    clear_participant(s);
    s->state = SESSION_HELLO;
    s->opened_at = s->hub->now;
    return ghost;
}

void session_send_text(struct session *s, const char *text, size_t len)
{
    if (s->socket == NULL || s->is_closing || s->door != NULL)
        return; /* a door has no use for what goes to the whole room */
    struct action *a = action_push(&s->hub->actions, ACTION_SEND);
    a->socket = s->socket;
    a->text = malloc(len + 1);
    check(a->text != NULL);
    memcpy(a->text, text, len);
    a->text[len] = 0;
    a->text_len = len;
}

void session_send(struct session *s, json_t *message)
{
    check(message != NULL);
    if (s->door != NULL) {
        if (!s->is_closing)
            door_on_message(s, message);
        json_decref(message);
        return;
    }
    char *text = json_dumps(message, JSON_COMPACT);
    json_decref(message);
    check(text != NULL);
    session_send_text(s, text, strlen(text));
    free(text);
}

void session_error(struct session *s, int64_t id, enum wire_error error, const char *text,
                   usec retry_after)
{
    if (retry_after == 0 && (error == WIRE_UNAVAILABLE || error == WIRE_NO_NODE))
        retry_after = RETRY_AFTER;
    s->hub->stats.errors[error]++;
    session_send(s, message_error(id, error, text, retry_after));
}

void session_close_socket(struct session *s, int code, const char *why)
{
    if (s->socket == NULL || s->is_closing)
        return;
    s->is_closing = true;
    if (s->door != NULL) {
        door_on_close(s);
        return;
    }
    struct action *a = action_push(&s->hub->actions, ACTION_CLOSE);
    a->socket = s->socket;
    a->number = code;
    a->text = strdup(why);
    check(a->text != NULL);
    a->text_len = strlen(why);
}

void session_close(struct session *s, const char *reason, const char *text, int code)
{
    session_send(s, json_pack("{s:s,s:s,s:s}", "op", "closing", "reason", reason, "message", text));
    session_close_socket(s, code, reason);
}

json_t *session_audit(const struct session *s)
{
    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:{s:s}}", "actor_kind",
                     s->kind[0] == 0 ? "anonymous" : s->kind, "actor_id", s->identity, "actor_name",
                     s->name, "org", s->org, "room", s->room, "address", s->address, "meta",
                     "participant", s->participant);
}

static json_t *log_fields(const struct session *s)
{
    return json_pack("{s:s,s:s,s:s}", "room", s->room_id, "participant", s->participant, "address",
                     s->address);
}

void session_forget(struct session *s)
{
    clear_participant(s);
    s->state = SESSION_GONE;
    session_release(s);
}

/* ---- leaving ---- */

static void left(struct session *s, const json_t *answer)
{
    struct hub *h = s->hub;
    bool is_removed = json_is_true(json_object_get(answer, "removed"));
    if (is_removed || json_is_true(json_object_get(answer, "missing")))
        hub_node_remove(h, s->node, s->room_id, s->participant);
    if (is_removed) {
        json_t *fields = session_audit(s);
        json_object_set_new(json_object_get(fields, "meta"), "reason",
                            json_string(s->leave_reason));
        hub_audit(h, "participant.left", fields);
        fields = log_fields(s);
        json_object_set_new(fields, "reason", json_string(s->leave_reason));
        hub_log(h, LOG_LEVEL_INFO, "session.left", fields);
    }
    if (is_removed && json_is_true(json_object_get(answer, "empty"))) {
        action_set_room(action_push(&h->actions, ACTION_ROOM_REMOVE), s->room_id);
        hub_audit(
            h, "room.ended",
            json_pack("{s:s,s:s,s:s}", "actor_kind", "service", "org", s->org, "room", s->room));
    }
}

static void leave_done(struct call *c, const struct answer *a)
{
    struct session *s = c->session;
    s->is_asking = false;
    if (s->state != SESSION_LEAVING)
        return;
    if (a->err != OK || !json_is_true(json_object_get(a->json, "ok"))) {
        s->ask_at = s->hub->now + SECONDS(1);
        return;
    }
    left(s, a->json);
    session_forget(s);
}

static void ask_leave(struct session *s)
{
    struct hub *h = s->hub;
    if (s->is_asking || !h->has_redis || h->now < s->ask_at)
        return;
    s->is_asking = true;
    hub_script(h, hub_call(h, s, leave_done), SCRIPT_LEAVE, s->room_id,
               json_pack("[ssssss]", s->participant, s->leave_reason, h->options.instance,
                         h->options.epoch, "", s->joins_again ? "again" : ""));
}

void session_leave(struct session *s, const char *reason)
{
    check(s->participant[0] != 0);
    if (s->presence != NULL)
        presence_remove(s->presence, s);
    s->state = SESSION_LEAVING;
    s->catching_up = false;
    snprintf(s->leave_reason, sizeof(s->leave_reason), "%s", reason);
    s->ask_at = 0;
    ask_leave(s);
}

/* ---- detached ---- */

static void detach_done(struct call *c, const struct answer *a)
{
    struct session *s = c->session;
    s->is_asking = false;
    if (s->state != SESSION_DETACHED)
        return;
    if (a->err != OK) {
        s->ask_at = s->hub->now + MILLIS(500);
    } else if (json_is_true(json_object_get(a->json, "ok"))) {
        s->is_marked = true;
        s->detached_until = s->hub->now + RESUME_WINDOW;
    } else {
        session_forget(s); /* somebody else's, or gone */
    }
}

static void ask_detach(struct session *s)
{
    struct hub *h = s->hub;
    if (s->is_asking || s->is_marked || !h->has_redis || h->now < s->ask_at)
        return;
    s->is_asking = true;
    /* with what is shown where, so that it stays there if they resume at another signald */
    json_t *fields = json_pack("{s:b,s:I,s:o}", "connected", 0, "detached_at",
                               (json_int_t)hub_wall_ms(h), "slots", session_slots_json(s));
    char *text = json_dumps(fields, JSON_COMPACT);
    json_decref(fields);
    check(text != NULL);
    hub_script(h, hub_call(h, s, detach_done), SCRIPT_UPDATE, s->room_id,
               json_pack("[sssss]", s->participant, text, "announce", h->options.instance,
                         h->options.epoch));
    free(text);
}

void session_detach(struct session *s)
{
    check(s->state == SESSION_JOINED);
    s->state = SESSION_DETACHED;
    s->is_marked = false;
    s->ask_at = 0;
    s->hub->stats.detached++;
    hub_log(s->hub, LOG_LEVEL_INFO, "session.detached", log_fields(s));
    ask_detach(s);
}

/* ---- the socket ---- */

void session_on_close(struct session *s)
{
    s->socket = NULL;
    if (s->state == SESSION_JOINED)
        session_detach(s);
    else if ((s->state == SESSION_JOINING || s->state == SESSION_RESUMING) && s->request == 0)
        session_forget(s);
    else
        session_release(s); /* an unfinished join notices when its next answer comes */
}

void session_media_failed(struct session *s, const char *why)
{
    if (s->media_failed)
        return;
    s->media_failed = true;
    json_t *fields = log_fields(s);
    json_object_set_new(fields, "node", json_string(s->node));
    json_object_set_new(fields, "why", json_string(why));
    hub_log(s->hub, LOG_LEVEL_WARN, "session.media-failed", fields);
    session_send(s, json_pack("{s:s,s:s}", "op", "media", "state", "failed"));
}

/* False: too many messages; it has been answered. */
static bool is_within_rate(struct session *s, int64_t id)
{
    usec now = s->hub->now;
    if (token_bucket_take(&s->messages, 1, now))
        return true;
    usec wait = token_bucket_wait(&s->messages, 1, now);
    session_error(s, id, WIRE_RATE_LIMITED, NULL, MAX(wait, MILLIS(1)));
    if (!token_bucket_take(&s->excess, 1, now))
        session_close(s, "error-limit", "Too many messages.", 4429);
    return false;
}

static void dispatch(struct session *s, const struct message *m)
{
    bool is_joined = s->state == SESSION_JOINED;
    switch (m->op) {
    case MESSAGE_PING:
        session_send(s, message_reply(m->id, "pong"));
        break;
    case MESSAGE_JOIN:
        if (is_joined && s->media_failed) { /* its media is gone: a new participant */
            struct session *ghost = session_split(s);
            ghost->joins_again = true;
            session_leave(ghost, "left");
        }
        if (s->state == SESSION_HELLO)
            session_join(s, m);
        else
            session_error(s, m->id, WIRE_ALREADY_JOINED, NULL, 0);
        break;
    case MESSAGE_RESUME:
        if (s->state == SESSION_HELLO)
            session_resume(s, m);
        else
            session_error(s, m->id, WIRE_ALREADY_JOINED, NULL, 0);
        break;
    default:
        if (is_joined)
            session_request(s, m);
        else
            session_error(s, m->id, WIRE_NOT_JOINED, NULL, 0);
        break;
    }
}

void session_on_text(struct session *s, struct bytes text)
{
    struct hub *h = s->hub;
    struct message m;
    struct message_failure why;
    bool is_good = message_parse(text, &m, &why) == OK;
    h->stats.messages[is_good ? m.op : MESSAGE_OP_COUNT]++;
    if (is_within_rate(s, is_good ? m.id : why.id)) {
        if (is_good)
            dispatch(s, &m);
        else
            session_error(s, why.id, why.error, why.text, 0);
    }
    if (is_good)
        message_clear(&m);
}

static void tick_drain(struct session *s)
{
    if (s->socket == NULL || s->is_closing || s->hub->now < s->drain_at)
        return;
    session_close(s, "draining", "This server is going away: resume at once.", 1001);
    if (s->state == SESSION_JOINED)
        session_detach(s);
}

static void tick_join(struct session *s)
{
    usec now = s->hub->now;
    if (now - s->join_started > JOIN_TIMEOUT) {
        session_join_failed(s, WIRE_UNAVAILABLE, NULL);
    } else if (s->catching_up && now >= s->catch_up_until && s->presence != NULL) {
        s->catch_up_until = now + CATCH_UP_TIMEOUT;
        presence_read(s->presence);
    }
}

void session_on_tick(struct session *s)
{
    if (s->door != NULL && door_on_tick(s))
        return;
    if (s->door == NULL)
        tick_drain(s);
    switch (s->state) {
    case SESSION_HELLO:
        if (s->hub->now - s->opened_at > HELLO_TIMEOUT)
            session_close_socket(s, 4408, "no join in time");
        break;
    case SESSION_JOINING:
    case SESSION_RESUMING:
        tick_join(s);
        break;
    case SESSION_JOINED:
        presence_tell_node(s);
        break;
    case SESSION_DETACHED:
        presence_tell_node(s);
        ask_detach(s);
        if (s->is_marked && s->hub->has_redis && s->hub->now >= s->detached_until) {
            s->hub->stats.expired++;
            session_close_socket(s, 4410, "resume window over");
            session_leave(s, "lost");
        }
        break;
    case SESSION_LEAVING:
        ask_leave(s);
        break;
    case SESSION_GONE:
        break;
    }
}

/* ---- as JSON ---- */

json_t *session_slots_json(const struct session *s)
{
    json_t *ret = json_array();
    for (size_t i = 0; i < s->slot_count; i++) {
        const struct slot *slot = &s->slots[i];
        json_t *j =
            json_pack("{s:s,s:s}", "mid", slot->mid, "kind", slot->is_audio ? "audio" : "video");
        bool is_empty = slot->participant[0] == 0;
        json_object_set_new(j, "participant",
                            is_empty ? json_null() : json_string(slot->participant));
        if (!is_empty)
            json_object_set_new(j, "source", json_string(source_name(slot->source)));
        json_array_append_new(ret, j);
    }
    return ret;
}

/* As others are to see it: nobody hears of the participant for now. */
static bool is_away(const struct session *s)
{
    return s->state == SESSION_DETACHED || (s->door != NULL && s->door->is_shown_away);
}

static void set_public(const struct session *s, json_t *record)
{
    if (s->public_json != NULL) {
        json_object_update(record, s->public_json);
    } else {
        json_object_set_new(record, "name", json_string(s->name));
        json_object_set_new(record, "kind", json_string(s->kind));
        json_object_set_new(record, "hand", json_false());
        json_object_set_new(record, "tracks", json_array());
    }
    json_object_set_new(record, "id", json_string(s->participant));
    json_object_set_new(record, "role", json_string(s->is_moderator ? "moderator" : "member"));
    json_object_set_new(record, "connected", json_boolean(!is_away(s)));
}

json_t *session_record(const struct session *s)
{
    json_t *record = json_pack(
        "{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:I,s:i,s:b,s:o}", "identity", s->identity, "sid", s->sid,
        "org", s->org, "signald", s->hub->options.instance, "signald_epoch", s->hub->options.epoch,
        "resume", s->resume_hash, "node", s->node, "epoch", s->node_epoch, "joined_at",
        (json_int_t)s->joined_at_ms, "publish", (int)s->publish, "subscribe",
        s->may_subscribe ? 1 : 0, "slots", session_slots_json(s));
    check(record != NULL);
    set_public(s, record);
    if (is_away(s))
        json_object_set_new(record, "detached_at", json_integer(hub_wall_ms(s->hub)));
    if (s->door != NULL)
        json_object_set_new(record, "door",
                            json_string(s->door->kind == DOOR_WHIP ? "whip" : "whep"));
    if (s->has_view)
        json_object_set_new(record, "view", session_view_json(s));
    return record;
}
