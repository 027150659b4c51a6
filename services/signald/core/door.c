/* door.c - see door.h. SPDX-License-Identifier: Apache-2.0 */
#include "door.h"

#include "presence.h"

#include <stdio.h>
#include <stdlib.h>

/* The id of the only request that a door makes of its session; publishing goes without one. */
#define JOIN_REQUEST 1

enum err door_open(struct exchange *e, const struct door_order *o)
{
    struct hub *h = e->hub;
    if (h->socket_count >= SOCKETS_MAX ||
        strlen(o->address) >= sizeof((struct session *)0)->address ||
        !limits_on_open(&h->limits, o->address, h->now))
        return ERR_FULL;
    h->socket_count++;
    h->door_count++;
    struct door *d = calloc(1, sizeof(*d));
    check(d != NULL);
    struct session *s = session_new(h, d, o->address);
    s->door = d;
    *d = (struct door){ .kind = o->kind,
                        .exchange = e,
                        .sources = o->source_mask,
                        .unpublished = o->source_mask,
                        .pin_source = o->pin_source };
    exchange_hold(e);
    snprintf(d->pin, sizeof(d->pin), "%s", o->pin == NULL ? "" : o->pin);
    struct message m = { .op = MESSAGE_JOIN,
                         .id = JOIN_REQUEST,
                         .token = o->token,
                         .sdp = o->sdp,
                         .sources = o->sources };
    snprintf(m.room, sizeof(m.room), "%s", o->room);
    session_join(s, &m);
    return OK;
}

const char *door_forbids(const struct session *s)
{
    if (s->door->kind == DOOR_WHEP)
        return s->may_subscribe ? NULL : "The token does not allow to watch.";
    unsigned lacking = s->door->sources & ~s->publish;
    if (lacking & (1u << SOURCE_MICROPHONE))
        return "The offer sends audio, and the token does not allow to publish a microphone.";
    if (lacking & (1u << SOURCE_CAMERA))
        return "The offer sends video, and the token does not allow to publish a camera.";
    return NULL;
}

/* ---- what a client would be told ---- */

static void answered(struct door *d)
{
    struct exchange *e = d->exchange;
    d->exchange = NULL;
    d->is_abandoned = d->is_abandoned || e->io == NULL;
    exchange_release(e);
}

static void on_joined(struct session *s, const json_t *m)
{
    struct door *d = s->door;
    exchange_created(d->exchange, s, json_string_value(json_object_get(m, "resume")),
                     json_string_value(json_object_get(m, "sdp")));
    d->leave_reason = "left"; /* if nobody heard it */
    answered(d);
}

static void on_error(struct session *s, const json_t *m)
{
    struct door *d = s->door;
    json_int_t retry_after = json_integer_value(json_object_get(m, "retry_after_ms"));
    exchange_refuse(d->exchange, wire_error_parse(json_string_value(json_object_get(m, "error"))),
                    json_string_value(json_object_get(m, "message")), MILLIS(retry_after));
    d->is_over = true;
    answered(d);
}

static void on_media(struct session *s, const char *state)
{
    struct door *d = s->door;
    if (strcmp(state, "failed") == 0) {
        d->is_abandoned = true;
        d->leave_reason = "lost";
    } else if (strcmp(state, "connected") == 0) {
        d->is_silent = false;
    } else if (!d->is_silent) {
        d->is_silent = true;
        d->silent_at = s->hub->now;
    }
}

void door_on_message(struct session *s, const json_t *m)
{
    struct door *d = s->door;
    const char *op = json_string_value(json_object_get(m, "op"));
    const char *state = json_string_value(json_object_get(m, "state"));
    if (op == NULL) {
        return;
    } else if (d->exchange != NULL && strcmp(op, "joined") == 0) {
        on_joined(s, m);
    } else if (d->exchange != NULL && strcmp(op, "error") == 0) {
        on_error(s, m);
    } else if (strcmp(op, "media") == 0 && state != NULL) {
        on_media(s, state);
    }
}

void door_on_close(struct session *s)
{
    struct door *d = s->door;
    if (d->exchange != NULL) {
        exchange_refuse(d->exchange, WIRE_UNAVAILABLE, NULL, RETRY_AFTER);
        answered(d);
    }
    d->is_over = true;
}

/* ---- what a client would do ---- */

static void publish_done(struct call *c, const struct answer *a)
{
    struct session *s = c->session;
    struct door *d = s->door;
    if (d == NULL || c->attempts != s->join_attempt)
        return;
    d->is_publishing = false;
    if (a->err == OK) /* or the room does not know us, which its events say as well */
        d->unpublished &= d->unpublished - 1;
    else
        d->publish_at = s->hub->now + SECONDS(1);
}

