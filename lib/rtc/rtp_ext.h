/* rtp_ext.h - the header extensions of one negotiated session, by meaning instead of by number.
 *
 * Pure. Ids come from SDP (a=extmap) and are the same for all m-lines of a bundle (RFC 8285 §5).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RTC_RTP_EXT_H
#define RTC_RTP_EXT_H

#include "rtc/rtp.h"

enum rtp_ext_kind {
    RTP_EXT_NONE,
    RTP_EXT_MID,                     /* RFC 9143 */
    RTP_EXT_RID,                     /* RFC 8852 rtp-stream-id */
    RTP_EXT_REPAIRED_RID,            /* RFC 8852 repaired-rtp-stream-id */
    RTP_EXT_AUDIO_LEVEL,             /* RFC 6464 */
    RTP_EXT_ABS_SEND_TIME,           /* webrtc.org experiments, 24-bit 6.18 seconds */
    RTP_EXT_TRANSPORT_CC,            /* draft-holmer-rmcat-transport-wide-cc-extensions-01 */
    RTP_EXT_ABS_CAPTURE_TIME,        /* webrtc.org experiments */
    RTP_EXT_TOFFSET,                 /* RFC 5450 */
    RTP_EXT_VIDEO_ORIENTATION,       /* 3GPP TS 26.114 */
    RTP_EXT_PLAYOUT_DELAY,           /* webrtc.org experiments */
    RTP_EXT_DEPENDENCY_DESCRIPTOR,   /* AV1 RTP appendix A */
    RTP_EXT_VIDEO_LAYERS_ALLOCATION, /* webrtc.org experiments */
    RTP_EXT_KIND_COUNT,
};

#define RTP_EXT_BIT(kind) (1u << (kind))

/* id <-> kind for one session. Zero-initialised is empty. */
struct rtp_ext_map {
    uint8_t id_of[RTP_EXT_KIND_COUNT]; /* 0: not negotiated */
    uint8_t kind_of[256];              /* RTP_EXT_NONE: unknown id */
    bool allow_mixed;                  /* a=extmap-allow-mixed: two-byte form may be sent */
};

/* The URI of a kind, as extmap writes it; NULL for RTP_EXT_NONE. */
const char *rtp_ext_uri(enum rtp_ext_kind kind);
/* RTP_EXT_NONE for a URI we do not know. */
enum rtp_ext_kind rtp_ext_kind_from_uri(struct bytes uri);

/* OK, ERR_MALFORMED (id 0, 15 or > 255), or ERR_BAD_STATE (id or kind is already something else).
 * Adding the same pair again is OK. */
MUST_USE enum err rtp_ext_map_add(struct rtp_ext_map *m, enum rtp_ext_kind kind, unsigned id);

/* What one packet says. A field is meaningful only if its RTP_EXT_BIT is in `present`. */
struct rtp_ext_values {
    uint32_t present; /* RTP_EXT_BIT(kind), … */
    struct bytes mid; /* text, not zero terminated */
    struct bytes rid;
    struct bytes repaired_rid;
    uint8_t audio_level;    /* 0 loudest … 127 silence, -dBov */
    bool audio_voice;       /* the V bit */
    uint32_t abs_send_time; /* 24 bits, 6.18 fixed point seconds */
    uint16_t transport_seq;
    uint64_t abs_capture_time; /* NTP 32.32 */
    bool has_capture_offset;
    int64_t capture_offset;                        /* 32.32 signed; if has_capture_offset */
    int32_t toffset;                               /* 24 bits signed, RTP ticks */
    uint8_t video_orientation;                     /* 0000CFRR */
    uint16_t playout_delay_min, playout_delay_max; /* 12 bits, 10 ms each */
    struct bytes dependency_descriptor;
    struct bytes video_layers_allocation;
};

/* Reads every known element of a packet in one pass. Elements of wrong size are left out. */
void rtp_ext_read(const struct rtp_ext_map *m, const struct rtp_packet *p,
                  struct rtp_ext_values *ret);

/* Where the elements that change per send are: byte offsets of their *values* from the start of
 * the body that rtp_ext_write() wrote; 0 means absent (a value is never at offset 0). */
struct rtp_ext_offsets {
    uint16_t transport_seq;
    uint16_t abs_send_time;
};

/* Writes the body of an extension block (for rtp_packet.ext) with the ids of `m`: every kind that
 * is both in v->present and negotiated. A value that does not fit the one-byte form is sent in the
 * two-byte form if m->allow_mixed, else left out. Padded to 4 bytes.
 *
 * ret_profile  RTP_EXT_ONE_BYTE or RTP_EXT_TWO_BYTE
 * ret_offsets  may be NULL */
void rtp_ext_write(const struct rtp_ext_map *m, const struct rtp_ext_values *v, struct writer *w,
                   uint16_t *ret_profile, struct rtp_ext_offsets *ret_offsets);

/* Patches a body written before. offset is not 0. */
void rtp_ext_patch_transport_seq(uint8_t *body, uint16_t offset, uint16_t seq);
void rtp_ext_patch_abs_send_time(uint8_t *body, uint16_t offset, usec now);

/* 24-bit 6.18 seconds of a clock. */
uint32_t abs_send_time_of(usec now);

#endif
