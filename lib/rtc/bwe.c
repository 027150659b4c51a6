/* bwe.c - the estimator toward one participant.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "rtc/bwe.h"

#include <string.h>

void bwe_init(struct bwe *b, usec now)
{
    memset(b, 0, sizeof(*b));
    b->estimate_bps = BWE_START_BPS;
    b->now = now;
}

void bwe_on_sent(struct bwe *b, uint16_t seq, size_t size, uint8_t cluster, usec now)
{
}

void bwe_on_feedback(struct bwe *b, struct twcc_feedback *f, usec now)
{
}

void bwe_on_remb(struct bwe *b, uint64_t bps, usec now)
{
}

void bwe_on_report(struct bwe *b, uint8_t fraction_lost, usec now)
{
}

void bwe_set_rtt(struct bwe *b, usec rtt_us)
{
}

void bwe_set_demand(struct bwe *b, uint64_t demand_bps, uint64_t allocated_bps, usec now)
{
}

uint64_t bwe_estimate_bps(const struct bwe *b)
{
    return b->estimate_bps;
}

size_t bwe_take_probe(struct bwe *b, usec now, uint8_t *ret_cluster)
{
    *ret_cluster = 0;
    return 0;
}

usec bwe_next_deadline(const struct bwe *b)
{
    return USEC_NEVER;
}

void bwe_stats(const struct bwe *b, struct bwe_stats *ret)
{
    *ret = (struct bwe_stats){ .estimate_bps = b->estimate_bps };
}
