/* Both backends of io/udp.h over real loopback sockets.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "io/udp.h"

#include "common/os/clock.h"
#include "io/probe.h"
#include "io/udp_impl.h"

#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE SECONDS(5)

struct fixture {
    enum udp_backend backend;
    int wake_fd[2];
    struct udp *udp[2]; /* they talk to each other */
};

static const uint8_t loopback6[16] = { [15] = 1 };
static const uint8_t loopback4[4] = { 127, 0, 0, 1 };

static struct udp *open_one(enum udp_backend backend, struct net_addr listen, int wake_fd, bool gso,
                            bool gro)
{
    struct udp_config config = {
        .listen = &listen, .listen_count = 1, .wake_fd = wake_fd, .gso = gso, .gro = gro
    };
    struct udp_failure failure;
    struct udp *u = NULL;
    enum err e = udp_open(backend, &config, &u, &failure);
    if (e != OK)
        fail_msg("%s", failure.text);
    return u;
}

static void open_pair(struct fixture *f, enum udp_backend backend, struct net_addr listen, bool gso,
                      bool gro)
{
    f->backend = backend;
    for (size_t i = 0; i < 2; i++) {
        f->wake_fd[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        assert_true(f->wake_fd[i] >= 0);
        f->udp[i] = open_one(backend, listen, f->wake_fd[i], gso, gro);
    }
}

static void close_pair(struct fixture *f)
{
    for (size_t i = 0; i < 2; i++) {
        udp_close(f->udp[i]);
        close(f->wake_fd[i]);
    }
}

static struct net_addr any_v4(void)
{
    return net_addr_ipv4(loopback4, 0);
}

/* One more send in the box: len bytes of `seed + index of the datagram`. */
static void put(struct outbox *o, const struct net_addr *to, uint16_t path, size_t len,
                size_t segment, uint8_t seed)
{
    assert_true(o->scratch_used + len <= o->scratch_size);
    assert_true(o->send_count < o->sends_max);
    for (size_t at = 0; at < len; at++)
        o->scratch[o->scratch_used + at] = (uint8_t)(seed + at / segment);
    o->sends[o->send_count++] = (struct outbox_send){ .to = *to,
                                                      .path = path,
                                                      .offset = (uint32_t)o->scratch_used,
                                                      .len = (uint32_t)len,
                                                      .segment_size = (uint16_t)segment };
    o->scratch_used += len;
}

struct tally {
    size_t count;
    size_t len[4096];
    uint8_t first[4096];
    struct net_addr from;
    uint16_t path;
    usec age_max;
};

/* Receives until `want` datagrams are there. */
static void receive(struct udp *u, size_t want, struct tally *t)
{
    usec end = clock_now() + PATIENCE;
    while (t->count < want && clock_now() < end) {
        struct datagram d;
        udp_wait(u, end);
        while (udp_next(u, &d)) {
            assert_true(t->count < ARRAY_LEN(t->len));
            for (size_t i = 1; i < d.len; i++)
                assert_int_equal(d.data[i], d.data[0]);
            t->len[t->count] = d.len;
            t->first[t->count++] = d.data[0];
            t->from = d.from;
            t->path = d.path;
            t->age_max = MAX(t->age_max, clock_now() - d.arrival);
        }
        udp_pass_end(u);
    }
    assert_int_equal(t->count, want);
}

/* What came first is still there when more has been waited for. */
static void a_pass_may_wait_again_for_more(void **state)
{
    struct fixture f;
    const uint8_t *data[2] = { NULL, NULL };
    open_pair(&f, *(enum udp_backend *)*state, any_v4(), false, false);
    struct net_addr to = udp_bound(f.udp[1], 0);
    usec end = clock_now() + PATIENCE;
    for (size_t i = 0; i < ARRAY_LEN(data); i++) {
        struct outbox *o = udp_outbox(f.udp[0]);
        put(o, &to, 0, 100, 100, (uint8_t)(50 + i));
        udp_send(f.udp[0], o);
        for (struct datagram d; data[i] == NULL && clock_now() < end;) {
            udp_wait(f.udp[1], end);
            if (udp_next(f.udp[1], &d))
                data[i] = d.data;
        }
        assert_non_null(data[i]);
    }
    assert_int_equal(data[0][0], 50);
    assert_int_equal(data[1][0], 51);
    udp_pass_end(f.udp[1]);
    close_pair(&f);
}

static void expect_sizes(enum udp_backend backend, bool gso, bool gro)
{
    struct fixture f;
    struct tally t = { 0 };
    open_pair(&f, backend, any_v4(), gso, gro);
    struct net_addr to = udp_bound(f.udp[1], 0);
    struct outbox *o = udp_outbox(f.udp[0]);
    put(o, &to, 0, 1050, 500, 10); /* 500, 500, 50 */
    put(o, &to, 0, 200, 200, 20);
    put(o, &to, 0, 96 * 100, 100, 30); /* more than one call takes */
    udp_send(f.udp[0], o);
    receive(f.udp[1], 3 + 1 + 96, &t);
    static const size_t sizes[] = { 500, 500, 50, 200 };
    static const uint8_t firsts[] = { 10, 11, 12, 20 };
    for (size_t i = 0; i < 100; i++) {
        assert_int_equal(t.len[i], i < 4 ? sizes[i] : 100);
        assert_int_equal(t.first[i], i < 4 ? firsts[i] : 30 + i - 4);
    }
    struct net_addr sender = udp_bound(f.udp[0], 0);
    assert_true(net_addr_equal(&t.from, &sender));
    const struct udp_counters *c = udp_counters(f.udp[0]);
    assert_int_equal(c->datagrams_out, 100);
    assert_int_equal(c->bytes_out, 1050 + 200 + 9600);
    assert_int_equal(c->sends, gso ? 4 : 100);
    assert_int_equal(udp_counters(f.udp[1])->datagrams_in, 100);
    assert_true(t.age_max >= 0 && t.age_max < PATIENCE);
    close_pair(&f);
}

static void one_send_of_segments_arrives_as_datagrams_of_the_right_sizes(void **state)
{
    enum udp_backend backend = *(enum udp_backend *)*state;
    for (unsigned i = 0; i < 4; i++)
        expect_sizes(backend, i & 1, i & 2);
}

static void ipv6_works_like_ipv4(void **state)
{
    struct fixture f;
    struct tally t = { 0 };
    open_pair(&f, *(enum udp_backend *)*state, net_addr_ipv6(loopback6, 0), true, true);
    struct net_addr to = udp_bound(f.udp[1], 0);
    struct outbox *o = udp_outbox(f.udp[0]);
    put(o, &to, 0, 3000, 1000, 1);
    udp_send(f.udp[0], o);
    receive(f.udp[1], 3, &t);
    struct net_addr sender = udp_bound(f.udp[0], 0);
    assert_true(net_addr_equal(&t.from, &sender));
    close_pair(&f);
}

static void every_datagram_arrives_over_many_passes(void **state)
{
    struct fixture f;
    open_pair(&f, *(enum udp_backend *)*state, any_v4(), true, true);
    struct net_addr to = udp_bound(f.udp[1], 0);
    size_t total = 0;
    for (unsigned round = 0; round < 300; round++) { /* more than all buffers of the ring */
        struct tally t = { 0 };
        struct outbox *o = udp_outbox(f.udp[0]);
        size_t count = 1 + round % 300;
        for (size_t i = 0; i < count; i++)
            put(o, &to, 0, 60 + (i * 7 + round) % 500, 1000, (uint8_t)i);
        udp_send(f.udp[0], o);
        receive(f.udp[1], count, &t);
        for (size_t i = 0; i < count; i++)
            assert_int_equal(t.len[i], 60 + (i * 7 + round) % 500);
        total += count;
    }
    assert_int_equal(udp_counters(f.udp[1])->datagrams_in, total);
    assert_int_equal(udp_counters(f.udp[0])->send_again + udp_counters(f.udp[0])->send_failed, 0);
    close_pair(&f);
}

static void what_a_pass_does_not_take_comes_in_the_next(void **state)
{
    struct fixture f;
    open_pair(&f, *(enum udp_backend *)*state, any_v4(), true, true);
    struct net_addr to = udp_bound(f.udp[1], 0);
    struct outbox *o = udp_outbox(f.udp[0]);
    put(o, &to, 0, 40 * 100, 100, 0); /* merged by the kernel where it can */
    for (size_t i = 40; i < 80; i++)
        put(o, &to, 0, 100, 100, (uint8_t)i);
    udp_send(f.udp[0], o);
    size_t seen = 0;
    usec end = clock_now() + PATIENCE;
    while (seen < 80 && clock_now() < end) {
        struct datagram d[3];
        size_t n = 0;
        udp_wait(f.udp[1], end);
        while (n < ARRAY_LEN(d) && udp_next(f.udp[1], &d[n]))
            n++;
        for (size_t i = 0; i < n; i++) { /* all valid until the pass ends */
            assert_int_equal(d[i].len, 100);
            assert_int_equal(d[i].data[0], seen);
            assert_int_equal(d[i].data[99], seen);
            seen++;
        }
        udp_pass_end(f.udp[1]);
    }
    assert_int_equal(seen, 80);
    close_pair(&f);
}

static void answers_leave_from_the_address_that_was_asked(void **state)
{
    static const uint8_t other[4] = { 127, 0, 0, 77 };
    struct fixture f;
    struct tally at_server = { 0 }, at_client = { 0 };
    struct net_addr wildcard = { .family = NET_IPV4 };
    open_pair(&f, *(enum udp_backend *)*state, wildcard, true, true);
    struct net_addr to = net_addr_ipv4(other, udp_bound(f.udp[1], 0).port);
    struct outbox *o = udp_outbox(f.udp[0]);
    put(o, &to, 0, 100, 100, 1);
    udp_send(f.udp[0], o);
    receive(f.udp[1], 1, &at_server);
    o = udp_outbox(f.udp[1]);
    put(o, &at_server.from, at_server.path, 300, 100, 2);
    udp_send(f.udp[1], o);
    receive(f.udp[0], 3, &at_client);
    assert_true(net_addr_equal(&at_client.from, &to));
    close_pair(&f);
}

static void *wake_later(void *fd)
{
    uint64_t one = 1;
    usleep(20000);
    assert_int_equal(write(*(int *)fd, &one, sizeof one), sizeof one);
    return NULL;
}

static void a_wake_up_ends_the_wait_each_time(void **state)
{
    struct fixture f;
    open_pair(&f, *(enum udp_backend *)*state, any_v4(), true, true);
    for (int i = 0; i < 3; i++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, wake_later, &f.wake_fd[0]), 0);
        usec start = clock_now();
        udp_wait(f.udp[0], start + PATIENCE);
        usec waited = clock_now() - start;
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_true(waited < PATIENCE / 2);
    }
    close_pair(&f);
}

