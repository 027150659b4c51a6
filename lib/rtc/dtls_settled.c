/* SPDX-License-Identifier: Apache-2.0 */
#include "rtc/dtls_settled.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/ssl.h>

enum {
    RECORD_HEADER_LEN = 13,
    RECORD_ALERT = 21,
    RECORD_DATA = 23,
    RECORD_VERSION = 0xfefd, /* DTLS 1.2 */
    EPOCH_ENCRYPTED = 1,
    ALERT_LEN = 2, /* level, description */
    ALERT_LEVEL_WARNING = 1,
    ALERT_LEVEL_FATAL = 2,
    ALERT_CLOSE_NOTIFY = 0,
    GCM_SALT_LEN = 4,
    GCM_EXPLICIT_LEN = 8,
    NONCE_LEN = 12,
    TAG_LEN = 16,
    RANDOM_LEN = 32,
    MASTER_LEN = 48,
    WINDOW = 64, /* of records read: older ones may be replays */
};
_Static_assert(RECORD_HEADER_LEN + GCM_EXPLICIT_LEN + TAG_LEN == DTLS_SETTLED_OVERHEAD, "");
#define RECORD_NUMBER_MASK 0xffffffffffffull

/* ---- keys */

/* RFC 5246 §5. */
static bool prf(const char *digest, struct bytes secret, struct bytes seed, uint8_t *out,
                size_t len)
{
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "TLS1-PRF", NULL);
    EVP_KDF_CTX *c = kdf == NULL ? NULL : EVP_KDF_CTX_new(kdf);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)(uintptr_t)digest, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, (void *)(uintptr_t)secret.data,
                                          secret.len),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, (void *)(uintptr_t)seed.data,
                                          seed.len),
        OSSL_PARAM_construct_end(),
    };
    bool ok = c != NULL && EVP_KDF_derive(c, out, len, params) == 1;
    EVP_KDF_CTX_free(c);
    EVP_KDF_free(kdf);
    return ok;
}

static const EVP_CIPHER *cipher_of(const SSL *ssl, const char **ret_digest)
{
    const SSL_CIPHER *c = SSL_get_current_cipher(ssl);
    *ret_digest = "SHA256";
    switch (c == NULL ? 0 : SSL_CIPHER_get_protocol_id(c)) {
    case 0xc02b: /* ECDHE-ECDSA-AES128-GCM-SHA256 */
        return EVP_aes_128_gcm();
    case 0xc02c: /* ECDHE-ECDSA-AES256-GCM-SHA384 */
        *ret_digest = "SHA384";
        return EVP_aes_256_gcm();
    case 0xcca9: /* ECDHE-ECDSA-CHACHA20-POLY1305 */
        return EVP_chacha20_poly1305();
    default:
        return NULL;
    }
}

/* What of a nonce is in the record. */
static size_t explicit_len(const struct dtls_half *h)
{
    return EVP_CIPHER_get_mode(h->cipher) == EVP_CIPH_GCM_MODE ? GCM_EXPLICIT_LEN : 0;
}

/* client key | server key | client IV | server IV */
static void take_half(struct dtls_half *h, const uint8_t *block, bool is_server)
{
    size_t key_len = (size_t)EVP_CIPHER_get_key_length(h->cipher);
    size_t iv_len = NONCE_LEN - explicit_len(h);
    memcpy(h->key, block + (is_server ? key_len : 0), key_len);
    memcpy(h->iv, block + 2 * key_len + (is_server ? iv_len : 0), iv_len);
}

