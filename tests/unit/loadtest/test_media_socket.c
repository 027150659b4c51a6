/* The UDP sockets of bots over loopback: runs, merged runs, drops, times, errors.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "io/media_socket.h"

#include "common/os/clock.h"

#include "redis_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { COUNT_MAX = 4096 };

static uv_loop_t loop;
static struct media_sockets *set;
static struct media_socket *a, *b;
static unsigned passes;
static usec pass_at;

static struct {
    unsigned count;
    uint8_t first[COUNT_MAX];
    size_t len[COUNT_MAX];
    usec latency_max, oldest_age;
    uint16_t from_port;
    void *owner;
    unsigned leg;
    bool close_in_callback;
} got;

static void on_datagram(void *data, const struct media_arrival *arrival)
{
    assert_ptr_equal(data, &loop);
    assert_true(arrival->arrival <= arrival->now);
    assert_true(got.count < COUNT_MAX);
    got.first[got.count] = arrival->data[0];
    got.len[got.count++] = arrival->len;
    got.from_port = arrival->from.port;
    got.owner = arrival->owner;
    got.leg = arrival->leg;
    got.oldest_age = MAX(got.oldest_age, arrival->now - arrival->arrival);
    if (got.close_in_callback) {
        media_socket_close(b);
        b = NULL;
    }
}

static void on_pass(void *data, usec now)
{
    assert_ptr_equal(data, &loop);
    passes++;
    pass_at = now;
}

static void make(bool gro, bool gso, int receive_buffer)
{
    struct media_config config = { .loop = &loop,
                                   .on_datagram = on_datagram,
                                   .on_pass = on_pass,
                                   .data = &loop,
                                   .source = "127.0.0.1",
                                   .receive_buffer = receive_buffer,
                                   .gro = gro,
                                   .gso = gso };
    assert_int_equal(media_sockets_new(&config, &set), OK);
    a = media_socket_open(set, &a, 0);
    b = media_socket_open(set, &b, 1);
    assert_non_null(a);
    assert_non_null(b);
    memset(&got, 0, sizeof got);
    passes = 0;
}

static int setup(void **state)
{
    (void)state;
    return uv_loop_init(&loop);
}

static int teardown(void **state)
{
    (void)state;
    media_sockets_close(set);
    (void)uv_run(&loop, UV_RUN_NOWAIT);
    media_sockets_free(set);
    loop_finish(&loop);
    return 0;
}

static struct net_addr address_of(struct media_socket *m)
{
    static const uint8_t ip[4] = { 127, 0, 0, 1 };
    return net_addr_ipv4(ip, media_socket_port(m, NET_IPV4));
}

/* `count` datagrams of `len` bytes and a shorter one, numbered in their first byte. */
static void send_run(unsigned count, size_t len)
{
    static uint8_t data[1024][1500];
    struct media_send sends[1024];
    assert_true(count < ARRAY_LEN(sends));
    for (unsigned i = 0; i <= count; i++) {
        data[i][0] = (uint8_t)i;
        sends[i] = (struct media_send){ .data = data[i],
                                        .len = i < count ? len : len / 2,
                                        .to = address_of(b) };
    }
    media_socket_send(a, sends, count + 1);
}

static bool has_count(void *data)
{
    return got.count >= *(unsigned *)data;
}

static void check_run(unsigned count, size_t len)
{
    unsigned wanted = count + 1;
    send_run(count, len);
    loop_until(&loop, has_count, &wanted, 3000);
    assert_int_equal(got.count, wanted);
    for (unsigned i = 0; i < wanted; i++) {
        assert_int_equal(got.first[i], (uint8_t)i);
        assert_int_equal(got.len[i], i < count ? len : len / 2);
    }
    assert_ptr_equal(got.owner, &b);
    assert_int_equal(got.leg, 1);
    assert_int_equal(got.from_port, media_socket_port(a, NET_IPV4));
    assert_int_equal(media_counters(set)->datagrams_in, wanted);
    assert_int_equal(media_counters(set)->datagrams_out, wanted);
}

static void run_arrives_in_order_without_offloads(void **state)
{
    (void)state;
    make(false, false, 0);
    check_run(100, 1000);
    assert_int_equal(media_counters(set)->send_calls, 4); /* 101 in batches of 32 */
}

static void run_is_one_send_and_is_split_again(void **state)
{
    (void)state;
    make(true, true, 0);
    check_run(50, 1200);
    assert_int_equal(media_counters(set)->send_calls, 1);
    assert_true(media_counters(set)->receive_calls < 25); /* merged */
    print_message("51 datagrams: 1 send, %llu receives\n",
                  (unsigned long long)media_counters(set)->receive_calls);
}

