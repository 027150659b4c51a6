/* metrics.h - counters, gauges and histograms, and the Prometheus text (exposition format 0.0.4).
 *
 * Series are declared at start, each with its fixed labels; values change with relaxed atomics from
 * any thread. What is known elsewhere (counters of media threads, sizes of tables) is written at
 * scrape by a collector. A series' pointer is valid until metrics_free(). Names are full:
 * "sfud_packets_dropped_total". Wrong or duplicate declarations are our mistakes: check().
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_OS_METRICS_H
#define COMMON_OS_METRICS_H

#include "common/base.h"

struct metrics;
struct metric_counter;
struct metric_gauge;
struct metric_histogram;

/* Also declares process_cpu_seconds_total, process_resident_memory_bytes, process_open_fds,
 * process_max_fds, process_start_time_seconds and conclave_build_info{service=,version=}. */
struct metrics *metrics_new(const char *service);
void metrics_free(struct metrics *m);

/* labels  `direction="in",kind="rtp"`: written as given (our own constant text), or NULL
 * The same name with other labels adds a series to its family; help and type must be the same.
 * Declare on one thread, before others run. Aborts without memory. */
struct metric_counter *metrics_counter(struct metrics *m, const char *name, const char *help,
                                       const char *labels);
struct metric_gauge *metrics_gauge(struct metrics *m, const char *name, const char *help,
                                   const char *labels);
/* bounds: ascending upper bounds without +Inf, at most 32, copied. */
struct metric_histogram *metrics_histogram(struct metrics *m, const char *name, const char *help,
                                           const char *labels, const double *bounds,
                                           size_t bound_count);
/* One counter per enum value: label="name(0)", label="name(1)", …, into ret[0..count-1].
 *     metrics_counters(m, "sfud_packets_dropped_total", "…", "reason", err_label, ERR_COUNT, d); */
void metrics_counters(struct metrics *m, const char *name, const char *help, const char *label,
                      const char *(*value_name)(unsigned index), size_t count,
                      struct metric_counter **ret);

void metric_add(struct metric_counter *c, uint64_t n);
static inline void metric_inc(struct metric_counter *c)
{
    metric_add(c, 1);
}
uint64_t metric_counter_value(const struct metric_counter *c);
void metric_set(struct metric_gauge *g, double value);
void metric_gauge_add(struct metric_gauge *g, double difference);
double metric_gauge_value(const struct metric_gauge *g);
void metric_observe(struct metric_histogram *h, double value);

/* Bounds in seconds, 0.5 ms to 10 s: for request and command durations. */
extern const double METRIC_SECONDS_BOUNDS[];
extern const size_t METRIC_SECONDS_BOUND_COUNT;

/* At scrape, on the scraping thread (the loop): write whole families. */
struct metrics_text;
void metrics_add_collector(struct metrics *m, void (*collect)(struct metrics_text *out, void *data),
                           void *data);
/* type: "counter", "gauge" or "histogram". Then every value of that family, before the next family.
 */
void metrics_text_family(struct metrics_text *out, const char *name, const char *type,
                         const char *help);
void metrics_text_value(struct metrics_text *out, const char *labels, double value);
/* One more label with a value from outside, escaped; labels may be NULL. */
void metrics_text_value_for(struct metrics_text *out, const char *labels, const char *label,
                            const char *label_value, double value);

/* type "histogram". counts: how many values each bucket has got, bound_count + 1, the last beyond
 * the last bound. */
struct metrics_buckets {
    const double *bounds;
    size_t bound_count;
    const uint64_t *counts;
    double sum;
};
void metrics_text_histogram(struct metrics_text *out, const char *labels,
                            const struct metrics_buckets *b);

/* The whole exposition: a new text, the caller free()s it. */
char *metrics_render(struct metrics *m, size_t *ret_len);
#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

#endif
