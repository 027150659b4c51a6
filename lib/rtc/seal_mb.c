/* SPDX-License-Identifier: Apache-2.0 */
#include "rtc/seal_mb.h"

#include <assert.h>
#include <stdlib.h>

#define LINUX                 /* else the header leaves out the alignment of keys */
#define NO_COMPAT_IMB_API_053 /* else it gives names like SHA1 a meaning */
#include <intel-ipsec-mb.h>

enum { HMAC_TAG_OUT = 12, HMAC_TAG = 10, ROUND_KEYS = 11 * 16 };
enum { HASH_MIN_SHA = 2, HASH_MIN = 4 }; /* measured: docs/decisions/0011 */

struct seal_mb {
    IMB_MGR *mgr;
    enum seal_mb_code code;
};

struct seal_mb_gcm {
    struct gcm_key_data data;
};

struct seal_mb_aes {
    uint8_t round_keys[ROUND_KEYS] __attribute__((aligned(16)));
};

struct seal_mb_lanes {
    IMB_MGR *mgr;
    size_t hash_min;
    IMB_JOB jobs[SEAL_MB_JOBS_MAX];
    uint8_t tags[SEAL_MB_JOBS_MAX][HMAC_TAG_OUT];
};

static_assert(SEAL_MB_JOBS_MAX <= IMB_MAX_BURST_SIZE, "one call does");
/* The state after a key pad, which the library wants as five words, is what a SHA_CTX begins with.
 */
static_assert(offsetof(SHA_CTX, h0) == 0 && offsetof(SHA_CTX, h4) == 16, "h0 to h4 in a row");

/* ---- which code */

static const struct code {
    uint64_t needs;
    void (*init)(IMB_MGR *mgr);
} codes[] = {
    [SEAL_MB_SSE] = { IMB_CPUFLAGS_SSE, init_mb_mgr_sse },
    [SEAL_MB_AVX] = { IMB_CPUFLAGS_AVX, init_mb_mgr_avx },
    [SEAL_MB_AVX2] = { IMB_CPUFLAGS_AVX2, init_mb_mgr_avx2 },
    [SEAL_MB_AVX512] = { IMB_CPUFLAGS_AVX512, init_mb_mgr_avx512 },
};

/* NULL: the CPU cannot, or the library tested itself and found a fault. */
static IMB_MGR *new_mgr(enum seal_mb_code code)
{
    if ((imb_get_feature_flags() & codes[code].needs) != codes[code].needs)
        return NULL;
    IMB_MGR *mgr = alloc_mb_mgr(0);
    if (mgr == NULL)
        return NULL;
    codes[code].init(mgr);
    bool is_sound = imb_get_errno(mgr) == 0 && ((mgr->features & IMB_FEATURE_SELF_TEST) == 0 ||
                                                (mgr->features & IMB_FEATURE_SELF_TEST_PASS) != 0);
    if (!is_sound) {
        free_mb_mgr(mgr);
        return NULL;
    }
    return mgr;
}

static bool has_best(enum seal_mb_code *ret)
{
    for (size_t i = ARRAY_LEN(codes) - 1; i > SEAL_MB_BEST; i--) {
        *ret = (enum seal_mb_code)i;
        if ((imb_get_feature_flags() & codes[i].needs) == codes[i].needs)
            return true;
    }
    return false;
}

struct seal_mb *seal_mb_new(enum seal_mb_code code)
{
    if (code == SEAL_MB_BEST && !has_best(&code))
        return NULL;
    struct seal_mb *mb = calloc(1, sizeof *mb);
    if (mb == NULL)
        return NULL;
    mb->code = code;
    mb->mgr = new_mgr(code);
    if (mb->mgr == NULL) {
        free(mb);
        return NULL;
    }
    return mb;
}

void seal_mb_free(struct seal_mb *mb)
{
    if (mb == NULL)
        return;
    free_mb_mgr(mb->mgr);
    free(mb);
}

enum seal_mb_code seal_mb_code_of(const struct seal_mb *mb)
{
    return mb->code;
}

/* ---- GCM */

struct seal_mb_gcm *seal_mb_gcm_new(const struct seal_mb *mb, const uint8_t *key, size_t key_len)
{
    check(key_len == 16 || key_len == 32);
    struct seal_mb_gcm *k = aligned_alloc(_Alignof(struct seal_mb_gcm), sizeof *k);
    if (k == NULL)
        return NULL;
    memset(k, 0, sizeof *k);
    if (key_len == 32)
        IMB_AES256_GCM_PRE(mb->mgr, key, &k->data);
    else
        IMB_AES128_GCM_PRE(mb->mgr, key, &k->data);
    return k;
}

void seal_mb_gcm_free(struct seal_mb_gcm *k)
{
    if (k != NULL)
        bytes_wipe(k, sizeof *k);
    free(k);
}

size_t seal_mb_gcm_size(void)
{
    return sizeof(struct seal_mb_gcm);
}

void seal_mb_gcm_seal(const struct seal_mb *mb, const struct seal_mb_gcm *k,
                      const struct seal_mb_packet *p, uint8_t tag[16])
{
    struct gcm_context_data scratch;
    aes_gcm_enc_dec_t call = p->is_256 ? mb->mgr->gcm256_enc : mb->mgr->gcm128_enc;
    call(&k->data, &scratch, p->out, p->in.data, p->in.len, p->iv, p->aad.data, p->aad.len, tag,
         16);
}

