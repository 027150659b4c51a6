/* SPDX-License-Identifier: Apache-2.0 */
#include "sim_server.h"

#include "common/splitmix.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW SECONDS(30)

static void say(struct sim_server *s, unsigned socket, json_t *message)
{
    char *text = json_dumps(message, JSON_COMPACT);
    json_decref(message);
    check(text != NULL);
    if (socket == 0 || s->silent)
        free(text);
    else
        s->say(s->data, socket, text);
}

static struct sim_member *on_socket(struct sim_server *s, unsigned socket)
{
    for (size_t i = 0; i < s->member_count; i++) {
        if (s->members[i].socket == socket)
            return &s->members[i];
    }
    return NULL;
}

struct sim_member *sim_server_find(struct sim_server *s, const char *id)
{
    for (size_t i = 0; i < s->member_count; i++) {
        if (strcmp(s->members[i].id, id) == 0)
            return &s->members[i];
    }
    return NULL;
}

struct sim_member *sim_server_named(struct sim_server *s, const char *name)
{
    for (size_t i = s->member_count; i-- > 0;) {
        if (strcmp(s->members[i].name, name) == 0)
            return &s->members[i];
    }
    return NULL;
}

/* --- what others are told --- */

static json_t *participant_of(const struct sim_member *m)
{
    json_t *tracks = json_array();
    if (m->microphone)
        json_array_append_new(tracks,
                              json_pack("{ss sb}", "source", "microphone", "muted", (int)m->muted));
    if (m->camera)
        json_array_append_new(tracks, json_pack("{ss sb}", "source", "camera", "muted", 0));
    return json_pack("{ss ss ss sb so}", "id", m->id, "name", m->name, "kind", "guest", "connected",
                     (int)(m->socket != 0), "tracks", tracks);
}

static void tell_room(struct sim_server *s, const struct sim_member *about, const char *op)
{
    s->seq++;
    bool left = strcmp(op, "participant-left") == 0;
    for (size_t i = 0; i < s->member_count; i++) {
        struct sim_member *m = &s->members[i];
        if (m == about || strcmp(m->room, about->room) != 0)
            continue;
        json_t *participant = left ? json_string(about->id) : participant_of(about);
        say(s, m->socket,
            json_pack("{ss sI so}", "op", op, "seq", s->seq, "participant", participant));
    }
}

/* --- slots --- */

static bool may_show(struct sim_server *s, const struct sim_member *viewer, const char *id,
                     enum media_kind kind)
{
    const struct sim_member *p = sim_server_find(s, id);
    if (p == NULL || p == viewer || strcmp(p->room, viewer->room) != 0)
        return false;
    return kind == MEDIA_VIDEO ? p->camera : p->microphone && !p->muted;
}

static struct sim_slot *showing(struct sim_member *viewer, const char *id, enum media_kind kind)
{
    for (size_t i = 0; i < viewer->slot_count; i++) {
        struct sim_slot *slot = &viewer->slots[i];
        if (slot->kind == kind && strcmp(slot->publisher, id) == 0)
            return slot;
    }
    return NULL;
}

static uint8_t layer_for(int height)
{
    return height <= 180 ? 0 : height <= 360 ? 1 : 2;
}

struct wish {
    const char *id;
    uint8_t layer;
};

static size_t wishes_of(struct sim_server *s, struct sim_member *viewer, enum media_kind kind,
                        struct wish *ret)
{
    size_t count = 0;
    if (kind == MEDIA_VIDEO && viewer->has_view) {
        for (size_t i = 0; i < viewer->view_count; i++) {
            if (may_show(s, viewer, viewer->view[i].id, kind))
                ret[count++] = (struct wish){ .id = viewer->view[i].id,
                                              .layer = layer_for(viewer->view[i].height) };
        }
        return count;
    }
    for (size_t i = 0; i < s->member_count; i++) {
        if (may_show(s, viewer, s->members[i].id, kind))
            ret[count++] = (struct wish){ .id = s->members[i].id, .layer = 2 };
    }
    return count;
}

