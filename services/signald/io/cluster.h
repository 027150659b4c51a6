/* cluster.h - Redis: room scripts, room channels, the registry of nodes, our own heartbeat.
 *
 * Loop thread only. SPDX-License-Identifier: Apache-2.0 */
#ifndef SIGNALD_IO_CLUSTER_H
#define SIGNALD_IO_CLUSTER_H

#include "../core/action.h"
#include "common/os/redis.h"

struct cluster;
struct runtime;

/* Errors of redis_new(). */
MUST_USE enum err cluster_new(struct runtime *r, struct cluster **ret);
/* Takes our key away, so that others need not wait for its end. */
void cluster_say_goodbye(struct cluster *c);
void cluster_free(struct cluster *c);
struct redis *cluster_redis(struct cluster *c);

/* args: an array of strings. call NULL = nobody waits. */
void cluster_script(struct cluster *c, struct call *call, enum script script, const char *room,
                    const json_t *args);
/* The same for io's own use: text is the script's JSON answer, NULL on err. */
void cluster_eval(struct cluster *c, enum script script, const char *room, const json_t *args,
                  void (*done)(enum err e, json_t *answer, void *data), void *data);
void cluster_subscribe(struct cluster *c, const char *room);
void cluster_unsubscribe(struct cluster *c, const char *room);
void cluster_room_add(struct cluster *c, const char *room);
void cluster_room_remove(struct cluster *c, const char *room);

#endif
