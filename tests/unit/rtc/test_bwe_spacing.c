/* SPDX-License-Identifier: Apache-2.0 */
#include "media_test.h"

#include "rtc/bwe_spacing.h"

static struct bwe_spacing s;
static int64_t number, now, queue;

static void arrive(size_t size, int64_t sent_us, int64_t arrival_us)
{
    bwe_spacing_on_packet(&s, number++, size, sent_us, arrival_us, queue);
    now = arrival_us;
}

/* A frame that left at once and arrives with these distances. */
static void frame(const int64_t *distances, size_t count)
{
    int64_t sent = now, at = now + 20000;
    arrive(1000, sent, at);
    for (size_t i = 0; i < count; i++)
        arrive(1000, sent, at += distances[i]);
}

static int start(void **state)
{
    s = (struct bwe_spacing){ 0 };
    number = 5;
    queue = 0;
    now = 1000000;
    return 0;
}

static void packets_one_serialisation_apart_show_the_rate(void **state)
{
    frame((int64_t[]){ 20000, 20000 }, 2);
    assert_int_equal(bwe_spacing_bps(&s), 0); /* two pairs may be chance */
    frame((int64_t[]){ 20000 }, 1);
    assert_int_equal(bwe_spacing_bps(&s), 400000);
}

static void a_stall_leaves_packets_together(void **state)
{
    frame((int64_t[]){ 80000, 50, 50 }, 3);
    assert_true(bwe_spacing_bps(&s) > 100000000);
    frame((int64_t[]){ 60000, 0, 60000 }, 3); /* at the very same time: as fast as can be */
    assert_int_equal(bwe_spacing_bps(&s), 0);
}

static void only_neighbours_that_left_together_are_a_pair(void **state)
{
    frame((int64_t[]){ 20000, 20000, 20000 }, 3);
    number++; /* lost */
    arrive(1000, now, now + 100);
    assert_int_equal(bwe_spacing_bps(&s), 400000);
    arrive(100, now, now + 100); /* too small */
    arrive(1000, now + 90000, now + 100000);
    assert_int_equal(bwe_spacing_bps(&s), 400000);
}

/* Packets that leave 30 ms apart and arrive so far from each other. */
static void trickle(int64_t distance)
{
    int64_t sent = now, at = now + 20000;
    for (int i = 0; i < 4; i++)
        arrive(1000, sent + i * 30000, at + i * distance);
}

static void who_waits_behind_another_is_its_neighbour(void **state)
{
    trickle(20000);
    assert_int_equal(bwe_spacing_bps(&s), 0); /* there is no queue: they left too far apart */
    queue = 50000;
    trickle(20000);
    assert_int_equal(bwe_spacing_bps(&s), 400000);
    (void)start(NULL);
    queue = 50000;
    trickle(40000);
    assert_int_equal(bwe_spacing_bps(&s), 200000);
}

static void a_longer_way_is_no_queue(void **state)
{
    queue = 50000;
    trickle(30000);
    trickle(33000);
    trickle(27000);
    assert_int_equal(bwe_spacing_bps(&s), 0);
}

static void what_is_old_says_nothing(void **state)
{
    frame((int64_t[]){ 20000, 20000, 20000 }, 3);
    arrive(100, now + 300000, now + 300000);
    assert_int_equal(bwe_spacing_bps(&s), 0);
    frame((int64_t[]){ 10000, 10000, 10000 }, 3);
    assert_int_equal(bwe_spacing_bps(&s), 800000);
    bwe_spacing_forget(&s);
    assert_int_equal(bwe_spacing_bps(&s), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(packets_one_serialisation_apart_show_the_rate, start),
        cmocka_unit_test_setup(a_stall_leaves_packets_together, start),
        cmocka_unit_test_setup(only_neighbours_that_left_together_are_a_pair, start),
        cmocka_unit_test_setup(who_waits_behind_another_is_its_neighbour, start),
        cmocka_unit_test_setup(a_longer_way_is_no_queue, start),
        cmocka_unit_test_setup(what_is_old_says_nothing, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
