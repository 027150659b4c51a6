/* stage.h - one media thread of sfud, as in production, with rooms of one publisher and N viewers.
 *
 * Signaling, Redis and handshakes are left out: commands are made here from a browser's offer, keys
 * by keys.h. Everything else (sockets, ICE checks, consent, SRTP) is as it comes from a network.
 * The viewers are addresses behind a device that drops; the publishers' sockets are real.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_BENCH_STAGE_H
#define TESTS_BENCH_STAGE_H

#include "camera.h"
#include "latency.h"

#include "io/thread.h"

struct stage_config {
    const char *offer;      /* a browser's, SDP text */
    struct net_addr listen; /* an address of our own, port 0 */
    size_t rooms, viewers;  /* viewers of each room */
    size_t participants; /* room for so many at least; more than come, where memory is compared */
    enum udp_backend backend;
    enum seal_profile profile;
    enum seal_choice seal;
    bool no_gso, no_bandwidth_control, no_window;
    int cpu; /* of the media thread, or -1 */
    const struct trace *trace;
};

struct stage {
    struct stage_config config;
    struct seal_engine *engine; /* of the media thread; the cameras have OpenSSL */
    struct media_thread *thread;
    struct net_addr address; /* where it listens */
    struct camera *cameras;  /* one for each room */
    int *sockets;            /* of the cameras */
    struct latency latency;
    uv_loop_t loop;
    uv_async_t notify;
    struct person *people; /* the publishers, then the viewers, room by room */
    size_t person_count;
    size_t check_next; /* whose consent is renewed next … */
    double checks_owed;
    usec checked_at; /* … and when that was last thought of */
    int spoof_fd;
};

/* Until everybody is connected and looks at their publisher. False: why was said on stderr. */
MUST_USE bool stage_open(struct stage *s, const struct stage_config *config);
void stage_close(struct stage *s);
/* Renews consents and sleeps, until `end`. */
void stage_run_until(struct stage *s, usec end);

#endif
