/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/histogram.h"
#include "core/slo.h"
#include "core/slo_metric.h"
#include "fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct slo slo;
static char error[SLO_ERROR_MAX];

static void parse(const char *text)
{
    if (slo_parse(text, &slo, error) != OK)
        fail_msg("%s: %s", text, error);
}

/* The first term of `text` judged over a fixture; a new reference. */
static json_t *judge_json(const json_t *result, const char *text)
{
    parse(text);
    json_t *judged = slo_evaluate(&slo, result);
    assert_non_null(judged);
    return judged;
}

static bool judge(const char *name, const char *text, char ret_why[SLO_WHY_MAX])
{
    json_t *result = fixture(name), *judged = judge_json(result, text);
    json_t *term = json_array_get(json_object_get(judged, "terms"), 0);
    (void)snprintf(ret_why, SLO_WHY_MAX, "%s", json_string_value(json_object_get(term, "why")));
    bool passed = json_is_true(json_object_get(judged, "passed"));
    assert_true(passed == json_is_true(json_object_get(term, "passed")));
    assert_true(passed == (ret_why[0] == '\0'));
    json_decref(judged);
    json_decref(result);
    return passed;
}

static void terms_have_metric_operator_limit_and_unit(void **state)
{
    static const struct {
        const char *text, *metric;
        enum slo_op op;
        double limit;
    } CASES[] = {
        { "loss<0.5%", "loss", SLO_BELOW, 0.005 },
        { "loss < 0.005", "loss", SLO_BELOW, 0.005 },
        { "latency_p99<5ms", "latency_p99", SLO_BELOW, 5000 },
        { "latency_p99_9<=250us", "latency_p99_9", SLO_AT_MOST, 250 },
        { "audio_latency_p50<250µs", "audio_latency_p50", SLO_BELOW, 250 },
        { "join_p95<0.5s", "join_p95", SLO_BELOW, 500000 },
        { "heard>=100%", "heard", SLO_AT_LEAST, 1 },
        { "joined>0.99", "joined", SLO_ABOVE, 0.99 },
        { "server_cpu<1.5", "server_cpu", SLO_BELOW, 1.5 },
        { "server_memory<512MiB", "server_memory", SLO_BELOW, 512.0 * 1048576 },
        { "audio_gap_longest<=0", "audio_gap_longest", SLO_AT_MOST, 0 },
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        parse(CASES[i].text);
        assert_int_equal(slo.term_count, 1);
        assert_string_equal(slo.terms[0].metric->name, CASES[i].metric);
        assert_int_equal(slo.terms[0].op, CASES[i].op);
        assert_true(fabs(slo.terms[0].limit - CASES[i].limit) < 1e-9 * CASES[i].limit + 1e-12);
    }
    parse(" loss < 0.5%, latency_p99<5ms ,join_p95<500ms,freezes<0.1% ");
    assert_int_equal(slo.term_count, 4);
    assert_string_equal(slo.terms[0].text, "loss<0.5%");
    assert_string_equal(slo.terms[3].text, "freezes<0.1%");
}

static void nonsense_is_refused_with_a_sentence(void **state)
{
    static const struct {
        const char *text, *says;
    } CASES[] = {
        { "", "is not metric" },
        { "loss", "is not metric" },
        { "loss<0.5%,", "is not metric" },
        { "<5ms", "is not metric" },
        { "loss=1%", "is not metric" },
        { "loss<<1%", "not \"<1%\"" },
        { "loss<-1%", "number, not \"-1%\"" },
        { "loss<nan", "number, not \"nan\"" },
        { "loss<1.2.3%", "number" },
        { "loss<", "number, not \"\"" },
        { "loss<5ms", "a share" },
        { "loss<5", "a share" },
        { "latency_p99<5", "us, ms or s" },
        { "latency_p99<5%", "us, ms or s" },
        { "latency_p99<5 minutes", "us, ms or s" },
        { "server_cpu<5ms", "cores" },
        { "joined<200%", "never above 100 %" },
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        assert_int_equal(slo_parse(CASES[i].text, &slo, error), ERR_MALFORMED);
        if (strstr(error, CASES[i].says) == NULL)
            fail_msg("\"%s\" says: %s", CASES[i].text, error);
    }
    char many[SLO_TEXT_MAX + 1] = "";
    for (size_t i = 0; i <= SLO_TERMS_MAX; i++)
        (void)snprintf(many + strlen(many), sizeof many - strlen(many), "%sloss<1%%", i ? "," : "");
    assert_int_equal(slo_parse(many, &slo, error), ERR_FULL);
    memset(many, 'a', SLO_TEXT_MAX);
    assert_int_equal(slo_parse(many, &slo, error), ERR_FULL);
    assert_int_equal(slo_parse(many + SLO_TEXT_MAX - 70, &slo, error), ERR_FULL);
}

