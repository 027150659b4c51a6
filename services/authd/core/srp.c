/* srp.c - SRP-6a over OpenSSL's bignums.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/srp.h"

#include <openssl/bn.h>
#include <openssl/evp.h>

/* RFC 5054 appendix A, 1024-bit group. The larger primes are those of RFC 3526, which OpenSSL has;
 * only their generators are RFC 5054's own. */
static const char prime_1024[] = "EEAF0AB9ADB38DD69C33F80AFA8FC5E86072618775FF3C0B9EA2314C9C256576"
                                 "D674DF7496EA81D3383B4813D692C6E0E0D5D8E250B98BE48E495C1D6089DAD1"
                                 "5DC7D7B46154D6B6CE8EF4AD69B15D4982559B297BCF1885C529F566660E57EC"
                                 "68EDBC3C05726CC02FD4CBF4976EAA9AFD5138FE8376435B9FC61D2FC0EB06E3";

static const struct {
    const char *name; /* NULL: not offered */
    size_t len;
    unsigned generator;
} groups[] = {
    [SRP_GROUP_1024] = { NULL, 128, 2 },
    [SRP_GROUP_3072] = { "3072", 384, 5 },
    [SRP_GROUP_4096] = { "4096", 512, 5 },
};

enum err srp_group_parse(const char *text, enum srp_group *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
        if (groups[i].name != NULL && strcmp(groups[i].name, text) == 0) {
            *ret = (enum srp_group)i;
            return OK;
        }
    }
    return ERR_UNSUPPORTED;
}

const char *srp_group_name(enum srp_group group)
{
    check((size_t)group < ARRAY_LEN(groups) && groups[group].name != NULL);
    return groups[group].name;
}

size_t srp_group_len(enum srp_group group)
{
    check((size_t)group < ARRAY_LEN(groups));
    return groups[group].len;
}

size_t srp_hash_len(enum srp_hash hash)
{
    return hash == SRP_HASH_SHA256 ? 32 : 20;
}

/* H over the concatenation of parts. */
static enum err hash_of(enum srp_hash hash, const struct bytes *parts, size_t count, uint8_t *ret)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    const EVP_MD *md = hash == SRP_HASH_SHA256 ? EVP_sha256() : EVP_sha1();
    bool fine = ctx != NULL && EVP_DigestInit_ex(ctx, md, NULL) == 1;
    for (size_t i = 0; fine && i < count; i++)
        fine = parts[i].len == 0 || EVP_DigestUpdate(ctx, parts[i].data, parts[i].len) == 1;
    fine = fine && EVP_DigestFinal_ex(ctx, ret, NULL) == 1;
    EVP_MD_CTX_free(ctx);
    return fine ? OK : ERR_SYSTEM;
}

static BIGNUM *prime_new(enum srp_group group)
{
    BIGNUM *n = NULL;
    switch (group) {
    case SRP_GROUP_1024:
        return BN_hex2bn(&n, prime_1024) == 0 ? NULL : n;
    case SRP_GROUP_3072:
        return BN_get_rfc3526_prime_3072(NULL);
    case SRP_GROUP_4096:
        return BN_get_rfc3526_prime_4096(NULL);
    }
    check_failed("a known group", __FILE__, __LINE__);
}

/* The numbers of one exchange. Embedded; numbers_done() wipes and frees, half-built too. */
struct numbers {
    BN_CTX *ctx;
    BIGNUM *n, *g, *v, *a_public, *b, *b_public, *k, *u, *s, *t;
};

static void numbers_done(struct numbers *x)
{
    BIGNUM *all[] = { x->n, x->g, x->v, x->a_public, x->b, x->b_public, x->k, x->u, x->s, x->t };
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        BN_clear_free(all[i]);
    BN_CTX_free(x->ctx);
}

static BIGNUM *number_of(struct bytes b)
{
    check(b.len <= SRP_GROUP_BYTES_MAX);
    return BN_bin2bn(b.data, (int)b.len, NULL);
}

