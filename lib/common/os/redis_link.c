/* SPDX-License-Identifier: Apache-2.0 */
#include "common/os/redis_link.h"

#include "common/os/clock.h"
#include "common/os/log.h"
#include "common/os/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BACKOFF_MIN     MILLIS(50)
#define BACKOFF_MAX     SECONDS(2)
#define CONNECT_TIMEOUT SECONDS(2) /* from the first packet to the last reply of the handshake */
#define READ_CHUNK      (64 * 1024)

/* One attempt. Has its own life: an abandoned socket closes while the next one is opened already.
 */
struct attempt {
    struct redis_link *link; /* NULL once abandoned */
    uv_getaddrinfo_t resolve;
    uv_connect_t connect;
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } socket;
    redisReader *reader;
    bool has_socket, is_resolving;
    char chunk[READ_CHUNK];
};

enum link_state { WAITING, CONNECTING, HANDSHAKE, UP };

struct redis_link {
    /* given */
    uv_loop_t *loop;
    struct redis_address address;
    char name[REDIS_NAME_CAPACITY];
    const char *kind;
    struct redis_link_handler handler;
    /* owned */
    uv_timer_t timer;     /* the pause before an attempt, then its deadline */
    uv_prepare_t flusher; /* runs before the loop sleeps, while there is something to send */
    unsigned open_count;
    struct attempt *attempt;
    char *out;
    size_t out_len, out_capacity;
    /* state */
    enum link_state state;
    bool is_closing;
    unsigned handshake_left;
    unsigned handshake_lenient; /* replies still to come whose errors do not matter */
    usec backoff;
    usec heard;
    uint64_t connect_count;
};

struct outgoing {
    uv_write_t request;
    char *data;
};

static void attempt_start(struct redis_link *l);

static void attempt_free(struct attempt *a)
{
    if (a->reader != NULL)
        redisReaderFree(a->reader);
    free(a);
}

static void on_socket_closed(uv_handle_t *handle)
{
    struct attempt *a = handle->data;
    a->has_socket = false;
    if (!a->is_resolving)
        attempt_free(a);
}

/* No callback of this attempt reaches the link any more. */
static void attempt_abandon(struct redis_link *l)
{
    struct attempt *a = l->attempt;
    l->attempt = NULL;
    l->out_len = 0;
    if (a == NULL)
        return;
    a->link = NULL;
    if (a->is_resolving)
        (void)uv_cancel((uv_req_t *)&a->resolve);
    if (a->has_socket)
        uv_close(&a->socket.handle, on_socket_closed);
    else if (!a->is_resolving)
        attempt_free(a);
}

static void on_pause_over(uv_timer_t *timer)
{
    attempt_start(timer->data);
}

/* Exponential, with full jitter: a thousand clients do not come back in the same moment. */
static void retry_later(struct redis_link *l)
{
    l->state = WAITING;
    usec pause = (usec)random_below((uint64_t)l->backoff) + USEC_PER_MS;
    l->backoff = MIN(l->backoff * 2, BACKOFF_MAX);
    check(uv_timer_start(&l->timer, on_pause_over, (uint64_t)(pause / USEC_PER_MS) + 1, 0) == 0);
}

void redis_link_drop(struct redis_link *l, const char *why)
{
    if (l->is_closing || l->state == WAITING)
        return;
    bool was_up = l->state == UP;
    attempt_abandon(l);
    retry_later(l);
    if (was_up)
        log_warn("redis.lost", KV_STR("link", l->kind), KV_STR("why", why));
    else
        log_debug("redis.connect-failed", KV_STR("link", l->kind), KV_STR("why", why));
    if (was_up)
        l->handler.on_down(l->handler.data);
}

static void on_deadline(uv_timer_t *timer)
{
    redis_link_drop(timer->data, "no answer in time");
}

static void on_written(uv_write_t *request, int status)
{
    struct outgoing *o = (struct outgoing *)(void *)request;
    struct attempt *a = request->handle->data;
    free(o->data);
    free(o);
    if (status != 0 && a->link != NULL)
        redis_link_drop(a->link, uv_strerror(status));
}

static void flush(struct redis_link *l)
{
    if (l->out_len == 0 || l->attempt == NULL)
        return;
    struct outgoing *o = calloc(1, sizeof *o);
    if (o == NULL) {
        redis_link_drop(l, "out of memory");
        return;
    }
    o->data = l->out;
    uv_buf_t buffer = uv_buf_init(l->out, (unsigned)l->out_len);
    l->out = NULL;
    l->out_len = l->out_capacity = 0;
    int status = uv_write(&o->request, &l->attempt->socket.stream, &buffer, 1, on_written);
    if (status != 0) {
        free(o->data);
        free(o);
        redis_link_drop(l, uv_strerror(status));
    }
}

