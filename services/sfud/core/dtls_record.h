/* dtls_record.h - as much of DTLS 1.2's wire format as telling records apart takes (RFC 6347 §4.1).
 *
 *     0      1       3       5              11      13
 *     type   version epoch   sequence       length  fragment …
 *     of a handshake message: 1 type  3 length  2 number  3 offset  3 length  then for ClientHello
 *     2 version  32 random …
 *
 * Pure, header only.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SFUD_CORE_DTLS_RECORD_H
#define SFUD_CORE_DTLS_RECORD_H

#include "common/bytes.h"

#define DTLS_RANDOM_LEN 32

enum {
    DTLS_RECORD_LEN = 13,
    DTLS_RECORD_CCS = 20,
    DTLS_RECORD_ALERT = 21,
    DTLS_RECORD_HANDSHAKE = 22,
    DTLS_MESSAGE_LEN = 12,
    DTLS_CLIENT_HELLO = 1,
};

/* The client's random of a datagram that begins with (the first fragment of) a clear ClientHello;
 * NULL if it is anything else. Borrowed. */
static inline const uint8_t *dtls_record_hello_random(struct bytes d)
{
    size_t at = DTLS_RECORD_LEN + DTLS_MESSAGE_LEN + 2;
    if (d.len < at + DTLS_RANDOM_LEN || d.data[0] != DTLS_RECORD_HANDSHAKE ||
        load_be16(d.data + 3) != 0)
        return NULL;
    const uint8_t *message = d.data + DTLS_RECORD_LEN;
    bool is_first = (message[6] | message[7] | message[8]) == 0;
    return message[0] == DTLS_CLIENT_HELLO && is_first ? d.data + at : NULL;
}

/* Does it belong to a handshake, whichever? An alert in clear does. */
static inline bool dtls_record_is_handshake(struct bytes d)
{
    if (d.len < DTLS_RECORD_LEN)
        return false;
    return d.data[0] == DTLS_RECORD_CCS || d.data[0] == DTLS_RECORD_HANDSHAKE ||
           (d.data[0] == DTLS_RECORD_ALERT && load_be16(d.data + 3) == 0);
}

#endif
