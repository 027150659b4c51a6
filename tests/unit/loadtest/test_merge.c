/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/measure.h"
#include "core/merge.h"
#include "core/result.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint16_t heights[MEASURE_LAYERS_MAX] = { 180, 360, 720, 0 };
static uint64_t dice_state;

static uint64_t dice(uint64_t bound)
{
    dice_state = dice_state * 6364136223846793005u + 1442695040888963407u;
    return (dice_state >> 33) % bound;
}

static void fill_histogram(struct histogram *h, unsigned values, uint64_t bound)
{
    for (unsigned i = 0; i < values; i++)
        histogram_record(h, (int64_t)dice(bound));
}

static void fill_media(struct measure_media *m)
{
    for (uint64_t *word = &m->sent_packets; word <= &m->watched_us; word++)
        *word = dice(1000000);
    m->expected += 1000000;
    m->recovered = dice(m->lost_before + 1);
    m->watched_us += 1000000;
    fill_histogram(&m->gaps, 20, 3000);
    fill_histogram(&m->latency, 2000, 90000);
    fill_histogram(&m->jitter, 300, 4000);
}

/* What a machine measured, by its dice. */
static struct measure *measured(uint64_t seed)
{
    struct measure *m = calloc(1, sizeof *m);
    dice_state = seed;
    fill_media(&m->audio);
    fill_media(&m->video);
    for (size_t i = 0; i < MEASURE_STAGES_MAX; i++)
        fill_histogram(&m->stages[i], 40, 500000);
    fill_histogram(&m->switch_ms, 30, 2000);
    fill_histogram(&m->onset_ms, 30, 2000);
    for (uint64_t *word = &m->nack_sent; word <= &m->malformed; word++)
        *word = dice(5000);
    m->tones_checked = dice(900);
    m->tones_right = dice(m->tones_checked + 1);
    m->keyframes_received = dice(500);
    for (size_t i = 0; i < CODEC_COUNT; i++)
        m->codec_packets[i] = dice(2) * dice(100000);
    for (size_t asked = 0; asked < 3; asked++) {
        for (size_t got = 0; got < 3; got++)
            m->layer_us[asked][got] = dice(50000000);
    }
    static const char *const errors[] = { "rate-limited", "room-full", "timeout" };
    for (size_t i = 0; i < 40; i++)
        measure_signal_error(m, errors[dice(ARRAY_LEN(errors))]);
    return m;
}

static json_t *result_of(const struct measure *m, int bots)
{
    json_t *result = json_pack(
        "{ss s{ss ss ss si} s{ss si si s[]} ss ss s{sf sf sf sf} s{ss s{ss sf sf}} s{si si si s[]} "
        "s[] s[] s{sf sf si s{si si} si sf sb s[]} sn sb}",
        "schema", RESULT_SCHEMA, "tool", "version", "0.1.0", "driver", "conclave", "stamp",
        "extension", "machines", 1, "scenario", "name", "meeting", "rooms", 1, "bots", bots,
        "groups", "target", "http://localhost:8080", "started", "2026-11-21T10:11:12Z", "seconds",
        "ramp", 3.0, "settle", 2.0, "plateau", 5.0, "total", 12.0, "environment", "kernel", "Linux",
        "clock", "source", "tsc", "offset_us", 0.0, "uncertainty_us", 0.0, "joins", "wanted", bots,
        "joined", bots, "failed", 0, "failures", "chaos", "servers", "tester", "cpu_seconds", 1.5,
        "cpu_share_busiest_thread", 0.25, "threads", 2, "memory_bytes", "start", 1000, "peak", 3000,
        "memory_bytes_per_bot", 100 * bots, "cpu_us_per_bot_second", (double)bots, "saturated", 0,
        "reasons", "search", "interrupted", 0);
    assert_non_null(result);
    measure_to_json(m, heights, result);
    json_object_set_new(result, "groups",
                        json_pack("[{ss si sO sO}]", "name", "people", "bots", bots, "audio",
                                  json_object_get(result, "audio"), "video",
                                  json_object_get(result, "video")));
    return result;
}

