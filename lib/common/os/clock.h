/* clock.h - the two clocks. Cores never call these: they are given `now`.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_OS_CLOCK_H
#define COMMON_OS_CLOCK_H

#include "common/base.h"

/* Monotonic (CLOCK_MONOTONIC) microseconds. Any thread. */
usec clock_now(void);
/* Wall clock (CLOCK_REALTIME), microseconds since 1970. Any thread. */
wall_usec clock_wall(void);

#endif
