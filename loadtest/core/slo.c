/* SPDX-License-Identifier: Apache-2.0 */
#include "core/slo.h"

#include "core/slo_metric.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *text;  /* longer ones first */
    const char *fails; /* what a value is that fails it */
} OPS[] = {
    [SLO_BELOW] = { "<", "not below" },
    [SLO_AT_MOST] = { "<=", "more than" },
    [SLO_ABOVE] = { ">", "not above" },
    [SLO_AT_LEAST] = { ">=", "less than" },
};

static const struct {
    const char *text;
    enum unit unit;
    double factor;
} UNITS[] = {
    { "%", UNIT_SHARE, 0.01 },
    { "us", UNIT_US, 1 },
    { "µs", UNIT_US, 1 },
    { "ms", UNIT_US, 1e3 },
    { "s", UNIT_US, 1e6 },
    { "kB", UNIT_BYTES, 1e3 },
    { "MB", UNIT_BYTES, 1e6 },
    { "GB", UNIT_BYTES, 1e9 },
    { "KiB", UNIT_BYTES, 1024 },
    { "MiB", UNIT_BYTES, 1048576 },
    { "GiB", UNIT_BYTES, 1073741824 },
};

static const char *unit_name(enum unit unit)
{
    static const char *const NAMES[] = { [UNIT_NONE] = "count",
                                         [UNIT_SHARE] = "share",
                                         [UNIT_US] = "us",
                                         [UNIT_BYTES] = "bytes",
                                         [UNIT_CORES] = "cores" };
    return NAMES[unit];
}

static enum err unknown_metric(const char *name, char ret_error[SLO_ERROR_MAX])
{
    const struct slo_metric *like = slo_metric_like(name);
    struct text t = { 0 };
    text_addf(&t, "there is no metric \"%s\"", name);
    if (like != NULL)
        text_addf(&t, "; did you mean %s?", like->name);
    text_add(&t, " The metrics are:");
    for (size_t i = 0; i < slo_metric_count(); i++)
        text_addf(&t, "%s %s", i == 0 ? "" : ",", slo_metric_at(i)->name);
    char *text = text_take(&t);
    (void)snprintf(ret_error, SLO_ERROR_MAX, "%s", text == NULL ? "out of memory" : text);
    free(text);
    return ERR_MALFORMED;
}

static enum err parse_op(const char **at, enum slo_op *ret)
{
    char first = **at;
    if (first != '<' && first != '>')
        return ERR_MALFORMED;
    bool equal = (*at)[1] == '=';
    *at += equal ? 2 : 1;
    *ret = first == '<' ? (equal ? SLO_AT_MOST : SLO_BELOW) : (equal ? SLO_AT_LEAST : SLO_ABOVE);
    return OK;
}

/* What is written behind the number must fit what the metric is measured in. */
static enum err apply_unit(const char *unit, struct slo_term *term, char *ret_error)
{
    static const char *const WANTS[] = { [UNIT_NONE] = "a plain number",
                                         [UNIT_SHARE] = "a share: 0.5% or 0.005",
                                         [UNIT_US] = "a time: us, ms or s",
                                         [UNIT_BYTES] = "bytes, kB, MB or GB",
                                         [UNIT_CORES] = "a plain number of cores" };
    enum unit wanted = term->metric->unit;
    for (size_t i = 0; i < ARRAY_LEN(UNITS); i++) {
        if (strcmp(unit, UNITS[i].text) != 0 || UNITS[i].unit != wanted)
            continue;
        term->limit *= UNITS[i].factor;
        if (wanted != UNIT_SHARE || term->limit <= 1)
            return OK;
        (void)snprintf(ret_error, SLO_ERROR_MAX, "\"%s\": a share is never above 100 %%",
                       term->text);
        return ERR_MALFORMED;
    }
    bool plain_is_fine = wanted != UNIT_US || term->limit == 0;
    bool share_is_fine = wanted != UNIT_SHARE || term->limit <= 1;
    if (*unit == '\0' && plain_is_fine && share_is_fine)
        return OK;
    (void)snprintf(ret_error, SLO_ERROR_MAX, "\"%s\": %s is measured in %s", term->text,
                   term->metric->name, WANTS[wanted]);
    return ERR_MALFORMED;
}

