/* report_text_servers.c - chaos, servers and the tester itself in the summary.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/report_text_parts.h"
#include "core/result.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { NAMES_SHOWN = 3 };

/* A line of percentiles; the histogram is in milliseconds. */
static void write_ms(struct sheet *s, const json_t *event, const char *label, const char *path)
{
    struct histogram h;
    if (result_histogram(event, path, &h))
        text_addf(&s->out, "      %s p50 %s, p99 %s, longest %s\n", label,
                  figure_of((double)histogram_percentile(&h, 50) * 1000, UNIT_US).text,
                  figure_of((double)histogram_percentile(&h, 99) * 1000, UNIT_US).text,
                  figure_of((double)histogram_percentile(&h, 100) * 1000, UNIT_US).text);
}

/* "listeners-12 (bot 34)": who it is without what it is. */
static void add_bot_name(struct sheet *s, const char *name)
{
    char bare[128];
    const char *end = strstr(name, " (bot ");
    size_t len = MIN(end == NULL ? strlen(name) : (size_t)(end - name), sizeof bare - 1);
    memcpy(bare, name, len);
    bare[len] = '\0';
    text_add_foreign(&s->out, bare, 15);
}

static void write_names(struct sheet *s, const char *label, const json_t *bots, const char *how,
                        double count)
{
    size_t shown = 0;
    for (size_t i = 0; i < json_array_size(bots) && shown < NAMES_SHOWN; i++) {
        const json_t *bot = json_array_get(bots, i);
        if (how != NULL && strcmp(result_text(bot, "how", ""), how) != 0)
            continue;
        text_add(&s->out, shown == 0 ? label : ", ");
        add_bot_name(s, result_text(bot, "name", "-"));
        double ms = result_number(bot, "ms");
        if (!isnan(ms))
            text_addf(&s->out, " %s", figure_of(ms * 1000, UNIT_US).text);
        shown++;
    }
    if (shown > 0 && count > (double)shown)
        text_addf(&s->out, " and %s more", figure_count(count - (double)shown).text);
    text_add(&s->out, shown > 0 ? "\n" : "");
}

static void write_signaling(struct sheet *s, const json_t *event)
{
    double lost = result_number(event, "signaling.lost");
    double never = result_number(event, "signaling.never");
    const json_t *bots = result_at(event, "signaling.bots");
    if (!(lost > 0)) {
        text_add(&s->out, "    signaling: nobody lost it\n");
        return;
    }
    text_addf(&s->out, "    signaling: %s lost it, %s resumed, %s rejoined, %s%s never came back%s",
              figure_count(lost).text, figure_count(result_number(event, "signaling.resumed")).text,
              figure_count(result_number(event, "signaling.rejoined")).text,
              never > 0 ? sheet_ink(s, INK_BAD) : "", figure_count(never).text,
              never > 0 ? sheet_ink(s, INK_END) : "");
    text_add(&s->out, "\n");
    write_ms(s, event, "back after:", "signaling.ms");
    write_names(s, "      resumed: ", bots, "resumed", result_number(event, "signaling.resumed"));
    write_names(s, "      rejoined: ", bots, "rejoined",
                result_number(event, "signaling.rejoined"));
    write_names(s, "      never: ", bots, "never", never);
}

static void write_media(struct sheet *s, const json_t *event)
{
    double hit = result_number(event, "media.hit");
    text_addf(&s->out, "    media: %s of %s streams went on untouched",
              figure_count(result_number(event, "media.untouched")).text,
              figure_count(result_number(event, "media.streams")).text);
    if (hit > 0)
        text_addf(&s->out, ", %s interrupted", figure_count(hit).text);
    text_add(&s->out, "\n");
    write_ms(s, event, "for:", "media.ms");
    write_names(s, "      interrupted: ", result_at(event, "media.bots"), NULL, hit);
}

