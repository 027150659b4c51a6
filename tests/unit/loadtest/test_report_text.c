/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/report_text.h"
#include "core/text.h"
#include "fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static char *report(const char *name, bool colour)
{
    json_t *result = fixture(name);
    char *text = report_text(result, &(struct report_text_options){ .colour = colour });
    assert_non_null(text);
    json_decref(result);
    return text;
}

static void assert_has(const char *text, const char *part)
{
    if (text == NULL || strstr(text, part) == NULL)
        fail_msg("\"%s\" is not in:\n%s", part, text == NULL ? "nothing" : text);
}

static void figures_are_as_people_read_them(void **state)
{
    static const struct {
        double value;
        enum unit unit;
        const char *text;
    } CASES[] = {
        { 0, UNIT_US, "0" },
        { 870, UNIT_US, "870 µs" },
        { 999.9, UNIT_US, "1.00 ms" },
        { 1240, UNIT_US, "1.24 ms" },
        { 12.4e6, UNIT_US, "12.4 s" },
        { 200e6, UNIT_US, "3 min 20 s" },
        { 0, UNIT_SHARE, "0 %" },
        { 0.00031, UNIT_SHARE, "0.031 %" },
        { 1e-9, UNIT_SHARE, "<0.001 %" },
        { 0.123, UNIT_SHARE, "12.3 %" },
        { 1, UNIT_SHARE, "100 %" },
        { 0.99999, UNIT_SHARE, "99.999 %" }, /* not all is not 100 % */
        { 0.99951, UNIT_SHARE, "99.951 %" },
        { 43202560, UNIT_BYTES, "41.2 MiB" },
        { 1023, UNIT_BYTES, "1023 B" },
        { 1234567, UNIT_NONE, "1,234,567" },
        { -1234, UNIT_NONE, "-1,234" },
        { 0.31, UNIT_CORES, "0.310" },
        { 0.0002, UNIT_CORES, "<0.001" },
        { (double)NAN, UNIT_US, "-" },
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        assert_string_equal(figure_of(CASES[i].value, CASES[i].unit).text, CASES[i].text);
    assert_string_equal(figure_short(1234567).text, "1.23 M");
    assert_string_equal(figure_short(9999).text, "9,999");
}

static void foreign_text_is_made_harmless_and_cut(void **state)
{
    static const char *const CASES[][2] = {
        { "plain", "plain" },
        { "two\nlines\x1b[2J", "two lines?[2J" },
        { "gr\xc3\xbc\xc3\x9f dich", "gr\xc3\xbc\xc3\x9f dich" },
        { "\xff\xfe.", "??." },
        { "cut \xe2", "cut ?" },
        { "a\xe2\x80\xae"
          "b\xe2\x80\xa8",
          "a?b?" },
        { "c1\xc2\x9b!", "c1?!" },
        { "12345678901234567890", "12345678901234…" },
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct text t = { 0 };
        text_add_foreign(&t, CASES[i][0], 15);
        char *got = text_take(&t);
        assert_string_equal(got, CASES[i][1]);
        free(got);
    }
}

static void a_summary_has_what_matters(void **state)
{
    char *text = report("meeting", false);
    static const char *const PARTS[] = {
        "meeting-20x20: 20 participants with camera",
        "20 of 20 joined",
        "= until media can flow",
        "+ until the first keyframe",
        "180 of 180",
        "latency p99.9",
        "0.120 %",
        "asked  360p, received 180p 1.79 %, 360p 98.2 %",
        "sfud-1      6.60  0.220",
        "out per CPU s",
        "memory per bot",
        "✓ PASSED",
    };
    for (size_t i = 0; i < ARRAY_LEN(PARTS); i++)
        assert_has(text, PARTS[i]);
    assert_null(strstr(text, "\n  TLS ")); /* nobody used it: no row */
    free(text);
}

static void chaos_names_who_was_hit_and_for_how_long(void **state)
{
    char *text = report("chaos", false);
    static const char *const PARTS[] = {
        "43.0 s into the run, for 1.10 s: kill signald-1",
        "| signald-1: killed, started again as pid 5210",
        "150 lost it, 148 resumed, 2 rejoined, 0 never came back",
        "and 145 more",
        "media: 1,495 of 1,495 streams went on untouched\n",
        "1,492 of 1,495 streams went on untouched, 3 interrupted",
        "interrupted: listener-17 120 ms, listener-18 140 ms, listener-19 220 ms",
        "never: listener-0",
        "signald-1: restarted at 43.9 s",
        "✗ resume_p99<1s",
        "3 bots never came back",
        "✗ FAILED\n  - resume_p99<1s",
    };
    for (size_t i = 0; i < ARRAY_LEN(PARTS); i++)
        assert_has(text, PARTS[i]);
    free(text);
}

static void a_saturated_tester_is_said_first(void **state)
{
    char *text = report("saturated", false);
    assert_true(strncmp(text, "!! THE TESTER WAS SATURATED", 27) == 0);
    assert_has(text, "!!   - thread 0 was busy 99 % of the time");
    assert_has(text, "288 of 300 joined; 12 failed");
    assert_has(text, "9× dtls: timeout: no answer to the DTLS handshake for 10 s");
    assert_has(text, "104 were not heard: bot 0 by 250");
    assert_has(text, "most that held: 240 bots");
    assert_has(text, "! SATURATED: the tester could not keep up");
    assert_null(strstr(text, "FAILED"));
    free(text);
}

static void lines_keep_to_a_hundred_columns_and_end_without_spaces(void **state)
{
    static const char *const NAMES[] = { "audio-room", "meeting", "chaos",
                                         "saturated",  "janus",   "hostile" };
    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++) {
        char *text = report(NAMES[i], false);
        assert_int_equal(text[strlen(text) - 1], '\n');
        for (char *line = text, *end; *line != '\0'; line = end + 1) {
            end = strchr(line, '\n');
            *end = '\0';
            if (text_columns(line) > 100 || (end > line && end[-1] == ' '))
                fail_msg("%s: %zu columns: \"%s\"", NAMES[i], text_columns(line), line);
        }
        free(text);
    }
}

