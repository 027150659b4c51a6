/* Commands: a queue of what waits for its reply, with deadlines.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/os/redis.h"

#include "common/base64url.h"
#include "common/os/clock.h"
#include "common/os/log.h"
#include "common/os/redis_private.h"

#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define TICK_MS               50
#define STALL                 SECONDS(1) /* our own loop did not turn for this long */
#define COMMAND_TIMEOUT       SECONDS(2)
#define IN_FLIGHT_MAX_DEFAULT 10000
#define ARGS_MAX              1024

/* One command from redis_command() to its reply. */
struct command {
    struct list_link link;
    redis_callback *callback; /* NULL once told (deadline) or not wanted */
    void *data;
    usec sent;
    usec deadline;
    enum err failure; /* while in `failed` */
    bool is_blocking;
    bool is_ping;
    /* Scripts only: everything needed to send it again as EVAL. */
    const struct redis_script *script;
    size_t key_count;
    size_t arg_count; /* keys and arguments */
    struct bytes args[];
};

static void command_tell(struct redis *r, struct command *c, enum err e, const redisReply *reply)
{
    if (!c->is_ping && r->results[e] != NULL)
        metric_inc(r->results[e]);
    if (!c->is_ping && r->seconds != NULL)
        metric_observe(r->seconds, (double)(clock_now() - c->sent) / 1e6);
    redis_callback *callback = c->callback;
    c->callback = NULL;
    if (callback != NULL)
        callback(e, reply, c->data);
}

static void on_deliver(uv_idle_t *idle)
{
    struct redis *r = idle->data;
    struct list_link *l;
    /* What the callbacks add waits for the next turn of the loop. */
    struct list now;
    list_init(&now);
    while ((l = list_pop_front(&r->failed)) != NULL)
        list_push_back(&now, l);
    while ((l = list_pop_front(&now)) != NULL) {
        struct command *c = list_entry(l, struct command, link);
        command_tell(r, c, c->failure, NULL);
        free(c);
    }
    if (!r->is_closing && list_is_empty(&r->failed))
        (void)uv_idle_stop(&r->deliverer);
}

static void fail_later(struct redis *r, struct command *c, enum err e)
{
    c->failure = e;
    list_push_back(&r->failed, &c->link);
    check(uv_idle_start(&r->deliverer, on_deliver) == 0);
}

static void in_flight_remove(struct redis *r, struct command *c)
{
    list_remove(&c->link);
    r->in_flight_count--;
    r->blocking_count -= c->is_blocking ? 1 : 0;
}

static void fail_in_flight(struct redis *r)
{
    /* Only what is there now: a callback may send something over a link that is back already. */
    struct list lost;
    list_init(&lost);
    struct list_link *l;
    while ((l = list_first(&r->in_flight)) != NULL) {
        in_flight_remove(r, list_entry(l, struct command, link));
        list_push_back(&lost, l);
    }
    while ((l = list_pop_front(&lost)) != NULL) {
        struct command *c = list_entry(l, struct command, link);
        command_tell(r, c, ERR_BAD_STATE, NULL);
        free(c);
    }
}

/* Sends what was made by command_new(), or fails it. */
static void command_send(struct redis *r, struct command *c, const struct bytes *args, size_t count)
{
    if (!redis_link_is_up(r->link)) {
        fail_later(r, c, ERR_BAD_STATE);
    } else if (r->in_flight_count >= r->in_flight_max) {
        fail_later(r, c, ERR_FULL);
    } else if (redis_link_send(r->link, args, count) != OK) {
        fail_later(r, c, ERR_FULL);
    } else {
        list_push_back(&r->in_flight, &c->link);
        r->in_flight_count++;
        r->blocking_count += c->is_blocking ? 1 : 0;
    }
}

static struct command *command_new(usec timeout, redis_callback *callback, void *data,
                                   size_t arg_count, size_t arg_bytes)
{
    struct command *c = calloc(1, sizeof *c + arg_count * sizeof(struct bytes) + arg_bytes);
    check(c != NULL);
    list_link_init(&c->link);
    c->callback = callback;
    c->data = data;
    c->sent = clock_now();
    c->deadline = c->sent + timeout;
    return c;
}

