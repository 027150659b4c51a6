/* presence.c - see presence.h. SPDX-License-Identifier: Apache-2.0 */
#include "presence.h"

#include "door.h"

#include <stdio.h>
#include <stdlib.h>

struct presence *presence_find(struct hub *h, const char *room)
{
    struct map_node *n = map_find(&h->presences, room);
    return n == NULL ? NULL : container_of(n, struct presence, by_id);
}

struct presence *presence_obtain(struct hub *h, const char *room)
{
    struct presence *p = presence_find(h, room);
    if (p != NULL)
        return p;
    p = calloc(1, sizeof(*p));
    check(p != NULL);
    p->hub = h;
    snprintf(p->id, sizeof(p->id), "%s", room);
    list_init(&p->sessions);
    room_init(&p->room);
    p->renewed_at = h->now;
    check(map_insert(&h->presences, &p->by_id, p->id) == OK);
    action_set_room(action_push(&h->actions, ACTION_SUBSCRIBE), p->id);
    return p;
}

void presence_add(struct presence *p, struct session *s)
{
    check(s->presence == NULL);
    s->presence = p;
    list_push_back(&p->sessions, &s->in_presence);
}

void presence_remove(struct presence *p, struct session *s)
{
    check(s->presence == p);
    list_remove(&s->in_presence);
    s->presence = NULL;
    presence_release(p);
}

void presence_release(struct presence *p)
{
    if (!list_is_empty(&p->sessions) || p->holds > 0)
        return;
    action_set_room(action_push(&p->hub->actions, ACTION_UNSUBSCRIBE), p->id);
    map_remove(&p->hub->presences, p->id);
    room_done(&p->room);
    json_decref(p->speakers);
    free(p->speakers_sent);
    free(p);
}

bool presence_hears(const struct session *s)
{
    return s->state == SESSION_JOINED && s->socket != NULL && !s->is_closing;
}

void presence_broadcast(struct presence *p, const json_t *message)
{
    char *text = json_dumps(message, JSON_COMPACT);
    check(text != NULL);
    size_t len = strlen(text);
    list_for_each(l, &p->sessions)
    {
        struct session *s = list_entry(l, struct session, in_presence);
        if (presence_hears(s))
            session_send_text(s, text, len);
    }
    free(text);
}

static void broadcast_state(struct presence *p)
{
    json_t *m = json_pack("{s:s,s:I,s:o}", "op", "room-state", "seq", (json_int_t)p->room.seq,
                          "participants", room_participants(&p->room));
    presence_broadcast(p, m);
    json_decref(m);
}

static void slots_done(struct call *c, const struct answer *a);

/* {mid, kind, participant, source} is for clients, {mid, track, spatial_max} for the node. */
void presence_tell_node(struct session *s)
{
    struct hub *h = s->hub;
    if (!s->slots_changed || s->slots_asking || s->media_failed || !h->has_redis ||
        h->now < s->slots_retry_at)
        return;
    json_t *slots = json_array();
    for (size_t i = 0; i < s->slot_count; i++) {
        const struct slot *slot = &s->slots[i];
        json_t *j = json_pack("{s:s}", "mid", slot->mid);
        json_object_set_new(j, "track",
                            slot->participant[0] == 0 ? json_null()
                                                      : json_sprintf("%s/%s", slot->participant,
                                                                     source_name(slot->source)));
        json_object_set_new(j, "spatial_max", json_integer((json_int_t)slot->spatial_max));
        if (!slot->is_audio)
            json_object_set_new(j, "priority", json_integer((json_int_t)slot->priority));
        json_array_append_new(slots, j);
    }
    s->slots_version = MAX(s->slots_version + 1, hub_wall_ms(h));
    s->slots_changed = false;
    s->slots_asking = true;
    struct call *c = hub_call(h, s, slots_done);
    c->attempts = s->join_attempt;
    json_t *request =
        json_pack("{s:s,s:s,s:s,s:I,s:o}", "op", "slots.set", "room", s->room_id, "participant",
                  s->participant, "version", (json_int_t)s->slots_version, "slots", slots);
    if (s->is_new_here)
        json_object_set_new(request, "tell", json_true());
    s->is_new_here = false;
    hub_node(h, c, s->node, request);
}

