/* The backend of udp.h that works everywhere: epoll, recvmmsg, sendmmsg.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "io/udp_impl.h"

#include "common/os/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    RECEIVE_BUFFERS = 128, /* of one pass, all sockets; untouched pages cost nothing */
    RECEIVE_BATCH = 32,
    SEND_BATCH = 64,
    WAKE_TAG = UDP_SOCKETS_MAX,
    WATCH_TAG,
    EVENTS = WATCH_TAG + 1,
};

struct receive_slot {
    struct sockaddr_in6 name;
    struct iovec iov;
    _Alignas(struct cmsghdr) char control[UDP_CONTROL_BYTES];
};

struct epoll_backend {
    int epoll_fd;
    bool no_pwait2; /* an old kernel, or a filter that does not know it */
    bool ready[UDP_SOCKETS_MAX];
    uint8_t *memory; /* RECEIVE_BUFFERS * UDP_RECEIVE_BYTES */
    struct receive_slot slots[RECEIVE_BUFFERS];
    struct mmsghdr messages[RECEIVE_BUFFERS];
    size_t socket_of[RECEIVE_BUFFERS];
    size_t first;
    size_t taken, handed; /* slots filled, slots given to udp_next() */
    struct udp_header headers[SEND_BATCH];
    struct mmsghdr sends[SEND_BATCH];
};

