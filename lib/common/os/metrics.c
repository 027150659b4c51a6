/* SPDX-License-Identifier: Apache-2.0 */
#include "common/os/metrics.h"

#include "common/os/clock.h"

#include <dirent.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define BOUNDS_MAX 32

enum metric_type { COUNTER, GAUGE, HISTOGRAM };
static const char *const type_names[] = { "counter", "gauge", "histogram" };

struct metric_counter {
    _Atomic uint64_t value;
};

struct metric_gauge {
    _Atomic double value;
};

struct metric_histogram {
    double bounds[BOUNDS_MAX];
    size_t bound_count;
    _Atomic uint64_t buckets[BOUNDS_MAX + 1]; /* not cumulative; the last one is +Inf */
    _Atomic double sum;
};

struct series {
    struct series *next;
    char *labels; /* owned, "" = none */
    union {
        struct metric_counter counter;
        struct metric_gauge gauge;
        struct metric_histogram histogram;
    } as;
};

struct family {
    struct family *next;
    char *name;
    char *help;
    enum metric_type type;
    struct series *first, *last;
};

struct collector {
    struct collector *next;
    void (*collect)(struct metrics_text *out, void *data);
    void *data;
};

struct metrics {
    struct family *first, *last;
    struct collector *collectors, *last_collector;
    char service[32];
    double start_sec;
};

struct metrics_text {
    FILE *out;
    const char *name; /* of the family being written */
};

const double METRIC_SECONDS_BOUNDS[] = { 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                         0.1,    0.25,  0.5,    1,     2.5,  5,     10 };
const size_t METRIC_SECONDS_BOUND_COUNT = ARRAY_LEN(METRIC_SECONDS_BOUNDS);

static void *allocate(size_t size)
{
    void *p = calloc(1, size);
    check(p != NULL);
    return p;
}

static char *copy(const char *text)
{
    char *p = strdup(text == NULL ? "" : text);
    check(p != NULL);
    return p;
}

static void collect_process(struct metrics_text *out, void *data);

struct metrics *metrics_new(const char *service)
{
    struct metrics *m = allocate(sizeof *m);
    (void)snprintf(m->service, sizeof m->service, "%s", service);
    m->start_sec = (double)clock_wall() / 1e6;
    metrics_add_collector(m, collect_process, m);
    return m;
}

void metrics_free(struct metrics *m)
{
    if (m == NULL)
        return;
    for (struct family *f = m->first, *next; f != NULL; f = next) {
        next = f->next;
        for (struct series *s = f->first, *after; s != NULL; s = after) {
            after = s->next;
            free(s->labels);
            free(s);
        }
        free(f->name);
        free(f->help);
        free(f);
    }
    for (struct collector *c = m->collectors, *next; c != NULL; c = next) {
        next = c->next;
        free(c);
    }
    free(m);
}

static bool is_metric_name(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz_:ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    if (name[0] == '\0' || strchr(letters, name[0]) == NULL)
        return false;
    for (; *name != '\0'; name++)
        if (strchr(letters, *name) == NULL && (*name < '0' || *name > '9'))
            return false;
    return true;
}

static struct family *family_of(struct metrics *m, const char *name, const char *help,
                                enum metric_type type)
{
    for (struct family *f = m->first; f != NULL; f = f->next) {
        if (strcmp(f->name, name) == 0) {
            check(f->type == type);
            return f;
        }
    }
    check(is_metric_name(name));
    struct family *f = allocate(sizeof *f);
    f->name = copy(name);
    f->help = copy(help);
    f->type = type;
    if (m->last == NULL)
        m->first = f;
    else
        m->last->next = f;
    m->last = f;
    return f;
}

static struct series *series_new(struct metrics *m, const char *name, const char *help,
                                 enum metric_type type, const char *labels)
{
    struct family *f = family_of(m, name, help, type);
    for (struct series *s = f->first; s != NULL; s = s->next)
        check(strcmp(s->labels, labels == NULL ? "" : labels) != 0);
    struct series *s = allocate(sizeof *s);
    s->labels = copy(labels);
    if (f->last == NULL)
        f->first = s;
    else
        f->last->next = s;
    f->last = s;
    return s;
}

struct metric_counter *metrics_counter(struct metrics *m, const char *name, const char *help,
                                       const char *labels)
{
    return &series_new(m, name, help, COUNTER, labels)->as.counter;
}

struct metric_gauge *metrics_gauge(struct metrics *m, const char *name, const char *help,
                                   const char *labels)
{
    return &series_new(m, name, help, GAUGE, labels)->as.gauge;
}

