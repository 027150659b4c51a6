/* SPDX-License-Identifier: Apache-2.0 */
#include "rtc/seal_cipher.h"

#include <limits.h>
#include <openssl/evp.h>
#include <stdlib.h>

#define GCM_TAG_LEN 16
#define GCM_IV_LEN  12
#define CM_TAG_LEN  10
#define CM_IV_LEN   16

/* What OpenSSL 3.0 allocates for a context. */
#define GCM_CONTEXT_SIZE 1168
#define CTR_CONTEXT_SIZE 656

#define RTCP_AAD_LEN 12 /* RFC 7714 §9.2: the clear 8 bytes, E and index */

static const EVP_CIPHER *cipher_of(enum seal_profile profile)
{
    switch (profile) {
    case SEAL_AEAD_AES_128_GCM:
        return EVP_aes_128_gcm();
    case SEAL_AEAD_AES_256_GCM:
        return EVP_aes_256_gcm();
    case SEAL_AES_CM_128_HMAC_SHA1_80:
        return EVP_aes_128_ctr();
    default:
        return NULL;
    }
}

bool seal_cipher_init(struct seal_cipher *c, const struct seal_engine *engine,
                      enum seal_profile profile, const struct seal_keys *keys,
                      enum seal_purpose purpose)
{
    const EVP_CIPHER *cipher = cipher_of(profile);
    *c = (struct seal_cipher){ .mb = seal_mb_of(engine),
                               .is_aead = profile != SEAL_AES_CM_128_HMAC_SHA1_80,
                               .is_256 = seal_key_len(profile) == 32 };
    memcpy(c->salt, keys->salt, seal_salt_len(profile));
    if (cipher == NULL)
        return false;
    if (c->mb != NULL && c->is_aead) {
        c->gcm = seal_mb_gcm_new(c->mb, keys->key, seal_key_len(profile));
        return c->gcm != NULL;
    }
    if (!c->is_aead) {
        c->hmac = malloc(sizeof *c->hmac);
        if (c->hmac == NULL)
            return false;
        hmac_sha1_init(c->hmac, bytes_of(keys->auth, sizeof keys->auth));
    }
    if (c->mb != NULL && purpose == SEAL_TO_SEAL_IN_BURSTS) {
        c->burst = seal_mb_aes_new(c->mb, keys->key);
        if (c->burst == NULL)
            return false;
    }
    c->ctx = EVP_CIPHER_CTX_new();
    /* Counter mode decrypts by encrypting. */
    int encrypt = purpose != SEAL_TO_OPEN || !c->is_aead;
    return c->ctx != NULL && EVP_CipherInit_ex(c->ctx, cipher, NULL, keys->key, NULL, encrypt) == 1;
}

void seal_cipher_done(struct seal_cipher *c)
{
    EVP_CIPHER_CTX_free(c->ctx); /* clears the key */
    seal_mb_gcm_free(c->gcm);
    seal_mb_aes_free(c->burst);
    if (c->hmac != NULL)
        bytes_wipe(c->hmac, sizeof *c->hmac);
    free(c->hmac);
    bytes_wipe(c, sizeof *c);
}

size_t seal_cipher_memory(const struct seal_cipher *c)
{
    size_t context = c->ctx == NULL ? 0 : c->is_aead ? GCM_CONTEXT_SIZE : CTR_CONTEXT_SIZE;
    return context + (c->gcm != NULL ? seal_mb_gcm_size() : 0) +
           (c->burst != NULL ? seal_mb_aes_size() : 0) + (c->hmac != NULL ? sizeof *c->hmac : 0);
}

/* RFC 7714 §8.1 and §9.1: 00 00 | SSRC | ROC | SEQ, or 00 00 | SSRC | 00 00 | index, XOR salt. */
static void make_gcm_iv(const struct seal_cipher *c, const struct seal_unit *u,
                        uint8_t iv[GCM_IV_LEN])
{
    memset(iv, 0, GCM_IV_LEN);
    store_be32(iv + 2, u->ssrc);
    store_be16(iv + 6, (uint16_t)(u->index >> 32));
    store_be32(iv + 8, (uint32_t)u->index);
    for (size_t i = 0; i < GCM_IV_LEN; i++)
        iv[i] ^= c->salt[i];
}

/* RFC 3711 §4.1.1: salt * 2^16 XOR SSRC * 2^64 XOR index * 2^16. */
static void make_cm_iv(const struct seal_cipher *c, const struct seal_unit *u,
                       uint8_t iv[CM_IV_LEN])
{
    memset(iv, 0, CM_IV_LEN);
    store_be32(iv + 4, u->ssrc);
    store_be64(iv + 8, u->index << 16);
    for (size_t i = 0; i < SEAL_SALT_MAX; i++)
        iv[i] ^= c->salt[i];
}

static bool update(EVP_CIPHER_CTX *ctx, uint8_t *out, struct bytes in)
{
    int n;
    check(in.len <= INT_MAX);
    return in.len == 0 || EVP_CipherUpdate(ctx, out, &n, in.data, (int)in.len) == 1;
}

static bool begin_gcm(struct seal_cipher *c, const struct seal_unit *u)
{
    uint8_t iv[GCM_IV_LEN];
    make_gcm_iv(c, u, iv);
    return EVP_CipherInit_ex(c->ctx, NULL, NULL, NULL, iv, -1) == 1 &&
           update(c->ctx, NULL, u->clear) && (!u->is_rtcp || update(c->ctx, NULL, u->trailer));
}