static void on_before_sleep(uv_prepare_t *prepare)
{
    (void)uv_prepare_stop(prepare);
    flush(prepare->data);
}

enum err redis_link_send(struct redis_link *l, const struct bytes *args, size_t count)
{
    check(l->state == UP || l->state == HANDSHAKE);
    check(count > 0 && count < 4096);
    size_t need = 32;
    for (size_t i = 0; i < count; i++)
        need += args[i].len + 32;
    if (l->out_len + need > l->out_capacity) {
        size_t capacity = MAX((l->out_len + need) * 2, 4096);
        char *grown = realloc(l->out, capacity);
        if (grown == NULL)
            return ERR_SYSTEM;
        l->out = grown;
        l->out_capacity = capacity;
    }
    l->out_len += (size_t)snprintf(l->out + l->out_len, 32, "*%zu\r\n", count);
    for (size_t i = 0; i < count; i++) {
        l->out_len += (size_t)snprintf(l->out + l->out_len, 32, "$%zu\r\n", args[i].len);
        if (args[i].len > 0)
            memcpy(l->out + l->out_len, args[i].data, args[i].len);
        l->out_len += args[i].len;
        memcpy(l->out + l->out_len, "\r\n", 2);
        l->out_len += 2;
    }
    check(uv_prepare_start(&l->flusher, on_before_sleep) == 0);
    return OK;
}

static void handshake_send(struct redis_link *l, const char *a, const char *b, const char *c)
{
    struct bytes args[3] = { bytes_of_str(a) };
    size_t count = 1;
    if (b != NULL)
        args[count++] = bytes_of_str(b);
    if (c != NULL)
        args[count++] = bytes_of_str(c);
    if (redis_link_send(l, args, count) == OK)
        l->handshake_left++;
}

/* The PING at the end proves that the server serves: not loading, not asking for a password. */
static void handshake_start(struct redis_link *l)
{
    const struct redis_address *a = &l->address;
    char db[16];
    l->state = HANDSHAKE;
    l->handshake_left = 0;
    if (a->password[0] != '\0' && a->user[0] != '\0')
        handshake_send(l, "AUTH", a->user, a->password);
    else if (a->password[0] != '\0')
        handshake_send(l, "AUTH", a->password, NULL);
    if (a->db != 0) {
        (void)snprintf(db, sizeof db, "%u", a->db);
        handshake_send(l, "SELECT", db, NULL);
    }
    handshake_send(l, "PING", NULL, NULL);
    if (l->name[0] != '\0')
        handshake_send(l, "CLIENT", "SETNAME", l->name);
    l->handshake_lenient = l->name[0] != '\0' ? 1 : 0;
}

static void on_handshake_reply(struct redis_link *l, const redisReply *reply)
{
    check(l->handshake_left > 0);
    bool may_fail = l->handshake_left <= l->handshake_lenient;
    l->handshake_left--;
    if (reply->type == REDIS_REPLY_ERROR && !may_fail) {
        log_warn("redis.refused", KV_STR("link", l->kind), KV_STR("why", reply->str));
        redis_link_drop(l, "refused");
        return;
    }
    if (l->handshake_left > 0)
        return;
    (void)uv_timer_stop(&l->timer);
    l->state = UP;
    l->backoff = BACKOFF_MIN;
    l->connect_count++;
    log_info("redis.connected", KV_STR("link", l->kind));
    l->handler.on_up(l->handler.data);
}

/* Every reply that has arrived. The attempt may be abandoned by any of the callbacks; its memory
 * stays until its socket is closed. */
static void read_replies(struct attempt *a)
{
    while (a->link != NULL) {
        void *reply = NULL;
        if (redisReaderGetReply(a->reader, &reply) != REDIS_OK) {
            redis_link_drop(a->link, "protocol error");
            return;
        }
        if (reply == NULL)
            return;
        if (a->link->state == HANDSHAKE)
            on_handshake_reply(a->link, reply);
        else
            a->link->handler.on_reply(reply, a->link->handler.data);
        freeReplyObject(reply);
    }
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
    (void)suggested;
    struct attempt *a = handle->data;
    *ret = uv_buf_init(a->chunk, sizeof a->chunk);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
    struct attempt *a = stream->data;
    if (a->link == NULL || n == 0)
        return;
    if (n < 0) {
        redis_link_drop(a->link, n == UV_EOF ? "closed by the server" : uv_strerror((int)n));
        return;
    }
    a->link->heard = clock_now();
    if (redisReaderFeed(a->reader, buffer->base, (size_t)n) != REDIS_OK)
        redis_link_drop(a->link, "out of memory");
    else
        read_replies(a);
}

