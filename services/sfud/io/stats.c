/* SPDX-License-Identifier: Apache-2.0 */
#include "io/stats.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

/* Half a millisecond is where people who look for forwarding latency begin to be interested. */
static const double seconds_bounds[] = { 0.00005, 0.0001, 0.0002, 0.0005, 0.001,
                                         0.002,   0.005,  0.01,   0.02 };

struct worker_series {
    struct media_thread *thread;
    struct thread_histograms histograms;
    double load;
};

struct stats {
    size_t worker_count;
    struct worker_series *workers;
    const struct associations_stats *associations; /* NULL: not running */
    struct metric_histogram *handshake_seconds;
};

static uint64_t read_counter(const struct udp_counters *c, size_t offset)
{
    const _Atomic uint64_t *at = (const _Atomic uint64_t *)((const char *)c + offset);
    return atomic_load_explicit(at, memory_order_relaxed);
}

/* One value per worker that runs, with its label and perhaps another. */
static void put_udp(struct metrics_text *out, const struct stats *s, const char *label,
                    size_t offset)
{
    for (size_t i = 0; i < s->worker_count; i++) {
        if (s->workers[i].thread == NULL)
            continue;
        char labels[96];
        (void)snprintf(labels, sizeof labels, "worker=\"%zu\"%s%s", i, label != NULL ? "," : "",
                       label != NULL ? label : "");
        metrics_text_value(out, labels,
                           (double)read_counter(thread_udp_counters(s->workers[i].thread), offset));
    }
}

#define COUNTER(field) offsetof(struct udp_counters, field)

static void collect_udp(struct metrics_text *out, const struct stats *s)
{
    static const char *const buckets[UDP_SEGMENT_BUCKETS] = {
        "segments_max=\"1\"",  "segments_max=\"2\"",  "segments_max=\"4\"",  "segments_max=\"8\"",
        "segments_max=\"16\"", "segments_max=\"32\"", "segments_max=\"64\"",
    };
    metrics_text_family(out, "sfud_udp_datagrams_total", "counter", "Datagrams by direction.");
    put_udp(out, s, "direction=\"in\"", COUNTER(datagrams_in));
    put_udp(out, s, "direction=\"out\"", COUNTER(datagrams_out));
    metrics_text_family(out, "sfud_udp_bytes_total", "counter", "UDP payload by direction.");
    put_udp(out, s, "direction=\"in\"", COUNTER(bytes_in));
    put_udp(out, s, "direction=\"out\"", COUNTER(bytes_out));
    metrics_text_family(out, "sfud_udp_sends_total", "counter",
                        "Sends by how many datagrams each held at most (half of it at least).");
    for (size_t i = 0; i < UDP_SEGMENT_BUCKETS; i++)
        put_udp(out, s, buckets[i], COUNTER(segments) + i * sizeof(uint64_t));
    metrics_text_family(out, "sfud_udp_dropped_total", "counter",
                        "Datagrams dropped between us and the kernel.");
    put_udp(out, s, "reason=\"send-queue-full\"", COUNTER(send_again));
    put_udp(out, s, "reason=\"send-failed\"", COUNTER(send_failed));
    put_udp(out, s, "reason=\"truncated\"", COUNTER(truncated));
    put_udp(out, s, "reason=\"receive-queue-full\"", COUNTER(rx_overflow));
    metrics_text_family(out, "sfud_udp_gso_refused_total", "counter",
                        "Sends that had to be repeated in pieces.");
    put_udp(out, s, NULL, COUNTER(gso_refused));
    metrics_text_family(out, "sfud_udp_gso_disabled", "gauge",
                        "1 when segmentation offload is not used.");
    put_udp(out, s, NULL, COUNTER(gso_off));
}

static void put_tcp(struct metrics_text *out, const struct stats *s, const char *key,
                    const char *value, size_t offset)
{
    for (size_t i = 0; i < s->worker_count; i++) {
        const struct media_thread *thread = s->workers[i].thread;
        const struct tcp_counters *c = thread != NULL ? thread_tcp_counters(thread) : NULL;
        if (c == NULL)
            continue;
        char labels[96];
        if (key != NULL)
            (void)snprintf(labels, sizeof labels, "worker=\"%zu\",%s=\"%s\"", i, key, value);
        else
            (void)snprintf(labels, sizeof labels, "worker=\"%zu\"", i);
        const _Atomic uint64_t *at = (const _Atomic uint64_t *)((const char *)c + offset);
        metrics_text_value(out, labels, (double)atomic_load_explicit(at, memory_order_relaxed));
    }
}

