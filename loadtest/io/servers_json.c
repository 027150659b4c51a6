/* SPDX-License-Identifier: Apache-2.0 */
#include "core/prom_text.h"
#include "io/servers_private.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Counters of an exposition, added up over workers and other labels. */
struct reading {
    double of[TALLY_COUNT];
    bool has[TALLY_COUNT];
    struct {
        char name[SERVERS_REASON_BYTES];
        double value;
    } reasons[SERVERS_REASONS_MAX];
    size_t reason_count;
    double start_seconds, memory_bytes;
};

static void add(struct reading *r, enum tally_kind kind, double value)
{
    r->of[kind] += value;
    r->has[kind] = true;
}

static void add_reason(struct reading *r, const struct prom_sample *s)
{
    char name[SERVERS_REASON_BYTES];
    if (s->value == 0 || prom_sample_label(s, "reason", name, sizeof name) != OK)
        return;
    for (size_t i = 0; i < r->reason_count; i++) {
        if (strcmp(r->reasons[i].name, name) == 0) {
            r->reasons[i].value += s->value;
            return;
        }
    }
    if (r->reason_count == SERVERS_REASONS_MAX)
        return;
    (void)snprintf(r->reasons[r->reason_count].name, sizeof name, "%s", name);
    r->reasons[r->reason_count++].value = s->value;
}

static bool is_direction(const struct prom_sample *s, const char *direction)
{
    char text[8];
    return prom_sample_label(s, "direction", text, sizeof text) == OK &&
           strcmp(text, direction) == 0;
}

static void read_sample(struct reading *r, const struct prom_sample *s)
{
    if (!isfinite(s->value) || s->value < 0)
        return;
    if (prom_sample_is(s, "process_cpu_seconds_total"))
        add(r, TALLY_CPU_SECONDS, s->value);
    else if (prom_sample_is(s, "process_resident_memory_bytes"))
        r->memory_bytes = MIN(s->value, 1e15);
    else if (prom_sample_is(s, "process_start_time_seconds"))
        r->start_seconds = s->value;
    else if (prom_sample_is(s, "sfud_udp_datagrams_total"))
        add(r, is_direction(s, "in") ? TALLY_PACKETS_IN : TALLY_PACKETS_OUT, s->value);
    else if (prom_sample_is(s, "sfud_udp_bytes_total"))
        add(r, is_direction(s, "in") ? TALLY_BYTES_IN : TALLY_BYTES_OUT, s->value);
    else if (prom_sample_is(s, "sfud_packets_dropped_total") ||
             prom_sample_is(s, "sfud_packets_unsent_total") ||
             prom_sample_is(s, "sfud_udp_dropped_total")) {
        add(r, TALLY_DROPPED, s->value);
        add_reason(r, s);
    }
}

static void take_reason(struct sums *sums, const char *name, double value, bool is_new_life)
{
    size_t i = 0;
    while (i < sums->reason_count && strcmp(sums->reasons[i].name, name) != 0)
        i++;
    if (i == SERVERS_REASONS_MAX)
        return;
    bool is_new = i == sums->reason_count;
    if (is_new) {
        (void)snprintf(sums->reasons[i].name, sizeof sums->reasons[i].name, "%s", name);
        sums->reason_count++;
    }
    /* A reason that shows up after the first reading has begun at zero. */
    tally_take(&sums->reasons[i].tally, value,
               is_new_life || (is_new && sums->of[TALLY_DROPPED].is_known));
}

/* Who does not say when it started is known by a counter that fell. */
static bool is_restarted(const struct server *v, const struct reading *r)
{
    if (r->start_seconds != 0)
        return v->start_seconds != 0 && fabs(r->start_seconds - v->start_seconds) > 0.001;
    const struct tally *cpu = &v->sums.of[TALLY_CPU_SECONDS];
    return !v->is_seen_by_proc && cpu->is_known && r->of[TALLY_CPU_SECONDS] < cpu->last;
}

void server_read_metrics(struct server *v, struct bytes text, usec now)
{
    struct reading r = { 0 };
    struct prom_text t = prom_text_of(text);
    struct prom_sample s;
    for (enum err e; (e = prom_text_next(&t, &s)) != ERR_NOT_FOUND;)
        if (e == OK)
            read_sample(&r, &s);
    bool is_new_life = is_restarted(v, &r);
    v->start_seconds = r.start_seconds;
    v->interval.was_restarted |= is_new_life;
    for (size_t i = 0; i < r.reason_count; i++)
        take_reason(&v->sums, r.reasons[i].name, r.reasons[i].value, is_new_life);
    for (size_t i = 0; i < TALLY_COUNT; i++) {
        bool is_known_better = i == TALLY_CPU_SECONDS && v->is_seen_by_proc;
        if (r.has[i] && !is_known_better)
            tally_take(&v->sums.of[i], r.of[i], is_new_life);
    }
    if (!v->is_seen_by_proc) {
        v->memory_bytes = (uint64_t)r.memory_bytes;
        v->cpu_taken = now;
    }
}

static double in_interval(const struct server *v, enum tally_kind kind)
{
    return MAX(v->sums.of[kind].total - v->interval.at_begin.of[kind].total, 0.0);
}

