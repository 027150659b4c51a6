/* bwe_probe.c - short trains of packets at more than the estimate.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "rtc/bwe_probe.h"

enum {
    FIRST_FACTOR = 3, /* and then 6, by the doubling of what came through */
    FACTOR = 2,
    DEMAND_PERCENT = 125, /* no reason to know about more than this of the demand */
    GAIN_PERCENT = 105,   /* a probe for less is not worth it */
    GAINED_PERCENT = 115, /* a probe that found so much is tried again soon */
    PACKETS_RECEIVED_MIN = 4,
    SATURATED_PERCENT = 90,
    UTILISATION_PERCENT = 95,
    DROP_PERCENT = 66,
    RECOVERY_PERCENT = 85,
};

static void begin(struct bwe_probe *p, uint64_t from_bps, uint64_t target_bps, usec now)
{
    p->state = BWE_PROBE_SENDING;
    p->cluster = p->cluster == UINT8_MAX ? 1 : (uint8_t)(p->cluster + 1);
    p->target_bps = target_bps;
    p->from_bps = from_bps;
    p->started_at = p->step_at = now;
    p->sent_bytes = p->sent_packets = p->got_bytes = p->got_packets = 0;
    p->last_sent_bytes = p->first_arrival_bytes = 0;
    p->began = true;
    p->started_count++;
}

/* gained: not all of the target, but more than is known already. */
static void end(struct bwe_probe *p, bool reached, bool gained, usec now)
{
    p->state = BWE_PROBE_IDLE;
    p->interval_us = reached ? BWE_PROBE_INTERVAL_US
                             : MIN(p->interval_us * 3 / 2, (usec)BWE_PROBE_INTERVAL_MAX_US);
    p->next_at = now + (reached ? 0 : gained ? BWE_PROBE_SETTLE_US : p->interval_us);
    if (reached)
        p->reached_count++;
    else
        p->failed_count++;
}

static uint64_t next_target(struct bwe_probe *p, const struct bwe_probe_view *v, usec now)
{
    uint64_t target = v->estimate_bps * (p->began ? FACTOR : FIRST_FACTOR);
    if (p->drop_bps > 0 && now - p->drop_at <= BWE_PROBE_RECOVERY_US)
        target = MAX(v->estimate_bps * FACTOR,
                     MIN(p->drop_bps * RECOVERY_PERCENT / 100, v->estimate_bps * FIRST_FACTOR));
    p->drop_bps = 0;
    target = MIN(target, v->demand_bps * DEMAND_PERCENT / 100);
    return MIN(target, v->max_bps);
}

static bool is_wanted(const struct bwe_probe_view *v)
{
    return MIN(v->demand_bps, v->max_bps) * 100 > v->estimate_bps * GAIN_PERCENT;
}

void bwe_probe_tick(struct bwe_probe *p, const struct bwe_probe_view *v, usec now)
{
    if (p->state == BWE_PROBE_SENDING && now - p->started_at > BWE_PROBE_DURATION_MAX_US)
        end(p, false, false, now);
    if (p->state == BWE_PROBE_WAITING && now - p->finished_at > BWE_PROBE_RESULT_US)
        end(p, false, false, now);
    if (p->interval_us == 0)
        p->interval_us = BWE_PROBE_INTERVAL_US;
    if (p->state != BWE_PROBE_IDLE || now < p->next_at || !is_wanted(v))
        return;
    if (v->may_probe)
        begin(p, v->estimate_bps, next_target(p, v, now), now);
    else
        p->next_at = now + BWE_PROBE_RETRY_US;
}

size_t bwe_probe_take(struct bwe_probe *p, usec now)
{
    if (p->state != BWE_PROBE_SENDING || now < p->step_at)
        return 0;
    p->step_at = now + BWE_PROBE_STEP_US;
    uint64_t due =
        p->target_bps / 8 * (uint64_t)(now - p->started_at + BWE_PROBE_STEP_US) / USEC_PER_SEC;
    if (due < p->sent_bytes + BWE_PROBE_PIECE_MIN)
        return 0;
    return (size_t)MIN(due - p->sent_bytes, (uint64_t)BWE_PROBE_STEP_BYTES_MAX);
}