static enum err epoll_open(struct udp *u, struct udp_failure *ret_failure)
{
    struct epoll_backend *b = calloc(1, sizeof *b);
    if (b == NULL)
        return udp_fail(ret_failure, "memory", ENOMEM);
    u->backend = b;
    b->memory = mmap(NULL, (size_t)RECEIVE_BUFFERS * UDP_RECEIVE_BYTES, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    b->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (b->memory == MAP_FAILED || b->epoll_fd < 0)
        return udp_fail(ret_failure, "epoll", errno);
    struct epoll_event event = { .events = EPOLLIN, .data.u32 = WAKE_TAG };
    int failed = epoll_ctl(b->epoll_fd, EPOLL_CTL_ADD, u->wake_fd, &event);
    for (size_t i = 0; i < u->socket_count; i++) {
        event.data.u32 = (uint32_t)i;
        failed |= epoll_ctl(b->epoll_fd, EPOLL_CTL_ADD, u->sockets[i].fd, &event);
    }
    return failed ? udp_fail(ret_failure, "epoll_ctl", errno) : OK;
}

static bool epoll_watch(struct udp *u)
{
    struct epoll_backend *b = u->backend;
    struct epoll_event event = { .events = EPOLLIN, .data.u32 = WATCH_TAG };
    return epoll_ctl(b->epoll_fd, EPOLL_CTL_ADD, u->watch_fd, &event) == 0;
}

static void epoll_close(struct udp *u)
{
    struct epoll_backend *b = u->backend;
    if (b == NULL)
        return;
    if (b->memory != NULL && b->memory != MAP_FAILED)
        munmap(b->memory, (size_t)RECEIVE_BUFFERS * UDP_RECEIVE_BYTES);
    if (b->epoll_fd >= 0)
        close(b->epoll_fd);
    free(b);
}

static int wait_events(struct epoll_backend *b, struct epoll_event *events, int count, usec timeout)
{
    if (!b->no_pwait2) {
        struct timespec ts = { .tv_sec = (time_t)(timeout / USEC_PER_SEC),
                               .tv_nsec = (long)(timeout % USEC_PER_SEC) * 1000 };
        int n = epoll_pwait2(b->epoll_fd, events, count, &ts, NULL);
        if (n >= 0 || (errno != ENOSYS && errno != EPERM))
            return n;
        b->no_pwait2 = true;
    }
    return epoll_wait(b->epoll_fd, events, count, (int)((timeout + 999) / 1000));
}

static void receive_socket(struct udp *u, struct epoll_backend *b, size_t socket)
{
    while (b->ready[socket] && b->taken < RECEIVE_BUFFERS) {
        size_t count = MIN((size_t)RECEIVE_BATCH, RECEIVE_BUFFERS - b->taken);
        for (size_t i = b->taken; i < b->taken + count; i++) {
            struct receive_slot *s = &b->slots[i];
            s->iov = (struct iovec){ b->memory + i * UDP_RECEIVE_BYTES, UDP_RECEIVE_BYTES };
            b->messages[i].msg_hdr = (struct msghdr){ .msg_name = &s->name,
                                                      .msg_namelen = sizeof s->name,
                                                      .msg_iov = &s->iov,
                                                      .msg_iovlen = 1,
                                                      .msg_control = s->control,
                                                      .msg_controllen = sizeof s->control };
            b->socket_of[i] = socket;
        }
        int n = recvmmsg(u->sockets[socket].fd, &b->messages[b->taken], (unsigned)count,
                         MSG_DONTWAIT, NULL);
        if (n <= 0) {
            b->ready[socket] = n < 0 && errno == EINTR;
            return;
        }
        b->taken += (size_t)n;
        b->ready[socket] = (size_t)n == count;
    }
}

static void epoll_wait_pass(struct udp *u, usec deadline)
{
    struct epoll_backend *b = u->backend;
    if (b->handed < b->taken || u->received.at < u->received.len)
        return; /* the pass before left some */
    struct epoll_event events[EVENTS];
    usec left = deadline - clock_now();
    int n = wait_events(b, events, EVENTS, MAX(0, MIN(left, SECONDS(60))));
    for (int i = 0; i < n; i++) {
        if (events[i].data.u32 == WAKE_TAG)
            udp_wake_clear(u);
        else if (events[i].data.u32 == WATCH_TAG)
            u->is_watch_ready = true;
        else
            b->ready[events[i].data.u32] = true;
    }
    b->first++; /* a busy socket must not starve the others of buffers */
    for (size_t i = 0; i < u->socket_count; i++)
        receive_socket(u, b, (b->first + i) % u->socket_count);
}

static bool epoll_next_buffer(struct udp *u)
{
    struct epoll_backend *b = u->backend;
    while (b->handed < b->taken) {
        size_t i = b->handed++;
        if (udp_received_fill(u, b->socket_of[i], &b->messages[i].msg_hdr,
                              b->memory + i * UDP_RECEIVE_BYTES, b->messages[i].msg_len,
                              &u->received))
            return true;
    }
    return false;
}

static void epoll_pass_end(struct udp *u)
{
    struct epoll_backend *b = u->backend;
    if (b->handed == b->taken && u->received.at >= u->received.len)
        b->taken = b->handed = 0; /* else those that are left come first in the next pass */
}

/* Sends headers [0, count), all of one socket. */
static void flush(struct udp *u, struct epoll_backend *b, size_t count)
{
    for (size_t at = 0; at < count;) {
        int n = sendmmsg(u->sockets[b->headers[0].socket].fd, &b->sends[at], (unsigned)(count - at),
                         MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        int error = n < 0 ? errno : 0;
        for (int i = 0; i < n; i++)
            udp_on_sent(u, &b->headers[at++], 0);
        if (n <= 0)
            udp_on_sent(u, &b->headers[at++], error);
    }
}

static void epoll_send(struct udp *u, struct udp_outbox *o)
{
    struct epoll_backend *b = u->backend;
    size_t count = 0;
    for (size_t i = 0; i < o->box.send_count; i++) {
        const struct outbox_send *s = &o->box.sends[i];
        size_t offset = 0, len, segment_len;
        if (!udp_is_for_us(s))
            continue;
        while (udp_piece_next(u, s, &offset, &len, &segment_len)) {
            struct udp_header *h = &b->headers[count];
            if (!udp_header_fill(u, h, &o->box, s, offset - len, len, segment_len)) {
                udp_on_unroutable(u, len, segment_len);
                continue;
            }
            if (count > 0 && h->socket != b->headers[0].socket) {
                flush(u, b, count);
                count = 0;
                (void)udp_header_fill(u, &b->headers[0], &o->box, s, offset - len, len,
                                      segment_len);
            }
            b->sends[count] = (struct mmsghdr){ .msg_hdr = b->headers[count].msg };
            if (++count == SEND_BATCH) {
                flush(u, b, count);
                count = 0;
            }
        }
    }
    flush(u, b, count);
}

static void epoll_reap(struct udp *u)
{
    (void)u;
    const bool is_send_complete_when_it_returns = false;
    check(is_send_complete_when_it_returns);
}

const struct udp_ops udp_epoll_ops = {
    .open = epoll_open,
    .watch = epoll_watch,
    .close = epoll_close,
    .wait = epoll_wait_pass,
    .next_buffer = epoll_next_buffer,
    .pass_end = epoll_pass_end,
    .send = epoll_send,
    .reap = epoll_reap,
};
