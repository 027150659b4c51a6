/* request.c - what a joined client asks: check, ask the cluster, answer. See session.h.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "presence.h"
#include "session.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- helpers ---- */

static bool is_still_joined(const struct call *c)
{
    const struct session *s = c->session;
    return c->attempts == s->join_attempt && s->state == SESSION_JOINED && s->socket != NULL;
}

/* Answers the client when the cluster refused; true if it agreed. */
static bool is_agreed(struct call *c, const struct answer *a)
{
    if (a->err != OK) {
        session_error(c->session, c->request,
                      a->err == ERR_EXPIRED && c->node[0] != 0 ? WIRE_NODE_TIMEOUT
                                                               : WIRE_UNAVAILABLE,
                      NULL, 0);
        return false;
    }
    if (json_is_true(json_object_get(a->json, "ok")))
        return true;
    const char *error = json_string_value(json_object_get(a->json, "error"));
    const char *text = json_string_value(json_object_get(a->json, "message"));
    session_error(c->session, c->request, wire_error_parse(error), text, 0);
    return false;
}

static void send_ok(struct call *c)
{
    session_send(c->session, message_reply(c->request, "ok"));
}

static void ok_done(struct call *c, const struct answer *a)
{
    if (is_agreed(c, a))
        send_ok(c);
}

static struct call *ask(struct session *s, const struct message *m,
                        void (*done)(struct call *c, const struct answer *a))
{
    struct call *c = hub_call(s->hub, s, done);
    c->request = m->id;
    c->op = m->op;
    c->attempts = s->join_attempt;
    return c;
}

static void set_node_muted(struct hub *h, const char *node, const char *room,
                           const char *participant, const char *source, bool muted)
{
    hub_node_surely(h, node,
                    json_pack("{s:s,s:s,s:s,s:s,s:b}", "op", "track.set", "room", room,
                              "participant", participant, "source", source, "muted",
                              muted ? 1 : 0));
}

/* Whether somebody else is there is for the scripts to say: our picture may be behind. */
static bool is_about_self(const struct session *s, const struct message *m)
{
    return m->participant == NULL || strcmp(m->participant, s->participant) == 0;
}

/* ---- tracks ---- */

static json_t *track_args(const char *participant, const char *action, enum source source,
                          const char *by, unsigned width, unsigned height)
{
    return json_pack("[ssssoo]", participant, action, source_name(source), by,
                     json_sprintf("%u", width), json_sprintf("%u", height));
}

void session_publish(struct session *s, enum source source,
                     void (*done)(struct call *c, const struct answer *a))
{
    struct call *c = hub_call(s->hub, s, done);
    c->attempts = s->join_attempt;
    hub_script(s->hub, c, SCRIPT_TRACK, s->room_id,
               track_args(s->participant, "publish", source, "self", 0, 0));
}

static void publish(struct session *s, const struct message *m)
{
    if ((s->publish & (1u << m->source)) == 0) {
        session_error(s, m->id, WIRE_FORBIDDEN, "The token does not allow to publish this.", 0);
        return;
    }
    hub_script(s->hub, ask(s, m, ok_done), SCRIPT_TRACK, s->room_id,
               track_args(s->participant, m->flag ? "publish-muted" : "publish", m->source, "self",
                          m->width, m->height));
}

/* The moderator's mute ends with the track, or when its owner unmutes. */
static void lift_done(struct call *c, const struct answer *a)
{
    if (a->err == OK && json_is_true(json_object_get(a->json, "ok"))) {
        const char *was = json_string_value(json_object_get(a->json, "was"));
        const char *node = json_string_value(json_object_get(a->json, "node"));
        json_t *x = c->context;
        if (was != NULL && strcmp(was, "moderator") == 0 && node != NULL)
            set_node_muted(c->hub, node, json_string_value(json_object_get(x, "room")),
                           json_string_value(json_object_get(x, "participant")),
                           json_string_value(json_object_get(x, "source")), false);
    }
    ok_done(c, a);
}

