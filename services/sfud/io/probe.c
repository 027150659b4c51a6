/* SPDX-License-Identifier: Apache-2.0 */
#include "io/probe.h"

#include "common/os/clock.h"

#include <errno.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define PROBE_TIMEOUT MILLIS(500)
enum { PROBE_SEGMENT = 100, PROBE_SEGMENTS = 3 };

static void put_send(struct outbox *o, const struct net_addr *to, size_t len, size_t segment)
{
    memset(o->scratch, 0xc0, len);
    o->scratch_used = len;
    o->sends[o->send_count++] =
        (struct outbox_send){ .to = *to, .len = (uint32_t)len, .segment_size = (uint16_t)segment };
}

/* Sends to itself and counts what arrives, of the right size, within the timeout. */
static size_t round_trip(struct udp *u, size_t segments)
{
    struct net_addr self = udp_bound(u, 0);
    struct outbox *o = udp_outbox(u);
    put_send(o, &self, segments * PROBE_SEGMENT, PROBE_SEGMENT);
    udp_send(u, o);
    usec end = clock_now() + PROBE_TIMEOUT;
    size_t arrived = 0;
    while (arrived < segments && clock_now() < end) {
        struct datagram d;
        udp_wait(u, end);
        while (udp_next(u, &d))
            arrived += d.len == PROBE_SEGMENT;
        udp_pass_end(u);
    }
    return arrived;
}

static bool is_woken(struct udp *u, int wake_fd)
{
    uint64_t one = 1;
    usec start = clock_now();
    if (write(wake_fd, &one, sizeof one) < 0)
        return false;
    udp_wait(u, start + PROBE_TIMEOUT);
    return clock_now() < start + PROBE_TIMEOUT;
}

static enum err probe_open(struct udp *u, int wake_fd, bool *ret_gso,
                           struct udp_failure *ret_failure)
{
    if (round_trip(u, 1) != 1)
        return udp_fail_text(ret_failure, "a datagram to ourselves did not arrive");
    if (!is_woken(u, wake_fd))
        return udp_fail_text(ret_failure, "the wake-up did not end a wait");
    *ret_gso = round_trip(u, PROBE_SEGMENTS) == PROBE_SEGMENTS && udp_counters(u)->gso_refused == 0;
    return OK;
}

enum err probe_backend(enum udp_backend backend, bool *ret_gso, struct udp_failure *ret_failure)
{
    static const uint8_t loopback[4] = { 127, 0, 0, 1 };
    struct net_addr listen = net_addr_ipv4(loopback, 0);
    int wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (wake_fd < 0)
        return udp_fail_text(ret_failure, "eventfd");
    struct udp_config config = {
        .listen = &listen, .listen_count = 1, .wake_fd = wake_fd, .gso = true, .gro = true
    };
    struct udp *u = NULL;
    enum err e = udp_open(backend, &config, &u, ret_failure);
    if (e == OK)
        e = probe_open(u, wake_fd, ret_gso, ret_failure);
    udp_close(u);
    close(wake_fd);
    return e;
}

enum err probe_wish_parse(const char *text, enum probe_wish *ret)
{
    static const char *const names[] = { "auto", "uring", "epoll" };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(text, names[i]) == 0) {
            *ret = (enum probe_wish)i;
            return OK;
        }
    }
    return ERR_MALFORMED;
}

enum err probe(enum probe_wish wish, struct probe_result *ret)
{
    struct probe_result r = { .backend = UDP_URING };
    enum err e = ERR_SYSTEM;
    if (wish != PROBE_EPOLL)
        e = probe_backend(UDP_URING, &r.gso, &r.refusal);
    if (e != OK && wish != PROBE_URING) {
        struct udp_failure failure;
        r.backend = UDP_EPOLL;
        e = probe_backend(UDP_EPOLL, &r.gso, &failure);
        if (e != OK)
            r.refusal = failure;
    }
    *ret = r;
    return e;
}
