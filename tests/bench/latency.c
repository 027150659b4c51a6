/* SPDX-License-Identifier: Apache-2.0 */
#include "latency.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME "bench_forward_seconds"

/* Seconds. Powers of 1.325 from 10 us on. */
static double bound(size_t i)
{
    double b = 10e-6;
    while (i-- > 0)
        b *= 1.325;
    return b;
}

void latency_init(struct latency *l)
{
    double bounds[LATENCY_BOUNDS];
    for (size_t i = 0; i < LATENCY_BOUNDS; i++)
        bounds[i] = bound(i);
    l->metrics = metrics_new("bench");
    l->histogram = metrics_histogram(l->metrics, NAME, "Forwarding", NULL, bounds, LATENCY_BOUNDS);
}

void latency_done(struct latency *l)
{
    if (l->metrics != NULL)
        metrics_free(l->metrics);
    *l = (struct latency){ 0 };
}

void latency_read(const struct latency *l, struct latency_counts *ret)
{
    size_t len, i = 0;
    char *text = metrics_render(l->metrics, &len), *rest = text;
    *ret = (struct latency_counts){ 0 };
    for (const char *line; i <= LATENCY_BOUNDS && (line = strsep(&rest, "\n")) != NULL;) {
        if (sscanf(line, NAME "_bucket{%*[^}]} %" SCNu64, &ret->below[i]) == 1)
            i++;
    }
    check(i == LATENCY_BOUNDS + 1);
    free(text);
}

double latency_quantile(const struct latency_counts *a, const struct latency_counts *b, double q)
{
    double wanted = q * (double)(b->below[LATENCY_BOUNDS] - a->below[LATENCY_BOUNDS]), before = 0;
    for (size_t i = 0; i < LATENCY_BOUNDS; i++) {
        double here = (double)(b->below[i] - a->below[i]), low = i > 0 ? bound(i - 1) : 0;
        if (here >= wanted && here > before)
            return 1e6 * (low + (bound(i) - low) * (wanted - before) / (here - before));
        before = here;
    }
    return wanted > 0 ? 1e6 * bound(LATENCY_BOUNDS - 1) : 0;
}
