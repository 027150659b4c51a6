/* studio.h - a thread with the cameras of all rooms, each frame at its time.
 *
 * Camera i of n starts i / n of a frame time after the first, so that rooms do not beat together;
 * the packets of a frame leave back to back, each as one datagram. A keyframe comes when asked for.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_BENCH_STUDIO_H
#define TESTS_BENCH_STUDIO_H

#include "camera.h"

#include "rtc/net_addr.h"

#include <stdatomic.h>

struct studio_config {
    struct camera *cameras; /* borrowed, initialised */
    const int *sockets;     /* of each camera, connected to the forwarder; borrowed */
    size_t count;
    double speed; /* 1: real time; 2: frames come twice as often */
    /* Packets that the forwarder has taken: instead of keeping time, so many are sent that it is
     * never short of them. NULL: time is kept. */
    const _Atomic uint64_t *taken;
    int cpu; /* to pin to, or -1 */
};

/* Written by the thread, read by any. */
struct studio_counters {
    _Atomic uint64_t frames, packets;
    _Atomic uint64_t failed; /* packets the kernel did not take */
    _Atomic int64_t late_us; /* the largest: how late a frame left */
};

struct studio;

/* NULL without memory or thread. */
struct studio *studio_start(const struct studio_config *config);
const struct studio_counters *studio_counters(const struct studio *s);
/* CPU seconds of the thread. */
double studio_cpu_seconds(const struct studio *s);
void studio_stop(struct studio *s);

/* A UDP socket connected to `to`, from any port; -1 and errno. */
int studio_socket(const struct net_addr *to);

#endif
