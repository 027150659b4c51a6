/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/netem.h"

#include "fail_alloc.h"

static const struct netem_tag tag = { .leg = 1 };
static uint8_t payload[NETEM_DATAGRAM_MAX];

static struct netem *new_netem(struct network_path path, uint64_t seed)
{
    struct netem *n = netem_new(&path, seed);
    assert_non_null(n);
    return n;
}

static enum netem_fate push(struct netem *n, size_t len, usec now)
{
    return netem_push(n, bytes_of(payload, len), &tag, now);
}

static unsigned drain(struct netem *n, usec now)
{
    struct netem_datagram d;
    unsigned count = 0;
    while (netem_pop(n, now, &d))
        count++;
    return count;
}

static void a_perfect_path_needs_nothing_and_keeps_everything(void **state)
{
    struct network_path path = { 0 };
    assert_false(netem_is_needed(&path));
    struct netem *n = new_netem(path, 1);
    assert_int_equal(netem_next_deadline(n), USEC_NEVER);
    assert_int_equal(push(n, 100, 5), NETEM_TAKEN);
    assert_int_equal(netem_next_deadline(n), 5);
    assert_int_equal(drain(n, 5), 1);
    netem_free(n);
    netem_free(NULL);
}

static void datagrams_come_out_as_they_went_in(void **state)
{
    struct netem *n = new_netem((struct network_path){ .delay_us = 100000, .jitter_us = 5000 }, 7);
    usec last_due = 0;
    unsigned out = 0;
    for (unsigned in = 0; in < 20000 || out < 20000;) {
        /* bursts of different sizes, so that the ring wraps at every offset */
        usec now = (usec)in * 500;
        if (in < 20000) {
            size_t len = 4 + (in * 37) % 1400;
            memset(payload, (int)(in & 0xff), len);
            store_be32(payload, in);
            struct netem_tag t = {
                .leg = in % 3, .addr = net_addr_ipv4((const uint8_t[]){ 10, 0, 0, 1 }, (uint16_t)in)
            };
            assert_int_equal(netem_push(n, bytes_of(payload, len), &t, now), NETEM_TAKEN);
            in++;
        } else {
            now = SECONDS(100);
        }
        struct netem_datagram d;
        while (netem_pop(n, now, &d)) {
            assert_int_equal(d.len, 4 + (out * 37) % 1400);
            assert_int_equal(load_be32(d.data), out);
            if (d.len > 4)
                assert_int_equal(d.data[d.len - 1], out & 0xff);
            assert_int_equal(d.tag.leg, out % 3);
            assert_int_equal(d.tag.addr.port, (uint16_t)out);
            assert_in_range(d.due - (usec)out * 500, 100000, 105000);
            assert_true(d.due >= last_due);
            last_due = d.due;
            out++;
        }
    }
    assert_int_equal(netem_in_flight(n), 0);
    netem_free(n);
}

static void independent_loss_is_as_much_as_was_asked(void **state)
{
    struct netem *n = new_netem((struct network_path){ .loss = 0.02 }, 42);
    for (int i = 0; i < 200000; i++) {
        (void)push(n, 100, i);
        (void)drain(n, i);
    }
    /* 4000 expected, standard deviation 63 */
    assert_in_range(netem_count(n, NETEM_LOST), 3750, 4250);
    assert_int_equal(netem_count(n, NETEM_LOST) + netem_count(n, NETEM_TAKEN), 200000);
    netem_free(n);
}

static void bursts_have_their_length_and_share(void **state)
{
    /* In the bad state 0.01 / (0.01 + 0.2) = 4.76 % of the time, five packets long. */
    struct netem *n = new_netem(
        (struct network_path){ .burst_enter = 0.01, .burst_leave = 0.2, .burst_loss = 1 }, 43);
    unsigned bursts = 0, lost = 0;
    bool was_lost = false;
    for (int i = 0; i < 300000; i++) {
        bool is_lost = push(n, 100, i) == NETEM_LOST_BURST;
        (void)drain(n, i);
        lost += is_lost;
        bursts += is_lost && !was_lost;
        was_lost = is_lost;
    }
    assert_in_range(lost, 13300, 15300);
    assert_true((double)lost / bursts > 4.7 && (double)lost / bursts < 5.3);
    assert_int_equal(netem_count(n, NETEM_LOST), 0);
    assert_int_equal(netem_count(n, NETEM_LOST_BURST), lost);
    netem_free(n);
}

