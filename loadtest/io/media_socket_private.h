/* media_socket_private.h - what media_socket.c and media_send.c share.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_IO_MEDIA_SOCKET_PRIVATE_H
#define LOADTEST_IO_MEDIA_SOCKET_PRIVATE_H

#include "common/list.h"
#include "io/media_socket.h"

#include <netinet/in.h>
#include <sys/socket.h>

enum {
    MEDIA_BATCH = 32,      /* buffers of one recvmmsg(), all sockets in turn */
    MEDIA_SEND_BATCH = 32, /* sends of one sendmmsg() */
    MEDIA_SEGMENTS_MAX = 64,
    MEDIA_SEGMENTS_BYTES_MAX = 65000,
    MEDIA_GSO_REFUSED_RUN = 8, /* so many refusals without a success between: stop asking */
};

struct media_endpoint {
    struct media_socket *socket;
    int fd; /* -1: closed */
    bool has_failed;
    uint32_t drops_seen;
};

struct media_socket {
    struct list_link link;
    struct media_sockets *set;
    void *owner;
    unsigned leg;
    struct net_addr local; /* what the socket of its family is bound to; NET_NONE: any */
    struct media_endpoint endpoints[2]; /* IPv4, IPv6 */
};

struct media_slot {
    struct sockaddr_in6 name; /* or sockaddr_in */
    struct iovec iov;
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(uint32_t)) +
                                          CMSG_SPACE(2 * sizeof(int64_t))];
};

/* What sendmsg() needs to know of one send: a datagram, or a run of equal ones. */
struct media_header {
    struct sockaddr_in6 name;
    struct iovec iov[MEDIA_SEGMENTS_MAX];
    size_t count; /* datagrams */
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(uint16_t))];
};

struct media_sockets {
    uv_poll_t poll;
    /* given */
    void (*on_datagram)(void *data, const struct media_arrival *arrival);
    void (*on_pass)(void *data, usec now);
    void *data;
    struct net_addr source;
    int receive_buffer;
    bool gro, gso;
    /* owned */
    int epoll_fd, timer_fd;
    struct list sockets, closed;
    uint8_t *memory; /* MEDIA_BATCH * slot_bytes */
    size_t slot_bytes;
    struct media_slot slots[MEDIA_BATCH];
    struct mmsghdr messages[MEDIA_BATCH];
    struct media_header headers[MEDIA_SEND_BATCH];
    struct mmsghdr sends[MEDIA_SEND_BATCH];
    /* state */
    bool is_in_pass, is_closing;
    usec wake_at, armed_at; /* armed_at: what the timer is set to */
    usec now;
    wall_usec wall_minus_now;
    unsigned gso_refused_run;
    struct media_counters counters;
};

socklen_t media_sockaddr_write(const struct net_addr *a, struct sockaddr_in6 *ret);
/* False: there is no socket of that family, and cannot be. */
bool media_socket_ensure(struct media_socket *m, enum net_family family);

#endif
