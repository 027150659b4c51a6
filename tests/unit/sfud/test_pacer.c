/* SPDX-License-Identifier: Apache-2.0 */
#include "core/pacer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static struct paced_packet ring[PACER_PACKETS];
static struct pacer p;
static usec now;

static int start(void **state)
{
    pacer_init(&p, ring);
    now = SECONDS(100);
    return 0;
}

static void hold(uint32_t seq)
{
    const struct paced_packet packet = { .slot = 7, .encoding = 9, .seq = seq, .held_at = now };
    pacer_hold(&p, &packet);
}

static void a_path_that_is_not_full_holds_nothing(void **state)
{
    for (int i = 0; i < 100; i++)
        pacer_on_sent(&p, 1200, 0, now);
    assert_false(pacer_must_hold(&p, 0, now));
    assert_false(pacer_must_hold(&p, 300000, now));
    assert_int_equal(pacer_deadline(&p), USEC_NEVER);
}

static void packets_leave_as_fast_as_the_path_carries_them(void **state)
{
    const uint64_t bps = 240000; /* 1200 bytes in 40 ms */
    usec began = now;
    pacer_on_sent(&p, 1200, bps, now);
    assert_true(pacer_must_hold(&p, bps, now));
    for (uint32_t seq = 0; seq < 10; seq++)
        hold(seq);
    for (uint32_t seq = 0; seq < 10; seq++) {
        assert_null(pacer_next(&p, false, now));
        now = pacer_deadline(&p);
        const struct paced_packet *next = pacer_next(&p, false, now);
        assert_non_null(next);
        assert_int_equal(next->seq, seq);
        pacer_pop(&p);
        pacer_on_sent(&p, 1200, bps, now);
    }
    assert_int_equal(now - began, 10 * MILLIS(40) - PACER_BURST);
    assert_int_equal(pacer_deadline(&p), USEC_NEVER);
}

static void what_comes_later_waits_behind_what_waits(void **state)
{
    pacer_on_sent(&p, 1200, 240000, now);
    hold(1);
    now += SECONDS(1);
    assert_true(pacer_must_hold(&p, 240000, now));
    assert_true(pacer_must_hold(&p, 0, now));
    assert_int_equal(pacer_next(&p, false, now)->seq, 1);
    pacer_pop(&p);
    assert_false(pacer_must_hold(&p, 240000, now));
}

static void nobody_waits_for_a_path_that_is_full_no_more(void **state)
{
    for (int i = 0; i < 500; i++, now += MILLIS(20)) /* sound that is twice what is carried */
        pacer_on_sent(&p, 400, 80000, now);
    hold(1);
    hold(2);
    assert_null(pacer_next(&p, false, now));
    pacer_on_sent(&p, 400, 0, now);
    assert_int_equal(pacer_deadline(&p), now);
    for (uint32_t seq = 1; seq <= 2; seq++) {
        assert_int_equal(pacer_next(&p, false, now)->seq, seq);
        pacer_pop(&p);
        pacer_on_sent(&p, 1200, 0, now);
    }
    assert_false(pacer_must_hold(&p, 0, now));
    assert_false(pacer_must_hold(&p, 80000, now));
}

static void what_was_too_much_is_no_debt_when_the_path_carries_more(void **state)
{
    for (int i = 0; i < 500; i++, now += MILLIS(20)) /* for 10 s */
        pacer_on_sent(&p, 400, 80000, now);
    for (int i = 0; i < 50; i++, now += MILLIS(20))
        pacer_on_sent(&p, 400, 800000, now);
    assert_false(pacer_must_hold(&p, 800000, now));
}

static void nothing_waits_for_long(void **state)
{
    pacer_on_sent(&p, 65000, 10000, now);
    hold(1);
    now += MILLIS(1);
    hold(2);
    now += PACER_HOLD_MAX - MILLIS(2);
    assert_null(pacer_next(&p, false, now));
    now = pacer_deadline(&p);
    assert_int_equal(pacer_next(&p, false, now)->seq, 1);
    pacer_pop(&p);
    pacer_on_sent(&p, 1200, 10000, now);
    assert_null(pacer_next(&p, false, now));
    now += MILLIS(1);
    assert_int_equal(pacer_next(&p, false, now)->seq, 2);
}

static void a_full_pacer_lets_the_oldest_go(void **state)
{
    pacer_on_sent(&p, 65000, 10000, now);
    for (uint32_t seq = 0; seq < PACER_PACKETS; seq++)
        hold(seq);
    assert_null(pacer_next(&p, false, now));
    assert_int_equal(pacer_next(&p, true, now)->seq, 0);
    pacer_pop(&p);
    assert_null(pacer_next(&p, true, now));
    hold(PACER_PACKETS);
    assert_int_equal(pacer_next(&p, true, now)->seq, 1);
}

static void what_waits_is_known(void **state)
{
    pacer_on_sent(&p, 1200, 240000, now);
    hold(5);
    assert_true(pacer_holds(&p, 7, 9, 5));
    assert_true(pacer_holds(&p, 7, 9, ((int64_t)1 << 32) + 5));
    assert_false(pacer_holds(&p, 7, 9, 6));
    assert_false(pacer_holds(&p, 8, 9, 5));
    assert_false(pacer_holds(&p, 7, 8, 5));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_path_that_is_not_full_holds_nothing, start),
        cmocka_unit_test_setup(packets_leave_as_fast_as_the_path_carries_them, start),
        cmocka_unit_test_setup(what_comes_later_waits_behind_what_waits, start),
        cmocka_unit_test_setup(nobody_waits_for_a_path_that_is_full_no_more, start),
        cmocka_unit_test_setup(what_was_too_much_is_no_debt_when_the_path_carries_more, start),
        cmocka_unit_test_setup(nothing_waits_for_long, start),
        cmocka_unit_test_setup(a_full_pacer_lets_the_oldest_go, start),
        cmocka_unit_test_setup(what_waits_is_known, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