struct metric_histogram *metrics_histogram(struct metrics *m, const char *name, const char *help,
                                           const char *labels, const double *bounds,
                                           size_t bound_count)
{
    check(bound_count > 0 && bound_count <= BOUNDS_MAX);
    struct metric_histogram *h = &series_new(m, name, help, HISTOGRAM, labels)->as.histogram;
    for (size_t i = 0; i < bound_count; i++) {
        check(i == 0 || bounds[i] > bounds[i - 1]);
        h->bounds[i] = bounds[i];
    }
    h->bound_count = bound_count;
    return h;
}

void metrics_counters(struct metrics *m, const char *name, const char *help, const char *label,
                      const char *(*value_name)(unsigned index), size_t count,
                      struct metric_counter **ret)
{
    for (size_t i = 0; i < count; i++) {
        char labels[128];
        int n = snprintf(labels, sizeof labels, "%s=\"%s\"", label, value_name((unsigned)i));
        check(n > 0 && (size_t)n < sizeof labels);
        ret[i] = metrics_counter(m, name, help, labels);
    }
}

void metric_add(struct metric_counter *c, uint64_t n)
{
    atomic_fetch_add_explicit(&c->value, n, memory_order_relaxed);
}

uint64_t metric_counter_value(const struct metric_counter *c)
{
    return atomic_load_explicit(&c->value, memory_order_relaxed);
}

void metric_set(struct metric_gauge *g, double value)
{
    atomic_store_explicit(&g->value, value, memory_order_relaxed);
}

static void add_double(_Atomic double *at, double difference)
{
    double old = atomic_load_explicit(at, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(at, &old, old + difference, memory_order_relaxed,
                                                  memory_order_relaxed))
        ;
}

void metric_gauge_add(struct metric_gauge *g, double difference)
{
    add_double(&g->value, difference);
}

double metric_gauge_value(const struct metric_gauge *g)
{
    return atomic_load_explicit(&g->value, memory_order_relaxed);
}

void metric_observe(struct metric_histogram *h, double value)
{
    size_t i = 0;
    while (i < h->bound_count && value > h->bounds[i])
        i++;
    atomic_fetch_add_explicit(&h->buckets[i], 1, memory_order_relaxed);
    add_double(&h->sum, value);
}

void metrics_add_collector(struct metrics *m, void (*collect)(struct metrics_text *out, void *data),
                           void *data)
{
    struct collector *c = allocate(sizeof *c);
    c->collect = collect;
    c->data = data;
    if (m->last_collector == NULL)
        m->collectors = c;
    else
        m->last_collector->next = c;
    m->last_collector = c;
}

static void put_number(FILE *out, double value)
{
    if (isnan(value))
        (void)fputs("NaN", out);
    else if (isinf(value))
        (void)fputs(value > 0 ? "+Inf" : "-Inf", out);
    else if (fabs(value) < 1e15 && floor(value) == value)
        (void)fprintf(out, "%.0f", value);
    else
        (void)fprintf(out, "%.17g", value);
}

static void put_escaped(FILE *out, const char *text, bool is_label)
{
    for (; *text != '\0'; text++) {
        if (*text == '\\')
            (void)fputs("\\\\", out);
        else if (*text == '\n')
            (void)fputs("\\n", out);
        else if (*text == '"' && is_label)
            (void)fputs("\\\"", out);
        else
            (void)fputc(*text, out);
    }
}

static void put_name(FILE *out, const char *name, const char *suffix, const char *labels)
{
    (void)fprintf(out, "%s%s", name, suffix);
    if (labels != NULL && labels[0] != '\0')
        (void)fprintf(out, "{%s}", labels);
    (void)fputc(' ', out);
}

void metrics_text_family(struct metrics_text *out, const char *name, const char *type,
                         const char *help)
{
    out->name = name;
    (void)fprintf(out->out, "# HELP %s ", name);
    put_escaped(out->out, help, false);
    (void)fprintf(out->out, "\n# TYPE %s %s\n", name, type);
}

void metrics_text_value(struct metrics_text *out, const char *labels, double value)
{
    check(out->name != NULL);
    put_name(out->out, out->name, "", labels);
    put_number(out->out, value);
    (void)fputc('\n', out->out);
}

void metrics_text_value_for(struct metrics_text *out, const char *labels, const char *label,
                            const char *label_value, double value)
{
    check(out->name != NULL);
    (void)fprintf(out->out, "%s{", out->name);
    if (labels != NULL && labels[0] != '\0')
        (void)fprintf(out->out, "%s,", labels);
    (void)fprintf(out->out, "%s=\"", label);
    put_escaped(out->out, label_value, true);
    (void)fputs("\"} ", out->out);
    put_number(out->out, value);
    (void)fputc('\n', out->out);
}