static void the_wait_ends_at_the_deadline(void **state)
{
    struct fixture f;
    open_pair(&f, *(enum udp_backend *)*state, any_v4(), true, true);
    udp_wait(f.udp[0], clock_now()); /* whatever opening has left behind */
    usec start = clock_now();
    unsigned waits = 0;
    while (clock_now() < start + MILLIS(30)) { /* the kernel may interrupt, but not often */
        udp_wait(f.udp[0], start + MILLIS(30));
        waits++;
    }
    assert_true(waits < 10);
    usec waited = clock_now() - start;
    assert_in_range(waited, MILLIS(29), SECONDS(2));
    start = clock_now();
    udp_wait(f.udp[0], start - SECONDS(1));
    assert_true(clock_now() - start < MILLIS(500));
    close_pair(&f);
}

static void refused_segmentation_falls_back_and_is_remembered(void **state)
{
    struct fixture f;
    open_pair(&f, *(enum udp_backend *)*state, any_v4(), true, false);
    int on = 1; /* the kernel refuses UDP_SEGMENT on a socket without checksums */
    assert_int_equal(setsockopt(f.udp[0]->sockets[0].fd, SOL_SOCKET, SO_NO_CHECK, &on, sizeof on),
                     0);
    struct net_addr to = udp_bound(f.udp[1], 0);
    const struct udp_counters *c = udp_counters(f.udp[0]);
    for (unsigned i = 0; i < UDP_GSO_REFUSED_RUN + 2; i++) {
        struct tally t = { 0 };
        struct outbox *o = udp_outbox(f.udp[0]);
        put(o, &to, 0, 250, 100, (uint8_t)i);
        udp_send(f.udp[0], o);
        receive(f.udp[1], 3, &t);
        assert_int_equal(t.len[2], 50);
    }
    assert_int_equal(c->gso_refused, UDP_GSO_REFUSED_RUN);
    assert_int_equal(c->gso_off, 1);
    assert_int_not_equal(c->gso_error, 0);
    assert_int_equal(c->datagrams_out, 3 * (UDP_GSO_REFUSED_RUN + 2));
    assert_int_equal(c->send_failed, 0);
    close_pair(&f);
}

