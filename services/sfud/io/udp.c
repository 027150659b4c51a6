/* The part of udp.h that both backends share.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "io/udp_impl.h"

#include "common/os/clock.h"
#include "io/sockaddr.h"

#include <errno.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define BIND_TRIES    40 /* two seconds in all */
#define BIND_RETRY_US 50000

const char *udp_backend_name(enum udp_backend b)
{
    return b == UDP_URING ? "uring" : "epoll";
}

enum err udp_fail(struct udp_failure *ret_failure, const char *what, int error)
{
    snprintf(ret_failure->text, sizeof ret_failure->text, "%s: %s", what, strerror(error));
    return ERR_SYSTEM;
}

enum err udp_fail_text(struct udp_failure *ret_failure, const char *text)
{
    snprintf(ret_failure->text, sizeof ret_failure->text, "%s", text);
    return ERR_SYSTEM;
}

static void set_option(int fd, int level, int name, int value)
{
    /* Each of these is an improvement that we can do without. */
    (void)setsockopt(fd, level, name, &value, sizeof value);
}

static void set_buffer(int fd, int force, int plain)
{
    int bytes = UDP_SOCKET_BUFFER;
    if (setsockopt(fd, SOL_SOCKET, force, &bytes, sizeof bytes) != 0)
        set_option(fd, SOL_SOCKET, plain, bytes);
}

static bool is_wildcard(const struct net_addr *a)
{
    static const uint8_t zero[16];
    return memcmp(a->ip, zero, sizeof zero) == 0;
}

/* With "may be fragmented", Linux makes up an identification for every datagram of a socket that is
 * not connected (RFC 6864 asks for none in those that may not be): a hash and a shared counter, 150
 * to 300 ns of each send. On the wire both are the same up to the path's size; what is larger is
 * refused, and send_fragmented() takes it. IPv6 has none of this. */
static void set_fragments(int fd, bool are_allowed)
{
    set_option(fd, IPPROTO_IP, IP_MTU_DISCOVER, are_allowed ? IP_PMTUDISC_WANT : IP_PMTUDISC_DO);
}

static void tune_socket(const struct udp *u, int fd, enum net_family family)
{
    set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF);
    set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF);
    set_option(fd, SOL_SOCKET, SO_RXQ_OVFL, 1);
    set_option(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1);
    if (u->gro)
        set_option(fd, SOL_UDP, UDP_GRO, 1);
    if (family == NET_IPV4) {
        set_option(fd, IPPROTO_IP, IP_PKTINFO, 1);
        set_fragments(fd, false);
    } else {
        set_option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
    }
}

/* The kernel takes apart the ring of a killed predecessor, and with it the sockets, a moment after
 * the process has gone: a restart by a supervisor meets its own port still in use. */
static bool bind_patiently(int fd, const struct sockaddr_in6 *name, socklen_t len)
{
    for (int tries = 0; bind(fd, (const struct sockaddr *)name, len) != 0; tries++) {
        if (errno != EADDRINUSE || tries == BIND_TRIES)
            return false;
        (void)usleep(BIND_RETRY_US);
    }
    return true;
}

