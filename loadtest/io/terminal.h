/* terminal.h - the terminal that a live view is drawn on, left as it was found.
 *
 * One terminal for each process, used by one thread.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_TERMINAL_H
#define LOADTEST_TERMINAL_H

#include "core/live_view.h"

/* Is fd a terminal that understands us (not TERM=dumb)? Otherwise print lines. */
bool terminal_is_usable(int fd);

/* Size, and whether to use colour (NO_COLOR is respected, https://no-color.org). Ask before each
 * frame: people resize windows. */
struct live_screen terminal_screen(int fd);

/* Changes to the second screen and hides the cursor. Undone by terminal_end(), and by exit(), and
 * by a failed check(). */
void terminal_begin(int fd);
/* Writes a frame. Without terminal_begin(): plain text, as it is. */
void terminal_write(int fd, const char *text, size_t len);
/* Back to the first screen, with a cursor. Nothing if there was no begin. */
void terminal_end(void);

#endif
