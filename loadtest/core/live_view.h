/* live_view.h - what a run looks like right now: one screen of a terminal, or one line of a log.
 *
 * Pure: figures in, UTF-8 text out. Names and texts in the figures may come from files and servers:
 * control characters in them are not passed on.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_LIVE_VIEW_H
#define LOADTEST_LIVE_VIEW_H

#include "core/live_stats.h"

#define LIVE_VIEW_BYTES_MAX ((size_t)32 * 1024) /* of a frame: enough for any terminal */
#define LIVE_LINE_BYTES_MAX ((size_t)512)

struct live_screen {
    unsigned width, height; /* in characters; 0: 80 and 24 */
    bool has_color;
};

/* One frame: cursor home, at most `height` lines of at most `width` columns, each cleared to its
 * end, and nothing below. What does not fit is left out: servers first (and it says how many).
 * Returns the length without the terminating zero; a text that is too long for capacity is cut. */
size_t live_view_frame(const struct live_stats *s, const struct live_screen *screen, char *ret,
                       size_t capacity);

/* One line with its newline, without colour or control: for pipes and log files. */
size_t live_view_line(const struct live_stats *s, char *ret, size_t capacity);

#endif
