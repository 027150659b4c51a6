/* SPDX-License-Identifier: Apache-2.0 */
#include "io/request.h"

#include "common/whole_number.h"

#include <stdio.h>

static const char *const op_names[REQUEST_OP_COUNT] = {
    [REQUEST_PARTICIPANT_CREATE] = "participant.create",
    [REQUEST_PARTICIPANT_UPDATE] = "participant.update",
    [REQUEST_PARTICIPANT_REMOVE] = "participant.remove",
    [REQUEST_SLOTS_SET] = "slots.set",
    [REQUEST_TRACK_SET] = "track.set",
    [REQUEST_NODE_DRAIN] = "node.drain",
    [REQUEST_NODE_UNDRAIN] = "node.undrain",
};

const char *request_op_name(enum request_op op)
{
    check((unsigned)op < REQUEST_OP_COUNT);
    return op_names[op];
}

/* One parse: sticky failure, like struct reader. */
struct parse {
    const json_t *object;
    char *why; /* empty until something is wrong */
};

static void refuse(struct parse *p, const char *key, const char *what)
{
    if (p->why[0] == 0)
        (void)snprintf(p->why, REQUEST_WHY_MAX, "%s: %s", key, what);
}

static bool is_plain(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < 0x20 || text.data[i] == 0x7f)
            return false;
    }
    return true;
}

static struct bytes text_of(const json_t *value)
{
    return bytes_of(json_string_value(value), json_string_length(value));
}

/* A text of 1..max bytes without control characters, copied with a zero. */
static void take_text(struct parse *p, const json_t *value, const char *key, char *ret, size_t max)
{
    if (!json_is_string(value)) {
        refuse(p, key, value == NULL ? "missing" : "not a string");
        return;
    }
    struct bytes text = text_of(value);
    if (text.len == 0 || text.len > max)
        refuse(p, key, text.len == 0 ? "empty" : "too long");
    else if (!is_plain(text))
        refuse(p, key, "has control characters");
    else {
        memcpy(ret, text.data, text.len);
        ret[text.len] = 0;
    }
}

static void take_member(struct parse *p, const char *key, char *ret, size_t max)
{
    take_text(p, json_object_get(p->object, key), key, ret, max);
}

static int64_t take_integer(struct parse *p, const char *key, int64_t min, int64_t max)
{
    const json_t *value = json_object_get(p->object, key);
    int64_t n = min;
    if (!whole_number_read(value, min, max, &n))
        refuse(p, key,
               value == NULL            ? "missing"
               : is_whole_number(value) ? "out of range"
                                        : "not an integer");
    return n;
}

static bool take_source(struct parse *p, const json_t *value, const char *key, enum source *ret)
{
    if (json_is_string(value) && source_from_name(text_of(value), ret))
        return true;
    refuse(p, key, "not a source");
    return false;
}

static void take_room(struct parse *p, struct request *r)
{
    take_member(p, "room", r->room, ROOM_KEY_MAX);
    const char *slash = strchr(r->room, '/');
    if (slash == NULL || slash == r->room || slash[1] == 0 || strpbrk(r->room, "{}") != NULL)
        refuse(p, "room", "not <org>/<name>");
    take_member(p, "participant", r->participant, PARTICIPANT_KEY_MAX);
    if (strchr(r->participant, '/') != NULL)
        refuse(p, "participant", "has a slash");
}

static void take_sdp(struct parse *p, struct request *r)
{
    const json_t *value = json_object_get(p->object, "sdp");
    if (!json_is_string(value))
        refuse(p, "sdp", value == NULL ? "missing" : "not a string");
    else if (json_string_length(value) > SDP_TEXT_MAX)
        refuse(p, "sdp", "too long");
    else
        r->sdp = text_of(value);
}

