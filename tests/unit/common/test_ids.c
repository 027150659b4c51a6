/* SPDX-License-Identifier: Apache-2.0 */
#include "common/ids.h"

#include "unit.h"

#include <string.h>

static void id_is_prefix_and_sixteen_base32_digits(void **state)
{
    (void)state;
    char id[ID_CAPACITY];
    const uint8_t zeros[ID_RANDOM_LEN] = { 0 };
    const uint8_t hello[ID_RANDOM_LEN] = "helloworld";
    id_write(id, "p_", zeros);
    assert_string_equal(id, "p_aaaaaaaaaaaaaaaa");
    id_write(id, "p_", hello); /* RFC 4648 base32 of "helloworld" */
    assert_string_equal(id, "p_nbswy3dpo5xxe3de");
    assert_true(id_is_valid(id, "p_"));
    assert_false(id_is_valid(id, "r_"));
    assert_false(id_is_valid("p_nbswy3dpo5xxe3d", "p_"));
    assert_false(id_is_valid("p_nbswy3dpo5xxe3d1", "p_"));
    assert_false(id_is_valid("p_nbswy3dpo5xxe3deq", "p_"));
}

/* RFC 9562 appendix A.6. */
static void uuid7_matches_rfc_example(void **state)
{
    (void)state;
    char text[UUID_CAPACITY];
    const uint8_t random[UUID_RANDOM_LEN] = { 0x0c, 0xc3, 0x18, 0xc4, 0xdc,
                                              0x0c, 0x0c, 0x07, 0x39, 0x8f };
    uuid7_write(text, (wall_usec)0x017f22e279b0 * 1000 + 999, random);
    assert_string_equal(text, "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
    assert_true(uuid_is_valid(text));
    assert_false(uuid_is_valid("017f22e2-79b0-7cc3-98c4-dc0c0c07398"));
    assert_false(uuid_is_valid("017f22e2079b0-7cc3-98c4-dc0c0c07398f"));
}

static void malformed_utf8_is_found(void **state)
{
    (void)state;
    static const char *const good[] = {
        "", "abc", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xef\xbf\xbd"
    };
    static const char *const bad[] = { "\x80",
                                       "\xc0\x80",
                                       "\xc1\xbf",
                                       "\xe0\x80\x80",
                                       "\xed\xa0\x80",
                                       "\xf4\x90\x80\x80",
                                       "\xf5\x80\x80\x80",
                                       "\xc3",
                                       "\xe2\x82",
                                       "\xf0\x9f\x98",
                                       "a\xff" };
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_true(utf8_is_valid(bytes_of_str(good[i])));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(utf8_is_valid(bytes_of_str(bad[i])));
}

static enum err room(const char *name)
{
    return room_name_check(bytes_of_str(name));
}

static void room_names_are_checked(void **state)
{
    (void)state;
    assert_int_equal(room("Stand-up \xc3\xa9quipe #1"), OK);
    assert_int_equal(room(""), ERR_MALFORMED);
    assert_int_equal(room("*"), ERR_MALFORMED);
    assert_int_equal(room("a/b"), ERR_MALFORMED);
    assert_int_equal(room("a{b}"), ERR_MALFORMED);
    assert_int_equal(room(" a"), ERR_MALFORMED);
    assert_int_equal(room("a "), ERR_MALFORMED);
    assert_int_equal(room("a\nb"), ERR_MALFORMED);
    assert_int_equal(room("a\xc2\x85"
                          "b"),
                     ERR_MALFORMED); /* NEL */
    assert_int_equal(room("a\xe2\x80\xae"
                          "b"),
                     ERR_MALFORMED); /* right-to-left override */
    assert_int_equal(room("a\xff"), ERR_MALFORMED);
    assert_int_equal(room_name_check(bytes_of("a\0b", 3)), ERR_MALFORMED);
    char long_name[ROOM_NAME_CHARS_MAX + 2];
    memset(long_name, 'x', sizeof long_name);
    assert_int_equal(room_name_check(bytes_of(long_name, ROOM_NAME_CHARS_MAX)), OK);
    assert_int_equal(room_name_check(bytes_of(long_name, ROOM_NAME_CHARS_MAX + 1)), ERR_FULL);
}

static void org_names_are_dns_labels(void **state)
{
    (void)state;
    assert_int_equal(org_name_check(bytes_of_str("acme-2")), OK);
    assert_int_equal(org_name_check(bytes_of_str("Acme")), ERR_MALFORMED);
    assert_int_equal(org_name_check(bytes_of_str("-acme")), ERR_MALFORMED);
    assert_int_equal(org_name_check(bytes_of_str("acme-")), ERR_MALFORMED);
    assert_int_equal(org_name_check(bytes_of_str("")), ERR_MALFORMED);
}

static void display_names_may_be_anything_printable(void **state)
{
    (void)state;
    assert_int_equal(display_name_check(bytes_of_str("Ada {Lovelace} / \xe5\xb0\x8f")), OK);
    assert_int_equal(display_name_check(bytes_of_str("a\tb")), ERR_MALFORMED);
}

static void names_that_nobody_can_see_are_refused(void **state)
{
    (void)state;
    static const char *const invisible[] = {
        "\xe2\x80\x8b",             /* zero width space */
        "\xe2\x80\x8d\xef\xb8\x8f", /* joiner, selector */
        "\xc2\xa0\xe3\x80\x80",     /* wide spaces */
        "\xe3\x85\xa4",             /* Hangul filler */
        "\xe2\xa0\x80",             /* blank Braille */
        "\xf3\xa0\x80\xa0",         /* tag space */
        "a\xe2\x80\xae"
        "b",            /* right-to-left override */
        "\xe2\x80\x8f", /* right-to-left mark */
        "a\xe2\x81\xa6"
        "b", /* isolate */
    };
    for (size_t i = 0; i < ARRAY_LEN(invisible); i++) {
        assert_int_equal(display_name_check(bytes_of_str(invisible[i])), ERR_MALFORMED);
        assert_int_equal(room(invisible[i]), ERR_MALFORMED);
    }
    assert_int_equal(display_name_check(bytes_of_str("\xf0\x9f\x91\xa9\xe2\x80\x8d"
                                                     "\xf0\x9f\x92\xbb")),
                     OK); /* emoji, joined */
    assert_int_equal(display_name_check(bytes_of_str("\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d")), OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(id_is_prefix_and_sixteen_base32_digits),
        cmocka_unit_test(uuid7_matches_rfc_example),
        cmocka_unit_test(malformed_utf8_is_found),
        cmocka_unit_test(room_names_are_checked),
        cmocka_unit_test(org_names_are_dns_labels),
        cmocka_unit_test(display_names_may_be_anything_printable),
        cmocka_unit_test(names_that_nobody_can_see_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
