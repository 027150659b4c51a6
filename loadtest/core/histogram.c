/* SPDX-License-Identifier: Apache-2.0 */
#include "core/histogram.h"

#include <math.h>

enum { STEPS = 1 << HISTOGRAM_STEP_BITS };

/* Values below 2 * STEPS have a bucket each; above, each doubling has STEPS. */
static size_t bucket_of(uint64_t value)
{
    if (value >> HISTOGRAM_VALUE_BITS)
        return HISTOGRAM_BUCKETS - 1;
    if (value < STEPS)
        return (size_t)value;
    unsigned shift = 63u - (unsigned)__builtin_clzll(value) - HISTOGRAM_STEP_BITS;
    return ((size_t)(shift + 1) << HISTOGRAM_STEP_BITS) + (size_t)((value >> shift) - STEPS);
}

static uint64_t upper_end(size_t bucket)
{
    if (bucket < STEPS)
        return bucket;
    unsigned shift = (unsigned)(bucket >> HISTOGRAM_STEP_BITS) - 1;
    uint64_t step = STEPS + (bucket & (STEPS - 1));
    return ((step + 1) << shift) - 1;
}

void histogram_record(struct histogram *h, int64_t value)
{
    uint64_t v = value < 0 ? 0 : (uint64_t)value;
    if (h->count == 0 || v < h->min)
        h->min = v;
    if (h->count == 0 || v > h->max)
        h->max = v;
    h->count++;
    h->sum += v;
    h->buckets[bucket_of(v)]++;
}

void histogram_add(struct histogram *to, const struct histogram *from)
{
    if (from->count == 0)
        return;
    to->min = to->count == 0 ? from->min : MIN(to->min, from->min);
    to->max = to->count == 0 ? from->max : MAX(to->max, from->max);
    to->count += from->count;
    to->sum += from->sum;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        to->buckets[i] += from->buckets[i];
}

void histogram_subtract(struct histogram *to, const struct histogram *earlier)
{
    uint64_t max = to->max;
    to->count = 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        to->buckets[i] -= earlier->buckets[i];
        if (to->buckets[i] == 0)
            continue;
        if (to->count == 0)
            to->min = i == 0 ? 0 : upper_end(i - 1) + 1;
        to->max = MIN(max, upper_end(i));
        to->count += to->buckets[i];
    }
    to->sum -= earlier->sum;
}

uint64_t histogram_percentile(const struct histogram *h, double percentile)
{
    if (h->count == 0)
        return 0;
    uint64_t wanted = (uint64_t)ceil((double)h->count * percentile / 100);
    wanted = MAX(wanted, 1);
    uint64_t seen = 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->buckets[i];
        if (seen >= wanted)
            return MIN(upper_end(i), h->max);
    }
    return h->max;
}

double histogram_mean(const struct histogram *h)
{
    return h->count == 0 ? 0 : (double)h->sum / (double)h->count;
}

json_t *histogram_to_json(const struct histogram *h)
{
    json_t *buckets = json_array();
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        if (h->buckets[i] > 0)
            json_array_append_new(
                buckets, json_pack("[II]", (json_int_t)upper_end(i), (json_int_t)h->buckets[i]));
    }
    return json_pack(
        "{sI sI sI sf sI sI sI sI so}", "count", (json_int_t)h->count, "min",
        (json_int_t)(h->count == 0 ? 0 : h->min), "max", (json_int_t)(h->count == 0 ? 0 : h->max),
        "mean", histogram_mean(h), "p50", (json_int_t)histogram_percentile(h, 50), "p90",
        (json_int_t)histogram_percentile(h, 90), "p99", (json_int_t)histogram_percentile(h, 99),
        "p99_9", (json_int_t)histogram_percentile(h, 99.9), "buckets", buckets);
}

enum err histogram_from_json(const json_t *json, struct histogram *ret)
{
    const json_t *buckets = json_object_get(json, "buckets");
    if (!json_is_array(buckets))
        return ERR_MALFORMED;
    struct histogram h = { 0 };
    for (size_t i = 0; i < json_array_size(buckets); i++) {
        const json_t *pair = json_array_get(buckets, i);
        json_int_t upper = json_integer_value(json_array_get(pair, 0));
        json_int_t count = json_integer_value(json_array_get(pair, 1));
        if (json_array_size(pair) != 2 || upper < 0 || count <= 0)
            return ERR_MALFORMED;
        h.buckets[bucket_of((uint64_t)upper)] += (uint64_t)count;
        h.count += (uint64_t)count;
    }
    h.min = (uint64_t)json_integer_value(json_object_get(json, "min"));
    h.max = (uint64_t)json_integer_value(json_object_get(json, "max"));
    double sum = json_number_value(json_object_get(json, "mean")) * (double)h.count;
    h.sum = sum >= 0 && sum < 1e19 ? (uint64_t)(sum + 0.5) : 0; /* it may come from anywhere */
    *ret = h;
    return OK;
}