/* In a network of our own whose loopback takes no more than that. False: it is not allowed. */
static bool enter_narrow_network(int mtu)
{
    struct ifreq r = { .ifr_name = "lo" };
    if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
        return false;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    r.ifr_mtu = mtu;
    bool ok = ioctl(fd, SIOCSIFMTU, &r) == 0 && ioctl(fd, SIOCGIFFLAGS, &r) == 0;
    r.ifr_flags |= IFF_UP;
    ok = ok && ioctl(fd, SIOCSIFFLAGS, &r) == 0;
    close(fd);
    return ok;
}

static void send_more_than_the_path_takes(enum udp_backend backend)
{
    struct fixture f;
    struct tally t = { 0 };
    open_pair(&f, backend, any_v4(), true, false);
    struct net_addr to = udp_bound(f.udp[1], 0);
    struct outbox *o = udp_outbox(f.udp[0]);
    put(o, &to, 0, 1400, 1400, 1);
    put(o, &to, 0, 3000, 1400, 2); /* UDP_SEGMENT is refused for these */
    put(o, &to, 0, 1000, 1000, 5);
    udp_send(f.udp[0], o);
    receive(f.udp[1], 5, &t);
    size_t total = 0, large = 0;
    for (size_t i = 0; i < 5; i++) { /* what left in one piece may overtake */
        total += t.len[i];
        large += t.len[i] == 1400;
    }
    assert_int_equal(large, 3);
    assert_int_equal(total, 3 * 1400 + 200 + 1000);
    assert_int_equal(udp_counters(f.udp[0])->datagrams_out, 5);
    assert_int_equal(udp_counters(f.udp[0])->send_failed, 0);
    int how = 0;
    socklen_t len = sizeof how;
    assert_int_equal(getsockopt(f.udp[0]->sockets[0].fd, IPPROTO_IP, IP_MTU_DISCOVER, &how, &len),
                     0);
    assert_int_equal(how, IP_PMTUDISC_DO);
    close_pair(&f);
}

