/* test_event.c - the schema and the canonical form.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/event.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const char example[] =
    "{ \"type\": \"session.login\", \"id\": \"01890a5d-ac96-774b-bcce-b302099a8057\",\n"
    "  \"time\": \"2026-01-02T03:04:05.678901Z\", \"service\": \"authd\", \"instance\": "
    "\"authd-1\",\n"
    "  \"actor\": { \"name\": \"Ad\xc3\xa4\", \"kind\": \"user\", \"id\": \"u_1\" }, \"org\": "
    "\"default\",\n"
    "  \"meta\": { \"z\": 1, \"a\": [true, null] }, \"later\": \"kept\" }";

static void canonical_form_is_sorted_compact_ascii(void **state)
{
    struct event e;
    assert_int_equal(event_parse(bytes_of_str(example), &e, NULL), OK);
    assert_string_equal(e.id, "01890a5d-ac96-774b-bcce-b302099a8057");
    assert_string_equal(e.type, "session.login");
    assert_string_equal(
        e.canonical, "{\"actor\":{\"id\":\"u_1\",\"kind\":\"user\",\"name\":\"Ad\\u00E4\"},"
                     "\"id\":\"01890a5d-ac96-774b-bcce-b302099a8057\",\"instance\":\"authd-1\","
                     "\"later\":\"kept\",\"meta\":{\"a\":[true,null],\"z\":1},\"org\":\"default\","
                     "\"service\":\"authd\",\"time\":\"2026-01-02T03:04:05.678901Z\",\"type\":"
                     "\"session.login\"}");
    event_clear(&e);
}

static void canonical_form_is_its_own_canonical_form(void **state)
{
    struct event one, two;
    assert_int_equal(event_parse(bytes_of_str(example), &one, NULL), OK);
    assert_int_equal(event_parse(bytes_of_str(one.canonical), &two, NULL), OK);
    assert_string_equal(one.canonical, two.canonical);
    event_clear(&one);
    event_clear(&two);
}

static void broken_members_are_named(void **state)
{
    const struct {
        const char *key, *value, *why;
    } cases[] = {
        { "id", "\"7\"", "id" },
        { "id", "null", "id" },
        { "time", "\"yesterday\"", "time" },
        { "type", "\"Session Login\"", "type" },
        { "type", "\"\"", "type" },
        { "service", "5", "service" },
        { "instance", "[]", "instance" },
        { "actor", "\"ada\"", "actor" },
        { "actor", "{}", "actor" },
        { "actor", "{\"kind\":\"user\",\"id\":5}", "actor" },
        { "address", "{}", "org, room or address" },
        { "meta", "[]", "meta" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        json_t *json = json_loads(example, 0, NULL);
        json_object_set_new(json, cases[i].key, json_loads(cases[i].value, JSON_DECODE_ANY, NULL));
        char *text = json_dumps(json, 0);
        struct event e;
        const char *why = NULL;
        assert_int_equal(event_parse(bytes_of_str(text), &e, &why), ERR_MALFORMED);
        assert_string_equal(why, cases[i].why);
        free(text);
        json_decref(json);
    }
}

static void what_is_no_object_is_refused(void **state)
{
    const char *const texts[] = { "", "{", "[]", "5", "{\"a\":1,\"a\":2}", "\xff" };
    struct event e;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        assert_int_equal(event_parse(bytes_of_str(texts[i]), &e, NULL), ERR_MALFORMED);
}

static void too_large_event_is_refused(void **state)
{
    json_t *json = json_loads(example, 0, NULL);
    char *filling = malloc(EVENT_BYTES_MAX + 1);
    memset(filling, 'x', EVENT_BYTES_MAX);
    filling[EVENT_BYTES_MAX] = '\0';
    json_object_set_new(json, "meta", json_pack("{s:s}", "x", filling));
    char *text = json_dumps(json, 0);
    struct event e;
    assert_int_equal(event_parse(bytes_of_str(text), &e, NULL), ERR_FULL);
    free(text);
    free(filling);
    json_decref(json);
}

static void rejection_of_the_same_entry_is_the_same_event(void **state)
{
    struct event a, b, c;
    struct bytes raw = bytes_of_str("not JSON");
    assert_int_equal(event_reject("1790000000000-0", raw, "not JSON", "auditd-1", 5, &a), OK);
    assert_int_equal(event_reject("1790000000000-0", raw, "not JSON", "auditd-1", 6, &b), OK);
    assert_int_equal(event_reject("1790000000000-1", raw, "not JSON", "auditd-1", 5, &c), OK);
    assert_string_equal(a.id, b.id);
    assert_string_not_equal(a.id, c.id);
    assert_string_equal(a.type, "audit.rejected");
    assert_non_null(strstr(a.canonical, "\"sha256\":\""));
    event_clear(&a);
    event_clear(&b);
    event_clear(&c);
}

static void the_same_gap_is_the_same_event(void **state)
{
    struct event a, b, c;
    assert_int_equal(event_gap("1790000000000-0", "1790000000009-0", 3, "auditd-1", 5, &a), OK);
    assert_int_equal(event_gap("1790000000000-0", "1790000000009-0", 3, "auditd-1", 6, &b), OK);
    assert_int_equal(event_gap("1790000000000-0", "1790000000009-0", 4, "auditd-1", 5, &c), OK);
    assert_string_equal(a.id, b.id);
    assert_string_not_equal(a.id, c.id);
    assert_string_equal(a.type, "audit.gap");
    assert_non_null(strstr(a.canonical, "\"meta\":{\"after\":\"1790000000000-0\","
                                        "\"before\":\"1790000000009-0\",\"lost\":\"3\"}"));
    event_clear(&a);
    event_clear(&b);
    event_clear(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(canonical_form_is_sorted_compact_ascii),
        cmocka_unit_test(canonical_form_is_its_own_canonical_form),
        cmocka_unit_test(broken_members_are_named),
        cmocka_unit_test(what_is_no_object_is_refused),
        cmocka_unit_test(too_large_event_is_refused),
        cmocka_unit_test(rejection_of_the_same_entry_is_the_same_event),
        cmocka_unit_test(the_same_gap_is_the_same_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