/* Equal but for the last digits of what is not whole. */
static bool same(const json_t *a, const json_t *b)
{
    const char *key;
    const json_t *value;
    if (json_is_number(a) && json_is_number(b)) {
        double x = json_number_value(a), y = json_number_value(b);
        return fabs(x - y) <= 1e-9 * MAX(fabs(x), fabs(y));
    }
    if (json_is_array(a)) {
        bool all = json_array_size(a) == json_array_size(b);
        for (size_t i = 0; i < json_array_size(a); i++)
            all = all && same(json_array_get(a, i), json_array_get(b, i));
        return all;
    }
    if (!json_is_object(a))
        return json_equal(a, b);
    bool all = json_object_size(a) == json_object_size(b);
    json_object_foreach((json_t *)a, key, value)
    {
        if (!same(value, json_object_get(b, key))) {
            print_message("differs: %s\n", key);
            all = false;
        }
    }
    return all;
}

static void the_parts_together_are_the_whole(void **state)
{
    static const char *const sections[] = { "audio", "video", "feedback", "errors", "groups" };
    for (uint64_t seed = 1; seed < 20; seed++) {
        struct measure *a = measured(seed), *b = measured(seed + 100), *c = measured(seed + 200);
        json_t *results[] = { result_of(a, 10), result_of(b, 20), result_of(c, 30) };
        struct merge_part parts[3];
        for (size_t i = 0; i < 3; i++)
            parts[i] = (struct merge_part){ .name = "host:9700", .result = results[i] };
        measure_add(a, b);
        measure_add(a, c);
        json_t *whole = result_of(a, 60), *merged = merge_results(parts, 3, NULL);
        for (size_t i = 0; i < ARRAY_LEN(sections); i++)
            assert_true(
                same(json_object_get(whole, sections[i]), json_object_get(merged, sections[i])));
        assert_true(same(result_at(whole, "joins"), result_at(merged, "joins")));
        assert_true(result_number(merged, "tool.machines") == 3);
        assert_true(result_number(merged, "scenario.bots") == 60);
        for (size_t i = 0; i < 3; i++)
            json_decref(results[i]);
        json_decref(whole);
        json_decref(merged);
        free(a);
        free(b);
        free(c);
    }
}

static json_t *two(const char *path_a, json_t *value_a, const char *path_b, json_t *value_b)
{
    struct measure *m = calloc(1, sizeof *m);
    json_t *a = result_of(m, 10), *b = result_of(m, 30);
    json_object_update((json_t *)result_at(a, path_a), value_a);
    json_object_update((json_t *)result_at(b, path_b), value_b);
    struct merge_part parts[] = {
        { .name = "a:9700", .result = a, .bot_count = 10, .clock_uncertainty_us = 40 },
        { .name = "b:9700", .result = b, .bot_first = 10, .bot_count = 30, .clock_offset_us = -900 }
    };
    json_t *merged = merge_results(parts, 2, NULL);
    json_decref(value_a);
    json_decref(value_b);
    json_decref(a);
    json_decref(b);
    free(m);
    return merged;
}

static json_t *failure(const char *stage, const char *error, int count, int bot)
{
    return json_pack("{ss ss ss si si}", "stage", stage, "error", error, "message", "…", "count",
                     count, "bot", bot);
}

static void failures_of_a_kind_become_one(void **state)
{
    json_t *merged = two("joins",
                         json_pack("{s[o,o]}", "failures", failure("ice", "no-answer", 3, 1),
                                   failure("token", "refused", 1, 2)),
                         "joins",
                         json_pack("{s[o,o]}", "failures", failure("ice", "refused", 5, 11),
                                   failure("ice", "no-answer", 4, 12)));
    const json_t *failures = result_at(merged, "joins.failures");
    assert_int_equal(json_array_size(failures), 3);
    assert_true(result_number(json_array_get(failures, 0), "count") == 7);
    assert_true(result_number(json_array_get(failures, 0), "bot") == 1);
    assert_true(result_number(json_array_get(failures, 2), "count") == 5);
    json_decref(merged);
}

static json_t *missing(int count, int first)
{
    json_t *list = json_array();
    for (int i = 0; i < count; i++)
        json_array_append_new(list, json_pack("{si si}", "listener", first + i, "speaker", 0));
    return json_pack("{s{si si so si}}", "pairs", "expected", 100, "heard", 100 - count, "missing",
                     list, "missing_count", count);
}