static json_t *track_context(const struct session *s, const char *participant, enum source source)
{
    return json_pack("{s:s,s:s,s:s}", "room", s->room_id, "participant", participant, "source",
                     source_name(source));
}

static void unpublish(struct session *s, const struct message *m)
{
    struct call *c = ask(s, m, lift_done);
    c->context = track_context(s, s->participant, m->source);
    hub_script(s->hub, c, SCRIPT_TRACK, s->room_id,
               track_args(s->participant, "unpublish", m->source, "self", 0, 0));
}

static void moderate_done(struct call *c, const struct answer *a)
{
    if (!is_agreed(c, a))
        return;
    struct session *s = c->session;
    const char *participant = json_string_value(json_object_get(c->context, "participant"));
    const char *source = json_string_value(json_object_get(c->context, "source"));
    const char *node = json_string_value(json_object_get(a->json, "node"));
    if (node != NULL)
        set_node_muted(s->hub, node, json_string_value(json_object_get(c->context, "room")),
                       participant, source, true);
    json_t *fields = session_audit(s);
    json_t *meta = json_object_get(fields, "meta");
    json_object_set_new(meta, "target", json_string(participant));
    json_object_set_new(meta, "source", json_string(source));
    hub_audit(s->hub, "track.muted", fields);
    send_ok(c);
}

static void mute_other(struct session *s, const struct message *m)
{
    if (!s->is_moderator || !m->flag) {
        session_error(s, m->id, WIRE_FORBIDDEN,
                      s->is_moderator ? "Only participants themselves can unmute." : NULL, 0);
        return;
    }
    struct call *c = ask(s, m, moderate_done);
    c->context = track_context(s, m->participant, m->source);
    hub_script(s->hub, c, SCRIPT_TRACK, s->room_id,
               track_args(m->participant, "mute", m->source, "moderator", 0, 0));
}

static void mute(struct session *s, const struct message *m)
{
    if (!is_about_self(s, m)) {
        mute_other(s, m);
        return;
    }
    struct call *c = ask(s, m, m->flag ? ok_done : lift_done);
    c->context = track_context(s, s->participant, m->source);
    hub_script(s->hub, c, SCRIPT_TRACK, s->room_id,
               track_args(s->participant, m->flag ? "mute" : "unmute", m->source, "self", 0, 0));
}

/* ---- view, offer ---- */

json_t *session_view_json(const struct session *s)
{
    json_t *ret = json_array();
    for (size_t i = 0; i < s->view_count; i++) {
        const struct view_entry *e = &s->view[i];
        json_array_append_new(ret, json_pack("{s:s,s:s,s:i,s:i}", "participant", e->participant,
                                             "source", source_name(e->source), "width",
                                             (int)e->width, "height", (int)e->height));
    }
    return ret;
}

/* Keeps private fields in the room for whoever takes over; nobody waits for it. */
static void keep(struct session *s, json_t *fields)
{
    char *text = json_dumps(fields, JSON_COMPACT);
    json_decref(fields);
    check(text != NULL);
    hub_script(s->hub, NULL, SCRIPT_UPDATE, s->room_id,
               json_pack("[sssss]", s->participant, text, "", s->hub->options.instance,
                         s->hub->options.epoch));
    free(text);
}

static void view(struct session *s, const struct message *m)
{
    struct view_entry *entries = NULL;
    if (m->view_count > 0) {
        entries = malloc(m->view_count * sizeof(*entries));
        check(entries != NULL);
        memcpy(entries, m->view, m->view_count * sizeof(*entries));
    }
    free(s->view);
    s->view = entries;
    s->view_count = m->view_count;
    s->has_view = true;
    session_send(s, message_reply(m->id, "ok"));
    keep(s, json_pack("{s:o}", "view", session_view_json(s)));
    presence_assign(s->presence, s, true);
}

