/* dtls_context.h - inside of the dtls module: what struct dtls needs of its context.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RTC_DTLS_CONTEXT_H
#define RTC_DTLS_CONTEXT_H

#include "rtc/dtls.h"

#include <openssl/bio.h>
#include <openssl/ssl.h>

/* Immutable once made, hence shared between threads. */
struct dtls_context {
    SSL_CTX *ssl;
    BIO_METHOD *bio_method; /* BIO data: struct dtls */
    char fingerprint[DTLS_FINGERPRINT_TEXT_SIZE];
};

/* Implemented by dtls.c, installed into every context. */
BIO_METHOD *dtls_bio_method_new(void);
int dtls_verify_certificate(X509_STORE_CTX *store, void *unused);

/* Has cert this hash? */
bool dtls_fingerprint_matches(const struct dtls_fingerprint *f, const X509 *cert);

#endif
