/* media_socket.h - the UDP sockets of a thread's bots: one for each leg of each bot.
 *
 * All sockets are in one epoll instance, which is one handle of the loop, together with a timer of
 * microseconds. Datagrams are taken in batches, and not more than MEDIA_PASS_MAX before timers and
 * other handles of the loop have their turn.
 *
 * An arrival carries two times of the monotonic clock. `arrival` is when the kernel took the
 * datagram from the network (SO_TIMESTAMPNS), so that a latency does not include how long this
 * thread was busy with something else; `now` is when the thread got to it. The wall clock of the
 * kernel's stamp is converted with the difference of both clocks read once per pass.
 *
 * Thread: belongs to the loop's thread.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_IO_MEDIA_SOCKET_H
#define LOADTEST_IO_MEDIA_SOCKET_H

#include "rtc/net_addr.h"

#include <uv.h>

enum {
    MEDIA_PASS_MAX = 512,           /* datagrams (or merged runs of them) per wake-up */
    MEDIA_RECEIVE_BUFFER = 1 << 20, /* SO_RCVBUF if not told; the kernel caps it at rmem_max */
    MEDIA_DATAGRAM_MAX = 2048,      /* without GRO; longer ones are counted and dropped */
};

struct media_sockets; /* of a thread */
struct media_socket;

struct media_arrival {
    void *owner;
    unsigned leg;
    struct net_addr from;
    uint8_t *data; /* may be modified; valid during the call */
    size_t len;
    usec arrival, now; /* arrival <= now */
};

struct media_counters {
    uint64_t datagrams_in, bytes_in;
    uint64_t datagrams_out, bytes_out;
    uint64_t receive_calls, send_calls; /* into the kernel */
    uint64_t drops;       /* SO_RXQ_OVFL: arrived, but our socket's buffer was full. Our fault. */
    uint64_t truncated;   /* longer than fits */
    uint64_t send_full;   /* not sent: EAGAIN, ENOBUFS. Our fault. */
    uint64_t send_failed; /* not sent: unreachable, too long, no socket of the family */
    uint64_t refused;     /* ICMP said that nobody listens there */
};

struct media_config {
    uv_loop_t *loop;
    void (*on_datagram)(void *data, const struct media_arrival *arrival);
    /* At or after the time of media_wake_at(), and after every pass. */
    void (*on_pass)(void *data, usec now);
    void *data;
    const char *source; /* numeric IP to bind to; NULL: any */
    int receive_buffer; /* bytes; 0: MEDIA_RECEIVE_BUFFER */
    bool gro, gso;      /* UDP_GRO on receive, UDP_SEGMENT on send */
};

/* ERR_SYSTEM (errno), ERR_MALFORMED: source. */
MUST_USE enum err media_sockets_new(const struct media_config *config, struct media_sockets **ret);
/* Closes all sockets; then turn the loop until it has no handles left, and free. */
void media_sockets_close(struct media_sockets *s);
void media_sockets_free(struct media_sockets *s);

/* A socket on a free port, of IPv4 (and IPv6 when first needed: a second descriptor). NULL: no more
 * descriptors (errno). Not to be called from on_datagram of another set. */
struct media_socket *media_socket_open(struct media_sockets *s, void *owner, unsigned leg);
/* The same at an address of one's own; port 0: a free one. */
struct media_socket *media_socket_open_at(struct media_sockets *s, void *owner, unsigned leg,
                                          const struct net_addr *local);
/* May be called from on_datagram. NULL is fine. */
void media_socket_close(struct media_socket *m);
/* 0: not opened for that family (4 or 6). */
uint16_t media_socket_port(const struct media_socket *m, enum net_family family);

struct media_send {
    const uint8_t *data;
    size_t len;
    struct net_addr to;
};
/* Sends all of them, in order: runs of equal length (the last may be shorter) to one address as one
 * UDP_SEGMENT send, the rest in one sendmmsg(). Never waits: what the kernel does not take is
 * counted. */
void media_socket_send(struct media_socket *m, const struct media_send *sends, size_t count);

/* Calls on_pass at `at` (USEC_NEVER: not until something arrives). Replaces the time before. */
void media_wake_at(struct media_sockets *s, usec at);

const struct media_counters *media_counters(const struct media_sockets *s);

#endif
