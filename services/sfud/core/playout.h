/* playout.h - how late a viewer should show a picture, at least.
 *
 * A packet that is lost is here again after a round trip; if the request or the answer is lost,
 * too, after two. A browser that shows pictures as soon as it can stands still then. So a viewer
 * with lasting loss, his own or the publisher's, is told (playout-delay extension) to wait for a
 * round trip. Not for longer: sound comes in slots of its own and cannot be made to wait for the
 * picture. Loss that comes of too much being sent does not count: that has another remedy.
 *
 * Where too much is sent pictures come late and unevenly for a while, and a browser waits longer
 * with each of them. There it is told to show them as they come: what is seen is newer, and the
 * smaller layer is there sooner.
 *
 * Pure. SPDX-License-Identifier: Apache-2.0 */
#ifndef SFUD_CORE_PLAYOUT_H
#define SFUD_CORE_PLAYOUT_H

#include "rtc/rtp_ext.h"

#define PLAYOUT_LOOK_INTERVAL MILLIS(200)

enum {
    PLAYOUT_LOSS = 8,      /* of 256: 3 % */
    PLAYOUT_PATIENCE = 10, /* looks: loss that lasts so long … */
    PLAYOUT_KEPT = 100,    /* … and none for so long */
};

/* Zero-initialised is ready. */
struct playout {
    usec looked_at;      /* 0: never */
    uint16_t delay;      /* told, in steps of 10 ms; 0: none */
    uint8_t lossy_looks; /* in a row, up to PLAYOUT_PATIENCE */
    uint8_t clean_looks; /* in a row, up to PLAYOUT_KEPT */
    bool is_soon;        /* the path is full: pictures are shown as they come */
    bool was_told;       /* ever: an end has to be told, too */
};

/* What is known of one way. */
struct playout_path {
    uint8_t loss; /* of 256 */
    usec rtt_us;
};

/* To be called for each packet of a video; `up` is the publisher's way, `down` the viewer's.
 * max: no longer than that; 0: not at all. */
void playout_look(struct playout *p, const struct playout_path *up, const struct playout_path *down,
                  bool is_congested, usec max, usec now);

/* Beside, for each packet: the path is full, or was a moment ago. */
static inline void playout_set_full(struct playout *p, bool is_full)
{
    p->is_soon = is_full;
}

/* What the viewer is told, or 0. */
usec playout_delay(const struct playout *p);

/* Another publisher's pictures from now on. */
void playout_restart(struct playout *p);

/* Adds the extension, if there is something to tell. The publisher's own word holds if it is more.
 */
void playout_write(struct playout *p, struct rtp_ext_values *v);

#endif