bool dtls_settled_init(struct dtls_settled *s, SSL *ssl, bool is_server, struct bytes last)
{
    static const char label[] = "key expansion";
    uint8_t master[MASTER_LEN], seed[sizeof label - 1 + 2 * RANDOM_LEN], block[2 * (32 + 12)];
    const char *digest;
    const EVP_CIPHER *cipher = cipher_of(ssl, &digest);
    if (cipher == NULL || last.len < RECORD_HEADER_LEN + GCM_EXPLICIT_LEN)
        return false;
    *s = (struct dtls_settled){ .read.cipher = cipher, .write.cipher = cipher };
    memcpy(seed, label, sizeof label - 1);
    SSL_get_server_random(ssl, seed + sizeof label - 1, RANDOM_LEN);
    SSL_get_client_random(ssl, seed + sizeof label - 1 + RANDOM_LEN, RANDOM_LEN);
    size_t master_len = SSL_SESSION_get_master_key(SSL_get_session(ssl), master, sizeof master);
    size_t secret_len =
        (size_t)EVP_CIPHER_get_key_length(cipher) + NONCE_LEN - explicit_len(&s->read);
    bool ok = prf(digest, bytes_of(master, master_len), bytes_of(seed, sizeof seed), block,
                  2 * secret_len);
    if (ok) {
        take_half(&s->read, block, !is_server);
        take_half(&s->write, block, is_server);
        s->number = (load_be64(last.data + 3) & RECORD_NUMBER_MASK) + 1;
        s->nonce = load_be64(last.data + RECORD_HEADER_LEN) + 1;
    }
    bytes_wipe(master, sizeof master);
    bytes_wipe(block, sizeof block);
    return ok;
}

void dtls_settled_done(struct dtls_settled *s)
{
    EVP_CIPHER_CTX_free(s->read.context);
    EVP_CIPHER_CTX_free(s->write.context);
    bytes_wipe(s, sizeof *s);
}

/* ---- records */

/* Its context, with the nonce of this record. */
static EVP_CIPHER_CTX *begin(struct dtls_half *h, bool is_write, const uint8_t *header,
                             const uint8_t *nonce_in_record)
{
    uint8_t nonce[NONCE_LEN];
    memcpy(nonce, h->iv, sizeof nonce);
    if (explicit_len(h) > 0)
        memcpy(nonce + GCM_SALT_LEN, nonce_in_record, GCM_EXPLICIT_LEN);
    for (size_t i = 0; explicit_len(h) == 0 && i < 8; i++) /* RFC 7905 §2 */
        nonce[4 + i] ^= header[3 + i];
    bool is_new = h->context == NULL;
    if (is_new)
        h->context = EVP_CIPHER_CTX_new();
    if (h->context == NULL || EVP_CipherInit_ex(h->context, is_new ? h->cipher : NULL, NULL,
                                                is_new ? h->key : NULL, nonce, is_write) != 1) {
        EVP_CIPHER_CTX_free(h->context);
        h->context = NULL;
    }
    return h->context;
}

/* Epoch and number, then type, version and the length of what is encrypted. */
static bool add_header(EVP_CIPHER_CTX *c, const uint8_t *header, size_t len)
{
    uint8_t aad[RECORD_HEADER_LEN];
    int n;
    memcpy(aad, header + 3, 8);
    memcpy(aad + 8, header, 3);
    store_be16(aad + 11, (uint16_t)len);
    return EVP_CipherUpdate(c, NULL, &n, aad, sizeof aad) == 1;
}

static bool open_record(struct dtls_half *h, const uint8_t *header, struct bytes body, uint8_t *out,
                        struct bytes *ret)
{
    size_t prefix = explicit_len(h);
    if (body.len < prefix + TAG_LEN)
        return false;
    size_t len = body.len - prefix - TAG_LEN;
    uint8_t tag[TAG_LEN], rest[TAG_LEN];
    memcpy(tag, body.data + prefix + len, sizeof tag);
    EVP_CIPHER_CTX *c = begin(h, false, header, body.data);
    int n;
    if (c == NULL || !add_header(c, header, len) ||
        EVP_CipherUpdate(c, out, &n, body.data + prefix, (int)len) != 1 ||
        EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, TAG_LEN, tag) != 1 ||
        EVP_CipherFinal_ex(c, rest, &n) != 1)
        return false;
    *ret = bytes_of(out, len);
    return true;
}