static bool read_slot(struct slot *ret, const json_t *j)
{
    const char *mid = json_string_value(json_object_get(j, "mid"));
    const char *kind = json_string_value(json_object_get(j, "kind"));
    if (mid == NULL || kind == NULL || mid[0] == 0 || strlen(mid) > MID_BYTES_MAX ||
        (strcmp(kind, "audio") != 0 && strcmp(kind, "video") != 0))
        return false;
    *ret = (struct slot){ .is_audio = kind[0] == 'a', .spatial_max = 2 };
    memcpy(ret->mid, mid, strlen(mid) + 1);
    const char *shown = json_string_value(json_object_get(j, "participant"));
    enum source source = source_parse(json_string_value(json_object_get(j, "source")));
    if (shown != NULL && strlen(shown) <= PARTICIPANT_ID_MAX && source != SOURCE_COUNT) {
        snprintf(ret->participant, sizeof(ret->participant), "%s", shown);
        ret->source = source;
    }
    return true;
}

bool session_set_slots(struct session *s, const json_t *slots)
{
    size_t count = json_array_size(slots);
    if (!json_is_array(slots) || count > SLOTS_MAX)
        return false;
    struct slot *fresh = calloc(count + 1, sizeof(*fresh));
    check(fresh != NULL);
    for (size_t i = 0; i < count; i++) {
        if (!read_slot(&fresh[i], json_array_get(slots, i))) {
            free(fresh);
            return false;
        }
        for (size_t k = 0; k < s->slot_count; k++)
            if (strcmp(s->slots[k].mid, fresh[i].mid) == 0 &&
                s->slots[k].is_audio == fresh[i].is_audio)
                fresh[i] = s->slots[k];
    }
    free(s->slots);
    s->slots = fresh;
    s->slot_count = count;
    return true;
}

static void offer_done(struct call *c, const struct answer *a)
{
    struct session *s = c->session;
    if (!is_still_joined(c) || !is_agreed(c, a))
        return;
    const char *sdp = json_string_value(json_object_get(a->json, "sdp"));
    if (sdp == NULL || !session_set_slots(s, json_object_get(a->json, "slots"))) {
        session_error(s, c->request, WIRE_INTERNAL, NULL, 0);
        return;
    }
    json_t *kept = session_record(s);
    keep(s, json_pack("{s:O}", "slots", json_object_get(kept, "slots")));
    json_decref(kept);
    presence_assign(s->presence, s, false);
    session_send(s, json_pack("{s:s,s:I,s:s,s:o}", "op", "answer", "id", (json_int_t)c->request,
                              "sdp", sdp, "slots", session_slots_json(s)));
    s->slots_changed = true;
    presence_tell_node(s);
}

/* Who offers again looks for another path: nothing arrives on the one they have. */
static void offer(struct session *s, const struct message *m)
{
    hub_doubt_node(s->hub, s);
    struct call *c = ask(s, m, offer_done);
    snprintf(c->node, sizeof(c->node), "%s", s->node);
    hub_node(s->hub, c, s->node,
             json_pack("{s:s,s:s,s:s,s:s,s:O}", "op", "participant.update", "room", s->room_id,
                       "participant", s->participant, "sdp", m->sdp, "sources", m->sources));
}

/* ---- people ---- */

static void chat(struct session *s, const struct message *m)
{
    uint8_t random[ID_RANDOM_LEN];
    char id[ID_CAPACITY];
    s->hub->options.random(random, sizeof(random));
    id_write(id, "m_", random);
    json_t *j =
        json_pack("{s:s,s:s,s:s,s:s,s:s,s:I}", "op", "chat", "id", id, "from", s->participant,
                  "name", s->name, "text", m->text, "time", (json_int_t)hub_wall_ms(s->hub));
    if (m->participant != NULL)
        json_object_set_new(j, "to", json_string(m->participant));
    char *text = json_dumps(j, JSON_COMPACT);
    json_decref(j);
    check(text != NULL);
    hub_script(s->hub, ask(s, m, ok_done), SCRIPT_CHAT, s->room_id,
               json_pack("[sssso]", s->participant, text,
                         m->participant == NULL ? "public" : "private",
                         m->participant == NULL ? "" : m->participant,
                         json_sprintf("%d", CHAT_HISTORY_MAX)));
    free(text);
}

