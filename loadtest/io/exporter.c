/* SPDX-License-Identifier: Apache-2.0 */
#include "io/exporter.h"

#include "common/os/http_server.h"
#include "common/os/metrics.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define PREFIX "conclave_bot_"

struct exporter {
    /* owned */
    struct http_server *server;
    struct metrics *metrics;
    struct live_stats stats; /* without latency_us */
    struct histogram latency_us;
    bool has_latency;
    void (*on_stopped)(void *data);
    void *stop_data;
};

static void put_one(struct metrics_text *out, const char *name, const char *type, const char *help,
                    double value)
{
    metrics_text_family(out, name, type, help);
    metrics_text_value(out, NULL, value);
}

static void collect_bots(struct metrics_text *out, const struct live_stats *s)
{
    metrics_text_family(out, PREFIX "bots", "gauge", "Bots by what has become of them.");
    metrics_text_value(out, "state=\"wanted\"", s->bots_wanted);
    metrics_text_value(out, "state=\"joining\"", s->bots_joining);
    metrics_text_value(out, "state=\"joined\"", s->bots_joined);
    metrics_text_value(out, "state=\"connected\"", s->bots_connected);
    metrics_text_value(out, "state=\"failed\"", s->bots_failed);
    metrics_text_value(out, "state=\"without-signaling\"", s->signaling_down);
    metrics_text_family(out, PREFIX "phase", "gauge", "1 for the phase that the run is in.");
    for (unsigned p = 0; p < LIVE_PHASE_COUNT; p++)
        metrics_text_value_for(out, NULL, "phase", live_phase_name((enum live_phase)p),
                               s->phase == (enum live_phase)p);
    put_one(out, PREFIX "run_seconds", "gauge", "Since the run began.", s->seconds);
}

static void collect_media(struct metrics_text *out, const struct live_stats *s)
{
    metrics_text_family(out, PREFIX "packets_total", "counter", "RTP packets by direction.");
    metrics_text_value(out, "direction=\"sent\"", (double)s->sent.packets_total);
    metrics_text_value(out, "direction=\"received\"", (double)s->received.packets_total);
    metrics_text_family(out, PREFIX "bytes_total", "counter", "Bytes of those packets.");
    metrics_text_value(out, "direction=\"sent\"", (double)s->sent.bytes_total);
    metrics_text_value(out, "direction=\"received\"", (double)s->received.bytes_total);
    put_one(out, PREFIX "packets_expected_total", "counter",
            "RTP packets that should have been received, by sequence numbers.",
            (double)s->expected_total);
    put_one(out, PREFIX "packets_lost_total", "counter",
            "Of those, what did not come, with retransmissions counted in.", (double)s->lost_total);
    put_one(out, PREFIX "loss_ratio", "gauge", "The same, of the last second.", s->loss);
    put_one(out, PREFIX "freezes_total", "counter", "Times that a video stood still.",
            (double)s->freezes_total);
}

static void collect_tester(struct metrics_text *out, const struct live_stats *s)
{
    put_one(out, PREFIX "tester_cpu_cores", "gauge", "CPU of this program in the last second.",
            s->tester_cpu_share);
    put_one(out, PREFIX "tester_thread_load", "gauge", "Share of a core of its busiest thread.",
            s->tester_thread_share);
    put_one(out, PREFIX "tester_saturated", "gauge",
            "1: this program is the bottleneck, and its figures say nothing about the servers.",
            s->tester_saturated);
}

static void collect_servers(struct metrics_text *out, const struct live_stats *s)
{
    unsigned count = MIN(s->server_count, (unsigned)LIVE_SERVERS_MAX);
    metrics_text_family(out, PREFIX "server_up", "gauge", "Whether a watched server answers.");
    for (unsigned i = 0; i < count; i++)
        metrics_text_value_for(out, NULL, "server", s->servers[i].name, s->servers[i].up);
    metrics_text_family(out, PREFIX "server_cpu_cores", "gauge", "Its CPU in the last second.");
    for (unsigned i = 0; i < count; i++)
        metrics_text_value_for(out, NULL, "server", s->servers[i].name, s->servers[i].cpu_share);
    metrics_text_family(out, PREFIX "server_memory_bytes", "gauge", "Its resident memory.");
    for (unsigned i = 0; i < count; i++)
        metrics_text_value_for(out, NULL, "server", s->servers[i].name,
                               (double)s->servers[i].memory_bytes);
}

