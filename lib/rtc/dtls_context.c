/* SPDX-License-Identifier: Apache-2.0 */
#include "rtc/dtls_context.h"

#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define DAY_SECONDS 86400
/* Nobody looks at the dates: participants verify the fingerprint they got by signaling (RFC 8122
 * §6.2), and this only has to outlast the process for those that look all the same. */
#define CERTIFICATE_DAYS    (10 * 365)
#define HANDSHAKE_BYTES_MAX 16384 /* one reassembled message, certificate chains included */

#define SRTP_PROFILES "SRTP_AEAD_AES_128_GCM:SRTP_AEAD_AES_256_GCM:SRTP_AES128_CM_SHA1_80"
#define CIPHERS                                                                                    \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305"
#define GROUPS "X25519:P-256:P-384"

/* ---- fingerprints ---- */

static const struct {
    const char *name;
    uint16_t bits;
} hashes[] = { { "sha-256", 256 }, { "sha-384", 384 }, { "sha-512", 512 } };

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static enum err parse_hex(struct bytes hex, size_t count, uint8_t *ret)
{
    if (hex.len != 3 * count - 1)
        return ERR_MALFORMED;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *at = hex.data + 3 * i;
        int high = hex_digit(at[0]), low = hex_digit(at[1]);
        if (high < 0 || low < 0 || (i + 1 < count && at[2] != ':'))
            return ERR_MALFORMED;
        ret[i] = (uint8_t)(high << 4 | low);
    }
    return OK;
}

enum err dtls_fingerprint_parse(struct bytes algorithm, struct bytes hex,
                                struct dtls_fingerprint *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(hashes); i++) {
        if (algorithm.len != strlen(hashes[i].name) ||
            strncasecmp((const char *)algorithm.data, hashes[i].name, algorithm.len) != 0)
            continue;
        struct dtls_fingerprint f = { .bits = hashes[i].bits };
        enum err e = parse_hex(hex, f.bits / 8u, f.hash);
        if (e == OK)
            *ret = f;
        return e;
    }
    return ERR_UNSUPPORTED;
}

static const EVP_MD *digest_of(uint16_t bits)
{
    return bits == 256 ? EVP_sha256() : bits == 384 ? EVP_sha384() : EVP_sha512();
}

bool dtls_fingerprint_matches(const struct dtls_fingerprint *f, const X509 *cert)
{
    uint8_t hash[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    return X509_digest(cert, digest_of(f->bits), hash, &len) == 1 && len == f->bits / 8u &&
           bytes_equal(bytes_of(hash, len), bytes_of(f->hash, len));
}

static bool format_fingerprint(const X509 *cert, char text[DTLS_FINGERPRINT_TEXT_SIZE])
{
    uint8_t hash[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (X509_digest(cert, EVP_sha256(), hash, &len) != 1)
        return false;
    check(len == 32 && 3 * len <= DTLS_FINGERPRINT_TEXT_SIZE);
    for (unsigned i = 0; i < len; i++)
        (void)snprintf(text + 3 * (size_t)i, 4, i + 1 < len ? "%02X:" : "%02X", hash[i]);
    return true;
}

/* ---- certificate ---- */

static bool set_random_serial(X509 *cert)
{
    uint8_t b[8];
    if (RAND_bytes(b, sizeof b) != 1)
        return false;
    return ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), load_be64(b) >> 1 | 1) == 1;
}

static bool fill_certificate(X509 *cert, EVP_PKEY *key, wall_usec wall_now)
{
    time_t now = (time_t)(wall_now / USEC_PER_SEC);
    X509_NAME *name = X509_get_subject_name(cert);
    return X509_set_version(cert, X509_VERSION_3) == 1 && set_random_serial(cert) &&
           ASN1_TIME_set(X509_getm_notBefore(cert), now - DAY_SECONDS) != NULL &&
           ASN1_TIME_set(X509_getm_notAfter(cert), now + CERTIFICATE_DAYS * DAY_SECONDS) != NULL &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)"conclave", -1, -1,
                                      0) == 1 &&
           X509_set_issuer_name(cert, name) == 1 && X509_set_pubkey(cert, key) == 1 &&
           X509_sign(cert, key, EVP_sha256()) > 0;
}

static bool install_certificate(struct dtls_context *c, wall_usec wall_now)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    bool ok = key != NULL && cert != NULL && fill_certificate(cert, key, wall_now) &&
              SSL_CTX_use_certificate(c->ssl, cert) == 1 &&
              SSL_CTX_use_PrivateKey(c->ssl, key) == 1 && format_fingerprint(cert, c->fingerprint);
    X509_free(cert);
    EVP_PKEY_free(key);
    return ok;
}

/* ---- context ---- */

static bool configure(SSL_CTX *ssl)
{
    SSL_CTX_set_options(ssl, SSL_OP_NO_TICKET | SSL_OP_NO_QUERY_MTU | SSL_OP_NO_RENEGOTIATION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE);
    (void)SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_max_cert_list(ssl, HANDSHAKE_BYTES_MAX);
    SSL_CTX_set_read_ahead(ssl, 1);
    SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_cert_verify_callback(ssl, dtls_verify_certificate, NULL);
    return SSL_CTX_set_min_proto_version(ssl, DTLS1_2_VERSION) == 1 &&
           SSL_CTX_set_max_proto_version(ssl, DTLS1_2_VERSION) == 1 &&
           SSL_CTX_set_cipher_list(ssl, CIPHERS) == 1 &&
           SSL_CTX_set1_groups_list(ssl, GROUPS) == 1 &&
           SSL_CTX_set_tlsext_use_srtp(ssl, SRTP_PROFILES) == 0; /* 0 is success here */
}

struct dtls_context *dtls_context_new(wall_usec wall_now)
{
    struct dtls_context *c = calloc(1, sizeof *c);
    if (c == NULL)
        return NULL;
    c->bio_method = dtls_bio_method_new();
    c->ssl = SSL_CTX_new(DTLS_method());
    if (c->bio_method == NULL || c->ssl == NULL || !configure(c->ssl) ||
        !install_certificate(c, wall_now)) {
        dtls_context_free(c);
        c = NULL;
    }
    ERR_clear_error();
    return c;
}

void dtls_context_free(struct dtls_context *c)
{
    if (c == NULL)
        return;
    SSL_CTX_free(c->ssl);
    BIO_meth_free(c->bio_method);
    free(c);
}

const char *dtls_context_fingerprint(const struct dtls_context *c)
{
    return c->fingerprint;
}