static void slots_done(struct call *c, const struct answer *a)
{
    struct session *s = c->session;
    if (c->attempts != s->join_attempt)
        return;
    s->slots_asking = false;
    if (s->state != SESSION_JOINED && s->state != SESSION_DETACHED)
        return;
    if (a->err == OK && json_is_true(json_object_get(a->json, "ok"))) {
        presence_tell_node(s);
        return;
    }
    const char *error = json_string_value(json_object_get(a->json, "error"));
    if (a->err == OK && error != NULL && strcmp(error, "not-found") == 0) {
        session_media_failed(s, "not-found");
        return;
    }
    s->slots_changed = true;
    s->slots_retry_at = s->hub->now + SECONDS(1);
}

static void assign(struct presence *p, struct session *s, const struct slot_plan *plan,
                   bool announce)
{
    if (s->door != NULL)
        door_set_view(s, &p->room);
    struct slot_viewer viewer = {
        .participant = s->participant,
        .has_view = s->has_view,
        .view = s->view,
        .view_count = s->view_count,
        .may_subscribe = s->may_subscribe,
        .now = p->hub->now,
    };
    enum slot_change change = slot_policy_assign(s->slots, s->slot_count, &viewer, plan, &p->room);
    if (change == SLOT_CHANGE_NONE)
        return;
    s->slots_changed = true;
    if (change == SLOT_CHANGE_TRACK && announce && presence_hears(s))
        session_send(s, json_pack("{s:s,s:o}", "op", "slots", "slots", session_slots_json(s)));
    presence_tell_node(s);
}

void presence_assign(struct presence *p, struct session *s, bool announce)
{
    struct slot_plan plan;
    slot_plan_init(&plan, &p->room);
    assign(p, s, &plan, announce);
    slot_plan_done(&plan);
}

static void assign_all(struct presence *p)
{
    p->slots_due = false;
    p->slots_at = p->hub->now;
    if (!p->room.is_loaded)
        return;
    struct slot_plan plan;
    slot_plan_init(&plan, &p->room);
    list_for_each(l, &p->sessions)
    {
        struct session *s = list_entry(l, struct session, in_presence);
        if (s->state == SESSION_JOINED || s->state == SESSION_DETACHED)
            assign(p, s, &plan, true);
    }
    slot_plan_done(&plan);
}

void presence_slots_due(struct presence *p)
{
    if (p->slots_at != 0 && p->hub->now - p->slots_at < SLOTS_PERIOD)
        p->slots_due = true;
    else
        assign_all(p);
}

static void check_pictures(struct presence *p)
{
    list_for_each(l, &p->sessions) session_on_picture(list_entry(l, struct session, in_presence));
}

static bool owns(const struct session *s, const struct member *m)
{
    return strcmp(m->signald, s->hub->options.instance) == 0 &&
           strcmp(m->signald_epoch, s->hub->options.epoch) == 0;
}

static void taken_over(struct session *s)
{
    session_close(s, "replaced", "This participant goes on on another connection.", 4409);
    session_forget(s);
}

static void removed(struct session *s, const char *reason)
{
    bool is_lost = strcmp(reason, "lost") == 0;
    if (is_lost)
        session_close(s, "media-lost", "The connection was lost for too long: join again.", 4410);
    else
        session_close(s, "removed", "A moderator has removed you from the room.", 4403);
    session_forget(s);
}

