/* bwe.c - the estimator toward one participant: when to cut, when to grow.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "rtc/bwe.h"

#include <string.h>

enum {
    WINDOW_US = 500000,       /* of the acknowledged rate */
    WINDOW_FULL_US = 200000,  /* … while the path is full: what arrives is what it carries */
    CUT_INTERVAL_US = 150000, /* plus the round trip: a cut must show before the next */
    CUT_PERCENT_MAX = 90,     /* of the estimate: a cut is one */
    LEVEL_CUTS_MAX = 4,       /* cuts that shortened nothing: the queue is not ours */
    HOLD_US = 300000,         /* no growth so soon after a cut */
    GROW_STEP_MAX_US = 500000,
    GROW_PERCENT = 12,       /* per second, where the capacity is not known */
    GROW_NEAR_PERCENT = 6,   /* per second at most, near the known capacity */
    GROW_NEAR_FLOOR = 8000,  /* bit/s per second */
    GROW_OVER_PERCENT = 150, /* never more than this of what arrives */
    NEAR_PERCENT = 80,       /* of the known capacity; above 130 % it is forgotten */
    ALR_PERCENT = 65,        /* sent less than this of the estimate: limited by the application */
    SPARING_PERCENT = 85,    /* … less than this: what arrives is not what the path carries */
    CAPACITY_US = 10000000,  /* a capacity seen is believed that long for a quick return */
    REPORT_LOSS_HIGH = 26,   /* of 256: 10 % */
    REPORT_LOSS_LOW = 5,     /* of 256: 2 % */
    LOSS_SEVERE = 300,       /* per mille: the path is simply full */
    SILENCE_PERCENT = 70,
    SQUEEZED_PERCENT = 60,     /* of the estimate: no packets of a frame arrived faster … */
    CORRECTION_US = 500000,    /* so soon after a cut of another kind … */
    CORRECTION_PERCENT = 90,   /* … less doubt has to be overcome */
    SQUEEZED_QUEUE_US = 30000, /* … and the newest came so late: there is no doubt … */
    SQUEEZED_CUT_PERCENT = 75, /* … and a queue to be drained */
    SOFT_CUT_US = 30000,
    FULL_US = 2000000,  /* so long after a cut, packets that were lost in the queue are told of */
    PACE_US = 30000000, /* so long after a cut a keyframe at once might not fit the path */
    PACE_PERCENT = 175, /* of the estimate, which a cut left below what the path carries */
    JITTER_MAX_US = 100000,  /* a delay that rose by more is a queue */
    QUIET_US = 500000,       /* nothing was sent for so long: whatever queue there was is gone */
    LEVEL_US = 2000000,      /* a delay that is high and flat for so long is no queue of ours … */
    LEVEL_SURE_US = 4000000, /* … even if as much is sent as may be */
    UNMOVED_PERCENT = 75, /* of what was sent before: so much less would have shortened a queue … */
    UNMOVED_US = 8000,    /* … by more than this */
    LEVEL_PERCENT = 110, /* of the estimate: so much arrives, and nothing is wrong */
};

static uint64_t clamp_bps(uint64_t bps)
{
    return MIN(MAX(bps, (uint64_t)BWE_MIN_BPS), (uint64_t)BWE_MAX_BPS);
}

static uint64_t percent(uint64_t value, unsigned of)
{
    return value * of / 100;
}

void bwe_init(struct bwe *b, struct bwe_memory *memory, usec now)
{
    memset(b, 0, sizeof(*b));
    b->sent = memory->sent;
    b->delay.samples = memory->samples;
    b->estimate_bps = BWE_START_BPS;
    b->rtt_us = BWE_RTT_DEFAULT_US;
    b->reported_seq = INT64_MIN;
    b->now = b->updated_at = now;
    b->sent_at = b->level_at = b->cut_at = b->unanswered_at = b->remb_at = b->report_at =
        USEC_NEVER;
}

/* Time never goes back. */
static usec advance(struct bwe *b, usec now)
{
    return b->now = MAX(b->now, now);
}

