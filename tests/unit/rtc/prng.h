/* prng.h - a seeded random generator for property tests: the same seed, the same test.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_PRNG_H
#define TESTS_PRNG_H

#include <stddef.h>
#include <stdint.h>

struct prng {
    uint64_t state;
};

/* splitmix64 */
static inline uint64_t prng_next(struct prng *p)
{
    uint64_t z = p->state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* 0 <= value < bound */
static inline uint32_t prng_below(struct prng *p, uint32_t bound)
{
    return (uint32_t)(prng_next(p) % bound);
}

static inline void prng_fill(struct prng *p, void *to, size_t len)
{
    uint8_t *bytes = (uint8_t *)to;
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)prng_next(p);
}

#endif
