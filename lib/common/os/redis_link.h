/* redis_link.h - one connection to Redis that comes back: resolve, connect, AUTH/SELECT, read,
 * write, reconnect. Knows bytes and replies, not what they mean. Used by redis.c (commands) and
 * redis_pubsub.c. hiredis' reader and formatter are used, its async layer is not: version 0.14
 * resolves names while blocking, and loses connection errors in its libuv adapter.
 *
 * Loop thread only. SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_OS_REDIS_LINK_H
#define COMMON_OS_REDIS_LINK_H

#include "common/os/redis.h"

struct redis_link;

struct redis_link_handler {
    void (*on_up)(void *data);                       /* authenticated, database selected */
    void (*on_reply)(redisReply *reply, void *data); /* borrowed for the call */
    void (*on_down)(void *data);                     /* only after on_up */
    void *data;
};

/* kind: "commands" or "subscriptions", for logs. address and name are copied. NULL without memory.
 */
struct redis_link *redis_link_new(uv_loop_t *loop, const struct redis_address *address,
                                  const char *name, const char *kind,
                                  const struct redis_link_handler *handler);
/* No callback after this; frees when the loop has closed the handles. NULL is fine. */
void redis_link_free(struct redis_link *l);

bool redis_link_is_up(const struct redis_link *l);
/* When something was last received (or the link came up). */
usec redis_link_heard(const struct redis_link *l);
uint64_t redis_link_connect_count(const struct redis_link *l);
/* Queues a command; sent before the loop sleeps. Must be up. ERR_SYSTEM without memory. */
MUST_USE enum err redis_link_send(struct redis_link *l, const struct bytes *args, size_t count);
/* Gives up the connection (calls on_down) and begins again after a pause. */
void redis_link_drop(struct redis_link *l, const char *why);

#endif
