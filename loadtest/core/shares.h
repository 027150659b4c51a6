/* shares.h - which machine gets which bots of a scenario.
 *
 * Pure. SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_SHARES_H
#define LOADTEST_SHARES_H

#include "common/base.h"

enum { SHARES_MACHINES_MAX = 64 };

/* Bots bot_first … bot_first + bot_count - 1 of the whole scenario. */
struct share {
    unsigned bot_first, bot_count;
};

/* Deals `bots`, which are in rooms of `per_room` one after the other, to machines as contiguous
 * ranges, in order. Rooms stay whole if no machine then gets more than a fifth above its even
 * part; otherwise the bots are split evenly (two machines then have a room in common, which is
 * what a large room needs anyway). machines: 1 … SHARES_MACHINES_MAX; with fewer bots than machines
 * the last ones get none. */
void shares_deal(unsigned bots, unsigned per_room, unsigned machines, struct share *ret);

#endif