static void send_plain(struct redis *r, usec timeout, bool is_blocking, const struct bytes *args,
                       size_t arg_count, redis_callback *callback, void *data)
{
    check(arg_count > 0 && arg_count <= ARGS_MAX);
    if (r->is_closing)
        return;
    struct command *c = command_new(timeout, callback, data, 0, 0);
    c->is_blocking = is_blocking;
    command_send(r, c, args, arg_count);
}

void redis_command(struct redis *r, const struct bytes *args, size_t arg_count,
                   redis_callback *callback, void *data)
{
    send_plain(r, r->command_timeout, false, args, arg_count, callback, data);
}

void redis_command_within(struct redis *r, usec timeout, const struct bytes *args, size_t arg_count,
                          redis_callback *callback, void *data)
{
    send_plain(r, timeout, true, args, arg_count, callback, data);
}

void redis_commandv(struct redis *r, redis_callback *callback, void *data, ...)
{
    struct bytes args[64];
    size_t count = 0;
    va_list list;
    va_start(list, data);
    for (const char *text; (text = va_arg(list, const char *)) != NULL;) {
        check(count < ARRAY_LEN(args));
        args[count++] = bytes_of_str(text);
    }
    va_end(list);
    redis_command(r, args, count, callback, data);
}

static void script_hash(struct redis_script *script)
{
    uint8_t digest[20];
    if (script->sha[0] != '\0')
        return;
    check(EVP_Digest(script->source, strlen(script->source), digest, NULL, EVP_sha1(), NULL) == 1);
    hex_write(script->sha, bytes_of(digest, sizeof digest));
}

/* EVALSHA|EVAL script key_count keys… args… */
static void script_send(struct redis *r, struct command *c, bool by_sha)
{
    struct bytes all[ARGS_MAX];
    char key_count[16];
    check(c->arg_count + 3 <= ARRAY_LEN(all));
    (void)snprintf(key_count, sizeof key_count, "%zu", c->key_count);
    all[0] = bytes_of_str(by_sha ? "EVALSHA" : "EVAL");
    all[1] = bytes_of_str(by_sha ? c->script->sha : c->script->source);
    all[2] = bytes_of_str(key_count);
    if (c->arg_count > 0)
        memcpy(all + 3, c->args, c->arg_count * sizeof *all);
    command_send(r, c, all, c->arg_count + 3);
}

void redis_eval(struct redis *r, struct redis_script *script, const struct bytes *keys,
                size_t key_count, const struct bytes *args, size_t arg_count,
                redis_callback *callback, void *data)
{
    if (r->is_closing)
        return;
    script_hash(script);
    size_t count = key_count + arg_count, total = 0;
    for (size_t i = 0; i < count; i++)
        total += i < key_count ? keys[i].len : args[i - key_count].len;
    struct command *c = command_new(r->command_timeout, callback, data, count, total);
    c->script = script;
    c->key_count = key_count;
    c->arg_count = count;
    uint8_t *at = (uint8_t *)(c->args + count);
    for (size_t i = 0; i < count; i++) {
        struct bytes from = i < key_count ? keys[i] : args[i - key_count];
        if (from.len > 0)
            memcpy(at, from.data, from.len);
        c->args[i] = bytes_of(at, from.len);
        at += from.len;
    }
    script_send(r, c, true);
}

static bool starts_with(const redisReply *reply, const char *prefix)
{
    return strncmp(reply->str, prefix, strlen(prefix)) == 0;
}

/* The server is there but cannot serve: starting, or no longer the primary. */
static bool is_unavailable(const redisReply *reply)
{
    static const char *const prefixes[] = { "LOADING ", "READONLY ", "MASTERDOWN ", "CLUSTERDOWN ",
                                            "TRYAGAIN " };
    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
        if (starts_with(reply, prefixes[i]))
            return true;
    return false;
}

