/* SPDX-License-Identifier: Apache-2.0 */
#include "rtc/seal_keys.h"

#include <openssl/evp.h>

struct profile {
    enum seal_profile id;
    const char *name;
    uint8_t key_len, salt_len, tag_len;
};

static const struct profile profiles[] = {
    { SEAL_AEAD_AES_128_GCM, "AEAD_AES_128_GCM", 16, 12, 16 },
    { SEAL_AEAD_AES_256_GCM, "AEAD_AES_256_GCM", 32, 12, 16 },
    { SEAL_AES_CM_128_HMAC_SHA1_80, "AES_CM_128_HMAC_SHA1_80", 16, 14, 10 },
};

static const struct profile *find_profile(enum seal_profile id)
{
    static const struct profile none = { SEAL_NONE, "none", 0, 0, 0 };
    for (size_t i = 0; i < ARRAY_LEN(profiles); i++) {
        if (profiles[i].id == id)
            return &profiles[i];
    }
    return &none;
}

size_t seal_key_len(enum seal_profile profile)
{
    return find_profile(profile)->key_len;
}

size_t seal_salt_len(enum seal_profile profile)
{
    return find_profile(profile)->salt_len;
}

size_t seal_rtp_overhead(enum seal_profile profile)
{
    return find_profile(profile)->tag_len;
}

size_t seal_rtcp_overhead(enum seal_profile profile)
{
    size_t tag_len = find_profile(profile)->tag_len;
    return tag_len == 0 ? 0 : tag_len + 4;
}

const char *seal_profile_name(enum seal_profile profile)
{
    return find_profile(profile)->name;
}

/* RFC 3711 §4.3.1: the keystream of AES-CM under the master key, from label and master salt. */
static bool derive(EVP_CIPHER_CTX *ctx, const uint8_t salt[SEAL_SALT_MAX], uint8_t label,
                   uint8_t *ret, size_t len)
{
    static const uint8_t zeros[SEAL_KEY_MAX];
    uint8_t iv[16] = { 0 };
    int n;
    memcpy(iv, salt, SEAL_SALT_MAX);
    iv[7] ^= label; /* the 8-bit label sits above the 48-bit index, which is 0: one derivation */
    check(len <= sizeof zeros);
    return EVP_EncryptInit_ex(ctx, NULL, NULL, NULL, iv) == 1 &&
           EVP_EncryptUpdate(ctx, ret, &n, zeros, (int)len) == 1 && (size_t)n == len;
}

static bool derive_keys(EVP_CIPHER_CTX *ctx, const struct profile *p,
                        const uint8_t salt[SEAL_SALT_MAX], uint8_t first_label,
                        struct seal_keys *ret)
{
    return derive(ctx, salt, first_label, ret->key, p->key_len) &&
           derive(ctx, salt, (uint8_t)(first_label + 1), ret->auth, sizeof ret->auth) &&
           derive(ctx, salt, (uint8_t)(first_label + 2), ret->salt, p->salt_len);
}

enum err seal_session_derive(enum seal_profile profile, const struct seal_master *master,
                             struct seal_session *ret)
{
    const struct profile *p = find_profile(profile);
    if (p->key_len == 0)
        return ERR_UNSUPPORTED;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    if (ctx == NULL)
        return ERR_SYSTEM;

    /* A 96-bit salt of GCM is padded on the right (RFC 7714 §11). */
    uint8_t salt[SEAL_SALT_MAX] = { 0 };
    memcpy(salt, master->salt, p->salt_len);
    struct seal_session session = { 0 };
    const EVP_CIPHER *cipher = p->key_len == 16 ? EVP_aes_128_ctr() : EVP_aes_256_ctr();
    bool ok = EVP_EncryptInit_ex(ctx, cipher, NULL, master->key, NULL) == 1 &&
              derive_keys(ctx, p, salt, 0, &session.rtp) &&
              derive_keys(ctx, p, salt, 3, &session.rtcp);
    EVP_CIPHER_CTX_free(ctx);
    if (ok)
        *ret = session;
    bytes_wipe(&session, sizeof session);
    bytes_wipe(salt, sizeof salt);
    return ok ? OK : ERR_SYSTEM;
}
