/* slo_metric_like.c - what a metric that does not exist may have meant.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/slo_metric.h"

#include <string.h>

/* Levenshtein's distance; names are short. */
static size_t distance(const char *a, const char *b)
{
    enum { NAME_MAX_LEN = 40 };
    size_t row[NAME_MAX_LEN + 1], len = strnlen(b, NAME_MAX_LEN);
    for (size_t j = 0; j <= len; j++)
        row[j] = j;
    for (size_t i = 0; a[i] != '\0'; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < len; j++) {
            size_t substituted = diagonal + (a[i] != b[j]);
            diagonal = row[j + 1];
            row[j + 1] = MIN(substituted, MIN(row[j + 1], row[j]) + 1);
        }
    }
    return row[len];
}

const struct slo_metric *slo_metric_like(const char *name)
{
    const struct slo_metric *best = NULL;
    size_t best_distance = 1 + MAX(strlen(name) / 2, 2);
    for (size_t i = 0; i < slo_metric_count(); i++) {
        const char *own = slo_metric_at(i)->name;
        size_t d =
            strlen(name) >= 4 && strncmp(own, name, strlen(name)) == 0 ? 1 : distance(name, own);
        if (d < best_distance) {
            best = slo_metric_at(i);
            best_distance = d;
        }
    }
    return best;
}