static void on_reply(redisReply *reply, void *data)
{
    struct redis *r = data;
    struct list_link *l = list_first(&r->in_flight);
    if (l == NULL) {
        redis_link_drop(r->link, "reply without a command");
        return;
    }
    struct command *c = list_entry(l, struct command, link);
    in_flight_remove(r, c);
    bool is_error = reply->type == REDIS_REPLY_ERROR;
    if (is_error && c->script != NULL && starts_with(reply, "NOSCRIPT") && !r->is_closing) {
        if (c->callback != NULL) {
            script_send(r, c, false);
            return;
        }
    }
    bool is_demoted = is_error && starts_with(reply, "READONLY ");
    enum err e = !is_error ? OK : is_unavailable(reply) ? ERR_BAD_STATE : ERR_MALFORMED;
    command_tell(r, c, e, reply);
    free(c);
    /* After a failover another server answers at the same name. */
    if (is_demoted && !r->is_closing)
        redis_link_drop(r->link, "read-only");
}

static void on_up(void *data)
{
    struct redis *r = data;
    if (r->connected != NULL)
        metric_set(r->connected, 1);
    if (r->reconnects != NULL && redis_link_connect_count(r->link) > 1)
        metric_inc(r->reconnects);
    r->last_ping = clock_now();
    if (r->on_state != NULL)
        r->on_state(r, true, r->data);
}

static void on_down(void *data)
{
    struct redis *r = data;
    if (r->connected != NULL)
        metric_set(r->connected, 0);
    fail_in_flight(r);
    if (r->on_state != NULL && !r->is_closing)
        r->on_state(r, false, r->data);
}

/* Tells those whose deadline has passed. They stay in the queue, because their reply may yet come.
 */
static void expire(struct redis *r, usec now)
{
    bool again = true;
    while (again && !r->is_closing) {
        again = false;
        list_for_each(l, &r->in_flight)
        {
            struct command *c = list_entry(l, struct command, link);
            if (c->callback != NULL && now >= c->deadline) {
                bool is_blocking = c->is_blocking;
                command_tell(r, c, ERR_EXPIRED, NULL);
                if (is_blocking && !r->is_closing) /* nothing else can pass until it returns */
                    redis_link_drop(r->link, "blocking command without an answer");
                again = true; /* the callback may have changed the list */
                break;
            }
        }
    }
}

static void ping(struct redis *r, usec now)
{
    const struct bytes args[1] = { bytes_of_str("PING") };
    struct command *c = command_new(REDIS_SILENCE_MAX, NULL, NULL, 0, 0);
    c->is_ping = true;
    r->last_ping = now;
    command_send(r, c, args, 1);
}

static void on_tick(uv_timer_t *timer)
{
    struct redis *r = timer->data;
    usec now = clock_now();
    bool was_stalled = now - r->last_tick > STALL;
    r->last_tick = now;
    if (was_stalled || r->blocking_count > 0)
        r->quiet_since = now;
    if (!was_stalled) /* else what has arrived meanwhile is read first */
        expire(r, now);
    if (r->is_closing)
        return;
    if (redis_link_is_up(r->link) && r->blocking_count == 0) {
        if (now - r->last_ping >= REDIS_PING_INTERVAL)
            ping(r, now);
        if (now - MAX(redis_link_heard(r->link), r->quiet_since) > REDIS_SILENCE_MAX)
            redis_link_drop(r->link, "silent");
    }
    if (r->pubsub != NULL && !r->is_closing)
        redis_pubsub_tick(r->pubsub, now, was_stalled);
}

static const char *result_name(unsigned index)
{
    return err_name((enum err)index);
}

static void declare_metrics(struct redis *r, const struct redis_options *o)
{
    char name[96];
    if (o->metrics == NULL)
        return;
    check(o->service != NULL);
    (void)snprintf(name, sizeof name, "%s_redis_connected", o->service);
    r->connected = metrics_gauge(o->metrics, name, "Whether the command connection is up.", NULL);
    (void)snprintf(name, sizeof name, "%s_redis_reconnects_total", o->service);
    r->reconnects = metrics_counter(o->metrics, name, "Connections after the first one.", NULL);
    (void)snprintf(name, sizeof name, "%s_redis_commands_total", o->service);
    metrics_counters(o->metrics, name, "Commands by result.", "result", result_name, ERR_COUNT,
                     r->results);
    (void)snprintf(name, sizeof name, "%s_redis_command_seconds", o->service);
    r->seconds = metrics_histogram(o->metrics, name, "Time from a command to its result.", NULL,
                                   METRIC_SECONDS_BOUNDS, METRIC_SECONDS_BOUND_COUNT);
}

