/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

#include "common/os/clock.h"
#include "io/sockaddr.h"
#include "keys.h"
#include "machine.h"
#include "studio.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { VIEWER_PORT = 40000, RECEIVE_BUFFER = 4 << 20, CAMERA_SSRC = 0x10000000 };

#define FORWARDER "forwarder"

struct runner {
    struct rig *rig;
    const struct rig_loop *loop;
    void *state;
    sem_t opened;
    bool is_open;
};

struct sockaddr_in rig_viewer_address(size_t i)
{
    return (struct sockaddr_in){ .sin_family = AF_INET,
                                 .sin_port = htons(VIEWER_PORT),
                                 .sin_addr.s_addr = htonl(10u << 24 | (uint32_t)(i + 2)) };
}

void rig_viewer_keys(size_t i, enum seal_profile profile, struct dtls_keys *ret)
{
    keys_of((uint32_t)i + 1, profile, ret);
}

static void *run(void *arg)
{
    struct runner *n = arg;
    machine_pin(n->rig->options->stage.cpu);
    (void)pthread_setname_np(pthread_self(), FORWARDER);
    n->is_open = n->loop->open(n->rig, n->state);
    (void)sem_post(&n->opened);
    while (n->is_open && !atomic_load_explicit(&n->rig->is_stopping, memory_order_relaxed))
        n->loop->turn(n->rig, n->state);
    n->loop->close(n->rig, n->state);
    return NULL;
}

static bool open_input(struct rig *r)
{
    struct sockaddr_in6 name;
    socklen_t len = sockaddr_write(&r->options->stage.listen, &name);
    struct timeval timeout = { .tv_usec = 100000 };
    int bytes = RECEIVE_BUFFER;
    r->socket = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool ok = r->socket >= 0 && bind(r->socket, (struct sockaddr *)&name, len) == 0;
    len = sizeof name;
    ok = ok && getsockname(r->socket, (struct sockaddr *)&name, &len) == 0 &&
         sockaddr_read((struct sockaddr *)&name, len, &r->address) &&
         setsockopt(r->socket, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout) == 0;
    if (ok && setsockopt(r->socket, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) != 0)
        (void)setsockopt(r->socket, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    if (!ok)
        fprintf(stderr, "bench: input: %s\n", strerror(errno));
    return ok;
}

static void name_extensions(struct rtp_ext_map *m)
{
    static const enum rtp_ext_kind kinds[] = { RTP_EXT_ABS_SEND_TIME, RTP_EXT_TRANSPORT_CC,
                                               RTP_EXT_MID, RTP_EXT_DEPENDENCY_DESCRIPTOR };
    for (unsigned i = 0; i < ARRAY_LEN(kinds); i++)
        check(rtp_ext_map_add(m, kinds[i], i + 2) == OK);
}

struct sample {
    usec at;
    double cpu, wait;
    uint64_t in, out, sends, failed, device, arrived, published;
};

static struct sample take_sample(const struct rig *r, clockid_t clock, const struct studio *s)
{
    return (struct sample){ .at = clock_now(),
                            .cpu = machine_cpu_seconds(clock),
                            .wait = machine_wait_seconds(FORWARDER),
                            .in = r->packets_in,
                            .out = r->forwarded,
                            .sends = r->sends,
                            .failed = r->failed,
                            .arrived = r->arrived,
                            .published = studio_counters(s)->packets,
                            .device = machine_device_packets(r->options->device) };
}

static json_t *report(const struct rig *r, const struct rig_loop *loop, const struct sample *a,
                      const struct sample *b)
{
    double wall = (double)(b->at - a->at) / 1e6, cpu = b->cpu - a->cpu;
    uint64_t out = b->out - a->out, sends = b->sends - a->sends;
    json_t *ret =
        json_pack("{ss si}", "what", loop->what, "viewers", (int)r->options->stage.viewers);
    bench_put_load(ret, wall, cpu, b->wait - a->wait);
    bench_count(ret, "packets_in", a->in, b->in);
    bench_count(ret, "forwarded", a->out, b->out);
    bench_count(ret, "sends", a->sends, b->sends);
    bench_count(ret, "send_failed", a->failed, b->failed);
    bench_count(ret, "published", a->published, b->published);
    bench_count(ret, "arrived", a->arrived, b->arrived);
    bench_count(ret, "sink_packets", a->device, b->device);
    bench_judge(ret, cpu, out, out, sends);
    return ret;
}

static json_t *measure(struct rig *r, const struct rig_loop *loop, pthread_t thread)
{
    const struct bench_options *o = r->options;
    clockid_t clock;
    struct camera camera = {
        .trace = o->stage.trace, .ssrc = CAMERA_SSRC, .mid = "1", .payload_type = 96
    };
    name_extensions(&camera.ext);
    int out = studio_socket(&r->address);
    check(camera_init(&camera, &r->keys) == OK && out >= 0);
    check(pthread_getcpuclockid(thread, &clock) == 0);
    struct studio_config config = { .cameras = &camera,
                                    .sockets = &out,
                                    .count = 1,
                                    .speed = o->loopback ? o->speed : 1,
                                    .taken = o->loopback ? NULL : &r->packets_in,
                                    .cpu = o->cpu_others };
    struct studio *studio = studio_start(&config);
    check(studio != NULL);
    machine_sleep_until(clock_now() + (usec)(o->warm_up * 1e6));
    struct sample before = take_sample(r, clock, studio);
    machine_sleep_until(clock_now() + (usec)(o->seconds * 1e6));
    struct sample after = take_sample(r, clock, studio);
    studio_stop(studio);
    close(out);
    camera_done(&camera);
    return report(r, loop, &before, &after);
}

json_t *rig_run(struct rig *r, const struct rig_loop *loop)
{
    struct runner n = { .rig = r, .loop = loop, .state = calloc(1, loop->state_size) };
    pthread_t thread;
    json_t *ret = NULL;
    check(n.state != NULL && sem_init(&n.opened, 0, 0) == 0);
    keys_of(0, r->profile, &r->keys);
    if (open_input(r)) {
        check(pthread_create(&thread, NULL, run, &n) == 0);
        while (sem_wait(&n.opened) != 0)
            check(errno == EINTR);
        if (n.is_open)
            ret = measure(r, loop, thread);
        atomic_store(&r->is_stopping, true);
        pthread_join(thread, NULL);
    }
    if (r->socket >= 0)
        close(r->socket);
    (void)sem_destroy(&n.opened);
    free(n.state);
    return ret;
}