static bool fill_kind(struct sim_server *s, struct sim_member *viewer, enum media_kind kind,
                      bool *ret_layers)
{
    struct wish wishes[SIM_MEMBERS_MAX + SIM_VIEW_MAX];
    size_t count = wishes_of(s, viewer, kind, wishes), room = 0;
    bool changed = false;
    for (size_t i = 0; i < viewer->slot_count; i++)
        room += viewer->slots[i].kind == kind;
    count = MIN(count, room);
    for (size_t i = 0; i < viewer->slot_count; i++) { /* who is not wanted any more goes */
        struct sim_slot *slot = &viewer->slots[i];
        bool wanted = slot->kind != kind || slot->publisher[0] == '\0';
        for (size_t k = 0; k < count && !wanted; k++)
            wanted = strcmp(wishes[k].id, slot->publisher) == 0;
        if (!wanted)
            slot->publisher[0] = '\0';
        changed = changed || !wanted;
    }
    for (size_t i = 0; i < count; i++) {
        struct sim_slot *slot = showing(viewer, wishes[i].id, kind);
        if (slot == NULL) {
            slot = showing(viewer, "", kind);
            check(slot != NULL);
            snprintf(slot->publisher, sizeof slot->publisher, "%s", wishes[i].id);
            changed = true;
        }
        *ret_layers = *ret_layers || slot->layer != wishes[i].layer;
        slot->layer = wishes[i].layer;
    }
    return changed;
}

static json_t *slots_of(const struct sim_member *m)
{
    json_t *slots = json_array();
    for (size_t i = 0; i < m->slot_count; i++) {
        const struct sim_slot *slot = &m->slots[i];
        const char *kind = slot->kind == MEDIA_VIDEO ? "video" : "audio";
        const char *source = slot->kind == MEDIA_VIDEO ? "camera" : "microphone";
        json_array_append_new(
            slots, slot->publisher[0] == '\0'
                       ? json_pack("{ss ss sn}", "mid", slot->mid, "kind", kind, "participant")
                       : json_pack("{ss ss ss ss}", "mid", slot->mid, "kind", kind, "participant",
                                   slot->publisher, "source", source));
    }
    return slots;
}

static void set_slots(struct sim_server *s, struct sim_member *viewer)
{
    struct sim_slot slots[SIM_SLOTS_MAX];
    memcpy(slots, viewer->slots, viewer->slot_count * sizeof slots[0]);
    for (size_t i = 0; i + 1 < viewer->slot_count && s->lies; i++) {
        if (slots[i].kind != slots[i + 1].kind || (i > 0 && slots[i - 1].kind == slots[i].kind))
            continue;
        memcpy(slots[i].publisher, viewer->slots[i + 1].publisher, SIM_NAME_MAX);
        memcpy(slots[i + 1].publisher, viewer->slots[i].publisher, SIM_NAME_MAX);
    }
    if (!s->forgets)
        sim_node_set_slots(s->node, viewer->room, viewer->id, slots, viewer->slot_count, s->now);
}

static void fill_slots(struct sim_server *s, struct sim_member *viewer)
{
    bool layers = false;
    bool changed = fill_kind(s, viewer, MEDIA_AUDIO, &layers);
    changed = fill_kind(s, viewer, MEDIA_VIDEO, &layers) || changed;
    if (changed || layers)
        set_slots(s, viewer);
    if (changed)
        say(s, viewer->socket, json_pack("{ss so}", "op", "slots", "slots", slots_of(viewer)));
}

static void fill_room(struct sim_server *s, const char *room)
{
    for (size_t i = 0; i < s->member_count; i++) {
        if (strcmp(s->members[i].room, room) == 0)
            fill_slots(s, &s->members[i]);
    }
}

/* --- coming and going --- */

static void drop_member(struct sim_server *s, struct sim_member *m)
{
    struct sim_member gone = *m;
    sim_node_leave(s->node, m->room, m->id, s->now);
    *m = s->members[--s->member_count];
    tell_room(s, &gone, "participant-left");
    fill_room(s, gone.room);
}

