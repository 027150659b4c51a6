/* SPDX-License-Identifier: Apache-2.0 */
#include "core/window.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

/* Passes of a millisecond, of which so many percent are work. */
static struct window loaded(int percent)
{
    struct window w;
    window_init(&w, MILLIS(2));
    for (int i = 0; i < 500; i++)
        window_on_pass(&w, (100 - percent) * 10, percent * 10);
    return w;
}

static void who_has_little_to_do_does_not_wait(void **state)
{
    struct window w;
    window_init(&w, MILLIS(2));
    assert_int_equal(window_length(&w), 0);
    w = loaded(10);
    assert_int_equal(window_length(&w), 0);
    w = loaded(19);
    assert_int_equal(window_length(&w), 0);
}

static void the_wait_grows_with_the_load(void **state)
{
    usec before = 0;
    for (int percent = 25; percent <= 60; percent += 5) {
        struct window w = loaded(percent);
        assert_true(window_length(&w) > before);
        before = window_length(&w);
    }
    struct window w = loaded(40);
    assert_in_range(window_length(&w), 950, 1050);
}

static void it_is_never_longer_than_configured(void **state)
{
    struct window w = loaded(100);
    assert_int_equal(window_length(&w), MILLIS(2));
    window_init(&w, 0);
    for (int i = 0; i < 500; i++)
        window_on_pass(&w, 0, 1000);
    assert_int_equal(window_length(&w), 0);
}

static void a_load_that_ends_is_soon_forgotten(void **state)
{
    struct window w = loaded(100);
    window_on_pass(&w, SECONDS(60), 100);
    window_on_pass(&w, SECONDS(60), 100);
    assert_in_range(window_length(&w), 0, MILLIS(1));
    window_on_pass(&w, SECONDS(60), 100);
    assert_int_equal(window_length(&w), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_has_little_to_do_does_not_wait),
        cmocka_unit_test(the_wait_grows_with_the_load),
        cmocka_unit_test(it_is_never_longer_than_configured),
        cmocka_unit_test(a_load_that_ends_is_soon_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
