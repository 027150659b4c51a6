/* udp.h - the sockets of one media thread, over one of two backends: io_uring or epoll.
 *
 * A thread works in passes: udp_wait() sleeps until something has arrived, the wake descriptor is
 * readable or the deadline is reached; udp_next() hands over what has arrived; outboxes are filled
 * and given to udp_send(); udp_pass_end() takes the receive memory back. Nothing here waits for a
 * peer or for the send queue: what the kernel does not take at once is a counted drop.
 *
 * Several datagrams of equal size to one destination leave as one send (UDP_SEGMENT), and what the
 * kernel has merged on receive (UDP_GRO) is split again before it is handed over. A datagram's
 * `path` says which socket and local address it came by, so that answers leave from there. Sends to
 * addresses that are not of UDP (io/tcp.h) are passed over.
 *
 * Thread: everything but the counters belongs to the thread that called udp_open().
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SFUD_IO_UDP_H
#define SFUD_IO_UDP_H

#include "core/datagram.h"
#include "core/outbox.h"

#include <stdatomic.h>

enum {
    UDP_SOCKETS_MAX = 4,           /* IPv4 and IPv6 */
    UDP_SEGMENTS_MAX = 64,         /* what every kernel with UDP_SEGMENT takes in one send */
    UDP_PAYLOAD_MAX = 65000,       /* of one send, all segments: below 65507 with room for v6 */
    UDP_RECEIVE_BYTES = 65536,     /* one receive buffer: a whole merged datagram */
    UDP_SOCKET_BUFFER = 4 << 20,   /* SO_RCVBUF, SO_SNDBUF: 30 ms of 1 Gbit/s */
    UDP_OUTBOXES = 4,              /* one being filled, three on their way */
    UDP_OUTBOX_BYTES = 256 * 1024, /* fits the L2 cache with room to spare */
    UDP_OUTBOX_SENDS = 512,
    UDP_PATHS_MAX = 64,      /* local addresses seen; more share one without a source address */
    UDP_GSO_REFUSED_RUN = 8, /* so many refusals without a success between: stop asking */
    UDP_SEGMENT_BUCKETS = 7, /* segments per send: 1, 2, 4, 8, 16, 32, 64 */
};

/* Written by the owning thread, read by any. */
struct udp_counters {
    _Atomic uint64_t datagrams_in, bytes_in;
    _Atomic uint64_t datagrams_out, bytes_out;
    _Atomic uint64_t sends;                         /* calls into the stack */
    _Atomic uint64_t segments[UDP_SEGMENT_BUCKETS]; /* sends by segment count, upper bounds above */
    _Atomic uint64_t send_again;                    /* datagrams dropped: the send queue was full */
    _Atomic uint64_t send_failed; /* datagrams dropped: unreachable, too long, … */
    _Atomic uint64_t truncated;   /* arrived datagrams that did not fit */
    _Atomic uint64_t rx_overflow; /* dropped by the kernel before we saw them */
    _Atomic uint64_t gso_refused; /* sends that had to be repeated in pieces */
    _Atomic uint64_t gso_off;     /* 1 when UDP_SEGMENT is no longer tried */
    _Atomic uint64_t gso_error;   /* the errno that ended it; 0: none did */
};

struct udp_config {
    const struct net_addr *listen; /* borrowed during udp_open() */
    size_t listen_count;           /* <= UDP_SOCKETS_MAX */
    int wake_fd;                   /* eventfd, non-blocking; borrowed for the life of the udp */
    bool gso;                      /* try UDP_SEGMENT */
    bool gro;                      /* ask for UDP_GRO */
};

struct udp; /* udp_close() frees it */

enum udp_backend { UDP_URING, UDP_EPOLL };
const char *udp_backend_name(enum udp_backend b);

/* What went wrong where: "io_uring_setup: Operation not permitted". */
struct udp_failure {
    char text[160];
};

/* Both return ERR_SYSTEM: "what: strerror(error)", and a text of one's own. */
enum err udp_fail(struct udp_failure *ret_failure, const char *what, int error);
enum err udp_fail_text(struct udp_failure *ret_failure, const char *text);

/* Opens and binds the sockets and sets up the backend. ERR_SYSTEM, and why in ret_failure. */
MUST_USE enum err udp_open(enum udp_backend backend, const struct udp_config *config,
                           struct udp **ret, struct udp_failure *ret_failure);
void udp_close(struct udp *u);

/* One more descriptor that ends udp_wait() while it is readable, for another kind of transport.
 * Once; `fd` is borrowed for the life of the udp. False: the system does not allow it. */
MUST_USE bool udp_watch(struct udp *u, int fd);
/* It was readable in the last udp_wait(). */
bool udp_watch_is_ready(const struct udp *u);

/* Sleeps until a datagram has arrived, wake_fd is readable, or `deadline` on the monotonic clock;
 * at once if it is past or something is left from the pass before. Takes what has arrived, up to
 * the receive buffers there are, and reads wake_fd empty. May return early with nothing. May be
 * called again in the same pass, for more. */
void udp_wait(struct udp *u, usec deadline);
/* The next datagram taken. Its data lives until udp_pass_end(). False when there is none. */
bool udp_next(struct udp *u, struct datagram *ret);
/* The data of all datagrams handed over may be overwritten from now on. */
void udp_pass_end(struct udp *u);

/* An empty outbox that nobody reads from. Never NULL: if all are on their way, takes completions.
 */
struct outbox *udp_outbox(struct udp *u);
/* Sends and takes `o`, which belongs to the kernel until every send of it has completed. */
void udp_send(struct udp *u, struct outbox *o);

/* Where the sockets are bound, with the real port; index < udp_config.listen_count. */
struct net_addr udp_bound(const struct udp *u, size_t index);
/* The socket of a family, as a path without a particular source address. */
bool udp_path_for(const struct udp *u, enum net_family family, uint16_t *ret);
const struct udp_counters *udp_counters(const struct udp *u);

#endif
