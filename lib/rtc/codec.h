/* codec.h - the codecs we forward, and when two payload formats carry the same thing.
 *
 * Pure. A format is a codec with the parameters that decide whether a decoder can take it
 * (RFC 7587 opus, RFC 2198 red, RFC 7741 VP8, RFC 9628 VP9, RFC 6184 H.264, AV1 RTP §7.2).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RTC_CODEC_H
#define RTC_CODEC_H

#include "common/bytes.h"

enum codec {
    CODEC_NONE, /* unknown or not forwarded: telephone-event, CN, ulpfec, flexfec, PCMU, H265, … */
    CODEC_OPUS,
    CODEC_RED, /* opus/48000/2 in RFC 2198 redundancy */
    CODEC_VP8,
    CODEC_VP9,
    CODEC_H264,
    CODEC_AV1,
    CODEC_RTX, /* RFC 4588; format.apt names the payload type it repairs */
    CODEC_COUNT,
};

enum media_kind {
    MEDIA_AUDIO,
    MEDIA_VIDEO,
    MEDIA_APPLICATION,
};

/* RTCP feedback a format uses, as bits (RFC 4585, RFC 5104, transport-wide-cc). */
enum rtcp_fb {
    RTCP_FB_NACK = 1 << 0,
    RTCP_FB_NACK_PLI = 1 << 1,
    RTCP_FB_CCM_FIR = 1 << 2,
    RTCP_FB_TRANSPORT_CC = 1 << 3,
    RTCP_FB_GOOG_REMB = 1 << 4,
};

/* One payload type of one peer. A plain value; zero is "no format". */
struct format {
    uint8_t codec; /* enum codec */
    uint8_t payload_type;
    uint8_t channels;           /* 1 unless rtpmap says otherwise */
    uint8_t apt;                /* CODEC_RTX: the repaired payload type. CODEC_RED: the opus one */
    uint8_t profile;            /* VP9 profile-id; AV1 profile; H.264: enum h264_profile */
    uint8_t level;              /* H.264 level_idc; else 0 */
    uint8_t packetization_mode; /* H.264: 0 or 1; else 0 */
    uint8_t feedback;           /* enum rtcp_fb bits */
    uint32_t clock_rate;        /* Hz */
};

/* What profile-level-id says, reduced to the profiles of RFC 7742 browsers. */
enum h264_profile {
    H264_PROFILE_UNKNOWN,
    H264_PROFILE_CONSTRAINED_BASELINE,
    H264_PROFILE_BASELINE,
    H264_PROFILE_MAIN,
    H264_PROFILE_CONSTRAINED_HIGH,
    H264_PROFILE_HIGH,
    H264_PROFILE_HIGH_444,
};

/* "opus", "VP8", …: the encoding name as rtpmap writes it. CODEC_NONE is "none". */
const char *codec_name(enum codec c);

/* By encoding name, case ignored. CODEC_NONE if it is not one of ours. */
enum codec codec_from_name(struct bytes name);

enum media_kind codec_kind(enum codec c);

/* Reads profile-level-id, six hex digits (RFC 6184 §8.1). ERR_MALFORMED if it is not that. */
MUST_USE enum err h264_profile_level_parse(struct bytes hex, enum h264_profile *ret_profile,
                                           uint8_t *ret_level_idc);

/* Whether bytes sent in format `a` may be forwarded to a receiver as format `b`: same codec,
 * clock, channels, VP9/AV1/H.264 profile and packetization mode. Payload types, levels and feedback
 * do not matter. */
bool format_matches(const struct format *a, const struct format *b);

/* The first of `count` formats that matches `wanted`, or NULL. */
const struct format *format_find(const struct format *formats, size_t count,
                                 const struct format *wanted);

#endif
