/* message.c - see message.h. SPDX-License-Identifier: Apache-2.0 */
#include "message.h"

#include "common/ids.h"
#include "common/whole_number.h"

#include <stdarg.h>
#include <stdio.h>

static const char *const op_names[MESSAGE_OP_COUNT] = {
    "join", "resume", "publish", "unpublish", "mute", "view",
    "chat", "hand",   "remove",  "offer",     "ping", "leave",
};

static const char *const source_names[SOURCE_COUNT] = { "microphone", "camera", "screen",
                                                        "screen-audio" };

static const struct {
    const char *id;
    const char *sentence;
} errors[WIRE_ERROR_COUNT] = {
    [WIRE_BAD_JSON] = { "bad-json", "The message is not a JSON object in UTF-8." },
    [WIRE_BAD_MESSAGE] = { "bad-message", "A field is missing or of the wrong kind." },
    [WIRE_UNKNOWN_OP] = { "unknown-op", "This op is not known." },
    [WIRE_BINARY_NOT_SUPPORTED] = { "binary-not-supported", "Send text frames." },
    [WIRE_MESSAGE_TOO_BIG] = { "message-too-big", "A message may have 262144 bytes." },
    [WIRE_RATE_LIMITED] = { "rate-limited", "Too many messages: wait a little." },
    [WIRE_NOT_JOINED] = { "not-joined", "Join a room first." },
    [WIRE_ALREADY_JOINED] = { "already-joined", "This connection is in a room already." },
    [WIRE_BAD_TOKEN] = { "bad-token", "The token is not valid." },
    [WIRE_TOKEN_EXPIRED] = { "token-expired", "The token has expired." },
    [WIRE_BAD_ROOM_NAME] = { "bad-room-name", "A room name has 1 to 64 of the characters a-z 0-9 - "
                                              "_ . and starts with "
                                              "a letter or digit." },
    [WIRE_BAD_NAME] = { "bad-name", "A name has 1 to 64 printable characters." },
    [WIRE_BAD_TEXT] = { "bad-text", "A text has 1 to 4000 characters and no control characters." },
    [WIRE_BAD_SDP] = { "bad-sdp", "The SDP cannot be used." },
    [WIRE_FORBIDDEN] = { "forbidden", "The token or the role does not allow this." },
    [WIRE_NOT_FOUND] = { "not-found", "There is no such participant or track." },
    [WIRE_ROOM_FULL] = { "room-full", "The room is full." },
    [WIRE_RESUME_EXPIRED] = { "resume-expired", "It is too late to resume: join again." },
    [WIRE_NO_NODE] = { "no-node", "No media node can take a participant now." },
    [WIRE_NODE_TIMEOUT] = { "node-timeout", "The media node did not answer." },
    [WIRE_UNAVAILABLE] = { "unavailable", "The cluster cannot take changes right now." },
    [WIRE_INTERNAL] = { "internal", "Something went wrong on our side." },
};

const char *message_op_name(unsigned op)
{
    return op < MESSAGE_OP_COUNT ? op_names[op] : "unknown";
}

const char *source_name(enum source s)
{
    check(s < SOURCE_COUNT);
    return source_names[s];
}

enum source source_parse(const char *text)
{
    for (unsigned i = 0; text != NULL && i < SOURCE_COUNT; i++)
        if (strcmp(text, source_names[i]) == 0)
            return (enum source)i;
    return SOURCE_COUNT;
}

const char *wire_error_name(unsigned e)
{
    check(e < WIRE_ERROR_COUNT);
    return errors[e].id;
}

enum wire_error wire_error_parse(const char *text)
{
    for (unsigned i = 0; text != NULL && i < WIRE_ERROR_COUNT; i++)
        if (strcmp(text, errors[i].id) == 0)
            return (enum wire_error)i;
    return WIRE_INTERNAL;
}

const char *wire_error_sentence(enum wire_error e)
{
    check(e < WIRE_ERROR_COUNT);
    return errors[e].sentence;
}

/* The message being read, and the first thing that was wrong. */
struct parse {
    struct message *m;
    struct message_failure *why;
    bool failed;
};

