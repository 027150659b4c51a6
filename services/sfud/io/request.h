/* request.h - what signald asks of a node: JSON to typed values, and the answers back
 * (docs/cluster.md, "signald <-> sfud").
 *
 * Pure: text in, values out. Members that are not known are ignored, so that a newer signald may
 * say more; what is known has to have the right type and size.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SFUD_IO_REQUEST_H
#define SFUD_IO_REQUEST_H

#include "core/negotiation.h"

#include <jansson.h>

enum {
    REQUEST_ID_MAX = 63,
    REQUEST_REPLY_MAX = 199,              /* "cc:signald:<id>:replies" */
    REQUEST_BYTES_MAX = 4 * SDP_TEXT_MAX, /* an escaped offer, and the rest */
    REQUEST_WHY_MAX = 120,
};

enum request_op {
    REQUEST_PARTICIPANT_CREATE,
    REQUEST_PARTICIPANT_UPDATE,
    REQUEST_PARTICIPANT_REMOVE,
    REQUEST_SLOTS_SET,
    REQUEST_TRACK_SET,
    REQUEST_NODE_DRAIN,
    REQUEST_NODE_UNDRAIN,
    REQUEST_OP_COUNT,
};

/* "participant.create", … */
const char *request_op_name(enum request_op op);

/* About 10 KiB. request_done() it after request_parse(), whatever that returned. */
struct request {
    char id[REQUEST_ID_MAX + 1];       /* empty: not even that could be read */
    char reply[REQUEST_REPLY_MAX + 1]; /* empty likewise: nobody to answer */
    int64_t deadline_ms;               /* wall clock */
    enum request_op op;
    char room[ROOM_KEY_MAX + 1];               /* but node.* */
    char participant[PARTICIPANT_KEY_MAX + 1]; /* but node.* */
    struct bytes sdp;                          /* CREATE, UPDATE; lives as long as the request */
    struct negotiation_source sources[SOURCES_COUNT_MAX];
    size_t source_count;
    uint32_t allowed;  /* CREATE: SOURCE_BIT mask */
    bool data_allowed; /* CREATE: to send in data channels */
    uint64_t version;  /* SLOTS_SET */
    bool tell_again;   /* SLOTS_SET */
    struct slot_setting slots[TRANSPORT_MEDIA_MAX];
    size_t slot_count;
    enum source source; /* TRACK_SET */
    bool muted;
    json_t *root; /* owned */
};

/* OK, or ERR_MALFORMED (also for limits) with a sentence in ret_why: answer `bad-request` if there
 * is somebody to answer. */
MUST_USE enum err request_parse(struct bytes text, struct request *ret,
                                char ret_why[REQUEST_WHY_MAX]);
void request_done(struct request *r);

/* Answers: a new text, the caller free()s it; NULL without memory. */
char *reply_write_ok(const char *id);
/* To node.drain and node.undrain: what is drained, and who is still there. */
struct node_state {
    const char *node;
    bool is_draining;
    size_t room_count, participant_count;
};
char *reply_write_node(const char *id, const struct node_state *state);
char *reply_write_error(const char *id, const char *error, const char *message);
/* With `sdp` and `slots`. */
char *reply_write_answer(const char *id, struct bytes sdp, const struct negotiation_slot *slots,
                         size_t slot_count);

#endif
