/* srp.h - the server's half of SRP-6a (RFC 5054, RFC 2945), as docs/api.md spells it.
 *
 * Pure: the ephemeral secret comes in as random bytes. Allocates OpenSSL bignums while it computes
 * and wipes them; what leaves is in caller memory and the caller wipes it.
 *
 *     k = H(N | PAD(g))                    u = H(PAD(A) | PAD(B))
 *     B = k*v + g^b                        S = (A * v^u) ^ b           K = H(PAD(S))
 *     M1 = H(H(N) xor H(PAD(g)) | H(I) | s | PAD(A) | PAD(B) | K)      M2 = H(PAD(A) | M1 | K)
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTHD_CORE_SRP_H
#define AUTHD_CORE_SRP_H

#include "common/base.h"
#include "common/bytes.h"

/* RFC 5054 appendix A. 1024 bits is there for the RFC's test vectors and is never offered. */
enum srp_group { SRP_GROUP_1024, SRP_GROUP_3072, SRP_GROUP_4096 };
/* SHA-256 is what we speak; SHA-1 is what the RFC's test vectors speak. */
enum srp_hash { SRP_HASH_SHA256, SRP_HASH_SHA1 };

#define SRP_GROUP_BYTES_MAX 512 /* 4096 bits */
#define SRP_HASH_BYTES_MAX  32
#define SRP_SECRET_LEN      32 /* RFC 5054 §2.5.3: b of at least 256 bits */

struct srp_suite {
    enum srp_group group;
    enum srp_hash hash;
};

/* "3072", "4096" as on the wire; the test group has no name there. ERR_UNSUPPORTED. */
MUST_USE enum err srp_group_parse(const char *text, enum srp_group *ret);
const char *srp_group_name(enum srp_group group);
/* Length of N, and of every padded value, in bytes. */
size_t srp_group_len(enum srp_group group);
size_t srp_hash_len(enum srp_hash hash);

/* Whether a verifier can belong to the group: 1 < v < N. OK or ERR_MALFORMED. */
MUST_USE enum err srp_verifier_check(enum srp_group group, struct bytes verifier);

/* What the server works out from A and v. `secret` must be wiped by the caller. */
struct srp_exchange {
    size_t len;                                 /* of each of the next two */
    uint8_t server_public[SRP_GROUP_BYTES_MAX]; /* PAD(B) */
    uint8_t secret[SRP_GROUP_BYTES_MAX];        /* PAD(S), the premaster secret */
    uint8_t scramble[SRP_HASH_BYTES_MAX];       /* u */
};

/* Computes B, u and S.
 *
 * verifier       v, big-endian, reduced mod N
 * client_public  A as received; at most as long as N
 * random         b
 *
 * OK; ERR_MALFORMED: A too long or A % N == 0, which would make S known to anybody (RFC 5054
 * §2.5.4); ERR_SYSTEM. Cost: three modular exponentiations with 256-bit exponents. The
 * exponentiations with b run in constant time. */
MUST_USE enum err srp_exchange_run(struct srp_suite suite, struct bytes verifier,
                                   struct bytes client_public, const uint8_t random[SRP_SECRET_LEN],
                                   struct srp_exchange *ret);

/* The two proofs. Both are worth as much as a password until they have been compared. */
struct srp_proofs {
    size_t len;
    uint8_t client[SRP_HASH_BYTES_MAX]; /* M1 that the client must show */
    uint8_t server[SRP_HASH_BYTES_MAX]; /* M2 that we show then */
};

/* username  I, lower-cased. client_public as received. OK, ERR_MALFORMED or ERR_SYSTEM. */
MUST_USE enum err srp_proofs_write(struct srp_suite suite, struct bytes username, struct bytes salt,
                                   struct bytes client_public, const struct srp_exchange *exchange,
                                   struct srp_proofs *ret);

#endif
