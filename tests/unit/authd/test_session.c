/* test_session.c - refresh tokens, rotation, claims.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const uint8_t secret[DIRECTORY_SECRET_LEN] = { 1, 2, 3 };
static const struct refresh_token first = { .sid = "s_aaaaaaaaaaaaaaaa", .secret = { 4, 5, 6 } };

static void refresh_token_survives_its_text(void **state)
{
    char text[REFRESH_TEXT_CAPACITY];
    struct refresh_token read;
    refresh_token_write(&first, secret, text);
    assert_int_equal(refresh_token_parse(bytes_of_str(text), secret, &read), OK);
    assert_string_equal(read.sid, first.sid);
    assert_memory_equal(read.secret, first.secret, sizeof(first.secret));
}

static void every_changed_character_is_noticed(void **state)
{
    char text[REFRESH_TEXT_CAPACITY];
    struct refresh_token read;
    refresh_token_write(&first, secret, text);
    for (size_t i = 0; text[i] != '\0'; i++) {
        char kept = text[i];
        text[i] = kept == 'b' ? 'c' : 'b';
        assert_int_not_equal(refresh_token_parse(bytes_of_str(text), secret, &read), OK);
        text[i] = kept;
    }
    for (size_t len = 0; len < strlen(text); len++)
        assert_int_not_equal(refresh_token_parse(bytes_of(text, len), secret, &read), OK);
    const uint8_t other[DIRECTORY_SECRET_LEN] = { 9 };
    assert_int_equal(refresh_token_parse(bytes_of_str(text), other, &read), ERR_AUTH);
}

static void the_next_token_follows_from_the_one_before(void **state)
{
    struct refresh_token a, b, c;
    refresh_token_next(&first, secret, &a);
    refresh_token_next(&first, secret, &b);
    refresh_token_next(&a, secret, &c);
    assert_memory_equal(&a, &b, sizeof(a));
    assert_memory_not_equal(a.secret, first.secret, sizeof(a.secret));
    assert_memory_not_equal(a.secret, c.secret, sizeof(a.secret));
}

static void rotation_is_decided_by_what_was_shown(void **state)
{
    assert_int_equal(session_rotation_decide("b", "a", 0, "b", "c"), SESSION_ROTATED);
    assert_int_equal(session_rotation_decide("b", "a", REFRESH_GRACE, "a", "b"), SESSION_REPEATED);
    assert_int_equal(session_rotation_decide("b", "a", REFRESH_GRACE + 1, "a", "b"),
                     SESSION_REUSED);
    assert_int_equal(session_rotation_decide("c", "b", 0, "a", "b"), SESSION_REUSED);
    assert_int_equal(session_rotation_decide("b", "a", 0, "a", "x"), SESSION_REUSED);
}

static void record_survives_storing(void **state)
{
    struct session after, before = session_of_guest("g_bbbbbbbbbbbbbbbb", "Grace \xf0\x9f\x9a\x80",
                                                    "s_aaaaaaaaaaaaaaaa", SECONDS(5));
    json_t *json = session_to_json(&before);
    assert_int_equal(session_from_json(json, &after), OK);
    json_decref(json);
    assert_memory_equal(&before, &after, sizeof(before));
}

static void claims_say_who_and_what(void **state)
{
    const char *admins[] = { "ada" };
    const struct grant_policy policy = { .admins = admins, .admin_count = 1 };
    const struct user ada = {
        .id = "u_aaaaaaaaaaaaaaaa", .username = "ada", .display_name = "Ada", .org = "default"
    };
    struct session s = session_of_user(&ada, "s_aaaaaaaaaaaaaaaa", 0);
    struct token_claims c =
        session_claims(&s, &policy, "conclave", "t_1", SECONDS(10), SECONDS(60));
    assert_string_equal(c.sub, ada.id);
    assert_string_equal(c.sid, s.sid);
    assert_int_equal(c.exp, SECONDS(70));
    assert_true(c.grant.admin && c.grant.moderate && c.grant.subscribe);

    s = session_of_guest("g_bbbbbbbbbbbbbbbb", "ada", s.sid, 0);
    c = session_claims(&s, &policy, "conclave", "t_1", SECONDS(10), SECONDS(60));
    assert_int_equal(c.kind, TOKEN_KIND_GUEST);
    assert_false(c.grant.admin || c.grant.moderate);
    assert_int_equal(c.grant.publish, TOKEN_PUBLISH_ALL);
    assert_string_equal(c.grant.room, "*");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refresh_token_survives_its_text),
        cmocka_unit_test(every_changed_character_is_noticed),
        cmocka_unit_test(the_next_token_follows_from_the_one_before),
        cmocka_unit_test(rotation_is_decided_by_what_was_shown),
        cmocka_unit_test(record_survives_storing),
        cmocka_unit_test(claims_say_who_and_what),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
