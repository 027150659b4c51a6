/* servers.h - watches the servers while bots run: CPU, memory, packets, restarts.
 *
 * A server has a metrics URL, a process on this machine, or both. CPU and memory come from the
 * kernel (/proc: the process, its threads and its children) if the process can be seen here, since
 * a stopped process says nothing itself; otherwise from its metrics, as do packets and bytes
 * always. Nothing blocks the loop: URLs are fetched with libcurl on it. A server that does not
 * answer is noted and asked again; one that starts anew is noted and its sums go on.
 *
 * Everything runs on the loop's thread.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_SERVERS_H
#define LOADTEST_SERVERS_H

#include "common/base.h"
#include "core/live_stats.h"

#include <sys/types.h>
#include <uv.h>

enum {
    SERVERS_ERROR_MAX = 200,
    SERVERS_SAMPLES_MAX = 100000, /* of the series: 27 hours of seconds; later ones are dropped */
};

struct servers;

/* All texts are copied. */
struct server_config {
    const char *name;
    const char *metrics_url; /* NULL: none */
    /* A file with "<pid> <start time>" (start time as in /proc/<pid>/stat, may be missing), read
     * again at each poll, so that a restart is followed. NULL: `pid`, 0: no process to see. */
    const char *pid_file;
    pid_t pid;
    const char *io_backend; /* for servers_io_backends(); NULL: not known */
};

/* NULL without memory. */
struct servers *servers_new(uv_loop_t *loop);

/* ERR_FULL (LIVE_SERVERS_MAX), ERR_MALFORMED (neither a URL nor a process, or no name). */
MUST_USE enum err servers_add(struct servers *s, const struct server_config *c);

/* All services of a cluster that `./dev run` has started: dir holds run/<name>.pid,
 * etc/<name>.yaml (admin-listen) and log/<name>.log (the I/O backend of sfud).
 * ERR_NOT_FOUND: no such cluster, ret_error says what is missing. ERR_FULL. */
MUST_USE enum err servers_add_cluster(struct servers *s, const char *dir,
                                      char ret_error[SERVERS_ERROR_MAX]);
size_t servers_count(const struct servers *s);

/* Once a second, by whoever keeps the time series: appends what is known now to the series of every
 * server, and asks all of them again. The first call only asks. */
void servers_tick(struct servers *s, usec now);

/* The interval that the report is about begins: servers are asked now, and sums count from their
 * answers on. Beginning again replaces the earlier interval. */
void servers_begin_interval(struct servers *s, usec now);

/* Asks once more and then calls back with the array "servers" of the result (a new reference, never
 * NULL), within some 2 s and possibly before this returns. Figures of a server that was not seen in
 * all the interval are null. Not while another end is under way. */
void servers_end_interval(struct servers *s, usec now,
                          void (*on_result)(json_t *servers, void *data), void *data);

/* "series.servers": { "sfud-1": { "cpu": [share of a core, …], "memory_bytes": [ … ] } }, an item
 * for each tick but the first; 0 while a server is not there, null if it never was. What is known
 * from metrics only lags by one tick. A new reference. */
json_t *servers_series_json(const struct servers *s);
/* { "sfud-1": "uring" } of those known, or NULL if none is. A new reference. */
json_t *servers_io_backends(const struct servers *s);
void servers_fill_live(const struct servers *s, struct live_stats *live);

/* Stops asking, forgets a pending end, closes everything, calls on_stopped (may be NULL) from the
 * loop and frees. NULL is fine: on_stopped is called at once. */
void servers_stop(struct servers *s, void (*on_stopped)(void *data), void *data);

#endif
