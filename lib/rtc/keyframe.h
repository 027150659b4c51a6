/* keyframe.h - does this RTP packet start a frame, and is it one a decoder can start with?
 * VP8 (RFC 7741), VP9 (RFC 9628), H.264 (RFC 6184), AV1 (AV1 RTP §4.4), or the dependency
 * descriptor where the payload is encrypted.
 *
 * Pure, stateless, per packet.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RTC_KEYFRAME_H
#define RTC_KEYFRAME_H

#include "rtc/codec.h"

struct frame_info {
    bool frame_start;    /* first packet of a frame (VP9: of a layer frame) */
    bool keyframe_start; /* first packet of a keyframe (H.264: SPS, or IDR without SPS before it) */
    bool parameter_sets; /* H.264: an SPS is in the packet */
    int8_t spatial_id;   /* -1: not said */
    int8_t temporal_id;  /* -1: not said */
    uint16_t width, height; /* VP8 keyframes; 0: not said */
};

/* OK, or ERR_TRUNCATED/ERR_MALFORMED for a payload that breaks its format. Audio and unknown
 * codecs: every packet is a frame start, never a keyframe. */
MUST_USE enum err frame_inspect(enum codec codec, struct bytes payload, struct frame_info *ret);

/* The same from a dependency descriptor's bytes. */
MUST_USE enum err frame_inspect_depdesc(struct bytes depdesc, struct frame_info *ret);

#endif