static bool is_remb_fresh(const struct bwe *b)
{
    return b->remb_at != USEC_NEVER && b->now - b->remb_at <= BWE_REMB_TIMEOUT_US;
}

uint64_t bwe_estimate_bps(const struct bwe *b)
{
    return clamp_bps(is_remb_fresh(b) ? MIN(b->estimate_bps, b->remb_bps) : b->estimate_bps);
}

static bool is_cut_within(const struct bwe *b, usec duration)
{
    return b->cut_at != USEC_NEVER && b->now - b->cut_at < duration;
}

bool bwe_is_congested(const struct bwe *b)
{
    return b->delay.usage == BWE_OVERUSE || b->delay.standing_us > BWE_STANDING_DRAINED_US;
}

bool bwe_is_full(const struct bwe *b)
{
    return bwe_is_congested(b) || is_cut_within(b, FULL_US);
}

uint64_t bwe_pace_bps(const struct bwe *b)
{
    bool is_full = b->has_feedback && b->cut_at != USEC_NEVER &&
                   (bwe_is_congested(b) || is_cut_within(b, PACE_US));
    return is_full ? percent(bwe_estimate_bps(b), PACE_PERCENT) : 0;
}

static void cut_to(struct bwe *b, uint64_t bps)
{
    uint64_t before = b->estimate_bps;
    b->estimate_bps = clamp_bps(MIN(bps, before));
    b->cut_at = b->updated_at = b->now;
    b->is_spacing_cut = false;
    bwe_probe_on_cut(&b->probe, before, b->estimate_bps, b->now);
}

static bool is_sent_below(const struct bwe *b, unsigned percent_of_estimate)
{
    uint64_t sent = bwe_rate_bps_at(&b->sent_rate, WINDOW_US, b->now);
    return sent < percent(b->estimate_bps, percent_of_estimate);
}

/* Sent much less than was allowed: what arrives then says nothing about what could. */
static bool is_application_limited(const struct bwe *b)
{
    return is_sent_below(b, ALR_PERCENT);
}

/* Nobody needs to know of much more than the demand, and what was never used may be wrong. */
static uint64_t demand_limit(const struct bwe *b)
{
    return b->demand_bps == 0 ? BWE_MAX_BPS
                              : MAX(percent(b->demand_bps, 125), (uint64_t)BWE_START_BPS);
}

/* Called where feedback and time agree that there is room. */
static void grow(struct bwe *b, uint64_t limit_bps)
{
    usec elapsed = MIN(b->now - b->updated_at, (usec)GROW_STEP_MAX_US);
    b->updated_at = b->now;
    if (is_cut_within(b, HOLD_US) || is_application_limited(b))
        return;
    uint64_t per_second = percent(b->estimate_bps, GROW_PERCENT);
    if (b->capacity_bps > 0 && b->estimate_bps > percent(b->capacity_bps, 130))
        b->capacity_bps = 0;
    if (b->capacity_bps > 0 && b->estimate_bps > percent(b->capacity_bps, NEAR_PERCENT)) {
        /* one packet per response time, as of any additive increase */
        uint64_t packet = (uint64_t)1200 * 8 * USEC_PER_SEC / (uint64_t)(b->rtt_us + 100000);
        per_second = MIN(packet, percent(b->estimate_bps, GROW_NEAR_PERCENT));
        per_second = MAX(per_second, (uint64_t)GROW_NEAR_FLOOR);
    }
    uint64_t grown = b->estimate_bps + per_second * (uint64_t)elapsed / USEC_PER_SEC;
    limit_bps = MIN(limit_bps, demand_limit(b));
    if (b->estimate_bps < limit_bps)
        b->estimate_bps = clamp_bps(MIN(grown, limit_bps));
}

/* -- what was sent -- */

enum status { NOT_SENT, IN_FLIGHT, PRESUMED, LOST, RECEIVED };

static struct bwe_sent *sent_at(struct bwe *b, int64_t seq)
{
    return &b->sent[(uint64_t)seq & (BWE_HISTORY - 1)];
}

