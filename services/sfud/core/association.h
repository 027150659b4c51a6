/* association.h - what a worker and the association engine tell each other.
 *
 * An association is one participant's DTLS: several handshakes in a row if it is restarted. Its
 * handle is a place in the worker's association_port; the engine keeps its own half under the same
 * handle. Plain values of fixed size, copied through rings between the two threads (or handed over
 * inline, in tests and simulations): nothing is shared.
 *
 *     worker                        engine
 *       │ OPEN, DATAGRAM… ────────────► │
 *       │ ◄──────────────────── SEND… │
 *       │ ◄────────────────────── KEYS │   again after a restart: the old keys are used until then
 *       │ ◄────────── FAILED or ENDED │
 *       │ CLOSE ──────────────────────► │   (the goodbye, if it was connected)
 *       │ ◄────────────── SEND, CLOSED │   only now the handle may be used again
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SFUD_CORE_ASSOCIATION_H
#define SFUD_CORE_ASSOCIATION_H

#include "core/pool.h"
#include "limits.h"
#include "rtc/dtls.h"

enum association_request_kind {
    ASSOCIATION_OPEN,    /* role, expected */
    ASSOCIATION_RESTART, /* role, expected: of the next handshake (RFC 8842) */
    ASSOCIATION_DATAGRAM,
    ASSOCIATION_CLOSE,
};

/* What a participant with data channels is in core/data_rooms.h. */
struct association_data {
    uint16_t sctp_port; /* 0: it has none, and the rest does not matter */
    uint32_t max_message_size;
    bool is_allowed; /* to send */
    handle room;     /* in the worker: who has the same hears the others */
    char participant[PARTICIPANT_KEY_MAX + 1];
};

/* Worker to engine. */
struct association_request {
    enum association_request_kind kind;
    handle association;
    enum dtls_role role;
    struct association_data data_channels; /* OPEN; it stays for the association's life */
    struct dtls_fingerprint expected[DTLS_FINGERPRINTS_MAX]; /* one must match */
    size_t expected_count;
    uint16_t len;
    uint8_t data[DATAGRAM_SIZE_MAX]; /* DATAGRAM: one UDP payload */
};

enum association_notice_kind {
    ASSOCIATION_SEND,
    ASSOCIATION_KEYS,
    ASSOCIATION_FAILED, /* the first handshake, or a fatal alert */
    ASSOCIATION_ENDED,  /* the participant's close_notify */
    ASSOCIATION_CLOSED, /* the answer to CLOSE */
};

/* Engine to worker. Wipe after use: it may hold keys. */
struct association_notice {
    enum association_notice_kind kind;
    handle association;
    enum err reason;       /* FAILED */
    struct dtls_keys keys; /* KEYS */
    usec handshake_us;     /* KEYS: from the first datagram, waiting included */
    uint16_t len;
    uint8_t data[DATAGRAM_SIZE_MAX]; /* SEND */
};

#endif