static void on_connected(uv_connect_t *request, int status)
{
    struct attempt *a = request->data;
    if (a->link == NULL)
        return;
    if (status == 0)
        status = uv_read_start(&a->socket.stream, on_alloc, on_read);
    if (status != 0) {
        redis_link_drop(a->link, uv_strerror(status));
        return;
    }
    a->link->heard = clock_now();
    handshake_start(a->link);
}

static void connect_tcp(struct attempt *a, const struct sockaddr *address)
{
    int status = uv_tcp_init(a->link->loop, &a->socket.tcp);
    if (status == 0) {
        a->has_socket = true;
        a->socket.tcp.data = a;
        (void)uv_tcp_nodelay(&a->socket.tcp, 1);
        status = uv_tcp_connect(&a->connect, &a->socket.tcp, address, on_connected);
    }
    if (status != 0)
        redis_link_drop(a->link, uv_strerror(status));
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *result)
{
    struct attempt *a = request->data;
    a->is_resolving = false;
    if (a->link == NULL)
        attempt_free(a);
    else if (status != 0)
        redis_link_drop(a->link, uv_strerror(status));
    else
        connect_tcp(a, result->ai_addr);
    uv_freeaddrinfo(result);
}

static void resolve(struct attempt *a)
{
    char port[8];
    (void)snprintf(port, sizeof port, "%u", (unsigned)a->link->address.port);
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
    int status = uv_getaddrinfo(a->link->loop, &a->resolve, on_resolved, a->link->address.host,
                                port, &hints);
    a->is_resolving = status == 0;
    if (status != 0)
        redis_link_drop(a->link, uv_strerror(status));
}

static void connect_unix(struct attempt *a)
{
    int status = uv_pipe_init(a->link->loop, &a->socket.pipe, 0);
    if (status != 0) {
        redis_link_drop(a->link, uv_strerror(status));
        return;
    }
    a->has_socket = true;
    a->socket.pipe.data = a;
    uv_pipe_connect(&a->connect, &a->socket.pipe, a->link->address.path, on_connected);
}

static void attempt_start(struct redis_link *l)
{
    struct attempt *a = calloc(1, sizeof *a);
    if (a != NULL)
        a->reader = redisReaderCreate();
    if (a == NULL || a->reader == NULL) {
        free(a);
        retry_later(l);
        return;
    }
    a->link = l;
    a->resolve.data = a;
    a->connect.data = a;
    l->attempt = a;
    l->state = CONNECTING;
    check(uv_timer_start(&l->timer, on_deadline, CONNECT_TIMEOUT / USEC_PER_MS, 0) == 0);
    if (l->address.path[0] != '\0')
        connect_unix(a);
    else
        resolve(a);
}

struct redis_link *redis_link_new(uv_loop_t *loop, const struct redis_address *address,
                                  const char *name, const char *kind,
                                  const struct redis_link_handler *handler)
{
    struct redis_link *l = calloc(1, sizeof *l);
    if (l == NULL)
        return NULL;
    l->loop = loop;
    l->address = *address;
    l->kind = kind;
    l->handler = *handler;
    l->backoff = BACKOFF_MIN;
    (void)snprintf(l->name, sizeof l->name, "%s", name == NULL ? "" : name);
    check(uv_timer_init(loop, &l->timer) == 0);
    check(uv_prepare_init(loop, &l->flusher) == 0);
    l->timer.data = l;
    l->flusher.data = l;
    l->open_count = 2;
    attempt_start(l);
    return l;
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct redis_link *l = handle->data;
    if (--l->open_count > 0)
        return;
    free(l->out);
    bytes_wipe(&l->address, sizeof l->address);
    free(l);
}

void redis_link_free(struct redis_link *l)
{
    if (l == NULL)
        return;
    check(!l->is_closing);
    l->is_closing = true;
    if (l->state == UP)
        flush(l); /* what was just sent gets its chance */
    attempt_abandon(l);
    l->state = WAITING;
    uv_close((uv_handle_t *)&l->timer, on_handle_closed);
    uv_close((uv_handle_t *)&l->flusher, on_handle_closed);
}

bool redis_link_is_up(const struct redis_link *l)
{
    return l != NULL && l->state == UP;
}

usec redis_link_heard(const struct redis_link *l)
{
    return l->heard;
}

uint64_t redis_link_connect_count(const struct redis_link *l)
{
    return l->connect_count;
}