#define TCP_COUNTER(field) offsetof(struct tcp_counters, field)

static void collect_tcp(struct metrics_text *out, const struct stats *s)
{
    metrics_text_family(out, "sfud_tcp_connections", "gauge", "Connections of ICE-TCP.");
    put_tcp(out, s, NULL, NULL, TCP_COUNTER(connections));
    metrics_text_family(out, "sfud_tcp_connections_accepted_total", "counter",
                        "Connections of ICE-TCP taken up.");
    put_tcp(out, s, NULL, NULL, TCP_COUNTER(accepted));
    metrics_text_family(out, "sfud_tcp_connections_ended_total", "counter",
                        "Connections of ICE-TCP ended or refused, by reason.");
    for (unsigned e = 0; e < TCP_END_COUNT; e++)
        put_tcp(out, s, "reason", tcp_end_name((enum tcp_end)e),
                TCP_COUNTER(ended) + e * sizeof(uint64_t));
    metrics_text_family(out, "sfud_tcp_frames_total", "counter",
                        "Datagrams over TCP by direction.");
    put_tcp(out, s, "direction", "in", TCP_COUNTER(frames_in));
    put_tcp(out, s, "direction", "out", TCP_COUNTER(frames_out));
    metrics_text_family(out, "sfud_tcp_bytes_total", "counter",
                        "Bytes of these datagrams by direction.");
    put_tcp(out, s, "direction", "in", TCP_COUNTER(bytes_in));
    put_tcp(out, s, "direction", "out", TCP_COUNTER(bytes_out));
    metrics_text_family(out, "sfud_tcp_dropped_total", "counter",
                        "Datagrams that were not sent over TCP, by reason.");
    put_tcp(out, s, "reason", "buffer-full", TCP_COUNTER(dropped_full));
    put_tcp(out, s, "reason", "connection-gone", TCP_COUNTER(dropped_gone));
}

static void collect_worker(struct metrics_text *out, const struct stats *s, enum worker_stat stat)
{
    const struct stat_info *info = stat_info(stat);
    for (size_t i = 0; i < s->worker_count; i++) {
        if (s->workers[i].thread == NULL)
            continue;
        char labels[96];
        (void)snprintf(labels, sizeof labels, "worker=\"%zu\"%s%s", i,
                       info->label != NULL ? "," : "", info->label != NULL ? info->label : "");
        metrics_text_value(out, labels,
                           (double)stats_read(thread_worker_stats(s->workers[i].thread), stat));
    }
}

static void put_histogram(struct metrics_text *out, const struct stats *s,
                          enum worker_histogram_id id)
{
    const struct histogram_info *info = histogram_info(id);
    double bounds[HISTOGRAM_BOUNDS_MAX];
    for (size_t i = 0; i < info->bound_count; i++)
        bounds[i] = (double)info->bounds[i] / info->scale;
    for (size_t worker = 0; worker < s->worker_count; worker++) {
        const struct media_thread *thread = s->workers[worker].thread;
        if (thread == NULL)
            continue;
        const struct worker_histogram *h = &thread_worker_stats(thread)->histograms[id];
        uint64_t counts[HISTOGRAM_BOUNDS_MAX + 1];
        for (size_t i = 0; i <= info->bound_count; i++)
            counts[i] = atomic_load_explicit(&h->buckets[i], memory_order_relaxed);
        uint64_t sum = atomic_load_explicit(&h->sum, memory_order_relaxed);
        const struct metrics_buckets b = { .bounds = bounds,
                                           .bound_count = info->bound_count,
                                           .counts = counts,
                                           .sum = (double)sum / info->scale };
        char labels[96];
        (void)snprintf(labels, sizeof labels, "worker=\"%zu\"%s%s", worker,
                       info->label != NULL ? "," : "", info->label != NULL ? info->label : "");
        metrics_text_histogram(out, labels, &b);
    }
}

static void collect_histograms(struct metrics_text *out, const struct stats *s)
{
    const char *name = "";
    for (unsigned id = 0; id < HISTOGRAM_COUNT; id++) {
        const struct histogram_info *info = histogram_info((enum worker_histogram_id)id);
        if (strcmp(name, info->name) != 0)
            metrics_text_family(out, info->name, "histogram", info->help);
        name = info->name;
        put_histogram(out, s, (enum worker_histogram_id)id);
    }
}