/* What an event says about participants that are ours. */
static void on_own(struct presence *p, const json_t *event)
{
    const char *op = json_string_value(json_object_get(event, "op"));
    json_t *about = json_object_get(event, "participant");
    bool is_left = strcmp(op, "participant-left") == 0;
    const char *id = json_string_value(is_left ? about : json_object_get(about, "id"));
    const struct member *m = room_find(&p->room, id);
    list_for_each(l, &p->sessions)
    {
        struct session *s = list_entry(l, struct session, in_presence);
        if ((s->state != SESSION_JOINED && s->state != SESSION_DETACHED) || id == NULL ||
            strcmp(s->participant, id) != 0)
            continue;
        if (is_left) {
            const char *reason = json_string_value(json_object_get(event, "reason"));
            removed(s, reason == NULL ? "removed" : reason);
        } else if (m != NULL && !owns(s, m)) {
            taken_over(s);
        } else if (m != NULL) {
            s->is_moderator = m->is_moderator;
        }
    }
}

static bool is_for(const struct session *s, const json_t *chat)
{
    const char *to = json_string_value(json_object_get(chat, "to"));
    const char *from = json_string_value(json_object_get(chat, "from"));
    return to == NULL || strcmp(to, s->participant) == 0 ||
           (from != NULL && strcmp(from, s->participant) == 0);
}

/* True once for each id. Ids, because clocks of other machines order nothing. */
static bool is_new_chat(struct presence *p, const char *id)
{
    for (size_t i = 0; i < CHAT_HISTORY_MAX; i++)
        if (strcmp(p->chat_seen[i], id) == 0)
            return false;
    snprintf(p->chat_seen[p->chat_seen_next], sizeof(p->chat_seen[0]), "%s", id);
    p->chat_seen_next = (p->chat_seen_next + 1) % CHAT_HISTORY_MAX;
    return true;
}

static void on_chat(struct presence *p, const json_t *chat)
{
    const char *id = json_string_value(json_object_get(chat, "id"));
    if (id == NULL || id[0] == 0 || strlen(id) > CHAT_ID_MAX)
        return;
    bool is_public = json_object_get(chat, "to") == NULL;
    if (is_public && !is_new_chat(p, id))
        return; /* a snapshot was faster than its event */
    char *text = json_dumps(chat, JSON_COMPACT);
    check(text != NULL);
    list_for_each(l, &p->sessions)
    {
        struct session *s = list_entry(l, struct session, in_presence);
        if (presence_hears(s) && is_for(s, chat))
            session_send_text(s, text, strlen(text));
        else if (s->catching_up && is_public)
            session_late_chat(s, chat);
    }
    free(text);
}

/* Chat that was said while we could not hear. */
static void recover_chat(struct presence *p, const json_t *chat)
{
    for (size_t i = 0; i < json_array_size(chat); i++)
        on_chat(p, json_array_get(chat, i));
}

/* The room has left its node, by a join here or elsewhere, or a snapshot shows where it is. One
 * signald's word on a node so becomes that of all, for the room as a whole. */
static void on_moved(struct presence *p, const json_t *event)
{
    const char *node = json_string_value(json_object_get(event, "node"));
    const char *epoch = json_string_value(json_object_get(event, "epoch"));
    if (node == NULL || epoch == NULL || node[0] == 0)
        return;
    list_for_each(l, &p->sessions)
        session_on_moved(list_entry(l, struct session, in_presence), node, epoch);
}

void presence_on_event(struct presence *p, json_t *event)
{
    const char *op = json_string_value(json_object_get(event, "op"));
    if (op == NULL)
        return;
    if (strcmp(op, "chat") == 0) {
        on_chat(p, event);
        return;
    }
    if (strcmp(op, "moved") == 0) {
        on_moved(p, event);
        return;
    }
    switch (room_apply(&p->room, event)) {
    case ROOM_APPLIED:
        break;
    case ROOM_GAP:
        p->hub->stats.gaps++;
        presence_read(p);
        return;
    case ROOM_BAD:
        hub_log(p->hub, LOG_LEVEL_WARN, "event.malformed", json_pack("{s:s}", "room", p->id));
        presence_read(p);
        return;
    case ROOM_STALE:
    case ROOM_WAITING:
        return;
    }
    json_t *public = json_copy(event);
    json_object_del(public, "private");
    p->holds++; /* our last session may go while we tell them */
    on_own(p, event);
    presence_broadcast(p, public);
    check_pictures(p);
    presence_slots_due(p);
    p->holds--;
    json_decref(public);
    presence_release(p);
}