enum err redis_new(uv_loop_t *loop, const struct redis_options *o, struct redis **ret)
{
    struct redis_address address;
    enum err e = redis_url_parse(o->url, &address);
    if (e != OK)
        return e;
    struct redis *r = calloc(1, sizeof *r);
    if (r == NULL)
        return ERR_SYSTEM;
    r->loop = loop;
    r->address = address;
    (void)snprintf(r->name, sizeof r->name, "%s", o->name == NULL ? "" : o->name);
    r->command_timeout = o->command_timeout == 0 ? COMMAND_TIMEOUT : o->command_timeout;
    r->in_flight_max = o->in_flight_max == 0 ? IN_FLIGHT_MAX_DEFAULT : o->in_flight_max;
    r->on_state = o->on_state;
    r->data = o->data;
    list_init(&r->in_flight);
    list_init(&r->failed);
    const struct redis_link_handler handler = { on_up, on_reply, on_down, r };
    r->link = redis_link_new(loop, &address, r->name, "commands", &handler);
    if (r->link == NULL) {
        free(r);
        return ERR_SYSTEM;
    }
    declare_metrics(r, o);
    check(uv_timer_init(loop, &r->tick) == 0);
    check(uv_idle_init(loop, &r->deliverer) == 0);
    r->tick.data = r;
    r->deliverer.data = r;
    r->open_count = 2;
    r->last_tick = clock_now();
    check(uv_timer_start(&r->tick, on_tick, TICK_MS, TICK_MS) == 0);
    *ret = r;
    return OK;
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct redis *r = handle->data;
    if (--r->open_count > 0)
        return;
    bytes_wipe(&r->address, sizeof r->address);
    free(r);
}

void redis_free(struct redis *r)
{
    if (r == NULL)
        return;
    check(!r->is_closing);
    r->is_closing = true;
    redis_link_free(r->link);
    r->link = NULL;
    redis_pubsub_free(r->pubsub);
    r->pubsub = NULL;
    fail_in_flight(r);
    struct list_link *l;
    while ((l = list_pop_front(&r->failed)) != NULL) {
        struct command *c = list_entry(l, struct command, link);
        command_tell(r, c, c->failure, NULL);
        free(c);
    }
    uv_close((uv_handle_t *)&r->tick, on_handle_closed);
    uv_close((uv_handle_t *)&r->deliverer, on_handle_closed);
}

bool redis_is_connected(const struct redis *r)
{
    return redis_link_is_up(r->link);
}

unsigned redis_in_flight(const struct redis *r)
{
    return r->in_flight_count;
}

bool redis_is_ready(void *data, char *ret_why, size_t capacity)
{
    const struct redis *r = data;
    if (redis_is_connected(r))
        return true;
    (void)snprintf(ret_why, capacity, "not connected to Redis");
    return false;
}

const char *redis_reply_text(const redisReply *reply)
{
    if (reply == NULL)
        return NULL;
    return reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS ? reply->str
                                                                                  : NULL;
}

struct bytes redis_reply_bytes(const redisReply *reply)
{
    const char *text = redis_reply_text(reply);
    return text == NULL ? (struct bytes){ 0 } : bytes_of(text, (size_t)reply->len);
}

struct bytes redis_reply_field(const redisReply *array, const char *field)
{
    if (array == NULL || array->type != REDIS_REPLY_ARRAY)
        return (struct bytes){ 0 };
    for (size_t i = 0; i + 1 < array->elements; i += 2)
        if (bytes_equal(redis_reply_bytes(array->element[i]), bytes_of_str(field)))
            return redis_reply_bytes(array->element[i + 1]);
    return (struct bytes){ 0 };
}
