/* When memory runs out there is no report, or the whole one: never a part, never a leak.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../fail_alloc.h"
#include "core/compare.h"
#include "core/report_html.h"
#include "core/report_text.h"
#include "core/slo.h"
#include "fixture.h"

#include <stdlib.h>
#include <string.h>

struct whole {
    char *(*write)(const json_t *result);
    const json_t *result;
    const char *text;
};

static void write_once(void *data)
{
    struct whole *whole = data;
    char *text = whole->write(whole->result);
    if (text != NULL)
        assert_string_equal(text, whole->text);
    free(text);
}

static void all_or_nothing(const char *name, char *(*write)(const json_t *result))
{
    json_t *result = fixture(name);
    char *text = write(result);
    assert_non_null(text);
    struct whole whole = { write, result, text };
    assert_true(fail_alloc_each(write_once, &whole) > 0);
    free(text);
    json_decref(result);
}

static char *summary(const json_t *result)
{
    return report_text(result, &(struct report_text_options){ .colour = true });
}

static char *comparison(const json_t *result)
{
    struct compare_run runs[] = { { "a", result }, { "b", result } };
    return compare_text(runs, 2, &(struct compare_options){ 0 });
}

static char *help(const json_t *result)
{
    return slo_metrics_help();
}

static char *judgement(const json_t *result)
{
    static struct slo slo;
    char error[SLO_ERROR_MAX];
    assert_int_equal(slo_parse("loss<1%,video_loss<1%,join_p95<1us", &slo, error), OK);
    json_t *judged = slo_evaluate(&slo, result);
    if (judged == NULL)
        return NULL;
    assert_true(json_is_false(json_object_get(judged, "passed")));
    json_decref(judged);
    return strdup("failed");
}

static void summaries_are_whole(void **state)
{
    all_or_nothing("saturated", summary);
    all_or_nothing("chaos", summary);
}

static void comparisons_are_whole(void **state)
{
    all_or_nothing("meeting", comparison);
}

static void pages_are_whole(void **state)
{
    all_or_nothing("audio-room", report_html);
}

static void judgements_never_pass_for_want_of_memory(void **state)
{
    all_or_nothing("audio-room", judgement);
    all_or_nothing("audio-room", help);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(summaries_are_whole),
        cmocka_unit_test(comparisons_are_whole),
        cmocka_unit_test(pages_are_whole),
        cmocka_unit_test(judgements_never_pass_for_want_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
