/* SPDX-License-Identifier: Apache-2.0 */
#include "core/report_text.h"

#include "core/report_text_parts.h"
#include "core/result.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *sheet_ink(const struct sheet *s, enum ink ink)
{
    static const char *const SGR[] = {
        [INK_BOLD] = "\033[1m", [INK_DIM] = "\033[2m",         [INK_GOOD] = "\033[32m",
        [INK_BAD] = "\033[31m", [INK_ALARM] = "\033[1;97;41m", [INK_END] = "\033[0m"
    };
    return s->colour ? SGR[ink] : "";
}

void sheet_heading(struct sheet *s, const char *name)
{
    text_addf(&s->out, "\n%s%s%s\n", sheet_ink(s, INK_BOLD), name, sheet_ink(s, INK_END));
}

/* Bytes of `text` that fit into `columns`, preferably up to a space. */
static size_t line_length(const char *text, size_t columns)
{
    size_t len = 0, at_space = 0;
    for (size_t used = 0; text[len] != '\0'; len++) {
        bool starts = ((unsigned char)text[len] & 0xc0) != 0x80;
        if (starts && used++ == columns)
            return at_space > 0 ? at_space : len;
        if (text[len] == ' ')
            at_space = len;
    }
    return len;
}

void sheet_paragraph(struct sheet *s, const char *first, const char *foreign)
{
    struct text clean = { 0 };
    text_add_foreign(&clean, foreign, 1000);
    char *text = text_take(&clean);
    size_t indent = text_columns(first);
    text_add(&s->out, first);
    for (const char *at = text; at != NULL;) {
        size_t len = line_length(at, REPORT_COLUMNS - indent);
        text_add_bytes(&s->out, at, len);
        text_add(&s->out, "\n");
        at += len + (at[len] == ' ');
        if (*at == '\0')
            break;
        text_addf(&s->out, "%*s", (int)indent, "");
    }
    s->out.failed = s->out.failed || text == NULL;
    free(text);
}

static bool is_saturated(const json_t *result)
{
    return result_true(result, "tester.saturated") ||
           strcmp(result_text(result, "verdict", ""), "saturated") == 0;
}

/* Said first and loudly: everything below is then a measurement of the tester. */
static void write_alarm(struct sheet *s, const json_t *result)
{
    static const char *const LINES[] = {
        "THE TESTER WAS SATURATED. It could not keep up, so what follows measures the tester:",
        "losses, delays and failed joins say nothing about the server. Give it more CPU or "
        "machines.",
    };
    for (size_t i = 0; i < ARRAY_LEN(LINES); i++)
        text_addf(&s->out, "%s!! %-*s%s\n", sheet_ink(s, INK_ALARM), s->colour ? 97 : 0, LINES[i],
                  sheet_ink(s, INK_END));
    const json_t *reasons = result_at(result, "tester.reasons");
    for (size_t i = 0; i < json_array_size(reasons); i++)
        sheet_paragraph(s, "!!   - ", result_text(json_array_get(reasons, i), "", ""));
    text_add(&s->out, "\n");
}

static void write_groups(struct text *line, const json_t *result)
{
    const json_t *groups = result_at(result, "scenario.groups");
    for (size_t i = 0; i < json_array_size(groups); i++) {
        const json_t *group = json_array_get(groups, i);
        text_addf(line, "%s%s ", i == 0 ? " (" : ", ",
                  figure_count(result_number(group, "bots")).text);
        text_add(line, result_text(group, "name", "-"));
    }
    text_add(line, json_array_size(groups) > 0 ? ")" : "");
}

static void write_line(struct sheet *s, struct text *line)
{
    char *text = text_take(line);
    if (text == NULL)
        s->out.failed = true;
    else
        sheet_paragraph(s, "", text);
    free(text);
}

static void write_head(struct sheet *s, const json_t *result)
{
    struct text line = { 0 };
    text_add(&line, result_text(result, "scenario.name", "-"));
    const char *description = result_text(result, "scenario.description", "");
    text_addf(&line, "%s%s", *description == '\0' ? "" : ": ", description);
    text_add(&s->out, sheet_ink(s, INK_BOLD));
    write_line(s, &line);
    text_add(&s->out, sheet_ink(s, INK_END));
    double rooms = result_number(result, "scenario.rooms");
    text_addf(&line, "%s bots", figure_count(result_number(result, "scenario.bots")).text);
    write_groups(&line, result);
    text_addf(&line, " in %s room%s at %s, driver %s", figure_count(rooms).text,
              rooms > 1 ? "s" : "", result_text(result, "target", "-"),
              result_text(result, "tool.driver", "-"));
    if (result_number(result, "tool.machines") > 1)
        text_addf(&line, ", from %.0f machines", result_number(result, "tool.machines"));
    write_line(s, &line);
    text_addf(&line, "%s: ramp %s, settle %s, measured %s", result_text(result, "started", "-"),
              figure_of(result_number(result, "seconds.ramp") * 1e6, UNIT_US).text,
              figure_of(result_number(result, "seconds.settle") * 1e6, UNIT_US).text,
              figure_of(result_number(result, "seconds.plateau") * 1e6, UNIT_US).text);
    write_line(s, &line);
    text_addf(&line, "%s, %s, %s cores, %s%s%s, %s", result_text(result, "environment.kernel", "-"),
              result_text(result, "environment.cpu", "-"),
              figure_count(result_number(result, "environment.cores")).text,
              figure_of(result_number(result, "environment.memory_bytes"), UNIT_BYTES).text,
              result_text(result, "environment.virtualised", NULL) == NULL ? "" : ", ",
              result_text(result, "environment.virtualised", ""),
              result_text(result, "environment.cipher", "-"));
    write_line(s, &line);
}

