/* sdp_remote.h - what the server said, as a client keeps it: the answer to our offer, or an offer
 * of the server's (RFC 8829, RFC 8839, RFC 8842, RFC 8853).
 *
 *   text -> sdp_parse() -> sdp_remote_read_answer() or sdp_remote_read_offer() -> struct sdp_remote
 *
 * Pure, nothing is allocated. `struct sdp_remote` stands alone and is small (below 8 KiB), as
 * thousands are kept; the parsed `struct sdp` may be one scratch for all. Every description is read
 * as a whole: a further offer gives a new struct, nothing is carried over.
 *
 * To answer a server's offer: sdp_negotiate() with sdp_policy_client(), then sdp_write_answer().
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RTC_SDP_REMOTE_H
#define RTC_SDP_REMOTE_H

#include "rtc/sdp_offer.h"

enum {
    SDP_REMOTE_CANDIDATES_MAX = 16,
    SDP_REMOTE_FORMATS_MAX = 32,       /* payload types of the whole bundle */
    SDP_REMOTE_PAYLOAD_TYPES_MAX = 14, /* per m-line */
    SDP_REMOTE_TEXT_MAX = 2048,        /* all rids and msids */
};

/* One m-line. Directions are ours: SDP_SENDONLY means that we send. Members named `…_text` are
 * offsets for sdp_remote_text(). */
struct sdp_remote_media {
    uint8_t kind;      /* enum media_kind */
    uint8_t direction; /* enum sdp_direction; SDP_INACTIVE if not accepted */
    bool accepted;     /* false: rejected, outside the bundle, or nothing of it is known to us */
    char mid[SDP_MID_MAX + 1];
    /* Best first, those we know only, as far as they fit; sdp_remote_format() says what they are.
     */
    uint8_t payload_types[SDP_REMOTE_PAYLOAD_TYPES_MAX];
    uint8_t payload_type_count;
    uint8_t rid_count;                /* of our rids that the server wants; 0: no simulcast */
    uint8_t rids_paused;              /* bit i: rids_text[i] came with '~' */
    uint16_t rids_text[SDP_RIDS_MAX]; /* in the order of a=simulcast */
    uint16_t stream_text, track_text; /* a=msid of what the server sends; 0 is "" */
    uint32_t extensions;              /* RTP_EXT_BIT mask valid on this m-line; ids: remote.ext */
    uint32_t ssrc, rtx_ssrc;          /* what the server will send here; 0: not said */
};

struct sdp_remote {
    char ice_ufrag[SDP_UFRAG_MAX + 1];
    char ice_pwd[SDP_PWD_MAX + 1];
    bool ice_lite;
    bool end_of_candidates;
    bool controlling; /* in ICE (RFC 8445 §6.1.1): we offered, or the other side is lite */
    bool dtls_client; /* we start the handshake */
    uint8_t fingerprint_count;
    uint8_t candidate_count;
    uint8_t format_count;
    uint8_t media_count;
    uint16_t text_len;
    struct sdp_fingerprint fingerprints[SDP_FINGERPRINTS_MAX]; /* one of them must match */
    /* Of the bundle's transport, in the text's order; UDP and TCP are told apart by
     * address.protocol. Duplicates and those beyond the limit are left out. */
    struct sdp_remote_candidate candidates[SDP_REMOTE_CANDIDATES_MAX];
    struct rtp_ext_map ext;                        /* of all m-lines */
    struct format formats[SDP_REMOTE_FORMATS_MAX]; /* by sdp_remote_format() */
    struct sdp_remote_media media[SDP_MEDIA_MAX];  /* same order and count as the text */
    char text[SDP_REMOTE_TEXT_MAX];                /* by sdp_remote_text() */
};
static_assert(sizeof(struct sdp_remote) < 8192, "thousands of these are kept");

/* Reads the answer to `offer`. Of `offer` only the m-lines are looked at, and of these kind, mid,
 * direction, codecs, extensions and rids; everything it did not offer is left out of the result.
 *
 * OK; ERR_UNSUPPORTED (no bundle, ICE credentials, fingerprint or rtcp-mux; every m-line rejected),
 * ERR_MALFORMED (m-lines or ids that do not follow the offer, …) or ERR_FULL, with ret_error
 * filled. `ret` is meaningful only on OK. */
MUST_USE enum err sdp_remote_read_answer(const struct sdp *answer, const struct sdp_offer *offer,
                                         struct sdp_remote *ret, struct sdp_error *ret_error);

/* Reads a server's offer. Errors as above, but an offer whose m-lines are all rejected or inactive
 * is OK: that is how a subscription becomes empty. */
MUST_USE enum err sdp_remote_read_offer(const struct sdp *offer, struct sdp_remote *ret,
                                        struct sdp_error *ret_error);

/* NULL if the payload type was not accepted anywhere. */
const struct format *sdp_remote_format(const struct sdp_remote *r, uint8_t payload_type);
/* The m-line with that mid, or NULL. */
const struct sdp_remote_media *sdp_remote_find_media(const struct sdp_remote *r, struct bytes mid);
/* Never NULL; lives as long as `r`. */
const char *sdp_remote_text(const struct sdp_remote *r, uint16_t text);

#endif
