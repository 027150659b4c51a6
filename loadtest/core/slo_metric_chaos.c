/* slo_metric_chaos.c - metrics of what chaos did. SPDX-License-Identifier: Apache-2.0 */
#include "core/result.h"
#include "core/slo_metric_private.h"

#include <math.h>
#include <stdio.h>

enum err slo_because(char ret_why[SLO_WHY_MAX], const char *why)
{
    (void)snprintf(ret_why, SLO_WHY_MAX, "%s", why);
    return ERR_NOT_FOUND;
}

/* Sum over the chaos events of a number at `path`; NaN when there was none. */
static double chaos_sum(const json_t *result, const char *path)
{
    const json_t *events = json_object_get(result, "chaos");
    double sum = json_array_size(events) == 0 ? (double)NAN : 0;
    for (size_t i = 0; i < json_array_size(events); i++)
        sum += result_number(json_array_get(events, i), path);
    return sum;
}

static enum err no_chaos(char *ret_why)
{
    return slo_because(ret_why, "nothing happened in the run that took signaling or media away");
}

enum err slo_read_chaos_share(metric *m, const json_t *result, double *ret, char *ret_why)
{
    const json_t *events = json_object_get(result, "chaos");
    double worst = (double)INFINITY;
    for (size_t i = 0; i < json_array_size(events); i++) {
        const json_t *event = json_array_get(events, i);
        double part = result_number(event, m->path), whole = result_number(event, m->other);
        if (whole > 0 && !isnan(part))
            worst = fmin(worst, 1 - part / whole);
    }
    if (!isfinite(worst))
        return no_chaos(ret_why);
    *ret = worst;
    return OK;
}

void slo_resume_times(const json_t *result, struct histogram *ret)
{
    struct histogram one;
    const json_t *events = json_object_get(result, "chaos");
    *ret = (struct histogram){ 0 };
    for (size_t i = 0; i < json_array_size(events); i++) {
        if (result_histogram(json_array_get(events, i), "signaling.ms", &one))
            histogram_add(ret, &one);
    }
}

enum err slo_read_resume(metric *m, const json_t *result, double *ret, char *ret_why)
{
    struct histogram all;
    slo_resume_times(result, &all);
    double never = chaos_sum(result, "signaling.never");
    if (never > 0) {
        (void)snprintf(ret_why, SLO_WHY_MAX, "%.0f bot%s never came back", never,
                       never > 1 ? "s" : "");
        return ERR_NOT_FOUND;
    }
    if (all.count == 0)
        return no_chaos(ret_why);
    *ret = (double)histogram_percentile(&all, m->percentile) * m->factor;
    return OK;
}
