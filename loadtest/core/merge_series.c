/* SPDX-License-Identifier: Apache-2.0 */
#include "core/merge_private.h"

#include "core/result.h"

#include <math.h>

enum { ROWS_MAX = 200000 };

static const json_t *times_of(const json_t *result)
{
    return result_at(result, "series.t");
}

static double time_at(const json_t *times, size_t i)
{
    return json_number_value(json_array_get(times, i));
}

/* A place in the series of one result, which only goes on. */
struct cursor {
    const json_t *result;
    size_t at;
    bool is_there; /* has a sample less than a step away from the row */
};

static void move_to(struct cursor *c, double t)
{
    const json_t *times = times_of(c->result);
    size_t count = json_array_size(times);
    while (c->at + 1 < count &&
           fabs(time_at(times, c->at + 1) - t) < fabs(time_at(times, c->at) - t))
        c->at++;
    c->is_there = c->at < count && fabs(time_at(times, c->at) - t) < 1.0;
}

static const json_t *sample(const struct cursor *c, const char *key)
{
    if (!c->is_there)
        return NULL;
    return json_array_get(json_object_get(json_object_get(c->result, "series"), key), c->at);
}

static json_t *sum_of(const struct cursor *cursors, size_t count, const char *key)
{
    double total = 0;
    bool is_whole = true;
    for (size_t i = 0; i < count; i++) {
        const json_t *value = sample(&cursors[i], key);
        is_whole = is_whole && (value == NULL || json_is_integer(value));
        total += json_number_value(value);
    }
    return is_whole ? json_integer((json_int_t)total) : json_real(total);
}

/* Null if nobody measured any. */
static json_t *highest_of(const struct cursor *cursors, size_t count, const char *key)
{
    const json_t *highest = NULL;
    for (size_t i = 0; i < count; i++) {
        const json_t *value = sample(&cursors[i], key);
        if (json_is_number(value) &&
            (highest == NULL || json_number_value(value) > json_number_value(highest)))
            highest = value;
    }
    return highest == NULL ? json_null() : json_deep_copy(highest);
}

/* Each loss weighs as much as what was received with it. */
static json_t *loss_of(const struct cursor *cursors, size_t count)
{
    double lost = 0, packets = 0;
    for (size_t i = 0; i < count; i++) {
        double weight = json_number_value(sample(&cursors[i], "packets_received"));
        lost += weight * json_number_value(sample(&cursors[i], "loss_after"));
        packets += weight;
    }
    return json_real(packets > 0 ? lost / packets : 0);
}

static void append(json_t *series, const char *key, json_t *value)
{
    json_t *list = json_object_get(series, key);
    if (list == NULL) {
        list = json_array();
        json_object_set_new(series, key, list);
    }
    json_array_append_new(list, value);
}

static void append_row(json_t *series, const struct cursor *cursors, size_t count)
{
    static const char *const SUMS[] = { "connected",      "packets_sent", "packets_received",
                                        "bytes_received", "freezes",      "tester_cpu" };
    for (size_t i = 0; i < ARRAY_LEN(SUMS); i++)
        append(series, SUMS[i], sum_of(cursors, count, SUMS[i]));
    append(series, "latency_p50_us", highest_of(cursors, count, "latency_p50_us"));
    append(series, "latency_p99_us", highest_of(cursors, count, "latency_p99_us"));
    append(series, "loss_after", loss_of(cursors, count));
}

/* { "sfud-1": { "cpu": [], … } } at the place of the observer's cursor; 0 where it has none. */
static void append_servers(json_t *servers, const struct cursor *observer)
{
    const json_t *from = result_at(observer->result, "series.servers");
    const char *name, *key;
    json_t *one, *values;
    json_object_foreach((json_t *)from, name, one)
    {
        if (json_object_get(servers, name) == NULL)
            json_object_set_new(servers, name, json_object());
        json_object_foreach(one, key, values)
        {
            const json_t *value = observer->is_there ? json_array_get(values, observer->at) : NULL;
            append(json_object_get(servers, name), key,
                   value == NULL ? json_integer(0) : json_deep_copy(value));
        }
    }
}

static const json_t *longest(const struct merge_part *parts, size_t count, const json_t *observer)
{
    const json_t *ret = observer;
    for (size_t i = 0; i < count; i++) {
        if (ret == NULL ||
            json_array_size(times_of(parts[i].result)) > json_array_size(times_of(ret)))
            ret = parts[i].result;
    }
    return ret;
}

json_t *merge_series(const struct merge_part *parts, size_t count, const json_t *observer)
{
    static const char *const KEYS[] = { "t",
                                        "phase",
                                        "connected",
                                        "packets_sent",
                                        "packets_received",
                                        "bytes_received",
                                        "latency_p50_us",
                                        "latency_p99_us",
                                        "loss_after",
                                        "freezes",
                                        "tester_cpu" };
    enum { PARTS_MAX = 64 };
    check(count <= PARTS_MAX);
    struct cursor cursors[PARTS_MAX],
        watching = { .result = observer != NULL ? observer : parts[0].result };
    json_t *ret = json_object(), *servers = json_object();
    json_object_set_new(ret, "step_s", json_integer(1));
    json_object_set_new(ret, "latency_is", json_string("that of the slowest machine"));
    for (size_t i = 0; i < ARRAY_LEN(KEYS); i++)
        json_object_set_new(ret, KEYS[i], json_array());
    for (size_t i = 0; i < count; i++)
        cursors[i] = (struct cursor){ .result = parts[i].result };
    const json_t *rows = longest(parts, count, observer);
    const json_t *times = times_of(rows), *phases = result_at(rows, "series.phase");
    for (size_t row = 0; row < json_array_size(times) && row < ROWS_MAX; row++) {
        double t = time_at(times, row);
        for (size_t i = 0; i < count; i++)
            move_to(&cursors[i], t);
        move_to(&watching, t);
        append(ret, "t", json_real(t));
        append(ret, "phase", json_deep_copy(json_array_get(phases, row)));
        append_row(ret, cursors, count);
        append_servers(servers, &watching);
    }
    json_object_set_new(ret, "servers", servers);
    return ret;
}
