/* Results come from files and from other machines: whatever stands in them, a report says what it
 * can and nothing breaks. SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/compare.h"
#include "core/report_html.h"
#include "core/report_text.h"
#include "core/slo.h"
#include "fixture.h"

#include <stdlib.h>
#include <string.h>

static json_t *good;
static unsigned reports;

static void report_all(const json_t *result)
{
    struct slo slo;
    char error[SLO_ERROR_MAX];
    char *text = report_text(result, &(struct report_text_options){ 0 });
    assert_non_null(text);
    free(text);
    struct compare_run runs[] = { { "good", good }, { "bad", result } };
    text = compare_text(runs, 2, &(struct compare_options){ 0 });
    assert_non_null(text);
    free(text);
    assert_int_equal(slo_parse("loss<1%,latency_p99<1s,join_p99<1s,resume_p99<1s,resumed>0,"
                               "server_cpu<1,packets_per_cpu_second>1,joined>0,switch_p95<1s",
                               &slo, error),
                     OK);
    json_t *judged = slo_evaluate(&slo, result);
    assert_non_null(judged);
    json_decref(judged);
    reports++;
}

static json_t *wrong_value(unsigned kind)
{
    switch (kind) {
    case 0:
        return json_null();
    case 1:
        return json_integer(-1);
    case 2:
        return json_real(1e300);
    case 3:
        return json_string("\x1b[2J what");
    case 4:
        return json_pack("[[i]]", 1);
    case 5:
        return json_pack("{s{s[]}}", "count", "buckets");
    default:
        return json_integer(INT64_MAX);
    }
}

enum { WRONG_VALUES = 7 };

/* Puts each wrong value in the place of each value below `node`, one at a time. */
static void spoil(json_t *root, json_t *node)
{
    const char *key;
    json_t *value;
    void *next;
    json_object_foreach_safe(node, next, key, value)
    {
        json_incref(value);
        for (unsigned kind = 0; kind < WRONG_VALUES; kind++) {
            json_object_set_new(node, key, wrong_value(kind));
            report_all(root);
        }
        json_object_set(node, key, value);
        if (strcmp(key, "buckets") != 0)
            spoil(root, value);
        json_decref(value);
    }
    if (!json_is_array(node) || json_array_size(node) == 0)
        return;
    value = json_incref(json_array_get(node, 0));
    for (unsigned kind = 0; kind < WRONG_VALUES; kind++) {
        json_array_set_new(node, 0, wrong_value(kind));
        report_all(root);
    }
    json_array_set(node, 0, value);
    spoil(root, value);
    json_decref(value);
}

static void any_value_may_be_wrong(void **state)
{
    json_t *meeting = fixture("meeting");
    json_object_del(meeting, "series"); /* only the page uses it */
    json_t *chaos = fixture("chaos"), *parts = json_object();
    good = fixture("audio-room");
    json_object_set(parts, "chaos", json_object_get(chaos, "chaos"));
    json_object_set(parts, "slo", json_object_get(chaos, "slo"));
    spoil(meeting, meeting);
    spoil(parts, parts);
    assert_true(reports > 1000);
    json_decref(meeting);
    json_decref(chaos);
    json_decref(parts);
    json_decref(good);
}

static void histograms_may_lie(void **state)
{
    static const char *const LIES[] = {
        "{\"count\":5,\"min\":9,\"max\":1,\"mean\":1e300,\"buckets\":[[1,9223372036854775807]]}",
        "{\"min\":7,\"max\":7,\"buckets\":[[5,9223372036854775807],[7,9223372036854775807]]}",
        "{\"count\":0,\"min\":-5,\"max\":-9,\"mean\":-1e300,\"buckets\":[[0,1]]}",
        "{\"buckets\":[[9223372036854775807,1]]}",
    };
    good = fixture("audio-room");
    for (size_t i = 0; i < ARRAY_LEN(LIES); i++) {
        json_t *result = fixture("meeting");
        json_object_set_new(json_object_get(result, "audio"), "latency_us",
                            json_loads(LIES[i], 0, NULL));
        report_all(result);
        json_decref(result);
    }
    json_decref(good);
}

static void a_result_need_not_be_an_object(void **state)
{
    good = json_object();
    for (unsigned kind = 0; kind < WRONG_VALUES; kind++) {
        json_t *result = wrong_value(kind);
        report_all(result);
        char *html = report_html(result);
        assert_non_null(html);
        free(html);
        json_decref(result);
    }
    json_decref(good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_value_may_be_wrong),
        cmocka_unit_test(histograms_may_lie),
        cmocka_unit_test(a_result_need_not_be_an_object),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