/* Buckets are cumulative on the wire. The count is their sum, so the two always agree. */
static void put_histogram(FILE *out, const char *name, const char *labels,
                          const struct metrics_buckets *b)
{
    const char *comma = labels[0] != '\0' ? "," : "";
    uint64_t total = 0;
    for (size_t i = 0; i <= b->bound_count; i++) {
        total += b->counts[i];
        (void)fprintf(out, "%s_bucket{%s%sle=\"", name, labels, comma);
        if (i == b->bound_count)
            (void)fputs("+Inf", out);
        else
            (void)fprintf(out, "%.9g", b->bounds[i]);
        (void)fprintf(out, "\"} %llu\n", (unsigned long long)total);
    }
    put_name(out, name, "_sum", labels);
    put_number(out, b->sum);
    (void)fputc('\n', out);
    put_name(out, name, "_count", labels);
    (void)fprintf(out, "%llu\n", (unsigned long long)total);
}

void metrics_text_histogram(struct metrics_text *out, const char *labels,
                            const struct metrics_buckets *b)
{
    put_histogram(out->out, out->name, labels == NULL ? "" : labels, b);
}

static void put_histogram_series(FILE *out, const char *name, const struct series *s)
{
    const struct metric_histogram *h = &s->as.histogram;
    uint64_t counts[ARRAY_LEN(h->buckets)];
    for (size_t i = 0; i <= h->bound_count; i++)
        counts[i] = atomic_load_explicit(&h->buckets[i], memory_order_relaxed);
    const struct metrics_buckets b = { .bounds = h->bounds,
                                       .bound_count = h->bound_count,
                                       .counts = counts,
                                       .sum = atomic_load_explicit(&h->sum, memory_order_relaxed) };
    put_histogram(out, name, s->labels, &b);
}

static void put_series(struct metrics_text *out, const struct family *f, const struct series *s)
{
    if (f->type == HISTOGRAM) {
        put_histogram_series(out->out, f->name, s);
    } else if (f->type == GAUGE) {
        metrics_text_value(out, s->labels, metric_gauge_value(&s->as.gauge));
    } else {
        put_name(out->out, f->name, "", s->labels);
        (void)fprintf(out->out, "%llu\n", (unsigned long long)metric_counter_value(&s->as.counter));
    }
}

static unsigned count_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned count = 0;
    if (dir == NULL)
        return 0;
    while (readdir(dir) != NULL)
        count++;
    (void)closedir(dir);
    return count < 3 ? 0 : count - 3; /* ".", "..", and the directory itself */
}

static double resident_bytes(void)
{
    FILE *f = fopen("/proc/self/statm", "re");
    long pages = 0;
    if (f == NULL)
        return 0;
    if (fscanf(f, "%*d %ld", &pages) != 1)
        pages = 0;
    (void)fclose(f);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static double seconds_of(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static void collect_process(struct metrics_text *out, void *data)
{
    const struct metrics *m = data;
    struct rusage usage;
    struct rlimit limit;
    metrics_text_family(out, "conclave_build_info", "gauge", "Version of this daemon; always 1.");
    char labels[128];
    (void)snprintf(labels, sizeof labels, "service=\"%s\",version=\"%s\"", m->service,
                   CONCLAVE_VERSION);
    metrics_text_value(out, labels, 1);
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        metrics_text_family(out, "process_cpu_seconds_total", "counter",
                            "User and system CPU time.");
        metrics_text_value(out, NULL, seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime));
    }
    metrics_text_family(out, "process_resident_memory_bytes", "gauge", "Resident memory.");
    metrics_text_value(out, NULL, resident_bytes());
    metrics_text_family(out, "process_open_fds", "gauge", "Open file descriptors.");
    metrics_text_value(out, NULL, count_fds());
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        metrics_text_family(out, "process_max_fds", "gauge", "Limit of file descriptors.");
        metrics_text_value(out, NULL, (double)limit.rlim_cur);
    }
    metrics_text_family(out, "process_start_time_seconds", "gauge",
                        "When the process started, since 1970.");
    metrics_text_value(out, NULL, m->start_sec);
}

char *metrics_render(struct metrics *m, size_t *ret_len)
{
    char *text = NULL;
    size_t len = 0;
    struct metrics_text out = { .out = open_memstream(&text, &len) };
    check(out.out != NULL);
    for (const struct family *f = m->first; f != NULL; f = f->next) {
        metrics_text_family(&out, f->name, type_names[f->type], f->help);
        for (const struct series *s = f->first; s != NULL; s = s->next)
            put_series(&out, f, s);
    }
    for (const struct collector *c = m->collectors; c != NULL; c = c->next) {
        out.name = NULL;
        c->collect(&out, c->data);
    }
    check(fclose(out.out) == 0);
    *ret_len = len;
    return text;
}