static enum err open_socket(struct udp *u, const struct net_addr *listen,
                            struct udp_failure *ret_failure)
{
    struct udp_socket *s = &u->sockets[u->socket_count];
    char text[NET_ADDR_TEXT_SIZE], what[96];
    struct sockaddr_in6 name;
    socklen_t len = sockaddr_write(listen, &name);
    check(len > 0);
    int fd = socket(name.sin6_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return udp_fail(ret_failure, "socket", errno);
    s->fd = fd;
    u->socket_count++;
    if (listen->family == NET_IPV6)
        set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    tune_socket(u, fd, (enum net_family)listen->family);
    if (!bind_patiently(fd, &name, len)) {
        int error = errno;
        snprintf(what, sizeof what, "bind %s", net_addr_format(listen, text));
        return udp_fail(ret_failure, what, error);
    }
    len = sizeof name;
    if (getsockname(fd, (struct sockaddr *)&name, &len) != 0 ||
        !sockaddr_read((struct sockaddr *)&name, len, &s->bound))
        return udp_fail(ret_failure, "getsockname", errno);
    if (listen->family == NET_IPV6) /* :: is not an IPv4-mapped address, but be sure */
        s->bound.family = NET_IPV6;
    s->is_wildcard = is_wildcard(&s->bound);
    u->paths[u->path_count++] = (struct udp_path){ .socket = (uint16_t)(u->socket_count - 1) };
    return OK;
}

static bool open_outboxes(struct udp *u)
{
    u->outboxes = calloc(UDP_OUTBOXES, sizeof *u->outboxes);
    if (u->outboxes == NULL)
        return false;
    for (size_t i = 0; i < UDP_OUTBOXES; i++) {
        struct udp_outbox *o = &u->outboxes[i];
        o->scratch = malloc(UDP_OUTBOX_BYTES);
        if (o->scratch == NULL)
            return false;
        outbox_init(&o->box, o->scratch, UDP_OUTBOX_BYTES, o->sends, UDP_OUTBOX_SENDS);
    }
    return true;
}

enum err udp_open(enum udp_backend backend, const struct udp_config *config, struct udp **ret,
                  struct udp_failure *ret_failure)
{
    check(config->listen_count > 0 && config->listen_count <= UDP_SOCKETS_MAX);
    struct udp *u = calloc(1, sizeof *u);
    if (u == NULL)
        return udp_fail(ret_failure, "memory", ENOMEM);
    u->ops = backend == UDP_URING ? &udp_ring_ops : &udp_epoll_ops;
    u->wake_fd = config->wake_fd;
    u->watch_fd = -1;
    u->gso = config->gso;
    u->gro = config->gro;
    u->counters.gso_off = !config->gso;
    enum err e = OK;
    for (size_t i = 0; e == OK && i < config->listen_count; i++)
        e = open_socket(u, &config->listen[i], ret_failure);
    if (e == OK && !open_outboxes(u))
        e = udp_fail(ret_failure, "memory", ENOMEM);
    if (e == OK)
        e = u->ops->open(u, ret_failure);
    if (e != OK) {
        udp_close(u);
        return e;
    }
    *ret = u;
    return OK;
}

void udp_close(struct udp *u)
{
    if (u == NULL)
        return;
    u->ops->close(u); /* first: nobody reads from the outboxes after it */
    for (size_t i = 0; i < u->socket_count; i++)
        close(u->sockets[i].fd);
    for (size_t i = 0; u->outboxes != NULL && i < UDP_OUTBOXES; i++)
        free(u->outboxes[i].scratch);
    free(u->outboxes);
    free(u);
}

bool udp_watch(struct udp *u, int fd)
{
    check(u->watch_fd < 0);
    u->watch_fd = fd;
    return u->ops->watch(u);
}

bool udp_watch_is_ready(const struct udp *u)
{
    return u->is_watch_ready;
}

void udp_wait(struct udp *u, usec deadline)
{
    u->is_watch_ready = false;
    u->ops->wait(u, deadline);
    u->now = clock_now();
    u->wall_minus_now = clock_wall() - u->now;
}

bool udp_next(struct udp *u, struct datagram *ret)
{
    struct udp_received *r = &u->received;
    while (r->at >= r->len) {
        if (!u->ops->next_buffer(u))
            return false;
    }
    size_t len = MIN(r->segment_len, r->len - r->at);
    *ret = (struct datagram){ .from = r->from,
                              .path = r->path,
                              .len = (uint32_t)len,
                              .data = r->data + r->at,
                              .arrival = r->arrival };
    r->at += len;
    udp_count(&u->counters.datagrams_in, 1);
    udp_count(&u->counters.bytes_in, len);
    return true;
}

void udp_pass_end(struct udp *u)
{
    u->ops->pass_end(u);
}

struct outbox *udp_outbox(struct udp *u)
{
    for (;;) {
        for (size_t i = 0; i < UDP_OUTBOXES; i++) {
            if (u->outboxes[i].sends_pending == 0) {
                outbox_clear(&u->outboxes[i].box);
                return &u->outboxes[i].box;
            }
        }
        u->ops->reap(u);
    }
}

void udp_send(struct udp *u, struct outbox *o)
{
    if (o->send_count > 0)
        u->ops->send(u, (struct udp_outbox *)o);
}

struct net_addr udp_bound(const struct udp *u, size_t index)
{
    check(index < u->socket_count);
    return u->sockets[index].bound;
}

bool udp_path_for(const struct udp *u, enum net_family family, uint16_t *ret)
{
    for (size_t i = 0; i < u->socket_count; i++) {
        if (u->sockets[i].bound.family == family) {
            *ret = (uint16_t)i; /* the first paths are the sockets, in order */
            return true;
        }
    }
    return false;
}

const struct udp_counters *udp_counters(const struct udp *u)
{
    return &u->counters;
}

void udp_wake_clear(struct udp *u)
{
    uint64_t count;
    if (read(u->wake_fd, &count, sizeof count) < 0)
        return; /* somebody else's wake-up; there is nothing to clear */
}

/* ---- receive */

/* The path of a local address on a socket; a new one is remembered. */
static uint16_t path_of(struct udp *u, size_t socket, const struct net_addr *local)
{
    if (!u->sockets[socket].is_wildcard || !net_addr_is_set(local))
        return (uint16_t)socket;
    for (size_t i = u->socket_count; i < u->path_count; i++) {
        if (u->paths[i].socket == socket && net_addr_equal(&u->paths[i].local, local))
            return (uint16_t)i;
    }
    if (u->path_count == UDP_PATHS_MAX)
        return (uint16_t)socket;
    u->paths[u->path_count] = (struct udp_path){ .socket = (uint16_t)socket, .local = *local };
    return (uint16_t)u->path_count++;
}

static usec arrival_of(const struct udp *u, const struct timespec *ts)
{
    usec at = (usec)ts->tv_sec * USEC_PER_SEC + ts->tv_nsec / 1000 - u->wall_minus_now;
    /* The wall clock may be stepped at any moment; a pass is never this old. */
    return at > u->now || at < u->now - SECONDS(1) ? u->now : at;
}

static void on_overflow(struct udp *u, struct udp_socket *s, uint32_t total)
{
    udp_count(&u->counters.rx_overflow, total - s->rx_overflow_seen);
    s->rx_overflow_seen = total;
}

static void read_control(struct udp *u, size_t socket, const struct cmsghdr *c,
                         struct udp_received *r, struct net_addr *local)
{
    const void *data = CMSG_DATA(c);
    if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
        int segment;
        memcpy(&segment, data, sizeof segment);
        if (segment > 0)
            r->segment_len = (size_t)segment;
    } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
        struct in_pktinfo info;
        memcpy(&info, data, sizeof info);
        uint8_t ip[4];
        memcpy(ip, &info.ipi_addr, sizeof ip);
        *local = net_addr_ipv4(ip, u->sockets[socket].bound.port);
    } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
        struct in6_pktinfo info;
        memcpy(&info, data, sizeof info);
        uint8_t ip[16];
        memcpy(ip, &info.ipi6_addr, sizeof ip);
        *local = net_addr_ipv6(ip, u->sockets[socket].bound.port);
    } else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL) {
        uint32_t total;
        memcpy(&total, data, sizeof total);
        on_overflow(u, &u->sockets[socket], total);
    } else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_TIMESTAMPNS) {
        struct timespec ts;
        memcpy(&ts, data, sizeof ts);
        r->arrival = arrival_of(u, &ts);
    }
}

