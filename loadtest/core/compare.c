/* SPDX-License-Identifier: Apache-2.0 */
#include "core/compare.h"

#include "core/result.h"
#include "core/slo_metric.h"
#include "core/table.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const double Z_99 = 2.576; /* standard errors to both sides of a 99 % interval */

/* What counts as noise where one run says nothing about its own spread. */
static const double NOISE_RATIO = 0.05;    /* CPU, memory, packets per CPU second */
static const double NOISE_POINTS = 0.0005; /* shares: 0.05 percentage points */
static const double NOISE_BUCKET = 0.032;  /* two histogram buckets */

enum change {
    CHANGE_UNKNOWN,
    CHANGE_NONE,
    CHANGE_NOISE,
    CHANGE_FEW, /* values */
    CHANGE_BETTER,
    CHANGE_WORSE,
    CHANGE_MEANINGLESS, /* the tester was saturated */
};

/* One measurement of one run. */
struct cell {
    bool known;
    bool has_interval;
    bool has_few; /* values, for a percentile */
    double value, low, high;
};

struct comparison {
    struct text out;
    const struct compare_run *runs;
    size_t count;
    bool colour;
};

static const struct {
    const char *name;
    const char *metrics[20];
} SECTIONS[] = {
    { "JOINS",
      { "joined", "join_p50", "join_p95", "join_p99", "first_packet_p95", "first_keyframe_p95" } },
    { "AUDIO",
      { "heard", "tones", "audio_latency_p50", "audio_latency_p90", "audio_latency_p99",
        "audio_latency_p99_9", "audio_jitter_p99", "audio_loss_before_rtx", "audio_loss",
        "audio_gaps", "audio_gap_longest" } },
    { "VIDEO",
      { "shown", "asked_layer", "video_latency_p50", "video_latency_p90", "video_latency_p99",
        "video_latency_p99_9", "video_jitter_p99", "video_loss_before_rtx", "video_loss",
        "freeze_ratio", "freeze_longest", "switch_p95" } },
    { "CHAOS", { "resume_p50", "resume_p99", "resumed", "media_untouched" } },
    { "COST",
      { "server_cpu", "server_memory", "received_per_cpu_second", "packets_per_cpu_second",
        "errors", "tester_late_p99" } },
};

static struct cell cell_of(const struct slo_metric *m, const json_t *result)
{
    char why[SLO_WHY_MAX];
    struct cell c = { 0 };
    c.known = slo_metric_value(m, result, &c.value, why) == OK;
    c.has_few = c.known && slo_metric_has_few(m, result);
    c.has_interval = c.known && !c.has_few && slo_metric_interval(m, result, Z_99, &c.low, &c.high);
    return c;
}

static bool is_noise(const struct slo_metric *m, const struct cell *a, const struct cell *b)
{
    double difference = fabs(a->value - b->value), larger = fmax(fabs(a->value), fabs(b->value));
    if (difference == 0)
        return true;
    if (a->has_interval && b->has_interval)
        return (a->low <= b->high && b->low <= a->high) || difference < larger * NOISE_BUCKET;
    if (m->unit == UNIT_SHARE)
        return difference < NOISE_POINTS;
    return difference < larger * NOISE_RATIO;
}

static enum change change_of(const struct slo_metric *m, const struct cell *a, const struct cell *b)
{
    if (!a->known || !b->known)
        return CHANGE_UNKNOWN;
    if (a->value == b->value)
        return CHANGE_NONE;
    if (a->has_few || b->has_few)
        return CHANGE_FEW;
    if (is_noise(m, a, b))
        return CHANGE_NOISE;
    return (b->value > a->value) == m->more_is_better ? CHANGE_BETTER : CHANGE_WORSE;
}

/* "1.33 ms ±4 %" */
static void value_cell(struct table *t, const struct slo_metric *m, const struct cell *c)
{
    double side = fmax(c->high - c->value, c->value - c->low);
    if (!c->known)
        table_cell(t, "-");
    else if (c->has_few)
        table_cellf(t, "%s few", figure_of(c->value, m->unit).text);
    else if (c->has_interval && c->value > 0)
        table_cellf(t, "%s ±%.0f %%", figure_of(c->value, m->unit).text,
                    ceil(100 * side / c->value));
    else
        table_figure(t, c->value, m->unit);
}