static void fail(struct parse *p, enum wire_error error, const char *format, ...) PRINTF_LIKE(3, 4);
static void fail(struct parse *p, enum wire_error error, const char *format, ...)
{
    if (p->failed)
        return;
    p->failed = true;
    p->why->error = error;
    va_list args;
    va_start(args, format);
    vsnprintf(p->why->text, sizeof(p->why->text), format, args);
    va_end(args);
}

/* The value of a field; "absent" is NULL and also an explicit null of an optional field. */
static json_t *field(struct parse *p, const char *key, bool required)
{
    json_t *v = json_object_get(p->m->root, key);
    if (v == NULL && required)
        fail(p, WIRE_BAD_MESSAGE, "The field %s is missing.", key);
    return v;
}

static const char *text_field(struct parse *p, const char *key, bool required, size_t max)
{
    json_t *v = field(p, key, required);
    if (v == NULL)
        return NULL;
    if (!json_is_string(v)) {
        fail(p, WIRE_BAD_MESSAGE, "The field %s must be a string.", key);
        return NULL;
    }
    if (json_string_length(v) == 0 || json_string_length(v) > max) {
        fail(p, WIRE_BAD_MESSAGE, "The field %s must have 1 to %zu bytes.", key, max);
        return NULL;
    }
    return json_string_value(v);
}

static bool bool_field(struct parse *p, const char *key, bool required)
{
    json_t *v = field(p, key, required);
    if (v != NULL && !json_is_boolean(v))
        fail(p, WIRE_BAD_MESSAGE, "The field %s must be true or false.", key);
    return json_is_true(v);
}

static unsigned dimension_of(struct parse *p, json_t *object, const char *where, const char *key)
{
    json_t *v = json_object_get(object, key);
    if (v == NULL)
        return 0;
    int64_t n = 0;
    if (!whole_number_read(v, 0, DIMENSION_MAX, &n)) {
        fail(p, WIRE_BAD_MESSAGE, "The field %s%s must be an integer from 0 to %d.", where, key,
             DIMENSION_MAX);
        return 0;
    }
    return (unsigned)n;
}

static enum source source_field(struct parse *p)
{
    json_t *v = field(p, "source", true);
    enum source s = source_parse(json_string_value(v));
    if (v != NULL && s == SOURCE_COUNT)
        fail(p, WIRE_BAD_MESSAGE,
             "The field source must be microphone, camera, screen or screen-audio.");
    return s;
}

bool room_wire_name_read(const char *text, char ret[ROOM_WIRE_CHARS_MAX + 1])
{
    size_t len = strlen(text);
    bool is_good = len >= 1 && len <= ROOM_WIRE_CHARS_MAX;
    for (size_t i = 0; is_good && i < len; i++) {
        char c = text[i];
        if (c >= 'A' && c <= 'Z')
            c = (char)(c - 'A' + 'a');
        /* not first: no URL leads to the rooms "." and ".." */
        bool is_mark = i > 0 && (c == '-' || c == '_' || c == '.');
        is_good = is_mark || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        ret[i] = c;
    }
    ret[is_good ? len : 0] = 0;
    return is_good;
}

static void parse_room(struct parse *p)
{
    json_t *v = field(p, "room", true);
    if (v == NULL)
        return;
    if (!json_is_string(v)) {
        fail(p, WIRE_BAD_MESSAGE, "The field room must be a string.");
        return;
    }
    /* a text with a zero inside is longer than it looks */
    bool is_whole = strlen(json_string_value(v)) == json_string_length(v);
    if (!is_whole || !room_wire_name_read(json_string_value(v), p->m->room))
        fail(p, WIRE_BAD_ROOM_NAME, "%s", errors[WIRE_BAD_ROOM_NAME].sentence);
}

static void parse_name(struct parse *p)
{
    json_t *v = field(p, "name", false);
    if (v == NULL || json_is_null(v))
        return;
    if (!json_is_string(v)) {
        fail(p, WIRE_BAD_MESSAGE, "The field name must be a string.");
        return;
    }
    if (display_name_check(bytes_of(json_string_value(v), json_string_length(v))) != OK)
        fail(p, WIRE_BAD_NAME, "%s", errors[WIRE_BAD_NAME].sentence);
    p->m->name = json_string_value(v);
}

