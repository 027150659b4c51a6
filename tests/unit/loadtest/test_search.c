/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/search.h"

/* Runs a search against a server that can do `limit`; a tester that can do `tester`. */
static struct search run(const struct search_config *config, unsigned limit, unsigned tester,
                         unsigned *ret_steps)
{
    struct search s;
    search_init(&s, config);
    unsigned bots, steps = 0;
    while (search_next(&s, &bots)) {
        assert_in_range(bots, s.config.min, s.config.max);
        assert_int_equal(bots % s.config.multiple, 0);
        assert_true(++steps < 60);
        search_on_result(&s, bots > tester   ? SEARCH_SATURATED
                             : bots <= limit ? SEARCH_PASSED
                                             : SEARCH_FAILED);
    }
    *ret_steps = steps;
    return s;
}

static void it_finds_any_limit_to_the_resolution(void **state)
{
    static const unsigned starts[] = { 0, 1, 100, 1000, 10000 };
    for (size_t i = 0; i < ARRAY_LEN(starts); i++)
        for (unsigned limit = 2; limit < 5000; limit += 1 + limit / 7) {
            struct search_config c = { .min = 2, .max = 10000, .start = starts[i] };
            unsigned steps;
            struct search s = run(&c, limit, UINT32_MAX, &steps);
            assert_int_equal(s.state, SEARCH_FOUND);
            assert_true(s.best <= limit && s.worst > limit);
            assert_true(s.worst - s.best <= 1 || s.worst - s.best <= s.best * 0.05);
            assert_true(steps <= 40);
        }
}

static void it_doubles_and_then_halves(void **state)
{
    struct search_config c = { .min = 10, .max = 1000 };
    struct search s;
    search_init(&s, &c);
    static const struct {
        unsigned bots;
        enum search_outcome outcome;
    } steps[] = { { 10, SEARCH_PASSED }, { 20, SEARCH_PASSED }, { 40, SEARCH_PASSED },
                  { 80, SEARCH_FAILED }, { 80, SEARCH_FAILED }, { 60, SEARCH_PASSED },
                  { 70, SEARCH_FAILED }, { 70, SEARCH_FAILED }, { 65, SEARCH_PASSED },
                  { 67, SEARCH_FAILED }, { 67, SEARCH_FAILED } };
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        unsigned bots = 0;
        assert_true(search_next(&s, &bots));
        assert_int_equal(bots, steps[i].bots);
        search_on_result(&s, steps[i].outcome);
    }
    assert_int_equal(s.state, SEARCH_FOUND);
    assert_int_equal(s.best, 65);
}

static void one_unlucky_run_is_not_a_limit(void **state)
{
    struct search_config c = { .min = 10, .max = 20 };
    struct search s;
    search_init(&s, &c);
    search_on_result(&s, SEARCH_FAILED);
    assert_true(s.is_repeat);
    unsigned bots = 0;
    assert_true(search_next(&s, &bots));
    assert_int_equal(bots, 10);
    search_on_result(&s, SEARCH_PASSED);
    assert_false(s.is_repeat);
    assert_int_equal(s.best, 10);
    assert_int_equal(s.worst, 0);
    search_on_result(&s, SEARCH_PASSED);
    assert_int_equal(s.state, SEARCH_MAX_PASSED);
    assert_int_equal(s.best, 20);
}

static void a_start_that_fails_goes_down_to_min(void **state)
{
    struct search_config c = { .min = 10, .max = 1000, .start = 300 };
    unsigned steps;
    struct search s = run(&c, 5, UINT32_MAX, &steps);
    assert_int_equal(s.state, SEARCH_NONE_PASSED);
    assert_int_equal(s.best, 0);
    s = run(&c, 120, UINT32_MAX, &steps);
    assert_int_equal(s.state, SEARCH_FOUND);
    assert_in_range(s.best, 114, 120);
}

static void a_saturated_tester_ends_it(void **state)
{
    struct search_config c = { .min = 10, .max = 100000 };
    unsigned steps;
    struct search s = run(&c, 100000, 500, &steps);
    assert_int_equal(s.state, SEARCH_TESTER_LIMITED);
    assert_string_equal(search_state_name(s.state), "tester-limited");
    assert_int_equal(s.best, 320);
    assert_int_equal(steps, 7);
}

static void rooms_are_whole(void **state)
{
    struct search_config c = { .min = 5, .max = 999, .multiple = 4 };
    unsigned steps;
    struct search s = run(&c, 203, UINT32_MAX, &steps);
    assert_int_equal(s.config.min, 8);
    assert_int_equal(s.config.max, 996);
    assert_int_equal(s.state, SEARCH_FOUND);
    assert_in_range(s.best, 192, 200);
    c.resolution = 0.0001;
    s = run(&c, 203, UINT32_MAX, &steps);
    assert_int_equal(s.best, 200);
}

static void min_and_max_may_be_the_same(void **state)
{
    struct search_config c = { .min = 7, .max = 7 };
    unsigned steps;
    assert_int_equal(run(&c, 7, 7, &steps).state, SEARCH_MAX_PASSED);
    assert_int_equal(steps, 1);
    assert_int_equal(run(&c, 6, 7, &steps).state, SEARCH_NONE_PASSED);
    assert_int_equal(steps, 2);
    c = (struct search_config){ .min = 1, .max = UINT32_MAX };
    assert_int_equal(run(&c, UINT32_MAX, UINT32_MAX, &steps).state, SEARCH_MAX_PASSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_finds_any_limit_to_the_resolution),
        cmocka_unit_test(it_doubles_and_then_halves),
        cmocka_unit_test(one_unlucky_run_is_not_a_limit),
        cmocka_unit_test(a_start_that_fails_goes_down_to_min),
        cmocka_unit_test(a_saturated_tester_ends_it),
        cmocka_unit_test(rooms_are_whole),
        cmocka_unit_test(min_and_max_may_be_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
