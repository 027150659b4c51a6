/* control.h - the control thread of a node: its place in Redis, requests of signald, media events.
 *
 * Redis away means: no new requests arrive, nothing else. Media threads never notice.
 *
 * Loop thread only.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SFUD_IO_CONTROL_H
#define SFUD_IO_CONTROL_H

#include "common/os/audit_emitter.h"
#include "common/os/metrics.h"
#include "common/os/redis.h"
#include "io/candidates.h"
#include "io/stats.h"
#include "io/thread.h"

struct control_options {
    uv_loop_t *loop;
    const char *redis_url;
    const char *node_id; /* borrowed for the life of control */
    const char *region;  /* borrowed; may be "" */
    struct metrics *metrics;
    struct stats *stats;
    const char *fingerprint;           /* of our certificate: "AB:CD:…", SHA-256 */
    const struct net_addr *candidates; /* copied; port 0 */
    size_t candidate_count;
    uint16_t tcp_port_announced; /* of worker 0; 0: the one it listens at */
    size_t worker_count;
};

struct control;

/* Starts connecting to Redis. ERR_SYSTEM, or what redis_new() says about the URL. */
MUST_USE enum err control_start(const struct control_options *options, struct control **ret);
/* What thread_config.notify should be. */
uv_async_t *control_notify(struct control *c);
/* What thread_config.free_command should be. */
void control_free_command(struct command *command);
/* The threads, worker_count of them, before the loop runs. Announces the node from now on. */
void control_set_threads(struct control *c, struct media_thread *const *threads);

/* Takes no new room, says so in the registry, and audits it. */
void control_drain(struct control *c, bool is_draining);
/* The first step of the end: drains, and takes the registration away, so that signald places these
 * rooms elsewhere from its next look at the registry on. */
void control_hide(struct control *c);
/* The second: says `failed` of everybody who is here, so that they join again, elsewhere. Takes
 * nobody from now on; media of those who are still here goes on. */
void control_evacuate(struct control *c);
size_t control_participants(const struct control *c);
struct redis *control_redis(const struct control *c);

/* No further request; removes our registration if it is still ours; tells audit. Then calls on_left
 * from the loop, at the latest after `timeout`. The threads may be stopped then. */
void control_leave(struct control *c, usec timeout, void (*on_left)(void *data), void *data);
/* After the threads were stopped. Frees when the loop has closed the handles. */
void control_stop(struct control *c);

#endif
