/* report_text_media.c - joins, audio and video in the summary. SPDX-License-Identifier: Apache-2.0
 */
#include "core/report_text_parts.h"
#include "core/result.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void join_row(struct table *t, const json_t *result, const char *stage, const char *label)
{
    char path[64];
    struct histogram h;
    (void)snprintf(path, sizeof path, "joins.stages.%s", stage);
    if (!result_histogram(result, path, &h) || h.max == 0) /* nobody needed this stage */
        return;
    table_cell(t, label);
    table_count(t, (double)h.count);
    static const double PERCENTILES[] = { 50, 95, 99, 100 };
    for (size_t i = 0; i < ARRAY_LEN(PERCENTILES); i++)
        table_figure(t, (double)histogram_percentile(&h, PERCENTILES[i]), UNIT_US);
}

static void write_failures(struct sheet *s, const json_t *failures)
{
    for (size_t i = 0; i < json_array_size(failures); i++) {
        const json_t *failure = json_array_get(failures, i);
        char first[FIGURE_MAX + 8];
        struct text line = { 0 };
        (void)snprintf(first, sizeof first, "  %s× ",
                       figure_count(result_number(failure, "count")).text);
        text_addf(&line, "%s: %s: %s", result_text(failure, "stage", "-"),
                  result_text(failure, "error", "-"), result_text(failure, "message", ""));
        char *text = text_take(&line);
        if (text == NULL)
            s->out.failed = true;
        else
            sheet_paragraph(s, first, text);
        free(text);
    }
}

void report_text_joins(struct sheet *s, const json_t *result)
{
    static const char *const STAGES[][2] = {
        { "token", "token" },
        { "tcp", "TCP" },
        { "tls", "TLS" },
        { "websocket", "WebSocket" },
        { "join", "join" },
        { "ice", "ICE" },
        { "dtls", "DTLS" },
        { "total", "= until media can flow" },
        { "first_packet", "+ until the first packet" },
        { "first_keyframe", "+ until the first keyframe" },
    };
    double failed = result_number(result, "joins.failed");
    sheet_heading(s, "JOINS");
    text_addf(&s->out, "  %s of %s joined",
              figure_count(result_number(result, "joins.joined")).text,
              figure_count(result_number(result, "joins.wanted")).text);
    if (failed > 0)
        text_addf(&s->out, "; %s%s failed%s", sheet_ink(s, INK_BAD), figure_count(failed).text,
                  sheet_ink(s, INK_END));
    text_add(&s->out, "\n");
    write_failures(s, result_at(result, "joins.failures"));
    struct table t = { .align = "lrrrrr" };
    static const char *const HEAD[] = { "", "bots", "p50", "p95", "p99", "max" };
    for (size_t i = 0; i < ARRAY_LEN(HEAD); i++)
        table_cell(&t, HEAD[i]);
    for (size_t i = 0; i < ARRAY_LEN(STAGES); i++)
        join_row(&t, result, STAGES[i][0], STAGES[i][1]);
    table_write(&t, &s->out);
}

/* One row of the media table: the same key of audio and video, of which one may not be there. */
struct media_row {
    const char *label;
    const char *audio, *video; /* paths; NULL: does not exist */
    enum unit unit;
    double factor;     /* value in the result -> unit */
    double percentile; /* > 0: of a histogram */
};

static void media_cell(struct table *t, const json_t *result, const struct media_row *row,
                       const char *path, bool exists)
{
    double value = (double)NAN;
    if (path != NULL && exists)
        value = row->percentile > 0 ? result_percentile(result, path, row->percentile)
                                    : result_number(result, path);
    table_figure(t, value * row->factor, row->unit);
}

static void pairs_cell(struct table *t, const json_t *result, const char *part, const char *whole)
{
    double expected = result_number(result, whole);
    if (!(expected > 0))
        table_cell(t, "-");
    else
        table_cellf(t, "%s of %s", figure_count(result_number(result, part)).text,
                    figure_count(expected).text);
}

