/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/histogram.h"

static struct histogram a, b;

static void percentiles_are_right_to_two_digits(void **state)
{
    a = (struct histogram){ 0 };
    for (int64_t v = 1; v <= 100000; v++)
        histogram_record(&a, v);
    assert_int_equal(a.count, 100000);
    for (double p = 1; p < 100; p += 0.5) {
        double got = (double)histogram_percentile(&a, p), want = p * 1000;
        assert_true(got >= want - 1 && got <= want * 1.016 + 1);
    }
    assert_int_equal(histogram_percentile(&a, 100), 100000);
    assert_true(histogram_mean(&a) > 50000 && histogram_mean(&a) < 50001);
}

static void small_values_are_exact_and_wild_ones_do_no_harm(void **state)
{
    a = (struct histogram){ 0 };
    histogram_record(&a, -5);
    histogram_record(&a, 3);
    assert_int_equal(histogram_percentile(&a, 50), 0);
    assert_int_equal(histogram_percentile(&a, 100), 3);
    histogram_record(&a, INT64_MAX);
    assert_true(histogram_percentile(&a, 100) > (UINT64_C(1) << 35));
    a = (struct histogram){ 0 };
    assert_int_equal(histogram_percentile(&a, 99), 0);
}

static void sums_and_differences_lose_nothing(void **state)
{
    a = b = (struct histogram){ 0 };
    for (int64_t v = 0; v < 1000; v++)
        histogram_record(&a, v);
    b = a;
    for (int64_t v = 5000; v < 6000; v++)
        histogram_record(&b, v);
    struct histogram both = b;
    histogram_subtract(&b, &a);
    assert_int_equal(b.count, 1000);
    assert_true(b.min > 4900 && b.min <= 5000 && b.max == 5999);
    histogram_add(&b, &a);
    assert_int_equal(b.count, both.count);
    assert_int_equal(b.sum, both.sum);
    assert_memory_equal(b.buckets, both.buckets, sizeof b.buckets);
}

static void json_brings_back_the_same(void **state)
{
    a = (struct histogram){ 0 };
    for (int64_t v = 1; v < (INT64_C(1) << 35); v = v * 3 + 1)
        histogram_record(&a, v);
    json_t *json = histogram_to_json(&a);
    assert_int_equal(histogram_from_json(json, &b), OK);
    assert_memory_equal(a.buckets, b.buckets, sizeof a.buckets);
    assert_int_equal(a.max, b.max);
    assert_int_equal(histogram_percentile(&a, 90), histogram_percentile(&b, 90));
    json_decref(json);
    json = json_pack("{s[[ii]]}", "buckets", 5, -1);
    assert_int_equal(histogram_from_json(json, &b), ERR_MALFORMED);
    json_decref(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percentiles_are_right_to_two_digits),
        cmocka_unit_test(small_values_are_exact_and_wild_ones_do_no_harm),
        cmocka_unit_test(sums_and_differences_lose_nothing),
        cmocka_unit_test(json_brings_back_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
