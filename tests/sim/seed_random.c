/* SPDX-License-Identifier: Apache-2.0 */
#define OPENSSL_SUPPRESS_DEPRECATED    /* RAND_set_rand_method: what a provider would be for 200   \
                                          lines */
#include "seed_random.h"

#include "common/splitmix.h"

#include <openssl/rand.h>

static uint64_t state;

static int fill(unsigned char *buffer, int len)
{
    for (int i = 0; i < len; i++)
        buffer[i] = (unsigned char)(splitmix_next(&state) >> 32);
    return 1;
}

static int is_ready(void)
{
    return 1;
}

void seed_random(uint64_t seed)
{
    static const RAND_METHOD method = { .bytes = fill, .pseudorand = fill, .status = is_ready };
    state = seed;
    check(RAND_set_rand_method(&method) == 1);
}
