/* layer_control.h - how many simulcast layers a publisher sends: those that its uplink carries, by
 * transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01), and of these those
 * that somebody watches, by what the server says (`layers` in docs/protocol.md).
 *
 * Much simpler than a browser's estimator, and in the same direction: what is lost on the way up
 * makes the largest layer go, and after a calm time it is tried again. Pure.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_LAYER_CONTROL_H
#define LOADTEST_LAYER_CONTROL_H

#include "common/bytes.h"

#define LAYER_CONTROL_WINDOW    SECONDS(1)
#define LAYER_CONTROL_RETRY_MIN SECONDS(8) /* doubles each time the layer had to go again … */
#define LAYER_CONTROL_RETRY_MAX SECONDS(64)

enum {
    LAYER_CONTROL_LOSS_MUCH = 10,   /* percent of a window: a layer goes */
    LAYER_CONTROL_LOSS_LITTLE = 2,  /* percent: calm */
    LAYER_CONTROL_PACKETS_MIN = 20, /* a window with fewer says nothing */
    LAYER_CONTROL_ALL = 3,
};

struct layer_control {
    unsigned count;          /* given: layers that there are; 0: no camera */
    unsigned active;         /* that the uplink carries, from the smallest; at least 1 */
    unsigned watched;        /* that somebody wants, from the smallest; LAYER_CONTROL_ALL: all */
    uint32_t received, lost; /* in the window */
    usec window_at, calm_since, retry_us;
};

void layer_control_init(struct layer_control *c, unsigned layers, usec now);
/* One feedback's FCI. True: `active` has changed. */
bool layer_control_on_feedback(struct layer_control *c, struct bytes fci, usec now);
/* The server's word: no layer above `max` is watched, -1: none is. True: `watched` has changed. */
bool layer_control_on_demand(struct layer_control *c, int max);
/* Of a layer, 0: the smallest. */
bool layer_control_sends(const struct layer_control *c, unsigned layer);
/* It is not sent, and only because nobody watches. */
bool layer_control_is_spared(const struct layer_control *c, unsigned layer);

#endif
