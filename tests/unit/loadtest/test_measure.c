/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/bot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint16_t heights[MEASURE_LAYERS_MAX] = { 180, 360, 720, 0 };

/* Every word of a set counts something, but those of the errors' names. */
static struct measure *every_word(uint64_t value)
{
    struct measure *m = calloc(1, sizeof(*m));
    size_t words = offsetof(struct measure, signal_errors) / sizeof(uint64_t);
    for (size_t i = 0; i < words; i++)
        memcpy((char *)m + i * sizeof(uint64_t), &value, sizeof(value));
    return m;
}

static json_t *to_json(const struct measure *m)
{
    json_t *result = json_object();
    measure_to_json(m, heights, result);
    return result;
}

static json_int_t integer_at(json_t *j, const char *a, const char *b, const char *c)
{
    json_t *found = json_object_get(json_object_get(json_object_get(j, a), b), c);
    assert_true(json_is_integer(found));
    return json_integer_value(found);
}

static double real_at(json_t *j, const char *a, const char *b, const char *c)
{
    json_t *found = json_object_get(json_object_get(json_object_get(j, a), b), c);
    assert_true(json_is_number(found));
    return json_number_value(found);
}

static void no_counter_is_forgotten_in_a_sum(void **state)
{
    struct measure *sum = calloc(1, sizeof(*sum)), *one = every_word(3);
    measure_add(sum, one);
    assert_memory_equal(sum, one, sizeof(*sum));
    measure_add(sum, one);
    uint64_t word;
    size_t words = offsetof(struct measure, signal_errors) / sizeof(word), unchanged = 0;
    for (size_t i = 0; i < words; i++) {
        memcpy(&word, (char *)sum + i * sizeof(word), sizeof(word));
        assert_true(word == 6 || word == 3);
        unchanged += word == 3;
    }
    /* min and max of each histogram */
    assert_int_equal(unchanged, 2 * (7 + MEASURE_STAGES_MAX + 1));
    free(sum);
    free(one);
}

static void no_counter_is_forgotten_in_a_difference(void **state)
{
    struct measure *m = every_word(3), *earlier = every_word(3);
    measure_subtract(m, earlier);
    uint64_t word;
    size_t words = offsetof(struct measure, signal_errors) / sizeof(word), left = 0;
    for (size_t i = 0; i < words; i++) {
        memcpy(&word, (char *)m + i * sizeof(word), sizeof(word));
        left += word != 0;
    }
    assert_int_equal(left, 2 * (7 + MEASURE_STAGES_MAX + 1));
    free(m);
    free(earlier);
}

static void a_difference_is_never_below_nothing(void **state)
{
    struct measure *m = calloc(1, sizeof(*m)), *earlier = calloc(1, sizeof(*m));
    m->video.lost_before = 4;
    earlier->video.lost_before = 5;
    measure_subtract(m, earlier);
    assert_int_equal(m->video.lost_before, 0);
    free(m);
    free(earlier);
}

static void errors_are_added_by_name(void **state)
{
    struct measure *a = calloc(1, sizeof(*a)), *b = calloc(1, sizeof(*b));
    measure_signal_error(a, "rate-limited");
    measure_signal_error(a, "room-full");
    measure_signal_error(b, "room-full");
    measure_signal_error(b, "room-full");
    measure_add(a, b);
    json_t *result = to_json(a);
    json_t *expected = json_pack("[{ss si} {ss si}]", "error", "rate-limited", "count", 1, "error",
                                 "room-full", "count", 3);
    assert_true(
        json_equal(json_object_get(json_object_get(result, "errors"), "signaling"), expected));
    json_decref(expected);
    json_decref(result);
    measure_subtract(a, b);
    result = to_json(a);
    expected = json_pack("[{ss si} {ss si}]", "error", "rate-limited", "count", 1, "error",
                         "room-full", "count", 1);
    assert_true(
        json_equal(json_object_get(json_object_get(result, "errors"), "signaling"), expected));
    json_decref(expected);
    json_decref(result);
    free(a);
    free(b);
}

