/* redundancy.h - how much of a viewer's sound is sent twice (RFC 2198): as much as their network
 * loses, beginning fast and ending late.
 *
 * Pure. SPDX-License-Identifier: Apache-2.0 */
#ifndef SFUD_CORE_REDUNDANCY_H
#define SFUD_CORE_REDUNDANCY_H

#include "common/base.h"

enum {
    /* Per mille lost. One repeated packet covers single losses; where a tenth is lost, two in a row
     * are often enough to be heard. */
    REDUNDANCY_ON = 30,
    REDUNDANCY_MORE = 100,
    REDUNDANCY_LESS = 50,
    REDUNDANCY_OFF = 10,
};
#define REDUNDANCY_CALM_TIME SECONDS(10) /* so long below: one step less */

/* Zero-initialised is ready: no redundancy. One per viewer. */
struct redundancy {
    uint8_t depth; /* earlier packets to repeat, 0 to RED_REPEATS_MAX */
    usec told_at;  /* newest measurement; 0: none yet */
    usec calm;     /* measured, with less loss than the present depth is for */
};

/* The viewer's side lost that much of what was sent lately. Time without a measurement (nothing was
 * sent) is not calm. */
void redundancy_on_loss(struct redundancy *r, unsigned permille, usec now);

#endif
