/* splitmix.h - splitmix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators,
 * 2014): numbers that are well spread and the same for the same seed. For dice, jitter, SSRCs and
 * transaction ids; never for secrets.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_SPLITMIX_H
#define COMMON_SPLITMIX_H

#include "common/base.h"

#define SPLITMIX_STEP UINT64_C(0x9e3779b97f4a7c15)

/* Every bit of the result depends on every bit of z. */
static inline uint64_t splitmix_mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* The next number of a sequence; any state is a good seed. */
static inline uint64_t splitmix_next(uint64_t *state)
{
    *state += SPLITMIX_STEP;
    return splitmix_mix(*state);
}

#endif