static void share_cell(struct table *t, const json_t *result, const char *part, const char *whole)
{
    double expected = result_number(result, whole);
    table_figure(t, expected > 0 ? result_number(result, part) / expected : (double)NAN,
                 UNIT_SHARE);
}

static void write_pairs(struct table *t, const json_t *result)
{
    table_cell(t, "who should be heard, seen");
    pairs_cell(t, result, "audio.pairs.heard", "audio.pairs.expected");
    pairs_cell(t, result, "video.pairs.shown", "video.pairs.expected");
    table_cell(t, "  share of the time");
    share_cell(t, result, "audio.pairs.seconds_present", "audio.pairs.seconds_expected");
    share_cell(t, result, "video.pairs.seconds_present", "video.pairs.seconds_expected");
    table_cell(t, "right tone, asked layer");
    pairs_cell(t, result, "audio.tones.right", "audio.tones.checked");
    table_figure(t,
                 result_size(result, "video.layers") == 0
                     ? (double)NAN
                     : result_number(result, "video.asked_share"),
                 UNIT_SHARE);
}

static const struct media_row MEDIA_ROWS[] = {
    { "packets sent", "audio.sent.packets", "video.sent.packets", UNIT_NONE, 1, 0 },
    { "packets received", "audio.received.packets", "video.received.packets", UNIT_NONE, 1, 0 },
    { "bytes received", "audio.received.bytes", "video.received.bytes", UNIT_BYTES, 1, 0 },
    { "latency p50", "audio.latency_us", "video.latency_us", UNIT_US, 1, 50 },
    { "latency p90", "audio.latency_us", "video.latency_us", UNIT_US, 1, 90 },
    { "latency p99", "audio.latency_us", "video.latency_us", UNIT_US, 1, 99 },
    { "latency p99.9", "audio.latency_us", "video.latency_us", UNIT_US, 1, 99.9 },
    { "latency max", "audio.latency_us", "video.latency_us", UNIT_US, 1, 100 },
    { "jitter p99", "audio.jitter_us", "video.jitter_us", UNIT_US, 1, 99 },
    { "loss before RTX", "audio.loss.before", "video.loss.before", UNIT_SHARE, 1, 0 },
    { "loss after RTX", "audio.loss.after", "video.loss.after", UNIT_SHARE, 1, 0 },
    { "reordered", "audio.loss.reordered", "video.loss.reordered", UNIT_NONE, 1, 0 },
    { "duplicated", "audio.loss.duplicated", "video.loss.duplicated", UNIT_NONE, 1, 0 },
    { "gaps, freezes", "audio.gaps.count", "video.freezes.count", UNIT_NONE, 1, 0 },
    { "  longest", "audio.gaps.longest_ms", "video.freezes.longest_ms", UNIT_US, 1e3, 0 },
    { "  altogether", "audio.gaps.total_ms", "video.freezes.total_ms", UNIT_US, 1e3, 0 },
    { "  share of the time", NULL, "video.freezes.ratio", UNIT_SHARE, 1, 0 },
    { "talks until heard p95", "audio.onset_ms", NULL, UNIT_US, 1e3, 95 },
    { "view asked until shown p95", NULL, "video.switch_ms", UNIT_US, 1e3, 95 },
};

/* "asked 360p: 180p 1.8 %, 360p 98.2 %" */
static void write_layer(struct sheet *s, const json_t *layer)
{
    const json_t *seconds = json_object_get(layer, "seconds"), *value;
    const char *height;
    double sum = 0;
    json_object_foreach((json_t *)seconds, height, value) sum += json_number_value(value);
    if (!(sum > 0))
        return;
    text_addf(&s->out, "  asked %4.0fp, received ", result_number(layer, "asked_height"));
    const char *separator = "";
    json_object_foreach((json_t *)seconds, height, value)
    {
        if (!(json_number_value(value) > 0))
            continue;
        text_add(&s->out, separator);
        bool nothing = strcmp(height, "0") == 0;
        text_add_foreign(&s->out, nothing ? "nothing" : height, 8);
        text_addf(&s->out, nothing ? " %s" : "p %s",
                  figure_of(json_number_value(value) / sum, UNIT_SHARE).text);
        separator = ", ";
    }
    text_add(&s->out, "\n");
}

