/* sdp.h - the one offer/answer of a session: parse a browser's offer, decide, write the answer
 * (RFC 8866, RFC 8829 JSEP, RFC 9143 bundle, RFC 8853 simulcast, RFC 8839 ICE, RFC 8842 DTLS).
 *
 *   text -> sdp_parse() -> struct sdp -> sdp_negotiate() -> struct negotiated -> sdp_write_answer()
 *
 * Pure, nothing is allocated: all results are fixed-size structs owned by the caller. `struct sdp`
 * is large and short-lived (its views borrow from the text); `struct negotiated` stands alone.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RTC_SDP_H
#define RTC_SDP_H

#include "rtc/codec.h"
#include "rtc/net_addr.h"
#include "rtc/rtp_ext.h"

enum {
    SDP_TEXT_MAX = 256 * 1024,
    SDP_MEDIA_MAX = 64,
    SDP_FORMATS_MAX = 64, /* payload types per m-line */
    SDP_EXTMAPS_MAX = 32, /* known extensions per m-line */
    SDP_RIDS_MAX = 4,     /* simulcast streams per m-line */
    SDP_SSRCS_MAX = 16,   /* per m-line */
    SDP_FINGERPRINT_MAX = 64,
    SDP_FINGERPRINTS_MAX = 4,
    SDP_CANDIDATES_MAX = 16,        /* ours, as we write them */
    SDP_PARSED_CANDIDATES_MAX = 64, /* theirs, of the whole text */
    SDP_MID_MAX = 16,
    SDP_RID_MAX = 16,
    SDP_UFRAG_MAX = 256,
    SDP_PWD_MAX = 256,
    SDP_ID_MAX = 64,    /* msid parts, cname */
    SDP_TOKEN_MAX = 31, /* media kind, protocol and first format of an m-line */
    SDP_LINE_MAX = 4096,
    SDP_FMTP_MAX = 127, /* echoed; longer is cut at a parameter */
    SDP_ERROR_MAX = 160,
    SDP_ANSWER_SIZE_MAX = 128 * 1024, /* enough for every answer; typical 20 KiB */
};

/* Why an offer is refused. `text` is for people: "line 12: a=rtpmap: payload type is not a number".
 * line 0: the offer as a whole. */
struct sdp_error {
    unsigned line;
    char text[SDP_ERROR_MAX];
};

enum sdp_direction { SDP_SENDRECV, SDP_SENDONLY, SDP_RECVONLY, SDP_INACTIVE };
enum sdp_setup { SDP_SETUP_NONE, SDP_SETUP_ACTPASS, SDP_SETUP_ACTIVE, SDP_SETUP_PASSIVE };
enum sdp_hash { SDP_SHA256 = 1, SDP_SHA384, SDP_SHA512 };

struct sdp_fingerprint {
    enum sdp_hash hash;
    uint8_t len; /* 32, 48 or 64 */
    uint8_t value[SDP_FINGERPRINT_MAX];
};

struct sdp_format {
    struct format format;
    struct bytes name; /* encoding name as written; empty without rtpmap */
    struct bytes fmtp; /* parameters as written */
};

struct sdp_extmap {
    uint16_t id;
    uint8_t kind;      /* enum rtp_ext_kind */
    uint8_t direction; /* enum sdp_direction */
};

struct sdp_rid {
    struct bytes id;
    bool send;   /* "send" as seen by the author of the text */
    bool paused; /* ~ in a=simulcast */
    bool used;   /* named by a=simulcast */
};

struct sdp_ssrc {
    uint32_t ssrc;
    uint32_t rtx_ssrc; /* from ssrc-group:FID; 0: none */
    bool is_rtx;
    struct bytes cname;
};

enum sdp_candidate_type {
    SDP_CANDIDATE_HOST,
    SDP_CANDIDATE_SRFLX,
    SDP_CANDIDATE_PRFLX,
    SDP_CANDIDATE_RELAY,
};
enum sdp_tcptype { SDP_TCPTYPE_NONE, SDP_TCPTYPE_ACTIVE, SDP_TCPTYPE_PASSIVE, SDP_TCPTYPE_SO };

/* A candidate of the other side (RFC 8839 §5.1, RFC 6544 §4.5). */
struct sdp_remote_candidate {
    struct net_addr address; /* protocol tells UDP from TCP */
    uint32_t priority;
    uint8_t type;    /* enum sdp_candidate_type */
    uint8_t tcptype; /* enum sdp_tcptype */
};

