/* seal_mb.h - the ciphers of ipsec-mb (Debian's libipsec-mb, version 1.3).
 *
 * Inside of the seal module, and the only place that knows the library. GCM goes by its direct
 * calls, which keep no state but the key; AES-CM with HMAC-SHA1 by its bursts, which encrypt many
 * packets, then hash up to 16 of them at once. Without the library (meson option ipsec_mb)
 * seal_mb_none.c stands here, and seal_mb_new() is NULL.
 *
 * The library is assembler: sanitizers do not see into it, tests hold it to its bounds with guard
 * pages. It clears its registers and what it put on the stack (its SAFE_DATA build, as Debian's).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RTC_SEAL_MB_H
#define RTC_SEAL_MB_H

#include "rtc/hmac_sha1.h"
#include "rtc/seal_engine.h"

/* Which instructions: the best that the CPU has, or just these (tests). */
enum seal_mb_code { SEAL_MB_BEST, SEAL_MB_SSE, SEAL_MB_AVX, SEAL_MB_AVX2, SEAL_MB_AVX512 };

struct seal_mb; /* read-only after _new: shared by threads */

struct seal_engine {
    struct seal_mb *mb; /* NULL: OpenSSL */
};

/* NULL: not built in, the CPU is without these instructions or AES, the library's test of itself
 * failed, or no memory. */
struct seal_mb *seal_mb_new(enum seal_mb_code code);
void seal_mb_free(struct seal_mb *mb);
/* Never SEAL_MB_BEST. */
enum seal_mb_code seal_mb_code_of(const struct seal_mb *mb);

/* As seal_engine_new(); for tests. NULL as seal_mb_new(). */
struct seal_engine *seal_engine_new_mb(enum seal_mb_code code);

static inline const struct seal_mb *seal_mb_of(const struct seal_engine *e)
{
    return e == NULL ? NULL : e->mb;
}

/* ---- AES-GCM, 128 or 256 */

/* Round keys and powers of the hash key: 1 KiB, aligned to cache lines. */
struct seal_mb_gcm;

/* NULL without memory. key_len: 16 or 32. */
struct seal_mb_gcm *seal_mb_gcm_new(const struct seal_mb *mb, const uint8_t *key, size_t key_len);
/* Wipes it. */
void seal_mb_gcm_free(struct seal_mb_gcm *k);

/* Bytes of one. */
size_t seal_mb_gcm_size(void);

/* What one packet gives; nothing of it is NULL. */
struct seal_mb_packet {
    const uint8_t *iv; /* 12 bytes */
    struct bytes aad;
    struct bytes in;
    uint8_t *out; /* in.data, or no overlap */
    bool is_256;  /* as the key */
};
void seal_mb_gcm_seal(const struct seal_mb *mb, const struct seal_mb_gcm *k,
                      const struct seal_mb_packet *p, uint8_t tag[16]);
/* Decrypts, and tells the tag that there should be: to be compared by the caller. */
void seal_mb_gcm_open(const struct seal_mb *mb, const struct seal_mb_gcm *k,
                      const struct seal_mb_packet *p, uint8_t tag[16]);

/* ---- AES-128 in counter mode with HMAC-SHA1, many packets at once */

#define SEAL_MB_JOBS_MAX 64

struct seal_mb_aes; /* round keys of AES-128: 176 bytes */

struct seal_mb_aes *seal_mb_aes_new(const struct seal_mb *mb, const uint8_t key[16]);
void seal_mb_aes_free(struct seal_mb_aes *k); /* wipes it */
size_t seal_mb_aes_size(void);                /* bytes of one */

struct seal_mb_job {
    const struct seal_mb_aes *key;
    const struct hmac_sha1 *hmac;
    uint8_t iv[16];
    struct bytes in; /* 1 byte or more */
    uint8_t *out;    /* in.data, or no overlap */
    struct bytes hashed;
    uint8_t *tag; /* 10 bytes; what is there first may be hashed itself */
};

struct seal_mb_lanes; /* one thread's */

struct seal_mb_lanes *seal_mb_lanes_new(const struct seal_mb *mb); /* NULL without memory */
void seal_mb_lanes_free(struct seal_mb_lanes *l);
/* Bytes of one. */
size_t seal_mb_lanes_memory(const struct seal_mb *mb);
/* count: 1..SEAL_MB_JOBS_MAX. Encrypts. */
void seal_mb_lanes_encrypt(struct seal_mb_lanes *l, const struct seal_mb_job *jobs, size_t count);
/* Hashes what is there by now, and writes the tags. */
void seal_mb_lanes_hash(struct seal_mb_lanes *l, const struct seal_mb_job *jobs, size_t count);
/* Fewer than these OpenSSL hashes faster, one by one. */
size_t seal_mb_lanes_hash_min(const struct seal_mb_lanes *l);

#endif
