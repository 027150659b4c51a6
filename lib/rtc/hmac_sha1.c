/* SPDX-License-Identifier: Apache-2.0 */

/* The low-level SHA-1 calls are the only ones in OpenSSL 3.0 that work on caller memory. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "rtc/hmac_sha1.h"

#define BLOCK_LEN 64

static void absorb_pad(SHA_CTX *ctx, const uint8_t key[BLOCK_LEN], uint8_t pad)
{
    uint8_t block[BLOCK_LEN];
    for (size_t i = 0; i < BLOCK_LEN; i++)
        block[i] = key[i] ^ pad;
    check(SHA1_Init(ctx) == 1);
    check(SHA1_Update(ctx, block, BLOCK_LEN) == 1);
    bytes_wipe(block, sizeof block);
}

void hmac_sha1_init(struct hmac_sha1 *h, struct bytes key)
{
    uint8_t block[BLOCK_LEN] = { 0 };
    if (key.len > BLOCK_LEN) {
        SHA_CTX ctx;
        check(SHA1_Init(&ctx) == 1);
        check(SHA1_Update(&ctx, key.data, key.len) == 1);
        check(SHA1_Final(block, &ctx) == 1);
    } else if (key.len > 0) {
        memcpy(block, key.data, key.len);
    }
    absorb_pad(&h->inner, block, 0x36);
    absorb_pad(&h->outer, block, 0x5c);
    bytes_wipe(block, sizeof block);
}

void hmac_sha1_sum(const struct hmac_sha1 *h, const struct bytes *parts, size_t count,
                   uint8_t ret[HMAC_SHA1_LEN])
{
    SHA_CTX ctx = h->inner;
    for (size_t i = 0; i < count; i++)
        check(SHA1_Update(&ctx, parts[i].data, parts[i].len) == 1);
    check(SHA1_Final(ret, &ctx) == 1);
    ctx = h->outer;
    check(SHA1_Update(&ctx, ret, HMAC_SHA1_LEN) == 1);
    check(SHA1_Final(ret, &ctx) == 1);
}
