/* SPDX-License-Identifier: Apache-2.0 */
#include "core/stats.h"

static const struct stat_info infos[STAT_COUNT] = {
#define X(id, metric, text, gauge, about)                                                          \
    [STAT_##id] = { .name = metric, .label = text, .help = about, .is_gauge = gauge },
    STATS_TABLE(X)
#undef X
};

const struct stat_info *stat_info(enum worker_stat s)
{
    check((unsigned)s < STAT_COUNT);
    return &infos[s];
}

static const uint32_t JOIN_BOUNDS[] = { 10000,  20000,   50000,   100000,  200000,
                                        500000, 1000000, 2000000, 5000000, 10000000 };
static const uint32_t LOSS_BOUNDS[] = { 0, 5, 10, 20, 50, 100, 200, 300, 500 };
static const uint32_t RTT_BOUNDS[] = { 5000,   10000,  20000,  50000,  100000,
                                       200000, 300000, 500000, 1000000 };
static const uint32_t PLAYOUT_BOUNDS[] = { 0, 50000, 100000, 150000, 200000, 250000, 500000 };
static const uint32_t BITRATE_BOUNDS[] = { 100000,  200000,  500000,   1000000, 2000000,
                                           3000000, 5000000, 10000000, 20000000 };
static const uint32_t SHARE_BOUNDS[] = { 100, 250, 500, 750, 900, 990 };
static const uint32_t SCORE_BOUNDS[] = { 0, 1, 2, 3, 4 };

static const struct histogram_info histograms[HISTOGRAM_COUNT] = {
#define X(id, metric, text, unit, limits, about)                                                   \
    [HISTOGRAM_##id] = { .name = metric,                                                           \
                         .label = text,                                                            \
                         .help = about,                                                            \
                         .scale = unit,                                                            \
                         .bounds = limits,                                                         \
                         .bound_count = ARRAY_LEN(limits) },
    HISTOGRAMS_TABLE(X)
#undef X
};

const struct histogram_info *histogram_info(enum worker_histogram_id h)
{
    check((unsigned)h < HISTOGRAM_COUNT);
    return &histograms[h];
}

static void add(_Atomic uint64_t *to, uint64_t n)
{
    uint64_t v = atomic_load_explicit(to, memory_order_relaxed);
    atomic_store_explicit(to, v + n, memory_order_relaxed);
}

void stats_observe(struct worker_stats *s, enum worker_histogram_id h, uint64_t value)
{
    const struct histogram_info *info = histogram_info(h);
    size_t i = 0;
    while (i < info->bound_count && value > info->bounds[i])
        i++;
    add(&s->histograms[h].buckets[i], 1);
    add(&s->histograms[h].sum, value);
}