static bool numbers_init(struct numbers *x, enum srp_group group, struct bytes verifier,
                         struct bytes client_public, const uint8_t random[SRP_SECRET_LEN])
{
    *x = (struct numbers){ 0 };
    x->ctx = BN_CTX_new();
    x->n = prime_new(group);
    x->g = BN_new();
    x->v = number_of(verifier);
    x->a_public = number_of(client_public);
    x->b = number_of(bytes_of(random, SRP_SECRET_LEN));
    x->b_public = BN_new();
    x->s = BN_new();
    x->t = BN_new();
    if (x->ctx == NULL || x->n == NULL || x->g == NULL || x->v == NULL || x->a_public == NULL ||
        x->b == NULL || x->b_public == NULL || x->s == NULL || x->t == NULL)
        return false;
    BN_set_flags(x->b, BN_FLG_CONSTTIME);
    return BN_set_word(x->g, groups[group].generator) == 1;
}

/* x->k = H(N | PAD(g)) */
static enum err multiplier_compute(struct numbers *x, struct srp_suite suite)
{
    int len = (int)groups[suite.group].len;
    uint8_t n[SRP_GROUP_BYTES_MAX], g[SRP_GROUP_BYTES_MAX], k[SRP_HASH_BYTES_MAX];
    if (BN_bn2binpad(x->n, n, len) != len || BN_bn2binpad(x->g, g, len) != len)
        return ERR_SYSTEM;
    const struct bytes parts[] = { bytes_of(n, (size_t)len), bytes_of(g, (size_t)len) };
    enum err err = hash_of(suite.hash, parts, ARRAY_LEN(parts), k);
    if (err != OK)
        return err;
    x->k = number_of(bytes_of(k, srp_hash_len(suite.hash)));
    return x->k == NULL ? ERR_SYSTEM : OK;
}

/* B = k*v + g^b mod N */
static enum err public_compute(struct numbers *x, struct srp_exchange *ex)
{
    if (BN_mod_exp(x->t, x->g, x->b, x->n, x->ctx) != 1 ||
        BN_mod_mul(x->b_public, x->k, x->v, x->n, x->ctx) != 1 ||
        BN_mod_add(x->b_public, x->b_public, x->t, x->n, x->ctx) != 1)
        return ERR_SYSTEM;
    return BN_bn2binpad(x->b_public, ex->server_public, (int)ex->len) < 0 ? ERR_SYSTEM : OK;
}

/* x->u = H(PAD(A) | PAD(B)) */
static enum err scramble_compute(struct numbers *x, struct srp_suite suite, struct srp_exchange *ex)
{
    uint8_t a[SRP_GROUP_BYTES_MAX];
    if (BN_bn2binpad(x->a_public, a, (int)ex->len) < 0)
        return ERR_MALFORMED;
    const struct bytes parts[] = { bytes_of(a, ex->len), bytes_of(ex->server_public, ex->len) };
    enum err err = hash_of(suite.hash, parts, ARRAY_LEN(parts), ex->scramble);
    if (err != OK)
        return err;
    x->u = number_of(bytes_of(ex->scramble, srp_hash_len(suite.hash)));
    return x->u == NULL ? ERR_SYSTEM : OK;
}

/* S = (A * v^u) ^ b mod N */
static enum err secret_compute(struct numbers *x, struct srp_exchange *ex)
{
    if (BN_mod_exp(x->t, x->v, x->u, x->n, x->ctx) != 1 ||
        BN_mod_mul(x->t, x->a_public, x->t, x->n, x->ctx) != 1 ||
        BN_mod_exp(x->s, x->t, x->b, x->n, x->ctx) != 1)
        return ERR_SYSTEM;
    return BN_bn2binpad(x->s, ex->secret, (int)ex->len) < 0 ? ERR_SYSTEM : OK;
}

static enum err exchange_compute(struct numbers *x, struct srp_suite suite, struct srp_exchange *ex)
{
    if (BN_mod(x->t, x->a_public, x->n, x->ctx) != 1)
        return ERR_SYSTEM;
    if (BN_is_zero(x->t))
        return ERR_MALFORMED;
    enum err err = multiplier_compute(x, suite);
    if (err == OK)
        err = public_compute(x, ex);
    if (err == OK)
        err = scramble_compute(x, suite, ex);
    if (err == OK)
        err = secret_compute(x, ex);
    return err;
}

