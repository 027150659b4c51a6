/* Which pages may use us.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/origin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char *const list[] = { "https://app.example.org", "http://localhost:5173" };

static enum origin judge(const char *origin, const char *host)
{
    return origin_judge(origin, host, list, ARRAY_LEN(list));
}

static void a_list_has_origins_as_browsers_write_them(void **state)
{
    static const char *const good[] = { "*", "https://app.example.org", "http://localhost:5173",
                                        "https://[2001:db8::1]:8443", "http://app.localhost" };
    static const char *const bad[] = { "",
                                       "app.example.org",
                                       "https://",
                                       "https://app.example.org/",
                                       "https://App.example.org",
                                       "https://app.example.org:443",
                                       "http://app.example.org:80",
                                       "https://a b",
                                       "https://:8443",
                                       "https://a:",
                                       "ws://app.example.org",
                                       "https://*.example.org",
                                       "null",
                                       "https://u@a" };
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_true(origin_is_valid(good[i]));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(origin_is_valid(bad[i]));
}

static void who_sends_no_origin_is_no_page(void **state)
{
    assert_int_equal(judge(NULL, "meet.example.org"), ORIGIN_NONE);
    assert_int_equal(judge(NULL, NULL), ORIGIN_NONE);
}

static void pages_from_here_need_no_list(void **state)
{
    static const char *const own[][2] = {
        { "https://meet.example.org", "meet.example.org" },
        { "https://meet.example.org", "meet.example.org:443" },
        { "http://meet.example.org", "MEET.example.org:80" },
        { "http://localhost:8080", "localhost:8080" },
        { "https://[2001:db8::1]:8443", "[2001:db8::1]:8443" },
    };
    for (size_t i = 0; i < ARRAY_LEN(own); i++)
        assert_int_equal(origin_judge(own[i][0], own[i][1], NULL, 0), ORIGIN_OWN);
}

static void pages_of_other_origins_need_one(void **state)
{
    assert_int_equal(judge("https://app.example.org", "meet.example.org"), ORIGIN_ALLOWED);
    assert_int_equal(judge("http://localhost:5173", "localhost:8080"), ORIGIN_ALLOWED);
    static const char *const foreign[][2] = {
        { "http://app.example.org", "meet.example.org" }, /* another scheme */
        { "https://app.example.org:8443", "meet.example.org" },
        { "https://app.example.org.evil.test", "meet.example.org" },
        { "https://meet.example.org.evil.test", "meet.example.org" },
        { "https://meet.example.org:8443", "meet.example.org" },
        { "http://meet.example.org:443", "meet.example.org" },
        { "http://localhost:5174", "localhost:8080" },
        { "https://meet.example.org", NULL },
        { "https://", "" },
        { "null", "null" },
        { "", "" },
        { "meet.example.org", "meet.example.org" },
    };
    for (size_t i = 0; i < ARRAY_LEN(foreign); i++)
        assert_int_equal(judge(foreign[i][0], foreign[i][1]), ORIGIN_FOREIGN);
}

static void a_star_is_everybody_with_an_origin_of_bearable_length(void **state)
{
    static const char *const any[] = { "*" };
    char longest[ORIGIN_CAPACITY + 1];
    memset(longest, 'a', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = 0;
    assert_int_equal(origin_judge("null", "h", any, 1), ORIGIN_ALLOWED);
    assert_int_equal(origin_judge("https://h", "h", any, 1), ORIGIN_OWN);
    assert_int_equal(origin_judge(longest, "h", any, 1), ORIGIN_FOREIGN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_has_origins_as_browsers_write_them),
        cmocka_unit_test(who_sends_no_origin_is_no_page),
        cmocka_unit_test(pages_from_here_need_no_list),
        cmocka_unit_test(pages_of_other_origins_need_one),
        cmocka_unit_test(a_star_is_everybody_with_an_origin_of_bearable_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
