/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/compare.h"
#include "core/histogram.h"
#include "core/slo_metric.h"
#include "fixture.h"

#include <stdlib.h>
#include <string.h>

static char *compare_json(json_t *a, json_t *b)
{
    struct compare_run runs[] = { { "a.json", a }, { "b.json", b } };
    char *text = compare_text(runs, 2, &(struct compare_options){ 0 });
    assert_non_null(text);
    json_decref(a);
    json_decref(b);
    return text;
}

static char *compare(const char *a, const char *b)
{
    return compare_json(fixture(a), fixture(b));
}

/* The line of a metric. */
static void assert_line(const char *text, const char *metric, const char *has)
{
    char start[64], line[300] = "";
    (void)snprintf(start, sizeof start, "\n  %s ", metric);
    const char *at = strstr(text, start);
    if (at != NULL)
        (void)snprintf(line, sizeof line, "%.*s", (int)strcspn(at + 1, "\n"), at + 1);
    if (strstr(line, has) == NULL)
        fail_msg("%s: \"%s\" is not in \"%s\"", metric, has, line);
}

static void two_runs_of_the_same_are_the_same_within_noise(void **state)
{
    char *text = compare("audio-room", "audio-room-again");
    assert_null(strstr(text, "better"));
    assert_null(strstr(text, "worse"));
    assert_null(strstr(text, "! "));
    assert_line(text, "audio_latency_p99", "same within noise");
    assert_line(text, "heard", "=  same");
    assert_null(strstr(text, "VIDEO")); /* nobody had any */
    free(text);
}

static void a_slower_server_is_called_worse_and_the_reverse_better(void **state)
{
    char *text = compare("audio-room", "audio-room-slower");
    assert_line(text, "audio_latency_p50", "✗ worse");
    assert_line(text, "audio_latency_p50", "+40.8 %");
    assert_line(text, "server_cpu", "✗ worse");
    assert_line(text, "packets_per_cpu_second", "✗ worse"); /* less of it */
    assert_line(text, "join_p50", "same within noise");
    free(text);
    text = compare("audio-room-slower", "audio-room");
    assert_line(text, "audio_latency_p50", "✓ better");
    assert_line(text, "packets_per_cpu_second", "✓ better");
    free(text);
}

static void runs_that_cannot_be_compared_are_warned_of(void **state)
{
    char *text = compare("audio-room", "janus");
    assert_non_null(strstr(text, "! B used another cipher"));
    assert_non_null(strstr(text, "! B carried its send times elsewhere"));
    assert_line(text, "received_per_cpu_second", "✗ worse");
    free(text);
    text = compare("audio-room", "meeting");
    assert_non_null(strstr(text, "! B ran another scenario"));
    assert_non_null(strstr(text, "! B had another number of bots"));
    free(text);
    json_t *moved = fixture("audio-room");
    json_t *environment = json_object_get(moved, "environment");
    json_object_set_new(environment, "cpu", json_string("another"));
    json_object_set_new(environment, "hostname_hash", json_string("another"));
    json_object_set_new(json_object_get(moved, "seconds"), "plateau", json_integer(60));
    text = compare_json(fixture("audio-room"), moved);
    assert_non_null(strstr(text, "! B ran on another CPU"));
    assert_non_null(strstr(text, "! B ran on another machine"));
    assert_non_null(strstr(text, "! B was measured for another time"));
    free(text);
}

static void a_saturated_tester_wins_and_loses_nothing(void **state)
{
    char *text = compare("audio-room", "saturated");
    assert_non_null(strstr(text, "! B has a SATURATED TESTER"));
    assert_null(strstr(text, "worse"));
    assert_null(strstr(text, "better"));
    assert_line(text, "audio_latency_p99", "says nothing");
    free(text);
}

