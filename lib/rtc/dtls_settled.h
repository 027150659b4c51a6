/* dtls_settled.h - a DTLS 1.2 association after its handshake, without OpenSSL's state of it.
 *
 * Inside of the dtls module. An SSL is 60 KiB for as long as it lives; what data and the end of the
 * association need of it is two keys and two counters. Records are those of RFC 6347 §4.1 with AEAD
 * (RFC 5288, RFC 7905); there is no other handshake on top of them.
 *
 *     type | version (2) | epoch (2) | number (6) | length (2), then GCM: 8 bytes of its nonce,
 *     what is encrypted, and a tag of 16 bytes
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RTC_DTLS_SETTLED_H
#define RTC_DTLS_SETTLED_H

#include "common/bytes.h"

#include <openssl/types.h>

/* The key of one direction (RFC 5246 §6.3). */
struct dtls_half {
    const EVP_CIPHER *cipher;
    uint8_t key[32];
    uint8_t iv[12];          /* GCM: 4 bytes, the rest is in the record (RFC 5288 §3) */
    EVP_CIPHER_CTX *context; /* owned; NULL until it is used */
};

/* Heap inside: dtls_settled_done(). Zero is none. */
struct dtls_settled {
    struct dtls_half read, write;
    uint64_t number; /* of the next record written */
    uint64_t nonce;  /* GCM: of the next record written */
    uint64_t newest; /* record read */
    uint64_t seen;   /* bit i: newest - i was read (RFC 6347 §4.1.2.6) */
};

/* Derives both keys from an SSL whose handshake is done. last: the record that it wrote last, where
 * our numbers go on. False: another cipher than ours, or no memory; then there is nothing to free.
 */
MUST_USE bool dtls_settled_init(struct dtls_settled *s, SSL *ssl, bool is_server,
                                struct bytes last);
/* Wipes it. */
void dtls_settled_done(struct dtls_settled *s);

enum dtls_settled_kind {
    DTLS_SETTLED_NONE, /* nothing more in this datagram */
    DTLS_SETTLED_DATA,
    DTLS_SETTLED_CLOSE, /* close_notify */
    DTLS_SETTLED_FATAL, /* an alert */
};

/* The next record of a datagram that is authentic, new, and means something to us; `datagram`
 * becomes what is behind it. out: room for the datagram; ret: what was in the record, in `out`. */
enum dtls_settled_kind dtls_settled_read(struct dtls_settled *s, struct bytes *datagram,
                                         uint8_t *out, struct bytes *ret);

enum { DTLS_SETTLED_OVERHEAD = 37 }; /* at most, of one record */

/* One record of data, or with is_close of close_notify. out: room for DTLS_SETTLED_OVERHEAD more
 * than data. Its length; 0 without memory. */
size_t dtls_settled_write(struct dtls_settled *s, bool is_close, struct bytes data, uint8_t *out);

#endif
