/* SPDX-License-Identifier: Apache-2.0 */
#include "core/result.h"

#include <math.h>
#include <string.h>

const json_t *result_at(const json_t *json, const char *path)
{
    while (json != NULL && *path != '\0') {
        size_t len = strcspn(path, ".");
        json = json_object_getn(json, path, len);
        path += len + (path[len] == '.');
    }
    return json;
}

double result_number(const json_t *json, const char *path)
{
    const json_t *value = result_at(json, path);
    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

const char *result_text(const json_t *json, const char *path, const char *otherwise)
{
    const char *text = json_string_value(result_at(json, path));
    return text == NULL ? otherwise : text;
}

bool result_true(const json_t *json, const char *path)
{
    return json_is_true(result_at(json, path));
}

size_t result_size(const json_t *json, const char *path)
{
    const json_t *value = result_at(json, path);
    return json_is_array(value) ? json_array_size(value) : json_object_size(value);
}

bool result_histogram(const json_t *json, const char *path, struct histogram *ret)
{
    const json_t *value = result_at(json, path);
    if (value == NULL || histogram_from_json(value, ret) != OK)
        *ret = (struct histogram){ 0 };
    return ret->count > 0;
}

double result_percentile(const json_t *json, const char *path, double percentile)
{
    struct histogram h;
    if (!result_histogram(json, path, &h))
        return (double)NAN;
    return (double)histogram_percentile(&h, percentile);
}