static void percentiles_of_few_values_are_neither_better_nor_worse(void **state)
{
    json_t *runs[2];
    for (unsigned run = 0; run < 2; run++) {
        struct histogram six = { 0 }, many = { 0 };
        for (unsigned i = 0; i < 6; i++)
            histogram_record(&six, (345000 + i) << run);
        for (unsigned i = 0; i < 600; i++)
            histogram_record(&many, (1000 + i) << run);
        runs[run] =
            json_pack("{s{s{soso}} s[{s{si si so}}]}", "joins", "stages", "total",
                      histogram_to_json(&six), "first_packet", histogram_to_json(&many), "chaos",
                      "signaling", "lost", 6, "never", 0, "ms", histogram_to_json(&six));
        assert_true(slo_metric_has_few(slo_metric_find("join_p99"), runs[run]));
        assert_true(slo_metric_has_few(slo_metric_find("resume_p99"), runs[run]));
        assert_false(slo_metric_has_few(slo_metric_find("first_packet_p95"), runs[run]));
        assert_false(slo_metric_has_few(slo_metric_find("server_cpu"), runs[run]));
    }
    char *text = compare_json(runs[0], runs[1]);
    assert_line(text, "join_p99", "345 ms few");
    assert_line(text, "join_p99", "too few values");
    assert_line(text, "resume_p99", "too few values");
    assert_line(text, "first_packet_p95", "✗ worse");
    free(text);
}

static void intervals_hold_the_value_and_shrink_with_more_values(void **state)
{
    static const char *const NAMES[] = { "audio_latency_p50", "audio_latency_p99", "latency_p99",
                                         "join_p95", "first_packet_p95" };
    json_t *result = fixture("audio-room");
    char why[SLO_WHY_MAX];
    double value, low, high, narrow_low, narrow_high;
    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++) {
        const struct slo_metric *m = slo_metric_find(NAMES[i]);
        assert_int_equal(slo_metric_value(m, result, &value, why), OK);
        assert_true(slo_metric_interval(m, result, 2.576, &low, &high));
        assert_true(slo_metric_interval(m, result, 0.5, &narrow_low, &narrow_high));
        assert_true(low <= narrow_low && narrow_low <= value);
        assert_true(value <= narrow_high && narrow_high <= high);
        assert_true(low < high && low > value / 4 && high < value * 4);
    }
    assert_false(slo_metric_interval(slo_metric_find("server_cpu"), result, 2.576, &low, &high));
    assert_false(
        slo_metric_interval(slo_metric_find("video_latency_p99"), result, 2.576, &low, &high));
    json_decref(result);
}

/* The interval of a percentile holds the true one about as often as it says. */
static void intervals_are_honest(void **state)
{
    uint32_t seed = 1;
    unsigned held = 0;
    for (unsigned run = 0; run < 200; run++) {
        static struct histogram h;
        h = (struct histogram){ 0 };
        for (unsigned i = 0; i < 2000; i++) {
            seed = seed * 1664525 + 1013904223;
            histogram_record(&h, seed >> 12); /* uniform below 2^20 */
        }
        json_t *result = json_pack("{s{so}}", "tester", "late_us", histogram_to_json(&h));
        double low, high, truth = 0.99 * (1 << 20);
        assert_true(
            slo_metric_interval(slo_metric_find("tester_late_p99"), result, 2.576, &low, &high));
        held += low <= truth && truth <= high;
        json_decref(result);
    }
    assert_true(held >= 190);
}

static void more_than_two_runs_have_columns_of_their_own(void **state)
{
    struct compare_run runs[COMPARE_MAX];
    for (size_t i = 0; i < COMPARE_MAX; i++)
        runs[i] = (struct compare_run){ "x", fixture(i % 2 == 0 ? "hostile" : "meeting") };
    char *text = compare_text(runs, COMPARE_MAX, &(struct compare_options){ .colour = true });
    assert_non_null(strstr(text, "F  x: meeting-20x20"));
    assert_null(strstr(text, "\033[2J")); /* of the hostile one */
    free(text);
    for (size_t i = 0; i < COMPARE_MAX; i++)
        json_decref((json_t *)runs[i].result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_runs_of_the_same_are_the_same_within_noise),
        cmocka_unit_test(a_slower_server_is_called_worse_and_the_reverse_better),
        cmocka_unit_test(runs_that_cannot_be_compared_are_warned_of),
        cmocka_unit_test(a_saturated_tester_wins_and_loses_nothing),
        cmocka_unit_test(percentiles_of_few_values_are_neither_better_nor_worse),
        cmocka_unit_test(intervals_hold_the_value_and_shrink_with_more_values),
        cmocka_unit_test(intervals_are_honest),
        cmocka_unit_test(more_than_two_runs_have_columns_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