static json_t *welcome(struct sim_server *s, struct sim_member *m, const char *op, json_int_t id)
{
    snprintf(m->resume, sizeof m->resume, "resume-%u", ++s->tokens);
    json_t *participants = json_array();
    for (size_t i = 0; i < s->member_count; i++) {
        if (strcmp(s->members[i].room, m->room) == 0)
            json_array_append_new(participants, participant_of(&s->members[i]));
    }
    return json_pack("{ss sI ss ss sI ss si ss so so}", "op", op, "id", id, "participant", m->id,
                     "room", m->room, "seq", s->seq, "resume", m->resume, "resume_window_ms", 30000,
                     "signald", "signald-1", "participants", participants, "slots", slots_of(m));
}

static void refuse(struct sim_server *s, unsigned socket, json_int_t id, const char *error)
{
    say(s, socket,
        json_pack("{ss sI ss ss}", "op", "error", "id", id, "error", error, "message",
                  "as the script has it"));
}

static const char *text_of(json_t *m, const char *key)
{
    const char *text = json_string_value(json_object_get(m, key));
    return text == NULL ? "" : text;
}

static void on_join(struct sim_server *s, unsigned socket, json_int_t id, json_t *message)
{
    static char answer[SIM_ANSWER_MAX];
    s->joins++;
    if (s->refuse_join[0] != '\0') {
        refuse(s, socket, id, s->refuse_join);
        return;
    }
    check(s->member_count < SIM_MEMBERS_MAX && on_socket(s, socket) == NULL);
    check(text_of(message, "token")[0] != '\0');
    struct sim_member *m = &s->members[s->member_count];
    *m = (struct sim_member){ .socket = socket, .gone_at = USEC_NEVER };
    snprintf(m->id, sizeof m->id, "p_%u", s->joins);
    snprintf(m->name, sizeof m->name, "%s", text_of(message, "name"));
    snprintf(m->room, sizeof m->room, "%s", text_of(message, "room"));
    enum err err = sim_node_join(s->node, m->room, m->id, text_of(message, "sdp"), answer, m->slots,
                                 &m->slot_count, s->now);
    if (err != OK) {
        refuse(s, socket, id, "bad-sdp");
        return;
    }
    s->member_count++;
    tell_room(s, m, "participant-joined");
    json_t *reply = welcome(s, m, "joined", id);
    json_object_set_new(reply, "sdp", json_string(answer));
    say(s, socket, reply);
    fill_room(s, m->room);
}

static void on_resume(struct sim_server *s, unsigned socket, json_int_t id, json_t *message)
{
    s->resumes++;
    struct sim_member *m = NULL;
    for (size_t i = 0; i < s->member_count; i++) {
        if (strcmp(s->members[i].resume, text_of(message, "resume")) == 0)
            m = &s->members[i];
    }
    if (m == NULL || s->refuse_resume[0] != '\0') {
        refuse(s, socket, id, m == NULL ? "resume-expired" : s->refuse_resume);
        return;
    }
    m->socket = socket;
    m->gone_at = USEC_NEVER;
    say(s, socket, welcome(s, m, "resumed", id));
    tell_room(s, m, "participant-updated");
}

static void on_publish(struct sim_server *s, struct sim_member *m, json_t *message)
{
    s->publishes++;
    if (strcmp(text_of(message, "source"), "camera") == 0) {
        m->camera = true;
    } else {
        m->microphone = true;
        m->muted = json_is_true(json_object_get(message, "muted"));
    }
    tell_room(s, m, "participant-updated");
    fill_room(s, m->room);
}

static void on_view(struct sim_server *s, struct sim_member *m, json_t *message)
{
    json_t *entry;
    size_t i;
    s->views++;
    m->has_view = true;
    m->view_count = 0;
    json_array_foreach(json_object_get(message, "video"), i, entry)
    {
        check(m->view_count < SIM_VIEW_MAX);
        snprintf(m->view[m->view_count].id, SIM_NAME_MAX, "%s", text_of(entry, "participant"));
        m->view[m->view_count++].height = (int)json_integer_value(json_object_get(entry, "height"));
    }
    fill_slots(s, m);
}