struct sdp_parsed_candidate {
    struct sdp_remote_candidate candidate;
    uint64_t media; /* bit i: m-line i has it (a bundle may repeat it in all); all: the session */
};
static_assert(SDP_MEDIA_MAX <= 64, "one bit each");

/* One m-line as written. */
struct sdp_media {
    unsigned line;
    enum media_kind kind;
    uint16_t port;
    bool is_rtp;        /* UDP/TLS/RTP/SAVPF (or TCP/TLS/…); false: data channel or other */
    bool known;         /* audio, video or application */
    bool is_data;       /* UDP/DTLS/SCTP webrtc-datachannel (RFC 8841), or TCP/… */
    uint16_t sctp_port; /* 0: not said */
    uint32_t max_message_size; /* of the author; 64 KiB if not said (RFC 8841 §6.1), 0: no limit */
    struct bytes kind_text, protocol, formats_text; /* as written, for the rejection */
    struct bytes mid;
    enum sdp_direction direction;
    enum sdp_setup setup;
    bool rtcp_mux, rtcp_rsize, bundle_only, end_of_candidates;
    struct bytes ice_ufrag, ice_pwd;
    struct sdp_fingerprint fingerprints[SDP_FINGERPRINTS_MAX];
    size_t fingerprint_count;
    struct sdp_format formats[SDP_FORMATS_MAX]; /* in the order of the m-line */
    size_t format_count;
    struct sdp_extmap extmaps[SDP_EXTMAPS_MAX];
    size_t extmap_count;
    bool extmap_allow_mixed;
    struct sdp_rid rids[SDP_RIDS_MAX]; /* in simulcast order after parsing */
    size_t rid_count;
    struct bytes simulcast_send, simulcast_recv; /* as written; empty: none */
    struct sdp_ssrc ssrcs[SDP_SSRCS_MAX];
    size_t ssrc_count;
    struct bytes msid_stream, msid_track;
};

/* A parsed description. About 300 KiB: keep one as scratch. Views borrow from the text. */
struct sdp {
    struct bytes ice_ufrag, ice_pwd;
    bool ice_lite, extmap_allow_mixed, end_of_candidates;
    enum sdp_setup setup;
    enum sdp_direction direction; /* default of the m-lines */
    struct sdp_fingerprint fingerprints[SDP_FINGERPRINTS_MAX];
    size_t fingerprint_count;
    struct bytes bundle; /* mids of the first BUNDLE group, separated by spaces; empty: none */
    /* Numeric addresses of component 1, in the order of the text, each once; what is beyond the
     * limit and what we cannot use (names such as x.local, other transports) is left out. */
    struct sdp_parsed_candidate candidates[SDP_PARSED_CANDIDATES_MAX];
    size_t candidate_count;
    struct sdp_media media[SDP_MEDIA_MAX];
    size_t media_count;
};

/* Parses a description, syntax only. Lines may end in CRLF or LF. Unknown attributes are ignored.
 * OK, ERR_MALFORMED, or ERR_FULL (one of the limits above), with ret_error filled. */
MUST_USE enum err sdp_parse(struct bytes text, struct sdp *ret, struct sdp_error *ret_error);

/* Reads one candidate as it comes outside of a description (trickle): what follows "a=", that is
 * "candidate:1 1 udp 2130706431 192.0.2.7 40000 typ host". OK, ERR_MALFORMED, or ERR_UNSUPPORTED: a
 * name instead of an address, another component than 1, another transport. */
MUST_USE enum err sdp_candidate_parse(struct bytes text, struct sdp_remote_candidate *ret);

/* What we are willing to do. */
struct sdp_policy {
    enum codec audio_order[CODEC_COUNT]; /* preference, ends with CODEC_NONE */
    enum codec video_order[CODEC_COUNT];
    uint32_t extensions; /* RTP_EXT_BIT mask of the kinds we accept */
    /* We are a client with full ICE: a lite offer is fine, the answer is not lite and starts DTLS
     * whenever the offer leaves that to us (RFC 8842 §5.3). */
    bool full_ice;
    /* Data channels: the longest message we take, for the answer. 0: such an m-line is rejected. */
    uint32_t max_message_size;
};

/* opus, red; VP8, H264, VP9, AV1; all extensions we know but toffset and layers allocation, which
 * cost bytes and tell a forwarder nothing. */
struct sdp_policy sdp_policy_default(void);
/* The same for a client that answers a server's offer: full_ice. What the server sends becomes
 * ROLE_PUBLISH, recvonly in the answer; an offer without any m-line left is OK. */
struct sdp_policy sdp_policy_client(void);

enum { NEGOTIATED_FORMATS_MAX = 32 };

