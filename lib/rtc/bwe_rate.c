/* bwe_rate.c - bytes per time over a sliding window.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "rtc/bwe_rate.h"

enum { COUNTED_MIN = 4 }; /* buckets: a rate over less is noise */

/* Rounds down, also where clocks are negative. */
static int64_t bucket_of(int64_t at_us)
{
    int64_t number = at_us / BWE_RATE_BUCKET_US;
    return at_us % BWE_RATE_BUCKET_US < 0 ? number - 1 : number;
}

static size_t place_of(int64_t number)
{
    int64_t place = number % BWE_RATE_BUCKETS;
    return (size_t)(place < 0 ? place + BWE_RATE_BUCKETS : place);
}

void bwe_rate_add(struct bwe_rate *r, size_t size, int64_t at_us)
{
    int64_t number = bucket_of(at_us);
    if (!r->started || number - r->newest >= BWE_RATE_BUCKETS) {
        *r = (struct bwe_rate){ .started = true, .first = number, .newest = number };
    } else if (number <= r->newest - BWE_RATE_BUCKETS) {
        return;
    }
    while (r->newest < number)
        r->bytes[place_of(++r->newest)] = 0;
    uint32_t *bytes = &r->bytes[place_of(number)];
    *bytes += (uint32_t)MIN(size, (size_t)(UINT32_MAX - *bytes));
}

/* The buckets before `end`, at most `count`. */
static uint64_t rate_before(const struct bwe_rate *r, int64_t end, int64_t count)
{
    count = MIN(count, MIN(end - r->first, (int64_t)BWE_RATE_BUCKETS - 1));
    if (count < COUNTED_MIN)
        return 0;
    uint64_t sum = 0;
    for (int64_t n = MAX(end - count, r->newest - BWE_RATE_BUCKETS + 1);
         n < MIN(end, r->newest + 1); n++)
        sum += r->bytes[place_of(n)];
    return sum * 8 * USEC_PER_SEC / (uint64_t)(count * BWE_RATE_BUCKET_US);
}

uint64_t bwe_rate_bps(const struct bwe_rate *r, usec window_us)
{
    return r->started ? rate_before(r, r->newest, window_us / BWE_RATE_BUCKET_US) : 0;
}

uint64_t bwe_rate_bps_at(const struct bwe_rate *r, usec window_us, int64_t now_us)
{
    if (!r->started)
        return 0;
    int64_t end = MAX(bucket_of(now_us), r->newest);
    return rate_before(r, end, window_us / BWE_RATE_BUCKET_US);
}
