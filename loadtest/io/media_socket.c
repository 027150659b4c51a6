/* See media_socket.h: the sockets, their epoll instance and its timer, and receiving.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "io/media_socket_private.h"

#include "common/os/clock.h"

#include <errno.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS_MAX = 64 };

/* ---- addresses */

socklen_t media_sockaddr_write(const struct net_addr *a, struct sockaddr_in6 *ret)
{
    if (a->family == NET_IPV4) {
        struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(a->port) };
        memcpy(&in.sin_addr, a->ip, 4);
        memcpy(ret, &in, sizeof in);
        return sizeof in;
    }
    *ret = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = htons(a->port) };
    memcpy(&ret->sin6_addr, a->ip, 16);
    return sizeof *ret;
}

static bool sockaddr_read(const struct sockaddr_in6 *s, struct net_addr *ret)
{
    if (s->sin6_family == AF_INET6) {
        *ret = net_addr_ipv6(s->sin6_addr.s6_addr, ntohs(s->sin6_port));
        return true;
    }
    struct sockaddr_in in;
    uint8_t ip[4];
    memcpy(&in, s, sizeof in);
    memcpy(ip, &in.sin_addr, sizeof ip);
    *ret = net_addr_ipv4(ip, ntohs(in.sin_port));
    return s->sin6_family == AF_INET;
}

/* ---- one socket */

static void set_option(int fd, int level, int name, int value)
{
    /* Each of these is an improvement that we can do without. */
    (void)setsockopt(fd, level, name, &value, sizeof value);
}

/* -1: errno. */
static int open_fd(const struct media_sockets *s, enum net_family family, struct net_addr local)
{
    struct sockaddr_in6 name;
    int fd = socket(family == NET_IPV4 ? AF_INET : AF_INET6,
                    SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (family == NET_IPV6)
        set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    set_option(fd, SOL_SOCKET, SO_RCVBUF, s->receive_buffer);
    set_option(fd, SOL_SOCKET, SO_RXQ_OVFL, 1);
    set_option(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1);
    if (s->gro)
        set_option(fd, SOL_UDP, UDP_GRO, 1);
    socklen_t len = media_sockaddr_write(&local, &name);
    if (bind(fd, (const struct sockaddr *)&name, len) != 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

bool media_socket_ensure(struct media_socket *m, enum net_family family)
{
    struct media_endpoint *e = &m->endpoints[family == NET_IPV6];
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = e };
    if (e->fd >= 0)
        return true;
    if (e->has_failed)
        return false;
    struct net_addr any = { .family = (uint8_t)family };
    e->fd = open_fd(m->set, family, m->local.family == family ? m->local : any);
    if (e->fd >= 0 && epoll_ctl(m->set->epoll_fd, EPOLL_CTL_ADD, e->fd, &event) != 0) {
        close(e->fd);
        e->fd = -1;
    }
    e->has_failed = e->fd < 0;
    return e->fd >= 0;
}

struct media_socket *media_socket_open(struct media_sockets *s, void *owner, unsigned leg)
{
    return media_socket_open_at(s, owner, leg, &s->source);
}

struct media_socket *media_socket_open_at(struct media_sockets *s, void *owner, unsigned leg,
                                          const struct net_addr *local)
{
    struct media_socket *m = calloc(1, sizeof *m);
    if (m == NULL)
        return NULL;
    *m = (struct media_socket){ .set = s, .owner = owner, .leg = leg, .local = *local };
    for (size_t i = 0; i < ARRAY_LEN(m->endpoints); i++)
        m->endpoints[i] = (struct media_endpoint){ .socket = m, .fd = -1 };
    list_push_back(&s->sockets, &m->link);
    enum net_family first = local->family == NET_IPV6 ? NET_IPV6 : NET_IPV4;
    if (media_socket_ensure(m, first))
        return m;
    int error = errno;
    list_remove(&m->link);
    free(m);
    errno = error;
    return NULL;
}

void media_socket_close(struct media_socket *m)
{
    if (m == NULL)
        return;
    for (size_t i = 0; i < ARRAY_LEN(m->endpoints); i++) {
        if (m->endpoints[i].fd >= 0)
            close(m->endpoints[i].fd); /* leaves the epoll instance by that */
        m->endpoints[i].fd = -1;
    }
    list_remove(&m->link);
    list_push_back(&m->set->closed, &m->link); /* events of this pass may still point here */
    m->owner = NULL;
}

uint16_t media_socket_port(const struct media_socket *m, enum net_family family)
{
    struct sockaddr_in6 name;
    socklen_t len = sizeof name;
    struct net_addr bound;
    int fd = m->endpoints[family == NET_IPV6].fd;
    if (fd < 0 || getsockname(fd, (struct sockaddr *)&name, &len) != 0 ||
        !sockaddr_read(&name, &bound))
        return 0;
    return bound.port;
}

static void free_closed(struct media_sockets *s)
{
    for (struct list_link *l; (l = list_pop_front(&s->closed)) != NULL;)
        free(container_of(l, struct media_socket, link));
}

/* ---- receiving */

struct received {
    usec arrival;
    size_t segment_len;
};

static void read_control(struct media_sockets *s, struct media_endpoint *e, struct msghdr *msg,
                         struct received *r)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
        const void *data = CMSG_DATA(c);
        if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
            int segment;
            memcpy(&segment, data, sizeof segment);
            r->segment_len = segment > 0 ? (size_t)segment : r->segment_len;
        } else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL) {
            uint32_t total;
            memcpy(&total, data, sizeof total);
            s->counters.drops += total - e->drops_seen; /* wraps as the kernel's does */
            e->drops_seen = total;
        } else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_TIMESTAMPNS) {
            struct timespec ts;
            memcpy(&ts, data, sizeof ts);
            usec at = (usec)ts.tv_sec * USEC_PER_SEC + ts.tv_nsec / 1000 - s->wall_minus_now;
            /* the wall clock may be stepped at any moment */
            r->arrival = at > s->now || at < s->now - SECONDS(10) ? s->now : at;
        }
    }
}

