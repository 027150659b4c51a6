/* Bitrate divided between slots, and what it is divided by.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/allocator.h"
#include "core/rate_meter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

/* A camera of three layers with two frame rates each but for the lowest. */
static struct ladder camera(uint8_t size, uint8_t priority)
{
    static const struct rung all[] = { { 0, 0, 60000 },  { 0, 2, 150000 },  { 1, 1, 350000 },
                                       { 1, 2, 500000 }, { 2, 1, 1100000 }, { 2, 2, 1700000 } };
    struct ladder l = { .size = size, .priority = priority, .current = -1 };
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        if (all[i].spatial <= size)
            ladder_add(&l, all[i]);
    }
    return l;
}

static uint64_t divide(const struct ladder *l, size_t count, uint64_t bps, int8_t *got)
{
    struct budget budget = { .bps = bps };
    return allocator_divide(l, count, &budget, got);
}

static void everybody_gets_their_best_when_there_is_enough(void **state)
{
    struct ladder l[3] = { camera(2, 0), camera(1, 1), camera(0, 2) };
    int8_t got[3];
    uint64_t demand = allocator_demand(l, 3);
    assert_int_equal(demand, 1700000 + 500000 + 150000);
    assert_int_equal(divide(l, 3, demand * 2, got), demand);
    assert_int_equal(got[0], 5);
    assert_int_equal(got[1], 3);
    assert_int_equal(got[2], 1);
}

static void everybody_gets_the_least_before_anybody_gets_more(void **state)
{
    struct ladder l[4] = { camera(2, 0), camera(2, 1), camera(2, 2), camera(2, 3) };
    int8_t got[4];
    assert_int_equal(divide(l, 4, 270000, got), 240000);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(got[i], 0);
}

static void what_does_not_fit_is_left_out_from_the_least_important(void **state)
{
    struct ladder l[4] = { camera(0, 3), camera(0, 1), camera(2, 2), camera(0, 2) };
    int8_t got[4];
    assert_int_equal(divide(l, 4, 140000, got), 120000);
    assert_int_equal(got[2], 0); /* the larger one */
    assert_int_equal(got[1], 0); /* priority 1 */
    assert_int_equal(got[3], -1);
    assert_int_equal(got[0], -1);
}

static void the_larger_picture_is_raised_before_the_thumbnails(void **state)
{
    struct ladder l[3] = { camera(0, 0), camera(2, 1), camera(0, 2) };
    int8_t got[3];
    (void)divide(l, 3, 1450000, got);
    assert_int_equal(got[0], 1);
    assert_int_equal(got[1], 4);
    assert_int_equal(got[2], 0);
}

static void equals_are_raised_in_turns(void **state)
{
    struct ladder l[3] = { camera(2, 0), camera(2, 1), camera(2, 2) };
    int8_t got[3];
    (void)divide(l, 3, 1700000, got);
    assert_int_equal(got[0], 3);
    assert_int_equal(got[1], 3);
    assert_int_equal(got[2], 3);
}

static void what_flows_stays_in_a_budget_that_wavers(void **state)
{
    struct ladder l[1] = { camera(2, 0) };
    int8_t got[1];
    (void)divide(l, 1, 1150000, got);
    assert_int_equal(got[0], 3); /* 1.1 Mbit/s would fit, but hardly */
    (void)divide(l, 1, 1250000, got);
    assert_int_equal(got[0], 4);
    l[0].current = got[0];
    (void)divide(l, 1, 1105000, got);
    assert_int_equal(got[0], 4);
    (void)divide(l, 1, 1095000, got);
    assert_int_equal(got[0], 3);
}

static void a_slot_that_was_lowered_is_raised_only_if_there_is_much_room(void **state)
{
    struct ladder l = camera(2, 0);
    int8_t got[1];
    l.current = 1;
    (void)divide(&l, 1, 400000, got);
    assert_int_equal(got[0], 2);
    l.is_held = true;
    (void)divide(&l, 1, 460000, got);
    assert_int_equal(got[0], 1);
    (void)divide(&l, 1, 470000, got);
    assert_int_equal(got[0], 2);
    (void)divide(&l, 1, 140000, got); /* what flows is not touched by that, but by the budget */
    assert_int_equal(got[0], 0);
}

static void the_least_picture_gets_its_frames_back_at_once(void **state)
{
    struct ladder l = camera(2, 0);
    int8_t got[1];
    l.current = 0;
    l.is_held = true;
    (void)divide(&l, 1, 154000, got);
    assert_int_equal(got[0], 0);
    (void)divide(&l, 1, 156000, got);
    assert_int_equal(got[0], 1);
    (void)divide(&l, 1, 460000, got); /* a larger one has to wait */
    assert_int_equal(got[0], 1);
}

static void a_larger_picture_must_begin_soon(void **state)
{
    struct ladder l[2] = { camera(2, 0), camera(0, 1) };
    int8_t got[2];
    for (int i = 2; i < 4; i++)
        l[0].rungs[i].start_bytes = 50000; /* in 400 ms: 1 Mbit/s */
    l[0].current = 1;
    assert_int_equal(allocator_demand(l, 2), 1700000 + 150000);
    (void)divide(l, 1, 990000, got);
    assert_int_equal(got[0], 1);
    (void)divide(l, 1, 1000000, got);
    assert_int_equal(got[0], 3);
    (void)divide(l, 2, 1050000, got); /* the other one takes 60000 of it */
    assert_int_equal(got[0], 1);
    l[0].current = 2; /* it has begun: more frames of it need no keyframe */
    (void)divide(l, 1, 990000, got);
    assert_int_equal(got[0], 3);
    l[0].rungs[5].start_bytes = 100000; /* to learn of so much room, it has to be asked for */
    assert_int_equal(allocator_demand(l, 1), 2000000);
}

