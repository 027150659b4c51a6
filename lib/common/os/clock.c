/* SPDX-License-Identifier: Apache-2.0 */
#include "common/os/clock.h"

#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec t;
    check(clock_gettime(id, &t) == 0);
    return (int64_t)t.tv_sec * USEC_PER_SEC + t.tv_nsec / 1000;
}

usec clock_now(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

wall_usec clock_wall(void)
{
    return read_clock(CLOCK_REALTIME);
}