void bwe_on_sent(struct bwe *b, uint16_t seq, size_t size, uint8_t cluster, usec now)
{
    advance(b, now);
    int64_t before = b->seq.highest;
    bool first = !b->seq.started;
    int64_t number = seq_unwrap16(&b->seq, seq);
    if (first) {
        before = number - 1;
        memset(b->sent, 0, BWE_HISTORY * sizeof(*b->sent));
    }
    /* numbers that were left out must not be taken for those of an earlier round */
    for (int64_t n = MAX(before + 1, number - BWE_HISTORY + 1); n < number; n++)
        sent_at(b, n)->status = NOT_SENT;
    if (number <= b->seq.highest - BWE_HISTORY)
        return;
    b->sent_at = b->now;
    bool of_probe = bwe_probe_on_sent(&b->probe, number, size, b->now);
    if (cluster != 0)
        b->probe.padding_bytes += size;
    *sent_at(b, number) = (struct bwe_sent){
        .sent_us = (uint32_t)b->now,
        .size = (uint16_t)MIN(size, (size_t)UINT16_MAX),
        .cluster = of_probe ? b->probe.cluster : 0,
        .status = IN_FLIGHT,
    };
    bwe_rate_add(&b->sent_rate, size, b->now);
    if (b->unanswered_at == USEC_NEVER)
        b->unanswered_at = b->now;
}

/* -- transport-wide feedback -- */

/* Of one feedback. */
struct outcome {
    uint32_t lost, total, corrected;
    bool news;
};

/* Extended arrival time; the reference time of the wire wraps after 12 days. */
static int64_t learn_reference(struct bwe *b, const struct twcc_feedback *f)
{
    uint32_t ahead = ((uint32_t)f->reference_time - (uint32_t)b->reference) & 0xffffff;
    int64_t step = ahead < 0x800000 ? (int64_t)ahead : (int64_t)ahead - 0x1000000;
    int64_t reference = b->has_feedback ? b->reference + step : f->reference_time;
    if (!b->has_feedback || step > 0)
        b->reference = reference;
    return (reference - f->reference_time) * 64000;
}

/* A feedback between the last and this one was lost. What it would have said is unknown; its bytes
 * must not look like a hole in what arrives. */
static void presume(struct bwe *b, int64_t until_seq, int64_t arrival_us)
{
    uint64_t bytes = 0;
    int64_t from = MAX(b->reported_seq + 1, b->seq.highest - BWE_HISTORY + 1);
    for (int64_t n = from; n < until_seq; n++) {
        struct bwe_sent *s = sent_at(b, n);
        if (s->status != IN_FLIGHT)
            continue;
        s->status = PRESUMED;
        bytes += s->size;
    }
    bytes = bytes * (1000 - bwe_loss_fraction(&b->loss)) / 1000;
    if (bytes > 0)
        bwe_rate_add(&b->acked, (size_t)bytes, arrival_us);
}

static void on_received(struct bwe *b, struct bwe_sent *s, int64_t number, int64_t arrival_us)
{
    usec sent_us = b->now - (usec)(uint32_t)((uint32_t)b->now - s->sent_us);
    if (s->status != PRESUMED)
        bwe_rate_add(&b->acked, s->size, arrival_us);
    int64_t queue_us = bwe_delay_newest(&b->delay);
    if (!bwe_delay_on_packet(&b->delay, sent_us, arrival_us)) {
        b->acked = (struct bwe_rate){ 0 };
        bwe_rate_add(&b->acked, s->size, arrival_us);
        bwe_spacing_forget(&b->spacing);
    }
    bwe_spacing_on_packet(&b->spacing, number, s->size, sent_us, arrival_us, queue_us);
    if (s->cluster != 0 && s->cluster == b->probe.cluster)
        bwe_probe_on_received(&b->probe, s->size, sent_us, arrival_us);
}

