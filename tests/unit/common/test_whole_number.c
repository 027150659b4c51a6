/* Whole numbers in JSON. SPDX-License-Identifier: Apache-2.0 */
#include "common/whole_number.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static bool read(const char *text, int64_t *ret)
{
    json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
    assert_non_null(value);
    bool ok = whole_number_read(value, -10, INT64_MAX, ret);
    json_decref(value);
    return ok;
}

static void a_whole_number_is_one_however_it_is_written(void **state)
{
    static const struct {
        const char *text;
        int64_t n;
    } rows[] = { { "5", 5 },
                 { "5.0", 5 },
                 { "5e0", 5 },
                 { "0.5e1", 5 },
                 { "-0.0", 0 },
                 { "-10.000", -10 },
                 { "9007199254740992.0", 9007199254740992 },
                 { "9223372036854775807", INT64_MAX } };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int64_t n = -1;
        assert_true(read(rows[i].text, &n));
        assert_int_equal(n, rows[i].n);
    }
}

static void anything_else_is_not(void **state)
{
    static const char *const bad[] = { "5.5",   "-11",  "-11.0", "1e300", "9007199254740994.0",
                                       "\"5\"", "true", "null",  "[5]",   "{}" };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        int64_t n = 7;
        assert_false(read(bad[i], &n));
        assert_int_equal(n, 7);
    }
    int64_t n;
    assert_false(whole_number_read(NULL, 0, 1, &n));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_number_is_one_however_it_is_written),
        cmocka_unit_test(anything_else_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