static enum unit unit_of(const char *name)
{
    static const struct {
        const char *name;
        enum unit unit;
    } UNITS[] = {
        { "share", UNIT_SHARE }, { "us", UNIT_US }, { "bytes", UNIT_BYTES }, { "cores", UNIT_CORES }
    };
    for (size_t i = 0; i < ARRAY_LEN(UNITS); i++) {
        if (strcmp(name, UNITS[i].name) == 0)
            return UNITS[i].unit;
    }
    return UNIT_NONE;
}

static void write_slo(struct sheet *s, const json_t *result)
{
    const json_t *terms = result_at(result, "slo.terms");
    if (json_array_size(terms) == 0)
        return;
    sheet_heading(s, "OBJECTIVES");
    struct table t = { .align = "lrl" };
    for (size_t i = 0; i < json_array_size(terms); i++) {
        const json_t *term = json_array_get(terms, i);
        bool passed = result_true(term, "passed");
        const char *text = result_text(term, "text", "-");
        text_addf(&t.cells, "%s%s%s ", sheet_ink(s, passed ? INK_GOOD : INK_BAD),
                  passed ? "✓" : "✗", sheet_ink(s, INK_END));
        table_foreign(&t, text, 30);
        table_figure(&t, result_number(term, "value"), unit_of(result_text(term, "unit", "")));
        table_foreign(&t, result_text(term, "why", ""), 50);
    }
    table_write(&t, &s->out);
}

static void write_search(struct sheet *s, const json_t *result)
{
    const json_t *steps = result_at(result, "search.steps");
    if (json_array_size(steps) == 0)
        return;
    sheet_heading(s, "SEARCH");
    struct table t = { .align = "lrrl" };
    for (size_t i = 0; i < json_array_size(steps); i++) {
        const json_t *step = json_array_get(steps, i);
        bool passed = result_true(step, "passed");
        table_cellf(&t, "%s%s%s", sheet_ink(s, passed ? INK_GOOD : INK_BAD), passed ? "✓" : "✗",
                    sheet_ink(s, INK_END));
        table_cellf(&t, "%s bots", figure_count(result_number(step, "bots")).text);
        table_figure(&t, result_number(step, "seconds") * 1e6, UNIT_US);
        table_foreign(&t, result_text(step, "why", ""), 60);
    }
    table_write(&t, &s->out);
    text_addf(&s->out, "  most that held: %s bots\n",
              figure_count(result_number(result, "search.best")).text);
}

static void write_verdict(struct sheet *s, const json_t *result)
{
    static const struct {
        const char *verdict, *says;
        enum ink ink;
    } VERDICTS[] = {
        { "passed", "✓ PASSED", INK_GOOD },
        { "failed", "✗ FAILED", INK_BAD },
        { "saturated", "! SATURATED: the tester could not keep up; no verdict about the server",
          INK_ALARM },
        { "interrupted", "! INTERRUPTED: figures of what was measured until then", INK_BAD },
    };
    const char *verdict = result_text(result, "verdict", "-");
    text_add(&s->out, "\n");
    size_t i = 0;
    while (i < ARRAY_LEN(VERDICTS) && strcmp(verdict, VERDICTS[i].verdict) != 0)
        i++;
    if (i == ARRAY_LEN(VERDICTS))
        sheet_paragraph(s, "? ", verdict);
    else
        text_addf(&s->out, "%s%s%s\n", sheet_ink(s, VERDICTS[i].ink), VERDICTS[i].says,
                  sheet_ink(s, INK_END));
    const json_t *reasons = result_at(result, "verdict_reasons");
    for (size_t r = 0; r < json_array_size(reasons); r++)
        sheet_paragraph(s, "  - ", result_text(json_array_get(reasons, r), "", ""));
}

char *report_text(const json_t *result, const struct report_text_options *options)
{
    struct sheet s = { .colour = options->colour };
    if (is_saturated(result))
        write_alarm(&s, result);
    write_head(&s, result);
    report_text_joins(&s, result);
    report_text_media(&s, result);
    report_text_groups(&s, result);
    report_text_chaos(&s, result);
    report_text_servers(&s, result);
    report_text_tester(&s, result);
    write_search(&s, result);
    write_slo(&s, result);
    write_verdict(&s, result);
    return text_take(&s.out);
}
