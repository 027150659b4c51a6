/* stun.h - STUN messages as ICE needs them (RFC 8489, RFC 8445 §7).
 *
 * Pure: bytes in, values out; no allocation. Views point into the caller's packet and live exactly
 * as long as it does. Both halves are here: the server half answers checks (ice_lite), the client
 * half sends them (the load tester). Short-term credentials with MESSAGE-INTEGRITY (HMAC-SHA1);
 * MESSAGE-INTEGRITY-SHA256 is not used by ICE peers and is ignored.
 *
 *    0                   1                   2                   3
 *   |0 0|     type (14)             |   length (multiple of 4)      |
 *   |                  magic cookie 0x2112a442                      |
 *   |                  transaction id (96 bits)                     |
 *   |  attribute type               |  attribute length             |  value, padded to 4 bytes …
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RTC_STUN_H
#define RTC_STUN_H

#include "rtc/net_addr.h"

#define STUN_HEADER_LEN      20
#define STUN_TRANSACTION_LEN 12
#define STUN_MESSAGE_MAX     1024 /* everything written here is far smaller */
#define STUN_UNKNOWN_MAX     8    /* unknown comprehension-required attributes remembered */
#define STUN_METHOD_BINDING  0x001

enum stun_class { STUN_REQUEST, STUN_INDICATION, STUN_SUCCESS, STUN_ERROR };

/* Error codes we write or expect. */
enum stun_error_code {
    STUN_BAD_REQUEST = 400,
    STUN_UNAUTHENTICATED = 401,
    STUN_UNKNOWN_ATTRIBUTE = 420,
    STUN_ROLE_CONFLICT = 487,
    STUN_SERVER_ERROR = 500,
};

struct stun_transaction {
    uint8_t id[STUN_TRANSACTION_LEN];
};

/* One parsed message. Attributes after MESSAGE-INTEGRITY other than FINGERPRINT are ignored, and so
 * are all after the first of a kind. The caller owns the struct; the views borrow the packet. */
struct stun_message {
    struct bytes packet;
    enum stun_class class;
    uint16_t method;
    struct stun_transaction transaction;

    struct bytes username; /* data == NULL: absent */
    struct bytes software;
    struct bytes reason;    /* of ERROR-CODE */
    struct net_addr mapped; /* XOR-MAPPED-ADDRESS; family NET_NONE: absent */
    uint64_t tie_breaker;   /* of ICE-CONTROLLED or ICE-CONTROLLING */
    uint32_t priority;
    uint16_t error_code; /* 300..699, 0: absent */
    bool has_priority;
    bool use_candidate;
    bool ice_controlled;
    bool ice_controlling;
    bool has_fingerprint;      /* present and right (a wrong one fails the parse) */
    bool has_integrity;        /* present; right only if stun_check_integrity() says so */
    uint16_t integrity_offset; /* of the MESSAGE-INTEGRITY attribute in packet */
    uint16_t unknown_required[STUN_UNKNOWN_MAX];
    uint8_t unknown_required_count; /* > 0 in a request: answer 420 */
};

/* Parses one whole datagram. Checks header, cookie, lengths, attribute formats and FINGERPRINT (if
 * there), not MESSAGE-INTEGRITY: the password depends on the username.
 *
 * ret   written only on OK
 * OK, ERR_TRUNCATED (shorter than its header says), ERR_MALFORMED (format, or wrong FINGERPRINT),
 * ERR_UNSUPPORTED (no magic cookie: RFC 3489). Cost: a CRC-32 if FINGERPRINT is there. */
MUST_USE enum err stun_parse(struct bytes packet, struct stun_message *ret);

/* Verifies MESSAGE-INTEGRITY with key (for ICE: the password of the side that gets the request,
 * in both directions). Constant-time comparison; one HMAC-SHA1.
 * OK, or ERR_AUTH if it is missing or wrong. */
MUST_USE enum err stun_check_integrity(const struct stun_message *m, struct bytes key);

/* The part of USERNAME before / after its first ':'. In a request to us, the first is our ufrag.
 * Empty if there is no ':'. */
struct bytes stun_username_local(struct bytes username);
struct bytes stun_username_remote(struct bytes username);

/* What a Binding request carries (client half; ICE-CONTROLLING side unless controlled is set). */
struct stun_binding {
    struct stun_transaction transaction;
    struct bytes username; /* "<their ufrag>:<our ufrag>" */
    struct bytes password; /* theirs */
    uint32_t priority;
    uint64_t tie_breaker;
    bool controlled;
    bool use_candidate;
};

/* Each writer appends one whole message with FINGERPRINT last, and MESSAGE-INTEGRITY before it if
 * the password is not empty. ERR_FULL if out has no room; out is then unusable (sticky). */
MUST_USE enum err stun_write_request(const struct stun_binding *b, struct writer *out);
MUST_USE enum err stun_write_success(const struct stun_transaction *t,
                                     const struct net_addr *mapped, struct bytes password,
                                     struct writer *out);
/* unknown: attribute types for UNKNOWN-ATTRIBUTES; written for code 420 only. */
MUST_USE enum err stun_write_error(const struct stun_message *request, uint16_t code,
                                   struct bytes password, struct writer *out);
/* Binding indication: a keepalive without authentication. */
MUST_USE enum err stun_write_indication(const struct stun_transaction *t, struct writer *out);

#endif