/* One packet's fate. What left before the last cut is not counted as lost a second time. */
static void on_result(struct bwe *b, const struct twcc_result *r, int64_t offset_us,
                      struct outcome *o)
{
    int64_t number = seq_peek16(&b->seq, r->seq);
    if (number > b->seq.highest || number <= b->seq.highest - BWE_HISTORY)
        return;
    struct bwe_sent *s = sent_at(b, number);
    if (s->status == NOT_SENT || s->status == RECEIVED || (s->status == LOST && !r->received))
        return;
    usec age = (usec)(uint32_t)((uint32_t)b->now - s->sent_us);
    bool counts = !is_cut_within(b, age);
    o->news = true;
    if (r->received) {
        on_received(b, s, number, r->arrival_us + offset_us);
        o->corrected += s->status == LOST && counts;
    }
    o->total += s->status != LOST && counts;
    o->lost += !r->received && counts;
    s->status = r->received ? RECEIVED : LOST;
    b->reported_seq = MAX(b->reported_seq, number);
}

static struct outcome read_feedback(struct bwe *b, struct twcc_feedback *f)
{
    struct outcome o = { 0 };
    struct twcc_result r;
    int64_t offset_us = learn_reference(b, f);
    bool presumed = b->reported_seq == INT64_MIN;
    int64_t base = seq_peek16(&b->seq, f->base_seq);
    while (twcc_feedback_next(f, &r)) {
        if (r.received && !presumed && base <= b->seq.highest)
            presume(b, base, r.arrival_us + offset_us);
        presumed |= r.received;
        on_result(b, &r, offset_us, &o);
    }
    return o;
}

/* -- decisions -- */

/* How far below what arrives: the longer the queue, the more it must drain. */
static unsigned cut_percent(const struct bwe *b)
{
    usec queue = b->delay.standing_us;
    if (queue > MILLIS(500))
        return 50;
    if (queue > MILLIS(150))
        return 70;
    return queue > MILLIS(60) ? 85 : 92;
}

/* The queue stood high through several cuts: the path became longer, or others fill it. */
static bool is_others_queue(struct bwe *b)
{
    if (b->delay.standing_us <= BWE_STANDING_MAX_US) {
        b->level_cuts = 0;
        return false;
    }
    if (b->level_cuts++ == 0 || b->delay.standing_us < b->level_cut_us * 3 / 4) {
        b->level_cuts = 1;
        b->level_cut_us = b->delay.standing_us;
    }
    return b->level_cuts > LEVEL_CUTS_MAX;
}

/* Who sends little cannot see by what arrives how much would; the distance of packets may tell. */
static uint64_t cut_target(const struct bwe *b, uint64_t acked)
{
    uint64_t to = percent(acked, cut_percent(b));
    uint64_t carried = bwe_spacing_bps(&b->spacing);
    if (!is_sent_below(b, SPARING_PERCENT) || carried <= acked)
        return to;
    return MAX(to,
               MIN(percent(carried, cut_percent(b)), percent(b->estimate_bps, CUT_PERCENT_MAX)));
}

static void cut_for_delay(struct bwe *b)
{
    bool standing = b->delay.standing_us > BWE_STANDING_MAX_US;
    uint64_t acked = bwe_rate_bps(&b->acked, WINDOW_FULL_US);
    if (!standing) /* either may be of a time when little was sent */
        acked = MAX(acked, bwe_rate_bps(&b->acked, WINDOW_US));
    if (is_others_queue(b)) {
        bwe_delay_rebase(&b->delay);
        b->level_cuts = 0;
        return;
    }
    if (acked == 0)
        acked = b->estimate_bps;
    uint64_t to = cut_target(b, acked);
    /* sent far less than allowed, and no queue to speak of: rather jitter than a slow path */
    b->is_soft_cut =
        is_sent_below(b, SPARING_PERCENT) && !standing && b->delay.queue_us < JITTER_MAX_US;
    if (b->is_soft_cut)
        to = MAX(to, percent(b->estimate_bps, 85));
    b->capacity_bps = acked;
    b->overuse_count++;
    cut_to(b, to);
}

/* The packets of one frame arrive far apart, and a queue has begun: the path has just become slow.
 * The rise of the delay would show it some frames later. After another cut, which went by what
 * arrived before the path was full, it need not be that far below. */
