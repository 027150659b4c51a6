/* run_series.c - what is looked at every second: the time series, the live view, this process.
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/os/clock.h"
#include "io/run_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static void read_steal(struct run_cpu *ret)
{
    FILE *f = fopen("/proc/stat", "re");
    if (f == NULL)
        return;
    unsigned long long v[8] = { 0 };
    if (fscanf(f, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &v[0], &v[1], &v[2], &v[3], &v[4],
               &v[5], &v[6], &v[7]) == 8) {
        double hz = (double)sysconf(_SC_CLK_TCK);
        for (size_t i = 0; i < ARRAY_LEN(v); i++)
            ret->all_s += (double)v[i] / hz;
        ret->steal_s = (double)v[7] / hz;
    }
    (void)fclose(f);
}

/* cpu.stat of our own cgroup (version 2, or 1, which counts nanoseconds), or of the root of a
 * container. */
static void read_throttled(struct run_cpu *ret)
{
    char path[512] = "", line[400];
    FILE *f = fopen("/proc/self/cgroup", "re");
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        const char *v1 = strstr(line, ":cpu,");
        v1 = v1 != NULL ? v1 : strstr(line, ":cpu:");
        if (strncmp(line, "0::", 3) == 0 && path[0] == '\0')
            snprintf(path, sizeof path, "/sys/fs/cgroup%s/cpu.stat", line + 3);
        if (v1 != NULL)
            snprintf(path, sizeof path, "/sys/fs/cgroup/cpu%s/cpu.stat", strrchr(line, ':') + 1);
    }
    if (f != NULL)
        (void)fclose(f);
    f = fopen(path, "re");
    if (f == NULL)
        f = fopen("/sys/fs/cgroup/cpu.stat", "re");
    unsigned long long us;
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        if (sscanf(line, "throttled_usec %llu", &us) == 1)
            ret->throttled_us = us;
        else if (sscanf(line, "throttled_time %llu", &us) == 1)
            ret->throttled_us = us / 1000;
    }
    if (f != NULL)
        (void)fclose(f);
}

static void read_memory(struct run_cpu *ret)
{
    FILE *f = fopen("/proc/self/status", "re");
    char line[200];
    unsigned long long kb;
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        if (sscanf(line, "VmRSS: %llu", &kb) == 1)
            ret->memory_bytes = kb * 1024;
        if (sscanf(line, "VmHWM: %llu", &kb) == 1)
            ret->memory_peak_bytes = kb * 1024;
    }
    if (f != NULL)
        (void)fclose(f);
}