static json_t *count_or_null(const struct server *v, enum tally_kind kind)
{
    if (!v->sums.of[kind].is_known || !v->interval.was_seen)
        return json_null();
    return json_integer((json_int_t)in_interval(v, kind));
}

/* A number, or null where it says nothing. */
static json_t *real_if(bool is_known, double value)
{
    return is_known ? json_real(value) : json_null();
}

static json_t *memory_json(const struct interval *i)
{
    bool is_known = i->was_seen && i->memory_peak > 0; /* whoever lives has some */
    const uint64_t bytes[] = { i->memory_start, i->memory_peak, i->memory_end };
    static const char *const KEYS[] = { "start", "peak", "end" };
    json_t *json = json_object();
    for (size_t k = 0; k < ARRAY_LEN(KEYS); k++)
        (void)json_object_set_new(json, KEYS[k],
                                  is_known ? json_integer((json_int_t)bytes[k]) : json_null());
    return json;
}

/* "dropped: muted 12, receive-queue-full 3" */
static size_t describe_drops(const struct server *v, char *ret, size_t capacity)
{
    const struct sums *sums = &v->sums, *before = &v->interval.at_begin;
    size_t len = 0;
    for (size_t i = 0; i < sums->reason_count; i++) {
        double was = i < before->reason_count ? before->reasons[i].tally.total : 0;
        double count = sums->reasons[i].tally.total - was;
        if (count < 1 || len >= capacity)
            continue;
        int n = snprintf(ret + len, capacity - len, "%s%s %.0f", len == 0 ? "dropped: " : ", ",
                         sums->reasons[i].name, count);
        len += (size_t)MAX(n, 0);
    }
    return MIN(len, capacity - 1);
}

static void describe(const struct server *v, char *ret, size_t capacity)
{
    const struct interval *i = &v->interval;
    ret[0] = '\0';
    size_t len = describe_drops(v, ret, capacity);
    const char *and = len > 0 ? "; " : "";
    if (i->polls == 0)
        (void)snprintf(ret + len, capacity - len, "%swas not asked in this time", and);
    else if (i->polls_failed > 0)
        (void)snprintf(ret + len, capacity - len, "%s%s, %u of %u times", and, i->why,
                       i->polls_failed, i->polls);
}

static json_t *server_json(const struct server *v)
{
    const struct interval *i = &v->interval;
    double seconds = (double)MAX(i->ended - i->began, (usec)0) / 1e6;
    double cpu = in_interval(v, TALLY_CPU_SECONDS);
    double out = in_interval(v, TALLY_PACKETS_OUT);
    bool has_cpu = i->was_seen && v->sums.of[TALLY_CPU_SECONDS].is_known;
    char note[400];
    describe(v, note, sizeof note);
    bool has_rate = has_cpu && v->sums.of[TALLY_PACKETS_OUT].is_known && cpu > 0;
    json_t *json =
        json_pack("{ss ss? so sb so so so so so so so so so ss}", "name", v->name, "metrics",
                  v->metrics_url, "pid", v->pid > 0 ? json_integer(v->pid) : json_null(),
                  "restarted", (int)i->was_restarted, "cpu_seconds", real_if(has_cpu, cpu),
                  "cpu_share", real_if(has_cpu, seconds > 0 ? cpu / seconds : 0.0), "memory_bytes",
                  memory_json(i), "packets_in", count_or_null(v, TALLY_PACKETS_IN), "packets_out",
                  count_or_null(v, TALLY_PACKETS_OUT), "bytes_in", count_or_null(v, TALLY_BYTES_IN),
                  "bytes_out", count_or_null(v, TALLY_BYTES_OUT), "packets_dropped",
                  count_or_null(v, TALLY_DROPPED), "packets_out_per_cpu_second",
                  real_if(has_rate, has_rate ? out / cpu : 0), "note", note);
    check(json != NULL); /* names that are not UTF-8 are refused by servers_add() */
    return json;
}

json_t *servers_interval_json(const struct servers *s)
{
    json_t *all = json_array();
    for (size_t i = 0; i < s->count; i++)
        (void)json_array_append_new(all, server_json(s->list[i]));
    return all;
}

json_t *servers_series_json(const struct servers *s)
{
    json_t *all = json_object();
    for (size_t i = 0; i < s->count; i++) {
        const struct series *r = &s->list[i]->series;
        json_t *cpu = json_array(), *memory = json_array();
        bool was_seen = s->list[i]->cpu_taken != 0; /* ever */
        for (size_t k = 0; k < r->count; k++) {
            double share = round((double)r->cpu[k] * 10000) / 10000;
            (void)json_array_append_new(cpu, real_if(was_seen, share));
            (void)json_array_append_new(
                memory, !was_seen ? json_null() : json_integer((json_int_t)r->memory_bytes[k]));
        }
        (void)json_object_set_new(all, s->list[i]->name,
                                  json_pack("{so so}", "cpu", cpu, "memory_bytes", memory));
    }
    return all;
}

json_t *servers_io_backends(const struct servers *s)
{
    json_t *all = json_object();
    for (size_t i = 0; i < s->count; i++)
        if (s->list[i]->io_backend != NULL)
            (void)json_object_set_new(all, s->list[i]->name, json_string(s->list[i]->io_backend));
    if (json_object_size(all) > 0)
        return all;
    json_decref(all);
    return NULL;
}
