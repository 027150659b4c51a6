/* test_segment.c - names and rotation.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/segment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void names_sort_as_they_count(void **state)
{
    char name[SEGMENT_NAME_CAPACITY];
    uint64_t number = 0;
    segment_name_write(1, name);
    assert_string_equal(name, "000000000001.ndjson");
    segment_name_write(999999999999, name);
    assert_true(segment_name_parse(name, &number));
    assert_int_equal(number, 999999999999);
}

static void other_files_are_no_segments(void **state)
{
    const char *const names[] = { "lock",
                                  "1.ndjson",
                                  "000000000000.ndjson",
                                  "000000000001.ndjson~",
                                  ".",
                                  "00000000001a.ndjson",
                                  "0000000000001.ndjson" };
    uint64_t number;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        assert_false(segment_name_parse(names[i], &number));
}

static void a_segment_ends_by_size_or_age_but_never_empty(void **state)
{
    const struct segment_policy p = { .bytes_max = 1000, .age_max = SECONDS(60) };
    assert_false(segment_is_due(&p, 999, 5, 0, SECONDS(59)));
    assert_true(segment_is_due(&p, 1000, 5, 0, SECONDS(59)));
    assert_true(segment_is_due(&p, 999, 5, 0, SECONDS(60)));
    assert_false(segment_is_due(&p, 5000, 0, 0, SECONDS(600)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_sort_as_they_count),
        cmocka_unit_test(other_files_are_no_segments),
        cmocka_unit_test(a_segment_ends_by_size_or_age_but_never_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
