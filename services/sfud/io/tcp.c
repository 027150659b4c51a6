/* SPDX-License-Identifier: Apache-2.0 */
#include "io/tcp.h"

#include "io/sockaddr.h"
#include "rtc/stun.h"
#include "rtc/tcp_framing.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    EVENTS_MAX = 64,
    BACKLOG = 128,
    USER_TIMEOUT_MS = 30000, /* nothing acknowledged for so long: consent is gone as well */
    CONNECTION_BYTES = TCP_RECEIVE_BYTES + TCP_SEND_BYTES,
    GENERATIONS = (UINT16_MAX + 1 - UDP_PATHS_MAX) / TCP_CONNECTIONS_MAX,
};
static_assert(GENERATIONS >= 16, "a path is not soon another connection's");
static_assert(TCP_RECEIVE_BYTES >= 2 * (TCP_FRAME_HEADER_LEN + TCP_FRAME_SIZE_MAX), "a frame fits");
#define SWEEP_INTERVAL SECONDS(1)

struct connection {
    int fd; /* -1: free, or ended in this turn */
    uint16_t index;
    uint8_t generation;
    bool has_begun;  /* with STUN */
    bool was_used;   /* some transport had its address once */
    bool is_blocked; /* the kernel's buffer is full; epoll tells when not */
    bool is_dirty;   /* in `dirty` */
    struct net_addr remote;
    usec check_at;
    struct frame_reader reader;
    struct frame_queue queue;
};

struct list {
    uint16_t index[TCP_CONNECTIONS_MAX];
    size_t count;
};

struct tcp {
    /* given */
    struct tcp_config config;
    /* owned */
    int epoll_fd;
    int listeners[UDP_SOCKETS_MAX];
    struct net_addr bound[UDP_SOCKETS_MAX];
    size_t listener_count;
    uint8_t *memory; /* CONNECTION_BYTES each */
    struct connection connections[TCP_CONNECTIONS_MAX];
    struct list free, ended; /* ended: free after this turn, as frames of it may be in use */
    struct list dirty;       /* got frames since the last flush */
    struct epoll_event events[EVENTS_MAX];
    size_t event_count, event_at;
    struct connection *current; /* being taken apart */
    size_t frames_left;         /* of this turn */
    bool is_paused;             /* does not accept: no descriptor was left */
    usec now, sweep_at;
    struct tcp_counters counters;
};

const char *tcp_end_name(enum tcp_end e)
{
    static const char *const names[TCP_END_COUNT] = {
#define X(id, name) [TCP_END_##id] = (name),
        TCP_ENDS(X)
#undef X
    };
    check((unsigned)e < TCP_END_COUNT);
    return names[e];
}

static void count(_Atomic uint64_t *counter, uint64_t n)
{
    uint64_t v = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, v + n, memory_order_relaxed);
}

static size_t open_count(const struct tcp *t)
{
    return TCP_CONNECTIONS_MAX - t->free.count - t->ended.count;
}

static void list_put(struct list *l, uint16_t index)
{
    check(l->count < TCP_CONNECTIONS_MAX);
    l->index[l->count++] = index;
}

/* ---- open, close */

