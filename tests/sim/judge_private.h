/* judge_private.h - what the judge_*.c files share.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIM_JUDGE_PRIVATE_H
#define TESTS_SIM_JUDGE_PRIVATE_H

#include "judge.h"

#include "core/bot_private.h"
#include "rtc/seq.h"

enum {
    SENT_RING = 4096, /* packets, and retransmissions, remembered of each source; a power of two */
    SOURCES_MAX = 256,
    STREAMS_MAX = 2048,
    OUT_RING = 2048, /* numbers of a stream that are remembered, a power of two */
};

/* A packet as the publisher sent it. */
struct sent {
    int64_t seq; /* extended; -1: empty */
    uint32_t timestamp;
    uint64_t payload_hash;
    uint64_t stamp;
    usec arrived_at; /* at the node; USEC_NEVER: not yet */
    uint16_t frame_number;
    uint16_t references[2]; /* how many frames back those are that it needs; 0: none */
    uint8_t temporal_id, spatial_id;
    bool keyframe, frame_start, frame_end, marker;
    bool was_repeated;
};

/* A retransmission. How often a packet may be asked for has no limit that could be relied on: the
 * end of a stream is suspected anew whenever a packet of another one is missing. */
struct sent_again {
    int64_t seq; /* extended, of what it repeats; -1: empty */
    uint64_t stamp;
};

struct judged_source {
    uint32_t ssrc, rtx_ssrc;
    unsigned bot;
    enum media_kind kind;
    enum codec codec;
    uint8_t layer; /* of SVC: the lowest */
    bool is_svc;
    struct seq_unwrapper unwrapper;
    struct sent *ring;        /* SENT_RING */
    struct sent_again *again; /* SENT_RING, by RTX number */
};

/* What the node sent with one number. */
struct out_place {
    int64_t seq; /* -1: empty */
    uint32_t timestamp;
    bool arrived; /* what follows is known */
    bool marker;
    const struct judged_source *source;
    int64_t source_seq;
    bool has_vp8;
    uint16_t picture_id;
};

struct judged_stream {
    unsigned bot;
    uint32_t ssrc;
    enum media_kind kind;
    bool is_rtx;
    struct seq_unwrapper unwrapper;
    int64_t first;
    uint32_t first_timestamp, top_timestamp;
    usec first_at;
    uint64_t top_stamp;     /* of the highest number; 0: it had none */
    struct out_place *ring; /* OUT_RING; NULL: RTX */
};

struct judge {
    struct sim *sim;
    struct bot_tap tap;
    struct sim_watch watch;
    struct judged_source sources[SOURCES_MAX];
    unsigned source_count;
    struct judged_stream streams[STREAMS_MAX];
    unsigned stream_count;
    double lose_keyframes[SIM_BOTS_MAX];
    uint64_t random_state, hash, matched;
    char failure[JUDGE_TEXT_MAX];
};

/* NULL: no source has it. By its SSRC or that of its RTX. */
struct judged_source *judge_source(struct judge *j, uint32_t ssrc);
static inline struct sent *judge_sent_at(const struct judged_source *s, int64_t seq)
{
    struct sent *p = &s->ring[(uint64_t)seq & (SENT_RING - 1)];
    return seq >= 0 && p->seq == seq ? p : NULL;
}

/* judge_source.c: what one publisher's stream has sent. Both rings are made and freed there. */
void judge_source_init(struct judged_source *s);
void judge_source_free(struct judged_source *s);
/* A new packet; what it is, but for its number, is the caller's to fill in. */
struct sent *judge_source_add(struct judged_source *s, uint16_t seq, uint64_t stamp);
void judge_source_add_again(struct judged_source *s, uint16_t rtx_seq, uint16_t seq,
                            uint64_t stamp);
/* What a retransmission repeats. NULL: forgotten. */
struct sent *judge_source_repeated(const struct judged_source *s, uint16_t rtx_seq);
/* A retransmission of the packet left at that time. */
bool judge_source_was_repeated_at(const struct judged_source *s, const struct sent *p,
                                  wall_usec sent_at);
/* The lowest and highest number that was sent with this stamp, not 0, be it again; false: none. */
bool judge_source_span(const struct judged_source *s, uint64_t stamp, int64_t *ret_low,
                       int64_t *ret_high);

/* Of a payload without what a forwarder may rewrite. */
uint64_t judge_payload_hash(enum codec codec, struct bytes payload);

/* judge_output.c */
void judge_on_output(struct judge *j, unsigned bot, struct bytes datagram);
/* judge_arrival.c */
void judge_on_arrival(struct judge *j, unsigned bot, const struct sink *s,
                      const struct sink_packet *p);
struct judged_stream *judge_stream(struct judge *j, unsigned bot, uint32_t ssrc);
/* "bot 3, ssrc 12ab34cd video" */
const char *judge_name(const struct judged_stream *s);

#endif