bool udp_received_fill(struct udp *u, size_t socket, struct msghdr *msg, uint8_t *data, size_t len,
                       struct udp_received *ret)
{
    struct udp_received r = { .data = data, .len = len, .segment_len = len, .arrival = u->now };
    struct net_addr local = { 0 };
    if (!sockaddr_read(msg->msg_name, msg->msg_namelen, &r.from))
        return false;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c))
        read_control(u, socket, c, &r, &local);
    if (msg->msg_flags & MSG_TRUNC) {
        udp_count(&u->counters.truncated, 1);
        return false;
    }
    r.path = path_of(u, socket, &local);
    *ret = r;
    return len > 0;
}

/* ---- send */

bool udp_piece_next(const struct udp *u, const struct outbox_send *s, size_t *offset,
                    size_t *ret_len, size_t *ret_segment_len)
{
    size_t left = s->len - *offset, segment = s->segment_size;
    if (left == 0)
        return false;
    if (segment == 0 || segment >= left) {
        *ret_segment_len = 0;
        *ret_len = left;
    } else if (!u->gso) {
        *ret_segment_len = 0;
        *ret_len = segment;
    } else {
        size_t count = MIN((size_t)UDP_SEGMENTS_MAX, UDP_PAYLOAD_MAX / segment);
        *ret_segment_len = segment;
        *ret_len = MIN(left, MAX(count, 1) * segment);
    }
    *offset += *ret_len;
    return true;
}