static void collect(struct metrics_text *out, void *data)
{
    const struct exporter *e = data;
    collect_bots(out, &e->stats);
    collect_media(out, &e->stats);
    collect_tester(out, &e->stats);
    collect_servers(out, &e->stats);
}

/* A histogram of metrics.h is filled value by value; ours is there already. Buckets that straddle a
 * bound count above it: they are 1.6 % wide. */
static void put_latency(FILE *out, const struct histogram *h)
{
    static const double bounds[] = { 0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.03,
                                     0.05,   0.1,   0.2,   0.3,   0.5,   1,    2,    5 };
    json_t *json = histogram_to_json(h);
    const json_t *buckets = json_object_get(json, "buckets");
    size_t at = 0, count = json_array_size(buckets);
    uint64_t total = 0;
    (void)fputs("# HELP " PREFIX "latency_seconds One way, from bot to bot, of each packet.\n"
                "# TYPE " PREFIX "latency_seconds histogram\n",
                out);
    for (size_t i = 0; i < ARRAY_LEN(bounds); i++) {
        for (; at < count; at++) {
            const json_t *bucket = json_array_get(buckets, at);
            if (json_number_value(json_array_get(bucket, 0)) > bounds[i] * 1e6)
                break;
            total += (uint64_t)json_integer_value(json_array_get(bucket, 1));
        }
        (void)fprintf(out, PREFIX "latency_seconds_bucket{le=\"%.9g\"} %llu\n", bounds[i],
                      (unsigned long long)total);
    }
    json_decref(json);
    (void)fprintf(out,
                  PREFIX "latency_seconds_bucket{le=\"+Inf\"} %llu\n" PREFIX
                         "latency_seconds_sum %.9g\n" PREFIX "latency_seconds_count %llu\n",
                  (unsigned long long)h->count, (double)h->sum / 1e6, (unsigned long long)h->count);
}

static void on_metrics(struct http_exchange *x, void *data)
{
    struct exporter *e = data;
    char *body = NULL;
    size_t len, body_len = 0;
    char *text = metrics_render(e->metrics, &len);
    FILE *out = open_memstream(&body, &body_len);
    check(out != NULL);
    (void)fwrite(text, 1, len, out);
    if (e->has_latency)
        put_latency(out, &e->latency_us);
    (void)fclose(out);
    http_response_bytes(http_exchange_response(x), 200, METRICS_CONTENT_TYPE,
                        bytes_of(body, body_len));
    free(text);
    free(body);
    http_exchange_finish(x);
}

static const struct http_route routes[] = {
    { HTTP_METHOD_GET, "/metrics", on_metrics, 0, NULL },
};

static void exporter_free(struct exporter *e)
{
    metrics_free(e->metrics);
    free(e);
}

enum err exporter_start(uv_loop_t *loop, const char *listen, struct exporter **ret)
{
    struct exporter *e = calloc(1, sizeof *e);
    if (e == NULL)
        return ERR_SYSTEM;
    e->metrics = metrics_new("conclave-bot");
    metrics_add_collector(e->metrics, collect, e);
    const struct http_server_options options = { .listen = listen,
                                                 .routes = routes,
                                                 .route_count = ARRAY_LEN(routes),
                                                 .data = e,
                                                 .connections_max = 64,
                                                 .listener = "prometheus" };
    enum err result = http_server_start(loop, &options, &e->server);
    if (result != OK) {
        int why = errno;
        exporter_free(e);
        errno = why;
        return result;
    }
    *ret = e;
    return OK;
}

uint16_t exporter_port(const struct exporter *e)
{
    return http_server_port(e->server);
}

void exporter_update(struct exporter *e, const struct live_stats *stats)
{
    e->stats = *stats;
    e->stats.latency_us = NULL;
    e->has_latency = stats->latency_us != NULL;
    if (e->has_latency)
        e->latency_us = *stats->latency_us;
}

static void on_server_stopped(void *data)
{
    struct exporter *e = data;
    if (e->on_stopped != NULL)
        e->on_stopped(e->stop_data);
    exporter_free(e);
}

void exporter_stop(struct exporter *e, void (*on_stopped)(void *data), void *data)
{
    if (e == NULL) {
        if (on_stopped != NULL)
            on_stopped(data);
        return;
    }
    e->on_stopped = on_stopped;
    e->stop_data = data;
    http_server_stop(e->server, 0, on_server_stopped, e);
}
