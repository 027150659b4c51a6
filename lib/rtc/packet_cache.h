/* packet_cache.h - what is needed to answer a NACK: source payloads once per incoming stream, and
 * per slot a log of how each was sent (RFC 4588 retransmission is rebuilt on demand).
 *
 * Pure. Memory of both rings is given by the caller at init. A cached payload is a view whose
 * buffer the caller keeps alive: `owner` is its handle (a packet reference), handed back on
 * eviction.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RTC_PACKET_CACHE_H
#define RTC_PACKET_CACHE_H

#include "common/bytes.h"

enum {
    PACKET_CACHE_VIDEO_COUNT = 512, /* suggested ring sizes, powers of two */
    PACKET_CACHE_AUDIO_COUNT = 128,
    PACKET_CACHE_AGE_US = 1000000,
    SEND_LOG_VIDEO_COUNT = 512,
    SEND_LOG_AUDIO_COUNT = 128,
    SEND_PATCH_MAX = 8,
    RESEND_MAX = 3,
    RESEND_INTERVAL_MIN_US = 20000, /* spacing is max(this, 3/4 of the rtt): round trips vary */
};

struct cached_packet {
    int64_t seq; /* extended, of the source */
    usec stored_at;
    struct bytes payload; /* RTP payload as received */
    void *owner;          /* opaque; NULL: the place is empty */
    uint32_t timestamp;
    bool marker;
};

struct packet_cache {
    struct cached_packet *ring; /* borrowed, ring_count places */
    size_t ring_count;          /* a power of two */
    int64_t highest;
    int64_t oldest; /* no stored packet is older */
    bool started;
};

/* Clears the ring. */
void packet_cache_init(struct packet_cache *c, struct cached_packet *ring, size_t ring_count);

/* Stores p (p.owner not NULL). Returns the owner that lost its place, for the caller to release:
 * the evicted packet's, p's own if it is too old or already there, or NULL. */
void *packet_cache_put(struct packet_cache *c, const struct cached_packet *p);

/* NULL if it is not there. Valid until the next put/expire. */
const struct cached_packet *packet_cache_find(const struct packet_cache *c, int64_t seq);

/* Takes out one packet stored at or before `before`; NULL if there is none. Call until NULL.
 * before = USEC_NEVER empties the cache. Amortised O(1). */
void *packet_cache_expire(struct packet_cache *c, usec before);

/* One packet as a slot sent it. */
struct send_record {
    int64_t out_seq;    /* extended, of the slot's stream */
    int64_t source_seq; /* extended, of the source */
    uint32_t source;    /* caller's name for the source (stream handle) */
    uint32_t out_timestamp;
    bool marker;
    uint8_t payload_type;
    uint8_t patch_skip; /* bytes of the source payload that patch[] replaces */
    uint8_t patch_len;
    uint8_t patch[SEND_PATCH_MAX]; /* e.g. the rewritten VP8 descriptor */
    uint16_t frame_offset;         /* added to the frame number of its dependency descriptor … */
    uint8_t template_offset;       /* … and to its template id */
    /* derived */
    bool used;
    uint8_t resend_count;
    usec resent_at;
};

struct send_log {
    struct send_record *ring; /* borrowed */
    size_t ring_count;        /* a power of two */
    int64_t highest;
    int64_t gate; /* older than this is not served: a keyframe followed it */
    bool started;
};

void send_log_init(struct send_log *l, struct send_record *ring, size_t ring_count);
void send_log_clear(struct send_log *l);
/* r's derived fields are set here. out_seq may be lower than the highest (a late packet). */
void send_log_add(struct send_log *l, const struct send_record *r);
/* From now on nothing older than out_seq is served. */
void send_log_gate(struct send_log *l, int64_t out_seq);

/* The packet sent `back` numbers before the newest; NULL if it is not remembered. */
const struct send_record *send_log_recent(const struct send_log *l, unsigned back);

/* May this lost packet be sent again now? On OK it counts as sent.
 * ERR_NOT_FOUND (never sent, or forgotten), ERR_EXPIRED (behind the gate), ERR_FULL (RESEND_MAX
 * times already), ERR_BAD_STATE (asked again within the spacing). */
MUST_USE enum err send_log_serve(struct send_log *l, uint16_t out_seq, usec now, usec rtt_us,
                                 const struct send_record **ret);

/* It was sent after the last keyframe, but so long ago that its record has been used again. */
bool send_log_has_forgotten(const struct send_log *l, uint16_t out_seq);

/* The slot's payload for a record: patch, then the source payload behind patch_skip. The writer
 * fails if the payload is shorter than that. */
void send_record_write_payload(struct writer *w, const struct send_record *r,
                               struct bytes source_payload);
/* The RTX payload of RFC 4588 §4: original sequence number, then the same. */
void rtx_write_payload(struct writer *w, const struct send_record *r, struct bytes source_payload);
/* Takes an RTX payload apart. ERR_TRUNCATED if it has no original number; padding-only RTX is that.
 */
MUST_USE enum err rtx_parse_payload(struct bytes payload, uint16_t *ret_original_seq,
                                    struct bytes *ret_payload);

#endif