/* One after the other, the lowest bit first. */
static void publish_next(struct session *s)
{
    struct door *d = s->door;
    if (d->unpublished == 0 || d->is_publishing || !s->hub->has_redis ||
        s->hub->now < d->publish_at)
        return;
    d->is_publishing = true;
    session_publish(s, (enum source)__builtin_ctz(d->unpublished), publish_done);
}

static void show_done(struct call *c, const struct answer *a)
{
    struct session *s = c->session;
    struct door *d = s->door;
    if (d == NULL || c->attempts != s->join_attempt)
        return;
    d->is_showing = false;
    if (a->err == OK) /* or the room does not know us, which its events say as well */
        return;
    d->is_shown_away = !d->is_shown_away;
    d->show_at = s->hub->now + SECONDS(1);
}

/* With the time, so that any reaper ends it if this process goes meanwhile. */
static void show(struct session *s, bool is_away)
{
    struct hub *h = s->hub;
    json_t *fields = json_pack("{s:b,s:o}", "connected", !is_away, "detached_at",
                               is_away ? json_integer(hub_wall_ms(h)) : json_null());
    check(fields != NULL);
    char *text = json_dumps(fields, JSON_COMPACT);
    json_decref(fields);
    check(text != NULL);
    struct call *c = hub_call(h, s, show_done);
    c->attempts = s->join_attempt;
    s->door->is_shown_away = is_away;
    s->door->is_showing = true;
    hub_script(h, c, SCRIPT_UPDATE, s->room_id,
               json_pack("[sssss]", s->participant, text, "announce", h->options.instance,
                         h->options.epoch));
    free(text);
}

/* Others see that a participant has vanished as they see that a socket has broken. */
static void show_silence(struct session *s)
{
    struct door *d = s->door;
    usec now = s->hub->now, patience = d->kind == DOOR_WHEP ? DOOR_VIEWER_PATIENCE : 0;
    if (d->is_silent && now - d->silent_at >= DOOR_SILENCE_MAX) {
        d->is_silent = false; /* how it ended was lost on the way: the node's answer shows it */
        s->slots_changed = true;
    }
    bool is_away = d->is_silent && now - d->silent_at >= patience;
    if (is_away != d->is_shown_away && !d->is_showing && s->hub->has_redis && now >= d->show_at)
        show(s, is_away);
}

void door_on_picture(struct session *s, bool is_connected)
{
    if (!s->door->is_showing)
        s->door->is_shown_away = !is_connected;
}

void door_free(struct session *s)
{
    struct door *d = s->door;
    if (d == NULL)
        return;
    if (d->exchange != NULL)
        exchange_release(d->exchange);
    s->door = NULL;
    free(d);
}

/* As when a socket has closed. */
static void close_door(struct session *s)
{
    struct hub *h = s->hub;
    check(h->socket_count > 0 && h->door_count > 0);
    h->socket_count--;
    h->door_count--;
    limits_on_close(&h->limits, s->address, h->now);
    s->socket = NULL;
    door_free(s);
}

void door_leave(struct session *s, const char *reason)
{
    check(s->state == SESSION_JOINED);
    close_door(s);
    session_leave(s, reason);
}

bool door_on_tick(struct session *s)
{
    struct door *d = s->door;
    if (s->state == SESSION_JOINED && !d->is_over) {
        publish_next(s);
        show_silence(s);
        bool drains = s->hub->now >= s->drain_at;
        if (!d->is_abandoned && !drains)
            return false;
        door_leave(s, d->is_abandoned ? d->leave_reason : "left");
        return true;
    }
    if (!d->is_over)
        return false;
    close_door(s);
    session_on_close(s);
    return true;
}

void door_set_view(struct session *s, const struct room *room)
{
    static const enum source order[] = { SOURCE_SCREEN, SOURCE_CAMERA };
    const struct door *d = s->door;
    if (d->pin[0] == 0)
        return;
    if (s->view == NULL)
        s->view = calloc(ARRAY_LEN(order), sizeof(*s->view));
    check(s->view != NULL);
    s->has_view = true;
    s->view_count = 0;
    const struct member *m = room_find(room, d->pin);
    for (size_t i = 0; m == NULL && i < room->member_count; i++)
        if (strcmp(room->members[i]->name, d->pin) == 0)
            m = room->members[i];
    for (size_t i = 0; m != NULL && i < ARRAY_LEN(order); i++) {
        if (d->pin_source != SOURCE_COUNT && d->pin_source != order[i])
            continue;
        struct view_entry *v = &s->view[s->view_count++];
        *v = (struct view_entry){ .source = order[i] };
        snprintf(v->participant, sizeof(v->participant), "%s", m->id);
    }
}
