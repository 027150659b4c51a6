/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/report_html.h"
#include "fixture.h"

#include <stdlib.h>
#include <string.h>

static char *page(const char *name)
{
    json_t *result = fixture(name);
    char *html = report_html(result);
    assert_non_null(html);
    json_decref(result);
    return html;
}

/* The text of the script element with the result; a copy. */
static char *embedded(const char *html)
{
    static const char START[] = "<script type=\"application/json\" id=\"result\">";
    const char *start = strstr(html, START);
    assert_non_null(start);
    start += strlen(START);
    return strndup(start, (size_t)(strstr(start, "</script>") - start));
}

static unsigned occurrences(const char *text, const char *part)
{
    unsigned count = 0;
    for (const char *at = text; (at = strstr(at, part)) != NULL; at += strlen(part))
        count++;
    return count;
}

static void the_page_holds_the_whole_result(void **state)
{
    static const char *const NAMES[] = { "audio-room", "meeting", "chaos",
                                         "saturated",  "janus",   "hostile" };
    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++) {
        char *html = page(NAMES[i]), *json = embedded(html);
        json_t *wanted = fixture(NAMES[i]), *got = json_loads(json, 0, NULL);
        assert_true(json_equal(wanted, got));
        json_decref(wanted);
        json_decref(got);
        free(json);
        free(html);
    }
}

static void the_page_needs_nothing_else(void **state)
{
    char *html = page("meeting");
    assert_true(strncmp(html, "<!doctype html>", 15) == 0);
    assert_non_null(strstr(html, "default-src 'none'"));
    static const char *const FOREIGN[] = { " src=", "<link", "@import", "url(", "fetch(", "{{" };
    for (size_t i = 0; i < ARRAY_LEN(FOREIGN); i++)
        assert_null(strstr(html, FOREIGN[i]));
    /* and its script has no way to turn text into markup or code */
    static const char *const WAYS[] = { "innerHTML",      "outerHTML", "insertAdjacent",
                                        "document.write", "eval(",     "new Function" };
    for (size_t i = 0; i < ARRAY_LEN(WAYS); i++)
        assert_null(strstr(html, WAYS[i]));
    free(html);
}

static void hostile_text_cannot_leave_its_place(void **state)
{
    char *html = page("hostile"), *plain = page("chaos"), *json = embedded(html);
    assert_int_equal(occurrences(html, "<script"), occurrences(plain, "<script"));
    assert_int_equal(occurrences(html, "</script"), occurrences(plain, "</script"));
    assert_int_equal(occurrences(html, "<!--"), occurrences(plain, "<!--"));
    assert_int_equal(occurrences(html, "<img"), 0);
    assert_null(strpbrk(json, "<>&"));
    assert_null(strstr(json, "\xe2\x80\xa8"));
    assert_null(strstr(json, "\xe2\x80\xa9"));
    assert_non_null(strstr(json, "\\u003c/script\\u003e"));
    const char *title = strstr(html, "<title>") + 7;
    assert_true(strncmp(title, "&#60;/script&#62;", 17) == 0);
    assert_int_equal(strcspn(title, "<"), (size_t)(strstr(title, "</title>") - title));
    free(json);
    free(plain);
    free(html);
}

static void other_text_in_the_result_stays_as_it_is(void **state)
{
    json_t *result = json_pack("{ss ss s{ss}}", "a", "€ … \xe2\x80\xa7 grüß", "b",
                               "\\u003c {{title}}", "scenario", "name", "{{result}}");
    char *html = report_html(result), *json = embedded(html);
    json_t *got = json_loads(json, 0, NULL);
    assert_true(json_equal(result, got));
    json_decref(got);
    json_decref(result);
    free(json);
    free(html);
}

static void an_empty_result_is_a_page_too(void **state)
{
    json_t *result = json_object();
    char *html = report_html(result), *json = embedded(html);
    assert_string_equal(json, "{}");
    json_decref(result);
    free(json);
    free(html);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_page_holds_the_whole_result),
        cmocka_unit_test(the_page_needs_nothing_else),
        cmocka_unit_test(hostile_text_cannot_leave_its_place),
        cmocka_unit_test(other_text_in_the_result_stays_as_it_is),
        cmocka_unit_test(an_empty_result_is_a_page_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