/* "+12.3 %", "×4.2", "+0.067 pt" (percentage points) */
static void difference_cell(struct table *t, const struct slo_metric *m, const struct cell *a,
                            const struct cell *b)
{
    double difference = b->value - a->value;
    if (!a->known || !b->known)
        table_cell(t, "");
    else if (difference == 0)
        table_cell(t, "=");
    else if (m->unit == UNIT_SHARE)
        table_cellf(t, "%+.3f pt", 100 * difference);
    else if (a->value > 0 && b->value >= 3 * a->value)
        table_cellf(t, "×%.1f", b->value / a->value);
    else if (a->value > 0)
        table_cellf(t, "%+.1f %%", 100 * difference / a->value);
    else
        table_cell(t, "from 0");
}

static void change_cell(struct table *t, enum change change, bool colour)
{
    static const char *const WORDS[] = { [CHANGE_UNKNOWN] = "",
                                         [CHANGE_NONE] = "same",
                                         [CHANGE_NOISE] = "same within noise",
                                         [CHANGE_FEW] = "too few values",
                                         [CHANGE_BETTER] = "✓ better",
                                         [CHANGE_WORSE] = "✗ worse",
                                         [CHANGE_MEANINGLESS] = "says nothing" };
    const char *ink = !colour                   ? ""
                      : change == CHANGE_BETTER ? "\033[32m"
                      : change == CHANGE_WORSE  ? "\033[31m"
                                                : "\033[2m";
    table_cellf(t, "%s%s%s", ink, WORDS[change], colour ? "\033[0m" : "");
}

static bool is_saturated(const json_t *result)
{
    return result_true(result, "tester.saturated");
}

static void add_row(struct comparison *c, struct table *t, const struct slo_metric *m)
{
    struct cell cells[COMPARE_MAX];
    bool any = false;
    for (size_t i = 0; i < c->count; i++) {
        cells[i] = cell_of(m, c->runs[i].result);
        any = any || cells[i].known;
    }
    if (!any)
        return;
    table_cell(t, m->name);
    for (size_t i = 0; i < c->count; i++) {
        value_cell(t, m, &cells[i]);
        if (i == 0)
            continue;
        difference_cell(t, m, &cells[0], &cells[i]);
        bool meaningless = is_saturated(c->runs[0].result) || is_saturated(c->runs[i].result);
        enum change change = change_of(m, &cells[0], &cells[i]);
        change_cell(t, meaningless && change > CHANGE_NONE ? CHANGE_MEANINGLESS : change,
                    c->colour);
    }
}

/* A letter for each run, which the table uses. */
static char letter(size_t index)
{
    return (char)('A' + index);
}

static void section_row(struct comparison *c, struct table *t, const char *name, bool letters)
{
    table_cellf(t, "%s%s%s", c->colour ? "\033[1m" : "", name, c->colour ? "\033[0m" : "");
    for (size_t i = 0; i < c->count; i++) {
        if (letters)
            table_cellf(t, "%c", letter(i));
        else
            table_cell(t, "");
        for (size_t k = 0; i > 0 && k < 2; k++)
            table_cell(t, "");
    }
}

/* What a run without video would say about it need not be said. */
static bool section_has_data(const struct comparison *c, const char *const *metrics)
{
    for (size_t i = 0; metrics[i] != NULL; i++) {
        const struct slo_metric *m = slo_metric_find(metrics[i]);
        check(m != NULL);
        for (size_t run = 0; run < c->count; run++) {
            if (cell_of(m, c->runs[run].result).known)
                return true;
        }
    }
    return false;
}

static void write_table(struct comparison *c)
{
    char align[2 + 3 * COMPARE_MAX] = "lr";
    static_assert(2 + 3 * (COMPARE_MAX - 1) <= TABLE_COLUMNS_MAX, "a table has room for them");
    for (size_t i = 1; i < c->count; i++)
        memcpy(align + 2 + 3 * (i - 1), "rrl", 4);
    struct table t = { .align = align };
    for (size_t s = 0; s < ARRAY_LEN(SECTIONS); s++) {
        if (!section_has_data(c, SECTIONS[s].metrics))
            continue;
        if (t.cell_count > 0)
            section_row(c, &t, "", false);
        section_row(c, &t, SECTIONS[s].name, t.cell_count == 0);
        for (size_t i = 0; SECTIONS[s].metrics[i] != NULL; i++)
            add_row(c, &t, slo_metric_find(SECTIONS[s].metrics[i]));
    }
    table_write(&t, &c->out);
}