static enum err open_listener(struct tcp *t, const struct net_addr *wanted, bool any_port,
                              struct udp_failure *ret_failure)
{
    static const struct {
        int level, name, value;
    } options[] = { /* connections inherit all but the first */
                    { SOL_SOCKET, SO_REUSEADDR, 1 },
                    { IPPROTO_TCP, TCP_NODELAY, 1 },
                    { IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT_MS },
                    { SOL_SOCKET, SO_SNDBUF, TCP_KERNEL_SEND_BYTES }
    };
    struct sockaddr_in6 name;
    struct net_addr at = *wanted;
    int only_v6 = 1;
    socklen_t len = sockaddr_write(&at, &name);
    int fd = socket(name.sin6_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return udp_fail(ret_failure, "TCP socket", errno);
    t->listeners[t->listener_count++] = fd;
    if (at.family == NET_IPV6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only_v6, sizeof only_v6);
    for (size_t i = 0; i < ARRAY_LEN(options); i++)
        (void)setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof(int));
    int error = bind(fd, (const struct sockaddr *)&name, len) == 0 ? 0 : errno;
    if (error == EADDRINUSE && any_port) {
        at.port = 0;
        len = sockaddr_write(&at, &name);
        error = bind(fd, (const struct sockaddr *)&name, len) == 0 ? 0 : errno;
    }
    if (error == 0 && listen(fd, BACKLOG) != 0)
        error = errno;
    if (error != 0) {
        char text[NET_ADDR_TEXT_SIZE], what[96];
        (void)snprintf(what, sizeof what, "TCP listen %s", net_addr_format(&at, text));
        return udp_fail(ret_failure, what, error);
    }
    return OK;
}

static enum err watch_listener(struct tcp *t, size_t i, struct udp_failure *ret_failure)
{
    struct sockaddr_in6 name;
    socklen_t len = sizeof name;
    struct epoll_event event = { .events = EPOLLIN, .data.u32 = (uint32_t)i };
    if (getsockname(t->listeners[i], (struct sockaddr *)&name, &len) != 0 ||
        !sockaddr_read((struct sockaddr *)&name, len, &t->bound[i]) ||
        epoll_ctl(t->epoll_fd, EPOLL_CTL_ADD, t->listeners[i], &event) != 0)
        return udp_fail(ret_failure, "TCP socket", errno);
    t->bound[i].protocol = NET_TCP;
    return OK;
}

