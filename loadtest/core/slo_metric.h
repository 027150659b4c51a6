/* slo_metric.h - the measurements of a result that have a name: objectives and comparisons use
 * them.
 *
 * Pure. SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_SLO_METRIC_H
#define LOADTEST_SLO_METRIC_H

#include "core/text.h"

#include <jansson.h>

enum { SLO_WHY_MAX = 200 };

struct slo_metric {
    const char *name;
    enum unit unit;
    bool more_is_better;
    const char *help; /* one line, no full stop */
    /* OK, or ERR_NOT_FOUND and ret_why says in a few words what the run does not have. */
    enum err (*read)(const struct slo_metric *m, const json_t *result, double *ret,
                     char ret_why[SLO_WHY_MAX]);
    const char *path; /* of the value or the histogram; or the first of two metrics */
    const char
        *other;    /* what must be more than zero for the path to mean something; or the second */
    double factor; /* value in the result -> value in `unit` */
    double percentile; /* of a histogram */
};

/* NULL if there is none of that name. */
const struct slo_metric *slo_metric_find(const char *name);
/* index < slo_metric_count(). */
const struct slo_metric *slo_metric_at(size_t index);
size_t slo_metric_count(void);
/* The one whose name is written most like `name`; NULL if none is like it at all. */
const struct slo_metric *slo_metric_like(const char *name);

/* The value in the metric's unit. ERR_NOT_FOUND: the run has no such data. */
MUST_USE enum err slo_metric_value(const struct slo_metric *m, const json_t *result, double *ret,
                                   char ret_why[SLO_WHY_MAX]);

/* The run has too few values (of latency, joins, …) for this percentile: what is shown is little
 * more than its largest value. false also: no percentile, or no data. */
bool slo_metric_has_few(const struct slo_metric *m, const json_t *result);

/* Where a percentile of the run really lies, `z` standard errors to both sides: the values at the
 * ranks around it (order statistics). Packets that one bot sent reach many at about the same time,
 * so there are only as many independent values as packets were sent. false: no percentile, or no
 * data. */
bool slo_metric_interval(const struct slo_metric *m, const json_t *result, double z,
                         double *ret_low, double *ret_high);

#endif