static void more_kinds_of_errors_than_there_is_room_for_are_counted(void **state)
{
    struct measure *a = calloc(1, sizeof(*a)), *sum = calloc(1, sizeof(*sum));
    for (unsigned i = 0; i < 100; i++) {
        char name[80];
        (void)snprintf(name, sizeof name, "%u-with-a-name-that-is-longer-than-any-name-should-be",
                       i);
        measure_signal_error(a, name);
        measure_signal_error(a, name);
    }
    measure_add(sum, a);
    uint64_t total = 0;
    for (size_t i = 0; i < MEASURE_SIGNAL_ERRORS_MAX; i++)
        total += sum->signal_errors[i].count;
    assert_int_equal(total, 200);
    assert_int_equal(sum->signal_errors[0].count, 2);
    assert_string_equal(sum->signal_errors[MEASURE_SIGNAL_ERRORS_MAX - 1].error, "others");
    free(a);
    free(sum);
}

static void loss_says_what_retransmission_saved(void **state)
{
    struct measure *m = calloc(1, sizeof(*m));
    m->video.expected = 1000;
    m->video.lost_before = 50;
    m->video.recovered = 45;
    m->video.rtx_received = 46;
    json_t *r = to_json(m);
    assert_int_equal(integer_at(r, "video", "loss", "expected"), 1000);
    assert_int_equal(integer_at(r, "video", "loss", "lost_before_rtx"), 50);
    assert_int_equal(integer_at(r, "video", "loss", "recovered"), 45);
    assert_float_equal(real_at(r, "video", "loss", "before"), 0.05, 1e-12);
    assert_float_equal(real_at(r, "video", "loss", "after"), 0.005, 1e-12);
    assert_int_equal(integer_at(r, "video", "rtx", "received"), 46);
    assert_float_equal(real_at(r, "audio", "loss", "after"), 0, 0);
    json_decref(r);
    free(m);
}

static void freezes_are_a_share_of_the_time_watched(void **state)
{
    struct measure *m = calloc(1, sizeof(*m));
    m->video.gap_count = 2;
    m->video.gap_us = SECONDS(1);
    m->video.watched_us = SECONDS(40);
    histogram_record(&m->video.gaps, 300);
    histogram_record(&m->video.gaps, 700);
    json_t *r = to_json(m);
    assert_int_equal(integer_at(r, "video", "freezes", "count"), 2);
    assert_int_equal(integer_at(r, "video", "freezes", "longest_ms"), 700);
    assert_float_equal(real_at(r, "video", "freezes", "total_ms"), 1000, 0);
    assert_float_equal(real_at(r, "video", "freezes", "ratio"), 0.025, 1e-12);
    assert_int_equal(integer_at(r, "audio", "gaps", "longest_ms"), 0);
    json_decref(r);
    free(m);
}

static void layers_are_seconds_by_what_was_asked(void **state)
{
    struct measure *m = calloc(1, sizeof(*m));
    json_t *r = to_json(m);
    assert_true(json_is_null(json_object_get(json_object_get(r, "video"), "asked_share")));
    assert_int_equal(json_array_size(json_object_get(json_object_get(r, "video"), "layers")), 0);
    json_decref(r);
    m->layer_us[1][0] = SECONDS(1);
    m->layer_us[1][1] = SECONDS(9);
    m->layer_us[2][2] = SECONDS(10);
    r = to_json(m);
    json_t *layers = json_object_get(json_object_get(r, "video"), "layers");
    json_t *expected = json_pack("[{si s{sf sf sf}} {si s{sf sf sf}}]", "asked_height", 360,
                                 "seconds", "180", 1.0, "360", 9.0, "720", 0.0, "asked_height", 720,
                                 "seconds", "180", 0.0, "360", 0.0, "720", 10.0);
    assert_true(json_equal(layers, expected));
    json_t *asked = json_object_get(json_object_get(r, "video"), "asked_share");
    assert_float_equal(json_number_value(asked), 0.95, 1e-12);
    json_decref(expected);
    json_decref(r);
    free(m);
}