static void what_is_larger_than_the_path_leaves_in_fragments(void **state)
{
    enum { SKIPPED = 77 };
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (!enter_narrow_network(1280))
            _exit(SKIPPED);
        send_more_than_the_path_takes(*(enum udp_backend *)*state);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED)
        skip(); /* neither root nor user namespaces */
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void what_cannot_be_sent_is_counted(void **state)
{
    struct fixture f;
    open_pair(&f, *(enum udp_backend *)*state, any_v4(), true, false);
    struct net_addr v6 = net_addr_ipv6(loopback6, 9), v4 = udp_bound(f.udp[1], 0);
    struct outbox *o = udp_outbox(f.udp[0]);
    struct tally t = { 0 };
    put(o, &v6, 0, 300, 100, 1); /* no socket of that family */
    put(o, &v4, 0, 100, 100, 2);
    udp_send(f.udp[0], o);
    receive(f.udp[1], 1, &t);
    assert_int_equal(t.first[0], 2);
    assert_int_equal(udp_counters(f.udp[0])->send_failed, 3);
    close_pair(&f);
}

static void many_outboxes_may_be_sent_without_a_wait(void **state)
{
    struct fixture f;
    open_pair(&f, *(enum udp_backend *)*state, any_v4(), false, true);
    struct net_addr to = udp_bound(f.udp[1], 0);
    struct tally t = { 0 };
    for (unsigned i = 0; i < 3 * UDP_OUTBOXES; i++) {
        struct outbox *o = udp_outbox(f.udp[0]);
        assert_int_equal(o->send_count, 0);
        put(o, &to, 0, 50 * 20, 20, 0); /* 50 pieces each: more than there are headers */
        udp_send(f.udp[0], o);
    }
    receive(f.udp[1], 3 * UDP_OUTBOXES * 50, &t);
    close_pair(&f);
}

