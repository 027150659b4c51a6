/* bwe_spacing.c - what the bottleneck carries, seen as the distance of packets.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "rtc/bwe_spacing.h"

/* Left together; or stood in one queue, which made of the time between them another. Where it did
 * not, what looks like a queue is a longer way. */
static bool is_pair(size_t size, int64_t apart_us, int64_t distance_us, int64_t queue_us)
{
    if (size < BWE_SPACING_SIZE_MIN)
        return false;
    bool is_changed = distance_us * 4 < apart_us * 3 || distance_us * 4 > apart_us * 5;
    return apart_us <= BWE_SPACING_TOGETHER_US || (apart_us <= queue_us && is_changed);
}

void bwe_spacing_on_packet(struct bwe_spacing *s, int64_t number, size_t size, int64_t sent_us,
                           int64_t arrival_us, int64_t queue_us)
{
    int64_t distance = arrival_us - s->last_arrival_us;
    if (s->started && number == s->last_number + 1 &&
        is_pair(size, sent_us - s->last_sent_us, distance, queue_us)) {
        uint64_t bps =
            distance <= 0 ? UINT64_MAX : (uint64_t)size * 8 * USEC_PER_SEC / (uint64_t)distance;
        s->pairs[s->next] = (struct bwe_pair){ arrival_us, bps };
        s->next = (s->next + 1) % BWE_SPACING_PAIRS;
        s->count = MIN(s->count + 1, (size_t)BWE_SPACING_PAIRS);
    }
    s->started = true;
    s->last_number = number;
    s->last_sent_us = sent_us;
    s->last_arrival_us = arrival_us;
}

uint64_t bwe_spacing_bps(const struct bwe_spacing *s)
{
    if (s->count < BWE_SPACING_PAIRS)
        return 0;
    uint64_t most = 0;
    for (size_t i = 0; i < BWE_SPACING_PAIRS; i++) {
        if (s->last_arrival_us - s->pairs[i].arrival_us > BWE_SPACING_FRESH_US)
            return 0;
        most = MAX(most, s->pairs[i].bps);
    }
    return most == UINT64_MAX ? 0 : most;
}

bool bwe_spacing_is_even(const struct bwe_spacing *s)
{
    uint64_t most = 0, least = UINT64_MAX;
    for (size_t i = 0; i < s->count; i++) {
        most = MAX(most, s->pairs[i].bps);
        least = MIN(least, s->pairs[i].bps);
    }
    return most / BWE_SPACING_SPREAD <= least;
}

void bwe_spacing_forget(struct bwe_spacing *s)
{
    s->count = 0;
}