static void what_was_spared_and_how_well_it_goes_are_counted(void **state)
{
    struct measure *m = calloc(1, sizeof(*m)), *twice = calloc(1, sizeof(*m));
    m->layers_told = 7;
    m->layers_changed = 5;
    m->spared_us = MILLIS(1500);
    m->spared_bytes = 1000;
    m->quality_told[3] = 2;
    measure_add(twice, m);
    measure_add(twice, m);
    json_t *r = to_json(twice);
    assert_int_equal(integer_at(r, "video", "dynacast", "events"), 14);
    assert_int_equal(integer_at(r, "video", "dynacast", "changes"), 10);
    assert_int_equal(integer_at(r, "video", "dynacast", "spared_bytes"), 2000);
    assert_float_equal(real_at(r, "video", "dynacast", "spared_layer_seconds"), 3, 1e-9);
    json_t *quality = json_object_get(r, "quality");
    assert_int_equal(json_integer_value(json_object_get(quality, "3")), 4);
    assert_int_equal(json_integer_value(json_object_get(quality, "5")), 0);
    json_decref(r);
    free(twice);
    free(m);
}

static void codecs_are_those_that_arrived(void **state)
{
    struct measure *m = calloc(1, sizeof(*m));
    m->codec_packets[CODEC_OPUS] = 50;
    m->codec_packets[CODEC_H264] = 7;
    m->codec_keyframes[CODEC_H264] = 2;
    json_t *r = to_json(m);
    json_t *expected =
        json_pack("{s{si si}}", "h264", "packets_received", 7, "keyframes_received", 2);
    assert_true(json_equal(json_object_get(json_object_get(r, "video"), "codecs"), expected));
    json_decref(expected);
    json_decref(r);
    free(m);
}

static void stages_and_feedback_have_their_names(void **state)
{
    static const char *const names[] = {
        "token", "tcp",  "tls",          "websocket",      "join",
        "ice",   "dtls", "first_packet", "first_keyframe", "total"
    };
    struct measure *m = calloc(1, sizeof(*m));
    for (size_t i = 0; i < MEASURE_STAGES_MAX; i++)
        histogram_record(&m->stages[i], (int64_t)i);
    m->fir_received = 3;
    m->receiver_reports_sent = 4;
    m->srtp_replay = 5;
    m->tones_right = 6;
    json_t *r = to_json(m);
    json_t *stages = json_object_get(json_object_get(r, "joins"), "stages");
    assert_int_equal(json_object_size(stages), ARRAY_LEN(names));
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        json_t *stage = json_object_get(stages, names[i]);
        assert_int_equal(json_integer_value(json_object_get(stage, "max")), i);
        assert_int_equal(json_integer_value(json_object_get(stage, "count")), 1);
    }
    assert_int_equal(integer_at(r, "feedback", "received", "fir"), 3);
    assert_int_equal(integer_at(r, "feedback", "sent", "receiver_reports"), 4);
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(r, "errors"), "srtp_replay")), 5);
    assert_int_equal(integer_at(r, "audio", "tones", "right"), 6);
    json_decref(r);
    free(m);
}

static void what_others_have_written_stays(void **state)
{
    struct measure *m = calloc(1, sizeof(*m));
    json_t *r = json_pack("{s{si} s{s{si}}}", "joins", "wanted", 7, "audio", "pairs", "heard", 8);
    measure_to_json(m, heights, r);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(r, "joins"), "wanted")), 7);
    assert_int_equal(integer_at(r, "audio", "pairs", "heard"), 8);
    assert_int_equal(integer_at(r, "audio", "tones", "checked"), 0);
    json_decref(r);
    free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_counter_is_forgotten_in_a_sum),
        cmocka_unit_test(no_counter_is_forgotten_in_a_difference),
        cmocka_unit_test(a_difference_is_never_below_nothing),
        cmocka_unit_test(errors_are_added_by_name),
        cmocka_unit_test(more_kinds_of_errors_than_there_is_room_for_are_counted),
        cmocka_unit_test(loss_says_what_retransmission_saved),
        cmocka_unit_test(freezes_are_a_share_of_the_time_watched),
        cmocka_unit_test(layers_are_seconds_by_what_was_asked),
        cmocka_unit_test(what_was_spared_and_how_well_it_goes_are_counted),
        cmocka_unit_test(codecs_are_those_that_arrived),
        cmocka_unit_test(stages_and_feedback_have_their_names),
        cmocka_unit_test(what_others_have_written_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
