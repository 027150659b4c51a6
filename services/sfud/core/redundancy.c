/* SPDX-License-Identifier: Apache-2.0 */
#include "core/redundancy.h"

/* Receiver reports about audio come every 5 s. */
#define MEASUREMENT_STANDS_FOR SECONDS(5)

void redundancy_on_loss(struct redundancy *r, unsigned permille, usec now)
{
    usec since = r->told_at == 0 ? 0 : MIN(now - r->told_at, MEASUREMENT_STANDS_FOR);
    r->told_at = now;
    uint8_t needed = permille > REDUNDANCY_MORE ? 2 : permille > REDUNDANCY_ON ? 1 : 0;
    if (needed > r->depth) {
        r->depth = needed;
        r->calm = 0;
        return;
    }
    unsigned low = r->depth == 2 ? REDUNDANCY_LESS : REDUNDANCY_OFF;
    if (r->depth == 0 || permille >= low) {
        r->calm = 0;
        return;
    }
    r->calm += since;
    if (r->calm >= REDUNDANCY_CALM_TIME) {
        r->depth--;
        r->calm = 0;
    }
}
