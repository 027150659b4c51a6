/* sctp.h - SCTP over DTLS (RFC 8261) for data channels: libusrsctp as bytes and time.
 *
 * The library keeps one global state and allocates as it likes. Its one thread, for changes of
 * addresses (there are none before the end), sleeps; its timers are ours, but it also reads the
 * wall clock, to tell how old what it repeats is: losses are not repaired faster than in real time.
 * All in this file belongs to one thread, that of the association engine. Its calls back end in
 * queues: call one of the functions below, then take packets and messages until there are none.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SFUD_CORE_SCTP_H
#define SFUD_CORE_SCTP_H

#include "common/bytes.h"
#include "rtc/dcep.h"

enum {
    SCTP_STREAMS = 64,            /* each way; a participant has a handful of channels */
    SCTP_PACKET_MAX = 1150,       /* fits one DTLS record of DTLS_MTU */
    SCTP_MESSAGE_MAX = 16 * 1024, /* received; a longer one ends the association */
    /* What waits for one slow receiver at most: what one sender may send at once (data_rooms.h),
     * and some. Small messages cost the library some 700 bytes each. */
    SCTP_SEND_BUFFER = 1280 * 1024,
    SCTP_SEND_MESSAGES = 4096,
    SCTP_CONTROL_BUFFER = 16 * 1024,  /* more, for what opens and answers channels */
    SCTP_RECEIVE_BUFFER = 128 * 1024, /* parts of messages, per association */
    SCTP_ASSOCIATIONS_MAX = 64 * 1024,
};
#define SCTP_TICK MILLIS(10) /* the granularity of the library's timers */

/* Once, before the first sctp_new(), and after the last sctp_free(). It ends with false if the
 * library still holds something of an association; then it stays for the next beginning. */
void sctp_stack_begin(void);
bool sctp_stack_end(void);
/* Retransmissions, acknowledgements and the rest. elapsed: since the last call. */
void sctp_stack_tick(usec elapsed);

enum sctp_state {
    SCTP_CONNECTING,
    SCTP_CONNECTED,
    SCTP_ENDED, /* by the participant, by errors, by a message that is too long */
};

struct sctp; /* heap; freed by sctp_free() */

/* Begins an association to that port of the participant, from the same port of ours. NULL without
 * memory. */
struct sctp *sctp_new(uint16_t port);
/* Says ABORT; nobody can take that packet any more. NULL is fine. */
void sctp_free(struct sctp *s);
enum sctp_state sctp_state(const struct sctp *s);

/* One SCTP packet from the participant. */
void sctp_receive(struct sctp *s, struct bytes packet);
/* The next packet to send, of at most SCTP_PACKET_MAX; the view lives until the next call on s. */
bool sctp_next_packet(struct sctp *s, struct bytes *ret);

struct sctp_message {
    uint16_t stream;
    uint32_t ppid; /* enum dcep_ppid */
    bool is_reset; /* no message: the participant has closed this stream, and so have we */
    struct bytes data;
};
/* The next whole message received; the view lives until the next call on s. */
bool sctp_next_message(struct sctp *s, struct sctp_message *ret);

/* How a message is carried. */
struct sctp_manner {
    enum dcep_reliability reliability;
    uint32_t limit;
    bool ordered;
};

/* Sends one whole message. ERR_BAD_STATE: not connected; ERR_FULL: SCTP_SEND_BUFFER or
 * SCTP_SEND_MESSAGES wait already, which does not stop DCEP_PPID_CONTROL; ERR_SYSTEM: the library
 * refuses. */
MUST_USE enum err sctp_send(struct sctp *s, uint16_t stream, uint32_t ppid,
                            const struct sctp_manner *manner, struct bytes data);
/* Closes a channel: both directions of its stream (RFC 8831 §6.7). */
void sctp_close_stream(struct sctp *s, uint16_t stream);
/* One of the halves is still to be closed. */
bool sctp_is_closing(const struct sctp *s, uint16_t stream);

#endif
