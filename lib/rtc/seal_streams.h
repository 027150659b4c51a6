/* seal_streams.h - per-SSRC state of SRTP: highest index and replay window (RFC 3711 §3.3).
 *
 * Inside of the seal module. Pure; memory is taken once.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RTC_SEAL_STREAMS_H
#define RTC_SEAL_STREAMS_H

#include "rtc/seal.h"

#define SEAL_RTCP_WINDOW 64

struct seal_stream {
    uint32_t ssrc;
    bool has_rtp, has_rtcp;
    uint64_t rtp_highest;                /* 48-bit index */
    uint64_t rtp_seen[SEAL_WINDOW / 64]; /* bit index % SEAL_WINDOW, of the last SEAL_WINDOW */
    uint32_t rtcp_highest;               /* 31-bit index */
    uint64_t rtcp_seen;                  /* bit n: rtcp_highest - n */
};

/* Embedded. Finding is one hash probe; forgetting rebuilds the index. */
struct seal_streams {
    struct seal_stream *list; /* dense, capacity */
    uint16_t *slots;          /* open addressing, slot_mask + 1; list index + 1, 0 = free */
    size_t count, capacity;
    size_t slot_mask;
};

/* false without memory; _done accepts that. */
MUST_USE bool seal_streams_init(struct seal_streams *t, size_t capacity);
void seal_streams_done(struct seal_streams *t);

/* NULL if unknown. Pointers live until the next _forget. */
struct seal_stream *seal_streams_find(const struct seal_streams *t, uint32_t ssrc);
/* An SSRC that was not found; NULL if the table is full. */
struct seal_stream *seal_streams_add(struct seal_streams *t, uint32_t ssrc);
void seal_streams_forget(struct seal_streams *t, uint32_t ssrc);

/* RFC 3711 §3.3.1 and appendix A: the index nearest to the highest one so far. s may be NULL. */
uint64_t seal_stream_estimate(const struct seal_stream *s, uint16_t seq);

/* Was this index seen, or is it too old to know? */
bool seal_stream_is_replayed(const struct seal_stream *s, uint64_t index);
void seal_stream_note(struct seal_stream *s, uint64_t index);
bool seal_stream_is_rtcp_replayed(const struct seal_stream *s, uint32_t index);
void seal_stream_note_rtcp(struct seal_stream *s, uint32_t index);

#endif