static void unknown_metrics_are_answered_with_the_nearest_and_the_list(void **state)
{
    static const char *const CASES[][2] = {
        { "latncy_p99<5ms", "did you mean latency_p99?" },
        { "freeze<1%", "did you mean freezes?" },
        { "join<1s", "did you mean join" },
        { "audioloss<1%", "did you mean audio_loss?" },
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        assert_int_equal(slo_parse(CASES[i][0], &slo, error), ERR_MALFORMED);
        if (strstr(error, CASES[i][1]) == NULL)
            fail_msg("\"%s\" says: %s", CASES[i][0], error);
    }
    assert_int_equal(slo_parse("zzzzzzzzzzzzzzzzzz<1", &slo, error), ERR_MALFORMED);
    assert_null(strstr(error, "did you mean"));
    for (size_t i = 0; i < slo_metric_count(); i++)
        assert_non_null(strstr(error, slo_metric_at(i)->name));
}

static void a_good_run_holds_and_a_bad_one_says_why(void **state)
{
    char why[SLO_WHY_MAX];
    assert_true(judge("audio-room", "loss<0.5%", why));
    assert_true(judge("audio-room", "latency_p99<50ms", why));
    assert_true(judge("audio-room", "latency_p50<1ms", why));
    assert_true(judge("audio-room", "join_p95<500ms", why));
    assert_true(judge("audio-room", "heard>=100%", why));
    assert_true(judge("audio-room", "joined>=100%", why));
    assert_true(judge("audio-room", "server_cpu<1", why));
    assert_true(judge("audio-room", "packets_per_cpu_second>50000", why));
    assert_true(judge("meeting", "freezes<0.1%", why));
    assert_true(judge("meeting", "asked_layer>98%", why));
    assert_true(judge("meeting", "loss_before_rtx<0.2%", why));
    assert_false(judge("meeting", "loss_before_rtx<0.1%", why));
    assert_string_equal(why, "loss_before_rtx is 0.120 %, not below 0.100 %");
    assert_false(judge("saturated", "loss<0.5%", why));
    assert_string_equal(why, "loss is 7.40 %, not below 0.500 %");
    assert_false(judge("saturated", "joined>=100%", why));
    assert_string_equal(why, "joined is 96.0 %, less than 100 %");
}

static void equality_is_where_the_operators_differ(void **state)
{
    char why[SLO_WHY_MAX];
    assert_false(judge("chaos", "audio_gap_longest<220ms", why));
    assert_true(judge("chaos", "audio_gap_longest<=220ms", why));
    assert_true(judge("chaos", "audio_gap_longest>=220ms", why));
    assert_false(judge("chaos", "audio_gap_longest>220ms", why));
}

static void what_was_not_measured_fails_and_says_so(void **state)
{
    static const char *const CASES[][3] = {
        { "audio-room", "video_loss<1%", "no video" },
        { "audio-room", "freezes<1%", "no video" },
        { "audio-room", "video_latency_p99<1s", "no video" },
        { "audio-room", "shown>=0", "no video" },
        { "audio-room", "asked_layer>=0", "no video" },
        { "audio-room", "resume_p99<10s", "nothing happened" },
        { "audio-room", "media_untouched>=0", "nothing happened" },
        { "janus", "packets_per_cpu_second>0", "no server" },
        { "chaos", "resume_p99<10s", "3 bots never came back" },
    };
    char why[SLO_WHY_MAX];
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        assert_false(judge(CASES[i][0], CASES[i][1], why));
        if (strstr(why, CASES[i][2]) == NULL)
            fail_msg("%s over %s says: %s", CASES[i][1], CASES[i][0], why);
    }
    for (size_t i = 0; i < slo_metric_count(); i++) { /* nothing at all was measured */
        const struct slo_metric *m = slo_metric_at(i);
        json_t *empty = json_object();
        double value;
        assert_int_equal(slo_metric_value(m, empty, &value, why), ERR_NOT_FOUND);
        assert_true(strlen(why) > 10);
        json_decref(empty);
    }
}

static void a_server_that_was_never_seen_fails_every_objective_on_servers(void **state)
{
    static const char *const TERMS[] = { "server_cpu<1000", "server_memory<1000GB",
                                         "packets_per_cpu_second>0", "received_per_cpu_second>0" };
    json_t *result = fixture("audio-room");
    json_array_append_new(json_object_get(result, "servers"),
                          json_pack("{ss sn sn s{sn} sn ss}", "name", "foo", "cpu_seconds",
                                    "cpu_share", "memory_bytes", "peak", "packets_out", "note",
                                    "was not running, 7 of 7 times"));
    for (size_t i = 0; i < ARRAY_LEN(TERMS); i++) {
        json_t *judged = judge_json(result, TERMS[i]);
        const json_t *term = json_array_get(json_object_get(judged, "terms"), 0);
        assert_true(json_is_false(json_object_get(judged, "passed")));
        assert_true(json_is_null(json_object_get(term, "value")));
        assert_string_equal(json_string_value(json_object_get(term, "why")),
                            "the run could not measure foo: was not running, 7 of 7 times");
        json_decref(judged);
    }
    json_decref(result);
}

