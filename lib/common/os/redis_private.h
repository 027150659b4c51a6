/* redis_private.h - what redis.c and redis_pubsub.c share. SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_OS_REDIS_PRIVATE_H
#define COMMON_OS_REDIS_PRIVATE_H

#include "common/list.h"
#include "common/map.h"
#include "common/os/redis.h"
#include "common/os/redis_link.h"

/* A server that has not said anything for this long, though asked each second, is gone. */
#define REDIS_PING_INTERVAL SECONDS(1)
#define REDIS_SILENCE_MAX   SECONDS(3)

struct redis_pubsub;

struct redis {
    /* given */
    uv_loop_t *loop;
    struct redis_address address;
    char name[REDIS_NAME_CAPACITY];
    usec command_timeout;
    unsigned in_flight_max;
    void (*on_state)(struct redis *r, bool is_connected, void *data);
    void *data;
    /* owned */
    struct redis_link *link;
    struct redis_pubsub *pubsub; /* from the first subscribe on */
    uv_timer_t tick;
    uv_idle_t deliverer; /* runs while `failed` is not empty */
    unsigned open_count;
    struct list in_flight; /* of struct command, in the order of their replies */
    struct list failed;    /* refused before they were sent; told from the loop */
    unsigned in_flight_count;
    unsigned blocking_count;
    bool is_closing;
    usec last_ping;
    usec last_tick;
    usec quiet_since; /* silence before this does not count */
    struct metric_gauge *connected;
    struct metric_counter *results[ERR_COUNT];
    struct metric_counter *reconnects;
    struct metric_histogram *seconds;
};

struct redis_pubsub *redis_pubsub_new(struct redis *r);
void redis_pubsub_free(struct redis_pubsub *p);
void redis_pubsub_tick(struct redis_pubsub *p, usec now, bool was_stalled);

#endif
