/* SPDX-License-Identifier: Apache-2.0 */
#include "core/layer_control.h"

#include "rtc/twcc.h"

void layer_control_init(struct layer_control *c, unsigned layers, usec now)
{
    *c = (struct layer_control){ .count = layers,
                                 .active = layers,
                                 .watched = LAYER_CONTROL_ALL,
                                 .window_at = now,
                                 .calm_since = now,
                                 .retry_us = LAYER_CONTROL_RETRY_MIN };
}

static bool drop_layer(struct layer_control *c, usec now)
{
    c->calm_since = now;
    if (c->active <= 1)
        return false;
    c->active--;
    return true;
}

static bool try_layer(struct layer_control *c, usec now)
{
    if (c->active >= c->count || now - c->calm_since < c->retry_us)
        return false;
    c->active++;
    c->calm_since = now;
    c->retry_us = MIN(c->retry_us * 2, LAYER_CONTROL_RETRY_MAX);
    return true;
}

static bool end_window(struct layer_control *c, usec now)
{
    uint32_t all = c->received + c->lost, lost = c->lost;
    c->window_at = now;
    c->received = c->lost = 0;
    if (all < LAYER_CONTROL_PACKETS_MIN)
        return false;
    if (lost * 100 > all * LAYER_CONTROL_LOSS_MUCH)
        return drop_layer(c, now);
    if (lost * 100 > all * LAYER_CONTROL_LOSS_LITTLE)
        c->calm_since = now;
    return try_layer(c, now);
}

bool layer_control_on_feedback(struct layer_control *c, struct bytes fci, usec now)
{
    struct twcc_feedback f;
    struct twcc_result r;
    if (c->count == 0 || twcc_feedback_parse(fci, &f) != OK)
        return false;
    while (twcc_feedback_next(&f, &r)) {
        if (r.received)
            c->received++;
        else
            c->lost++;
    }
    return now - c->window_at >= LAYER_CONTROL_WINDOW && end_window(c, now);
}

bool layer_control_on_demand(struct layer_control *c, int max)
{
    unsigned count = max < 0 ? 0 : MIN((unsigned)max + 1, (unsigned)LAYER_CONTROL_ALL);
    bool changed = c->watched != count;
    c->watched = count;
    return changed;
}

bool layer_control_sends(const struct layer_control *c, unsigned layer)
{
    return layer < c->active && layer < c->watched;
}

bool layer_control_is_spared(const struct layer_control *c, unsigned layer)
{
    return layer < c->active && layer >= c->watched;
}