static void shares_of_chaos_are_those_of_the_worst_event(void **state)
{
    json_t *result = json_object(), *events = json_array();
    static const int LOST[] = { 0, 10, 4 }, NEVER[] = { 0, 0, 3 }, HIT[] = { 0, 30, 1 };
    for (size_t i = 0; i < ARRAY_LEN(LOST); i++)
        json_array_append_new(events,
                              json_pack("{s{si si} s{si si}}", "signaling", "lost", LOST[i],
                                        "never", NEVER[i], "media", "streams", 30, "hit", HIT[i]));
    json_object_set_new(result, "chaos", events);
    char why[SLO_WHY_MAX];
    double value;
    assert_int_equal(slo_metric_value(slo_metric_find("media_untouched"), result, &value, why), OK);
    assert_true(value == 0);
    assert_int_equal(slo_metric_value(slo_metric_find("resumed"), result, &value, why), OK);
    assert_true(value == 0.25);
    json_decref(result);
}

static void joins_that_failed_are_the_slowest(void **state)
{
    char why[SLO_WHY_MAX];
    assert_true(judge("saturated", "join_p90<10s", why)); /* 12 of 300 failed */
    assert_false(judge("saturated", "join_p99<100s", why));
    assert_string_equal(why, "12 of 300 joins failed, which is slower than this");
}

static void the_worse_of_audio_and_video_counts(void **state)
{
    json_t *result = fixture("meeting");
    double both, audio, video;
    char why[SLO_WHY_MAX];
    assert_int_equal(slo_metric_value(slo_metric_find("latency_p99"), result, &both, why), OK);
    assert_int_equal(slo_metric_value(slo_metric_find("audio_latency_p99"), result, &audio, why),
                     OK);
    assert_int_equal(slo_metric_value(slo_metric_find("video_latency_p99"), result, &video, why),
                     OK);
    assert_true(audio > 0 && video > 0 && audio != video);
    assert_true(both == MAX(audio, video));
    json_decref(result);
}

static void the_judgement_keeps_values_and_units(void **state)
{
    json_t *result = fixture("audio-room");
    json_t *judged = judge_json(result, "latency_p99<50ms,video_loss<1%");
    json_t *terms = json_object_get(judged, "terms");
    json_t *first = json_array_get(terms, 0), *second = json_array_get(terms, 1);
    assert_string_equal(json_string_value(json_object_get(judged, "text")), slo.text);
    assert_true(json_is_false(json_object_get(judged, "passed")));
    assert_true(json_is_true(json_object_get(first, "passed")));
    assert_string_equal(json_string_value(json_object_get(first, "unit")), "us");
    assert_true(json_number_value(json_object_get(first, "limit")) == 50000);
    assert_true(json_number_value(json_object_get(first, "value")) > 100);
    assert_true(json_is_null(json_object_get(second, "value")));
    json_decref(judged);
    json_decref(result);
}

static void the_help_has_a_line_for_each_metric_and_their_names_are_unique(void **state)
{
    char *help = slo_metrics_help();
    for (size_t i = 0; i < slo_metric_count(); i++) {
        const struct slo_metric *m = slo_metric_at(i);
        assert_non_null(strstr(help, m->name));
        assert_ptr_equal(slo_metric_find(m->name), m);
        assert_true(strlen(m->help) > 10 && m->help[strlen(m->help) - 1] != '.');
    }
    free(help);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(terms_have_metric_operator_limit_and_unit),
        cmocka_unit_test(nonsense_is_refused_with_a_sentence),
        cmocka_unit_test(unknown_metrics_are_answered_with_the_nearest_and_the_list),
        cmocka_unit_test(a_good_run_holds_and_a_bad_one_says_why),
        cmocka_unit_test(equality_is_where_the_operators_differ),
        cmocka_unit_test(what_was_not_measured_fails_and_says_so),
        cmocka_unit_test(a_server_that_was_never_seen_fails_every_objective_on_servers),
        cmocka_unit_test(shares_of_chaos_are_those_of_the_worst_event),
        cmocka_unit_test(joins_that_failed_are_the_slowest),
        cmocka_unit_test(the_worse_of_audio_and_video_counts),
        cmocka_unit_test(the_judgement_keeps_values_and_units),
        cmocka_unit_test(the_help_has_a_line_for_each_metric_and_their_names_are_unique),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
