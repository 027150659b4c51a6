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
