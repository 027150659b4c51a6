/* test_turn.c - TURN credentials.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/turn.h"

/* Expected value by: printf %s 1790003600:u_ada | openssl dgst -sha1 -hmac north -binary | base64
 */
static void credential_is_what_coturn_computes(void **state)
{
    struct turn_credential c;
    turn_credential_write(bytes_of_str("north"), "u_ada", SECONDS(1790003600), &c);
    assert_string_equal(c.username, "1790003600:u_ada");
    assert_string_equal(c.password, "6ZhG/fGjMsB5+slp/3K+O83c8zc=");
}

static void urls_are_a_scheme_and_a_host(void **state)
{
    assert_true(turn_url_is_valid("stun:turn.example.org"));
    assert_true(turn_url_is_valid("turns:[2001:db8::1]:5349?transport=tcp"));
    static const char *const bad[] = { "",         "turn:",     "http://a", "turn:?transport=udp",
                                       "turn:a b", "turn://a/", "turn:u@a", "turn:a>;\"" };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(turn_url_is_valid(bad[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(credential_is_what_coturn_computes),
                                        cmocka_unit_test(urls_are_a_scheme_and_a_host) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
