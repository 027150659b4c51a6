/* window.h - how long a pass may wait for the rest of a frame.
 *
 * A thread with little to do sends what has come at once. The more it has to do, the more it gains
 * if the packets of a frame leave together: one send for each viewer instead of several. So the
 * time that a pass may wait grows with the thread's load, up to what is configured; and it ends
 * when the frame is there, when sound comes, and as soon as nothing comes any more (WINDOW_GAP):
 * publishers who pace their packets are not waited for.
 *
 * Pure. One per media thread.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SFUD_CORE_WINDOW_H
#define SFUD_CORE_WINDOW_H

#include "common/base.h"

/* Packets of a frame that left together come closer to each other than this. */
#define WINDOW_GAP 150 /* us */

struct window {
    usec max; /* given; 0: never wait */
    usec busy, idle;
};

void window_init(struct window *w, usec max);
/* A pass slept for `idle`, the wait for a frame included, and worked for `busy`. */
void window_on_pass(struct window *w, usec idle, usec busy);
/* How long the next pass may wait, us. */
usec window_length(const struct window *w);

#endif
