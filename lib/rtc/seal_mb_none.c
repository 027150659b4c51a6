/* seal_mb_none.c - instead of seal_mb.c where ipsec-mb isn't: nothing but the first can be called.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "rtc/seal_mb.h"

struct seal_mb *seal_mb_new(enum seal_mb_code code)
{
    return NULL;
}

void seal_mb_free(struct seal_mb *mb)
{
}

enum seal_mb_code seal_mb_code_of(const struct seal_mb *mb)
{
    return SEAL_MB_BEST;
}

struct seal_mb_gcm *seal_mb_gcm_new(const struct seal_mb *mb, const uint8_t *key, size_t key_len)
{
    return NULL;
}

void seal_mb_gcm_free(struct seal_mb_gcm *k)
{
}

size_t seal_mb_gcm_size(void)
{
    return 0;
}

void seal_mb_gcm_seal(const struct seal_mb *mb, const struct seal_mb_gcm *k,
                      const struct seal_mb_packet *p, uint8_t tag[16])
{
    check(mb != NULL);
}

void seal_mb_gcm_open(const struct seal_mb *mb, const struct seal_mb_gcm *k,
                      const struct seal_mb_packet *p, uint8_t tag[16])
{
    check(mb != NULL);
}

struct seal_mb_aes *seal_mb_aes_new(const struct seal_mb *mb, const uint8_t key[16])
{
    return NULL;
}

void seal_mb_aes_free(struct seal_mb_aes *k)
{
}

size_t seal_mb_aes_size(void)
{
    return 0;
}

struct seal_mb_lanes *seal_mb_lanes_new(const struct seal_mb *mb)
{
    return NULL;
}

void seal_mb_lanes_free(struct seal_mb_lanes *l)
{
}

size_t seal_mb_lanes_memory(const struct seal_mb *mb)
{
    return 0;
}

void seal_mb_lanes_encrypt(struct seal_mb_lanes *l, const struct seal_mb_job *jobs, size_t count)
{
    check(l != NULL);
}

void seal_mb_lanes_hash(struct seal_mb_lanes *l, const struct seal_mb_job *jobs, size_t count)
{
    check(l != NULL);
}

size_t seal_mb_lanes_hash_min(const struct seal_mb_lanes *l)
{
    return SIZE_MAX;
}
