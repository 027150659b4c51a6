/* SPDX-License-Identifier: Apache-2.0 */
#include "common/os/random.h"

#include "common/os/clock.h"

#include <errno.h>
#include <sys/random.h>

void random_bytes(void *ret, size_t len)
{
    uint8_t *at = (uint8_t *)ret;
    while (len > 0) {
        ssize_t n = getrandom(at, len, 0);
        if (n < 0 && errno == EINTR)
            continue;
        check(n > 0);
        at += n;
        len -= (size_t)n;
    }
}

void random_id(char ret[ID_CAPACITY], const char *prefix)
{
    uint8_t random[ID_RANDOM_LEN];
    random_bytes(random, sizeof random);
    id_write(ret, prefix, random);
}

void random_uuid7(char ret[UUID_CAPACITY])
{
    uint8_t random[UUID_RANDOM_LEN];
    random_bytes(random, sizeof random);
    uuid7_write(ret, clock_wall(), random);
}

uint64_t random_below(uint64_t bound)
{
    check(bound > 0);
    /* Rejects the tail that would make small values likelier. */
    uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
    uint64_t value;
    do {
        random_bytes(&value, sizeof value);
    } while (value >= limit);
    return value % bound;
}