static void take_sources(struct parse *p, struct request *r)
{
    json_t *sources = json_object_get(p->object, "sources"), *value;
    const char *mid;
    if (!json_is_object(sources)) {
        refuse(p, "sources", "not an object");
        return;
    }
    if (json_object_size(sources) > SOURCES_COUNT_MAX) {
        refuse(p, "sources", "too many");
        return;
    }
    json_object_foreach(sources, mid, value)
    {
        struct negotiation_source *s = &r->sources[r->source_count];
        size_t len = strlen(mid);
        if (len == 0 || len > SDP_MID_MAX) {
            refuse(p, "sources", "not a mid");
            return;
        }
        if (!take_source(p, value, "sources", &s->source))
            return;
        memcpy(s->mid, mid, len + 1);
        r->source_count++;
    }
}

static void take_allowed(struct parse *p, struct request *r)
{
    json_t *allowed = json_object_get(p->object, "allowed");
    if (!json_is_array(allowed) || json_array_size(allowed) > SOURCE_COUNT) {
        refuse(p, "allowed", "not a short array");
        return;
    }
    for (size_t i = 0; i < json_array_size(allowed); i++) {
        enum source source;
        if (take_source(p, json_array_get(allowed, i), "allowed", &source))
            r->allowed |= SOURCE_BIT(source);
    }
}

static void take_data_allowed(struct parse *p, struct request *r)
{
    const json_t *data = json_object_get(p->object, "data");
    if (data != NULL && !json_is_boolean(data))
        refuse(p, "data", "not a boolean");
    r->data_allowed = json_is_true(data);
}

/* "<participant>/<source>" */
static void take_track(struct parse *p, const json_t *value, struct slot_setting *s)
{
    if (!json_is_string(value)) {
        refuse(p, "track", "neither a string nor null");
        return;
    }
    struct bytes text = text_of(value);
    const uint8_t *slash = text.len == 0 ? NULL : memrchr(text.data, '/', text.len);
    size_t len = slash == NULL ? 0 : (size_t)(slash - text.data);
    if (len == 0 || len > PARTICIPANT_KEY_MAX || !is_plain(text) ||
        !source_from_name(bytes_of(slash + 1, text.len - len - 1), &s->source)) {
        refuse(p, "track", "not <participant>/<source>");
        return;
    }
    memcpy(s->participant, text.data, len);
    s->participant[len] = 0;
    s->has_track = true;
}

static void take_slot(struct parse *outer, const json_t *value, struct slot_setting *s)
{
    struct parse p = { .object = value, .why = outer->why };
    if (!json_is_object(value)) {
        refuse(outer, "slots", "not an array of objects");
        return;
    }
    take_member(&p, "mid", s->mid, SDP_MID_MAX);
    const json_t *track = json_object_get(value, "track");
    if (track != NULL && !json_is_null(track))
        take_track(&p, track, s);
    s->spatial_max = 2;
    if (json_object_get(value, "spatial_max") != NULL)
        s->spatial_max = (uint8_t)take_integer(&p, "spatial_max", 0, 2);
    if (json_object_get(value, "priority") != NULL)
        s->priority = (uint8_t)take_integer(&p, "priority", 0, 255);
}

static void take_slots(struct parse *p, struct request *r)
{
    r->version = (uint64_t)take_integer(p, "version", 0, INT64_MAX);
    const json_t *tell = json_object_get(p->object, "tell");
    if (tell != NULL && !json_is_boolean(tell))
        refuse(p, "tell", "not a boolean");
    r->tell_again = json_is_true(tell);
    json_t *slots = json_object_get(p->object, "slots");
    if (!json_is_array(slots) || json_array_size(slots) > TRANSPORT_MEDIA_MAX) {
        refuse(p, "slots", "not an array, or too long");
        return;
    }
    for (size_t i = 0; i < json_array_size(slots); i++)
        take_slot(p, json_array_get(slots, i), &r->slots[r->slot_count++]);
}

static void take_track_set(struct parse *p, struct request *r)
{
    (void)take_source(p, json_object_get(p->object, "source"), "source", &r->source);
    const json_t *muted = json_object_get(p->object, "muted");
    if (!json_is_boolean(muted))
        refuse(p, "muted", "not a boolean");
    r->muted = json_is_true(muted);
}

static bool take_op(struct parse *p, struct request *r)
{
    const json_t *op = json_object_get(p->object, "op");
    for (size_t i = 0; json_is_string(op) && i < REQUEST_OP_COUNT; i++) {
        if (strcmp(json_string_value(op), op_names[i]) == 0) {
            r->op = (enum request_op)i;
            return true;
        }
    }
    refuse(p, "op", "not known");
    return false;
}

