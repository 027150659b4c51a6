/* test_throttle.c - GCRA and the table of limits.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/throttle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct throttle_limit three_then_one_per_second = { .interval = SECONDS(1),
                                                                 .burst = 3,
                                                                 .cost = 1 };
#define NOW ((wall_usec)1790000000 * USEC_PER_SEC)

static void burst_is_allowed_and_then_one_per_interval(void **state)
{
    const struct throttle_limit *l = &three_then_one_per_second;
    wall_usec arrival = 0;
    for (int i = 0; i < 3; i++)
        assert_int_equal(throttle_step(l, false, NOW, &arrival), 0);
    assert_int_equal(throttle_step(l, false, NOW, &arrival), SECONDS(1));
    assert_int_equal(throttle_step(l, false, NOW + MILLIS(400), &arrival), MILLIS(600));
    assert_int_equal(throttle_step(l, false, NOW + SECONDS(1), &arrival), 0);
    assert_int_equal(throttle_step(l, false, NOW + SECONDS(1), &arrival), SECONDS(1));
}

static void refused_request_costs_nothing(void **state)
{
    const struct throttle_limit *l = &three_then_one_per_second;
    wall_usec arrival = NOW + SECONDS(3), before = arrival;
    assert_true(throttle_step(l, false, NOW, &arrival) > 0);
    assert_int_equal(arrival, before);
}

static void over_a_long_time_the_rate_holds(void **state)
{
    const struct throttle_limit *l = &three_then_one_per_second;
    wall_usec arrival = 0;
    int allowed = 0;
    for (usec t = 0; t < SECONDS(100); t += MILLIS(10))
        allowed += throttle_step(l, false, NOW + t, &arrival) == 0;
    assert_int_equal(allowed, 3 + 99);
}

static void forced_charge_makes_the_next_wait_but_not_for_ever(void **state)
{
    const struct throttle_limit *l = &three_then_one_per_second;
    wall_usec arrival = 0;
    for (int i = 0; i < 1000; i++)
        assert_int_equal(throttle_step(l, true, NOW, &arrival), 0);
    usec wait = throttle_step(l, false, NOW, &arrival);
    assert_true(wait > 0 && wait <= SECONDS(3 + 1));
}

static void a_login_is_charged_to_address_and_account(void **state)
{
    struct throttle_charge c;
    throttle_charge_write(THROTTLE_LOGIN, "192.0.2.7", "ada", 1, &c);
    assert_int_equal(c.count, 2);
    assert_string_equal(c.limits[0].key, "login:address:192.0.2.7");
    assert_string_equal(c.limits[1].key, "login:account:ada");
    assert_false(c.is_forced);
    throttle_charge_write(THROTTLE_LOGIN_FAILED, "192.0.2.7", "ada", 1, &c);
    assert_true(c.is_forced);
    assert_string_equal(c.limits[1].key, "login:account:ada");
}

static void addresses_of_one_ipv6_subscriber_are_one(void **state)
{
    struct throttle_charge a, b, c;
    throttle_charge_write(THROTTLE_GUEST, "2001:db8:1:2::5", NULL, 1, &a);
    throttle_charge_write(THROTTLE_GUEST, "2001:db8:1:2:ffff::1", NULL, 1, &b);
    throttle_charge_write(THROTTLE_GUEST, "2001:db8:1:3::5", NULL, 1, &c);
    assert_string_equal(a.limits[0].key, "guest:address:2001:db8:1:2::/64");
    assert_string_equal(a.limits[0].key, b.limits[0].key);
    assert_string_not_equal(a.limits[0].key, c.limits[0].key);
}

static void ipv4_subscribers_behind_a_dual_stack_proxy_are_not_one(void **state)
{
    struct throttle_charge a;
    throttle_charge_write(THROTTLE_GUEST, "::ffff:192.0.2.7", NULL, 1, &a);
    assert_string_equal(a.limits[0].key, "guest:address:192.0.2.7");
}

static void scale_zero_turns_limits_off(void **state)
{
    struct throttle_charge c;
    throttle_charge_write(THROTTLE_LOGIN, "192.0.2.7", "ada", 0, &c);
    assert_int_equal(c.count, 0);
    throttle_charge_write(THROTTLE_LOGIN, "192.0.2.7", "ada", 1000, &c);
    assert_true(c.limits[0].interval > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(burst_is_allowed_and_then_one_per_interval),
        cmocka_unit_test(refused_request_costs_nothing),
        cmocka_unit_test(over_a_long_time_the_rate_holds),
        cmocka_unit_test(forced_charge_makes_the_next_wait_but_not_for_ever),
        cmocka_unit_test(a_login_is_charged_to_address_and_account),
        cmocka_unit_test(addresses_of_one_ipv6_subscriber_are_one),
        cmocka_unit_test(ipv4_subscribers_behind_a_dual_stack_proxy_are_not_one),
        cmocka_unit_test(scale_zero_turns_limits_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