static bool is_replay(const struct dtls_settled *s, uint64_t number)
{
    uint64_t age = s->newest - number;
    return number <= s->newest && (age >= WINDOW || (s->seen >> age & 1) != 0);
}

static void remember(struct dtls_settled *s, uint64_t number)
{
    if (number > s->newest) {
        uint64_t step = number - s->newest;
        s->seen = step >= WINDOW ? 0 : s->seen << step;
        s->newest = number;
    }
    s->seen |= 1ull << (s->newest - number);
}

static enum dtls_settled_kind kind_of(uint8_t type, struct bytes content)
{
    if (type == RECORD_DATA)
        return content.len > 0 ? DTLS_SETTLED_DATA : DTLS_SETTLED_NONE;
    if (content.len != ALERT_LEN)
        return DTLS_SETTLED_NONE;
    if (content.data[1] == ALERT_CLOSE_NOTIFY)
        return DTLS_SETTLED_CLOSE;
    return content.data[0] == ALERT_LEVEL_FATAL ? DTLS_SETTLED_FATAL : DTLS_SETTLED_NONE;
}

enum dtls_settled_kind dtls_settled_read(struct dtls_settled *s, struct bytes *datagram,
                                         uint8_t *out, struct bytes *ret)
{
    while (datagram->len >= RECORD_HEADER_LEN) {
        const uint8_t *header = datagram->data;
        size_t len = load_be16(header + 11);
        if (len > datagram->len - RECORD_HEADER_LEN)
            break;
        struct bytes body = bytes_of(header + RECORD_HEADER_LEN, len);
        *datagram = bytes_of(body.data + len, datagram->len - RECORD_HEADER_LEN - len);
        uint64_t number = load_be64(header + 3) & RECORD_NUMBER_MASK;
        bool is_ours = (header[0] == RECORD_ALERT || header[0] == RECORD_DATA) &&
                       load_be16(header + 3) == EPOCH_ENCRYPTED;
        if (!is_ours || is_replay(s, number) || !open_record(&s->read, header, body, out, ret))
            continue;
        remember(s, number);
        enum dtls_settled_kind kind = kind_of(header[0], *ret);
        if (kind != DTLS_SETTLED_NONE)
            return kind;
    }
    return DTLS_SETTLED_NONE;
}

size_t dtls_settled_write(struct dtls_settled *s, bool is_close, struct bytes data, uint8_t *out)
{
    static const uint8_t close_notify[ALERT_LEN] = { ALERT_LEVEL_WARNING, ALERT_CLOSE_NOTIFY };
    if (is_close)
        data = bytes_of(close_notify, sizeof close_notify);
    size_t prefix = explicit_len(&s->write);
    uint8_t *at = out + RECORD_HEADER_LEN + prefix, rest[TAG_LEN];
    store_be64(out + 3, (uint64_t)EPOCH_ENCRYPTED << 48 | s->number++);
    out[0] = is_close ? RECORD_ALERT : RECORD_DATA;
    store_be16(out + 1, RECORD_VERSION);
    store_be16(out + 11, (uint16_t)(prefix + data.len + TAG_LEN));
    if (prefix > 0)
        store_be64(out + RECORD_HEADER_LEN, s->nonce++);
    EVP_CIPHER_CTX *c = begin(&s->write, true, out, out + RECORD_HEADER_LEN);
    int n;
    if (c == NULL || !add_header(c, out, data.len) ||
        EVP_CipherUpdate(c, at, &n, data.data, (int)data.len) != 1 ||
        EVP_CipherFinal_ex(c, rest, &n) != 1 ||
        EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, TAG_LEN, at + data.len) != 1)
        return 0;
    return RECORD_HEADER_LEN + prefix + data.len + TAG_LEN;
}
