/* fuzz_merge.c - what agents answer: a JSON list of results (the last one is the observer's),
 * merged, judged and reported; and live figures.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "fuzz_input.h"

#include "core/live_json.h"
#include "core/live_view.h"
#include "core/merge.h"
#include "core/report_text.h"

#include <stdlib.h>

enum { PARTS_MAX = 4 };

static void show(const json_t *json)
{
    static struct live_stats sum, one;
    static char frame[LIVE_VIEW_BYTES_MAX];
    const struct live_screen screen = { .width = 80, .height = 24 };
    live_from_json(json, &one);
    live_from_json(NULL, &sum);
    live_add(&sum, &one);
    live_add(&sum, &one);
    check(live_view_frame(&sum, &screen, frame, sizeof frame) < sizeof frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    json_t *list = json_loadb((const char *)data, len, 0, NULL);
    struct merge_part parts[PARTS_MAX];
    size_t count = 0;
    for (size_t i = 0; i + 1 < json_array_size(list) && count < PARTS_MAX; i++)
        parts[count++] =
            (struct merge_part){ .name = "agent:9700", .result = json_array_get(list, i) };
    show(json_array_get(list, 0));
    if (count > 0) {
        const struct report_text_options options = { 0 };
        const json_t *observer = json_array_get(list, count);
        json_t *merged = merge_results(parts, count, json_is_null(observer) ? NULL : observer);
        check(json_is_object(merged) && json_is_object(json_object_get(merged, "series")));
        free(report_text(merged, &options));
        json_decref(merged);
    }
    json_decref(list);
    return 0;
}
