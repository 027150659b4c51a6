/* tcp.h - ICE-TCP of one media thread: passive candidates (RFC 6544) for participants whose network
 * lets no UDP through, framed by RFC 4571.
 *
 * Not the fast path, and never in its way: an epoll descriptor of its own, which the UDP backends
 * watch as one more descriptor; every turn is bounded; nothing waits for a peer. A connection is a
 * `path` from UDP_PATHS_MAX up, with the remote address (protocol NET_TCP) that its datagrams are
 * from. A path belongs to one connection: what is sent to one that has gone is dropped and counted,
 * also when another has taken its place. All memory is taken at start.
 *
 * A turn: tcp_begin(), tcp_next() until false, outboxes to tcp_send(), tcp_pass_end().
 *
 * Thread: everything but the counters belongs to the thread that called tcp_open().
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SFUD_IO_TCP_H
#define SFUD_IO_TCP_H

#include "io/udp.h"
#include "limits.h"

/* Why connections ended, or were never begun. */
#define TCP_ENDS(X)                                                                                \
    X(PEER, "closed")          /* by the participant */                                            \
    X(ERROR, "error")          /* reset, timed out */                                              \
    X(UNUSED, "unused")        /* no transport has its address any more */                         \
    X(FULL, "table-full")      /* TCP_CONNECTIONS_MAX */                                           \
    X(ADDRESS, "address-full") /* TCP_ADDRESS_CONNECTIONS_MAX */                                   \
    X(FRAME, "bad-frame")      /* longer than TCP_FRAME_SIZE_MAX */                                \
    X(NOT_STUN, "not-stun")    /* the first frame is no Binding request */                         \
    X(UNPROVEN, "no-check")    /* no valid check in TCP_FIRST_CHECK_TIME */                        \
    X(SYSTEM, "system")        /* no descriptor, no memory */

enum tcp_end {
#define X(id, name) TCP_END_##id,
    TCP_ENDS(X)
#undef X
        TCP_END_COUNT,
};
/* A metric label. */
const char *tcp_end_name(enum tcp_end e);

/* Written by the owning thread, read by any. */
struct tcp_counters {
    _Atomic uint64_t connections; /* open now */
    _Atomic uint64_t accepted;
    _Atomic uint64_t ended[TCP_END_COUNT];
    _Atomic uint64_t frames_in, bytes_in; /* bytes without the framing */
    _Atomic uint64_t frames_out, bytes_out;
    _Atomic uint64_t dropped_full; /* frames: the connection's buffer was full */
    _Atomic uint64_t dropped_gone; /* … the connection has ended */
};

struct tcp_config {
    const struct net_addr *listen; /* port included; borrowed during tcp_open() */
    size_t listen_count;           /* <= UDP_SOCKETS_MAX */
    bool any_port;                 /* where that port is taken, another will do */
    /* Whether some transport has validated this address; asked now and then, in tcp_begin(). */
    bool (*is_used)(void *data, const struct net_addr *remote);
    void *data;
};

struct tcp; /* tcp_close() frees it */

/* ERR_SYSTEM, and why in ret_failure. */
MUST_USE enum err tcp_open(const struct tcp_config *config, struct tcp **ret,
                           struct udp_failure *ret_failure);
/* What was sent still leaves as far as the kernel has it. NULL is fine. */
void tcp_close(struct tcp *t);

/* Readable when tcp_begin() has something to do; for udp_watch(). */
int tcp_fd(const struct tcp *t);
/* When tcp_begin() wants to be called in any case; USEC_NEVER without connections. */
usec tcp_deadline(const struct tcp *t);

/* is_ready  tcp_fd() was readable: only then is the kernel asked. */
void tcp_begin(struct tcp *t, usec now, bool is_ready);
/* The next datagram; its data lives until tcp_pass_end(). False: none, or enough for this turn. */
bool tcp_next(struct tcp *t, struct datagram *ret);
void tcp_pass_end(struct tcp *t);

/* Frames and sends what `o` has for addresses of NET_TCP, and leaves the rest. Takes nothing. */
void tcp_send(struct tcp *t, const struct outbox *o);

/* Where it listens, with the real port; index < tcp_config.listen_count. */
struct net_addr tcp_bound(const struct tcp *t, size_t index);
const struct tcp_counters *tcp_counters(const struct tcp *t);
/* Bytes tcp_open() reserves. Most of it is touched only as it is used. */
size_t tcp_memory(void);

#endif