static void take_body(struct parse *p, struct request *r)
{
    if (r->op == REQUEST_NODE_DRAIN || r->op == REQUEST_NODE_UNDRAIN)
        return;
    take_room(p, r);
    if (r->op == REQUEST_PARTICIPANT_CREATE || r->op == REQUEST_PARTICIPANT_UPDATE) {
        take_sdp(p, r);
        take_sources(p, r);
    }
    if (r->op == REQUEST_PARTICIPANT_CREATE) {
        take_allowed(p, r);
        take_data_allowed(p, r);
    } else if (r->op == REQUEST_SLOTS_SET)
        take_slots(p, r);
    else if (r->op == REQUEST_TRACK_SET)
        take_track_set(p, r);
}

/* Replies go to signald instances, and nowhere else that somebody might name. */
static bool is_reply_channel(const char *text)
{
    static const char prefix[] = "cc:signald:", suffix[] = ":replies";
    size_t len = strlen(text);
    return len > sizeof prefix + sizeof suffix - 2 &&
           strncmp(text, prefix, sizeof prefix - 1) == 0 &&
           strcmp(text + len - (sizeof suffix - 1), suffix) == 0;
}

enum err request_parse(struct bytes text, struct request *ret, char ret_why[REQUEST_WHY_MAX])
{
    *ret = (struct request){ 0 };
    ret_why[0] = 0;
    struct parse p = { .why = ret_why };
    json_error_t error;
    if (text.len > REQUEST_BYTES_MAX) {
        refuse(&p, "request", "too long");
        return ERR_MALFORMED;
    }
    ret->root = json_loadb((const char *)text.data, text.len, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(ret->root)) {
        refuse(&p, "request", "not a JSON object");
        return ERR_MALFORMED;
    }
    p.object = ret->root;
    take_member(&p, "id", ret->id, REQUEST_ID_MAX);
    take_member(&p, "reply", ret->reply, REQUEST_REPLY_MAX);
    if (!is_reply_channel(ret->reply)) {
        refuse(&p, "reply", "not a channel for replies");
        ret->reply[0] = 0;
    }
    ret->deadline_ms = take_integer(&p, "deadline", 0, INT64_MAX);
    if (take_op(&p, ret))
        take_body(&p, ret);
    return ret_why[0] == 0 ? OK : ERR_MALFORMED;
}

void request_done(struct request *r)
{
    json_decref(r->root);
    *r = (struct request){ 0 };
}

static char *dump(json_t *reply)
{
    char *text = reply == NULL ? NULL : json_dumps(reply, JSON_COMPACT);
    json_decref(reply);
    return text;
}

char *reply_write_ok(const char *id)
{
    return dump(json_pack("{s:s, s:b}", "id", id, "ok", 1));
}

char *reply_write_node(const char *id, const struct node_state *state)
{
    return dump(json_pack("{s:s, s:b, s:s, s:b, s:I, s:I}", "id", id, "ok", 1, "node", state->node,
                          "draining", state->is_draining, "rooms", (json_int_t)state->room_count,
                          "participants", (json_int_t)state->participant_count));
}

char *reply_write_error(const char *id, const char *error, const char *message)
{
    return dump(
        json_pack("{s:s, s:b, s:s, s:s}", "id", id, "ok", 0, "error", error, "message", message));
}

char *reply_write_answer(const char *id, struct bytes sdp, const struct negotiation_slot *slots,
                         size_t slot_count)
{
    json_t *list = json_array();
    for (size_t i = 0; list != NULL && i < slot_count; i++) {
        const char *kind = slots[i].kind == MEDIA_AUDIO ? "audio" : "video";
        (void)json_array_append_new(list,
                                    json_pack("{s:s, s:s}", "mid", slots[i].mid, "kind", kind));
    }
    return dump(json_pack("{s:s, s:b, s:s%, s:o}", "id", id, "ok", 1, "sdp", (const char *)sdp.data,
                          sdp.len, "slots", list));
}
