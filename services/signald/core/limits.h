/* limits.h - what one address may do: sockets at a time, joins per second, audit records of
 * refusals.
 *
 * IPv6 counts by /64: whoever has one address of it has all.
 * Pure but for malloc. Idle addresses are forgotten. SPDX-License-Identifier: Apache-2.0 */
#ifndef SIGNALD_CORE_LIMITS_H
#define SIGNALD_CORE_LIMITS_H

#include "common/base.h"
#include "common/map.h"
#include "common/token_bucket.h"

struct limits {
    struct map addresses; /* owned: struct address_limit */
    /* given */
    unsigned sockets_max;
    double joins_per_sec;
    double joins_burst;
};

/* hash_key: 16 random bytes, copied. */
void limits_init(struct limits *l, unsigned sockets_max, double joins_per_sec, double joins_burst,
                 const uint8_t hash_key[16]);
void limits_done(struct limits *l);
/* A socket comes: false if the address has too many (then it is not counted). */
bool limits_on_open(struct limits *l, const char *address, usec now);
void limits_on_close(struct limits *l, const char *address, usec now);
/* A join or resume: 0, or how long to wait. */
usec limits_on_join(struct limits *l, const char *address, usec now);
/* A token is refused: whether that is to be recorded. Once per REFUSED_AUDIT_PERIOD, then with how
 * many were left out since the last record. */
bool limits_on_refused(struct limits *l, const char *address, usec now, uint64_t *ret_suppressed);
/* Forgets addresses without sockets, with a full bucket and without a recent refusal. */
void limits_sweep(struct limits *l, usec now);

#endif