static bool is_squeezed(const struct bwe *b)
{
    uint64_t bps = bwe_spacing_bps(&b->spacing);
    bool corrects = !b->is_spacing_cut && is_cut_within(b, CORRECTION_US);
    return bps > 0 && bwe_spacing_is_even(&b->spacing) &&
           bwe_delay_newest(&b->delay) > SQUEEZED_QUEUE_US &&
           bps < percent(b->estimate_bps, corrects ? CORRECTION_PERCENT : SQUEEZED_PERCENT);
}

static void cut_for_spacing(struct bwe *b)
{
    uint64_t bps = bwe_spacing_bps(&b->spacing);
    b->capacity_bps = bps;
    b->overuse_count++;
    cut_to(b, percent(bps, SQUEEZED_CUT_PERCENT));
    b->is_soft_cut = false;
    b->is_spacing_cut = true;
}

static uint64_t sent_bps(const struct bwe *b)
{
    return bwe_rate_bps_at(&b->sent_rate, WINDOW_FULL_US, b->now);
}

/* What a lower rate must change if the queue that is seen and the loss are ours. */
static void remember_loss(struct bwe *b)
{
    if (b->delay.standing_us <= BWE_STANDING_DRAINED_US || b->unmoved.sent_bps > 0)
        return;
    b->unmoved = (struct bwe_unmoved){ .sent_bps = sent_bps(b),
                                       .estimate_bps = b->estimate_bps,
                                       .standing_us = b->delay.standing_us,
                                       .loss = bwe_loss_fraction(&b->loss) };
}

/* Much less is sent, and as much is lost, and it takes as long: the path is longer than it was, and
 * loses what it loses. */
static bool is_unmoved(const struct bwe *b)
{
    const struct bwe_unmoved *u = &b->unmoved;
    return u->sent_bps > 0 && sent_bps(b) < percent(u->sent_bps, UNMOVED_PERCENT) &&
           b->delay.standing_us >= u->standing_us - UNMOVED_US &&
           bwe_loss_fraction(&b->loss) * 2 > u->loss;
}

static void believe_unmoved(struct bwe *b)
{
    bwe_delay_rebase(&b->delay);
    bwe_loss_is_inherent(&b->loss);
    b->capacity_bps = 0;
    b->estimate_bps = clamp_bps(MAX(b->estimate_bps, b->unmoved.estimate_bps));
    b->unmoved = (struct bwe_unmoved){ 0 };
}

static void cut_for_loss(struct bwe *b)
{
    remember_loss(b);
    uint64_t fraction = bwe_loss_fraction(&b->loss);
    uint64_t acked = bwe_rate_bps(&b->acked, WINDOW_FULL_US);
    uint64_t to = b->estimate_bps * (2000 - fraction) / 2000;
    bool full = fraction > LOSS_SEVERE || b->delay.standing_us > BWE_STANDING_DRAINED_US;
    if (acked > 0)
        to = MIN(to, MAX(percent(acked, 95), full ? 0 : b->estimate_bps / 2));
    b->capacity_bps = full ? acked : 0;
    bwe_loss_on_cut(&b->loss, b->estimate_bps);
    bwe_loss_forget(&b->loss);
    b->loss_cut_count++;
    b->is_soft_cut = false;
    cut_to(b, to);
}

/* After a cut that emptied the queue: back near to what the path carried while it was full. */
static void restore(struct bwe *b)
{
    if (b->capacity_bps == 0 || !is_cut_within(b, CAPACITY_US))
        return;
    uint64_t back = percent(b->capacity_bps, 88);
    if (b->estimate_bps < back)
        b->estimate_bps = clamp_bps(back);
}

static void take_probe_result(struct bwe *b)
{
    bool done;
    uint64_t bps = bwe_probe_result(&b->probe, b->reported_seq, b->now, &done);
    if (!done)
        return;
    bwe_delay_forget_slope(&b->delay);
    if (b->delay.usage == BWE_OVERUSE || bps <= b->estimate_bps)
        return;
    b->estimate_bps = clamp_bps(bps);
    b->updated_at = b->now;
}

