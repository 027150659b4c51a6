/* io/tcp.h over real loopback sockets, watched by both backends of io/udp.h.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "io/tcp.h"

#include "common/os/clock.h"
#include "io/probe.h"
#include "io/sockaddr.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE SECONDS(5)

/* A Binding request without attributes, framed. */
static const uint8_t request[22] = { 0,   20,  0,   1,   0,   0,   0x21, 0x12, 0xa4, 0x42, 't',
                                     'r', 'a', 'n', 's', 'a', 'c', 't',  'i',  'o',  'n',  '!' };

struct fixture {
    int wake_fd;
    struct udp *udp;
    struct tcp *tcp;
    struct net_addr at;
    bool is_used; /* what a worker would say of every address */
    struct datagram last;
    uint8_t data[TCP_FRAME_SIZE_MAX];
    size_t received;
    struct outbox box;
    struct outbox_send sends[64];
};

static bool is_used(void *data, const struct net_addr *remote)
{
    const struct fixture *f = data;
    assert_int_equal(remote->protocol, NET_TCP);
    return f->is_used;
}

static void open_all(struct fixture *f, enum udp_backend backend)
{
    static const uint8_t loopback[4] = { 127, 0, 0, 1 };
    struct net_addr listen = net_addr_ipv4(loopback, 0);
    struct udp_failure failure;
    *f = (struct fixture){ .wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC) };
    struct udp_config udp = { .listen = &listen, .listen_count = 1, .wake_fd = f->wake_fd };
    assert_int_equal(udp_open(backend, &udp, &f->udp, &failure), OK);
    listen = udp_bound(f->udp, 0);
    struct tcp_config tcp = {
        .listen = &listen, .listen_count = 1, .any_port = true, .is_used = is_used, .data = f
    };
    assert_int_equal(tcp_open(&tcp, &f->tcp, &failure), OK);
    assert_true(udp_watch(f->udp, tcp_fd(f->tcp)));
    f->at = tcp_bound(f->tcp, 0);
    assert_int_equal(f->at.protocol, NET_TCP);
    uint8_t *scratch = malloc(OUTBOX_SCRATCH_BYTES);
    assert_non_null(scratch);
    outbox_init(&f->box, scratch, OUTBOX_SCRATCH_BYTES, f->sends, ARRAY_LEN(f->sends));
}

static void close_all(struct fixture *f)
{
    udp_close(f->udp);
    tcp_close(f->tcp);
    close(f->wake_fd);
    free(f->box.scratch);
}

static uint64_t ended(const struct fixture *f, enum tcp_end why)
{
    return tcp_counters(f->tcp)->ended[why];
}

static uint64_t open_now(const struct fixture *f)
{
    return tcp_counters(f->tcp)->connections;
}

/* One turn as the thread takes them. */
static void turn(struct fixture *f, usec now)
{
    struct datagram d;
    udp_wait(f->udp, MIN(tcp_deadline(f->tcp), clock_now() + MILLIS(20)));
    tcp_begin(f->tcp, now, udp_watch_is_ready(f->udp));
    while (tcp_next(f->tcp, &d)) {
        assert_true(d.len <= sizeof f->data);
        memcpy(f->data, d.data, d.len);
        f->last = d;
        f->received++;
    }
    udp_pass_end(f->udp);
    tcp_pass_end(f->tcp);
}

#define TURN_UNTIL(f, condition)                                                                   \
    do {                                                                                           \
        usec until_ = clock_now() + PATIENCE;                                                      \
        while (!(condition) && clock_now() < until_)                                               \
            turn((f), clock_now());                                                                \
        assert_true(condition);                                                                    \
    } while (0)

static int dial(const struct fixture *f)
{
    struct sockaddr_in6 name;
    socklen_t len = sockaddr_write(&f->at, &name);
    int fd = socket(name.sin6_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&name, len), 0);
    return fd;
}

static void say(int fd, const void *data, size_t len)
{
    assert_int_equal(send(fd, data, len, MSG_NOSIGNAL), (ssize_t)len);
}

/* What waits in a connection's buffer leaves as turns are taken. */
static void read_whole(struct fixture *f, int fd, uint8_t *ret, size_t len)
{
    usec until = clock_now() + PATIENCE;
    for (size_t at = 0; at < len;) {
        ssize_t n = recv(fd, ret + at, len - at, MSG_DONTWAIT);
        assert_true(n != 0 && clock_now() < until);
        if (n < 0)
            turn(f, clock_now());
        else
            at += (size_t)n;
    }
}

static void put(struct fixture *f, const struct net_addr *to, uint16_t path, size_t len,
                size_t segment, uint8_t fill)
{
    memset(f->box.scratch + f->box.scratch_used, fill, len);
    f->box.sends[f->box.send_count++] =
        (struct outbox_send){ .to = *to,
                              .path = path,
                              .segment_size = (uint16_t)segment,
                              .offset = (uint32_t)f->box.scratch_used,
                              .len = (uint32_t)len };
    f->box.scratch_used += len;
}