static void hand(struct session *s, const struct message *m)
{
    bool is_self = is_about_self(s, m);
    if (!is_self && (!s->is_moderator || m->flag)) {
        session_error(s, m->id, WIRE_FORBIDDEN, NULL, 0);
        return;
    }
    hub_script(s->hub, ask(s, m, ok_done), SCRIPT_UPDATE, s->room_id,
               json_pack("[sssss]", is_self ? s->participant : m->participant,
                         m->flag ? "{\"hand\":true}" : "{\"hand\":false}", "announce", "", ""));
}

static void remove_done(struct call *c, const struct answer *a)
{
    if (!is_agreed(c, a))
        return;
    struct session *s = c->session;
    struct hub *h = c->hub;
    if (!json_is_true(json_object_get(a->json, "removed"))) {
        session_error(s, c->request, WIRE_NOT_FOUND, NULL, 0);
        return;
    }
    json_t *p = json_object_get(a->json, "participant");
    const char *node = json_string_value(json_object_get(p, "node"));
    const char *id = json_string_value(json_object_get(p, "id"));
    const char *room = json_string_value(json_object_get(c->context, "room"));
    if (node != NULL && id != NULL)
        hub_node_remove(h, node, room, id);
    json_t *fields = session_audit(s);
    json_object_set(json_object_get(fields, "meta"), "target", json_object_get(p, "id"));
    json_object_set(json_object_get(fields, "meta"), "target_identity",
                    json_object_get(p, "identity"));
    hub_audit(h, "participant.removed", fields);
    if (json_is_true(json_object_get(a->json, "empty"))) {
        action_set_room(action_push(&h->actions, ACTION_ROOM_REMOVE), room);
        hub_audit(h, "room.ended", session_audit(s));
    }
    send_ok(c);
}

static void remove_participant(struct session *s, const struct message *m)
{
    if (!s->is_moderator) {
        session_error(s, m->id, WIRE_FORBIDDEN, NULL, 0);
        return;
    }
    struct call *c = ask(s, m, remove_done);
    c->context = json_pack("{s:s}", "room", s->room_id);
    hub_script(s->hub, c, SCRIPT_LEAVE, s->room_id,
               json_pack("[ssssss]", m->participant, "removed", "", "", "", ""));
}

void session_request(struct session *s, const struct message *m)
{
    if (m->op == MESSAGE_LEAVE) {
        session_send(s, message_reply(m->id, "ok"));
        session_close_socket(s, 1000, "left");
        session_leave(s, "left");
        return;
    }
    if (!s->hub->has_redis) {
        session_error(s, m->id, WIRE_UNAVAILABLE, NULL, 0);
        return;
    }
    switch (m->op) {
    case MESSAGE_PUBLISH:
        publish(s, m);
        break;
    case MESSAGE_UNPUBLISH:
        unpublish(s, m);
        break;
    case MESSAGE_MUTE:
        mute(s, m);
        break;
    case MESSAGE_VIEW:
        view(s, m);
        break;
    case MESSAGE_CHAT:
        chat(s, m);
        break;
    case MESSAGE_HAND:
        hand(s, m);
        break;
    case MESSAGE_REMOVE:
        remove_participant(s, m);
        break;
    case MESSAGE_OFFER:
        offer(s, m);
        break;
    default:
        session_error(s, m->id, WIRE_INTERNAL, NULL, 0);
        break;
    }
}
