/* SPDX-License-Identifier: Apache-2.0 */
#include "rtc/dtls_alert.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/ssl.h>

/* A record: type | version (2) | epoch (2) | number (6) | length (2), then what is encrypted. */
enum {
    RECORD_HEADER_LEN = 13,
    RECORD_ALERT = 21,
    EPOCH_ENCRYPTED = 1,
    ALERT_LEN = 2, /* level, description */
    ALERT_LEVEL_FATAL = 2,
    ALERT_CLOSE_NOTIFY = 0,
    GCM_SALT_LEN = 4,
    GCM_EXPLICIT_LEN = 8,
    NONCE_LEN = 12,
    TAG_LEN = 16,
    RANDOM_LEN = 32,
    MASTER_LEN = 48,
};

/* ---- the key */

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

static bool is_gcm(const struct dtls_alert_key *k)
{
    return EVP_CIPHER_get_mode(k->cipher) == EVP_CIPH_GCM_MODE;
}

bool dtls_alert_key_init(struct dtls_alert_key *k, SSL *ssl, bool is_server)
{
    static const char label[] = "key expansion";
    uint8_t master[MASTER_LEN], seed[sizeof label - 1 + 2 * RANDOM_LEN], block[2 * (32 + 12)];
    const char *digest;
    *k = (struct dtls_alert_key){ .cipher = cipher_of(ssl, &digest) };
    if (k->cipher == NULL)
        return false;
    size_t key_len = (size_t)EVP_CIPHER_get_key_length(k->cipher);
    size_t iv_len = is_gcm(k) ? GCM_SALT_LEN : NONCE_LEN;
    memcpy(seed, label, sizeof label - 1);
    SSL_get_server_random(ssl, seed + sizeof label - 1, RANDOM_LEN);
    SSL_get_client_random(ssl, seed + sizeof label - 1 + RANDOM_LEN, RANDOM_LEN);
    size_t master_len = SSL_SESSION_get_master_key(SSL_get_session(ssl), master, sizeof master);
    bool ok = prf(digest, bytes_of(master, master_len), bytes_of(seed, sizeof seed), block,
                  2 * (key_len + iv_len));
    /* client key | server key | client IV | server IV; the peer's is the other one's */
    memcpy(k->key, block + (is_server ? 0 : key_len), key_len);
    memcpy(k->iv, block + 2 * key_len + (is_server ? 0 : iv_len), iv_len);
    bytes_wipe(master, sizeof master);
    bytes_wipe(block, sizeof block);
    return ok;
}

/* ---- records */

static bool open_record(const struct dtls_alert_key *k, const uint8_t *header, struct bytes body,
                        uint8_t alert[ALERT_LEN])
{
    size_t prefix = is_gcm(k) ? GCM_EXPLICIT_LEN : 0;
    if (body.len != prefix + ALERT_LEN + TAG_LEN)
        return false;
    uint8_t nonce[NONCE_LEN], tag[TAG_LEN], aad[RECORD_HEADER_LEN];
    memcpy(nonce, k->iv, sizeof nonce);
    if (prefix > 0)
        memcpy(nonce + GCM_SALT_LEN, body.data, prefix);
    for (size_t i = 0; prefix == 0 && i < 8; i++) /* RFC 7905 §2 */
        nonce[4 + i] ^= header[3 + i];
    memcpy(aad, header + 3, 8); /* epoch and number, then type, version, length of the alert */
    memcpy(aad + 8, header, 3);
    store_be16(aad + 11, ALERT_LEN);
    memcpy(tag, body.data + prefix + ALERT_LEN, sizeof tag);
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    int n;
    uint8_t rest[TAG_LEN];
    bool ok = c != NULL && EVP_DecryptInit_ex(c, k->cipher, NULL, k->key, nonce) == 1 &&
              EVP_DecryptUpdate(c, NULL, &n, aad, sizeof aad) == 1 &&
              EVP_DecryptUpdate(c, alert, &n, body.data + prefix, ALERT_LEN) == 1 &&
              EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, TAG_LEN, tag) == 1 &&
              EVP_DecryptFinal_ex(c, rest, &n) == 1;
    EVP_CIPHER_CTX_free(c);
    return ok;
}

enum dtls_alert dtls_alert_read(const struct dtls_alert_key *k, struct bytes datagram)
{
    while (datagram.len >= RECORD_HEADER_LEN) {
        const uint8_t *header = datagram.data;
        size_t len = load_be16(header + 11);
        if (len > datagram.len - RECORD_HEADER_LEN)
            break;
        uint8_t alert[ALERT_LEN];
        if (header[0] == RECORD_ALERT && load_be16(header + 3) == EPOCH_ENCRYPTED &&
            open_record(k, header, bytes_of(header + RECORD_HEADER_LEN, len), alert)) {
            if (alert[1] == ALERT_CLOSE_NOTIFY)
                return DTLS_ALERT_CLOSE;
            if (alert[0] == ALERT_LEVEL_FATAL)
                return DTLS_ALERT_FATAL;
        }
        datagram =
            bytes_of(header + RECORD_HEADER_LEN + len, datagram.len - RECORD_HEADER_LEN - len);
    }
    return DTLS_ALERT_NONE;
}