static void send_box(struct fixture *f)
{
    tcp_send(f->tcp, &f->box);
    outbox_clear(&f->box);
}

static void frames_come_in_as_datagrams_and_sends_leave_framed(void **state)
{
    struct fixture f;
    uint8_t got[310];
    open_all(&f, *(enum udp_backend *)*state);
    int fd = dial(&f);
    say(fd, request, sizeof request);
    TURN_UNTIL(&f, f.received == 1);
    assert_int_equal(f.last.len, 20);
    assert_memory_equal(f.data, request + 2, 20);
    assert_int_equal(f.last.from.protocol, NET_TCP);
    assert_true(f.last.path >= UDP_PATHS_MAX);
    say(fd, "\0\3ab", 4); /* cut in the middle */
    turn(&f, clock_now());
    say(fd, "c\0\1d", 4);
    TURN_UNTIL(&f, f.received == 3);
    assert_int_equal(f.data[0], 'd');
    put(&f, &f.last.from, f.last.path, 300, 120, 7); /* 120, 120, 60 */
    send_box(&f);
    read_whole(&f, fd, got, 306);
    assert_int_equal(load_be16(got), 120);
    assert_int_equal(load_be16(got + 122), 120);
    assert_int_equal(load_be16(got + 244), 60);
    assert_int_equal(got[305], 7);
    assert_int_equal(tcp_counters(f.tcp)->frames_out, 3);
    close(fd);
    TURN_UNTIL(&f, ended(&f, TCP_END_PEER) == 1);
    assert_int_equal(open_now(&f), 0);
    close_all(&f);
}

static void who_does_not_begin_with_stun_is_closed_and_counted(void **state)
{
    static const char http[] = "GET / HTTP/1.1\r\n\r\n"; /* a length of 18245 */
    struct fixture f;
    uint8_t byte;
    open_all(&f, *(enum udp_backend *)*state);
    int fd = dial(&f), fd2 = dial(&f), fd3 = dial(&f);
    say(fd, http, sizeof http);
    TURN_UNTIL(&f, ended(&f, TCP_END_FRAME) == 1);
    assert_true(recv(fd, &byte, 1, 0) <= 0);
    say(fd2, "\0\5hello", 7);
    TURN_UNTIL(&f, ended(&f, TCP_END_NOT_STUN) == 1);
    say(fd3, request, sizeof request); /* well begun, but a frame is too long later */
    say(fd3, "\xff\xff", 2);
    TURN_UNTIL(&f, ended(&f, TCP_END_FRAME) == 2);
    assert_int_equal(f.received, 1);
    assert_int_equal(open_now(&f), 0);
    close(fd);
    close(fd2);
    close(fd3);
    close_all(&f);
}

static void a_connection_stays_only_while_a_transport_has_its_address(void **state)
{
    struct fixture f;
    open_all(&f, *(enum udp_backend *)*state);
    int silent = dial(&f);
    TURN_UNTIL(&f, open_now(&f) == 1);
    usec now = clock_now();
    turn(&f, now + TCP_FIRST_CHECK_TIME - SECONDS(1));
    assert_int_equal(open_now(&f), 1);
    turn(&f, now + TCP_FIRST_CHECK_TIME + SECONDS(1));
    assert_int_equal(ended(&f, TCP_END_UNPROVEN), 1);

    int fd = dial(&f);
    say(fd, request, sizeof request);
    TURN_UNTIL(&f, f.received == 1);
    f.is_used = true;
    now = clock_now() + TCP_FIRST_CHECK_TIME + SECONDS(2);
    turn(&f, now);
    assert_int_equal(open_now(&f), 1);
    f.is_used = false;
    turn(&f, now + TCP_USED_CHECK_INTERVAL + SECONDS(2));
    assert_int_equal(ended(&f, TCP_END_UNUSED), 1);
    assert_int_equal(open_now(&f), 0);
    assert_int_equal(tcp_deadline(f.tcp), USEC_NEVER);
    close(silent);
    close(fd);
    close_all(&f);
}

