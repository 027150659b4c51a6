/* data_rooms.h - application data between the participants of a room: SCTP associations, their
 * channels, and who gets which message.
 *
 * A participant opens channels (RFC 8832); a channel's label is a topic. Each message begins with
 * an envelope, always in a binary SCTP message:
 *
 *     0      1          2 …
 *     kind   name len   name            payload …
 *     0 bytes, 1 text (UTF-8): to the participant of that name, or to the whole room if it is
 * empty; arrived, the name is the sender's. 2 error: the name is its id, the payload whom it
 * concerns.
 *
 * The receiver gets it in a channel of the same label and manner, which is opened for it if need
 * be. Limits are per participant, those of channels too: its own do not take the places of those
 * that it is given, and the room's topics (data_topics.h) have room for more than one participant
 * may hold. Who is slow loses lossy messages, and the reliable channel that
 * is full: it is closed, and stays so until the receiver opens it again. Others do not notice.
 *
 * Owned by the association thread, like all of SCTP (core/sctp.h).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SFUD_CORE_DATA_ROOMS_H
#define SFUD_CORE_DATA_ROOMS_H

#include "common/base.h"
#include "common/bytes.h"
#include "core/data_topics.h"
#include "limits.h"

#include <stdatomic.h>

enum data_kind { DATA_BYTES, DATA_TEXT, DATA_ERROR };

enum {
    /* Channels that one participant opens, and topics that it holds: opens, or sends in. */
    DATA_TOPICS_OWN_MAX = 16,
    DATA_ENVELOPE_MAX = 2 + PARTICIPANT_KEY_MAX,
    DATA_PAYLOAD_MAX = 16000, /* with any envelope it fits a message of SCTP_MESSAGE_MAX */
    /* What one participant may send. Cursors of a drawing board at 60 a second, and a few topics;
     * a burst of 2,000 is a document that is loaded. */
    DATA_MESSAGES_PER_SEC = 500,
    DATA_MESSAGES_BURST = 2000,
    DATA_BYTES_PER_SEC = 256 * 1024,
    DATA_BYTES_BURST = 1024 * 1024,
};
/* More than that is told once in so long. */
#define DATA_LIMITED_INTERVAL MILLIS(100)
/* Who is told why a channel ends has so long to hear it: browsers throw away what comes just before
 * the end. A stream of theirs may take its time, one of ours is needed again. */
#define DATA_REFUSED_TIME SECONDS(1)
#define DATA_ENDED_TIME   MILLIS(100)

/* Errors that a sender is told of, in the channel it sent in. */
#define DATA_ERROR_FORBIDDEN    "forbidden"    /* no grant to publish data */
#define DATA_ERROR_RATE_LIMITED "rate-limited" /* dropped: too many messages, or bytes */
#define DATA_ERROR_NOT_FOUND    "not-found"    /* nobody of that name is here, or takes data */
#define DATA_ERROR_BAD_REQUEST  "bad-request"  /* no envelope */
#define DATA_ERROR_TOO_LARGE    "too-large"    /* more than DATA_PAYLOAD_MAX */
/* The same for who opens a channel; then it is closed. */
#define DATA_ERROR_TOO_MANY_TOPICS  "too-many-topics"  /* it holds DATA_TOPICS_OWN_MAX */
#define DATA_ERROR_ROOM_TOPICS_FULL "room-topics-full" /* the room has DATA_TOPICS_MAX */
/* For who was given a channel: it is closed, since nobody holds the topic and others need the
 * place. */
#define DATA_ERROR_TOPIC_ENDED "topic-ended"

struct data_rooms;
struct data_member; /* one participant's half */

/* One for a process. NULL without memory. */
struct data_rooms *data_rooms_new(usec now);
void data_rooms_free(struct data_rooms *d);
/* SCTP's timers. */
void data_rooms_tick(struct data_rooms *d, usec now);
usec data_rooms_next_deadline(const struct data_rooms *d);

struct data_member_params {
    uint64_t room; /* who has the same number hears the others */
    char participant[PARTICIPANT_KEY_MAX + 1];
    bool is_allowed; /* to send */
    uint16_t sctp_port;
    uint32_t max_message_size; /* that the participant takes */
    bool is_even;              /* our stream ids: even for the DTLS client (RFC 8832 §6) */
};

/* NULL without memory. */
struct data_member *data_member_new(struct data_rooms *d, const struct data_member_params *params,
                                    usec now);
void data_member_free(struct data_member *m);
/* False when the association has ended. */
bool data_member_is_alive(const struct data_member *m);

/* One SCTP packet of the participant, and all that follows from it in the room. */
void data_member_receive(struct data_member *m, struct bytes packet, usec now);
/* The next SCTP packet for it; ask every member after each call that is not a query. */
bool data_member_next_packet(struct data_member *m, struct bytes *ret);

struct data_stats {
    _Atomic uint64_t members, messages_in, messages_out, errors, dropped_slow, closed_slow;
};
const struct data_stats *data_rooms_stats(const struct data_rooms *d);

#endif