static void merged_sends_reach_a_socket_without_gro(void **state)
{
    (void)state;
    make(false, true, 0);
    check_run(200, 700);
    assert_true(media_counters(set)->send_calls <= 4);
}

static void drops_of_our_own_socket_are_counted(void **state)
{
    (void)state;
    make(false, false, 4096);
    for (int i = 0; i < 10; i++) /* nobody reads */
        send_run(99, 1000);
    loop_for(&loop, 50);
    unsigned before = got.count;
    assert_in_range(before, 1, 999);
    send_run(1, 100); /* the kernel tells the count with the next datagram */
    loop_for(&loop, 50);
    assert_int_equal(got.count - before, 2);
    assert_int_equal(media_counters(set)->drops, 1000 - before);
}

static void arrival_is_when_the_kernel_had_it(void **state)
{
    (void)state;
    make(true, true, 0);
    send_run(1, 100);
    usec sent = clock_now();
    (void)usleep(60000); /* this thread is busy with something else */
    unsigned wanted = 2;
    loop_until(&loop, has_count, &wanted, 1000);
    assert_in_range(got.oldest_age, MILLIS(55), clock_now() - sent + MILLIS(5));
}

static void refusal_is_counted_and_forgotten(void **state)
{
    static const uint8_t data[100];
    struct media_send to_nobody = { .data = data, .len = sizeof data };
    unsigned wanted = 4;
    (void)state;
    make(true, true, 0);
    struct media_socket *gone = media_socket_open(set, NULL, 0);
    to_nobody.to = address_of(gone);
    media_socket_close(gone);
    for (int i = 0; i < 5; i++) {
        media_socket_send(a, &to_nobody, 1);
        loop_for(&loop, 5);
    }
    send_run(3, 500);
    loop_until(&loop, has_count, &wanted, 1000);
    assert_int_equal(media_counters(set)->send_failed, 0);
    print_message("refused: %llu\n", (unsigned long long)media_counters(set)->refused);
}

static void too_long_and_nowhere_are_failures(void **state)
{
    static uint8_t data[70000];
    struct media_send bad[] = {
        { .data = data, .len = sizeof data },
        { .data = data, .len = 10 },
    };
    (void)state;
    make(true, true, 0);
    bad[0].to = address_of(b);
    media_socket_send(a, bad, ARRAY_LEN(bad));
    assert_int_equal(media_counters(set)->send_failed, 2);
    assert_int_equal(media_counters(set)->datagrams_out, 0);
}

static void socket_may_be_closed_by_its_datagram(void **state)
{
    (void)state;
    make(true, true, 0);
    got.close_in_callback = true;
    send_run(20, 1000);
    loop_for(&loop, 30);
    assert_int_equal(got.count, 1);
}

static void alarm_is_precise_and_can_be_moved(void **state)
{
    usec worst = 0;
    (void)state;
    make(true, true, 0);
    for (int i = 0; i < 20; i++) {
        usec at = clock_now() + MILLIS(3) + 137;
        media_wake_at(set, at + SECONDS(10));
        media_wake_at(set, at);
        passes = 0;
        while (passes == 0)
            (void)uv_run(&loop, UV_RUN_ONCE);
        assert_true(pass_at >= at);
        worst = MAX(worst, pass_at - at);
    }
    print_message("latest of 20 alarms: %lld us\n", (long long)worst);
    assert_in_range(worst, 0, MILLIS(50)); /* a busy machine; alone it is 0.1 ms */
    media_wake_at(set, USEC_NEVER);
    passes = 0;
    loop_for(&loop, 30);
    assert_int_equal(passes, 0);
}

static void flood_does_not_starve_the_loop(void **state)
{
    (void)state;
    make(false, true, 0);
    for (int i = 0; i < 3; i++)
        send_run(1000 / 2, 100);
    (void)uv_run(&loop, UV_RUN_NOWAIT);
    assert_true(got.count > 0);
    assert_true(got.count <= MEDIA_PASS_MAX + 64 * 32);
    assert_int_equal(passes, 1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(run_arrives_in_order_without_offloads),   TEST(run_is_one_send_and_is_split_again),
        TEST(merged_sends_reach_a_socket_without_gro), TEST(drops_of_our_own_socket_are_counted),
        TEST(arrival_is_when_the_kernel_had_it),       TEST(refusal_is_counted_and_forgotten),
        TEST(too_long_and_nowhere_are_failures),       TEST(socket_may_be_closed_by_its_datagram),
        TEST(alarm_is_precise_and_can_be_moved),       TEST(flood_does_not_starve_the_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
