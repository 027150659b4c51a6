/* See media_socket.h: sending, in runs and batches.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "io/media_socket_private.h"

#include <errno.h>
#include <netinet/udp.h>

static void put_segment_size(struct media_header *h, struct msghdr *msg, size_t segment)
{
    uint16_t size = (uint16_t)segment;
    struct cmsghdr c = { .cmsg_level = SOL_UDP,
                         .cmsg_type = UDP_SEGMENT,
                         .cmsg_len = CMSG_LEN(sizeof size) };
    memset(h->control, 0, sizeof h->control);
    memcpy(h->control, &c, sizeof c);
    memcpy(h->control + CMSG_LEN(0), &size, sizeof size);
    msg->msg_control = h->control;
    msg->msg_controllen = sizeof h->control;
}

/* How many of the sends go out as one: equal lengths, the last may be shorter. */
static size_t run_of(const struct media_sockets *s, const struct media_send *sends, size_t count)
{
    size_t n = 1, bytes = sends[0].len;
    while (s->gso && n < count && n < MEDIA_SEGMENTS_MAX && sends[n - 1].len == sends[0].len &&
           sends[n].len > 0 && sends[n].len <= sends[0].len &&
           bytes + sends[n].len <= MEDIA_SEGMENTS_BYTES_MAX &&
           net_addr_equal(&sends[n].to, &sends[0].to))
        bytes += sends[n++].len;
    return n;
}

static void fill(struct media_sockets *s, size_t index, const struct media_send *sends,
                 size_t count)
{
    struct media_header *h = &s->headers[index];
    struct msghdr *msg = &s->sends[index].msg_hdr;
    *msg = (struct msghdr){ .msg_name = &h->name,
                            .msg_namelen = media_sockaddr_write(&sends[0].to, &h->name),
                            .msg_iov = h->iov,
                            .msg_iovlen = count };
    h->count = count;
    for (size_t i = 0; i < count; i++)
        h->iov[i] =
            (struct iovec){ .iov_base = (void *)(uintptr_t)sends[i].data, .iov_len = sends[i].len };
    if (count > 1)
        put_segment_size(h, msg, sends[0].len);
}

static void on_sent(struct media_sockets *s, const struct media_header *h)
{
    s->counters.datagrams_out += h->count;
    for (size_t i = 0; i < h->count; i++)
        s->counters.bytes_out += h->iov[i].iov_len;
    if (h->count > 1)
        s->gso_refused_run = 0;
}

static void count_failure(struct media_sockets *s, int error, size_t datagrams)
{
    if (error == EAGAIN || error == ENOBUFS)
        s->counters.send_full += datagrams;
    else
        s->counters.send_failed += datagrams;
}

/* One datagram of a run, alone. */
static void send_alone(struct media_sockets *s, int fd, const struct media_header *h, size_t index)
{
    struct iovec iov = h->iov[index];
    ssize_t n = -1;
    for (int tries = 0; tries < 2 && n < 0; tries++) { /* an ICMP error is told once, then gone */
        n = sendto(fd, iov.iov_base, iov.iov_len, MSG_DONTWAIT | MSG_NOSIGNAL,
                   (const struct sockaddr *)&h->name, sizeof h->name);
        s->counters.send_calls++;
        if (n >= 0 || errno != ECONNREFUSED)
            break;
        s->counters.refused++;
    }
    if (n < 0) {
        count_failure(s, errno, 1);
    } else {
        s->counters.datagrams_out++;
        s->counters.bytes_out += iov.iov_len;
    }
}

static void on_failed(struct media_sockets *s, int fd, const struct media_header *h, int error)
{
    bool is_gso_refused = h->count > 1 && (error == EIO || error == EINVAL || error == EMSGSIZE);
    if (error == EAGAIN || error == ENOBUFS || (!is_gso_refused && error != ECONNREFUSED)) {
        count_failure(s, error, h->count);
        return;
    }
    if (is_gso_refused && ++s->gso_refused_run >= MEDIA_GSO_REFUSED_RUN)
        s->gso = false;
    s->counters.refused += error == ECONNREFUSED;
    for (size_t i = 0; i < h->count; i++)
        send_alone(s, fd, h, i);
}

static void flush(struct media_sockets *s, int fd, size_t count)
{
    for (size_t at = 0; at < count;) {
        int n = sendmmsg(fd, &s->sends[at], (unsigned)(count - at), MSG_DONTWAIT | MSG_NOSIGNAL);
        int error = errno;
        s->counters.send_calls++;
        for (int i = 0; i < n; i++)
            on_sent(s, &s->headers[at++]);
        if (n <= 0)
            on_failed(s, fd, &s->headers[at++], error);
    }
}

void media_socket_send(struct media_socket *m, const struct media_send *sends, size_t count)
{
    struct media_sockets *s = m->set;
    size_t pending = 0;
    int fd = -1;
    for (size_t at = 0, run; at < count; at += run) {
        enum net_family family = (enum net_family)sends[at].to.family;
        run = run_of(s, sends + at, count - at);
        if (family == NET_NONE || !media_socket_ensure(m, family)) {
            s->counters.send_failed += run;
            continue;
        }
        int next = m->endpoints[family == NET_IPV6].fd;
        if (pending == MEDIA_SEND_BATCH || (pending > 0 && next != fd)) {
            flush(s, fd, pending);
            pending = 0;
        }
        fd = next;
        fill(s, pending++, sends + at, run);
    }
    if (pending > 0)
        flush(s, fd, pending);
}
