/* SPDX-License-Identifier: Apache-2.0 */
#include "core/report_html.h"

#include "core/text.h"

#include <stdlib.h>
#include <string.h>

/* loadtest/report/report.html, zero-terminated; made by embed.py. */
extern const char report_html_template[];

/* Where the template wants the result and the title. */
#define PLACE_RESULT "{{result}}"
#define PLACE_TITLE  "{{title}}"

/* JSON as the text of a script element: what could end the element, open a comment in it, or is no
 * JavaScript is written as \uXXXX, which in JSON only strings can contain. */
static void add_json(struct text *out, const char *json)
{
    for (size_t plain; *json != '\0'; json += plain) {
        plain = strcspn(json, "<>&\xe2");
        text_add_bytes(out, json, plain);
        const char *at = json + plain;
        if (*at == '\0')
            return;
        bool line = strncmp(at, "\xe2\x80\xa8", 3) == 0 || strncmp(at, "\xe2\x80\xa9", 3) == 0;
        if (line)
            text_add(out, at[2] == '\xa8' ? "\\u2028" : "\\u2029");
        else if (*at == '\xe2')
            text_add_bytes(out, at, 1);
        else
            text_addf(out, "\\u%04x", (unsigned)*at);
        plain += line ? 3 : 1;
    }
}

static void add_html(struct text *out, const char *foreign)
{
    struct text clean = { 0 };
    text_add_foreign(&clean, foreign, 120);
    char *text = text_take(&clean);
    for (const char *at = text; at != NULL && *at != '\0'; at++) {
        if (strchr("<>&\"'", *at) != NULL)
            text_addf(out, "&#%d;", *at);
        else
            text_add_bytes(out, at, 1);
    }
    out->failed = out->failed || text == NULL;
    free(text);
}

static void add_title(struct text *out, const json_t *result)
{
    const json_t *name = json_object_get(json_object_get(result, "scenario"), "name");
    const json_t *verdict = json_object_get(result, "verdict");
    if (json_is_string(name)) {
        add_html(out, json_string_value(name));
        text_add(out, json_is_string(verdict) ? ": " : "");
    }
    if (json_is_string(verdict))
        add_html(out, json_string_value(verdict));
}

/* The whole JSON or NULL. Not json_dumps(): jansson 2.14 drops keys from its text when growing it
 * fails. */
static char *dump(const json_t *result)
{
    size_t len = json_dumpb(result, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY);
    char *json = len == 0 ? NULL : malloc(len + 1);
    if (json == NULL || json_dumpb(result, json, len, JSON_COMPACT | JSON_ENCODE_ANY) != len) {
        free(json);
        return NULL;
    }
    json[len] = '\0';
    return json;
}

char *report_html(const json_t *result)
{
    const char *title = strstr(report_html_template, PLACE_TITLE);
    const char *place = strstr(report_html_template, PLACE_RESULT);
    check(title != NULL && place != NULL && title < place);
    char *json = dump(result);
    if (json == NULL)
        return NULL;
    struct text out = { 0 };
    text_add_bytes(&out, report_html_template, (size_t)(title - report_html_template));
    add_title(&out, result);
    title += strlen(PLACE_TITLE);
    text_add_bytes(&out, title, (size_t)(place - title));
    add_json(&out, json);
    text_add(&out, place + strlen(PLACE_RESULT));
    free(json);
    return text_take(&out);
}
