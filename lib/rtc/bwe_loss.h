/* bwe_loss.h - congestion seen as loss. Random loss is not congestion: only a fraction well above
 * 10 %, or above what the path loses at any rate, counts.
 *
 * Pure. SPDX-License-Identifier: Apache-2.0 */
#ifndef RTC_BWE_LOSS_H
#define RTC_BWE_LOSS_H

#include "common/base.h"

enum {
    BWE_LOSS_BUCKET_US = 100000,
    BWE_LOSS_BUCKETS = 10, /* 1 s */
    BWE_LOSS_SAMPLES_MIN = 20,
    BWE_LOSS_HIGH = 100, /* per mille: more is congestion */
    BWE_LOSS_QUEUE = 30, /* per mille: … where a queue stands as well */
    BWE_LOSS_LOW = 20,   /* per mille: where only reports tell, below this the rate may grow */
    BWE_LOSS_INHERENT_MAX = 300, /* per mille that a path is believed to lose at any rate */
};

struct bwe_loss_bucket {
    int64_t number;
    uint32_t lost, total;
};

/* Zero-initialised is ready. */
struct bwe_loss {
    struct bwe_loss_bucket buckets[BWE_LOSS_BUCKETS];
    /* derived */
    uint32_t lost, total; /* over the window */
    uint32_t inherent;    /* per mille that lower rates did not cure */
    uint32_t before_cut;  /* per mille, when the rate was first cut for loss; 0: not cut */
    uint64_t cut_bps;     /* … and the rate then */
};

/* One feedback said that much. corrected: reported lost before, and yet received. */
void bwe_loss_add(struct bwe_loss *l, uint32_t lost, uint32_t total, uint32_t corrected, usec now);

/* Per mille over the last second; 0 with too few packets. */
uint32_t bwe_loss_fraction(const struct bwe_loss *l);

/* Significantly above 10 % and above what is inherent. queue: there is one, so 3 % will do. */
bool bwe_loss_is_high(const struct bwe_loss *l, bool queue);

/* The rate is cut from bps because of loss; or time passes at bps. Both teach what is inherent,
 * unless a queue explains the loss. */
void bwe_loss_on_cut(struct bwe_loss *l, uint64_t bps);
void bwe_loss_on_rate(struct bwe_loss *l, uint64_t bps, bool queue);

/* The path loses that much at any rate: a much lower one has not changed it. */
void bwe_loss_is_inherent(struct bwe_loss *l);
/* Forgets the window: what was lost before a cut must not cut again. */
void bwe_loss_forget(struct bwe_loss *l);

#endif
