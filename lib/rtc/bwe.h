/* bwe.h - how much may be sent toward one participant: send-side bandwidth estimation from
 * transport-wide feedback, in the manner of Google congestion control
 * (draft-ietf-rmcat-gcc-02), from REMB and from receiver reports.
 *
 * Pure: time is a parameter, nothing is allocated; the same calls give the same estimates, bit for
 * bit. Owned by the thread that owns the transport. Media is sent as it comes, but for a while
 * after a cut (bwe_pace_bps); what it is made of is the allocator's affair, which keeps to the
 * estimate.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RTC_BWE_H
#define RTC_BWE_H

#include <assert.h>

#include "rtc/bwe_delay.h"
#include "rtc/bwe_loss.h"
#include "rtc/bwe_probe.h"
#include "rtc/bwe_rate.h"
#include "rtc/bwe_spacing.h"
#include "rtc/seq.h"
#include "rtc/twcc.h"

enum {
    /* Three audio streams and one low layer at once; the first probe, at three times this, needs
     * 13 kB, which even a line of 600 kbit/s takes in 180 ms. */
    BWE_START_BPS = 600000,
    BWE_MIN_BPS = 50000,
    BWE_MAX_BPS = 50000000,
    BWE_HISTORY = 2048,       /* packets sent and remembered; a power of two; 3 s at 8 Mbit/s */
    BWE_SILENCE_US = 2000000, /* packets sent, and no feedback for this long: back off … */
    BWE_SILENCE_STEP_US = 1000000,  /* … and again each time */
    BWE_REMB_TIMEOUT_US = 10000000, /* receivers repeat it every second */
    BWE_RTT_DEFAULT_US = 100000,
};

/* One packet sent; found by the low bits of its number. */
struct bwe_sent {
    uint32_t sent_us; /* low bits of the time */
    uint16_t size;
    uint8_t cluster;
    uint8_t status; /* enum of bwe.c */
};

/* What only those need to whom something is sent. */
struct bwe_memory {
    struct bwe_sent sent[BWE_HISTORY];
    struct bwe_delay_sample samples[BWE_DELAY_SAMPLES];
};

/* All state toward one participant but for the packets sent. Embedded in the transport; ready after
 * bwe_init(). */
/* The first cut for loss beside a queue; sent_bps 0: there was none, or the queue is gone. */
struct bwe_unmoved {
    uint64_t sent_bps, estimate_bps;
    int32_t standing_us;
    uint32_t loss; /* per mille */
};

struct bwe {
    struct bwe_sent *sent;    /* borrowed, BWE_HISTORY places by the low bits of the number */
    struct seq_unwrapper seq; /* of what was sent */
    int64_t reported_seq;     /* newest number that feedback spoke of; -1 none */
    struct bwe_rate acked;    /* on the receiver's clock */
    struct bwe_rate sent_rate;
    struct bwe_delay delay;
    struct bwe_loss loss;
    struct bwe_spacing spacing;
    struct bwe_probe probe;
    int64_t reference; /* extended reference time of the newest feedback */
    bool has_feedback; /* transport-wide feedback came at least once */
    uint64_t estimate_bps;
    uint64_t capacity_bps; /* what arrived when the path was last full; 0 unknown */
    uint64_t remb_bps;     /* 0 none */
    usec remb_at, report_at;
    uint64_t demand_bps, allocated_bps;
    usec rtt_us;
    usec now;        /* newest time seen */
    usec updated_at; /* when the estimate was last let grow */
    usec sent_at;    /* newest packet; USEC_NEVER none */
    usec level_at;   /* since when the delay has been high but flat; USEC_NEVER: it is not */
    struct bwe_unmoved unmoved;
    bool is_soft_cut;    /* the last cut spared what might have been jitter */
    bool is_spacing_cut; /* … went by the distance of packets */
    usec cut_at;         /* when it was last cut; 0 never */
    usec unanswered_at;  /* when the first packet left that no feedback answered; USEC_NEVER none */
    unsigned level_cuts; /* in a row, for a standing queue that did not get shorter */
    int32_t level_cut_us; /* that queue, when the first of them was made */
    /* counters */
    uint64_t overuse_count, loss_cut_count, silence_count;
};
static_assert(sizeof(struct bwe) <= 4 << 10, "one per transport");

/* memory: kept; not looked at before the first packet is sent (who is sent nothing does not touch
 * it). */
void bwe_init(struct bwe *b, struct bwe_memory *memory, usec now);

/* One packet with this transport-wide number left. size: the whole UDP payload. cluster: 0 for
 * media, else what bwe_take_probe() gave. */
void bwe_on_sent(struct bwe *b, uint16_t seq, size_t size, uint8_t cluster, usec now);

/* Transport-wide feedback, just parsed; it is iterated to its end. Anything may be in it. */
void bwe_on_feedback(struct bwe *b, struct twcc_feedback *f, usec now);

/* REMB: a cap for ten seconds, and where there is no transport-wide feedback, the estimate. */
void bwe_on_remb(struct bwe *b, uint64_t bps, usec now);

/* The worst fraction lost (of 256) of a receiver report; used where there is no transport-wide
 * feedback. */
void bwe_on_report(struct bwe *b, uint8_t fraction_lost, usec now);

/* The measured round trip. */
void bwe_set_rtt(struct bwe *b, usec rtt_us);

/* demand_bps: what all slots would take at their best; allocated_bps: what the allocator now
 * spends. There is probing only while the demand exceeds the estimate. */
void bwe_set_demand(struct bwe *b, uint64_t demand_bps, uint64_t allocated_bps, usec now);

/* What may be sent, everything included: BWE_MIN_BPS to BWE_MAX_BPS. */
uint64_t bwe_estimate_bps(const struct bwe *b);

/* There is a queue: nothing is to be sent that is not needed. */
bool bwe_is_congested(const struct bwe *b);

/* There is a queue, or there was one a moment ago: what is lost may be lost because of what we
 * send.
 */
bool bwe_is_full(const struct bwe *b);

/* How fast packets may leave so that no queue grows; 0: as they come, the path is not full. */
uint64_t bwe_pace_bps(const struct bwe *b);

/* Bytes of padding to send now, at most BWE_PROBE_STEP_BYTES_MAX; 0: none. *ret_cluster names the
 * probe that it belongs to, 0 if none. To be called at every deadline, whether padding can be sent
 * or not: time acts here. */
size_t bwe_take_probe(struct bwe *b, usec now, uint8_t *ret_cluster);

/* When bwe_take_probe() should be called; USEC_NEVER if nothing is pending. */
usec bwe_next_deadline(const struct bwe *b);

/* For statistics. */
struct bwe_stats {
    uint64_t estimate_bps;
    uint64_t acked_bps; /* what arrives, over 0.5 s */
    uint64_t sent_bps;  /* what leaves, over 1 s */
    uint32_t loss_permille;
    int32_t queue_us; /* newest delay above the least one */
    enum bwe_usage usage;
    bool has_feedback;
    uint64_t probe_count, probe_reached_count, probe_failed_count, probe_bytes;
    uint64_t overuse_count, loss_cut_count, silence_count;
};
void bwe_stats(const struct bwe *b, struct bwe_stats *ret);

#endif