static void a_full_buffer_drops_whole_frames_and_framing_survives(void **state)
{
    enum { FRAME = 1200 };
    struct fixture f;
    uint8_t frame[FRAME + 2];
    open_all(&f, *(enum udp_backend *)*state);
    int fd = dial(&f);
    say(fd, request, sizeof request);
    TURN_UNTIL(&f, f.received == 1);
    const struct tcp_counters *c = tcp_counters(f.tcp);
    for (unsigned i = 0; c->dropped_full < 50; i++) { /* nobody reads */
        assert_true(i < 100000);
        put(&f, &f.last.from, f.last.path, 10 * FRAME, FRAME, (uint8_t)i);
        send_box(&f);
    }
    uint64_t whole = c->frames_out;
    for (uint64_t i = 0; i < whole; i++) {
        read_whole(&f, fd, frame, FRAME + 2);
        assert_int_equal(load_be16(frame), FRAME);
        for (size_t at = 3; at < sizeof frame; at++)
            assert_int_equal(frame[at], frame[2]);
    }
    put(&f, &f.last.from, f.last.path, 5, 5, 'x'); /* and it goes on */
    send_box(&f);
    read_whole(&f, fd, frame, 7);
    assert_memory_equal(frame, "\0\5xxxxx", 7);
    close(fd);
    close_all(&f);
}

static void what_is_for_a_connection_that_has_gone_reaches_no_other(void **state)
{
    struct fixture f;
    open_all(&f, *(enum udp_backend *)*state);
    int fd = dial(&f);
    say(fd, request, sizeof request);
    TURN_UNTIL(&f, f.received == 1);
    struct datagram first = f.last;
    close(fd);
    TURN_UNTIL(&f, ended(&f, TCP_END_PEER) == 1);
    fd = dial(&f);
    say(fd, request, sizeof request);
    TURN_UNTIL(&f, f.received == 2);
    assert_int_not_equal(f.last.path, first.path);
    put(&f, &f.last.from, first.path, 10, 10, 'o'); /* the old path, even with the new address */
    put(&f, &first.from, f.last.path, 10, 10, 'o'); /* and the other way round */
    put(&f, &f.last.from, f.last.path, 3, 3, 'n');
    send_box(&f);
    uint8_t got[5];
    read_whole(&f, fd, got, sizeof got);
    assert_memory_equal(got, "\0\3nnn", 5);
    assert_int_equal(tcp_counters(f.tcp)->dropped_gone, 2);
    close(fd);
    close_all(&f);
}

static void one_address_cannot_take_all_connections(void **state)
{
    static int fds[TCP_ADDRESS_CONNECTIONS_MAX + 1];
    struct fixture f;
    uint8_t byte;
    open_all(&f, *(enum udp_backend *)*state);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        fds[i] = dial(&f);
        if (i % TCP_ACCEPTS_PER_PASS == 0)
            turn(&f, clock_now());
    }
    TURN_UNTIL(&f, ended(&f, TCP_END_ADDRESS) == 1);
    assert_int_equal(open_now(&f), TCP_ADDRESS_CONNECTIONS_MAX);
    assert_true(recv(fds[TCP_ADDRESS_CONNECTIONS_MAX], &byte, 1, 0) < 0);
    assert_int_equal(errno, ECONNRESET);
    close(fds[0]);
    TURN_UNTIL(&f, ended(&f, TCP_END_PEER) == 1);
    fds[0] = dial(&f);
    TURN_UNTIL(&f, open_now(&f) == TCP_ADDRESS_CONNECTIONS_MAX);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        close(fds[i]);
    close_all(&f);
}

static void udp_passes_over_what_is_for_tcp(void **state)
{
    struct fixture f;
    open_all(&f, *(enum udp_backend *)*state);
    struct outbox *o = udp_outbox(f.udp);
    memset(o->scratch, 1, 20);
    o->sends[o->send_count++] =
        (struct outbox_send){ .to = f.at, .path = UDP_PATHS_MAX, .segment_size = 20, .len = 20 };
    udp_send(f.udp, o);
    assert_int_equal(udp_counters(f.udp)->datagrams_out, 0);
    assert_int_equal(udp_counters(f.udp)->send_failed, 0);
    close_all(&f);
}

#define BOTH(test)                                                                                 \
    { #test " (epoll)", test, NULL, NULL, &epoll },                                                \
    {                                                                                              \
#test " (uring)", test, NULL, NULL, &uring                                                 \
    }

int main(void)
{
    static enum udp_backend epoll = UDP_EPOLL, uring = UDP_URING;
    const struct CMUnitTest tests[] = {
        BOTH(frames_come_in_as_datagrams_and_sends_leave_framed),
        BOTH(who_does_not_begin_with_stun_is_closed_and_counted),
        BOTH(a_connection_stays_only_while_a_transport_has_its_address),
        BOTH(a_full_buffer_drops_whole_frames_and_framing_survives),
        BOTH(what_is_for_a_connection_that_has_gone_reaches_no_other),
        BOTH(one_address_cannot_take_all_connections),
        BOTH(udp_passes_over_what_is_for_tcp),
    };
    struct probe_result r;
    if (probe(PROBE_URING, &r) != OK) /* where io_uring is forbidden, its half is skipped */
        uring = UDP_EPOLL;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
