/* seal_cipher.h - encrypt+authenticate and its inverse, with keys that are expanded once.
 *
 * Inside of the seal module. OpenSSL's contexts, or the keys of ipsec-mb: GCM goes by either;
 * AES-CM goes by OpenSSL, but for packets that are sealed in bursts (rtc/seal_burst.h). One object
 * serves one direction of RTP or of RTCP. No allocation after _init. For AEAD profiles the tag is
 * GCM's over aad and ciphertext; for AES-CM it is HMAC-SHA1 over clear | ciphertext | trailer, cut
 * to 80 bits.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RTC_SEAL_CIPHER_H
#define RTC_SEAL_CIPHER_H

#include "rtc/hmac_sha1.h"
#include "rtc/seal_burst.h"
#include "rtc/seal_keys.h"
#include "rtc/seal_mb.h"

#include <openssl/types.h>

struct seal_cipher {
    const struct seal_mb *mb; /* NULL: OpenSSL only */
    EVP_CIPHER_CTX *ctx;      /* NULL: gcm is used */
    struct seal_mb_gcm *gcm;
    struct seal_mb_aes *burst; /* AES-CM of RTP, to seal: what bursts encrypt with; or NULL */
    struct hmac_sha1 *hmac;    /* AES-CM only */
    uint8_t salt[SEAL_SALT_MAX];
    bool is_aead, is_256;
};

/* What one packet gives to the cipher. */
struct seal_unit {
    struct bytes clear;   /* authenticated, not encrypted, in front */
    struct bytes trailer; /* authenticated, not encrypted, behind: E+index (RTCP), ROC (RTP, CM) */
    uint32_t ssrc;
    uint64_t index; /* 48 bits for RTP, 31 for RTCP */
    bool is_rtcp;
};

enum seal_purpose { SEAL_TO_OPEN, SEAL_TO_SEAL, SEAL_TO_SEAL_IN_BURSTS };

/* false without memory, or if OpenSSL fails; then _done is still to be called. */
MUST_USE bool seal_cipher_init(struct seal_cipher *c, const struct seal_engine *engine,
                               enum seal_profile profile, const struct seal_keys *keys,
                               enum seal_purpose purpose);
/* Wipes all keys. */
void seal_cipher_done(struct seal_cipher *c);
/* Bytes that it holds beside itself; of OpenSSL's contexts about. */
size_t seal_cipher_memory(const struct seal_cipher *c);

/* in → out (same place or no overlap), tag of the profile's length. */
MUST_USE enum err seal_cipher_seal(struct seal_cipher *c, const struct seal_unit *u,
                                   struct bytes in, uint8_t *out, uint8_t *tag);
/* ERR_AUTH if tag is not the right one. AES-CM writes out only if it is. */
MUST_USE enum err seal_cipher_open(struct seal_cipher *c, const struct seal_unit *u,
                                   struct bytes in, uint8_t *out, const uint8_t *tag);

/* The same of AES-CM, to be done in a burst: c->burst is there, in is not empty, u->clear is right
 * in front of out, and the tag (room for the trailer until then) right behind. */
void seal_cipher_defer(const struct seal_cipher *c, const struct seal_unit *u, struct bytes in,
                       uint8_t *out, struct seal_mb_job *ret);
/* A place for it. */
struct seal_mb_job *seal_burst_add(struct seal_burst *b);
/* The tag of such a packet, by OpenSSL. */
void seal_cipher_tag(const struct hmac_sha1 *hmac, struct bytes hashed, uint8_t *tag);

#endif
