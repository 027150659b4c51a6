/* receive_stats.c - reception statistics of one stream (RFC 3550 A.1, A.3, A.8).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "rtc/nack.h"

enum { JITTER_GAP_S = 5 }; /* a longer pause is not jitter */

void receive_stats_init(struct receive_stats *s, uint32_t clock_rate)
{
    *s = (struct receive_stats){ .clock_rate = clock_rate };
}

/* A time on the stream's clock; wraps with it. */
static uint32_t ticks_of(const struct receive_stats *s, usec now)
{
    uint64_t us = (uint64_t)now;
    uint64_t per_sec = (uint64_t)USEC_PER_SEC;
    return (uint32_t)(us / per_sec * s->clock_rate + us % per_sec * s->clock_rate / per_sec);
}

static void update_jitter(struct receive_stats *s, uint32_t timestamp, usec now)
{
    uint32_t transit = ticks_of(s, now) - timestamp;
    int64_t distance = seq32_diff(transit, s->transit);
    uint32_t d = (uint32_t)(distance < 0 ? -distance : distance);
    /* j += (d - j / 16), in 28.4 fixed point: RFC 3550 A.8 */
    if (s->has_transit && d < s->clock_rate * JITTER_GAP_S)
        s->jitter_q4 = (uint32_t)((int64_t)s->jitter_q4 + d - ((s->jitter_q4 + 8) >> 4));
    s->transit = transit;
    s->has_transit = true;
}

/* Counting starts over, as for a new source. */
static void restart(struct receive_stats *s, int64_t seq)
{
    s->base_seq = seq;
    s->received = 0;
    s->received_prior = 0;
    s->expected_prior = 0;
    s->has_transit = false;
    s->unwrapper = (struct seq_unwrapper){ .highest = seq, .started = true };
}

void receive_stats_on_packet(struct receive_stats *s, uint16_t seq, uint32_t timestamp,
                             size_t payload_len, usec now)
{
    int64_t extended = seq_peek16(&s->unwrapper, seq);
    int64_t ahead = extended - s->unwrapper.highest;
    if (!s->unwrapper.started)
        restart(s, extended);
    else if (ahead > NACK_RESTART_GAP || ahead < -NACK_RESTART_GAP)
        restart(s, ahead < 0 ? extended + (1 << 16) : extended);
    if (s->received == 0 || ahead > 0)
        update_jitter(s, timestamp, now);
    if (s->received > 0)
        (void)seq_learn(&s->unwrapper, extended);
    s->received++;
    s->bytes += payload_len;
}

void receive_stats_on_sr(struct receive_stats *s, uint64_t ntp, usec now)
{
    s->last_sr = ntp_middle(ntp);
    s->last_sr_at = now;
}

/* Of 256, over the interval since the last report (RFC 3550 A.3). */
static uint8_t take_fraction_lost(struct receive_stats *s, int64_t expected)
{
    int64_t expected_interval = expected - s->expected_prior;
    int64_t lost = expected_interval - (int64_t)(s->received - s->received_prior);
    s->expected_prior = expected;
    s->received_prior = s->received;
    if (expected_interval <= 0 || lost <= 0)
        return 0;
    return (uint8_t)MIN((lost << 8) / expected_interval, 255);
}

bool receive_stats_report(struct receive_stats *s, uint32_t ssrc, usec now, struct rtcp_report *ret)
{
    if (!s->unwrapper.started)
        return false;
    int64_t expected = s->unwrapper.highest - s->base_seq + 1;
    int64_t lost = expected - (int64_t)s->received;
    s->fraction_lost = take_fraction_lost(s, expected);
    *ret = (struct rtcp_report){
        .ssrc = ssrc,
        .fraction_lost = s->fraction_lost,
        .cumulative_lost = (int32_t)MAX(MIN(lost, 0x7fffff), -0x800000),
        .highest_seq = (uint32_t)s->unwrapper.highest,
        .jitter = s->jitter_q4 >> 4,
        .last_sr = s->last_sr,
    };
    if (s->last_sr != 0)
        ret->delay_since_sr =
            (uint32_t)(((uint64_t)(now - s->last_sr_at) << 16) / (uint64_t)USEC_PER_SEC);
    return true;
}
