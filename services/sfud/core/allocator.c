/* SPDX-License-Identifier: Apache-2.0 */
#include "core/allocator.h"

void ladder_add(struct ladder *l, struct rung rung)
{
    while (l->count > 0 && l->rungs[l->count - 1].bps >= rung.bps) {
        l->count--;
        if (l->current == (int8_t)l->count)
            l->current = -1;
    }
    if (l->count < ALLOCATOR_RUNGS_MAX)
        l->rungs[l->count++] = rung;
}

/* What sends the keyframe in time. */
static uint64_t start_bps(const struct rung *r)
{
    return (uint64_t)r->start_bytes * 8 * USEC_PER_SEC / ALLOCATOR_START_TIME;
}

static uint64_t demand_of(const struct ladder *l)
{
    const struct rung *best = &l->rungs[l->count - 1];
    return MAX(best->bps, start_bps(best));
}

uint64_t allocator_demand(const struct ladder *ladders, size_t count)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += ladders[i].count == 0 ? 0 : demand_of(&ladders[i]);
    return sum;
}

/* Larger pictures first, then by priority, then in the order given. */
static bool is_before(const struct ladder *a, const struct ladder *b)
{
    return a->size != b->size ? a->size > b->size : a->priority < b->priority;
}

static void sort(const struct ladder *ladders, size_t count, uint8_t order[TRANSPORT_MEDIA_MAX])
{
    for (size_t i = 0; i < count; i++) {
        size_t at = i;
        for (; at > 0 && is_before(&ladders[i], &ladders[order[at - 1]]); at--)
            order[at] = order[at - 1];
        order[at] = (uint8_t)i;
    }
}

struct division {
    const struct ladder *ladders;
    int8_t *rungs;
    uint64_t budget_bps, spent_bps;
};

static uint64_t cost_of(const struct ladder *l, int rung)
{
    return rung < 0 ? 0 : l->rungs[rung].bps;
}

/* With more or fewer frames: nothing has to begin. */
static bool is_same_picture(const struct ladder *l, int rung)
{
    return l->current >= 0 && l->rungs[rung].spatial == l->rungs[l->current].spatial;
}

/* What flows already needs no headroom. */
static unsigned headroom_of(const struct ladder *l, int rung)
{
    if (rung <= l->current)
        return 0;
    if (is_same_picture(l, rung) && l->rungs[rung].spatial == l->rungs[0].spatial)
        return ALLOCATOR_RATE_HEADROOM_PC;
    return l->is_held ? ALLOCATOR_HELD_HEADROOM_PC : ALLOCATOR_HEADROOM_PC;
}

/* The larger picture would be there soon, beside what the others take. */
static bool can_begin(const struct division *d, const struct ladder *l, int rung,
                      uint64_t others_bps)
{
    if (rung <= MAX(l->current, 0) || is_same_picture(l, rung))
        return true;
    return others_bps + start_bps(&l->rungs[rung]) <= d->budget_bps;
}

/* One step up, if it fits. */
static bool raise(struct division *d, size_t i)
{
    const struct ladder *l = &d->ladders[i];
    int next = d->rungs[i] + 1;
    if (next >= l->count)
        return false;
    uint64_t others = d->spent_bps - cost_of(l, next - 1), spent = others + cost_of(l, next);
    if (spent > d->budget_bps / 100 * (100 - headroom_of(l, next)) ||
        !can_begin(d, l, next, others))
        return false;
    d->rungs[i] = (int8_t)next;
    d->spent_bps = spent;
    return true;
}

/* raise() would not always: see allocator.h. */
static void give_least(struct division *d, size_t i, uint64_t least_bps)
{
    const struct ladder *l = &d->ladders[i];
    if (l->count == 0 || l->rungs[0].bps > least_bps)
        return;
    d->rungs[i] = 0;
    d->spent_bps = l->rungs[0].bps;
}

/* Those of one size, in turns, until nobody can be raised. */
static void raise_group(struct division *d, const uint8_t *order, size_t count)
{
    for (bool any = true; any;) {
        any = false;
        for (size_t i = 0; i < count; i++)
            any |= raise(d, order[i]);
    }
}

uint64_t allocator_divide(const struct ladder *ladders, size_t count, const struct budget *budget,
                          int8_t *ret)
{
    check(count <= TRANSPORT_MEDIA_MAX);
    uint8_t order[TRANSPORT_MEDIA_MAX];
    sort(ladders, count, order);
    struct division d = { .ladders = ladders, .rungs = ret, .budget_bps = budget->bps };
    memset(ret, -1, count);
    if (count > 0 && !raise(&d, order[0]))
        give_least(&d, order[0], budget->least_bps);
    for (size_t i = 1; i < count; i++)
        (void)raise(&d, order[i]);
    for (size_t first = 0, end; first < count; first = end) {
        for (end = first + 1;
             end < count && ladders[order[end]].size == ladders[order[first]].size;)
            end++;
        raise_group(&d, order + first, end - first);
    }
    return d.spent_bps;
}