/* Hands over one buffer, in the segments that the kernel merged. False: the socket was closed. */
static bool deliver(struct media_sockets *s, struct media_endpoint *e, struct media_slot *slot,
                    struct mmsghdr *m)
{
    struct received r = { .arrival = s->now, .segment_len = m->msg_len };
    struct media_arrival a = { .leg = e->socket->leg, .now = s->now };
    read_control(s, e, &m->msg_hdr, &r);
    if ((m->msg_hdr.msg_flags & MSG_TRUNC) != 0 || !sockaddr_read(&slot->name, &a.from)) {
        s->counters.truncated++;
        return true;
    }
    a.arrival = r.arrival;
    for (size_t at = 0; at < m->msg_len; at += a.len) {
        a.data = slot->iov.iov_base;
        a.data += at;
        a.len = MIN(r.segment_len, m->msg_len - at);
        a.owner = e->socket->owner;
        s->counters.datagrams_in++;
        s->counters.bytes_in += a.len;
        s->on_datagram(s->data, &a);
        if (e->fd < 0)
            return false;
    }
    return true;
}

static void prepare_slots(struct media_sockets *s, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct media_slot *slot = &s->slots[i];
        slot->iov = (struct iovec){ s->memory + i * s->slot_bytes, s->slot_bytes };
        s->messages[i].msg_hdr = (struct msghdr){ .msg_name = &slot->name,
                                                  .msg_namelen = sizeof slot->name,
                                                  .msg_iov = &slot->iov,
                                                  .msg_iovlen = 1,
                                                  .msg_control = slot->control,
                                                  .msg_controllen = sizeof slot->control };
    }
}

/* Returns how many buffers were taken. */
static int receive(struct media_sockets *s, struct media_endpoint *e)
{
    int n = recvmmsg(e->fd, s->messages, MEDIA_BATCH, MSG_DONTWAIT, NULL);
    s->counters.receive_calls++;
    if (n < 0) {
        s->counters.refused += errno == ECONNREFUSED;
        return 0;
    }
    for (int i = 0; i < n; i++) {
        if (!deliver(s, e, &s->slots[i], &s->messages[i]))
            break;
    }
    prepare_slots(s, (size_t)n);
    return n;
}

/* ---- the timer, and passes */

static void arm(struct media_sockets *s)
{
    struct itimerspec at = { 0 };
    if (s->armed_at == s->wake_at)
        return;
    s->armed_at = s->wake_at;
    if (s->wake_at != USEC_NEVER) {
        usec t = MAX(s->wake_at, 1); /* zero would disarm it */
        at.it_value.tv_sec = (time_t)(t / USEC_PER_SEC);
        at.it_value.tv_nsec = (long)(t % USEC_PER_SEC) * 1000;
    }
    check(timerfd_settime(s->timer_fd, TFD_TIMER_ABSTIME, &at, NULL) == 0);
}