void presence_on_subscribed(struct presence *p)
{
    bool is_first = !p->is_subscribed;
    p->is_subscribed = true;
    if (!is_first) {
        p->after_outage = true;
        presence_read(p);
        return;
    }
    p->holds++;
    list_for_each(l, &p->sessions)
    {
        struct session *s = list_entry(l, struct session, in_presence);
        if (s->state == SESSION_JOINING || s->state == SESSION_RESUMING)
            session_on_room_ready(s);
    }
    p->holds--;
    presence_release(p);
}

void presence_on_redis_lost(struct presence *p)
{
    p->after_outage = true;
}

void presence_on_redis_back(struct presence *p)
{
    action_set_room(action_push(&p->hub->actions, ACTION_ROOM_ADD), p->id);
    presence_read(p);
}

bool presence_offer_snapshot(struct presence *p, const json_t *snapshot)
{
    if (p->room.is_loaded || p->is_reading)
        return false;
    enum room_result result = room_load(&p->room, snapshot);
    const json_t *chat = json_object_get(snapshot, "chat");
    recover_chat(p, chat); /* nobody here is joined yet: only notes them */
    if (result != ROOM_APPLIED)
        presence_read(p);
    return true;
}

static bool is_removed(const struct answer *a)
{
    const char *error = json_string_value(json_object_get(a->json, "error"));
    return error != NULL && strcmp(error, "removed") == 0;
}

static void restore_done(struct call *c, const struct answer *a)
{
    struct session *s = c->session;
    if (a->err == OK && is_removed(a)) {
        if (s->state == SESSION_JOINED || s->state == SESSION_DETACHED)
            removed(s, "removed");
        return;
    }
    if (a->err != OK && c->session->presence != NULL)
        presence_read(c->session->presence); /* shows whether it is still missing */
    else if (a->err == OK)
        hub_log(c->hub, LOG_LEVEL_INFO, "participant.restored",
                json_pack("{s:s,s:s}", "room", c->session->room_id, "participant",
                          c->session->participant));
}

static void restore(struct presence *p, struct session *s, int64_t seq)
{
    json_t *record = session_record(s);
    char *text = json_dumps(record, JSON_COMPACT);
    json_decref(record);
    check(text != NULL);
    char seq_text[24];
    snprintf(seq_text, sizeof(seq_text), "%lld", (long long)seq);
    hub_script(p->hub, hub_call(p->hub, s, restore_done), SCRIPT_RESTORE, p->id,
               json_pack("[sss]", text, seq_text, s->is_moderator ? s->identity : "unknown"));
    free(text);
    s->slots_changed = true; /* the node may have been told by nobody meanwhile */
}

static void check_own_state(struct session *s, const struct member *m)
{
    s->is_moderator = m->is_moderator;
    if (s->state == SESSION_DETACHED && m->is_connected)
        s->is_marked = false; /* the mark was lost */
    if (s->door != NULL)
        door_on_picture(s, m->is_connected);
}

/* After a new picture: are our own people in it, and still ours? */
static void check_own(struct presence *p, bool after_outage, int64_t seq_before)
{
    list_for_each(l, &p->sessions)
    {
        struct session *s = list_entry(l, struct session, in_presence);
        if (s->state != SESSION_JOINED && s->state != SESSION_DETACHED)
            continue;
        const struct member *m = room_find(&p->room, s->participant);
        if (m == NULL && after_outage)
            restore(p, s, seq_before);
        else if (m == NULL)
            removed(s, "removed");
        else if (!owns(s, m))
            taken_over(s);
        else
            check_own_state(s, m);
    }
}

