/* packetizer.h - one encoded video frame cut into RTP payloads.
 *
 * VP8 (RFC 7741, 15-bit picture id), VP9 (RFC 9628, flexible mode), H.264 (RFC 6184,
 * packetization-mode 1: single NAL units, STAP-A, FU-A), AV1 (AV1 RTP §4, no temporal delimiters).
 *
 * Pure, no allocation: an iterator over a borrowed frame. The same frame and payload_max always
 * give the same payloads, so a payload that was sent can be made again for RTX.
 *
 *   struct packetizer p;
 *   if (packetizer_init(&p, &frame, 1100) == OK)
 *       while (packetizer_next(&p, &w))
 *           send(w, marker = packetizer_is_done(&p));
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RTC_PACKETIZER_H
#define RTC_PACKETIZER_H

#include "rtc/codec.h"

enum {
    PACKETIZER_PAYLOAD_MIN = 64, /* the smallest payload_max */
    PACKETIZER_PARTS_MAX = 65535,
};

/* VP9: the place of a frame in a stream with several spatial layers, each twice as large as the one
 * below. */
struct packetizer_layer {
    uint8_t spatial_count; /* 0: not such a stream */
    uint8_t spatial_id;
    bool inter_layer;   /* refers to the layer below, in the same picture */
    bool not_for_upper; /* no layer above refers to it */
    bool has_structure; /* says how many layers there are, as keyframes do */
};

/* One frame to send (a temporal unit of AV1, an access unit of H.264). A plain value. */
struct packetizer_frame {
    enum codec codec;
    struct bytes data;   /* borrowed as long as a packetizer of it is used. VP8, VP9: a raw frame;
                          * H.264: Annex B; AV1: OBUs with sizes (low-overhead format) */
    bool keyframe;       /* refers to no picture before it */
    int8_t temporal_id;  /* -1: not said */
    bool layer_sync;     /* with a temporal id: depends on temporal layer 0 only */
    uint16_t picture_id; /* VP8, VP9: 15 bits, one more for each picture of the stream */
    uint8_t tl0_index;   /* VP8 with a temporal id: one more for each frame of layer 0 */
    uint8_t reference;   /* VP9: how many pictures back the newest one it needs is; 0 means 1 */
    uint16_t width, height; /* VP9 keyframes: goes into the scalability structure; 0: none. Of the
                             * lowest spatial layer */
    struct packetizer_layer layer;
};

struct packetizer {
    /* given */
    struct packetizer_frame frame;
    size_t payload_max;
    /* derived */
    unsigned count; /* payloads of the frame, at least 1 */
    unsigned index; /* of the next payload */
    size_t at;      /* in the frame: the NAL unit or OBU that comes next; VP8, VP9: the byte */
    size_t done;    /* bytes of that unit which have been cut off and sent */
};

/* frame        copied; its data is borrowed
 * payload_max  bytes of one RTP payload, at least PACKETIZER_PAYLOAD_MIN
 *
 * Walks the frame once, to count. OK, ERR_UNSUPPORTED (not a video codec), ERR_MALFORMED (empty, no
 * start code, OBUs that break their sizes), ERR_FULL (more than PACKETIZER_PARTS_MAX payloads). */
MUST_USE enum err packetizer_init(struct packetizer *p, const struct packetizer_frame *frame,
                                  size_t payload_max);

/* Appends the next payload: at most payload_max bytes. False: there is none, nothing is written.
 * A writer without room fails; the iterator moves on all the same. */
bool packetizer_next(struct packetizer *p, struct writer *w);

/* All payloads were taken: the newest one carries the marker bit. */
bool packetizer_is_done(const struct packetizer *p);

/* The next payload is number index (< count). Cost: VP8, VP9 none; else a walk over the frame. */
void packetizer_seek(struct packetizer *p, unsigned index);

#endif
