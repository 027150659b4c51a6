/* tcp_framing.h - datagrams on a TCP connection: two bytes of length before each (RFC 4571 §2, as
 * ICE-TCP uses it: RFC 6544 §3).
 *
 *      0                   1
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5
 *     +-------------------------------+-----------------
 *     |    length, without itself     |  one datagram …
 *     +-------------------------------+-----------------
 *
 * Pure. The reader takes a stream apart in the memory it arrived in; the queue holds whole frames
 * on their way out: what does not fit as a whole is not there at all, so framing never breaks.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RTC_TCP_FRAMING_H
#define RTC_TCP_FRAMING_H

#include "common/bytes.h"

enum { TCP_FRAME_HEADER_LEN = 2, TCP_FRAME_LEN_MAX = UINT16_MAX };

/* Received bytes and what is left of them. Zero-initialise and give it memory. */
struct frame_reader {
    /* given */
    uint8_t *data; /* borrowed; holds at least one frame of frame_max with its header */
    size_t capacity;
    size_t frame_max; /* a longer one is ERR_MALFORMED: the stream is of no use after it */
    /* derived */
    size_t at, len; /* [at, len) has arrived and was not handed out */
};

/* Moves what is left to the start (frames handed out before are void) and returns the room behind
 * it, always more than nothing once frame_reader_next() has said ERR_TRUNCATED. */
uint8_t *frame_reader_room(struct frame_reader *r, size_t *ret_capacity);
/* So many bytes were put there. */
void frame_reader_added(struct frame_reader *r, size_t len);
/* The next frame, writable and in place until the next frame_reader_room(). Empty frames are legal
 * (RFC 4571 §2: the null packet) and left out. ERR_TRUNCATED: more has to arrive first.
 * ERR_MALFORMED: longer than frame_max. */
MUST_USE enum err frame_reader_next(struct frame_reader *r, uint8_t **ret, size_t *ret_len);

/* Frames that wait for the socket. Zero-initialise and give it memory. */
struct frame_queue {
    /* given */
    uint8_t *data; /* borrowed */
    size_t capacity;
    /* derived */
    size_t at, len; /* [at, len) waits; `at` may be in the middle of a frame */
};

/* Appends one frame. ERR_FULL: no room for all of it, and nothing was done. ERR_MALFORMED: empty,
 * or longer than a frame can be. Cost: one copy, and now and then a move of what waits. */
MUST_USE enum err frame_queue_put(struct frame_queue *q, struct bytes datagram);
/* What waits, to be sent in this order. */
static inline struct bytes frame_queue_waiting(const struct frame_queue *q)
{
    return bytes_of(q->data + q->at, q->len - q->at);
}
/* The first `len` bytes of it went out. */
void frame_queue_sent(struct frame_queue *q, size_t len);

#endif