static void foreign_text_cannot_drive_the_terminal(void **state)
{
    char *text = report("hostile", false);
    for (const char *at = text; *at != '\0'; at++)
        assert_true(*at == '\n' || (unsigned char)*at >= 0x20);
    assert_null(strstr(text, "\xe2\x80\xae"));
    assert_null(strstr(text, "\xe2\x80\xa8"));
    free(text);
}

static void colour_is_there_only_when_asked(void **state)
{
    char *plain = report("chaos", false), *coloured = report("chaos", true);
    assert_null(strchr(plain, '\033'));
    assert_has(coloured, "\033[31m✗\033[0m");
    assert_int_equal(text_columns(plain), text_columns(coloured));
    free(plain);
    free(coloured);
}

static void an_empty_result_is_a_report_too(void **state)
{
    json_t *empty = json_object();
    char *text = report_text(empty, &(struct report_text_options){ 0 });
    assert_has(text, "- of - joined");
    free(text);
    json_decref(empty);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_are_as_people_read_them),
        cmocka_unit_test(foreign_text_is_made_harmless_and_cut),
        cmocka_unit_test(a_summary_has_what_matters),
        cmocka_unit_test(chaos_names_who_was_hit_and_for_how_long),
        cmocka_unit_test(a_saturated_tester_is_said_first),
        cmocka_unit_test(lines_keep_to_a_hundred_columns_and_end_without_spaces),
        cmocka_unit_test(foreign_text_cannot_drive_the_terminal),
        cmocka_unit_test(colour_is_there_only_when_asked),
        cmocka_unit_test(an_empty_result_is_a_report_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