void report_text_chaos(struct sheet *s, const json_t *result)
{
    const json_t *events = result_at(result, "chaos");
    if (json_array_size(events) == 0)
        return;
    sheet_heading(s, "CHAOS");
    for (size_t i = 0; i < json_array_size(events); i++) {
        const json_t *event = json_array_get(events, i);
        double at = result_number(event, "at_s"), until = result_number(event, "until_s");
        double status = result_number(event, "exit_status");
        text_addf(&s->out, "  %s into the run, for %s: ", figure_of(at * 1e6, UNIT_US).text,
                  figure_of((until - at) * 1e6, UNIT_US).text);
        text_add_foreign(&s->out, result_text(event, "name", "-"), 50);
        if (!isnan(status) && status > 0)
            text_addf(&s->out, " %s(exit status %.0f)%s", sheet_ink(s, INK_BAD), status,
                      sheet_ink(s, INK_END));
        text_add(&s->out, "\n");
        const char *output = result_text(event, "output", "");
        if (*output != '\0')
            sheet_paragraph(s, "    | ", output);
        write_signaling(s, event);
        write_media(s, event);
    }
}

static void server_row(struct table *t, const json_t *server)
{
    table_foreign(t, result_text(server, "name", "-"), 14);
    table_figure(t, result_number(server, "cpu_seconds"), UNIT_CORES);
    table_figure(t, result_number(server, "cpu_share"), UNIT_CORES);
    table_figure(t, result_number(server, "memory_bytes.start"), UNIT_BYTES);
    table_figure(t, result_number(server, "memory_bytes.peak"), UNIT_BYTES);
    table_cell(t, figure_short(result_number(server, "packets_in")).text);
    table_cell(t, figure_short(result_number(server, "packets_out")).text);
    table_cell(t, figure_short(result_number(server, "packets_dropped")).text);
    table_cell(t, figure_short(result_number(server, "packets_out_per_cpu_second")).text);
}

void report_text_servers(struct sheet *s, const json_t *result)
{
    static const char *const HEAD[] = { "",   "CPU s", "cores",   "mem start",    "mem peak",
                                        "in", "out",   "dropped", "out per CPU s" };
    const json_t *servers = result_at(result, "servers");
    if (json_array_size(servers) == 0)
        return;
    sheet_heading(s, "SERVERS");
    struct table t = { .align = "lrrrrrrrr" };
    for (size_t i = 0; i < ARRAY_LEN(HEAD); i++)
        table_cell(&t, HEAD[i]);
    for (size_t i = 0; i < json_array_size(servers); i++)
        server_row(&t, json_array_get(servers, i));
    table_write(&t, &s->out);
    for (size_t i = 0; i < json_array_size(servers); i++) {
        const json_t *server = json_array_get(servers, i);
        const char *note = result_text(server, "note", "");
        if (*note == '\0' && !result_true(server, "restarted"))
            continue;
        text_add(&s->out, "  ");
        text_add_foreign(&s->out, result_text(server, "name", "-"), 14);
        sheet_paragraph(s, ": ", *note == '\0' ? "was restarted" : note);
    }
}

void report_text_tester(struct sheet *s, const json_t *result)
{
    static const struct {
        const char *label, *path;
        enum unit unit;
        double percentile;
    } ROWS[] = {
        { "CPU seconds", "tester.cpu_seconds", UNIT_CORES, 0 },
        { "busiest thread", "tester.cpu_share_busiest_thread", UNIT_SHARE, 0 },
        { "CPU per bot and second", "tester.cpu_us_per_bot_second", UNIT_US, 0 },
        { "memory peak", "tester.memory_bytes.peak", UNIT_BYTES, 0 },
        { "memory per bot", "tester.memory_bytes_per_bot", UNIT_BYTES, 0 },
        { "timers late p99", "tester.late_us", UNIT_US, 99 },
        { "dropped in own sockets", "tester.socket_drops", UNIT_NONE, 0 },
        { "failed sends", "tester.send_failures", UNIT_NONE, 0 },
        { "CPU stolen by the host", "tester.steal_share", UNIT_SHARE, 0 },
        { "clock uncertainty", "environment.clock.uncertainty_us", UNIT_US, 0 },
    };
    sheet_heading(s, "TESTER");
    struct table t = { .align = "lrlr" };
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        table_cell(&t, ROWS[i].label);
        table_figure(&t,
                     ROWS[i].percentile > 0
                         ? result_percentile(result, ROWS[i].path, ROWS[i].percentile)
                         : result_number(result, ROWS[i].path),
                     ROWS[i].unit);
    }
    table_write(&t, &s->out);
}
