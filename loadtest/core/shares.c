/* SPDX-License-Identifier: Apache-2.0 */
#include "core/shares.h"

/* The first of the items of machine i, when items are dealt evenly. */
static unsigned first_of(unsigned items, unsigned machines, unsigned i)
{
    return (unsigned)((uint64_t)items * i / machines);
}

void shares_deal(unsigned bots, unsigned per_room, unsigned machines, struct share *ret)
{
    check(machines > 0 && machines <= SHARES_MACHINES_MAX);
    unsigned rooms = per_room == 0 ? 0 : bots / per_room;
    unsigned most_rooms = (rooms + machines - 1) / machines;
    bool are_whole = rooms >= machines && rooms * per_room == bots &&
                     (uint64_t)most_rooms * machines * 5 <= (uint64_t)rooms * 6;
    if (!are_whole && bots < machines) {
        for (unsigned i = 0; i < machines; i++)
            ret[i] = (struct share){ .bot_first = MIN(i, bots), .bot_count = i < bots };
        return;
    }
    for (unsigned i = 0; i < machines; i++) {
        unsigned from =
            are_whole ? first_of(rooms, machines, i) * per_room : first_of(bots, machines, i);
        unsigned to = are_whole ? first_of(rooms, machines, i + 1) * per_room
                                : first_of(bots, machines, i + 1);
        ret[i] = (struct share){ .bot_first = from, .bot_count = to - from };
    }
}