static void a_better_picture_that_costs_less_replaces_the_worse(void **state)
{
    struct ladder l = { .current = 1 };
    ladder_add(&l, (struct rung){ 0, 2, 150000 });
    ladder_add(&l, (struct rung){ 1, 1, 400000 });
    ladder_add(&l, (struct rung){ 1, 2, 120000 }); /* a still picture */
    assert_int_equal(l.count, 1);
    assert_int_equal(l.rungs[0].spatial, 1);
    assert_int_equal(l.rungs[0].temporal, 2);
}

static void nothing_is_spent_on_nothing(void **state)
{
    struct ladder l[2] = { { .current = -1 }, camera(2, 0) };
    int8_t got[2];
    assert_int_equal(divide(l, 2, 0, got), 0);
    assert_int_equal(got[0], -1);
    assert_int_equal(got[1], -1);
    assert_int_equal(divide(l, 0, 1000, got), 0);
}

static void the_most_wanted_may_cost_more_than_there_is(void **state)
{
    struct ladder l[2] = { camera(0, 0), camera(2, 1) };
    int8_t got[2];
    struct budget budget = { .bps = 40000, .least_bps = 60000 };
    assert_int_equal(allocator_divide(l, 2, &budget, got), 60000);
    assert_int_equal(got[0], -1);
    assert_int_equal(got[1], 0);
    budget.least_bps = 59999;
    assert_int_equal(allocator_divide(l, 2, &budget, got), 0);
    assert_int_equal(got[1], -1);
}

static void a_meter_rises_at_once_and_falls_slowly(void **state)
{
    struct rate_meter m = { 0 };
    usec now = SECONDS(1);
    for (int i = 0; i < 200; i++, now += MILLIS(10)) /* 1000 bytes each 10 ms: 800 kbit/s */
        rate_meter_add(&m, 1, 1000, now);
    assert_in_range(rate_meter_bps(&m, 0), 790000, 816000);
    for (int i = 0; i < 60; i++, now += MILLIS(10)) /* half a second of double, and the end */
        rate_meter_add(&m, 1, 2000, now);
    assert_in_range(rate_meter_bps(&m, 0), 1500000, 1632000);
    for (int i = 0; i < 100; i++, now += MILLIS(10))
        rate_meter_add(&m, 1, 100, now);
    assert_in_range(rate_meter_bps(&m, 0), 1000000, 1450000);
    for (int i = 0; i < 3000; i++, now += MILLIS(10))
        rate_meter_add(&m, 1, 100, now);
    assert_in_range(rate_meter_bps(&m, 0), 80000, 100000);
}

static void a_meter_knows_the_newest_keyframe(void **state)
{
    struct rate_meter m = { 0 };
    assert_int_equal(rate_meter_keyframe_bytes(&m, 0), 0);
    for (int i = 0; i < 2; i++) {
        rate_meter_add_keyframe(&m, 7, 1000, true);
        rate_meter_add_keyframe(&m, 7, 500, false);
        rate_meter_add_keyframe(&m, 6, 3000, false); /* a layer that target 0 is without */
    }
    assert_int_equal(rate_meter_keyframe_bytes(&m, 0), 1500);
    assert_int_equal(rate_meter_keyframe_bytes(&m, 1), 4500);
}

static void a_meter_tells_targets_apart(void **state)
{
    struct rate_meter m = { 0 };
    usec now = SECONDS(1);
    for (int i = 0; i < 400; i++, now += MILLIS(10)) /* every second frame only of the upper one */
        rate_meter_add(&m, i % 2 == 0 ? 3 : 2, 1000, now);
    assert_in_range(rate_meter_bps(&m, 0), 390000, 410000);
    assert_in_range(rate_meter_bps(&m, 1), 790000, 816000);
    assert_int_equal(rate_meter_bps(&m, 2), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everybody_gets_their_best_when_there_is_enough),
        cmocka_unit_test(everybody_gets_the_least_before_anybody_gets_more),
        cmocka_unit_test(what_does_not_fit_is_left_out_from_the_least_important),
        cmocka_unit_test(the_larger_picture_is_raised_before_the_thumbnails),
        cmocka_unit_test(equals_are_raised_in_turns),
        cmocka_unit_test(what_flows_stays_in_a_budget_that_wavers),
        cmocka_unit_test(a_slot_that_was_lowered_is_raised_only_if_there_is_much_room),
        cmocka_unit_test(the_least_picture_gets_its_frames_back_at_once),
        cmocka_unit_test(a_larger_picture_must_begin_soon),
        cmocka_unit_test(a_better_picture_that_costs_less_replaces_the_worse),
        cmocka_unit_test(nothing_is_spent_on_nothing),
        cmocka_unit_test(the_most_wanted_may_cost_more_than_there_is),
        cmocka_unit_test(a_meter_rises_at_once_and_falls_slowly),
        cmocka_unit_test(a_meter_knows_the_newest_keyframe),
        cmocka_unit_test(a_meter_tells_targets_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
