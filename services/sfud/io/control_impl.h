/* control_impl.h - what control.c (registry, events) and dispatch.c (requests) share.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SFUD_IO_CONTROL_IMPL_H
#define SFUD_IO_CONTROL_IMPL_H

#include "core/negotiation.h"
#include "io/control.h"
#include "io/members.h"
#include "io/reply_memory.h"
#include "io/request.h"

enum request_result {
    RESULT_OK,
    RESULT_ERROR,     /* answered with an error */
    RESULT_MALFORMED, /* bad-request, answered if possible */
    RESULT_EXPIRED,   /* past its deadline, dropped */
    RESULT_REPEATED,  /* answered from memory, or in progress */
    RESULT_COUNT,
};

struct control {
    /* given */
    uv_loop_t *loop;
    const char *node_id;
    const char *region;
    struct stats *stats;
    struct net_addr candidates[CANDIDATES_MAX];
    size_t candidate_count;
    uint16_t tcp_port_announced;
    struct media_thread *threads[WORKERS_MAX];
    size_t worker_count;
    struct sdp_fingerprint fingerprint;
    /* owned */
    struct redis *redis;
    struct audit_emitter *audit;
    struct redis_subscription *requests;
    uv_async_t notify;
    uv_timer_t timer; /* each second */
    uv_timer_t leave_timer;
    unsigned handles_open;
    struct members members;
    struct reply_memory replies;
    struct negotiation_scratch *scratch;
    struct negotiation_result *negotiated;
    char *answer; /* SDP_ANSWER_SIZE_MAX */
    struct request *request;
    /* state */
    char epoch[17];
    wall_usec started;
    wall_usec wall_minus_now;
    double load;
    bool is_gso_told[WORKERS_MAX]; /* logged that it ended */
    uint64_t command_id;
    size_t inspections; /* snapshots under way */
    bool is_draining, is_leaving;
    bool is_hidden;    /* no registration any more */
    bool is_evacuated; /* everybody was told to join elsewhere */
    void (*on_left)(void *data);
    void *on_left_data;
    /* metrics */
    struct metric_counter *results[RESULT_COUNT];
    struct metric_histogram *request_seconds;
};

/* dispatch.c */
void dispatch_on_request(struct control *c, struct bytes text);
void dispatch_on_command_done(struct control *c, const struct event *e);
/* Posts without an answer to anybody. False: the worker's inbox is full. */
bool dispatch_post_wall(struct control *c, size_t worker, wall_usec wall_minus_now);
void dispatch_command_free(struct command *command);

/* inspect.c */
void inspect_on_command_done(struct control *c, const struct event *e);
void inspect_command_free(struct command *command);

/* control.c */
void control_publish(struct control *c, const char *channel, const char *text);
void control_register(struct control *c);

#endif
