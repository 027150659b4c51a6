/* test_limits.c - what one address may do. SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/signald/core/limits.h"

static const uint8_t key[16];

static void sockets_are_counted_per_address(void **state)
{
    struct limits l;
    limits_init(&l, 2, 1, 5, key);
    assert_true(limits_on_open(&l, "192.0.2.1", 0));
    assert_true(limits_on_open(&l, "192.0.2.1", 0));
    assert_false(limits_on_open(&l, "192.0.2.1", 0));
    assert_true(limits_on_open(&l, "192.0.2.2", 0));
    limits_on_close(&l, "192.0.2.1", 0);
    assert_true(limits_on_open(&l, "192.0.2.1", 0));
    limits_done(&l);
}

static void addresses_of_one_ipv6_network_count_as_one(void **state)
{
    struct limits l;
    limits_init(&l, 2, 1, 5, key);
    assert_true(limits_on_open(&l, "2001:db8:0:1::1", 0));
    assert_true(limits_on_open(&l, "2001:db8:0:1:ffff::2", 0));
    assert_false(limits_on_open(&l, "2001:db8:0:1:2:3:4:5", 0));
    assert_true(limits_on_open(&l, "2001:db8:0:2::1", 0));
    limits_on_close(&l, "2001:db8:0:1::1", 0);
    assert_true(limits_on_open(&l, "2001:db8:0:1:2:3:4:5", 0));
    assert_true(limits_on_open(&l, "192.0.2.1", 0));
    limits_done(&l);
}

static void ipv4_addresses_count_for_themselves_however_they_are_written(void **state)
{
    struct limits l;
    limits_init(&l, 1, 1, 5, key);
    assert_true(limits_on_open(&l, "::ffff:192.0.2.1", 0));
    assert_true(limits_on_open(&l, "::ffff:192.0.2.2", 0));
    assert_false(limits_on_open(&l, "192.0.2.1", 0));
    limits_done(&l);
}

static void joins_have_a_burst_and_a_rate(void **state)
{
    struct limits l;
    limits_init(&l, 2, 2, 3, key);
    for (int i = 0; i < 3; i++)
        assert_int_equal(limits_on_join(&l, "a", 0), 0);
    usec wait = limits_on_join(&l, "a", 0);
    assert_int_equal(wait, MILLIS(500));
    assert_int_equal(limits_on_join(&l, "b", 0), 0);
    assert_int_equal(limits_on_join(&l, "a", wait), 0);
    limits_done(&l);
}

static void idle_addresses_are_forgotten(void **state)
{
    struct limits l;
    limits_init(&l, 2, 1, 2, key);
    assert_int_equal(limits_on_join(&l, "a", 0), 0);
    assert_true(limits_on_open(&l, "b", 0));
    limits_sweep(&l, 0);
    assert_int_equal(l.addresses.len, 2);
    limits_sweep(&l, SECONDS(2));
    assert_int_equal(l.addresses.len, 1);
    limits_on_close(&l, "b", SECONDS(2));
    limits_sweep(&l, SECONDS(2));
    assert_int_equal(l.addresses.len, 0);
    limits_done(&l);
}

static void refusals_of_an_address_are_recorded_once_in_ten_seconds(void **state)
{
    struct limits l;
    uint64_t suppressed = 99;
    limits_init(&l, 2, 1, 2, key);
    assert_true(limits_on_refused(&l, "a", 0, &suppressed));
    assert_int_equal(suppressed, 0);
    for (int i = 0; i < 260; i++)
        assert_false(limits_on_refused(&l, "a", SECONDS(1), &suppressed));
    assert_true(limits_on_refused(&l, "b", SECONDS(1), &suppressed));
    limits_sweep(&l, SECONDS(9));
    assert_true(limits_on_refused(&l, "a", SECONDS(10), &suppressed));
    assert_int_equal(suppressed, 260);
    limits_sweep(&l, SECONDS(20));
    assert_int_equal(l.addresses.len, 0);
    limits_done(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sockets_are_counted_per_address),
        cmocka_unit_test(addresses_of_one_ipv6_network_count_as_one),
        cmocka_unit_test(ipv4_addresses_count_for_themselves_however_they_are_written),
        cmocka_unit_test(joins_have_a_burst_and_a_rate),
        cmocka_unit_test(idle_addresses_are_forgotten),
        cmocka_unit_test(refusals_of_an_address_are_recorded_once_in_ten_seconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
