/* SPDX-License-Identifier: Apache-2.0 */
#include "io/servers.h"

#include "common/ids.h"
#include "common/os/clock.h"
#include "io/proc_stat.h"
#include "io/servers_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POLL_TIMEOUT     MILLIS(1500)
#define METRICS_BODY_MAX ((size_t)4 * 1024 * 1024)

struct servers *servers_new(uv_loop_t *loop)
{
    struct servers *s = calloc(1, sizeof *s);
    struct fetcher_config config = { .loop = loop,
                                     .timeout = POLL_TIMEOUT,
                                     .body_max = METRICS_BODY_MAX };
    if (s == NULL || fetcher_new(&config, &s->fetcher) != OK) {
        free(s);
        return NULL;
    }
    s->loop = loop;
    return s;
}

static char *copy(const char *text)
{
    char *p = text == NULL ? NULL : strdup(text);
    check(text == NULL || p != NULL);
    return p;
}

static bool is_text(const char *text)
{
    return text == NULL || utf8_is_valid(bytes_of_str(text));
}

enum err servers_add(struct servers *s, const struct server_config *c)
{
    bool has_process = c->pid_file != NULL || c->pid > 0;
    if (c->name == NULL || c->name[0] == '\0' || (c->metrics_url == NULL && !has_process))
        return ERR_MALFORMED;
    if (!is_text(c->name) || !is_text(c->metrics_url) || !is_text(c->io_backend))
        return ERR_MALFORMED; /* they go into JSON */
    if (s->count == LIVE_SERVERS_MAX)
        return ERR_FULL;
    struct server *v = calloc(1, sizeof *v);
    check(v != NULL);
    v->all = s;
    v->name = copy(c->name);
    v->metrics_url = copy(c->metrics_url);
    v->pid_file = copy(c->pid_file);
    v->io_backend = copy(c->io_backend);
    v->pid = c->pid;
    s->list[s->count++] = v;
    return OK;
}

size_t servers_count(const struct servers *s)
{
    return s->count;
}

void tally_take(struct tally *t, double value, bool is_new_life)
{
    if (is_new_life)
        t->last = 0;
    if (!t->is_known && !is_new_life)
        t->last = value; /* what was before we looked does not count */
    t->total += MAX(value - t->last, 0.0);
    t->last = value;
    t->is_known = true;
}

/* The process that the file names now; false: none that is alive. */
static bool find_process(const struct server *v, pid_t *ret_pid, struct proc_stat *ret)
{
    unsigned long long start = 0;
    int pid = (int)v->pid, fields = 0;
    if (v->pid_file != NULL) {
        FILE *f = fopen(v->pid_file, "re");
        if (f == NULL)
            return false;
        fields = fscanf(f, "%d %llu", &pid, &start);
        (void)fclose(f);
        if (fields < 1)
            return false;
    }
    if (proc_stat_read((pid_t)pid, ret) != OK || (fields == 2 && ret->start_ticks != start))
        return false; /* gone, or another process has its number now */
    if (v->pid_file == NULL && v->start_ticks != 0 && ret->start_ticks != v->start_ticks)
        return false;
    *ret_pid = (pid_t)pid;
    return true;
}

/* False: there is no process to see. */
static bool poll_process(struct server *v, usec now)
{
    struct proc_stat stat;
    pid_t pid;
    if (!find_process(v, &pid, &stat)) {
        if (v->is_seen_by_proc) {
            v->memory_bytes = 0;
            v->cpu_taken = now;
        }
        return false;
    }
    bool is_new_life = v->start_ticks != 0 && v->start_ticks != stat.start_ticks;
    v->interval.was_restarted |= is_new_life;
    v->pid = pid;
    v->start_ticks = stat.start_ticks;
    v->is_seen_by_proc = true;
    tally_take(&v->sums.of[TALLY_CPU_SECONDS], stat.cpu_seconds, is_new_life);
    v->cpu_taken = now;
    v->memory_bytes = stat.memory_bytes;
    return true;
}

static void begin_here(struct server *v)
{
    struct interval *i = &v->interval;
    i->has_begun = true;
    i->began = v->polled;
    i->at_begin = v->sums;
    i->memory_start = i->memory_peak = v->memory_bytes;
    i->was_restarted = false;
}

static void note_poll(struct server *v, bool is_seen, const char *why_not)
{
    struct interval *i = &v->interval;
    if (!i->is_open)
        return;
    i->polls++;
    i->was_seen |= is_seen;
    if (why_not != NULL) {
        i->polls_failed++;
        (void)snprintf(i->why, sizeof i->why, "%s", why_not);
    }
    if (!i->has_begun)
        begin_here(v);
    i->ended = v->polled;
    i->memory_peak = MAX(i->memory_peak, v->memory_bytes);
    i->memory_end = v->memory_bytes;
}

/* All ends have come: tells whoever waits for them. */
static void report_if_complete(struct servers *s)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->list[i]->is_end_awaited)
            return;
    if (s->on_result == NULL)
        return;
    void (*on_result)(json_t *, void *) = s->on_result;
    s->on_result = NULL;
    for (size_t i = 0; i < s->count; i++)
        s->list[i]->interval.is_open = false;
    on_result(servers_interval_json(s), s->result_data);
}

/* is_seen: there are figures of this poll. why_not: NULL if the server is well. May end in the
 * callback of servers_end_interval(). */
