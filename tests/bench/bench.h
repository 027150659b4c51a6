/* bench.h - what conclave-bench runs: one forwarder, once, and its figures as JSON.
 *
 * Who runs it (tools/bench.py) makes the network namespace, alternates the forwarders, and
 * compares.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_BENCH_BENCH_H
#define TESTS_BENCH_BENCH_H

#include "stage.h"

#include <jansson.h>

struct bench_options {
    struct stage_config stage;
    double warm_up, seconds; /* before, and measured */
    double speed;            /* of publishers; 1: real time. The loops get all they take … */
    bool loopback;      /* … but naive with this: in time, to viewers that are sockets here */
    double fan_out;     /* naive: viewers that get each packet, on average; 0: all of them */
    double burst;       /* bare: packets of one send, on average; 0: a whole frame */
    const char *device; /* that drops what viewers are sent */
    int cpu_others;     /* of everything but the forwarder, or -1 */
};

static inline void bench_put(json_t *o, const char *key, double value)
{
    json_object_set_new(o, key, json_real(value));
}

static inline void bench_count(json_t *o, const char *key, uint64_t before, uint64_t after)
{
    json_object_set_new(o, key, json_integer((json_int_t)(after - before)));
}

/* How much of the time that it could have had a thread took; waited: for others on its core. */
static inline void bench_put_load(json_t *o, double wall_s, double cpu_s, double waited_s)
{
    bench_put(o, "wall_s", wall_s);
    bench_put(o, "cpu_s", cpu_s);
    bench_put(o, "load", cpu_s / wall_s);
    bench_put(o, "busy", cpu_s / MAX(wall_s - waited_s, cpu_s));
}

/* What every forwarder is judged by. */
static inline void bench_judge(json_t *o, double cpu_s, uint64_t forwarded, uint64_t datagrams,
                               uint64_t sends)
{
    bench_put(o, "ns_per_packet", forwarded > 0 ? cpu_s * 1e9 / (double)forwarded : 0);
    bench_put(o, "packets_per_cpu_s", cpu_s > 0 ? (double)forwarded / cpu_s : 0);
    bench_put(o, "burst_mean", sends > 0 ? (double)datagrams / (double)sends : 0);
}

/* Each returns a new object, or NULL when it has said what went wrong. */
json_t *bench_sfud(const struct bench_options *o);
/* Debian's libsrtp2, AES_CM_128_HMAC_SHA1_80 with a key for each viewer, one sendto() per packet.
 */
json_t *bench_naive(const struct bench_options *o);
/* lib/rtc/seal, one connected socket and one UDP_SEGMENT send per viewer and burst; no logic. */
json_t *bench_bare(const struct bench_options *o);
/* lib/rtc/seal alone. */
json_t *bench_seal(const struct bench_options *o);

#endif
