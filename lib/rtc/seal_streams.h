/* seal_streams.h - per-SSRC state of SRTP: highest index and replay window (RFC 3711 §3.3).
 *
 * Inside of the seal module. Pure; no memory is allocated after _init: a stream takes a place when
 * its first packet is seen, one of its own or one that many tables share.
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

/* Places for the streams of many tables, or of one. */
struct seal_memory {
    struct seal_stream *list; /* untouched until taken */
    uint32_t capacity;
    uint32_t touched;   /* places below were taken at least once */
    uint32_t free_head; /* index + 1, on through ssrc; 0: none */
};

/* Embedded. Finding is one hash probe. */
struct seal_streams {
    struct seal_memory *memory; /* borrowed; or owned, if is_owner */
    struct seal_stream *list;   /* the memory's */
    uint32_t *slots;            /* open addressing, slot_mask + 1; index in list + 1, 0 = free */
    size_t count, capacity;
    size_t slot_mask;
    bool is_owner;
};

/* memory: NULL: as much as needed of its own. false without memory; _done accepts that. */
MUST_USE bool seal_streams_init(struct seal_streams *t, struct seal_memory *memory,
                                size_t capacity);
void seal_streams_done(struct seal_streams *t);
/* Bytes in use beside itself. */
size_t seal_streams_memory(const struct seal_streams *t);

/* NULL if unknown. Pointers live until the stream is forgotten. */
struct seal_stream *seal_streams_find(const struct seal_streams *t, uint32_t ssrc);
/* An SSRC that was not found; NULL if the table or its memory is full. */
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