/* The delay is above the least one of the last seconds, but flat, without loss, and more arrives
 * than was thought possible, or much less is sent: that is no queue of ours, the path is longer
 * now. */
static bool is_longer_path(struct bwe *b, bool is_level)
{
    if (!is_level || is_cut_within(b, LEVEL_US)) {
        b->level_at = USEC_NEVER;
        return false;
    }
    if (b->level_at == USEC_NEVER)
        b->level_at = b->now;
    bool is_clear = is_application_limited(b) || bwe_rate_bps(&b->acked, WINDOW_FULL_US) >
                                                     percent(b->estimate_bps, LEVEL_PERCENT);
    if (b->now - b->level_at < (is_clear ? LEVEL_US : LEVEL_SURE_US))
        return false;
    b->level_at = USEC_NEVER;
    return true;
}

static void decide(struct bwe *b)
{
    enum bwe_usage usage = bwe_delay_update(&b->delay);
    bool standing = b->delay.standing_us > BWE_STANDING_MAX_US;
    bool drained = b->delay.standing_us <= BWE_STANDING_DRAINED_US;
    if (usage == BWE_OVERUSE && !standing && b->probe.state != BWE_PROBE_IDLE)
        usage = b->delay.usage = BWE_NORMAL; /* a probe makes a rise of its own */
    take_probe_result(b);
    /* jitter would have passed: what was spared is cut as soon as the queue is longer still */
    bool was_soft = b->is_soft_cut && b->delay.queue_us >= JITTER_MAX_US;
    bool may_cut = !is_cut_within(b, was_soft ? SOFT_CUT_US : CUT_INTERVAL_US + b->rtt_us);
    uint64_t acked = bwe_rate_bps(&b->acked, WINDOW_US);
    bwe_loss_on_rate(&b->loss, b->estimate_bps, !drained);
    if (drained)
        b->unmoved = (struct bwe_unmoved){ 0 };
    if (may_cut && is_unmoved(b)) {
        believe_unmoved(b);
    } else if ((may_cut || !b->is_spacing_cut) && is_squeezed(b)) {
        cut_for_spacing(b);
    } else if (usage == BWE_OVERUSE && may_cut) {
        cut_for_delay(b);
    } else if (bwe_loss_is_high(&b->loss, !drained) && may_cut) {
        cut_for_loss(b);
    } else if (usage != BWE_OVERUSE && drained) {
        b->level_cuts = 0;
        restore(b);
        grow(b, percent(acked, GROW_OVER_PERCENT) + 20000);
    } else if (b->capacity_bps > 0 && acked > 0 && standing) {
        /* a rate measured when the path was not yet full goes down to what a full one carries */
        b->capacity_bps = MIN(b->capacity_bps, bwe_rate_bps(&b->acked, WINDOW_FULL_US));
    }
    if (!drained || usage == BWE_OVERUSE)
        b->updated_at = b->now;
    bool is_level = !drained && usage != BWE_OVERUSE && !bwe_loss_is_high(&b->loss, true);
    if (is_longer_path(b, is_level)) {
        bwe_delay_rebase(&b->delay);
        b->estimate_bps = clamp_bps(MAX(b->estimate_bps, bwe_rate_bps(&b->acked, WINDOW_FULL_US)));
    }
}

void bwe_on_feedback(struct bwe *b, struct twcc_feedback *f, usec now)
{
    advance(b, now);
    if (!b->seq.started)
        return;
    struct outcome o = read_feedback(b, f);
    b->has_feedback = true;
    if (!o.news)
        return;
    b->unanswered_at = USEC_NEVER;
    bwe_loss_add(&b->loss, o.lost, o.total, o.corrected, b->now);
    decide(b);
}

/* -- the rest -- */

void bwe_on_remb(struct bwe *b, uint64_t bps, usec now)
{
    advance(b, now);
    b->remb_bps = clamp_bps(bps);
    b->remb_at = b->now;
    if (!b->has_feedback && !is_cut_within(b, SECONDS(2)))
        b->estimate_bps = b->remb_bps;
}