static void the_same_seed_is_the_same_network(void **state)
{
    struct network_path path = { .loss = 0.3, .jitter_us = 9000, .delay_us = 10 };
    struct netem *a = new_netem(path, 9), *b = new_netem(path, 9), *c = new_netem(path, 10);
    unsigned different = 0;
    for (int i = 0; i < 1000; i++) {
        enum netem_fate fate = push(a, 50, i * 10000);
        assert_int_equal(fate, push(b, 50, i * 10000));
        different += fate != push(c, 50, i * 10000);
        assert_int_equal(netem_next_deadline(a), netem_next_deadline(b));
        (void)drain(a, i * 10000 + 9999);
        (void)drain(b, i * 10000 + 9999);
        (void)drain(c, i * 10000 + 9999);
    }
    assert_true(different > 200);
    netem_free(a);
    netem_free(b);
    netem_free(c);
}

static void jitter_is_even_where_nothing_waits_for_another(void **state)
{
    struct netem *n = new_netem((struct network_path){ .delay_us = 20000, .jitter_us = 10000 }, 3);
    double sum = 0;
    usec low = USEC_NEVER, high = 0;
    for (int i = 0; i < 10000; i++) {
        usec now = (usec)i * 50000;
        assert_int_equal(push(n, 100, now), NETEM_TAKEN);
        usec took = netem_next_deadline(n) - now;
        sum += (double)took;
        low = MIN(low, took);
        high = MAX(high, took);
        assert_int_equal(drain(n, now + 19999), 0);
        assert_int_equal(drain(n, now + 30000), 1);
    }
    assert_true(low < 20050 && high > 29950);
    assert_true(sum / 10000 > 24800 && sum / 10000 < 25200);
    netem_free(n);
}

static void a_line_carries_its_rate_and_no_more(void **state)
{
    /* 1 Mbit/s; offered 2 Mbit/s of 1222 + 28 bytes, one every 5 ms, for 20 s. */
    struct netem *n = new_netem((struct network_path){ .rate_bps = 1000000 }, 5);
    unsigned out = 0;
    usec longest = 0;
    for (int i = 0; i < 4000; i++) {
        usec now = (usec)i * 5000;
        (void)push(n, 1222, now);
        struct netem_datagram d;
        while (netem_pop(n, now, &d))
            out++;
        longest = MAX(longest, (usec)netem_in_flight(n) * 10000);
    }
    assert_in_range(out, 1995, 2001);
    assert_in_range(netem_count(n, NETEM_QUEUE_FULL), 1950, 2000);
    assert_int_equal(netem_count(n, NETEM_LOST), 0);
    assert_in_range(longest, 200000, 220000); /* the queue is 200 ms and what is on the line */
    netem_free(n);
}

static void an_idle_line_is_crossed_in_its_time(void **state)
{
    struct netem *n = new_netem((struct network_path){ .rate_bps = 1000000, .delay_us = 30000 }, 5);
    assert_int_equal(push(n, 1222, SECONDS(5)), NETEM_TAKEN);
    assert_int_equal(netem_next_deadline(n), SECONDS(5) + 10000 + 30000);
    assert_int_equal(push(n, 1222, SECONDS(5)), NETEM_TAKEN);
    assert_int_equal(drain(n, SECONDS(5) + 49999), 1);
    assert_int_equal(netem_next_deadline(n), SECONDS(5) + 20000 + 30000);
    netem_free(n);
}

static void memory_is_bounded_and_its_end_is_counted_apart(void **state)
{
    struct netem *n = new_netem((struct network_path){ .delay_us = SECONDS(10) }, 5);
    assert_true(netem_memory(n) < 20000);
    unsigned taken = 0;
    for (int i = 0; i < 10000; i++)
        taken += push(n, 1200, i) == NETEM_TAKEN;
    assert_true(netem_memory(n) <= NETEM_BYTES_MAX + 1000);
    assert_in_range(taken, 3300, 3500);
    assert_int_equal(netem_count(n, NETEM_NO_MEMORY), 10000 - taken);
    assert_int_equal(drain(n, SECONDS(20)), taken);
    assert_int_equal(push(n, NETEM_DATAGRAM_MAX, SECONDS(30)), NETEM_TAKEN);
    assert_int_equal(push(n, 0, SECONDS(30)), NETEM_TAKEN);
    assert_int_equal(drain(n, SECONDS(50)), 2);
    netem_free(n);
}

static void fill_and_drain(void *data)
{
    const struct network_path path = { .delay_us = MILLIS(100) };
    struct netem *n = netem_new(&path, 1);
    unsigned taken = 0;
    for (int i = 0; n != NULL && i < 100; i++)
        taken += push(n, 1200, 0) == NETEM_TAKEN;
    if (n != NULL)
        assert_int_equal(drain(n, SECONDS(1)), taken);
    netem_free(n);
}

static void without_memory_datagrams_are_dropped_and_no_more(void **state)
{
    assert_in_range(fail_alloc_each(fill_and_drain, NULL), 4, 6);
}

