/* slo.h - service level objectives of a load test: "loss<0.5%,latency_p99<5ms,join_p95<500ms".
 *
 * slo := term { "," term };  term := metric op number [ unit ];  op := < | <= | > | >=
 * unit := % | us | ms | s | kB | MB | GB (none: a plain number). Spaces are ignored.
 *
 * A term that cannot be judged, because the run has no such data, has failed: it never passes
 * silently. Pure; results are of schema conclave-loadtest/1 (docs/loadtest-result.schema.json).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_SLO_H
#define LOADTEST_SLO_H

#include "common/base.h"

#include <jansson.h>

enum {
    SLO_TERMS_MAX = 32,
    SLO_TERM_TEXT_MAX = 64,
    SLO_TEXT_MAX = 1024,
    SLO_ERROR_MAX = 2048, /* room for the list of metrics */
};

enum slo_op { SLO_BELOW, SLO_AT_MOST, SLO_ABOVE, SLO_AT_LEAST };

struct slo_metric; /* slo_metric.h */

struct slo_term {
    const struct slo_metric *metric; /* static */
    enum slo_op op;
    double limit; /* in the metric's unit: share 0..1, microseconds, bytes, cores, a count */
    char text[SLO_TERM_TEXT_MAX]; /* as it was written, without spaces */
};

struct slo {
    char text[SLO_TEXT_MAX]; /* all of it, as given */
    struct slo_term terms[SLO_TERMS_MAX];
    size_t term_count;
};

/* ERR_MALFORMED or ERR_FULL (too many terms, too long): `ret_error` is one sentence for people,
 * with "did you mean" and the list when a metric is unknown. Untouched when OK. */
MUST_USE enum err slo_parse(const char *text, struct slo *ret, char ret_error[SLO_ERROR_MAX]);

/* Judges a result: the value of its key "slo", a new reference:
 *   { "text", "passed", "terms": [ { "metric", "op", "limit", "unit", "value", "text", "passed",
 *     "why" } ] }
 * "value" is null when the run has no such data; "why" says in a sentence why a term failed, and is
 * "" when it passed. NULL only when out of memory. */
json_t *slo_evaluate(const struct slo *slo, const json_t *result);

/* One line for each metric: its name, its unit, what it is. malloc'd, the caller frees; NULL when
 * out of memory. For `conclave-bot slo-metrics` and --help. */
char *slo_metrics_help(void);

#endif