static void remember_own(struct presence *p)
{
    list_for_each(l, &p->sessions)
    {
        struct session *s = list_entry(l, struct session, in_presence);
        const struct member *m = room_find(&p->room, s->participant);
        if (m == NULL)
            continue;
        json_decref(s->public_json);
        s->public_json = json_incref(m->public_json);
    }
}

static bool has_participant(const json_t *snapshot, const char *id)
{
    size_t i;
    json_t *v;
    json_array_foreach(json_object_get(snapshot, "participants"), i, v)
    {
        const char *other = json_string_value(json_object_get(v, "id"));
        if (other != NULL && strcmp(other, id) == 0)
            return true;
    }
    return false;
}

/* Redis may come back empty. Then every signald puts its own participants back, and until that is
 * done (or a few seconds have passed) the old picture stays, so that nobody's video is cut off. */
static bool must_wait_for_others(struct presence *p, const json_t *snapshot)
{
    usec now = p->hub->now;
    list_for_each(l, &p->sessions)
    {
        struct session *s = list_entry(l, struct session, in_presence);
        if ((s->state != SESSION_JOINED && s->state != SESSION_DETACHED) ||
            has_participant(snapshot, s->participant))
            continue;
        if (p->after_outage && p->lost_until == 0)
            p->lost_until = now + SECONDS(6);
        if (p->lost_until > now)
            restore(p, s, p->room.seq);
    }
    if (p->lost_until <= now)
        return false;
    for (size_t i = 0; i < p->room.member_count; i++)
        if (!has_participant(snapshot, p->room.members[i]->id))
            return true;
    return false;
}

static void load(struct presence *p, const json_t *snapshot)
{
    usec now = p->hub->now;
    remember_own(p);
    if (must_wait_for_others(p, snapshot)) {
        p->must_read = p->state_due = true;
        p->read_at = now + MILLIS(300);
        return;
    }
    int64_t seq_before = p->room.seq;
    json_t *before = room_participants(&p->room);
    enum room_result result = room_load(&p->room, snapshot);
    if (result != ROOM_APPLIED) {
        p->must_read = true;
        p->read_at = now + (result == ROOM_BAD ? SECONDS(1) : MILLIS(20));
    }
    if (result == ROOM_BAD)
        room_unload(&p->room);
    bool after_outage = p->after_outage;
    p->after_outage = false;
    p->lost_until = 0;
    p->renewed_at = now;
    check_own(p, after_outage, seq_before);
    on_moved(p, snapshot);
    json_t *after = room_participants(&p->room);
    if (p->state_due || p->room.seq != seq_before || !json_equal(before, after))
        broadcast_state(p);
    p->state_due = false;
    json_decref(before);
    json_decref(after);
    recover_chat(p, json_object_get(snapshot, "chat"));
    check_pictures(p);
    presence_slots_due(p);
}

static void read_done(struct call *c, const struct answer *a)
{
    struct presence *p = c->presence;
    p->is_reading = false;
    if (a->err != OK || !json_is_true(json_object_get(a->json, "ok"))) {
        p->must_read = true;
        p->read_at = p->hub->now + MILLIS(500);
        return;
    }
    load(p, a->json);
}

void presence_read(struct presence *p)
{
    if (p->is_reading || !p->hub->has_redis) {
        p->must_read = true;
        return;
    }
    room_unload(&p->room);
    p->must_read = false;
    p->is_reading = true;
    struct call *c = hub_call(p->hub, NULL, read_done);
    c->presence = p;
    p->holds++;
    hub_script(p->hub, c, SCRIPT_SNAPSHOT, p->id, json_array());
}

void presence_on_tick(struct presence *p)
{
    usec now = p->hub->now;
    if (now - p->renewed_at > SECONDS(3600)) {
        p->renewed_at = now;
        p->must_read = true;
    }
    if (p->must_read && !p->is_reading && p->hub->has_redis && now >= p->read_at)
        presence_read(p);
    if (p->slots_due && now - p->slots_at >= SLOTS_PERIOD)
        assign_all(p);
    presence_media_on_tick(p);
}
