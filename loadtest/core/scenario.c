/* Who belongs where, who speaks when, and the same with more bots.
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/scenario.h"

#include "common/splitmix.h"

#include <stdlib.h>

void scenario_free(struct scenario *s)
{
    free(s);
}

static unsigned bots_per_room(const struct scenario *s)
{
    unsigned n = 0;
    for (unsigned i = 0; i < s->group_count; i++)
        n += s->groups[i].bots;
    return n;
}

unsigned scenario_bot_count(const struct scenario *s)
{
    return s->rooms * bots_per_room(s);
}

struct bot_place scenario_place(const struct scenario *s, unsigned index)
{
    unsigned per_room = bots_per_room(s);
    check(per_room > 0 && index < s->rooms * per_room);
    struct bot_place place = { .room = index / per_room, .member = index % per_room };
    while (place.member >= s->groups[place.group].bots)
        place.member -= s->groups[place.group++].bots;
    return place;
}

static uint64_t mix(uint64_t x)
{
    return splitmix_next(&x);
}

static uint64_t common_divisor(uint64_t a, uint64_t b)
{
    while (b != 0) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* The members of a group in a room sit in a circle, in an order of that room's own (an affine
 * permutation); turn by turn the next `talkers` of the circle speak. So there are always exactly so
 * many, and after bots / talkers turns everybody has spoken. */
bool scenario_talks(const struct scenario *s, struct bot_place place, usec since_start)
{
    const struct group *g = &s->groups[place.group];
    if (g->talk != TALK_TURNS)
        return g->talk == TALK_ALWAYS;
    check(place.member < g->bots && g->turn_us > 0);
    uint64_t n = g->bots, hash = mix((uint64_t)place.room << 32 | place.group);
    uint64_t step = hash % n;
    while (common_divisor(step, n) != 1)
        step = (step + 1) % n;
    uint64_t seat = (place.member * step + (hash >> 32)) % n;
    uint64_t turn = since_start < 0 ? 0 : (uint64_t)(since_start / g->turn_us);
    uint64_t first = turn % n * g->talkers % n;
    return (seat + n - first) % n < g->talkers;
}

/* The group that is made bigger; of equals the first one that does not publish a camera. */
static struct group *largest_group(struct scenario *s)
{
    struct group *largest = &s->groups[0];
    for (unsigned i = 1; i < s->group_count; i++) {
        struct group *g = &s->groups[i];
        if (g->bots > largest->bots ||
            (g->bots == largest->bots && g->video == VIDEO_OFF && largest->video != VIDEO_OFF))
            largest = g;
    }
    return largest;
}

static void scale_room(struct scenario *s, unsigned bots)
{
    struct group *largest = largest_group(s);
    unsigned before = bots_per_room(s), others = before - largest->bots;
    if (bots > others) {
        largest->bots = bots - others;
    } else { /* fewer than there are publishers: all become fewer */
        for (unsigned i = 0; i < s->group_count; i++)
            s->groups[i].bots = MAX(1, (unsigned)((uint64_t)s->groups[i].bots * bots / before));
    }
    for (unsigned i = 0; i < s->group_count; i++)
        s->groups[i].talkers = MIN(s->groups[i].talkers, s->groups[i].bots);
}

/* Back to what was written, however often it is scaled. */
static void unscale(struct scenario *s)
{
    bool is_first = s->rooms_unscaled == 0;
    for (unsigned i = 0; i < s->group_count; i++) {
        struct group *g = &s->groups[i];
        if (is_first) {
            g->bots_unscaled = g->bots;
            g->talkers_unscaled = g->talkers;
        }
        g->bots = g->bots_unscaled;
        g->talkers = g->talkers_unscaled;
    }
    if (is_first)
        s->rooms_unscaled = s->rooms;
    s->rooms = s->rooms_unscaled;
}

void scenario_scale(struct scenario *s, unsigned bots)
{
    unscale(s);
    unsigned per_room = bots_per_room(s);
    check(per_room > 0 && s->rooms > 0);
    bots = MIN(MAX(bots, 1), SCENARIO_BOTS_MAX);
    if (s->rooms > 1) {
        s->rooms = MAX(1, bots / per_room);
        if (bots >= per_room)
            return;
    }
    scale_room(s, bots);
}
