/* association_thread.h - the one thread that runs the association engine for all workers of the
 * process, and the rings between it and them.
 *
 * Each worker has a link: requests go there, notices come back, both of fixed size; each side wakes
 * the other only when it has pushed something. Full is "no" at once: the worker keeps what must not
 * be lost, the engine keeps everything. The thread sleeps when nothing is due, and runs at a lower
 * priority than media threads: a handshake may wait, media may not.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SFUD_IO_ASSOCIATION_THREAD_H
#define SFUD_IO_ASSOCIATION_THREAD_H

#include "common/os/metrics.h"
#include "common/ring.h"
#include "core/associations.h"
#include "core/worker.h"

struct association_link;   /* one worker's */
struct association_thread; /* association_thread_stop() frees it and its links */

struct association_thread_config {
    struct associations_config engine;
    struct metric_histogram *handshake_seconds; /* or NULL */
};

/* ERR_SYSTEM. Start it before the workers. */
MUST_USE enum err association_thread_start(const struct association_thread_config *config,
                                           struct association_thread **ret);
/* After the workers have stopped. NULL is fine. */
void association_thread_stop(struct association_thread *t);
struct association_link *association_thread_link(struct association_thread *t, size_t worker);
/* Any thread. */
const struct associations_stats *association_thread_stats(const struct association_thread *t);

/* Media thread, before its first request: what ends its sleep when a notice waits. ERR_SYSTEM. */
MUST_USE enum err association_link_attach(struct association_link *l, int wake_fd);
/* Media thread. Moves what `w` has to say into the ring while there is room. */
void association_link_post(struct association_link *l, struct worker *w);
/* Media thread. False if there is none. Wipe after use. */
MUST_USE bool association_link_next(struct association_link *l, struct association_notice *ret);

#endif
