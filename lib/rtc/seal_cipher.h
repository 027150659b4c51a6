/* seal_cipher.h - encrypt+authenticate and its inverse, over OpenSSL contexts that are made once.
 *
 * Inside of the seal module. One object serves one direction of RTP or of RTCP. No allocation after
 * _init. For AEAD profiles the tag is GCM's over aad and ciphertext; for AES-CM it is HMAC-SHA1
 * over clear | ciphertext | trailer, cut to 80 bits.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RTC_SEAL_CIPHER_H
#define RTC_SEAL_CIPHER_H

#include "rtc/hmac_sha1.h"
#include "rtc/seal_keys.h"

#include <openssl/types.h>

struct seal_cipher {
    EVP_CIPHER_CTX *ctx;
    struct hmac_sha1 hmac; /* AES-CM only */
    uint8_t salt[SEAL_SALT_MAX];
    bool is_aead;
};

/* What one packet gives to the cipher. */
struct seal_unit {
    struct bytes clear;   /* authenticated, not encrypted, in front */
    struct bytes trailer; /* authenticated, not encrypted, behind: E+index (RTCP), ROC (RTP, CM) */
    uint32_t ssrc;
    uint64_t index; /* 48 bits for RTP, 31 for RTCP */
    bool is_rtcp;
};

/* false if OpenSSL fails; then _done is still to be called. */
MUST_USE bool seal_cipher_init(struct seal_cipher *c, enum seal_profile profile,
                               const struct seal_keys *keys, bool encrypt);
void seal_cipher_done(struct seal_cipher *c);

/* in → out (same place or no overlap), tag of the profile's length. */
MUST_USE enum err seal_cipher_seal(struct seal_cipher *c, const struct seal_unit *u,
                                   struct bytes in, uint8_t *out, uint8_t *tag);
/* ERR_AUTH if tag is not the right one. AES-CM writes out only if it is. */
MUST_USE enum err seal_cipher_open(struct seal_cipher *c, const struct seal_unit *u,
                                   struct bytes in, uint8_t *out, const uint8_t *tag);

#endif
