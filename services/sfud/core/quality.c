/* SPDX-License-Identifier: Apache-2.0 */
#include "core/quality.h"

enum {
    BEST = 500,
    WORST = 100,  /* of what still gets through */
    FALL_PC = 70, /* of the way, with each measurement */
    RISE_PC = 30,
    MARGIN = 20, /* beyond the middle between two scores */
};

/* Penalties in hundredths at given values, straight lines between. */
struct point {
    int64_t at;
    int penalty;
};

static const struct point of_loss[] = { /* permille; what is lost is mostly sent again */
                                        { 5, 0 },     { 20, 50 },   { 50, 130 },
                                        { 100, 230 }, { 200, 340 }, { 300, 400 }
};
static const struct point of_rtt[] = { /* ms; ITU-T G.114: people notice from 150 one way */
                                       { 200, 0 },
                                       { 400, 80 },
                                       { 600, 170 },
                                       { 1200, 300 }
};
static const struct point of_jitter[] = { /* ms; what is more than buffers take easily */
                                          { 30, 0 },
                                          { 60, 60 },
                                          { 120, 150 },
                                          { 250, 250 }
};
static const struct point of_missing[] = { /* percent of the bitrate of what they look at */
                                           { 10, 0 },
                                           { 50, 80 },
                                           { 75, 160 },
                                           { 95, 260 },
                                           { 100, 320 }
};

static int penalty_at(const struct point *points, size_t count, int64_t value)
{
    if (value <= points[0].at)
        return points[0].penalty;
    for (size_t i = 1; i < count; i++) {
        const struct point *a = &points[i - 1], *b = &points[i];
        if (value < b->at)
            return a->penalty +
                   (int)((b->penalty - a->penalty) * (value - a->at) / (b->at - a->at));
    }
    return points[count - 1].penalty;
}

#define PENALTY(points, value) penalty_at(points, ARRAY_LEN(points), (int64_t)(value))

static int missing_pc(uint64_t wanted, uint64_t given)
{
    return wanted == 0 || given >= wanted ? 0 : (int)(100 - given * 100 / wanted);
}

static int penalty_of_downlink(const struct quality_input *in)
{
    return PENALTY(of_loss, in->loss_out_permille) + PENALTY(of_jitter, in->jitter_out_us / 1000) +
           PENALTY(of_missing, missing_pc(in->wanted_bps, in->given_bps));
}

/* A layer that does not come was given up by its sender, for want of bandwidth or of power. */
static int penalty_of_uplink(const struct quality_input *in)
{
    enum { LAYER_PENALTY = 90 };
    int missing = in->layers_wanted > in->layers_active ? in->layers_wanted - in->layers_active : 0;
    return PENALTY(of_loss, in->loss_in_permille) + PENALTY(of_jitter, in->jitter_in_us / 1000) +
           missing * LAYER_PENALTY;
}

int quality_rate(const struct quality_input *in)
{
    if (in->is_lost)
        return 0;
    int down = in->has_downlink ? penalty_of_downlink(in) : 0;
    int up = in->has_uplink ? penalty_of_uplink(in) : 0;
    int penalty = MAX(down, up) + (in->rtt_us < 0 ? 0 : PENALTY(of_rtt, in->rtt_us / 1000));
    return MAX(BEST - penalty, (int)WORST);
}

/* The score goes on while the value is not clearly that of another one. */
static int8_t score_of(int centi, int8_t before)
{
    int distance = centi - before * 100;
    if (before > QUALITY_LOST && distance < 50 + MARGIN && distance > -50 - MARGIN)
        return before;
    return (int8_t)MAX((centi + 50) / 100, 1);
}

bool quality_update(struct quality *q, const struct quality_input *in)
{
    int8_t before = q->score;
    if (in->is_lost) {
        q->score = QUALITY_LOST;
        return q->score != before;
    }
    if (!in->has_downlink && !in->has_uplink && before != QUALITY_LOST)
        return false;
    int rate = quality_rate(in);
    int pc = rate < q->centi ? FALL_PC : RISE_PC;
    if (before == QUALITY_UNKNOWN || before == QUALITY_LOST)
        q->centi = (int16_t)rate;
    else
        q->centi = (int16_t)(q->centi + (rate - q->centi) * pc / 100);
    q->score = score_of(q->centi, before);
    return q->score != before;
}
