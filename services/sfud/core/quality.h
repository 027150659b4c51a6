/* quality.h - how well a participant's media gets through, as one number for people: 0 lost, 1 bad
 * … 5 perfect.
 *
 * What they see and what they send are rated each, and the worse one counts. Getting worse shows
 * at once, getting better is believed after a while; a value between two numbers does not flicker.
 *
 * Pure.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SFUD_CORE_QUALITY_H
#define SFUD_CORE_QUALITY_H

#include "common/base.h"

enum {
    QUALITY_UNKNOWN = -1, /* not measured yet */
    QUALITY_LOST = 0,
    QUALITY_PERFECT = 5,
};

struct quality_input {
    bool is_lost; /* nothing is heard of them */
    usec rtt_us;  /* -1: not known */
    /* what they see */
    bool has_downlink; /* something flows toward them */
    uint32_t loss_out_permille;
    usec jitter_out_us;
    uint64_t wanted_bps; /* of all slots at their best; 0: no video is wanted */
    uint64_t given_bps;  /* of that */
    /* what they send */
    bool has_uplink; /* something flows from them */
    uint32_t loss_in_permille;
    usec jitter_in_us;
    uint8_t layers_wanted; /* of the video layers that were asked for … */
    uint8_t layers_active; /* … those that flow */
};

struct quality {
    int8_t score;  /* as told; QUALITY_UNKNOWN at first */
    int16_t centi; /* smoothed hundredths; valid if score is known */
};

static inline void quality_init(struct quality *q)
{
    *q = (struct quality){ .score = QUALITY_UNKNOWN };
}

/* Hundredths, 0 (lost), 100 to 500, of one measurement. */
int quality_rate(const struct quality_input *in);

/* One measurement, every QUALITY_INTERVAL. True: q->score has changed. Nothing flows either way:
 * the score stays. */
bool quality_update(struct quality *q, const struct quality_input *in);

#endif
