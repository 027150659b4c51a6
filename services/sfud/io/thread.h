/* thread.h - one media thread: a worker, its sockets, and the loop that joins them.
 *
 * The thread opens everything itself, so that its memory is near its core and the ring is its own;
 * thread_start() waits for that. After it control talks to the thread through the inbox only, and
 * reads counters.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SFUD_IO_THREAD_H
#define SFUD_IO_THREAD_H

#include "common/os/metrics.h"
#include "core/worker.h"
#include "io/association_thread.h"
#include "io/inbox.h"
#include "io/tcp.h"
#include "io/udp.h"

/* Observed by the media thread; each worker has its own series, so nothing is contended. */
struct thread_histograms {
    struct metric_histogram *pass_seconds;    /* awake, from arrival of the first to the end */
    struct metric_histogram *forward_seconds; /* per datagram: arrival in the kernel to the last
                                               * send of its pass */
    struct metric_histogram *window_seconds;  /* what passes waited for the rest of a frame */
};

struct thread_config {
    unsigned index; /* the name sfud-w<index> */
    int cpu;        /* to pin to, or -1 */
    enum udp_backend backend;
    const struct net_addr *listen; /* port included; borrowed during thread_start() */
    size_t listen_count;
    bool gso;
    usec window;                           /* see core/window.h */
    bool tcp;                              /* ICE-TCP too, at the ports of the UDP sockets */
    struct worker_config worker;           /* wall_minus_now is filled in by the thread */
    struct association_link *associations; /* this worker's; borrowed */
    struct thread_histograms histograms;
    uv_async_t *notify;                      /* for events; borrowed */
    void (*free_command)(struct command *c); /* of those left over at the end; NULL: free() */
};

struct media_thread;

/* ERR_SYSTEM and the reason. *ret is freed by thread_stop(). */
MUST_USE enum err thread_start(const struct thread_config *config, struct media_thread **ret,
                               struct udp_failure *ret_failure);
/* Executes the commands posted before, says goodbye (DTLS close_notify) to every participant that
 * is left (the association thread must still run), ends the loop, joins and frees, the commands
 * too. NULL is fine. */
void thread_stop(struct media_thread *t);

/* Control thread. */
struct inbox *thread_inbox(struct media_thread *t);
/* The addresses it is bound to. */
size_t thread_bound(const struct media_thread *t, struct net_addr ret[UDP_SOCKETS_MAX]);
/* The same of ICE-TCP; none if it is off. */
size_t thread_tcp_bound(const struct media_thread *t, struct net_addr ret[UDP_SOCKETS_MAX]);
const struct worker_stats *thread_worker_stats(const struct media_thread *t);
const struct udp_counters *thread_udp_counters(const struct media_thread *t);
/* NULL if it is off. */
const struct tcp_counters *thread_tcp_counters(const struct media_thread *t);
/* Share of the time since the last call that the thread was on a CPU, 0..1. */
double thread_load(struct media_thread *t, usec now);
/* CPU seconds since its start. */
double thread_cpu_seconds(const struct media_thread *t);

#endif