/* text: one term without spaces. */
static enum err parse_term(const char *text, struct slo_term *ret, char *ret_error)
{
    char name[SLO_TERM_TEXT_MAX];
    size_t len = strcspn(text, "<>=");
    const char *at = text + len;
    struct slo_term term = { 0 };
    if (len == 0 || parse_op(&at, &term.op) != OK) {
        (void)snprintf(ret_error, SLO_ERROR_MAX,
                       "\"%s\" is not metric, < <= > or >=, number, unit: for example loss<0.5%%",
                       text);
        return ERR_MALFORMED;
    }
    (void)snprintf(name, sizeof name, "%.*s", (int)len, text);
    (void)snprintf(term.text, sizeof term.text, "%s", text);
    term.metric = slo_metric_find(name);
    if (term.metric == NULL)
        return unknown_metric(name, ret_error);
    size_t number_len = strspn(at, "0123456789.");
    char *end;
    term.limit = strtod(at, &end);
    if (number_len == 0 || end != at + number_len) {
        (void)snprintf(ret_error, SLO_ERROR_MAX, "\"%s\": %s is compared with a number, not \"%s\"",
                       text, name, at);
        return ERR_MALFORMED;
    }
    enum err e = apply_unit(end, &term, ret_error);
    if (e == OK)
        *ret = term;
    return e;
}

/* The next term without spaces; *at moves to its comma or the end. ERR_FULL: too long. */
static enum err next_term(const char **at, char ret[SLO_TERM_TEXT_MAX])
{
    size_t len = 0;
    for (; **at != '\0' && **at != ','; (*at)++) {
        if (**at == ' ' || **at == '\t' || **at == '\n')
            continue;
        if (len + 1 == SLO_TERM_TEXT_MAX)
            return ERR_FULL;
        ret[len++] = **at;
    }
    ret[len] = '\0';
    return OK;
}

enum err slo_parse(const char *text, struct slo *ret, char ret_error[SLO_ERROR_MAX])
{
    struct slo slo = { 0 };
    if (strlen(text) >= sizeof slo.text) {
        (void)snprintf(ret_error, SLO_ERROR_MAX, "objectives may have %d characters",
                       SLO_TEXT_MAX - 1);
        return ERR_FULL;
    }
    (void)snprintf(slo.text, sizeof slo.text, "%s", text);
    for (const char *at = text;; at++) {
        char term[SLO_TERM_TEXT_MAX];
        if (slo.term_count == SLO_TERMS_MAX || next_term(&at, term) != OK) {
            (void)snprintf(ret_error, SLO_ERROR_MAX, "at most %d objectives of %d characters",
                           SLO_TERMS_MAX, SLO_TERM_TEXT_MAX - 1);
            return ERR_FULL;
        }
        enum err e = parse_term(term, &slo.terms[slo.term_count], ret_error);
        if (e != OK)
            return e;
        slo.term_count++;
        if (*at == '\0')
            break;
    }
    *ret = slo;
    return OK;
}

static bool holds(double value, enum slo_op op, double limit)
{
    switch (op) {
    case SLO_BELOW:
        return value < limit;
    case SLO_AT_MOST:
        return value <= limit;
    case SLO_ABOVE:
        return value > limit;
    case SLO_AT_LEAST:
        return value >= limit;
    }
    return false;
}

static json_t *evaluate_term(const struct slo_term *term, const json_t *result, bool *ret_passed)
{
    double value = 0;
    char why[SLO_WHY_MAX] = "";
    enum unit unit = term->metric->unit;
    bool known = slo_metric_value(term->metric, result, &value, why) == OK;
    bool passed = known && holds(value, term->op, term->limit);
    if (known && !passed)
        (void)snprintf(why, sizeof why, "%s is %s, %s %s", term->metric->name,
                       figure_of(value, unit).text, OPS[term->op].fails,
                       figure_of(term->limit, unit).text);
    *ret_passed = passed;
    /* jansson's json_real() refuses what is not finite; that is no value either */
    return json_pack("{ss ss sf ss so? ss sb ss}", "metric", term->metric->name, "op",
                     OPS[term->op].text, "limit", term->limit, "unit", unit_name(unit), "value",
                     known ? json_real(value) : json_null(), "text", term->text, "passed", passed,
                     "why", why);
}

json_t *slo_evaluate(const struct slo *slo, const json_t *result)
{
    json_t *terms = json_array();
    bool all = true;
    for (size_t i = 0; i < slo->term_count && terms != NULL; i++) {
        bool passed = false;
        if (json_array_append_new(terms, evaluate_term(&slo->terms[i], result, &passed)) != 0) {
            json_decref(terms);
            terms = NULL;
        }
        all = all && passed;
    }
    return json_pack("{ss sb so}", "text", slo->text, "passed", all, "terms", terms);
}

char *slo_metrics_help(void)
{
    struct text t = { 0 };
    for (size_t i = 0; i < slo_metric_count(); i++) {
        static const char *const UNITS_SHOWN[] = { [UNIT_NONE] = "count",
                                                   [UNIT_SHARE] = "%",
                                                   [UNIT_US] = "time",
                                                   [UNIT_BYTES] = "bytes",
                                                   [UNIT_CORES] = "cores" };
        const struct slo_metric *m = slo_metric_at(i);
        text_addf(&t, "  %-23s %-6s %s\n", m->name, UNITS_SHOWN[m->unit], m->help);
    }
    return text_take(&t);
}
