/* dtls_alert.h - the end of a DTLS 1.2 association, read without OpenSSL's state of it.
 *
 * Inside of the dtls module. An SSL is 60 KiB after the handshake, and all that we still want of it
 * is to understand close_notify: that takes one key. No data is read with it, and nothing written.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RTC_DTLS_ALERT_H
#define RTC_DTLS_ALERT_H

#include "common/bytes.h"

#include <openssl/types.h>

/* The peer's write key (RFC 5246 §6.3). Wipe after use. */
struct dtls_alert_key {
    const EVP_CIPHER *cipher;
    uint8_t key[32];
    uint8_t iv[12]; /* GCM: 4 bytes, the rest is in the record (RFC 5288 §3) */
};

/* Derives it from an SSL whose handshake is done. False: another cipher than ours, or no memory. */
MUST_USE bool dtls_alert_key_init(struct dtls_alert_key *k, SSL *ssl, bool is_server);

enum dtls_alert {
    DTLS_ALERT_NONE,  /* no record of this datagram is an authentic alert that ends anything */
    DTLS_ALERT_CLOSE, /* close_notify */
    DTLS_ALERT_FATAL,
};

/* The first alert in a datagram of records that ends the association. A replay of it cannot harm:
 * the first copy already ended it. */
enum dtls_alert dtls_alert_read(const struct dtls_alert_key *k, struct bytes datagram);

#endif
