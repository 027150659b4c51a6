/* SPDX-License-Identifier: Apache-2.0 */
#include "core/search.h"

#define RESOLUTION_DEFAULT 0.05

const char *search_state_name(enum search_state s)
{
    static const char *const names[] = {
        [SEARCH_RUNNING] = "running",
        [SEARCH_FOUND] = "found",
        [SEARCH_NONE_PASSED] = "none-passed",
        [SEARCH_MAX_PASSED] = "max-passed",
        [SEARCH_TESTER_LIMITED] = "tester-limited",
    };
    check(s < ARRAY_LEN(names));
    return names[s];
}

/* A multiple, rounded down, within min..max. 64 bits: the double of a number may be meant. */
static unsigned fit(const struct search *s, uint64_t bots)
{
    bots -= bots % s->config.multiple;
    return (unsigned)MIN(MAX(bots, s->config.min), s->config.max);
}

void search_init(struct search *s, const struct search_config *config)
{
    check(config->min >= 1 && config->min <= config->max && config->resolution >= 0);
    *s = (struct search){ .config = *config };
    struct search_config *c = &s->config;
    c->multiple = MAX(c->multiple, 1);
    if (c->resolution == 0)
        c->resolution = RESOLUTION_DEFAULT;
    uint64_t min = (uint64_t)c->min + c->multiple - 1;
    c->min = (unsigned)(min - min % c->multiple);
    c->max = MAX(c->max - c->max % c->multiple, c->min);
    s->trying = fit(s, c->start == 0 ? c->min : c->start);
}

bool search_next(const struct search *s, unsigned *ret_bots)
{
    if (s->state != SEARCH_RUNNING)
        return false;
    *ret_bots = s->trying;
    return true;
}

/* Between the best and the worst: the middle, or it is found. */
static void halve(struct search *s)
{
    unsigned gap = s->worst - s->best, middle = fit(s, s->best + gap / 2);
    if (gap <= (double)s->best * s->config.resolution || middle <= s->best)
        s->state = SEARCH_FOUND;
    else
        s->trying = middle;
}

static void on_passed(struct search *s)
{
    s->best = s->trying;
    if (s->worst > 0)
        halve(s);
    else if (s->best == s->config.max)
        s->state = SEARCH_MAX_PASSED;
    else
        s->trying = fit(s, (uint64_t)s->best * 2);
}

static void on_failed(struct search *s)
{
    s->worst = s->trying;
    if (s->best > 0)
        halve(s);
    else if (s->worst == s->config.min)
        s->state = SEARCH_NONE_PASSED;
    else
        s->trying = fit(s, s->worst / 2);
}

void search_on_result(struct search *s, enum search_outcome outcome)
{
    check(s->state == SEARCH_RUNNING);
    bool was_repeat = s->is_repeat;
    s->is_repeat = outcome == SEARCH_FAILED && !was_repeat;
    if (outcome == SEARCH_SATURATED)
        s->state = SEARCH_TESTER_LIMITED;
    else if (outcome == SEARCH_PASSED)
        on_passed(s);
    else if (was_repeat)
        on_failed(s);
}
