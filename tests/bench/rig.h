/* rig.h - what the loops that sfud is held against have in common: one publisher's packets come in
 * at a socket, a thread forwards each to every viewer, its CPU time is taken.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_BENCH_RIG_H
#define TESTS_BENCH_RIG_H

#include "bench.h"
#include "keys.h"

#include <netinet/in.h>

struct rig {
    const struct bench_options *options;
    enum seal_profile profile; /* of the publisher's packets */
    int socket;                /* where they come; receives wake up every 100 ms */
    struct net_addr address;   /* of it */
    struct dtls_keys keys;     /* of the publisher */
    _Atomic bool is_stopping;
    /* written by the loop, read by any */
    _Atomic uint64_t packets_in, forwarded, sends, failed;
    _Atomic uint64_t arrived; /* with viewers that are sockets: what they took */
};

/* The loop's own state: made and freed by rig_run(), on the thread that runs it. */
struct rig_loop {
    const char *what;
    size_t state_size;
    bool (*open)(struct rig *r, void *state); /* false: said why; close follows */
    void (*turn)(struct rig *r, void *state); /* receives once, forwards */
    void (*close)(struct rig *r, void *state);
};

/* Warms up, measures, reports; NULL when it has said why. */
json_t *rig_run(struct rig *r, const struct rig_loop *loop);

/* Viewer i's address, and the keys it has in common with us. */
struct sockaddr_in rig_viewer_address(size_t i);
void rig_viewer_keys(size_t i, enum seal_profile profile, struct dtls_keys *ret);

static inline void rig_count(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

#endif
