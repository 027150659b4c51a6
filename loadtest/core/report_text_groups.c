/* report_text_groups.c - what each group of bots got, in the summary.
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/report_text_parts.h"
#include "core/result.h"

static bool receives(const json_t *group)
{
    return result_number(group, "audio.received.packets") > 0 ||
           result_number(group, "video.received.packets") > 0;
}

static void row(struct table *t, const json_t *group)
{
    table_foreign(t, result_text(group, "name", "-"), 20);
    table_count(t, result_number(group, "bots"));
    table_figure(t, result_number(group, "audio.loss.after"), UNIT_SHARE);
    table_figure(t, result_percentile(group, "audio.latency_us", 99), UNIT_US);
    table_count(t, result_number(group, "audio.gaps.count"));
    table_figure(t, result_number(group, "video.loss.before"), UNIT_SHARE);
    table_figure(t, result_number(group, "video.loss.after"), UNIT_SHARE);
    table_figure(t, result_percentile(group, "video.latency_us", 99), UNIT_US);
    table_figure(t, result_number(group, "video.freezes.ratio"), UNIT_SHARE);
    table_figure(t, result_number(group, "video.asked_share"), UNIT_SHARE);
}

void report_text_groups(struct sheet *s, const json_t *result)
{
    const json_t *groups = result_at(result, "groups");
    size_t shown = 0;
    for (size_t i = 0; i < json_array_size(groups); i++)
        shown += receives(json_array_get(groups, i));
    if (shown < 2) /* it would say what has been said */
        return;
    sheet_heading(s, "GROUPS");
    struct table t = { .align = "lrrrrrrrrr" };
    static const char *const HEAD[] = { "",       "bots",       "audio loss", "p99",
                                        "gaps",   "video loss", "after RTX",  "p99",
                                        "frozen", "asked layer" };
    for (size_t i = 0; i < ARRAY_LEN(HEAD); i++)
        table_cell(&t, HEAD[i]);
    for (size_t i = 0; i < json_array_size(groups); i++) {
        if (receives(json_array_get(groups, i)))
            row(&t, json_array_get(groups, i));
    }
    table_write(&t, &s->out);
}
