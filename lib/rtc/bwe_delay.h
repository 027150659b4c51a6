/* bwe_delay.h - congestion seen as delay: is the queue of the bottleneck growing, or standing?
 *
 * Packets that leave within 5 ms are one burst. The sample of a burst is the one-way delay of its
 * first packet: the queue that was there before the burst, not the one that a keyframe makes for
 * itself. Delays are relative to the least one of the last seconds, which is taken for an empty
 * queue. Two signals make overuse: a rise over the window beyond what its scatter explains, and a
 * queue that stood high all the time and does not drain.
 *
 * Pure. SPDX-License-Identifier: Apache-2.0 */
#ifndef RTC_BWE_DELAY_H
#define RTC_BWE_DELAY_H

#include "common/base.h"

enum {
    BWE_BURST_US = 5000,
    BWE_DELAY_SAMPLES = 96,       /* of the regression; a power of two is not needed */
    BWE_DELAY_WINDOW_US = 400000, /* of the regression */
    BWE_DELAY_RISE_US = 12000,    /* less than this over the window is not overuse */
    BWE_STANDING_WINDOW_US = 200000,
    BWE_STANDING_MAX_US = 50000,     /* a queue that never was shorter in the standing window */
    BWE_STANDING_DRAINED_US = 20000, /* the queue counts as empty: the rate may rise again */
    BWE_BASE_BUCKET_US = 10000000,   /* the least delay is that of the last 10 to 20 s */
    BWE_CLOCK_JUMP_US = 3000000,     /* more than this between two packets is another clock */
};

enum bwe_usage {
    BWE_NORMAL,
    BWE_OVERUSE,
    BWE_UNDERUSE, /* the queue drains */
    BWE_USAGE_COUNT,
};

/* "normal", "overuse", "underuse". */
const char *bwe_usage_name(enum bwe_usage u);

struct bwe_delay_sample {
    int64_t arrival_us;
    int32_t delay_us; /* relative to origin_us */
};

/* Zero-initialised, but for samples, is ready. */
struct bwe_delay {
    struct bwe_delay_sample *samples; /* borrowed, BWE_DELAY_SAMPLES places; a ring */
    size_t sample_next, sample_count;
    int64_t burst_sent_us; /* when the current burst began */
    int64_t last_sent_us, last_arrival_us;
    int64_t origin_us;  /* arrival minus send of the first packet: the clocks' offset */
    int32_t base_us[2]; /* least delays of this base bucket and the one before */
    int64_t base_since_us;
    int32_t queue_us;      /* newest sample above the base */
    int32_t standing_us;   /* least one of the standing window */
    int64_t slope_from_us; /* arrivals before it are not part of the slope */
    bool started;
    enum bwe_usage usage;
};

/* One packet arrived. sent_us is on our clock, arrival_us on the receiver's; in order of arrival or
 * nearly so. What left before the current burst is not a sample. False if the receiver's clock
 * jumped: everything is forgotten then. */
bool bwe_delay_on_packet(struct bwe_delay *d, int64_t sent_us, int64_t arrival_us);

/* The verdict after all packets of a feedback. */
enum bwe_usage bwe_delay_update(struct bwe_delay *d);

/* The delay of the newest packet, which need not be a sample, above that of an empty queue. */
int64_t bwe_delay_newest(const struct bwe_delay *d);

/* Forgets the slope but not the level: what comes now is not comparable, such as after a probe. */
void bwe_delay_forget_slope(struct bwe_delay *d);

/* Takes today's delay for that of an empty queue: lower rates did not shorten it. */
void bwe_delay_rebase(struct bwe_delay *d);

#endif