bool bwe_probe_on_sent(struct bwe_probe *p, int64_t seq, size_t size, usec now)
{
    if (p->state != BWE_PROBE_SENDING)
        return false;
    p->sent_bytes += (uint32_t)size;
    p->sent_packets++;
    p->last_seq = seq;
    uint64_t whole = p->target_bps / 8 * BWE_PROBE_DURATION_US / USEC_PER_SEC;
    if (p->sent_bytes >= whole && p->sent_packets >= BWE_PROBE_PACKETS_MIN &&
        now - p->started_at >= BWE_PROBE_DURATION_US - BWE_PROBE_STEP_US) {
        p->state = BWE_PROBE_WAITING;
        p->finished_at = now;
    }
    return true;
}

void bwe_probe_on_received(struct bwe_probe *p, size_t size, int64_t sent_us, int64_t arrival_us)
{
    if (p->state == BWE_PROBE_IDLE)
        return;
    if (p->got_packets++ == 0) {
        p->first_sent_us = p->last_sent_us = sent_us;
        p->first_arrival_us = p->last_arrival_us = arrival_us;
    }
    p->got_bytes += (uint32_t)size;
    if (sent_us > p->last_sent_us + BWE_PROBE_EXTENT_US) {
        p->last_sent_us = sent_us;
        p->last_sent_bytes = 0;
    }
    p->last_sent_bytes += (uint32_t)size;
    if (arrival_us <= p->first_arrival_us + BWE_PROBE_EXTENT_US)
        p->first_arrival_bytes += (uint32_t)size;
    p->last_arrival_us = MAX(p->last_arrival_us, arrival_us);
}

static uint64_t rate_of(uint32_t bytes, int64_t duration_us)
{
    return duration_us <= 0 ? 0 : (uint64_t)bytes * 8 * USEC_PER_SEC / (uint64_t)duration_us;
}

static uint64_t measured(const struct bwe_probe *p)
{
    if (p->got_packets < PACKETS_RECEIVED_MIN ||
        (uint64_t)p->got_bytes * 100 < (uint64_t)p->sent_bytes * BWE_PROBE_REACHED_PERCENT)
        return 0;
    uint64_t send = rate_of(p->got_bytes - p->last_sent_bytes, p->last_sent_us - p->first_sent_us);
    uint64_t receive =
        rate_of(p->got_bytes - p->first_arrival_bytes, p->last_arrival_us - p->first_arrival_us);
    if (receive * 100 < send * SATURATED_PERCENT)
        return receive * UTILISATION_PERCENT / 100;
    return MIN(send, receive);
}

uint64_t bwe_probe_result(struct bwe_probe *p, int64_t newest_seq, usec now, bool *ret_done)
{
    *ret_done = p->state == BWE_PROBE_WAITING && newest_seq >= p->last_seq;
    if (!*ret_done)
        return 0;
    uint64_t bps = measured(p);
    end(p,
        bps * 100 >= p->target_bps * BWE_PROBE_REACHED_PERCENT &&
            bps * 100 > p->from_bps * GAIN_PERCENT,
        bps * 100 > p->from_bps * GAINED_PERCENT, now);
    return bps;
}

void bwe_probe_on_cut(struct bwe_probe *p, uint64_t before_bps, uint64_t after_bps, usec now)
{
    bool recent = p->drop_bps > 0 && now - p->drop_at <= BWE_PROBE_RECOVERY_US;
    uint64_t before = recent ? p->drop_bps : before_bps;
    if (after_bps * 100 < before * DROP_PERCENT) {
        p->drop_bps = before;
        p->drop_at = now;
        p->interval_us = BWE_PROBE_INTERVAL_US;
        p->next_at = now + BWE_PROBE_SETTLE_US;
    } else {
        p->next_at = MAX(p->next_at, now + BWE_PROBE_INTERVAL_US);
    }
}

usec bwe_probe_next_deadline(const struct bwe_probe *p, const struct bwe_probe_view *v)
{
    switch (p->state) {
    case BWE_PROBE_SENDING:
        return p->step_at;
    case BWE_PROBE_WAITING:
        return p->finished_at + BWE_PROBE_RESULT_US + 1;
    case BWE_PROBE_IDLE:
        break;
    }
    return is_wanted(v) ? p->next_at : USEC_NEVER;
}