static void write_runs(struct comparison *c)
{
    for (size_t i = 0; i < c->count; i++) {
        const json_t *r = c->runs[i].result;
        text_addf(&c->out, "%c  ", letter(i));
        text_add_foreign(&c->out, c->runs[i].name, 40);
        text_add(&c->out, ": ");
        text_add_foreign(&c->out, result_text(r, "scenario.name", "-"), 24);
        text_addf(&c->out, ", %s bots, driver ",
                  figure_count(result_number(r, "scenario.bots")).text);
        text_add_foreign(&c->out, result_text(r, "tool.driver", "-"), 12);
        text_add(&c->out, ", ");
        text_add_foreign(&c->out, result_text(r, "started", "-"), 24);
        text_add(&c->out, ", ");
        text_add_foreign(&c->out, result_text(r, "verdict", "-"), 12);
        text_add(&c->out, "\n");
    }
}

static void warn(struct comparison *c, size_t run, const char *says)
{
    text_addf(&c->out, "%s!%s %c %s\n", c->colour ? "\033[1;31m" : "", c->colour ? "\033[0m" : "",
              letter(run), says);
}

/* What must be the same in all runs for the difference to mean what it seems to. */
static const struct {
    const char *path, *says;
} SAME[] = {
    { "schema", "has another schema: the figures may mean something else" },
    { "scenario.yaml", "ran another scenario" },
    { "scenario.bots", "had another number of bots" },
    { "environment.cpu", "ran on another CPU" },
    { "environment.cores", "ran with another number of cores" },
    { "environment.hostname_hash", "ran on another machine" },
    { "environment.kernel", "ran on another kernel" },
    { "environment.virtualised", "was virtualised differently" },
    { "environment.cipher", "used another cipher" },
    { "tool.version", "was measured by another version of the tester" },
    { "tool.machines", "was made by another number of machines" },
    { "tool.stamp", "carried its send times elsewhere in the packet" },
};

static void warn_of_differences(struct comparison *c, size_t run)
{
    const json_t *first = c->runs[0].result, *other = c->runs[run].result;
    for (size_t i = 0; i < ARRAY_LEN(SAME); i++) {
        const json_t *a = result_at(first, SAME[i].path), *b = result_at(other, SAME[i].path);
        if (a == NULL && b == NULL)
            continue;
        if (!json_equal(a, b))
            warn(c, run, SAME[i].says);
    }
    double a = result_number(first, "seconds.plateau"), b = result_number(other, "seconds.plateau");
    if (!(fabs(a - b) <= 0.1 * fmax(a, b)))
        warn(c, run, "was measured for another time");
}

static void write_warnings(struct comparison *c)
{
    size_t before = c->out.len;
    for (size_t i = 0; i < c->count; i++) {
        const json_t *r = c->runs[i].result;
        if (is_saturated(r))
            warn(c, i, "has a SATURATED TESTER: its figures say nothing about the server");
        if (strcmp(result_text(r, "verdict", ""), "interrupted") == 0)
            warn(c, i, "was interrupted");
        if (result_number(r, "environment.clock.uncertainty_us") > 100)
            warn(c, i, "knows the time of its machines only to more than 100 µs");
        if (i > 0)
            warn_of_differences(c, i);
    }
    if (c->out.len > before)
        text_add(&c->out, "  Differences may come from that, and not from what is compared.\n");
}

char *compare_text(const struct compare_run *runs, size_t run_count,
                   const struct compare_options *options)
{
    check(run_count >= 2 && run_count <= COMPARE_MAX);
    struct comparison c = { .runs = runs, .count = run_count, .colour = options->colour };
    write_runs(&c);
    text_add(&c.out, "\n");
    size_t before = c.out.len;
    write_warnings(&c);
    text_add(&c.out, c.out.len > before ? "\n" : "");
    write_table(&c);
    text_add(
        &c.out,
        "\n± is the 99 % interval within a run. Same within noise: these overlap; or less than "
        "5 % of CPU,\nmemory, or counts; or less than 0.05 percentage points of a share. Few: less "
        "than five values\nare beyond the percentile, which is too little to judge it. Runs differ "
        "more among themselves\nthan within: repeat both before trusting a small difference.\n");
    return text_take(&c.out);
}
