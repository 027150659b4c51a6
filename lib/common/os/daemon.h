/* daemon.h - what every main() needs around its loop: signals, and systemd's readiness protocol.
 *
 * SIGTERM and SIGINT call on_stop (a second one calls on_stop_now, or exits 1), SIGHUP calls
 * on_reload, SIGPIPE is ignored. All on the loop's thread.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_OS_DAEMON_H
#define COMMON_OS_DAEMON_H

#include "common/base.h"

#include <uv.h>

/* Exit status of every daemon (sysexits.h): the configuration is wrong; starting failed, the last
 * log line (daemon.start-failed) says why. 0 is the end after SIGTERM. */
#define DAEMON_EXIT_USAGE       64
#define DAEMON_EXIT_UNAVAILABLE 69

struct daemon;

struct daemon_options {
    void (*on_stop)(void *data);
    void (*on_stop_now)(void *data); /* may be NULL: exit(1) */
    void (*on_reload)(void *data);   /* may be NULL */
    void *data;
};

/* Call before other threads start: they inherit the blocked SIGPIPE. ERR_SYSTEM. */
MUST_USE enum err daemon_start(uv_loop_t *loop, const struct daemon_options *options,
                               struct daemon **ret);
/* Tells systemd (Type=notify): READY=1, STOPPING=1, STATUS=…. No-ops without NOTIFY_SOCKET. */
void daemon_notify_ready(struct daemon *d);
void daemon_notify_stopping(struct daemon *d);
void daemon_notify_status(struct daemon *d, const char *status);
/* Closes its handles so that uv_run() can return; frees afterwards. NULL is fine. */
void daemon_stop(struct daemon *d);

/* Sends one datagram to the socket (path, or @abstract). For tests. ERR_SYSTEM, ERR_MALFORMED. */
MUST_USE enum err daemon_notify_send(const char *socket_path, const char *text);

#endif