static void collect_threads(struct metrics_text *out, const struct stats *s)
{
    char labels[32];
    metrics_text_family(out, "sfud_worker_load", "gauge",
                        "Share of the last second a media thread was on a CPU.");
    for (size_t i = 0; i < s->worker_count; i++) {
        (void)snprintf(labels, sizeof labels, "worker=\"%zu\"", i);
        metrics_text_value(out, labels, s->workers[i].load);
    }
    metrics_text_family(out, "sfud_worker_cpu_seconds_total", "counter",
                        "CPU time of a media thread.");
    for (size_t i = 0; i < s->worker_count; i++) {
        (void)snprintf(labels, sizeof labels, "worker=\"%zu\"", i);
        if (s->workers[i].thread != NULL)
            metrics_text_value(out, labels, thread_cpu_seconds(s->workers[i].thread));
    }
}

static void collect_associations(struct metrics_text *out, const struct stats *s)
{
    const char *name = "";
    for (unsigned i = 0; s->associations != NULL && i < ASSOCIATIONS_STAT_COUNT; i++) {
        enum associations_stat stat = (enum associations_stat)i;
        const struct stat_info *info = associations_stat_info(stat);
        if (strcmp(name, info->name) != 0)
            metrics_text_family(out, info->name, info->is_gauge ? "gauge" : "counter", info->help);
        name = info->name;
        metrics_text_value(out, info->label, (double)associations_stat_read(s->associations, stat));
    }
}

static void collect(struct metrics_text *out, void *data)
{
    const struct stats *s = data;
    const char *name = "";
    for (unsigned stat = 0; stat < STAT_COUNT; stat++) {
        const struct stat_info *info = stat_info((enum worker_stat)stat);
        if (strcmp(name, info->name) != 0)
            metrics_text_family(out, info->name, info->is_gauge ? "gauge" : "counter",
                                info->help[0] != 0 ? info->help : "By reason.");
        name = info->name;
        collect_worker(out, s, (enum worker_stat)stat);
    }
    collect_histograms(out, s);
    collect_associations(out, s);
    collect_udp(out, s);
    collect_tcp(out, s);
    collect_threads(out, s);
}

struct stats *stats_new(struct metrics *metrics, size_t worker_count)
{
    struct stats *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->workers = calloc(worker_count, sizeof *s->workers);
    if (s->workers == NULL) {
        free(s);
        return NULL;
    }
    s->worker_count = worker_count;
    for (size_t i = 0; i < worker_count; i++) {
        char labels[32];
        (void)snprintf(labels, sizeof labels, "worker=\"%zu\"", i);
        s->workers[i].histograms.pass_seconds = metrics_histogram(
            metrics, "sfud_pass_seconds",
            "Time of a media thread's pass that did something, from its waking to its last send.",
            labels, seconds_bounds, ARRAY_LEN(seconds_bounds));
        s->workers[i].histograms.forward_seconds = metrics_histogram(
            metrics, "sfud_forward_seconds",
            "Time from a datagram's arrival in the kernel to the last send of its pass.", labels,
            seconds_bounds, ARRAY_LEN(seconds_bounds));
        s->workers[i].histograms.window_seconds = metrics_histogram(
            metrics, "sfud_window_seconds",
            "Time that a pass of a media thread waited for the rest of a frame (pass-window).",
            labels, seconds_bounds, ARRAY_LEN(seconds_bounds));
    }
    s->handshake_seconds =
        metrics_histogram(metrics, "sfud_handshake_seconds",
                          "Time of a DTLS handshake, from its first datagram to its keys, waiting "
                          "for a turn included.",
                          NULL, METRIC_SECONDS_BOUNDS, METRIC_SECONDS_BOUND_COUNT);
    metrics_add_collector(metrics, collect, s);
    return s;
}

void stats_free(struct stats *s)
{
    if (s == NULL)
        return;
    free(s->workers);
    free(s);
}

struct thread_histograms stats_histograms(const struct stats *s, size_t worker)
{
    check(worker < s->worker_count);
    return s->workers[worker].histograms;
}

void stats_set_thread(struct stats *s, size_t worker, struct media_thread *t)
{
    check(worker < s->worker_count);
    s->workers[worker].thread = t;
}

struct metric_histogram *stats_handshake_seconds(const struct stats *s)
{
    return s->handshake_seconds;
}

void stats_set_associations(struct stats *s, const struct associations_stats *associations)
{
    s->associations = associations;
}

void stats_set_load(struct stats *s, size_t worker, double load)
{
    check(worker < s->worker_count);
    s->workers[worker].load = load;
}