enum err srp_exchange_run(struct srp_suite suite, struct bytes verifier, struct bytes client_public,
                          const uint8_t random[SRP_SECRET_LEN], struct srp_exchange *ret)
{
    size_t len = srp_group_len(suite.group);
    if (client_public.len > len || verifier.len > len)
        return ERR_MALFORMED;
    struct srp_exchange ex = { .len = len };
    struct numbers x;
    enum err err = ERR_SYSTEM;
    if (numbers_init(&x, suite.group, verifier, client_public, random))
        err = exchange_compute(&x, suite, &ex);
    numbers_done(&x);
    if (err == OK)
        *ret = ex;
    bytes_wipe(&ex, sizeof(ex));
    return err;
}

enum err srp_verifier_check(enum srp_group group, struct bytes verifier)
{
    if (verifier.len > srp_group_len(group))
        return ERR_MALFORMED;
    BIGNUM *n = prime_new(group);
    BIGNUM *v = number_of(verifier);
    bool fine = n != NULL && v != NULL && BN_cmp(v, BN_value_one()) > 0 && BN_cmp(v, n) < 0;
    BN_free(n);
    BN_clear_free(v);
    return fine ? OK : ERR_MALFORMED;
}

/* H(N) xor H(PAD(g)) */
static enum err group_hash(struct srp_suite suite, uint8_t ret[SRP_HASH_BYTES_MAX])
{
    size_t len = srp_group_len(suite.group);
    uint8_t n[SRP_GROUP_BYTES_MAX], g[SRP_GROUP_BYTES_MAX] = { 0 };
    uint8_t hash_n[SRP_HASH_BYTES_MAX], hash_g[SRP_HASH_BYTES_MAX];
    BIGNUM *prime = prime_new(suite.group);
    bool fine = prime != NULL && BN_bn2binpad(prime, n, (int)len) == (int)len;
    BN_free(prime);
    g[len - 1] = (uint8_t)groups[suite.group].generator;
    const struct bytes part_n = bytes_of(n, len), part_g = bytes_of(g, len);
    if (!fine || hash_of(suite.hash, &part_n, 1, hash_n) != OK ||
        hash_of(suite.hash, &part_g, 1, hash_g) != OK)
        return ERR_SYSTEM;
    for (size_t i = 0; i < srp_hash_len(suite.hash); i++)
        ret[i] = hash_n[i] ^ hash_g[i];
    return OK;
}

enum err srp_proofs_write(struct srp_suite suite, struct bytes username, struct bytes salt,
                          struct bytes client_public, const struct srp_exchange *exchange,
                          struct srp_proofs *ret)
{
    size_t len = exchange->len, hash_len = srp_hash_len(suite.hash);
    check(len == srp_group_len(suite.group));
    if (client_public.len > len)
        return ERR_MALFORMED;
    uint8_t a[SRP_GROUP_BYTES_MAX] = { 0 };
    if (client_public.len > 0)
        memcpy(a + len - client_public.len, client_public.data, client_public.len);

    uint8_t group[SRP_HASH_BYTES_MAX], name[SRP_HASH_BYTES_MAX], key[SRP_HASH_BYTES_MAX];
    const struct bytes secret = bytes_of(exchange->secret, len);
    struct srp_proofs proofs = { .len = hash_len };
    enum err err = group_hash(suite, group);
    if (err == OK)
        err = hash_of(suite.hash, &username, 1, name);
    if (err == OK)
        err = hash_of(suite.hash, &secret, 1, key);
    const struct bytes client[] = { bytes_of(group, hash_len),
                                    bytes_of(name, hash_len),
                                    salt,
                                    bytes_of(a, len),
                                    bytes_of(exchange->server_public, len),
                                    bytes_of(key, hash_len) };
    if (err == OK)
        err = hash_of(suite.hash, client, ARRAY_LEN(client), proofs.client);
    const struct bytes server[] = { bytes_of(a, len), bytes_of(proofs.client, hash_len),
                                    bytes_of(key, hash_len) };
    if (err == OK)
        err = hash_of(suite.hash, server, ARRAY_LEN(server), proofs.server);
    if (err == OK)
        *ret = proofs;
    bytes_wipe(key, sizeof(key));
    bytes_wipe(&proofs, sizeof(proofs));
    return err;
}
