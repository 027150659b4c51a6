/* bwe_delay.c - congestion seen as delay.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "rtc/bwe_delay.h"

#include <math.h>

enum {
    SLOPE_SAMPLES_MIN = 6,
    SLOPE_SPAN_MIN_US = 80000,
    STANDING_SAMPLES_MIN = 3,
    DRAIN_US = 8000, /* shorter by this within the standing window: it drains */
    DELAY_MAX_US = 1000000000,
};

/* How many standard errors of the rise are taken for chance. */
static const double CHANCE_ERRORS = 3.0;

const char *bwe_usage_name(enum bwe_usage u)
{
    static const char *const names[BWE_USAGE_COUNT] = { "normal", "overuse", "underuse" };
    check(u < BWE_USAGE_COUNT);
    return names[u];
}

/* The i-th newest sample. */
static const struct bwe_delay_sample *sample_at(const struct bwe_delay *d, size_t i)
{
    return &d->samples[(d->sample_next + BWE_DELAY_SAMPLES - 1 - i) % BWE_DELAY_SAMPLES];
}

static int32_t base_of(const struct bwe_delay *d)
{
    return MIN(d->base_us[0], d->base_us[1]);
}

static void learn_base(struct bwe_delay *d, int32_t delay, int64_t arrival_us)
{
    int64_t age = arrival_us - d->base_since_us;
    if (age >= BWE_BASE_BUCKET_US) {
        d->base_us[1] = age >= 2 * (int64_t)BWE_BASE_BUCKET_US ? delay : d->base_us[0];
        d->base_us[0] = delay;
        d->base_since_us = arrival_us;
    }
    d->base_us[0] = MIN(d->base_us[0], delay);
}

static void start(struct bwe_delay *d, int64_t sent_us, int64_t arrival_us)
{
    *d = (struct bwe_delay){
        .samples = d->samples,
        .started = true,
        .origin_us = arrival_us - sent_us,
        .base_since_us = arrival_us,
        .slope_from_us = arrival_us,
        .burst_sent_us = sent_us - BWE_BURST_US - 1,
        .last_sent_us = sent_us,
        .last_arrival_us = arrival_us,
    };
}

static bool is_jump(const struct bwe_delay *d, int64_t sent_us, int64_t arrival_us)
{
    int64_t change = (arrival_us - d->last_arrival_us) - (sent_us - d->last_sent_us);
    int64_t delay = arrival_us - sent_us - d->origin_us;
    return change > BWE_CLOCK_JUMP_US || change < -BWE_CLOCK_JUMP_US || delay > DELAY_MAX_US ||
           delay < -DELAY_MAX_US;
}

bool bwe_delay_on_packet(struct bwe_delay *d, int64_t sent_us, int64_t arrival_us)
{
    bool jumped = d->started && is_jump(d, sent_us, arrival_us);
    if (!d->started || jumped)
        start(d, sent_us, arrival_us);
    int32_t delay = (int32_t)(arrival_us - sent_us - d->origin_us);
    d->last_sent_us = sent_us;
    d->last_arrival_us = arrival_us;
    learn_base(d, delay, arrival_us);
    if (sent_us - d->burst_sent_us <= BWE_BURST_US)
        return !jumped;
    d->burst_sent_us = sent_us;
    d->samples[d->sample_next] = (struct bwe_delay_sample){ arrival_us, delay };
    d->sample_next = (d->sample_next + 1) % BWE_DELAY_SAMPLES;
    d->sample_count = MIN(d->sample_count + 1, (size_t)BWE_DELAY_SAMPLES);
    return !jumped;
}

/* Whether the delay rose over the window by more than its scatter around the straight line
 * explains. The rise of n scattered samples has a standard error of about sigma * sqrt(12 / n). */
static bool is_rising(const struct bwe_delay *d)
{
    int64_t newest_us = sample_at(d, 0)->arrival_us;
    int64_t from_us = MAX(newest_us - BWE_DELAY_WINDOW_US, d->slope_from_us);
    double n = 0, sum_t = 0, sum_y = 0, sum_tt = 0, sum_ty = 0, sum_yy = 0, earliest = 0;
    for (size_t i = 0; i < d->sample_count && sample_at(d, i)->arrival_us >= from_us; i++) {
        double t = (double)(sample_at(d, i)->arrival_us - newest_us) / 1000;
        double y = (double)(sample_at(d, i)->delay_us - base_of(d)) / 1000;
        n++, sum_t += t, sum_y += y, sum_tt += t * t, sum_ty += t * y, sum_yy += y * y;
        earliest = MIN(earliest, t);
    }
    if (n < SLOPE_SAMPLES_MIN || -earliest * 1000 < SLOPE_SPAN_MIN_US)
        return false;
    double var_t = sum_tt - sum_t * sum_t / n;
    double cov = sum_ty - sum_t * sum_y / n;
    double var_y = sum_yy - sum_y * sum_y / n;
    if (var_t < 1)
        return false;
    double rise = cov / var_t * -earliest;
    double residual = MAX(var_y - cov * cov / var_t, 0.0) / (n - 2);
    return rise * 1000 > BWE_DELAY_RISE_US + CHANCE_ERRORS * 1000 * sqrt(residual * 12 / n);
}

/* Sets standing_us; true if the queue got shorter meanwhile. */
static bool measure_standing(struct bwe_delay *d)
{
    int64_t newest_us = sample_at(d, 0)->arrival_us;
    int32_t least = sample_at(d, 0)->delay_us, oldest = least;
    for (size_t i = 1; i < d->sample_count; i++) {
        if (i >= STANDING_SAMPLES_MIN &&
            newest_us - sample_at(d, i)->arrival_us > BWE_STANDING_WINDOW_US)
            break;
        oldest = sample_at(d, i)->delay_us;
        least = MIN(least, oldest);
    }
    d->standing_us = least - base_of(d);
    return oldest - sample_at(d, 0)->delay_us > DRAIN_US;
}

enum bwe_usage bwe_delay_update(struct bwe_delay *d)
{
    if (d->sample_count == 0)
        return d->usage = BWE_NORMAL;
    bool draining = measure_standing(d);
    d->queue_us = sample_at(d, 0)->delay_us - base_of(d);
    if (draining)
        d->usage = BWE_UNDERUSE;
    else if (d->standing_us > BWE_STANDING_MAX_US)
        d->usage = BWE_OVERUSE;
    else
        d->usage = d->queue_us > BWE_DELAY_RISE_US && is_rising(d) ? BWE_OVERUSE : BWE_NORMAL;
    return d->usage;
}

int64_t bwe_delay_newest(const struct bwe_delay *d)
{
    return d->last_arrival_us - d->last_sent_us - d->origin_us - base_of(d);
}

void bwe_delay_forget_slope(struct bwe_delay *d)
{
    d->slope_from_us = d->last_arrival_us;
}

void bwe_delay_rebase(struct bwe_delay *d)
{
    d->base_us[0] = d->base_us[1] = base_of(d) + d->standing_us;
    d->base_since_us = d->last_arrival_us;
    d->standing_us = 0;
}
