/* hmac_sha1.h - HMAC-SHA1 whose key is hashed once (RFC 2104), for STUN and SRTP.
 *
 * Pure, and never allocates: OpenSSL 3.0's HMAC and EVP_MAC allocate for every message. The state
 * after the two key pads is kept and copied per message, which saves two of the four blocks that a
 * short message costs.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RTC_HMAC_SHA1_H
#define RTC_HMAC_SHA1_H

#include "common/bytes.h"

#include <openssl/sha.h>

#define HMAC_SHA1_LEN 20

/* A key, ready for use. Embedded; holds a secret: wipe with bytes_wipe(). */
struct hmac_sha1 {
    SHA_CTX inner;
    SHA_CTX outer;
};

void hmac_sha1_init(struct hmac_sha1 *h, struct bytes key);
/* MAC of the concatenation of count parts. h is not changed. */
void hmac_sha1_sum(const struct hmac_sha1 *h, const struct bytes *parts, size_t count,
                   uint8_t ret[HMAC_SHA1_LEN]);

#endif