/* "  ✗ 104 were not heard: bot 250 ← bot 0, …" */
static void write_missing(struct sheet *s, const json_t *pairs, const char *says, const char *to,
                          const char *from)
{
    const json_t *missing = json_object_get(pairs, "missing");
    double count = result_number(pairs, "missing_count");
    size_t shown = MIN(json_array_size(missing), 5);
    if (!(count > 0))
        return;
    text_addf(&s->out, "  %s✗%s %s %s", sheet_ink(s, INK_BAD), sheet_ink(s, INK_END),
              figure_count(count).text, says);
    for (size_t i = 0; i < shown; i++) {
        const json_t *pair = json_array_get(missing, i);
        text_addf(&s->out, "%s %.0f by %.0f", i == 0 ? ": bot" : ",", result_number(pair, from),
                  result_number(pair, to));
    }
    text_add(&s->out, count > (double)shown ? ", …\n" : "\n");
}

static void write_errors(struct sheet *s, const json_t *result)
{
    static const char *const ERRORS[][2] = {
        { "errors.srtp_authentication", "packets failed SRTP authentication" },
        { "errors.srtp_replay", "packets were replays" },
        { "errors.malformed", "packets were malformed" },
        { "audio.pairs.stalled", "voices had stopped at the end" },
        { "video.pairs.stalled", "cameras stood still at the end" },
        { "audio.pairs.unexpected", "heard somebody they should not" },
        { "video.pairs.unexpected", "saw somebody they should not" },
        { "audio.tones.wrong", "streams had a wrong tone" },
        { "audio.tones.silent", "streams were silent" },
    };
    write_missing(s, result_at(result, "audio.pairs"), "were not heard", "listener", "speaker");
    write_missing(s, result_at(result, "video.pairs"), "were not seen", "viewer", "publisher");
    for (size_t i = 0; i < ARRAY_LEN(ERRORS); i++) {
        double count = result_number(result, ERRORS[i][0]);
        if (count > 0)
            text_addf(&s->out, "  %s✗%s %s %s\n", sheet_ink(s, INK_BAD), sheet_ink(s, INK_END),
                      figure_count(count).text, ERRORS[i][1]);
    }
    const json_t *signaling = result_at(result, "errors.signaling");
    for (size_t i = 0; i < json_array_size(signaling); i++) {
        const json_t *error = json_array_get(signaling, i);
        text_addf(&s->out, "  %s✗%s %s× signaling answered ", sheet_ink(s, INK_BAD),
                  sheet_ink(s, INK_END), figure_count(result_number(error, "count")).text);
        text_add_foreign(&s->out, result_text(error, "error", "-"), 50);
        text_add(&s->out, "\n");
    }
}

void report_text_media(struct sheet *s, const json_t *result)
{
    bool audio = result_number(result, "audio.loss.expected") > 0;
    bool video = result_number(result, "video.loss.expected") > 0;
    sheet_heading(s, "MEDIA");
    struct table t = { .align = "lrr" };
    table_cell(&t, "");
    table_cell(&t, "audio");
    table_cell(&t, "video");
    write_pairs(&t, result);
    for (size_t i = 0; i < ARRAY_LEN(MEDIA_ROWS); i++) {
        const struct media_row *row = &MEDIA_ROWS[i];
        if (row->audio == NULL && !video)
            continue;
        table_cell(&t, row->label);
        media_cell(&t, result, row, row->audio, audio);
        media_cell(&t, result, row, row->video, video);
    }
    table_write(&t, &s->out);
    const json_t *layers = result_at(result, "video.layers");
    for (size_t i = 0; i < json_array_size(layers); i++)
        write_layer(s, json_array_get(layers, i));
    write_errors(s, result);
}
