/* message.h - what clients say (docs/protocol.md): wire JSON to structs, and errors back.
 *
 * Pure but for jansson's allocations. Unknown fields are ignored, known ones are checked strictly,
 * and the sentence of a failure names the field.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SIGNALD_CORE_MESSAGE_H
#define SIGNALD_CORE_MESSAGE_H

#include "../limits.h"
#include "common/base.h"
#include "common/bytes.h"

#include <jansson.h>

enum message_op {
    MESSAGE_JOIN,
    MESSAGE_RESUME,
    MESSAGE_PUBLISH,
    MESSAGE_UNPUBLISH,
    MESSAGE_MUTE,
    MESSAGE_VIEW,
    MESSAGE_CHAT,
    MESSAGE_HAND,
    MESSAGE_REMOVE,
    MESSAGE_OFFER,
    MESSAGE_PING,
    MESSAGE_LEAVE,
    MESSAGE_OP_COUNT,
};
/* "join", …: the wire word and the metric label. */
const char *message_op_name(unsigned op);

/* Ordered as token_publish bits: source s may be published if mask & (1 << s). */
enum source {
    SOURCE_MICROPHONE,
    SOURCE_CAMERA,
    SOURCE_SCREEN,
    SOURCE_SCREEN_AUDIO,
    SOURCE_COUNT,
};
const char *source_name(enum source s);
/* SOURCE_COUNT if unknown (or NULL). */
enum source source_parse(const char *text);
static inline bool source_is_audio(enum source s)
{
    return s == SOURCE_MICROPHONE || s == SOURCE_SCREEN_AUDIO;
}

/* The stable error ids of docs/protocol.md. */
enum wire_error {
    WIRE_BAD_JSON,
    WIRE_BAD_MESSAGE,
    WIRE_UNKNOWN_OP,
    WIRE_BINARY_NOT_SUPPORTED,
    WIRE_MESSAGE_TOO_BIG,
    WIRE_RATE_LIMITED,
    WIRE_NOT_JOINED,
    WIRE_ALREADY_JOINED,
    WIRE_BAD_TOKEN,
    WIRE_TOKEN_EXPIRED,
    WIRE_BAD_ROOM_NAME,
    WIRE_BAD_NAME,
    WIRE_BAD_TEXT,
    WIRE_BAD_SDP,
    WIRE_FORBIDDEN,
    WIRE_NOT_FOUND,
    WIRE_ROOM_FULL,
    WIRE_RESUME_EXPIRED,
    WIRE_NO_NODE,
    WIRE_NODE_TIMEOUT,
    WIRE_UNAVAILABLE,
    WIRE_INTERNAL,
    WIRE_ERROR_COUNT,
};
const char *wire_error_name(unsigned e);
/* WIRE_INTERNAL if unknown. */
enum wire_error wire_error_parse(const char *text);
/* A room as clients name it, lowered. False: WIRE_BAD_ROOM_NAME. */
bool room_wire_name_read(const char *text, char ret[ROOM_WIRE_CHARS_MAX + 1]);
/* The sentence when there is nothing better to say. */
const char *wire_error_sentence(enum wire_error e);

struct view_entry {
    char participant[PARTICIPANT_ID_MAX + 1];
    enum source source;
    unsigned width, height; /* device pixels; 0 = not said */
};

/* One request. Texts are borrowed from root; message_clear() frees. Only the fields of its op are
 * set, the others are zero or NULL. */
struct message {
    json_t *root; /* owned */
    enum message_op op;
    int64_t id;
    const char *token;
    char room[ROOM_WIRE_CHARS_MAX + 1]; /* lowered */
    const char *name;                   /* NULL = as in the token */
    const char *sdp;
    json_t *sources; /* {mid: source}, borrowed */
    const char *resume;
    const char *text;
    const char
        *participant; /* whom it is about (mute, hand, remove), or chat's `to`; NULL = none */
    enum source source;
    bool flag; /* muted, raised */
    unsigned width, height;
    struct view_entry view[VIEW_ENTRIES_MAX];
    size_t view_count;
};

struct message_failure {
    enum wire_error error;
    int64_t id; /* of the request; 0 = could not be read */
    char text[192];
};

/* text: one frame, not kept. OK, or ERR_MALFORMED with ret_why filled (ret untouched). */
MUST_USE enum err message_parse(struct bytes text, struct message *ret,
                                struct message_failure *ret_why);
void message_clear(struct message *m);

/* {"op":"error",…}: a new reference. id 0 and retry_after 0 are left out; text NULL = the sentence.
 */
json_t *message_error(int64_t id, enum wire_error error, const char *text, usec retry_after);
/* {"op":op,"id":id}: ok and pong. */
json_t *message_reply(int64_t id, const char *op);

#endif
