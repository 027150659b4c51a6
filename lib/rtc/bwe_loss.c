/* bwe_loss.c - congestion seen as loss.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "rtc/bwe_loss.h"

enum {
    LEARN_SAMPLES_MIN = 50, /* packets before anything is concluded about what is inherent */
    COUNT_MAX = 100000,     /* per bucket, against overflow */
};

static void sum_up(struct bwe_loss *l, int64_t number)
{
    l->lost = l->total = 0;
    for (size_t i = 0; i < BWE_LOSS_BUCKETS; i++) {
        if (l->buckets[i].number <= number - BWE_LOSS_BUCKETS)
            continue;
        l->lost += l->buckets[i].lost;
        l->total += l->buckets[i].total;
    }
}

void bwe_loss_add(struct bwe_loss *l, uint32_t lost, uint32_t total, uint32_t corrected, usec now)
{
    int64_t number = now / BWE_LOSS_BUCKET_US + BWE_LOSS_BUCKETS; /* 0 is: never used */
    struct bwe_loss_bucket *b = &l->buckets[number % BWE_LOSS_BUCKETS];
    if (b->number != number)
        *b = (struct bwe_loss_bucket){ .number = number };
    b->lost = MIN(b->lost + lost, (uint32_t)COUNT_MAX);
    b->total = MIN(b->total + total, (uint32_t)COUNT_MAX);
    for (size_t i = 0; i < BWE_LOSS_BUCKETS && corrected > 0; i++) {
        b = &l->buckets[(number - (int64_t)i) % BWE_LOSS_BUCKETS];
        uint32_t take = MIN(b->lost, corrected);
        b->lost -= take;
        corrected -= take;
    }
    sum_up(l, number);
}

uint32_t bwe_loss_fraction(const struct bwe_loss *l)
{
    return l->total < BWE_LOSS_SAMPLES_MIN ? 0 : l->lost * 1000 / l->total;
}

bool bwe_loss_is_high(const struct bwe_loss *l, bool queue)
{
    if (l->total < BWE_LOSS_SAMPLES_MIN)
        return false;
    int64_t limit = queue ? BWE_LOSS_QUEUE : (int64_t)l->inherent + BWE_LOSS_HIGH;
    int64_t excess = (int64_t)l->lost * 1000 - limit * l->total;
    /* two standard deviations of the binomial distribution */
    return excess > 0 && excess * excess > 4 * (int64_t)l->total * limit * (1000 - limit);
}

void bwe_loss_on_cut(struct bwe_loss *l, uint64_t bps)
{
    if (l->before_cut > 0)
        return;
    l->before_cut = bwe_loss_fraction(l);
    l->cut_bps = bps;
}

void bwe_loss_on_rate(struct bwe_loss *l, uint64_t bps, bool queue)
{
    if (l->total < LEARN_SAMPLES_MIN)
        return;
    uint32_t fraction = bwe_loss_fraction(l);
    l->inherent = MIN(l->inherent, fraction);
    if (l->before_cut == 0)
        return;
    if (fraction < l->before_cut / 2)
        l->before_cut = 0; /* the cut helped: it was congestion */
    else if (!queue && bps < l->cut_bps * 7 / 10)
        bwe_loss_is_inherent(l);
}

void bwe_loss_is_inherent(struct bwe_loss *l)
{
    l->inherent = MIN(bwe_loss_fraction(l), (uint32_t)BWE_LOSS_INHERENT_MAX);
    l->before_cut = 0;
}

void bwe_loss_forget(struct bwe_loss *l)
{
    for (size_t i = 0; i < BWE_LOSS_BUCKETS; i++)
        l->buckets[i] = (struct bwe_loss_bucket){ 0 };
    l->lost = l->total = 0;
}