static void lists_are_cut_and_counts_are_not(void **state)
{
    json_t *merged = two("audio", missing(40, 0), "audio", missing(45, 40));
    assert_int_equal(json_array_size(result_at(merged, "audio.pairs.missing")), MERGE_MISSING_MAX);
    assert_true(result_number(merged, "audio.pairs.missing_count") == 85);
    assert_true(result_number(merged, "audio.pairs.expected") == 200);
    json_decref(merged);
}

static void one_saturated_machine_saturates_all_and_is_named(void **state)
{
    json_t *merged = two("tester", json_object(), "tester",
                         json_pack("{sb sf s[s]}", "saturated", 1, "cpu_share_busiest_thread", 0.99,
                                   "reasons", "thread 0 was busy 99 % of the time"));
    assert_true(result_true(merged, "tester.saturated"));
    assert_true(result_number(merged, "tester.cpu_share_busiest_thread") == 0.99);
    assert_true(result_number(merged, "tester.threads") == 4);
    assert_true(result_number(merged, "tester.cpu_us_per_bot_second") == 25); /* (10² + 30²) / 40 */
    assert_string_equal(json_string_value(json_array_get(result_at(merged, "tester.reasons"), 0)),
                        "b:9700: thread 0 was busy 99 % of the time");
    json_decref(merged);
}

static void clocks_and_machines_are_told(void **state)
{
    json_t *merged = two("tester", json_object(), "tester", json_object());
    const json_t *agents = result_at(merged, "environment.agents");
    assert_int_equal(json_array_size(agents), 2);
    assert_string_equal(result_text(json_array_get(agents, 1), "name", ""), "b:9700");
    assert_true(result_number(json_array_get(agents, 1), "bot_first") == 10);
    assert_true(result_number(merged, "environment.clock.offset_us") == 900);
    assert_true(result_number(merged, "environment.clock.uncertainty_us") == 40);
    json_decref(merged);
}

/* connected is `height` from second `first` on. */
static json_t *series(double offset, int rows, int packets, json_t *latency)
{
    static const char *const keys[] = { "connected",      "packets_sent", "packets_received",
                                        "bytes_received", "freezes",      "tester_cpu" };
    json_t *ret = json_object(), *t = json_array(), *phase = json_array(), *p99 = json_array();
    for (int i = 0; i < rows; i++) {
        json_array_append_new(t, json_real(i + 1 + offset));
        json_array_append_new(phase, json_string("plateau"));
        json_array_append(p99, latency);
    }
    for (size_t k = 0; k < ARRAY_LEN(keys); k++) {
        json_t *list = json_array();
        for (int i = 0; i < rows; i++)
            json_array_append_new(list, json_integer(packets + i));
        json_object_set_new(ret, keys[k], list);
    }
    json_object_set_new(ret, "loss_after", json_array());
    for (int i = 0; i < rows; i++)
        json_array_append_new(json_object_get(ret, "loss_after"), json_real(1.0 / packets));
    json_object_set_new(ret, "t", t);
    json_object_set_new(ret, "phase", phase);
    json_object_set_new(ret, "latency_p50_us", json_array());
    json_object_set_new(ret, "latency_p99_us", p99);
    json_object_set_new(ret, "servers",
                        json_pack("{s{s[i,i,i]}}", "sfud-1", "memory_bytes", 7, 8, 9));
    json_decref(latency);
    return json_pack("{so}", "series", ret);
}

static double at(const json_t *merged, const char *path, size_t i)
{
    return json_number_value(json_array_get(result_at(merged, path), i));
}

static void series_are_aligned_by_their_time(void **state)
{
    json_t *merged =
        two("", series(0.003, 4, 100, json_integer(50)), "", series(0.4, 6, 300, json_integer(70)));
    assert_int_equal(json_array_size(result_at(merged, "series.t")), 6); /* of the longest */
    assert_true(at(merged, "series.connected", 0) == 400);
    assert_true(at(merged, "series.connected", 3) == 406);
    assert_true(at(merged, "series.connected", 5) == 305); /* the other one has ended */
    assert_true(at(merged, "series.latency_p99_us", 0) == 70);
    assert_true(json_is_null(json_array_get(result_at(merged, "series.latency_p50_us"), 0)));
    /* 1 of 100 and 1 of 300 */
    assert_true(fabs(at(merged, "series.loss_after", 0) - 2.0 / 400) < 1e-12);
    assert_true(at(merged, "series.servers.sfud-1.memory_bytes", 2) == 9);
    assert_true(at(merged, "series.servers.sfud-1.memory_bytes", 5) == 0);
    assert_string_equal(result_text(merged, "series.latency_is", ""),
                        "that of the slowest machine");
    json_decref(merged);
}

