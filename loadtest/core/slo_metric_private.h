/* slo_metric_private.h - what slo_metric.c and slo_metric_chaos.c share.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_SLO_METRIC_PRIVATE_H
#define LOADTEST_SLO_METRIC_PRIVATE_H

#include "core/histogram.h"
#include "core/slo_metric.h"

typedef const struct slo_metric metric; /* the table's readers have long types */

/* Always ERR_NOT_FOUND. */
enum err slo_because(char ret_why[SLO_WHY_MAX], const char *why);

/* Share of the chaos event that was worst: others would dilute it. */
enum err slo_read_chaos_share(metric *m, const json_t *result, double *ret, char *ret_why);
/* A percentile over all chaos events of the time until signaling was back; who never came back took
 * forever. */
enum err slo_read_resume(metric *m, const json_t *result, double *ret, char *ret_why);
/* Those times, in milliseconds. */
void slo_resume_times(const json_t *result, struct histogram *ret);

#endif