void media_wake_at(struct media_sockets *s, usec at)
{
    s->wake_at = at;
    if (!s->is_in_pass)
        arm(s);
}

static void read_timer(struct media_sockets *s)
{
    uint64_t count;
    if (read(s->timer_fd, &count, sizeof count) > 0)
        s->armed_at = USEC_NEVER;
}

/* Returns how many buffers were taken; *ret_more: there may be more. */
static int receive_ready(struct media_sockets *s, bool *ret_more)
{
    struct epoll_event ready[EVENTS_MAX];
    int taken = 0, n = epoll_wait(s->epoll_fd, ready, EVENTS_MAX, 0);
    for (int i = 0; i < n; i++) {
        struct media_endpoint *e = ready[i].data.ptr;
        if (e == NULL) {
            read_timer(s);
        } else if (e->fd >= 0) {
            taken += receive(s, e);
            s->now = clock_now();
        }
    }
    *ret_more = n == EVENTS_MAX;
    return taken;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct media_sockets *s = poll->data;
    bool is_more = true;
    (void)status;
    (void)events;
    s->is_in_pass = true;
    s->now = clock_now();
    s->wall_minus_now = clock_wall() - s->now;
    for (int taken = 0; is_more && taken < MEDIA_PASS_MAX && !s->is_closing;)
        taken += receive_ready(s, &is_more);
    free_closed(s);
    s->on_pass(s->data, clock_now());
    s->is_in_pass = false;
    if (!s->is_closing)
        arm(s);
}

/* ---- the set */

static bool open_set(struct media_sockets *s)
{
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };
    s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    s->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    s->memory = mmap(NULL, MEDIA_BATCH * s->slot_bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return s->epoll_fd >= 0 && s->timer_fd >= 0 && s->memory != MAP_FAILED &&
           epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, s->timer_fd, &event) == 0;
}

enum err media_sockets_new(const struct media_config *config, struct media_sockets **ret)
{
    struct media_sockets *s = calloc(1, sizeof *s);
    if (s == NULL)
        return ERR_SYSTEM;
    list_init(&s->sockets);
    list_init(&s->closed);
    s->on_datagram = config->on_datagram;
    s->on_pass = config->on_pass;
    s->data = config->data;
    s->receive_buffer = config->receive_buffer > 0 ? config->receive_buffer : MEDIA_RECEIVE_BUFFER;
    s->gro = config->gro;
    s->gso = config->gso;
    s->slot_bytes = config->gro ? 65536 : MEDIA_DATAGRAM_MAX;
    s->epoll_fd = s->timer_fd = -1;
    s->memory = MAP_FAILED;
    s->wake_at = s->armed_at = USEC_NEVER;
    enum err e = OK;
    if (config->source != NULL)
        e = net_addr_parse(bytes_of_str(config->source), 0, &s->source);
    if (e == OK && (!open_set(s) || uv_poll_init(config->loop, &s->poll, s->epoll_fd) != 0))
        e = ERR_SYSTEM;
    if (e != OK) {
        s->is_closing = true;
        media_sockets_free(s);
        return e;
    }
    s->poll.data = s;
    prepare_slots(s, MEDIA_BATCH);
    check(uv_poll_start(&s->poll, UV_READABLE, on_readable) == 0);
    *ret = s;
    return OK;
}

void media_sockets_close(struct media_sockets *s)
{
    if (s == NULL || s->is_closing)
        return;
    s->is_closing = true;
    while (!list_is_empty(&s->sockets))
        media_socket_close(container_of(list_first(&s->sockets), struct media_socket, link));
    uv_close((uv_handle_t *)&s->poll, NULL);
}

void media_sockets_free(struct media_sockets *s)
{
    if (s == NULL)
        return;
    check(s->is_closing);
    free_closed(s);
    if (s->timer_fd >= 0)
        close(s->timer_fd);
    if (s->epoll_fd >= 0)
        close(s->epoll_fd);
    if (s->memory != MAP_FAILED)
        munmap(s->memory, MEDIA_BATCH * s->slot_bytes);
    free(s);
}

const struct media_counters *media_counters(const struct media_sockets *s)
{
    return &s->counters;
}