void seal_mb_gcm_open(const struct seal_mb *mb, const struct seal_mb_gcm *k,
                      const struct seal_mb_packet *p, uint8_t tag[16])
{
    struct gcm_context_data scratch;
    aes_gcm_enc_dec_t call = p->is_256 ? mb->mgr->gcm256_dec : mb->mgr->gcm128_dec;
    call(&k->data, &scratch, p->out, p->in.data, p->in.len, p->iv, p->aad.data, p->aad.len, tag,
         16);
}

/* ---- AES-CM with HMAC-SHA1 */

struct seal_mb_aes *seal_mb_aes_new(const struct seal_mb *mb, const uint8_t key[16])
{
    struct seal_mb_aes *k = aligned_alloc(_Alignof(struct seal_mb_aes), sizeof *k);
    struct seal_mb_aes inverse; /* counter mode has no use for it */
    if (k == NULL)
        return NULL;
    IMB_AES_KEYEXP_128(mb->mgr, key, k->round_keys, inverse.round_keys);
    bytes_wipe(&inverse, sizeof inverse);
    return k;
}

void seal_mb_aes_free(struct seal_mb_aes *k)
{
    if (k != NULL)
        bytes_wipe(k, sizeof *k);
    free(k);
}

size_t seal_mb_aes_size(void)
{
    return sizeof(struct seal_mb_aes);
}

/* For hashing, SHA instructions on two packets at a time beat AVX2 on eight; AVX-512 on sixteen
 * beats both. */
static bool has_sha_lanes(const struct seal_mb *mb)
{
    return mb->code != SEAL_MB_AVX512 &&
           (imb_get_feature_flags() & IMB_CPUFLAGS_SSE_T2) == IMB_CPUFLAGS_SSE_T2;
}

struct seal_mb_lanes *seal_mb_lanes_new(const struct seal_mb *mb)
{
    struct seal_mb_lanes *l = calloc(1, sizeof *l);
    if (l == NULL)
        return NULL;
    l->hash_min = has_sha_lanes(mb) ? HASH_MIN_SHA : HASH_MIN;
    l->mgr = new_mgr(has_sha_lanes(mb) ? SEAL_MB_SSE : mb->code);
    if (l->mgr == NULL) {
        free(l);
        return NULL;
    }
    for (size_t i = 0; i < SEAL_MB_JOBS_MAX; i++) {
        l->jobs[i].iv_len_in_bytes = 16;
        l->jobs[i].auth_tag_output = l->tags[i];
        l->jobs[i].auth_tag_output_len_in_bytes = HMAC_TAG_OUT;
    }
    return l;
}

/* The lanes of the manager have held packets and states of keys. */
void seal_mb_lanes_free(struct seal_mb_lanes *l)
{
    if (l == NULL)
        return;
    bytes_wipe(l->mgr, imb_get_mb_mgr_size());
    free_mb_mgr(l->mgr);
    bytes_wipe(l, sizeof *l);
    free(l);
}

size_t seal_mb_lanes_memory(const struct seal_mb *mb)
{
    return mb == NULL ? 0 : sizeof(struct seal_mb_lanes) + imb_get_mb_mgr_size();
}

size_t seal_mb_lanes_hash_min(const struct seal_mb_lanes *l)
{
    return l->hash_min;
}

void seal_mb_lanes_encrypt(struct seal_mb_lanes *l, const struct seal_mb_job *jobs, size_t count)
{
    check(count <= SEAL_MB_JOBS_MAX);
    for (size_t i = 0; i < count; i++) {
        IMB_JOB *to = &l->jobs[i];
        to->enc_keys = jobs[i].key->round_keys;
        to->iv = jobs[i].iv;
        to->src = jobs[i].in.data;
        to->dst = jobs[i].out;
        to->msg_len_to_cipher_in_bytes = jobs[i].in.len;
    }
    check(IMB_SUBMIT_CIPHER_BURST_NOCHECK(l->mgr, l->jobs, (uint32_t)count, IMB_CIPHER_CNTR,
                                          IMB_DIR_ENCRYPT, IMB_KEY_128_BYTES) == count);
}

void seal_mb_lanes_hash(struct seal_mb_lanes *l, const struct seal_mb_job *jobs, size_t count)
{
    check(count <= SEAL_MB_JOBS_MAX);
    for (size_t i = 0; i < count; i++) {
        IMB_JOB *to = &l->jobs[i];
        to->src = jobs[i].hashed.data;
        to->msg_len_to_hash_in_bytes = jobs[i].hashed.len;
        to->u.HMAC._hashed_auth_key_xor_ipad = (const uint8_t *)&jobs[i].hmac->inner;
        to->u.HMAC._hashed_auth_key_xor_opad = (const uint8_t *)&jobs[i].hmac->outer;
    }
    check(IMB_SUBMIT_HASH_BURST_NOCHECK(l->mgr, l->jobs, (uint32_t)count, IMB_AUTH_HMAC_SHA_1) ==
          count);
    for (size_t i = 0; i < count; i++)
        memcpy(jobs[i].tag, l->tags[i], HMAC_TAG);
}
