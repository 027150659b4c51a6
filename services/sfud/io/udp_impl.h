/* udp_impl.h - what the two backends of udp.h share: sockets, control messages, GSO pieces.
 *
 * Included by udp.c, ring.c and epoll.c only.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SFUD_IO_UDP_IMPL_H
#define SFUD_IO_UDP_IMPL_H

#include "io/udp.h"

#include <netinet/in.h>
#include <sys/socket.h>

struct udp_socket {
    int fd;
    struct net_addr bound;
    bool is_wildcard; /* answers name their source address */
    uint32_t rx_overflow_seen;
};

struct udp_path {
    uint16_t socket;
    struct net_addr local; /* family NET_NONE: the kernel chooses */
};

/* One received buffer, merged or not, being handed out segment by segment. */
struct udp_received {
    uint8_t *data;
    size_t len;
    size_t at;
    size_t segment_len;
    struct net_addr from;
    uint16_t path;
    usec arrival;
};

/* Everything sendmsg() needs to know, in one place so that it lives as long as the send. */
struct udp_header {
    struct msghdr msg;
    struct iovec iov;
    struct sockaddr_in6 name; /* or sockaddr_in */
    uint16_t segment_len;     /* 0: one datagram */
    uint16_t socket;
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct in6_pktinfo)) +
                                          CMSG_SPACE(sizeof(uint16_t))];
};

/* Control messages of one receive: GRO size, destination address, overflow count, timestamp. */
#define UDP_CONTROL_BYTES                                                                          \
    (CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(struct in6_pktinfo)) +                            \
     CMSG_SPACE(sizeof(uint32_t)) + CMSG_SPACE(2 * sizeof(int64_t)))

struct udp_outbox {
    struct outbox box; /* first: udp_send() is given this */
    struct outbox_send sends[UDP_OUTBOX_SENDS];
    size_t sends_pending;
    uint8_t *scratch;
};

struct udp;

struct udp_ops {
    enum err (*open)(struct udp *u, struct udp_failure *ret_failure);
    bool (*watch)(struct udp *u); /* u->watch_fd was set */
    void (*close)(struct udp *u);
    void (*wait)(struct udp *u, usec deadline);
    bool (*next_buffer)(struct udp *u); /* fills u->received */
    void (*pass_end)(struct udp *u);
    void (*send)(struct udp *u, struct udp_outbox *o);
    void (*reap)(struct udp *u); /* until one more send has completed */
};

struct udp {
    const struct udp_ops *ops;
    struct udp_socket sockets[UDP_SOCKETS_MAX];
    size_t socket_count;
    int wake_fd;
    int watch_fd; /* -1: none */
    bool is_watch_ready;
    bool gso, gro;
    unsigned gso_refused_run;
    struct udp_path paths[UDP_PATHS_MAX];
    size_t path_count;
    struct udp_outbox *outboxes; /* UDP_OUTBOXES */
    struct udp_received received;
    usec now; /* of the last wait; arrivals are never after it */
    wall_usec wall_minus_now;
    struct udp_counters counters;
    void *backend;
};

extern const struct udp_ops udp_ring_ops;
extern const struct udp_ops udp_epoll_ops;

static inline void udp_count(_Atomic uint64_t *counter, uint64_t n)
{
    uint64_t v = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, v + n, memory_order_relaxed);
}

/* Reads address and control messages of what socket `s` received. False: nothing usable. */
bool udp_received_fill(struct udp *u, size_t socket, struct msghdr *msg, uint8_t *data, size_t len,
                       struct udp_received *ret);

/* Whether a send is ours at all. */
static inline bool udp_is_for_us(const struct outbox_send *s)
{
    return s->to.protocol == NET_UDP;
}

/* The next piece of a send: as many segments as one call takes. `offset` starts at 0; false at the
 * end. */
bool udp_piece_next(const struct udp *u, const struct outbox_send *s, size_t *offset,
                    size_t *ret_len, size_t *ret_segment_len);
/* False: no socket for that destination. */
bool udp_header_fill(struct udp *u, struct udp_header *h, const struct outbox *o,
                     const struct outbox_send *s, size_t offset, size_t len, size_t segment_len);
/* What became of a send: error 0 or an errno. A refused GSO send is repeated in pieces at once. */
void udp_on_sent(struct udp *u, const struct udp_header *h, int error);
/* A destination that has no socket: its datagrams are counted. */
void udp_on_unroutable(struct udp *u, size_t len, size_t segment_len);
/* Reads the eventfd empty. */
void udp_wake_clear(struct udp *u);

#endif