static double seconds_of(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

void run_cpu_read(struct run_cpu *ret)
{
    *ret = (struct run_cpu){ .at = clock_now() };
    struct rusage u;
    if (getrusage(RUSAGE_SELF, &u) == 0)
        ret->process_s = seconds_of(u.ru_utime) + seconds_of(u.ru_stime);
    read_steal(ret);
    read_throttled(ret);
    read_memory(ret);
}

static json_t **series_of(struct run_series *s, size_t i)
{
    json_t **const all[] = { &s->t,
                             &s->phase,
                             &s->connected,
                             &s->packets_sent,
                             &s->packets_received,
                             &s->bytes_received,
                             &s->latency_p50,
                             &s->latency_p99,
                             &s->loss,
                             &s->freezes,
                             &s->tester_cpu };
    return i < ARRAY_LEN(all) ? all[i] : NULL;
}

void run_series_init(struct run *r)
{
    for (size_t i = 0; series_of(&r->series, i) != NULL; i++)
        *series_of(&r->series, i) = json_array();
    run_cpu_read(&r->cpu_last);
    r->cpu_idle = r->cpu_last;
}

void run_series_done(struct run *r)
{
    for (size_t i = 0; series_of(&r->series, i) != NULL; i++)
        json_decref(*series_of(&r->series, i));
}

static uint64_t lost_after(const struct measure *m)
{
    uint64_t lost = m->audio.lost_before + m->video.lost_before;
    uint64_t back = m->audio.recovered + m->video.recovered;
    return lost > back ? lost - back : 0;
}

static double busiest(const struct engine_snapshot *second)
{
    double most = 0;
    for (unsigned i = 0; i < second->thread_count; i++) {
        const struct engine_thread_stats *t = &second->threads[i];
        if (t->wall_us > 0)
            most = MAX(most, (double)t->busy_us / (double)t->wall_us);
    }
    return most;
}

static void fill_flows(struct run *r, const struct measure *total, const struct measure *second)
{
    struct live_stats *l = &r->live;
    l->sent.packets_total = total->audio.sent_packets + total->video.sent_packets;
    l->sent.bytes_total = total->audio.sent_bytes + total->video.sent_bytes;
    l->received.packets_total = total->audio.received_packets + total->video.received_packets;
    l->received.bytes_total = total->audio.received_bytes + total->video.received_bytes;
    l->sent.packets_per_second = (double)(second->audio.sent_packets + second->video.sent_packets);
    l->sent.bytes_per_second = (double)(second->audio.sent_bytes + second->video.sent_bytes);
    l->received.packets_per_second =
        (double)(second->audio.received_packets + second->video.received_packets);
    l->received.bytes_per_second =
        (double)(second->audio.received_bytes + second->video.received_bytes);
    l->expected_total = total->audio.expected + total->video.expected;
    l->lost_total = lost_after(total);
    l->freezes_total = total->video.gap_count;
    l->freezes = (unsigned)second->video.gap_count;
    uint64_t expected = second->audio.expected + second->video.expected;
    l->loss = expected == 0 ? 0 : (double)lost_after(second) / (double)expected;
    r->latency = second->audio.latency;
    histogram_add(&r->latency, &second->video.latency);
    l->has_latency = r->latency.count > 0;
    l->latency_p50_us = histogram_percentile(&r->latency, 50);
    l->latency_p99_us = histogram_percentile(&r->latency, 99);
}

static double phase_length(const struct run *r)
{
    switch (r->phase) {
    case LIVE_RAMP:
        return (double)r->bots / r->scenario->joins_per_second;
    case LIVE_SETTLE:
        return (double)r->scenario->settle_us / 1e6;
    case LIVE_PLATEAU:
        return (double)r->scenario->duration_us / 1e6;
    default:
        return 0;
    }
}

static void fill_live(struct run *r, usec now, struct engine_snapshot *second)
{
    struct live_stats *l = &r->live;
    snprintf(l->scenario, sizeof l->scenario, "%s", r->scenario->name);
    snprintf(l->target, sizeof l->target, "%s", r->options->url);
    l->phase = r->phase;
    l->seconds = (double)(now - r->started_at) / 1e6;
    l->phase_seconds = (double)(now - r->phase_at) / 1e6;
    l->phase_length = phase_length(r);
    l->bots_wanted = r->bots;
    l->bots_joining = r->now_is.states[BOT_JOINING];
    l->bots_joined = r->now_is.joined;
    l->bots_connected = r->now_is.states[BOT_CONNECTED] + r->now_is.states[BOT_RESUMING];
    l->bots_failed = r->now_is.states[BOT_FAILED];
    l->signaling_down = r->now_is.states[BOT_RESUMING];
    fill_flows(r, &r->now_is.measure, &second->measure);
    r->latency_total = r->now_is.measure.audio.latency;
    histogram_add(&r->latency_total, &r->now_is.measure.video.latency);
    l->latency_us = &r->latency_total;
    l->tester_thread_share = busiest(second);
    struct run_cpu cpu;
    run_cpu_read(&cpu);
    double span = (double)(cpu.at - r->cpu_last.at) / 1e6;
    l->tester_cpu_share = span <= 0 ? 0 : (cpu.process_s - r->cpu_last.process_s) / span;
    l->tester_memory_bytes = cpu.memory_bytes;
    l->tester_saturated = l->tester_thread_share > 0.9;
    r->cpu_last = cpu;
    if (r->chaos != NULL)
        chaos_describe(r->chaos, now, l->chaos, sizeof l->chaos);
    servers_fill_live(r->servers, l);
}

static void append(json_t *series, double value)
{
    json_array_append_new(series, json_real(value));
}

void run_series_sample(struct run *r, usec now)
{
    static struct engine_snapshot second; /* of the main thread; too large for its stack */
    second = r->now_is;
    engine_snapshot_subtract(&second, &r->last);
    r->last = r->now_is;
    fill_live(r, now, &second);
    const struct live_stats *l = &r->live;
    struct run_series *s = &r->series;
    append(s->t, l->seconds);
    json_array_append_new(s->phase, json_string(live_phase_name(l->phase)));
    json_array_append_new(s->connected, json_integer((json_int_t)l->bots_connected));
    append(s->packets_sent, l->sent.packets_per_second);
    append(s->packets_received, l->received.packets_per_second);
    append(s->bytes_received, l->received.bytes_per_second);
    json_array_append_new(
        s->latency_p50, l->has_latency ? json_integer((json_int_t)l->latency_p50_us) : json_null());
    json_array_append_new(
        s->latency_p99, l->has_latency ? json_integer((json_int_t)l->latency_p99_us) : json_null());
    append(s->loss, l->loss);
    json_array_append_new(s->freezes, json_integer((json_int_t)l->freezes));
    append(s->tester_cpu, l->tester_cpu_share);
}

json_t *run_series_json(struct run *r)
{
    struct run_series *s = &r->series;
    return json_pack("{si sO sO sO sO sO sO sO sO sO sO sO so}", "step_s", 1, "t", s->t, "phase",
                     s->phase, "connected", s->connected, "packets_sent", s->packets_sent,
                     "packets_received", s->packets_received, "bytes_received", s->bytes_received,
                     "latency_p50_us", s->latency_p50, "latency_p99_us", s->latency_p99,
                     "loss_after", s->loss, "freezes", s->freezes, "tester_cpu", s->tester_cpu,
                     "servers", servers_series_json(r->servers));
}