/* The socket and source address of a path, if they suit the destination; else any that does. */
static const struct udp_path *route(const struct udp *u, const struct outbox_send *s)
{
    if (s->path < u->path_count &&
        u->sockets[u->paths[s->path].socket].bound.family == s->to.family)
        return &u->paths[s->path];
    uint16_t path;
    return udp_path_for(u, (enum net_family)s->to.family, &path) ? &u->paths[path] : NULL;
}

static void put_control(struct msghdr *msg, int level, int type, const void *data, size_t len)
{
    char *at = (char *)msg->msg_control + msg->msg_controllen;
    struct cmsghdr c = { .cmsg_level = level, .cmsg_type = type, .cmsg_len = CMSG_LEN(len) };
    memset(at, 0, CMSG_SPACE(len));
    memcpy(at, &c, sizeof c);
    memcpy(at + CMSG_LEN(0), data, len);
    msg->msg_controllen += CMSG_SPACE(len);
}

static void put_source(struct msghdr *msg, const struct net_addr *local)
{
    if (local->family == NET_IPV4) {
        struct in_pktinfo info = { 0 };
        memcpy(&info.ipi_spec_dst, local->ip, 4);
        put_control(msg, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
    } else if (local->family == NET_IPV6) {
        struct in6_pktinfo info = { 0 };
        memcpy(&info.ipi6_addr, local->ip, 16);
        put_control(msg, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
    }
}

bool udp_header_fill(struct udp *u, struct udp_header *h, const struct outbox *o,
                     const struct outbox_send *s, size_t offset, size_t len, size_t segment_len)
{
    check(offset + len <= s->len && s->offset + s->len <= o->scratch_size);
    const struct udp_path *path = route(u, s);
    if (path == NULL)
        return false;
    h->iov = (struct iovec){ .iov_base = o->scratch + s->offset + offset, .iov_len = len };
    h->segment_len = (uint16_t)segment_len;
    h->socket = path->socket;
    h->msg = (struct msghdr){ .msg_name = &h->name,
                              .msg_namelen = sockaddr_write(&s->to, &h->name),
                              .msg_iov = &h->iov,
                              .msg_iovlen = 1,
                              .msg_control = h->control };
    put_source(&h->msg, &path->local);
    if (segment_len > 0)
        put_control(&h->msg, SOL_UDP, UDP_SEGMENT, &h->segment_len, sizeof h->segment_len);
    if (h->msg.msg_controllen == 0)
        h->msg.msg_control = NULL;
    return true;
}

static size_t segments_of(size_t len, size_t segment_len)
{
    return segment_len == 0 ? 1 : (len + segment_len - 1) / segment_len;
}

static void count_sent(struct udp *u, size_t len, size_t segments)
{
    udp_count(&u->counters.datagrams_out, segments);
    udp_count(&u->counters.bytes_out, len);
    udp_count(&u->counters.sends, 1);
    size_t bucket = 0;
    while (bucket + 1 < UDP_SEGMENT_BUCKETS && segments > (size_t)1 << bucket)
        bucket++;
    udp_count(&u->counters.segments[bucket], 1);
}

static void count_failed(struct udp *u, int error, size_t datagrams)
{
    bool again = error == EAGAIN || error == ENOBUFS || error == ENOMEM;
    udp_count(again ? &u->counters.send_again : &u->counters.send_failed, datagrams);
}

void udp_on_unroutable(struct udp *u, size_t len, size_t segment_len)
{
    count_failed(u, EAFNOSUPPORT, segments_of(len, segment_len));
}

/* The device or route cannot segment (EIO: no checksum offload; EINVAL: a segment is larger than
 * the path, or checksums are off). Once may be one path; a run of it, or EIO, is the machine. */
static void on_gso_refused(struct udp *u, int error)
{
    udp_count(&u->counters.gso_refused, 1);
    u->gso_refused_run++;
    if (u->gso && (error == EIO || u->gso_refused_run >= UDP_GSO_REFUSED_RUN)) {
        u->gso = false;
        atomic_store_explicit(&u->counters.gso_error, (uint64_t)error, memory_order_relaxed);
        atomic_store_explicit(&u->counters.gso_off, 1, memory_order_relaxed);
    }
}

/* 0 or an errno. */
static int try_send(const struct udp *u, const struct udp_header *h, const struct msghdr *msg)
{
    ssize_t n = sendmsg(u->sockets[h->socket].fd, msg, MSG_DONTWAIT | MSG_NOSIGNAL);
    return n < 0 ? errno : 0;
}

/* One datagram that is larger than the path to that destination. Rare, hence not worth a socket. */
static int send_fragmented(const struct udp *u, const struct udp_header *h,
                           const struct msghdr *msg)
{
    const struct udp_socket *s = &u->sockets[h->socket];
    if (s->bound.family != NET_IPV4)
        return EMSGSIZE;
    set_fragments(s->fd, true);
    int error = try_send(u, h, msg);
    set_fragments(s->fd, false);
    return error;
}

static void on_one_sent(struct udp *u, const struct udp_header *h, const struct msghdr *msg,
                        int error)
{
    if (error == EMSGSIZE)
        error = send_fragmented(u, h, msg);
    if (error == 0)
        count_sent(u, msg->msg_iov->iov_len, 1);
    else
        count_failed(u, error, 1);
}

static void send_in_pieces(struct udp *u, const struct udp_header *h)
{
    struct udp_header piece = *h;
    size_t space = CMSG_SPACE(sizeof h->segment_len); /* the last control message is UDP_SEGMENT */
    piece.msg.msg_name = &piece.name;
    piece.msg.msg_iov = &piece.iov;
    piece.msg.msg_controllen = h->msg.msg_controllen - space;
    piece.msg.msg_control = piece.msg.msg_controllen > 0 ? piece.control : NULL;
    for (size_t at = 0; at < h->iov.iov_len; at += piece.iov.iov_len) {
        piece.iov.iov_base = (uint8_t *)h->iov.iov_base + at;
        piece.iov.iov_len = MIN((size_t)h->segment_len, h->iov.iov_len - at);
        on_one_sent(u, &piece, &piece.msg, try_send(u, &piece, &piece.msg));
    }
}

void udp_on_sent(struct udp *u, const struct udp_header *h, int error)
{
    size_t segments = segments_of(h->iov.iov_len, h->segment_len);
    if (error == 0) {
        if (h->segment_len > 0)
            u->gso_refused_run = 0;
        count_sent(u, h->iov.iov_len, segments);
    } else if (h->segment_len > 0 && (error == EIO || error == EINVAL || error == EMSGSIZE)) {
        on_gso_refused(u, error);
        send_in_pieces(u, h);
    } else if (h->segment_len == 0) {
        on_one_sent(u, h, &h->msg, error);
    } else {
        count_failed(u, error, segments);
    }
}
