/* SPDX-License-Identifier: Apache-2.0 */
#include "io/terminal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define ENTER "\x1b[?1049h\x1b[?25l\x1b[2J" /* second screen, no cursor, cleared */
#define LEAVE "\x1b[0m\x1b[?25h\x1b[?1049l"

/* The terminal to restore; -1: none. The process' end may come from anywhere. */
static volatile sig_atomic_t begun_fd = -1;

bool terminal_is_usable(int fd)
{
    const char *term = getenv("TERM");
    return isatty(fd) == 1 && term != NULL && term[0] != '\0' && strcmp(term, "dumb") != 0;
}

struct live_screen terminal_screen(int fd)
{
    struct winsize size = { 0 };
    const char *no_color = getenv("NO_COLOR");
    (void)ioctl(fd, TIOCGWINSZ, &size);
    return (struct live_screen){ .width = size.ws_col,
                                 .height = size.ws_row,
                                 .has_color = no_color == NULL || no_color[0] == '\0' };
}

/* A terminal that another program has made non-blocking, or one that is slow, gets 100 ms. */
void terminal_write(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, text, len);
        struct pollfd ready = { .fd = fd, .events = POLLOUT };
        if (n < 0 && errno == EAGAIN && poll(&ready, 1, 100) == 1)
            continue;
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        text += n;
        len -= (size_t)n;
    }
}

void terminal_end(void)
{
    int fd = (int)begun_fd;
    if (fd < 0)
        return;
    begun_fd = -1;
    terminal_write(fd, LEAVE, strlen(LEAVE));
}

/* abort() goes on to its default after this. What was printed before is gone with the second
 * screen. */
static void on_abort(int number)
{
    static const char text[] = LEAVE "aborted; run it again with its output in a file to see why\n";
    int fd = (int)begun_fd;
    if (fd >= 0 && write(fd, text, sizeof text - 1) < 0)
        return;
}

void terminal_begin(int fd)
{
    static bool is_registered;
    check(begun_fd < 0);
    if (!is_registered) {
        const struct sigaction action = { .sa_handler = on_abort, .sa_flags = (int)SA_RESETHAND };
        check(atexit(terminal_end) == 0 && sigaction(SIGABRT, &action, NULL) == 0);
        is_registered = true;
    }
    begun_fd = fd;
    terminal_write(fd, ENTER, strlen(ENTER));
}