/* What an m-line is for, as we see it. */
enum negotiated_role {
    ROLE_REJECTED, /* port 0 */
    ROLE_INACTIVE,
    ROLE_PUBLISH, /* the participant sends, we receive: recvonly in the answer */
    ROLE_SLOT,    /* we send: sendonly in the answer */
    ROLE_DATA,    /* data channels, both ways */
};

struct negotiated_rid {
    char id[SDP_RID_MAX + 1];
    bool paused;
};

/* One m-line, decided. Text fields are zero terminated. */
struct negotiated_media {
    enum media_kind kind;
    enum negotiated_role role;
    char mid[SDP_MID_MAX + 1];
    /* Payload types as the offer numbers them, best first, each followed by its RTX if it has one.
     * What they mean: negotiated.formats[pt]. */
    uint8_t payload_types[NEGOTIATED_FORMATS_MAX];
    uint8_t payload_type_count;
    uint32_t extensions; /* RTP_EXT_BIT mask accepted for this m-line; ids in negotiated.ext */
    uint32_t one_way_extensions; /* of those: offered for one direction only (extmap:4/sendonly) */
    struct negotiated_rid rids[SDP_RIDS_MAX]; /* ROLE_PUBLISH simulcast, in the offer's order */
    uint8_t rid_count;                        /* 0: no simulcast */
    uint32_t ssrc, rtx_ssrc;                  /* signaled by a publisher without rids; 0: not */
    bool rtcp_rsize;
    /* for the answer's m-line, as the offer writes them */
    char kind_text[SDP_TOKEN_MAX + 1];
    char protocol[SDP_TOKEN_MAX + 1];
    char first_format[SDP_TOKEN_MAX + 1];
};

/* The result: everything sfud keeps of an offer. Stands alone, about 40 KiB. */
struct negotiated {
    char ice_ufrag[SDP_UFRAG_MAX + 1]; /* the participant's */
    char ice_pwd[SDP_PWD_MAX + 1];
    struct sdp_fingerprint fingerprints[SDP_FINGERPRINTS_MAX]; /* one of them must match */
    uint8_t fingerprint_count;
    uint16_t sctp_port;        /* ROLE_DATA: the participant's (RFC 8841); 0: no data channels */
    uint32_t max_message_size; /* the longest that both take */
    bool dtls_client;          /* we start the handshake: the offer said passive, or see full_ice */
    bool full_ice;             /* of the policy */
    struct rtp_ext_map ext;    /* shared by all m-lines of the bundle */
    struct format formats[128];       /* by payload type; codec CODEC_NONE: not negotiated */
    char fmtp[128][SDP_FMTP_MAX + 1]; /* by payload type, to echo; empty: none */
    struct negotiated_media media[SDP_MEDIA_MAX]; /* same order and count as the offer */
    size_t media_count;
};

/* Decides over an offer. OK; ERR_UNSUPPORTED (no BUNDLE, no rtcp-mux, no ICE, …) or ERR_MALFORMED
 * (contradictions such as one payload type with two meanings) with ret_error filled. An m-line
 * without a codec in common, an m-line outside the bundle, a data channel that the policy does not
 * want and a second one are rejected alone. */
MUST_USE enum err sdp_negotiate(const struct sdp *offer, const struct sdp_policy *policy,
                                struct negotiated *ret, struct sdp_error *ret_error);

struct sdp_candidate {
    char address[46]; /* numeric */
    uint16_t port;
    bool tcp;          /* tcptype passive */
    uint32_t priority; /* 0: derived from position (RFC 8445 §5.1.2) */
};

/* What a ROLE_SLOT m-line sends. */
struct sdp_slot {
    uint32_t ssrc;      /* 0: no a=ssrc lines */
    uint32_t rtx_ssrc;  /* 0: no RTX */
    const char *stream; /* msid, at most SDP_ID_MAX of [A-Za-z0-9_-] */
    const char *track;
};

struct sdp_answer {
    uint64_t session_id;
    uint64_t version;      /* rises by one per answer of a session; 0 is written as 2 */
    const char *ice_ufrag; /* ours */
    const char *ice_pwd;
    struct sdp_fingerprint fingerprint;
    const struct sdp_candidate *candidates;
    size_t candidate_count;
    const char *cname;
    const struct sdp_slot *slots; /* by media index, negotiated.media_count of them; may be NULL */
};

/* Writes the answer with CRLF line ends. ERR_FULL if the writer is too small. */
MUST_USE enum err sdp_write_answer(const struct negotiated *n, const struct sdp_answer *a,
                                   struct writer *w);

#endif
