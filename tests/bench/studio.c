/* SPDX-License-Identifier: Apache-2.0 */
#include "studio.h"

#include "common/os/clock.h"
#include "io/sockaddr.h"
#include "machine.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { AHEAD_MAX = 512, LOST_TURNS = 200 };
#define TAKER_TURN 250

struct studio {
    struct studio_config config;
    struct studio_counters counters;
    pthread_t thread;
    clockid_t cpu_clock;
    _Atomic bool is_stopping;
    uint64_t lost; /* sent, never taken */
    struct camera_frame frame;
    struct mmsghdr messages[CAMERA_FRAME_PACKETS_MAX];
    struct iovec parts[CAMERA_FRAME_PACKETS_MAX];
};

int studio_socket(const struct net_addr *to)
{
    struct sockaddr_in6 name;
    socklen_t len = sockaddr_write(to, &name);
    int fd = socket(name.sin6_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&name, len) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static void send_frame(struct studio *s, int fd)
{
    const struct camera_frame *f = &s->frame;
    size_t done = 0;
    for (size_t i = 0; i < f->count; i++) {
        s->parts[i] = (struct iovec){ .iov_base = s->frame.data[i], .iov_len = f->lens[i] };
        s->messages[i].msg_hdr = (struct msghdr){ .msg_iov = &s->parts[i], .msg_iovlen = 1 };
    }
    while (done < f->count) {
        int sent = sendmmsg(fd, s->messages + done, (unsigned)(f->count - done), 0);
        if (sent <= 0) {
            atomic_fetch_add(&s->counters.failed, f->count - done);
            break;
        }
        done += (size_t)sent;
    }
    atomic_fetch_add(&s->counters.frames, 1);
    atomic_fetch_add(&s->counters.packets, done);
}

/* What the server wants of it. */
static void hear(struct camera *c, int fd)
{
    uint8_t datagram[2048];
    for (ssize_t len; (len = recv(fd, datagram, sizeof datagram, MSG_DONTWAIT)) > 0;)
        camera_hear(c, datagram, (size_t)len);
}

/* Until the forwarder is not far behind, or nothing moves (what is missing was lost). */
static void wait_for_taker(struct studio *s)
{
    uint64_t sent = atomic_load(&s->counters.packets);
    for (int turns = 0; turns < LOST_TURNS && !atomic_load(&s->is_stopping); turns++) {
        uint64_t taken = atomic_load(s->config.taken);
        if (sent - s->lost - taken < AHEAD_MAX)
            return;
        machine_sleep_until(clock_now() + TAKER_TURN);
        if (atomic_load(s->config.taken) != taken)
            turns = 0;
    }
    s->lost = sent - atomic_load(s->config.taken);
}

static void wait_for_time(struct studio *s, usec due)
{
    usec now = clock_now();
    if (now < due) {
        machine_sleep_until(due);
        now = clock_now();
    }
    if (now - due > atomic_load(&s->counters.late_us))
        atomic_store(&s->counters.late_us, now - due);
}

static void *run(void *arg)
{
    struct studio *s = arg;
    machine_pin(s->config.cpu);
    double step = 1e6 / TRACE_FPS / s->config.speed / (double)s->config.count;
    usec start = clock_now();
    for (uint64_t turn = 0; !atomic_load(&s->is_stopping); turn++) {
        if (s->config.taken != NULL)
            wait_for_taker(s);
        else
            wait_for_time(s, start + (usec)(step * (double)turn));
        size_t i = turn % s->config.count;
        hear(&s->config.cameras[i], s->config.sockets[i]);
        camera_shoot(&s->config.cameras[i], clock_now(), &s->frame);
        send_frame(s, s->config.sockets[i]);
    }
    return NULL;
}

struct studio *studio_start(const struct studio_config *config)
{
    struct studio *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->config = *config;
    if (pthread_create(&s->thread, NULL, run, s) != 0) {
        free(s);
        return NULL;
    }
    check(pthread_getcpuclockid(s->thread, &s->cpu_clock) == 0);
    return s;
}

const struct studio_counters *studio_counters(const struct studio *s)
{
    return &s->counters;
}

double studio_cpu_seconds(const struct studio *s)
{
    return machine_cpu_seconds(s->cpu_clock);
}

void studio_stop(struct studio *s)
{
    if (s == NULL)
        return;
    atomic_store(&s->is_stopping, true);
    pthread_join(s->thread, NULL);
    free(s);
}