static void on_member_request(struct sim_server *s, struct sim_member *m, const char *op,
                              json_t *message)
{
    if (strcmp(op, "publish") == 0) {
        on_publish(s, m, message);
    } else if (strcmp(op, "view") == 0) {
        on_view(s, m, message);
    } else if (strcmp(op, "leave") == 0) {
        s->leaves++;
        s->hang_up(s->data, m->socket, 1000);
        drop_member(s, m);
    } else {
        check(!"a request that bots do not make");
    }
}

void sim_server_on_text(struct sim_server *s, unsigned socket, const char *text)
{
    json_t *message = json_loads(text, 0, NULL);
    json_int_t id = json_integer_value(json_object_get(message, "id"));
    const char *op = text_of(message, "op");
    struct sim_member *m = on_socket(s, socket);
    check(message != NULL && id > 0 && strlen(text) <= 262144);
    if (s->odd && m == NULL) {
        say(s, socket, json_pack("{ss sI}", "op", "ok", "id", id));
    } else if (strcmp(op, "join") == 0) {
        on_join(s, socket, id, message);
    } else if (strcmp(op, "resume") == 0) {
        on_resume(s, socket, id, message);
    } else if (m == NULL) {
        refuse(s, socket, id, "not-joined");
    } else {
        say(s, socket, json_pack("{ss sI}", "op", "ok", "id", id));
        on_member_request(s, m, op, message);
    }
    json_decref(message);
}

void sim_server_on_gone(struct sim_server *s, unsigned socket)
{
    struct sim_member *m = on_socket(s, socket);
    if (m == NULL)
        return;
    m->socket = 0;
    m->gone_at = s->now;
    tell_room(s, m, "participant-updated");
}

void sim_server_on_media(struct sim_server *s, const char *participant, const char *state)
{
    struct sim_member *m = sim_server_find(s, participant);
    if (m != NULL)
        say(s, m->socket, json_pack("{ss ss}", "op", "media", "state", state));
}

void sim_server_on_layers(struct sim_server *s, const char *participant, bool is_camera, int max)
{
    struct sim_member *m = sim_server_find(s, participant);
    if (m != NULL)
        say(s, m->socket,
            json_pack("{ss ss si}", "op", "layers", "source", is_camera ? "camera" : "screen",
                      "max", max));
}

void sim_server_tick(struct sim_server *s)
{
    for (size_t i = s->member_count; i-- > 0;) {
        if (s->members[i].gone_at != USEC_NEVER && s->now >= s->members[i].gone_at + WINDOW)
            drop_member(s, &s->members[i]);
    }
}

usec sim_server_deadline(const struct sim_server *s)
{
    usec at = USEC_NEVER;
    for (size_t i = 0; i < s->member_count; i++) {
        if (s->members[i].gone_at != USEC_NEVER)
            at = MIN(at, s->members[i].gone_at + WINDOW);
    }
    return at;
}

void sim_server_look(struct sim_server *s, struct sim_member *m, uint64_t random)
{
    static const int heights[] = { 90, 180, 360, 720 };
    m->has_view = true;
    m->view_count = 0;
    size_t first = splitmix_next(&random) % s->member_count;
    for (size_t i = 0; i < s->member_count; i++) {
        const struct sim_member *other = &s->members[(first + i) % s->member_count];
        uint64_t dice = splitmix_next(&random);
        if (!may_show(s, m, other->id, MEDIA_VIDEO) || (dice & 3) == 0)
            continue;
        snprintf(m->view[m->view_count].id, SIM_NAME_MAX, "%s", other->id);
        m->view[m->view_count++].height = heights[(dice >> 8) % ARRAY_LEN(heights)];
    }
    fill_slots(s, m);
}
