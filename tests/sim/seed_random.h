/* seed_random.h - OpenSSL's randomness from a seed, so that handshakes are the same every time.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIM_SEED_RANDOM_H
#define TESTS_SIM_SEED_RANDOM_H

#include "common/base.h"

/* All keys, nonces and serial numbers of this process follow from `seed` from now on. */
void seed_random(uint64_t seed);

#endif
