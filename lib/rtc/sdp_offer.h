/* sdp_offer.h - writing the one offer of a client of ours (RFC 8829, RFC 9143, RFC 8853, RFC 8842).
 *
 *   struct sdp_offer -> sdp_write_offer() -> text for the server
 *                       the server's answer -> sdp_parse() -> sdp_remote_read_answer()
 *
 * Pure, nothing is allocated. All texts of the structs are borrowed for the call only.
 *
 * Payload types and extension ids are constants of ours, the same for every client and every m-line
 * of the bundle:
 *
 *   opus 111, red 112 · VP8 96 rtx 97 · VP9 98 rtx 99 · H264 102 rtx 103 · AV1 104 rtx 105
 *   extension id = enum rtp_ext_kind (1 to 12: the one-byte form always fits)
 *
 * How a server finds what we send: an m-line with rids signals no SSRC (RFC 8853 §5), its packets
 * carry the MID and RID extensions, their retransmissions MID and repaired RID. An m-line without
 * rids signals its SSRC and, with RTX, the FID pair; MID travels there too.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RTC_SDP_OFFER_H
#define RTC_SDP_OFFER_H

#include "rtc/sdp.h"

/* What is usual per kind of m-line. The video mask has all that simulcast needs. */
#define SDP_OFFER_AUDIO_EXTENSIONS                                                                 \
    (RTP_EXT_BIT(RTP_EXT_MID) | RTP_EXT_BIT(RTP_EXT_AUDIO_LEVEL) |                                 \
     RTP_EXT_BIT(RTP_EXT_ABS_SEND_TIME) | RTP_EXT_BIT(RTP_EXT_TRANSPORT_CC) |                      \
     RTP_EXT_BIT(RTP_EXT_ABS_CAPTURE_TIME))
#define SDP_OFFER_VIDEO_EXTENSIONS                                                                 \
    (RTP_EXT_BIT(RTP_EXT_MID) | RTP_EXT_BIT(RTP_EXT_RID) | RTP_EXT_BIT(RTP_EXT_REPAIRED_RID) |     \
     RTP_EXT_BIT(RTP_EXT_ABS_SEND_TIME) | RTP_EXT_BIT(RTP_EXT_TRANSPORT_CC) |                      \
     RTP_EXT_BIT(RTP_EXT_ABS_CAPTURE_TIME) | RTP_EXT_BIT(RTP_EXT_DEPENDENCY_DESCRIPTOR))

/* One m-line of ours. All texts are SDP tokens chosen by us, zero terminated. */
struct sdp_offer_media {
    enum media_kind kind; /* MEDIA_AUDIO or MEDIA_VIDEO */
    const char *mid;      /* at most SDP_MID_MAX */
    enum sdp_direction direction;
    enum codec codecs[CODEC_COUNT]; /* best first, ends with CODEC_NONE; RED needs OPUS beside it */
    uint32_t extensions;            /* RTP_EXT_BIT mask */
    /* of a sender; leave empty for a receiver */
    const char *rids[SDP_RIDS_MAX]; /* simulcast, lowest first: "q", "h", "f" */
    size_t rid_count;               /* 0: no simulcast */
    uint32_t ssrc;                  /* without rids; 0: not signaled */
    uint32_t rtx_ssrc;              /* 0: no RTX */
    const char *stream, *track;     /* a=msid; NULL: none. At most SDP_ID_MAX each */
};

struct sdp_offer {
    uint64_t session_id; /* below 2^63 (RFC 8829 §5.2.1) */
    uint64_t version;    /* rises by one per offer of a session */
    const char *ice_ufrag;
    const char *ice_pwd;
    struct sdp_fingerprint fingerprint;
    const struct sdp_candidate *candidates; /* optional; TCP ones are written as active */
    size_t candidate_count;                 /* at most SDP_CANDIDATES_MAX */
    const char *cname;
    const struct sdp_offer_media *media;
    size_t media_count; /* 1 to SDP_MEDIA_MAX */
};

/* The payload type of a codec; 0 for CODEC_NONE and CODEC_RTX. */
uint8_t sdp_offer_payload_type(enum codec codec);
/* Its RTX payload type; 0 for those that have none: audio. */
uint8_t sdp_offer_rtx_payload_type(enum codec codec);
/* What a payload type of ours means; codec CODEC_NONE if it is not ours. */
struct format sdp_offer_format(uint8_t payload_type);
/* The id of an extension in every offer of ours. */
uint8_t sdp_offer_extension_id(enum rtp_ext_kind kind);

/* Writes the offer with CRLF line ends: BUNDLE over all m-lines, setup:actpass, rtcp-mux, full ICE
 * without trickle. With candidates or without, a=end-of-candidates says that no more come; the
 * server finds us by our checks (RFC 8445 §7.3.1.3).
 * ERR_FULL if the writer is too small: 17 m-lines with all codecs need about 24 KiB. */
MUST_USE enum err sdp_write_offer(const struct sdp_offer *o, struct writer *w);

#endif
