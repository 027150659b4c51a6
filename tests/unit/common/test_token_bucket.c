/* SPDX-License-Identifier: Apache-2.0 */
#include "common/token_bucket.h"

#include "unit.h"

static void bucket_gives_burst_then_rate(void **state)
{
    (void)state;
    struct token_bucket b;
    token_bucket_init(&b, 2, 5, 0);
    for (int i = 0; i < 5; i++)
        assert_true(token_bucket_take(&b, 1, 0));
    assert_false(token_bucket_take(&b, 1, 0));
    assert_int_equal(token_bucket_wait(&b, 1, 0), MILLIS(500));
    assert_false(token_bucket_take(&b, 1, MILLIS(499)));
    assert_true(token_bucket_take(&b, 1, MILLIS(500)));
    assert_false(token_bucket_take(&b, 1, MILLIS(500)));
    assert_false(token_bucket_is_full(&b, SECONDS(2)));
    assert_true(token_bucket_is_full(&b, SECONDS(4)));
    assert_int_equal(token_bucket_wait(&b, 6, SECONDS(4)), USEC_NEVER);
}

static void over_any_time_at_most_burst_and_rate_are_taken(void **state)
{
    (void)state;
    struct token_bucket b;
    token_bucket_init(&b, 1.0 / 60, 3, 0);
    unsigned taken = 0;
    for (usec now = 0; now < SECONDS(3600); now += MILLIS(70))
        taken += token_bucket_take(&b, 1, now) ? 1 : 0;
    assert_in_range(taken, 62, 63);
}

static void time_that_goes_back_adds_nothing(void **state)
{
    (void)state;
    struct token_bucket b;
    token_bucket_init(&b, 1000, 1, SECONDS(10));
    assert_true(token_bucket_take(&b, 1, SECONDS(10)));
    assert_false(token_bucket_take(&b, 1, SECONDS(5)));
    assert_false(token_bucket_take(&b, 1, SECONDS(10)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bucket_gives_burst_then_rate),
        cmocka_unit_test(over_any_time_at_most_burst_and_rate_are_taken),
        cmocka_unit_test(time_that_goes_back_adds_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