static json_t *event(const char *kind, const char *output, int lost, int first)
{
    json_t *bots = json_array();
    struct histogram *ms = calloc(1, sizeof *ms);
    for (int i = 0; i < lost; i++) {
        json_array_append_new(bots, json_pack("{si}", "bot", first + i));
        histogram_record(ms, 100 + i);
    }
    json_t *ret =
        json_pack("{ss ss sf sf si ss s{si si si si so so} s{si si si so s[]}}", "name",
                  "kill signald", "kind", kind, "at_s", 10.0 + first, "until_s", 20.0,
                  "exit_status", 0, "output", output, "signaling", "lost", lost, "resumed", lost,
                  "rejoined", 0, "never", 0, "ms", histogram_to_json(ms), "bots", bots, "media",
                  "streams", 10, "untouched", 10, "hit", 0, "ms", histogram_to_json(ms), "bots");
    free(ms);
    return ret;
}

static void who_was_hit_on_any_machine_is_listed_under_what_was_done(void **state)
{
    struct measure *m = calloc(1, sizeof *m);
    json_t *a = result_of(m, 10), *b = result_of(m, 30), *observer = result_of(m, 0);
    json_object_set_new(
        a, "chaos",
        json_pack("[o,o]", event("command", "", 60, 0), event("storm", "60 bots", 60, 0)));
    json_object_set_new(
        b, "chaos",
        json_pack("[o,o]", event("storm", "70 bots", 70, 60), event("command", "", 70, 60)));
    json_object_set_new(
        observer, "chaos",
        json_pack("[o,o]", event("command", "killed 42", 0, 3), event("storm", "0 bots", 0, 3)));
    struct merge_part parts[] = { { .name = "a", .result = a }, { .name = "b", .result = b } };
    json_t *merged = merge_results(parts, 2, observer);
    const json_t *command = json_array_get(result_at(merged, "chaos"), 0);
    assert_int_equal(json_array_size(result_at(merged, "chaos")), 2);
    assert_string_equal(result_text(command, "output", ""), "killed 42");
    assert_true(result_number(command, "at_s") == 13);
    assert_true(result_number(command, "exit_status") == 0);
    assert_true(result_number(command, "signaling.lost") == 130);
    assert_true(result_number(command, "signaling.ms.count") == 130);
    assert_true(result_number(command, "media.streams") == 30);
    assert_int_equal(json_array_size(result_at(command, "signaling.bots")), MERGE_BOTS_MAX);
    const json_t *storm = json_array_get(result_at(merged, "chaos"), 1);
    assert_string_equal(result_text(storm, "output", ""), "130 bots");
    json_decref(a);
    json_decref(b);
    json_decref(observer);
    json_decref(merged);
    free(m);
}

static void results_without_sense_do_no_harm(void **state)
{
    json_t *empty = json_object(),
           *odd = json_pack("{s{s[i] si s{s[[]]}} ss s{s{s[[ii]]}} s[] s{s[s] s[i]}}", "joins",
                            "failures", 3, "joined", -4, "stages", "buckets", "audio", "loud",
                            "video", "latency_us", "buckets", 1, -1, "chaos", "series", "t", "now",
                            "connected", 3);
    assert_non_null(odd);
    struct merge_part parts[] = { { .name = "a", .result = empty },
                                  { .name = "b", .result = odd },
                                  { .name = "c", .result = odd } };
    json_t *merged = merge_results(parts, 3, NULL);
    assert_non_null(merged);
    assert_true(result_number(merged, "joins.joined") == -8);
    json_decref(merged);
    json_decref(empty);
    json_decref(odd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_parts_together_are_the_whole),
        cmocka_unit_test(failures_of_a_kind_become_one),
        cmocka_unit_test(lists_are_cut_and_counts_are_not),
        cmocka_unit_test(one_saturated_machine_saturates_all_and_is_named),
        cmocka_unit_test(clocks_and_machines_are_told),
        cmocka_unit_test(series_are_aligned_by_their_time),
        cmocka_unit_test(who_was_hit_on_any_machine_is_listed_under_what_was_done),
        cmocka_unit_test(results_without_sense_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
