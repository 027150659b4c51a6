/* ECDSA over P-256 with SHA-256, signatures as JOSE wants them (RFC 7518 §3.4): r || s, 32 bytes
 * each, instead of OpenSSL's DER. SPDX-License-Identifier: Apache-2.0 */
#include "common/token.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>

#define HALF        (ES256_SIGNATURE_LEN / 2)
#define DER_LEN_MAX 80

static bool is_p256(EVP_PKEY *key)
{
    char group[32];
    return EVP_PKEY_is_a(key, "EC") == 1 &&
           EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group,
                                          NULL) == 1 &&
           strcmp(group, "prime256v1") == 0;
}

static enum err raw_from_der(const uint8_t *der, size_t len, uint8_t ret[ES256_SIGNATURE_LEN])
{
    const uint8_t *at = der;
    ECDSA_SIG *signature = d2i_ECDSA_SIG(NULL, &at, (long)len);
    if (signature == NULL)
        return ERR_SYSTEM;
    bool ok = BN_bn2binpad(ECDSA_SIG_get0_r(signature), ret, HALF) == HALF &&
              BN_bn2binpad(ECDSA_SIG_get0_s(signature), ret + HALF, HALF) == HALF;
    ECDSA_SIG_free(signature);
    return ok ? OK : ERR_SYSTEM;
}

/* Returns the length of the DER form, or 0. */
static size_t der_from_raw(const uint8_t raw[ES256_SIGNATURE_LEN], uint8_t ret[DER_LEN_MAX])
{
    ECDSA_SIG *signature = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(raw, HALF, NULL);
    BIGNUM *s = BN_bin2bn(raw + HALF, HALF, NULL);
    int len = 0;
    if (signature != NULL && r != NULL && s != NULL && ECDSA_SIG_set0(signature, r, s) == 1) {
        r = s = NULL; /* owned by the signature now */
        if (i2d_ECDSA_SIG(signature, NULL) <= DER_LEN_MAX) {
            uint8_t *at = ret;
            len = i2d_ECDSA_SIG(signature, &at);
        }
    }
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(signature);
    return len > 0 ? (size_t)len : 0;
}

enum err es256_sign(EVP_PKEY *key, struct bytes data, uint8_t ret[ES256_SIGNATURE_LEN])
{
    if (!is_p256(key))
        return ERR_UNSUPPORTED;
    uint8_t der[DER_LEN_MAX];
    size_t der_len = sizeof der;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool ok = context != NULL && EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
              EVP_DigestSign(context, der, &der_len, data.data, data.len) == 1;
    EVP_MD_CTX_free(context);
    return ok ? raw_from_der(der, der_len, ret) : ERR_SYSTEM;
}

enum err es256_verify(EVP_PKEY *key, struct bytes data, struct bytes signature)
{
    if (!is_p256(key))
        return ERR_UNSUPPORTED;
    if (signature.len != ES256_SIGNATURE_LEN)
        return ERR_AUTH;
    uint8_t der[DER_LEN_MAX];
    size_t der_len = der_from_raw(signature.data, der);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    enum err e = ERR_SYSTEM;
    if (der_len > 0 && context != NULL &&
        EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key) == 1)
        e = EVP_DigestVerify(context, der, der_len, data.data, data.len) == 1 ? OK : ERR_AUTH;
    EVP_MD_CTX_free(context);
    return e;
}
