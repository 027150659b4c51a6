/* result.h - looking things up in a result of schema conclave-loadtest/1.
 *
 * A path is keys with dots: "audio.loss.after". Everything returned is borrowed. Pure.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_RESULT_H
#define LOADTEST_RESULT_H

#include "core/histogram.h"

#define RESULT_SCHEMA "conclave-loadtest/1"

/* NULL if there is no such value. */
const json_t *result_at(const json_t *json, const char *path);
/* NaN if it is not a number. */
double result_number(const json_t *json, const char *path);
/* `otherwise` if it is not a text. */
const char *result_text(const json_t *json, const char *path, const char *otherwise);
bool result_true(const json_t *json, const char *path);
/* Elements of an array or keys of an object; 0 if it is neither. */
size_t result_size(const json_t *json, const char *path);
/* false, and ret is empty: no histogram there, or one without values. */
bool result_histogram(const json_t *json, const char *path, struct histogram *ret);
/* The given percentile of the histogram there; NaN if it has no values. */
double result_percentile(const json_t *json, const char *path, double percentile);

#endif