static enum err open_all(struct tcp *t, struct udp_failure *ret_failure)
{
    enum err e = OK;
    t->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    t->memory = mmap(NULL, (size_t)TCP_CONNECTIONS_MAX * CONNECTION_BYTES, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (t->epoll_fd < 0 || t->memory == MAP_FAILED)
        return udp_fail(ret_failure, "TCP memory", errno);
    for (uint16_t i = TCP_CONNECTIONS_MAX; i-- > 0;)
        list_put(&t->free, i);
    for (size_t i = 0; e == OK && i < t->config.listen_count; i++) {
        e = open_listener(t, &t->config.listen[i], t->config.any_port, ret_failure);
        if (e == OK)
            e = watch_listener(t, i, ret_failure);
    }
    return e;
}

enum err tcp_open(const struct tcp_config *config, struct tcp **ret,
                  struct udp_failure *ret_failure)
{
    check(config->listen_count <= UDP_SOCKETS_MAX);
    struct tcp *t = calloc(1, sizeof *t);
    if (t == NULL)
        return udp_fail(ret_failure, "TCP memory", ENOMEM);
    t->config = *config;
    t->memory = MAP_FAILED;
    t->epoll_fd = -1;
    t->sweep_at = USEC_NEVER;
    for (uint16_t i = 0; i < TCP_CONNECTIONS_MAX; i++)
        t->connections[i] = (struct connection){ .fd = -1, .index = i };
    enum err e = open_all(t, ret_failure);
    t->config.listen = NULL;
    if (e != OK) {
        tcp_close(t);
        return e;
    }
    *ret = t;
    return OK;
}

void tcp_close(struct tcp *t)
{
    if (t == NULL)
        return;
    for (size_t i = 0; i < TCP_CONNECTIONS_MAX; i++) {
        if (t->connections[i].fd >= 0)
            close(t->connections[i].fd);
    }
    for (size_t i = 0; i < t->listener_count; i++)
        close(t->listeners[i]);
    if (t->epoll_fd >= 0)
        close(t->epoll_fd);
    if (t->memory != MAP_FAILED)
        munmap(t->memory, (size_t)TCP_CONNECTIONS_MAX * CONNECTION_BYTES);
    free(t);
}

size_t tcp_memory(void)
{
    return sizeof(struct tcp) + (size_t)TCP_CONNECTIONS_MAX * CONNECTION_BYTES;
}

int tcp_fd(const struct tcp *t)
{
    return t->epoll_fd;
}

struct net_addr tcp_bound(const struct tcp *t, size_t index)
{
    check(index < t->listener_count);
    return t->bound[index];
}

const struct tcp_counters *tcp_counters(const struct tcp *t)
{
    return &t->counters;
}

/* ---- connections */

static uint16_t path_of(const struct connection *c)
{
    return (uint16_t)(UDP_PATHS_MAX + c->generation * TCP_CONNECTIONS_MAX + c->index);
}

static struct connection *find(struct tcp *t, uint32_t path)
{
    if (path < UDP_PATHS_MAX)
        return NULL;
    struct connection *c = &t->connections[(path - UDP_PATHS_MAX) % TCP_CONNECTIONS_MAX];
    return c->fd >= 0 && path_of(c) == path ? c : NULL;
}

static void end(struct tcp *t, struct connection *c, enum tcp_end why)
{
    count(&t->counters.ended[why], 1);
    close(c->fd); /* leaves the epoll set by itself */
    c->fd = -1;
    c->generation = (uint8_t)((c->generation + 1) % GENERATIONS);
    if (t->current == c)
        t->current = NULL;
    list_put(&t->ended, c->index);
    atomic_store_explicit(&t->counters.connections, open_count(t), memory_order_relaxed);
}

/* Those that share a fate in the eyes of TCP_ADDRESS_CONNECTIONS_MAX. */
static bool is_same_site(const struct net_addr *a, const struct net_addr *b)
{
    return a->family == b->family && memcmp(a->ip, b->ip, a->family == NET_IPV6 ? 8 : 4) == 0;
}

static bool may_enter(struct tcp *t, const struct net_addr *remote, enum tcp_end *ret_why)
{
    size_t same = 0;
    *ret_why = TCP_END_FULL;
    if (t->free.count == 0)
        return false;
    for (size_t i = 0; i < TCP_CONNECTIONS_MAX; i++) {
        const struct connection *c = &t->connections[i];
        same += c->fd >= 0 && is_same_site(&c->remote, remote);
    }
    *ret_why = TCP_END_ADDRESS;
    return same < TCP_ADDRESS_CONNECTIONS_MAX;
}

/* A reset, so that refusing many leaves nothing behind. */
static void refuse(struct tcp *t, int fd, enum tcp_end why)
{
    struct linger none = { .l_onoff = 1 };
    count(&t->counters.ended[why], 1);
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    close(fd);
}

static void enter(struct tcp *t, int fd, const struct net_addr *remote)
{
    struct connection *c = &t->connections[t->free.index[t->free.count - 1]];
    uint8_t *memory = t->memory + (size_t)c->index * CONNECTION_BYTES;
    struct epoll_event event = { .events = EPOLLIN, .data.u32 = path_of(c) };
    if (epoll_ctl(t->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
        refuse(t, fd, TCP_END_SYSTEM);
        return;
    }
    t->free.count--;
    *c = (struct connection){
        .fd = fd,
        .index = c->index,
        .generation = c->generation,
        .remote = *remote,
        .check_at = t->now + TCP_FIRST_CHECK_TIME,
        .reader = { .data = memory,
                    .capacity = TCP_RECEIVE_BYTES,
                    .frame_max = TCP_FRAME_SIZE_MAX },
        .queue = { .data = memory + TCP_RECEIVE_BYTES, .capacity = TCP_SEND_BYTES },
    };
    t->sweep_at = MIN(t->sweep_at, t->now + SWEEP_INTERVAL);
    count(&t->counters.accepted, 1);
    atomic_store_explicit(&t->counters.connections, open_count(t), memory_order_relaxed);
}

static void pause_accepting(struct tcp *t, bool is_paused)
{
    t->is_paused = is_paused;
    for (size_t i = 0; i < t->listener_count; i++) {
        struct epoll_event e = { .events = is_paused ? 0 : EPOLLIN, .data.u32 = (uint32_t)i };
        (void)epoll_ctl(t->epoll_fd, EPOLL_CTL_MOD, t->listeners[i], &e);
    }
    if (is_paused)
        t->sweep_at = MIN(t->sweep_at, t->now + SWEEP_INTERVAL);
}

static void accept_some(struct tcp *t, size_t listener)
{
    for (int i = 0; i < TCP_ACCEPTS_PER_PASS; i++) {
        struct sockaddr_in6 name;
        socklen_t len = sizeof name;
        struct net_addr remote;
        enum tcp_end why;
        int fd = accept4(t->listeners[listener], (struct sockaddr *)&name, &len,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
            count(&t->counters.ended[TCP_END_SYSTEM], 1);
            pause_accepting(t, true);
        }
        if (fd < 0)
            return; /* none, or one that has gone again: the next turn looks again */
        if (!sockaddr_read((struct sockaddr *)&name, len, &remote)) {
            refuse(t, fd, TCP_END_SYSTEM);
            continue;
        }
        remote.protocol = NET_TCP;
        if (may_enter(t, &remote, &why))
            enter(t, fd, &remote);
        else
            refuse(t, fd, why);
    }
}

/* ---- send */

static void want_writable(struct tcp *t, struct connection *c, bool is_blocked)
{
    struct epoll_event event = { .events = EPOLLIN | (is_blocked ? EPOLLOUT : 0),
                                 .data.u32 = path_of(c) };
    if (c->is_blocked != is_blocked)
        (void)epoll_ctl(t->epoll_fd, EPOLL_CTL_MOD, c->fd, &event);
    c->is_blocked = is_blocked;
}

static void flush(struct tcp *t, struct connection *c)
{
    struct bytes waiting = frame_queue_waiting(&c->queue);
    while (waiting.len > 0) {
        ssize_t n = send(c->fd, waiting.data, waiting.len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN && errno != EINTR) {
            end(t, c, TCP_END_ERROR);
            return;
        }
        if (n <= 0)
            break;
        frame_queue_sent(&c->queue, (size_t)n);
        waiting = frame_queue_waiting(&c->queue);
    }
    want_writable(t, c, waiting.len > 0);
}

static void put_frames(struct tcp *t, struct connection *c, const struct outbox *o,
                       const struct outbox_send *s)
{
    for (size_t at = 0; at < s->len; at += s->segment_size) {
        struct bytes datagram =
            bytes_of(o->scratch + s->offset + at, MIN((size_t)s->segment_size, s->len - at));
        if (frame_queue_put(&c->queue, datagram) != OK) {
            count(&t->counters.dropped_full, 1);
            continue;
        }
        count(&t->counters.frames_out, 1);
        count(&t->counters.bytes_out, datagram.len);
    }
    if (!c->is_dirty && !c->is_blocked) {
        c->is_dirty = true;
        list_put(&t->dirty, c->index);
    }
}

void tcp_send(struct tcp *t, const struct outbox *o)
{
    if (open_count(t) == 0)
        return;
    for (size_t i = 0; i < o->send_count; i++) {
        const struct outbox_send *s = &o->sends[i];
        if (s->to.protocol != NET_TCP)
            continue;
        struct connection *c = find(t, s->path);
        if (c != NULL && net_addr_equal(&c->remote, &s->to))
            put_frames(t, c, o, s);
        else
            count(&t->counters.dropped_gone, outbox_send_segments(s));
    }
    for (size_t i = 0; i < t->dirty.count; i++) {
        struct connection *c = &t->connections[t->dirty.index[i]];
        c->is_dirty = false;
        if (c->fd >= 0)
            flush(t, c);
    }
    t->dirty.count = 0;
}

/* ---- receive */

static void read_some(struct tcp *t, struct connection *c)
{
    size_t room;
    uint8_t *at = frame_reader_room(&c->reader, &room);
    ssize_t n = recv(c->fd, at, room, MSG_DONTWAIT);
    if (n > 0) {
        frame_reader_added(&c->reader, (size_t)n);
        t->current = c;
    } else if (n == 0) {
        end(t, c, TCP_END_PEER);
    } else if (errno != EAGAIN && errno != EINTR) {
        end(t, c, TCP_END_ERROR);
    }
}

static void on_event(struct tcp *t, const struct epoll_event *event)
{
    if (event->data.u32 < UDP_SOCKETS_MAX) {
        accept_some(t, event->data.u32);
        return;
    }
    struct connection *c = find(t, event->data.u32);
    if (c != NULL && (event->events & EPOLLOUT))
        flush(t, c);
    if (c != NULL && c->fd >= 0 && (event->events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
        read_some(t, c);
}

/* Whoever connects speaks STUN first: nothing else on this port has anything to say before. */
static bool is_check(struct bytes frame)
{
    struct stun_message m;
    return stun_parse(frame, &m) == OK && m.class == STUN_REQUEST &&
           m.method == STUN_METHOD_BINDING;
}

/* The next good frame of the current connection. False: it has no more, and is not current. */
static bool next_frame(struct tcp *t, struct datagram *ret)
{
    struct connection *c = t->current;
    uint8_t *data;
    size_t len;
    enum err e = frame_reader_next(&c->reader, &data, &len);
    if (e == OK && !c->has_begun && !is_check(bytes_of(data, len))) {
        end(t, c, TCP_END_NOT_STUN);
        return false;
    }
    if (e != OK) {
        t->current = NULL;
        if (e == ERR_MALFORMED)
            end(t, c, TCP_END_FRAME);
        return false;
    }
    c->has_begun = true;
    *ret = (struct datagram){
        .from = c->remote, .path = path_of(c), .len = (uint32_t)len, .data = data, .arrival = t->now
    };
    count(&t->counters.frames_in, 1);
    count(&t->counters.bytes_in, len);
    return true;
}

bool tcp_next(struct tcp *t, struct datagram *ret)
{
    while (t->frames_left > 0) {
        if (t->current != NULL) {
            if (next_frame(t, ret)) {
                t->frames_left--;
                return true;
            }
        } else if (t->event_at < t->event_count) {
            on_event(t, &t->events[t->event_at++]);
        } else {
            return false;
        }
    }
    return false;
}

static bool has_rest(const struct tcp *t)
{
    return t->current != NULL || t->event_at < t->event_count;
}

/* Connections that no transport knows go. */
static void sweep(struct tcp *t)
{
    for (size_t i = 0; i < TCP_CONNECTIONS_MAX; i++) {
        struct connection *c = &t->connections[i];
        if (c->fd < 0 || t->now < c->check_at)
            continue;
        if (t->config.is_used(t->config.data, &c->remote)) {
            c->was_used = true;
            c->check_at = t->now + TCP_USED_CHECK_INTERVAL;
        } else {
            end(t, c, c->was_used ? TCP_END_UNUSED : TCP_END_UNPROVEN);
        }
    }
    if (t->is_paused)
        pause_accepting(t, false);
    t->sweep_at = open_count(t) > 0 ? t->now + SWEEP_INTERVAL : USEC_NEVER;
}

usec tcp_deadline(const struct tcp *t)
{
    return has_rest(t) ? 0 : t->sweep_at;
}

void tcp_begin(struct tcp *t, usec now, bool is_ready)
{
    t->now = now;
    t->frames_left = TCP_FRAMES_PER_PASS;
    if (now >= t->sweep_at)
        sweep(t);
    if (!is_ready || has_rest(t))
        return;
    int n = epoll_wait(t->epoll_fd, t->events, EVENTS_MAX, 0);
    t->event_at = 0;
    t->event_count = n > 0 ? (size_t)n : 0;
}

void tcp_pass_end(struct tcp *t)
{
    for (size_t i = 0; i < t->ended.count; i++)
        list_put(&t->free, t->ended.index[i]);
    t->ended.count = 0;
}
