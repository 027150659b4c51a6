/* redis.h - an asynchronous Redis client that never blocks and never gives up (hiredis on a uv
 * loop).
 *
 * One `struct redis` is two connections: commands, and (opened by the first subscribe) pub/sub.
 * Both reconnect with exponential backoff and full jitter (50 ms to 2 s). A PING each second
 * notices a stopped or half-open server; a connection whose PING is not answered in time is
 * dropped.
 *
 * Each command gets exactly one callback, always from the loop, never from within redis_command():
 *   OK             reply is not NULL and not an error
 *   ERR_BAD_STATE  not connected, or the connection was lost before the answer ("unavailable"): the
 *                  command may or may not have been executed. The caller decides about a retry.
 *   ERR_EXPIRED    no answer within the deadline. Same uncertainty.
 *   ERR_FULL       too many in flight; certainly not executed
 *   ERR_MALFORMED  Redis answered with an error; reply->str is its text ("WRONGTYPE …"). "LOADING",
 *                  "READONLY" and the like are ERR_BAD_STATE, with the reply
 * Replies are hiredis' redisReply, borrowed for the callback: reply->type is REDIS_REPLY_*. hiredis
 * is used as it is there (reply->element[i]->str, ->len, ->integer).
 *
 * SIGPIPE must be ignored (daemon_start() does). Loop thread only.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_OS_REDIS_H
#define COMMON_OS_REDIS_H

#include "common/base.h"
#include "common/bytes.h"
#include "common/os/metrics.h"

#include <hiredis/hiredis.h>
#include <uv.h>

struct redis;

#define REDIS_NAME_CAPACITY 65 /* an instance-id */

struct redis_options {
    const char *url;  /* redis://[user:password@]host[:port][/db] or unix:///path[?db=n]; copied */
    const char *name; /* CLIENT SETNAME: the instance-id; copied; NULL = none */
    usec command_timeout;   /* 0 = 2 s */
    unsigned in_flight_max; /* 0 = 10,000 */
    /* Connected (after AUTH/SELECT) or lost. May be NULL. Called from the loop. */
    void (*on_state)(struct redis *r, bool is_connected, void *data);
    void *data;
    /* Optional: <service>_redis_connected, _commands_total{result=}, _command_seconds,
     * _reconnects_total. */
    struct metrics *metrics;
    const char *service;
};

/* The parts of a URL. Texts are inside. */
struct redis_address {
    char host[256]; /* "" for a unix socket */
    uint16_t port;
    char path[108]; /* the unix socket, or "" */
    char user[128];
    char password[256];
    unsigned db;
};
/* Pure. ERR_MALFORMED, ERR_UNSUPPORTED (rediss: and other schemes), ERR_FULL (too long). */
MUST_USE enum err redis_url_parse(const char *url, struct redis_address *ret);

/* Starts connecting; succeeds while Redis is away. Errors: those of redis_url_parse(). */
MUST_USE enum err redis_new(uv_loop_t *loop, const struct redis_options *options,
                            struct redis **ret);
/* Fails what is in flight (ERR_BAD_STATE, called back now), disconnects, frees when the loop has
 * closed the handles: keep the loop running a little (uv_run until it is empty). NULL is fine.
 * Also allowed from inside a callback of the same client. Its subscriptions are gone with it (do
 * not unsubscribe them afterwards). Commands given from then on, by the callbacks that it calls,
 * are dropped without a callback. */
void redis_free(struct redis *r);

bool redis_is_connected(const struct redis *r);
unsigned redis_in_flight(const struct redis *r);
/* For admin_add_check(): data is the struct redis. */
bool redis_is_ready(void *r, char *ret_why, size_t capacity);

typedef void redis_callback(enum err e, const redisReply *reply, void *data);

/* Sends one command. args are binary-safe and copied. callback may be NULL (fire and forget). */
void redis_command(struct redis *r, const struct bytes *args, size_t arg_count,
                   redis_callback *callback, void *data);
/* The same with zero-terminated texts:
 *     redis_commandv(r, on_reply, data, "HSET", key, "name", name, NULL); */
void redis_commandv(struct redis *r, redis_callback *callback, void *data, ...)
    __attribute__((sentinel));
/* For blocking reads (XREADGROUP … BLOCK): another deadline for this command. Use a client of its
 * own for blocking commands, since others queue behind them; PINGs pause while one is in flight. */
void redis_command_within(struct redis *r, usec timeout, const struct bytes *args, size_t arg_count,
                          redis_callback *callback, void *data);

/* A Lua script, sent by its SHA1 (EVALSHA) and, when the server does not have it (restart,
 * failover, SCRIPT FLUSH), once more as EVAL. Statically allocated is fine; the sha is computed on
 * first use. */
struct redis_script {
    const char *source; /* zero-terminated Lua, borrowed */
    char sha[41];       /* derived */
};
#define REDIS_SCRIPT(text)                                                                         \
    {                                                                                              \
        .source = (text)                                                                           \
    }
void redis_eval(struct redis *r, struct redis_script *script, const struct bytes *keys,
                size_t key_count, const struct bytes *args, size_t arg_count,
                redis_callback *callback, void *data);

/* Pub/sub. Delivery is at most once: a message published while we were away is gone, so owners
 * re-read their snapshots in on_resubscribed. */
struct redis_subscription;
struct redis_subscriber {
    /* One message; views are borrowed for the call. */
    void (*on_message)(struct bytes channel, struct bytes payload, void *data);
    /* Redis confirmed the subscription: first time (is_again false) or after a reconnect (true).
     * What was published before may have been missed. May be NULL. */
    void (*on_subscribed)(const char *channel, bool is_again, void *data);
    void *data;
};
/* One channel, exactly (no patterns). Several subscriptions to one channel each get every message.
 * Works while Redis is away. NULL only without memory. */
struct redis_subscription *redis_subscribe(struct redis *r, const char *channel,
                                           const struct redis_subscriber *subscriber);
/* No callback after this. Allowed inside its own callback. NULL is fine. */
void redis_unsubscribe(struct redis_subscription *s);

/* Views for args. */
#define REDIS_ARG(text) bytes_of_str(text)

/* reply as text, or NULL if it is not a (status) string. */
const char *redis_reply_text(const redisReply *reply);
/* The value of a field in an HGETALL/XREAD-style flat array [k, v, k, v]; empty view if absent. */
struct bytes redis_reply_field(const redisReply *array, const char *field);
struct bytes redis_reply_bytes(const redisReply *reply);

#endif