static void a_port_in_use_is_an_error_that_names_it(void **state)
{
    struct fixture f;
    open_pair(&f, *(enum udp_backend *)*state, any_v4(), true, true);
    struct net_addr taken = udp_bound(f.udp[0], 0);
    struct udp_config config = { .listen = &taken, .listen_count = 1, .wake_fd = f.wake_fd[0] };
    struct udp_failure failure;
    struct udp *u = NULL;
    assert_int_equal(udp_open(f.backend, &config, &u, &failure), ERR_SYSTEM);
    assert_null(u);
    char text[NET_ADDR_TEXT_SIZE];
    assert_non_null(strstr(failure.text, net_addr_format(&taken, text)));
    close_pair(&f);
}

static void probing_finds_a_backend(void **state)
{
    (void)state;
    struct probe_result r;
    assert_int_equal(probe(PROBE_EPOLL, &r), OK);
    assert_int_equal(r.backend, UDP_EPOLL);
    assert_true(r.gso);
    assert_int_equal(probe(PROBE_AUTO, &r), OK);
    assert_true(r.backend == UDP_URING || r.refusal.text[0] != 0);
    enum probe_wish wish;
    assert_int_equal(probe_wish_parse("uring", &wish), OK);
    assert_int_equal(wish, PROBE_URING);
    assert_int_equal(probe_wish_parse("poll", &wish), ERR_MALFORMED);
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
        cmocka_unit_test(probing_finds_a_backend),
        BOTH(one_send_of_segments_arrives_as_datagrams_of_the_right_sizes),
        BOTH(ipv6_works_like_ipv4),
        BOTH(every_datagram_arrives_over_many_passes),
        BOTH(what_a_pass_does_not_take_comes_in_the_next),
        BOTH(a_pass_may_wait_again_for_more),
        BOTH(answers_leave_from_the_address_that_was_asked),
        BOTH(a_wake_up_ends_the_wait_each_time),
        BOTH(the_wait_ends_at_the_deadline),
        BOTH(refused_segmentation_falls_back_and_is_remembered),
        BOTH(what_is_larger_than_the_path_leaves_in_fragments),
        BOTH(what_cannot_be_sent_is_counted),
        BOTH(many_outboxes_may_be_sent_without_a_wait),
        BOTH(a_port_in_use_is_an_error_that_names_it),
    };
    struct probe_result r;
    if (probe(PROBE_URING, &r) != OK) /* where io_uring is forbidden, its half is skipped */
        uring = UDP_EPOLL;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