static void parse_offer(struct parse *p)
{
    p->m->sdp = text_field(p, "sdp", true, MESSAGE_BYTES_MAX);
    json_t *sources = field(p, "sources", true);
    if (sources == NULL)
        return;
    if (!json_is_object(sources) || json_object_size(sources) > SOURCES_MAX) {
        fail(p, WIRE_BAD_MESSAGE, "The field sources must be an object {mid: source}.");
        return;
    }
    bool seen[SOURCE_COUNT] = { false };
    const char *mid;
    json_t *v;
    json_object_foreach(sources, mid, v)
    {
        enum source s = source_parse(json_string_value(v));
        if (mid[0] == 0 || strlen(mid) > MID_BYTES_MAX)
            fail(p, WIRE_BAD_MESSAGE, "A mid in sources must have 1 to %d bytes.", MID_BYTES_MAX);
        else if (s == SOURCE_COUNT)
            fail(p, WIRE_BAD_MESSAGE, "The field sources names an unknown source.");
        else if (seen[s])
            fail(p, WIRE_BAD_MESSAGE, "The field sources names %s twice.", source_name(s));
        else
            seen[s] = true;
    }
    p->m->sources = sources;
}

static void parse_join(struct parse *p)
{
    p->m->token = text_field(p, "token", true, 8192);
    parse_room(p);
    parse_name(p);
    parse_offer(p);
}

static void parse_publish(struct parse *p)
{
    p->m->source = source_field(p);
    p->m->flag = bool_field(p, "muted", false);
    p->m->width = dimension_of(p, p->m->root, "", "width");
    p->m->height = dimension_of(p, p->m->root, "", "height");
}

static void parse_mute(struct parse *p)
{
    p->m->source = source_field(p);
    p->m->flag = bool_field(p, "muted", true);
    p->m->participant = text_field(p, "participant", false, 64);
}

static void parse_view_entry(struct parse *p, size_t index, json_t *v)
{
    char where[32];
    snprintf(where, sizeof(where), "video[%zu].", index);
    json_t *participant = json_object_get(v, "participant");
    enum source source = source_parse(json_string_value(json_object_get(v, "source")));
    unsigned width = dimension_of(p, v, where, "width");
    unsigned height = dimension_of(p, v, where, "height");
    if (!json_is_object(v))
        fail(p, WIRE_BAD_MESSAGE, "The field video[%zu] must be an object.", index);
    else if (!json_is_string(participant))
        fail(p, WIRE_BAD_MESSAGE, "The field %sparticipant must be a string.", where);
    else if (source != SOURCE_CAMERA && source != SOURCE_SCREEN)
        fail(p, WIRE_BAD_MESSAGE, "The field %ssource must be camera or screen.", where);
    if (p->failed || json_string_length(participant) > PARTICIPANT_ID_MAX)
        return; /* a longer id names nobody */
    struct view_entry *e = &p->m->view[p->m->view_count++];
    memcpy(e->participant, json_string_value(participant), json_string_length(participant) + 1);
    e->source = source;
    e->width = width;
    e->height = height;
}

static void parse_view(struct parse *p)
{
    json_t *video = field(p, "video", true);
    if (video == NULL)
        return;
    if (!json_is_array(video) || json_array_size(video) > VIEW_ENTRIES_MAX) {
        fail(p, WIRE_BAD_MESSAGE, "The field video must be an array of at most %d entries.",
             VIEW_ENTRIES_MAX);
        return;
    }
    size_t i;
    json_t *v;
    json_array_foreach(video, i, v) parse_view_entry(p, i, v);
}

static bool text_is_fine(const char *text, size_t len)
{
    size_t chars = 0;
    for (size_t at = 0; at < len; chars++) {
        uint32_t c;
        size_t n = utf8_decode(bytes_of(text + at, len - at), &c);
        if (n == 0 || c == 0x7f || (c < 0x20 && c != '\n' && c != '\t') || (c >= 0x80 && c < 0xa0))
            return false;
        at += n;
    }
    return chars >= 1 && chars <= CHAT_CHARS_MAX;
}

