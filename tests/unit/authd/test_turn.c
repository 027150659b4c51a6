/* test_turn.c - TURN credentials.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/turn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* Expected value by: printf %s 1790003600:u_ada | openssl dgst -sha1 -hmac north -binary | base64
 */
static void credential_is_what_coturn_computes(void **state)
{
    struct turn_credential c;
    turn_credential_write(bytes_of_str("north"), "u_ada", SECONDS(1790003600), &c);
    assert_string_equal(c.username, "1790003600:u_ada");
    assert_string_equal(c.password, "6ZhG/fGjMsB5+slp/3K+O83c8zc=");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(credential_is_what_coturn_computes) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
