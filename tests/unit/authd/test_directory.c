/* test_directory.c - user names, records, and users who do not exist.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/directory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void user_names_are_lower_cased_and_checked(void **state)
{
    char name[USERNAME_LEN_MAX + 1];
    assert_int_equal(username_parse("Ada.Love-lace_1", name), OK);
    assert_string_equal(name, "ada.love-lace_1");
    const char *const bad[] = { "",           "-ada", ".ada", "ada lovelace", "ada\n",
                                "ad\xc3\xa4", "a/b",  "a:b",  "a*",           "a{b}" };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(username_parse(bad[i], name), ERR_MALFORMED);
    char longest[USERNAME_LEN_MAX + 2];
    memset(longest, 'a', sizeof(longest));
    longest[USERNAME_LEN_MAX] = '\0';
    assert_int_equal(username_parse(longest, name), OK);
    longest[USERNAME_LEN_MAX] = 'a';
    longest[USERNAME_LEN_MAX + 1] = '\0';
    assert_int_equal(username_parse(longest, name), ERR_MALFORMED);
}

static struct user example(void)
{
    struct user u = { .id = "u_aaaaaaaaaaaaaaaa",
                      .username = "ada",
                      .display_name = "Ada \"the first\" Lovelace",
                      .org = "default",
                      .salt_len = 16,
                      .verifier_len = 384,
                      .group = SRP_GROUP_3072,
                      .kdf = { 19456, 2, 1 },
                      .created = (wall_usec)1790000000123 * USEC_PER_MS };
    memset(u.salt, 7, u.salt_len);
    memset(u.verifier, 9, u.verifier_len);
    return u;
}

static void record_survives_storing(void **state)
{
    struct user before = example(), after;
    json_t *json = user_to_json(&before);
    assert_int_equal(user_from_json(json, &after), OK);
    json_decref(json);
    assert_string_equal(after.id, before.id);
    assert_string_equal(after.display_name, before.display_name);
    assert_memory_equal(after.salt, before.salt, sizeof(before.salt));
    assert_memory_equal(after.verifier, before.verifier, sizeof(before.verifier));
    assert_int_equal(after.kdf.memory_kib, before.kdf.memory_kib);
    assert_int_equal(after.created, before.created);
}

static void credentials_out_of_bounds_are_refused(void **state)
{
    const struct {
        const char *key, *value;
    } cases[] = {
        { "salt", "\"AAAA\"" },
        { "salt", "\"not base64url!\"" },
        { "salt", "5" },
        { "verifier", "\"AQ\"" },
        { "verifier", "\"\"" },
        { "group", "\"1024\"" },
        { "group", "3072" },
        { "kdf", "null" },
        { "kdf", "{\"name\":\"scrypt\",\"memory_kib\":19456,\"iterations\":2,\"parallelism\":1}" },
        { "kdf", "{\"name\":\"argon2id\",\"memory_kib\":8191,\"iterations\":2,\"parallelism\":1}" },
        { "kdf",
          "{\"name\":\"argon2id\",\"memory_kib\":19456,\"iterations\":0,\"parallelism\":1}" },
        { "kdf",
          "{\"name\":\"argon2id\",\"memory_kib\":19456,\"iterations\":2,\"parallelism\":0}" },
        { "kdf",
          "{\"name\":\"argon2id\",\"memory_kib\":9999999999,\"iterations\":2,\"parallelism\":1}" },
    };
    struct user user = example(), ret;
    json_t *fine = user_to_json(&user);
    assert_int_equal(user_credentials_parse(fine, &ret), OK);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        json_t *json = json_deep_copy(fine);
        json_object_set_new(json, cases[i].key, json_loads(cases[i].value, JSON_DECODE_ANY, NULL));
        assert_int_equal(user_credentials_parse(json, &ret), ERR_MALFORMED);
        json_decref(json);
    }
    json_decref(fine);
}

static void pretended_user_is_stable_and_depends_on_the_secret(void **state)
{
    const uint8_t one[DIRECTORY_SECRET_LEN] = { 1 }, two[DIRECTORY_SECRET_LEN] = { 2 };
    struct user a, b;
    user_pretend(one, "nobody", &a);
    user_pretend(one, "nobody", &b);
    assert_memory_equal(&a, &b, sizeof(a));
    assert_int_equal(srp_verifier_check(a.group, bytes_of(a.verifier, a.verifier_len)), OK);
    user_pretend(one, "nobodx", &b);
    assert_memory_not_equal(a.salt, b.salt, a.salt_len);
    user_pretend(two, "nobody", &b);
    assert_memory_not_equal(a.salt, b.salt, a.salt_len);
    assert_memory_not_equal(a.verifier, b.verifier, a.verifier_len);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(user_names_are_lower_cased_and_checked),
        cmocka_unit_test(record_survives_storing),
        cmocka_unit_test(credentials_out_of_bounds_are_refused),
        cmocka_unit_test(pretended_user_is_stable_and_depends_on_the_secret),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