static void parse_chat(struct parse *p)
{
    json_t *v = field(p, "text", true);
    p->m->participant = text_field(p, "to", false, 64);
    if (v == NULL)
        return;
    if (!json_is_string(v))
        fail(p, WIRE_BAD_MESSAGE, "The field text must be a string.");
    else if (!text_is_fine(json_string_value(v), json_string_length(v)))
        fail(p, WIRE_BAD_TEXT, "%s", errors[WIRE_BAD_TEXT].sentence);
    p->m->text = json_string_value(v);
}

static void parse_fields(struct parse *p)
{
    switch (p->m->op) {
    case MESSAGE_JOIN:
        parse_join(p);
        break;
    case MESSAGE_RESUME:
        p->m->resume = text_field(p, "resume", true, 1024);
        break;
    case MESSAGE_PUBLISH:
        parse_publish(p);
        break;
    case MESSAGE_UNPUBLISH:
        p->m->source = source_field(p);
        break;
    case MESSAGE_MUTE:
        parse_mute(p);
        break;
    case MESSAGE_VIEW:
        parse_view(p);
        break;
    case MESSAGE_CHAT:
        parse_chat(p);
        break;
    case MESSAGE_HAND:
        p->m->flag = bool_field(p, "raised", true);
        p->m->participant = text_field(p, "participant", false, 64);
        break;
    case MESSAGE_REMOVE:
        p->m->participant = text_field(p, "participant", true, 64);
        break;
    case MESSAGE_OFFER:
        parse_offer(p);
        break;
    case MESSAGE_PING:
    case MESSAGE_LEAVE:
    case MESSAGE_OP_COUNT:
        break;
    }
}

static void parse_op(struct parse *p)
{
    json_t *v = field(p, "op", true);
    const char *op = json_string_value(v);
    if (v != NULL && op == NULL)
        fail(p, WIRE_BAD_MESSAGE, "The field op must be a string.");
    if (op == NULL)
        return;
    unsigned i = 0;
    while (i < MESSAGE_OP_COUNT && strcmp(op, op_names[i]) != 0)
        i++;
    p->m->op = (enum message_op)i;
    if (i == MESSAGE_OP_COUNT)
        fail(p, WIRE_UNKNOWN_OP, "The op '%.40s' is not known.", op);
}

static void parse_id(struct parse *p)
{
    json_t *v = field(p, "id", true);
    if (v == NULL)
        return;
    if (!whole_number_read(v, 1, INT32_MAX, &p->m->id)) {
        fail(p, WIRE_BAD_MESSAGE, "The field id must be an integer from 1 to 2147483647.");
        return;
    }
    p->why->id = p->m->id;
}

enum err message_parse(struct bytes text, struct message *ret, struct message_failure *ret_why)
{
    struct message m = { .source = SOURCE_COUNT };
    *ret_why = (struct message_failure){ .error = WIRE_BAD_JSON };
    struct parse p = { .m = &m, .why = ret_why };
    json_error_t error;
    if (text.len > 0)
        m.root = json_loadb((const char *)text.data, text.len, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(m.root))
        fail(&p, WIRE_BAD_JSON, "%s", errors[WIRE_BAD_JSON].sentence);
    if (!p.failed)
        parse_id(&p);
    if (!p.failed)
        parse_op(&p);
    if (!p.failed)
        parse_fields(&p);
    if (p.failed) {
        json_decref(m.root);
        return ERR_MALFORMED;
    }
    *ret = m;
    return OK;
}

void message_clear(struct message *m)
{
    json_decref(m->root);
    *m = (struct message){ .source = SOURCE_COUNT };
}

json_t *message_error(int64_t id, enum wire_error error, const char *text, usec retry_after)
{
    json_t *j = json_pack("{s:s}", "op", "error");
    check(j != NULL);
    if (id != 0)
        json_object_set_new(j, "id", json_integer(id));
    json_object_set_new(j, "error", json_string(wire_error_name(error)));
    json_t *sentence = json_string(text == NULL || text[0] == 0 ? errors[error].sentence : text);
    json_object_set_new(j, "message",
                        sentence != NULL ? sentence : json_string(errors[error].sentence));
    if (retry_after > 0)
        json_object_set_new(j, "retry_after_ms",
                            json_integer(MAX((int64_t)1, retry_after / USEC_PER_MS)));
    return j;
}

json_t *message_reply(int64_t id, const char *op)
{
    return json_pack("{s:s,s:I}", "op", op, "id", (json_int_t)id);
}
