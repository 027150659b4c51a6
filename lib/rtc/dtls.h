/* dtls.h - DTLS 1.2 with SRTP keys (RFC 6347, RFC 5764, RFC 8827 §6.5) as bytes and time.
 *
 * OpenSSL over a datagram BIO of our own: no socket, no clock. Both roles: the server half is
 * sfud's, the client half the load tester's. Call one of start/receive/tick/close, then drain
 * dtls_next_datagram(), then look at dtls_state(). Lost flights are repeated by us at
 * dtls_deadline(), as the same datagrams, never by OpenSSL's own clock.
 *
 * A struct dtls and its OpenSSL state are on the heap and may allocate during the handshake, never
 * after it on behalf of media. OpenSSL's state (60 KiB) goes DTLS_SETTLE_TIME after the handshake:
 * from then on final flights are repeated, close_notify is sent and understood, and application
 * data sealed and opened by keys alone (dtls_settled.h). Data is dropped unless dtls_keep() was
 * called. One thread at a time per object; a context may be shared by threads.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RTC_DTLS_H
#define RTC_DTLS_H

#include "rtc/seal.h"

#define DTLS_MTU                   1200 /* UDP payload we send at most */
#define DTLS_HANDSHAKE_TIMEOUT     SECONDS(30)
#define DTLS_RETRANSMIT_MIN        MILLIS(100) /* doubles with every repetition up to … */
#define DTLS_RETRANSMIT_MAX        SECONDS(2)
#define DTLS_SETTLE_TIME           SECONDS(5) /* connected: then OpenSSL's state is freed */
#define DTLS_DATA_MAX              256        /* records of data kept, each way */
#define DTLS_DATA_LEN_MAX          1150       /* of one record sent: the rest of DTLS_MTU is DTLS */
#define DTLS_FINGERPRINTS_MAX      4
#define DTLS_FINGERPRINT_TEXT_SIZE 96 /* 32 bytes as "AB:CD:…" + zero, for our own sha-256 */

/* A certificate hash, as a=fingerprint carries it (RFC 8122). */
struct dtls_fingerprint {
    uint16_t bits;    /* 256, 384 or 512: SHA-2 */
    uint8_t hash[64]; /* bits / 8 bytes used */
};

/* algorithm "sha-256" | "sha-384" | "sha-512" (any case), hex "AB:CD:…".
 * ERR_UNSUPPORTED (another algorithm: skip this one), ERR_MALFORMED. */
MUST_USE enum err dtls_fingerprint_parse(struct bytes algorithm, struct bytes hex,
                                         struct dtls_fingerprint *ret);

/* Our certificate and settings, shared by all transports of a process. */
struct dtls_context;

/* Generates a self-signed ECDSA P-256 certificate, valid from wall_now - 1 day for ten years:
 * longer than any process runs, and a process makes a new one at every start. NULL if OpenSSL or
 * memory fails. */
struct dtls_context *dtls_context_new(wall_usec wall_now);
void dtls_context_free(struct dtls_context *c);
/* SHA-256 of our certificate, "AB:CD:…" in upper case, for a=fingerprint:sha-256. */
const char *dtls_context_fingerprint(const struct dtls_context *c);

enum dtls_role { DTLS_SERVER, DTLS_CLIENT };
enum dtls_state {
    DTLS_HANDSHAKING,
    DTLS_CONNECTED, /* peer's certificate matched; dtls_keys() may be called */
    DTLS_CLOSED,    /* by close_notify of either side */
    DTLS_FAILED,    /* see dtls_failure() */
};

struct dtls; /* heap; freed by dtls_free() */

/* Bytes of one whose handshake is done and whose SSL is gone. */
size_t dtls_memory(void);

/* expected: fingerprints of the participant's certificate, 1..DTLS_FINGERPRINTS_MAX, copied; the
 * certificate must match one of them, or the handshake fails before any key exists. The context
 * must outlive the result. NULL if memory fails. */
struct dtls *dtls_new(struct dtls_context *c, enum dtls_role role,
                      const struct dtls_fingerprint *expected, size_t count, usec now);
void dtls_free(struct dtls *d);

/* Client: makes the ClientHello. Server: nothing to do (it waits). */
void dtls_start(struct dtls *d, usec now);

/* One datagram from an address that has passed ICE. Bytes that are not DTLS are dropped and
 * counted; nothing a peer sends is an error of ours: look at dtls_state(). */
void dtls_receive(struct dtls *d, struct bytes datagram, usec now);

/* USEC_NEVER if nothing is pending. At the deadline call dtls_tick(). */
usec dtls_deadline(const struct dtls *d);
void dtls_tick(struct dtls *d, usec now);

/* The next datagram to send, one UDP datagram each; false when there is none. The view lives until
 * the next call on d. Call until false after each of the calls above. */
bool dtls_next_datagram(struct dtls *d, struct bytes *ret);

/* Application data (RFC 8261: SCTP): what comes is kept for dtls_next_data(). Call it before the
 * handshake is done. */
void dtls_keep(struct dtls *d);
/* Seals one record, to be taken by dtls_next_datagram(). ERR_BAD_STATE: not connected, or not
 * kept; ERR_FULL: too long for one datagram, or DTLS_DATA_MAX wait to be sent; ERR_SYSTEM. */
MUST_USE enum err dtls_send(struct dtls *d, struct bytes data);
/* Do fewer than DTLS_DATA_MAX wait to be sent? */
bool dtls_has_room(const struct dtls *d);
/* The next record received; the view lives until the next call on d. Take all after each
 * dtls_receive(): no more than DTLS_DATA_MAX are kept. */
bool dtls_next_data(struct dtls *d, struct bytes *ret);

/* Sends close_notify if connected; the state becomes DTLS_CLOSED. */
void dtls_close(struct dtls *d);

enum dtls_state dtls_state(const struct dtls *d);
/* Why DTLS_FAILED: ERR_AUTH (wrong or no certificate), ERR_UNSUPPORTED (no common SRTP profile),
 * ERR_EXPIRED (handshake took too long), ERR_MALFORMED (protocol error or alert), ERR_SYSTEM.
 * OK in other states. */
enum err dtls_failure(const struct dtls *d);

/* local: what we seal with; remote: what we open with. Wipe after use. */
struct dtls_keys {
    enum seal_profile profile;
    struct seal_master local;
    struct seal_master remote;
};

/* Exports the SRTP keys (RFC 5764 §4.2); within DTLS_SETTLE_TIME of DTLS_CONNECTED. ERR_BAD_STATE
 * if not connected or later, ERR_SYSTEM. */
MUST_USE enum err dtls_keys(const struct dtls *d, struct dtls_keys *ret);

struct dtls_counters {
    uint32_t datagrams_sent, datagrams_received;
    uint32_t retransmit_count; /* flights repeated */
    uint32_t data_count;       /* application records soon after the handshake */
    uint32_t dropped_count;    /* not DTLS, or no room in the flight */
};
struct dtls_counters dtls_counters(const struct dtls *d);

#endif