static void poll_done(struct server *v, usec now, bool is_seen, const char *why_not)
{
    v->is_asked = false;
    v->is_up = why_not == NULL;
    v->polled = now;
    if (v->cpu_taken_before == 0)
        v->cpu_taken_before = v->cpu_taken;
    note_poll(v, is_seen, why_not);
    if (v->is_end_awaited) {
        v->is_end_awaited = false;
        report_if_complete(v->all);
    }
}

static void on_metrics(void *owner, int status, struct bytes body, const char *error, usec now)
{
    struct server *v = owner;
    char text[96];
    bool has_process = poll_process(v, now);
    if (status == 200) {
        server_read_metrics(v, body, now);
        poll_done(v, now, true, NULL);
        return;
    }
    if (!v->is_seen_by_proc)
        v->memory_bytes = 0;
    if (v->is_seen_by_proc && !has_process)
        (void)snprintf(text, sizeof text, "was not running");
    else if (status != 0)
        (void)snprintf(text, sizeof text, "metrics answered %d", status);
    else
        (void)snprintf(text, sizeof text, "did not answer (%s)", error);
    poll_done(v, now, has_process, text);
}

static void poll_start(struct server *v, usec now)
{
    if (v->is_asked)
        return;
    v->is_asked = true;
    if (v->metrics_url == NULL) {
        bool has_process = poll_process(v, now);
        poll_done(v, now, has_process, has_process ? NULL : "was not running");
    } else if (fetch_start(v->all->fetcher, v->metrics_url, bytes_of(NULL, 0), NULL, on_metrics,
                           v) == NULL)
        poll_done(v, now, false, "could not be asked: no memory");
}

static void sample(struct server *v, usec now)
{
    struct series *r = &v->series;
    if (v->is_seen_by_proc)
        (void)poll_process(v, now);
    double cpu = v->sums.of[TALLY_CPU_SECONDS].total;
    if (v->cpu_taken > v->cpu_taken_before) {
        v->cpu_share = v->cpu_taken_before == 0 ? 0
                                                : (cpu - v->cpu_before) * 1e6 /
                                                      (double)(v->cpu_taken - v->cpu_taken_before);
        v->cpu_before = cpu;
        v->cpu_taken_before = v->cpu_taken;
    }
    if (r->count == r->capacity) {
        if (r->count >= SERVERS_SAMPLES_MAX)
            return;
        r->capacity = MIN(MAX(r->capacity * 2, (size_t)256), (size_t)SERVERS_SAMPLES_MAX);
        r->cpu = realloc(r->cpu, r->capacity * sizeof *r->cpu);
        r->memory_bytes = realloc(r->memory_bytes, r->capacity * sizeof *r->memory_bytes);
        check(r->cpu != NULL && r->memory_bytes != NULL);
    }
    r->cpu[r->count] = (float)v->cpu_share;
    r->memory_bytes[r->count++] = v->memory_bytes;
}

void servers_tick(struct servers *s, usec now)
{
    for (size_t i = 0; s->has_ticked && i < s->count; i++)
        sample(s->list[i], now);
    s->has_ticked = true;
    for (size_t i = 0; i < s->count; i++)
        poll_start(s->list[i], now);
}

void servers_begin_interval(struct servers *s, usec now)
{
    for (size_t i = 0; i < s->count; i++)
        s->list[i]->interval = (struct interval){ .is_open = true };
    for (size_t i = 0; i < s->count; i++)
        poll_start(s->list[i], now);
}

void servers_end_interval(struct servers *s, usec now,
                          void (*on_result)(json_t *servers, void *data), void *data)
{
    check(s->on_result == NULL && on_result != NULL);
    s->result_data = data;
    for (size_t i = 0; i < s->count; i++)
        s->list[i]->is_end_awaited = true;
    for (size_t i = 0; i < s->count; i++)
        poll_start(s->list[i], now);
    s->on_result = on_result; /* now: those that answered at once must not report early */
    report_if_complete(s);
}

void servers_fill_live(const struct servers *s, struct live_stats *live)
{
    live->server_count = (unsigned)s->count;
    for (size_t i = 0; i < s->count; i++) {
        const struct server *v = s->list[i];
        struct live_server *l = &live->servers[i];
        *l = (struct live_server){ .up = v->is_up,
                                   .cpu_share = v->cpu_share,
                                   .memory_bytes = v->memory_bytes };
        (void)snprintf(l->name, sizeof l->name, "%s", v->name);
    }
}

static void server_free(struct server *v)
{
    free(v->name);
    free(v->metrics_url);
    free(v->pid_file);
    free(v->io_backend);
    free(v->series.cpu);
    free(v->series.memory_bytes);
    free(v);
}

static void on_fetcher_closed(void *data)
{
    struct servers *s = data;
    fetcher_free(s->fetcher);
    for (size_t i = 0; i < s->count; i++)
        server_free(s->list[i]);
    if (s->on_stopped != NULL)
        s->on_stopped(s->stop_data);
    free(s);
}

void servers_stop(struct servers *s, void (*on_stopped)(void *data), void *data)
{
    if (s == NULL) {
        if (on_stopped != NULL)
            on_stopped(data);
        return;
    }
    s->on_result = NULL;
    s->on_stopped = on_stopped;
    s->stop_data = data;
    fetcher_close(s->fetcher, on_fetcher_closed, s);
}