static enum err seal_gcm(struct seal_cipher *c, const struct seal_unit *u, struct bytes in,
                         uint8_t *out, uint8_t *tag)
{
    uint8_t rest[16];
    int n;
    bool ok = begin_gcm(c, u) && update(c->ctx, out, in) &&
              EVP_CipherFinal_ex(c->ctx, rest, &n) == 1 &&
              EVP_CIPHER_CTX_ctrl(c->ctx, EVP_CTRL_AEAD_GET_TAG, GCM_TAG_LEN, tag) == 1;
    return ok ? OK : ERR_SYSTEM;
}

static enum err open_gcm(struct seal_cipher *c, const struct seal_unit *u, struct bytes in,
                         uint8_t *out, const uint8_t *tag)
{
    uint8_t expected[GCM_TAG_LEN], rest[16];
    int n;
    memcpy(expected, tag, sizeof expected); /* the control call wants it writable */
    if (!begin_gcm(c, u) || !update(c->ctx, out, in) ||
        EVP_CIPHER_CTX_ctrl(c->ctx, EVP_CTRL_AEAD_SET_TAG, GCM_TAG_LEN, expected) != 1)
        return ERR_SYSTEM;
    return EVP_CipherFinal_ex(c->ctx, rest, &n) == 1 ? OK : ERR_AUTH;
}

/* What ipsec-mb is given: the additional data in one piece. */
struct gcm_input {
    struct seal_mb_packet packet;
    uint8_t iv[GCM_IV_LEN];
    uint8_t aad[RTCP_AAD_LEN];
};

static const struct seal_mb_packet *make_gcm_input(const struct seal_cipher *c,
                                                   const struct seal_unit *u, struct bytes in,
                                                   uint8_t *out, struct gcm_input *ret)
{
    make_gcm_iv(c, u, ret->iv);
    ret->packet = (struct seal_mb_packet){
        .iv = ret->iv, .aad = u->clear, .in = in, .out = out, .is_256 = c->is_256
    };
    if (u->is_rtcp) {
        check(u->clear.len + u->trailer.len == RTCP_AAD_LEN);
        memcpy(ret->aad, u->clear.data, u->clear.len);
        memcpy(ret->aad + u->clear.len, u->trailer.data, u->trailer.len);
        ret->packet.aad = bytes_of(ret->aad, RTCP_AAD_LEN);
    }
    return &ret->packet;
}

static enum err open_gcm_mb(const struct seal_cipher *c, const struct seal_unit *u, struct bytes in,
                            uint8_t *out, const uint8_t *tag)
{
    struct gcm_input input;
    uint8_t expected[GCM_TAG_LEN];
    seal_mb_gcm_open(c->mb, c->gcm, make_gcm_input(c, u, in, out, &input), expected);
    bool is_right = bytes_equal_secret(bytes_of(expected, GCM_TAG_LEN), bytes_of(tag, GCM_TAG_LEN));
    return is_right ? OK : ERR_AUTH;
}

static enum err crypt_cm(struct seal_cipher *c, const struct seal_unit *u, struct bytes in,
                         uint8_t *out)
{
    uint8_t iv[CM_IV_LEN];
    make_cm_iv(c, u, iv);
    bool ok = EVP_CipherInit_ex(c->ctx, NULL, NULL, NULL, iv, -1) == 1 && update(c->ctx, out, in);
    return ok ? OK : ERR_SYSTEM;
}

static void mac_cm(const struct seal_cipher *c, const struct seal_unit *u, struct bytes encrypted,
                   uint8_t mac[HMAC_SHA1_LEN])
{
    struct bytes parts[3] = { u->clear, encrypted, u->trailer };
    hmac_sha1_sum(c->hmac, parts, 3, mac);
}

enum err seal_cipher_seal(struct seal_cipher *c, const struct seal_unit *u, struct bytes in,
                          uint8_t *out, uint8_t *tag)
{
    struct gcm_input input;
    if (c->gcm != NULL) {
        seal_mb_gcm_seal(c->mb, c->gcm, make_gcm_input(c, u, in, out, &input), tag);
        return OK;
    }
    if (c->is_aead)
        return seal_gcm(c, u, in, out, tag);
    enum err e = crypt_cm(c, u, in, out);
    if (e != OK)
        return e;
    uint8_t mac[HMAC_SHA1_LEN];
    mac_cm(c, u, bytes_of(out, in.len), mac);
    memcpy(tag, mac, CM_TAG_LEN);
    return OK;
}

enum err seal_cipher_open(struct seal_cipher *c, const struct seal_unit *u, struct bytes in,
                          uint8_t *out, const uint8_t *tag)
{
    if (c->gcm != NULL)
        return open_gcm_mb(c, u, in, out, tag);
    if (c->is_aead)
        return open_gcm(c, u, in, out, tag);
    uint8_t mac[HMAC_SHA1_LEN];
    mac_cm(c, u, in, mac);
    if (!bytes_equal_secret(bytes_of(mac, CM_TAG_LEN), bytes_of(tag, CM_TAG_LEN)))
        return ERR_AUTH;
    return crypt_cm(c, u, in, out);
}

void seal_cipher_defer(const struct seal_cipher *c, const struct seal_unit *u, struct bytes in,
                       uint8_t *out, struct seal_mb_job *ret)
{
    check(u->clear.data + u->clear.len == out);
    ret->key = c->burst;
    ret->hmac = c->hmac;
    make_cm_iv(c, u, ret->iv);
    ret->in = in;
    ret->out = out;
    ret->tag = out + in.len;
    memcpy(ret->tag, u->trailer.data, u->trailer.len);
    ret->hashed = bytes_of(u->clear.data, u->clear.len + in.len + u->trailer.len);
}

void seal_cipher_tag(const struct hmac_sha1 *hmac, struct bytes hashed, uint8_t *tag)
{
    uint8_t mac[HMAC_SHA1_LEN];
    hmac_sha1_sum(hmac, &hashed, 1, mac);
    memcpy(tag, mac, CM_TAG_LEN);
}