void bwe_on_report(struct bwe *b, uint8_t fraction_lost, usec now)
{
    advance(b, now);
    if (b->has_feedback)
        return;
    if (fraction_lost > REPORT_LOSS_HIGH) {
        if (!is_cut_within(b, HOLD_US + b->rtt_us))
            cut_to(b, b->estimate_bps * (512 - fraction_lost) / 512);
    } else if (fraction_lost <= REPORT_LOSS_LOW) {
        grow(b, BWE_MAX_BPS);
    }
    b->updated_at = b->now;
}

void bwe_set_rtt(struct bwe *b, usec rtt_us)
{
    b->rtt_us = MIN(MAX(rtt_us, (usec)1000), SECONDS(2));
}

/* Nothing was sent for so long that whatever queue there was has drained; and without a probe
 * nothing would ever tell. */
static bool is_quiet(const struct bwe *b)
{
    return b->sent_at != USEC_NEVER && b->now - b->sent_at > QUIET_US + b->rtt_us;
}

static struct bwe_probe_view view_of(const struct bwe *b)
{
    return (struct bwe_probe_view){
        .estimate_bps = bwe_estimate_bps(b),
        .demand_bps = b->has_feedback ? b->demand_bps : 0,
        .max_bps = is_remb_fresh(b) ? b->remb_bps : BWE_MAX_BPS,
        .may_probe = (is_quiet(b) || (b->delay.usage != BWE_OVERUSE &&
                                      b->delay.standing_us <= BWE_STANDING_DRAINED_US)) &&
                     !is_cut_within(b, BWE_PROBE_SETTLE_US),
    };
}

void bwe_set_demand(struct bwe *b, uint64_t demand_bps, uint64_t allocated_bps, usec now)
{
    advance(b, now);
    b->demand_bps = MIN(demand_bps, (uint64_t)BWE_MAX_BPS);
    b->allocated_bps = MIN(allocated_bps, (uint64_t)BWE_MAX_BPS);
}

static void tick(struct bwe *b)
{
    if (b->has_feedback && b->unanswered_at != USEC_NEVER &&
        b->now - b->unanswered_at >= BWE_SILENCE_US) {
        b->silence_count++;
        b->unanswered_at = b->now - BWE_SILENCE_US + BWE_SILENCE_STEP_US;
        cut_to(b, percent(b->estimate_bps, SILENCE_PERCENT));
    }
    struct bwe_probe_view v = view_of(b);
    bwe_probe_tick(&b->probe, &v, b->now);
}

size_t bwe_take_probe(struct bwe *b, usec now, uint8_t *ret_cluster)
{
    advance(b, now);
    tick(b);
    size_t size = bwe_probe_take(&b->probe, b->now);
    *ret_cluster = size > 0 ? b->probe.cluster : 0;
    return size;
}

usec bwe_next_deadline(const struct bwe *b)
{
    struct bwe_probe_view v = view_of(b);
    usec at = bwe_probe_next_deadline(&b->probe, &v);
    if (b->has_feedback && b->unanswered_at != USEC_NEVER)
        at = MIN(at, b->unanswered_at + BWE_SILENCE_US);
    return at;
}

void bwe_stats(const struct bwe *b, struct bwe_stats *ret)
{
    *ret = (struct bwe_stats){
        .estimate_bps = bwe_estimate_bps(b),
        .acked_bps = bwe_rate_bps(&b->acked, WINDOW_US),
        .sent_bps = bwe_rate_bps_at(&b->sent_rate, SECONDS(1), b->now),
        .loss_permille = bwe_loss_fraction(&b->loss),
        .queue_us = b->delay.queue_us,
        .usage = b->delay.usage,
        .has_feedback = b->has_feedback,
        .probe_count = b->probe.started_count,
        .probe_reached_count = b->probe.reached_count,
        .probe_failed_count = b->probe.failed_count,
        .probe_bytes = b->probe.padding_bytes,
        .overuse_count = b->overuse_count,
        .loss_cut_count = b->loss_cut_count,
        .silence_count = b->silence_count,
    };
}
