/* layer_control.h - how many simulcast layers a publisher's uplink carries, by transport-wide
 * feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01).
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
};

struct layer_control {
    unsigned count;          /* given: layers that there are; 0: no camera */
    unsigned active;         /* that may be sent, from the smallest; at least 1 */
    uint32_t received, lost; /* in the window */
    usec window_at, calm_since, retry_us;
};

void layer_control_init(struct layer_control *c, unsigned layers, usec now);
/* One feedback's FCI. True: `active` has changed. */
bool layer_control_on_feedback(struct layer_control *c, struct bytes fci, usec now);

#endif
