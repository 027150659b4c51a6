/* encoding.h - one incoming RTP stream of a track: what was lost, what can be sent again, when a
 * keyframe is needed.
 *
 * Pure; lives in the worker's pool, from the first packet of its SSRC until it has been silent for
 * ENCODING_FORGET_TIME. Owned by the publisher's track.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SFUD_CORE_ENCODING_H
#define SFUD_CORE_ENCODING_H

#include "core/forwarder.h"
#include "core/keyframe_request.h"
#include "core/pool.h"
#include "core/rate_meter.h"
#include "rtc/frame_layers.h"
#include "rtc/nack.h"
#include "rtc/packet_cache.h"
#include "rtc/red.h"

enum {
    ENCODING_CACHE_COUNT = PACKET_CACHE_VIDEO_COUNT,
    ENCODING_PRIMARY = 1, /* of RED, in the rate meter: the newest blocks alone */
};

/* A payload that outlives its pass, with what was known of its frame. */
struct cached_payload {
    handle self;
    struct frame_layers layers;
    struct payload_descriptor descriptor;
    uint8_t payload_type; /* the publisher's */
    bool has_orientation;
    uint8_t video_orientation; /* 0000CFRR, if has_orientation */
    uint8_t depdesc_len;       /* its dependency descriptor is behind the payload; 0: none */
    uint8_t data[DATAGRAM_SIZE_MAX];
};

struct encoding {
    handle self;
    handle track;
    uint8_t layer; /* 0 lowest */
    bool is_video;
    bool has_nack, has_pli, has_fir; /* feedback the publisher's format was negotiated with */
    uint32_t ssrc;
    uint32_t clock_rate;

    bool is_active; /* sent something within ENCODING_SILENT_TIME */
    usec packet_at;
    struct seq_unwrapper unwrapper; /* audio; video's is in nack */
    struct nack_generator nack;
    struct receive_stats stats;
    struct keyframe_request keyframe;
    usec keyframe_at; /* the last one began */
    usec waiters_at;  /* when to look for slots that wait for a keyframe */
    uint8_t fir_seq;
    struct media_clock clock; /* of the last sender report */
    struct layer_reader layers;
    bool in_keyframe;        /* the newest frame is one, or of its picture */
    uint32_t key_timestamp;  /* of the newest keyframe */
    struct rate_meter rates; /* by decode target; 0 is all if there are no layers */

    struct packet_cache cache; /* video */
    union {
        struct cached_packet ring[ENCODING_CACHE_COUNT]; /* video */
        struct red_history history;                      /* audio, for viewers with loss */
    };
};

void encoding_init(struct encoding *e, handle self, handle track, uint8_t layer, uint32_t ssrc,
                   const struct format *format);

/* The numbering begins anew: after a mute nothing is missing. That of sound goes on, with what was
 * dropped meanwhile. Empties the cache into `payloads`. */
void encoding_restart(struct encoding *e, struct pool *payloads);

/* A packet of the stream arrived or was restored. Returns its extended number. */
int64_t encoding_on_packet(struct encoding *e, uint16_t seq, bool keyframe_start, usec now);

/* The newest number that has arrived. */
static inline int64_t encoding_highest(const struct encoding *e)
{
    return e->has_nack ? e->nack.unwrapper.highest : e->unwrapper.highest;
}

/* What a cached packet has beside its payload. */
struct cached_frame {
    const struct frame_layers *layers;
    const struct payload_descriptor *descriptor;
    struct bytes depdesc;
    uint8_t payload_type;
    bool has_orientation;
    uint8_t video_orientation;
};

/* Keeps a copy for retransmission. False if it is there already: a duplicate. */
bool encoding_cache(struct encoding *e, struct pool *payloads, const struct cached_packet *p,
                    const struct cached_frame *frame);
/* Borrows from the cached packet. */
struct cached_frame encoding_cached_frame(const struct cached_packet *p);

/* Gives back payloads stored at or before `before`. */
void encoding_expire(struct encoding *e, struct pool *payloads, usec before);

#endif
