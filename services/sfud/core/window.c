/* SPDX-License-Identifier: Apache-2.0 */
#include "core/window.h"

#define MEMORY MILLIS(100) /* of the load */

enum { LOAD_LOW = 20, LOAD_HIGH = 60 }; /* percent: nothing below, all above */

void window_init(struct window *w, usec max)
{
    *w = (struct window){ .max = max };
}

void window_on_pass(struct window *w, usec idle, usec busy)
{
    w->idle += MIN(MAX(idle, 0), MEMORY);
    w->busy += MIN(MAX(busy, 0), MEMORY);
    while (w->idle + w->busy > MEMORY) {
        w->idle /= 2;
        w->busy /= 2;
    }
}

usec window_length(const struct window *w)
{
    usec total = w->idle + w->busy;
    usec percent = total > 0 ? w->busy * 100 / total : 0;
    if (percent <= LOAD_LOW)
        return 0;
    return w->max * (MIN(percent, LOAD_HIGH) - LOAD_LOW) / (LOAD_HIGH - LOAD_LOW);
}
