/* SPDX-License-Identifier: Apache-2.0 */
#include "common/os/daemon.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define SIGNAL_COUNT 3

struct daemon {
    struct daemon_options options; /* given */
    uv_signal_t signals[SIGNAL_COUNT];
    unsigned open_count; /* handles that are not closed yet */
    bool is_stopping;
    bool is_closing;
};

static void on_signal(uv_signal_t *handle, int number)
{
    struct daemon *d = handle->data;
    if (number == SIGHUP) {
        if (d->options.on_reload != NULL)
            d->options.on_reload(d->options.data);
        return;
    }
    if (!d->is_stopping) {
        d->is_stopping = true;
        d->options.on_stop(d->options.data);
    } else if (d->options.on_stop_now != NULL) {
        d->options.on_stop_now(d->options.data);
    } else {
        _exit(1);
    }
}

static void on_closed(uv_handle_t *handle)
{
    struct daemon *d = handle->data;
    check(d->open_count > 0);
    if (--d->open_count == 0)
        free(d);
}

void daemon_stop(struct daemon *d)
{
    if (d == NULL || d->is_closing)
        return;
    d->is_closing = true;
    unsigned count = d->open_count;
    if (count == 0)
        free(d);
    for (unsigned i = 0; i < count; i++)
        uv_close((uv_handle_t *)&d->signals[i], on_closed);
}

enum err daemon_start(uv_loop_t *loop, const struct daemon_options *options, struct daemon **ret)
{
    static const int numbers[SIGNAL_COUNT] = { SIGTERM, SIGINT, SIGHUP };
    check(options->on_stop != NULL);
    struct daemon *d = calloc(1, sizeof *d);
    if (d == NULL)
        return ERR_SYSTEM;
    d->options = *options;
    (void)signal(SIGPIPE, SIG_IGN);
    for (unsigned i = 0; i < SIGNAL_COUNT; i++) {
        if (uv_signal_init(loop, &d->signals[i]) != 0)
            break;
        d->signals[i].data = d;
        d->open_count++;
        if (uv_signal_start(&d->signals[i], on_signal, numbers[i]) != 0)
            break;
        if (i == SIGNAL_COUNT - 1) {
            *ret = d;
            return OK;
        }
    }
    daemon_stop(d);
    return ERR_SYSTEM;
}

enum err daemon_notify_send(const char *socket_path, const char *text)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    size_t len = strlen(socket_path);
    if ((socket_path[0] != '/' && socket_path[0] != '@') || len >= sizeof address.sun_path)
        return ERR_MALFORMED;
    memcpy(address.sun_path, socket_path, len);
    if (socket_path[0] == '@')
        address.sun_path[0] = '\0'; /* the abstract namespace */
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return ERR_SYSTEM;
    socklen_t address_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    ssize_t n =
        sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&address, address_len);
    (void)close(fd);
    return n < 0 ? ERR_SYSTEM : OK;
}

/* systemd not listening is not our failure. */
static void notify(const char *text)
{
    const char *path = getenv("NOTIFY_SOCKET");
    if (path == NULL || path[0] == '\0')
        return;
    enum err ignored = daemon_notify_send(path, text);
    (void)ignored;
}

void daemon_notify_ready(struct daemon *d)
{
    (void)d;
    notify("READY=1");
}

void daemon_notify_stopping(struct daemon *d)
{
    (void)d;
    notify("STOPPING=1");
}

void daemon_notify_status(struct daemon *d, const char *status)
{
    (void)d;
    char text[256];
    (void)snprintf(text, sizeof text, "STATUS=%s", status);
    notify(text);
}