static void any_order_of_pushes_and_pops_keeps_the_ring_whole(void **state)
{
    for (unsigned seed = 0; seed < 200; seed++) {
        struct netem *n = new_netem((struct network_path){ .jitter_us = 3000 }, seed);
        unsigned in = 0, out = 0, x = seed * 2654435761u + 1;
        usec now = 0;
        for (int i = 0; i < 3000; i++) {
            x = x * 1664525 + 1013904223;
            size_t len = 4 + (x >> 8) % ((x >> 28) == 0 ? 20000 : 300);
            store_be32(payload, in);
            if ((x >> 20) % 3 != 0 && push(n, len, now) == NETEM_TAKEN)
                in++;
            now += (x >> 24) % 1000;
            struct netem_datagram d;
            while ((x >> 16) % 2 == 0 && netem_pop(n, now, &d))
                assert_int_equal(load_be32(d.data), out++);
            assert_int_equal(netem_in_flight(n), in - out);
        }
        netem_free(n);
    }
}

static void a_share_is_overtaken_and_nothing_is_lost(void **state)
{
    const struct network_path path = { .delay_us = 10000, .reorder = 0.1, .reorder_us = 7000 };
    struct netem *n = new_netem(path, 11);
    unsigned next = 0, out = 0, overtaken = 0;
    bool seen[10000] = { false };
    for (unsigned i = 0; i < 20000; i++) {
        usec now = (usec)i * 1000;
        store_be32(payload, i);
        if (i < 10000)
            assert_int_equal(push(n, 4, now), NETEM_TAKEN);
        struct netem_datagram d;
        while (netem_pop(n, now, &d)) {
            unsigned number = load_be32(d.data);
            assert_false(seen[number]);
            seen[number] = true;
            bool is_late = number < next;
            assert_int_equal(d.due - (usec)number * 1000, is_late ? 17000 : 10000);
            overtaken += is_late;
            next = MAX(next, number + 1);
            out++;
        }
    }
    assert_int_equal(out, 10000);
    assert_in_range(overtaken, 900, 1100);
    assert_int_equal(netem_reordered(n), overtaken);
    assert_int_equal(netem_next_deadline(n), USEC_NEVER);
    netem_free(n);
}

static void a_share_arrives_twice(void **state)
{
    struct netem *n = new_netem((struct network_path){ .duplicate = 0.05 }, 12);
    unsigned out = 0;
    for (int i = 0; i < 10000; i++) {
        (void)push(n, 100, i);
        out += drain(n, i);
    }
    assert_int_equal(out, 10000 + netem_duplicated(n));
    assert_in_range(netem_duplicated(n), 430, 570);
    assert_int_equal(netem_count(n, NETEM_TAKEN), 10000);
    netem_free(n);
}

static void a_network_is_squeezed_and_released_while_datagrams_travel(void **state)
{
    struct netem *n = new_netem((struct network_path){ .delay_us = 20000 }, 13);
    assert_int_equal(push(n, 1222, 0), NETEM_TAKEN);
    netem_set_path(n, &(struct network_path){ .rate_bps = 100000 });
    assert_int_equal(push(n, 1222, 1000), NETEM_TAKEN); /* 100 ms on the line */
    assert_int_equal(push(n, 1222, 1000), NETEM_TAKEN);
    assert_int_equal(push(n, 1222, 1000), NETEM_TAKEN);
    assert_int_equal(push(n, 1222, 1000), NETEM_QUEUE_FULL);
    assert_int_equal(drain(n, 20000), 1);
    assert_int_equal(netem_next_deadline(n), 101000);
    netem_set_path(n, &(struct network_path){ 0 });
    assert_int_equal(push(n, 1222, 30000), NETEM_TAKEN); /* behind what waits already */
    assert_int_equal(netem_next_deadline(n), 101000);
    assert_int_equal(drain(n, 301000), 4);
    assert_int_equal(push(n, 1222, 400000), NETEM_TAKEN);
    assert_int_equal(netem_next_deadline(n), 400000);
    netem_free(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_perfect_path_needs_nothing_and_keeps_everything),
        cmocka_unit_test(datagrams_come_out_as_they_went_in),
        cmocka_unit_test(independent_loss_is_as_much_as_was_asked),
        cmocka_unit_test(bursts_have_their_length_and_share),
        cmocka_unit_test(the_same_seed_is_the_same_network),
        cmocka_unit_test(jitter_is_even_where_nothing_waits_for_another),
        cmocka_unit_test(a_line_carries_its_rate_and_no_more),
        cmocka_unit_test(an_idle_line_is_crossed_in_its_time),
        cmocka_unit_test(memory_is_bounded_and_its_end_is_counted_apart),
        cmocka_unit_test(without_memory_datagrams_are_dropped_and_no_more),
        cmocka_unit_test(any_order_of_pushes_and_pops_keeps_the_ring_whole),
        cmocka_unit_test(a_share_is_overtaken_and_nothing_is_lost),
        cmocka_unit_test(a_share_arrives_twice),
        cmocka_unit_test(a_network_is_squeezed_and_released_while_datagrams_travel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
