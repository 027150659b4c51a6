/* SPDX-License-Identifier: Apache-2.0 */
#include "bench.h"
#include "common/os/clock.h"
#include "machine.h"
#include "studio.h"

#include <stdio.h>

/* As io/thread.c calls it. */
#define MEDIA_THREAD "sfud-w0"

/* Everything that counts up, at one moment. */
struct reading {
    usec at;
    double media_cpu, media_wait, process_cpu, own_cpu, studio_cpu;
    uint64_t packets_in, packets_out, rtcp_out, repeated, unsent;
    uint64_t datagrams, sends, segments[UDP_SEGMENT_BUCKETS];
    uint64_t send_failed, rx_overflow, gso_refused;
    uint64_t shot, device, resident;
    struct latency_counts latency;
};

static struct reading take_reading(const struct stage *s, const struct studio *studio,
                                   const char *device)
{
    const struct worker_stats *w = thread_worker_stats(s->thread);
    const struct udp_counters *u = thread_udp_counters(s->thread);
    struct reading r = {
        .at = clock_now(),
        .media_cpu = thread_cpu_seconds(s->thread),
        .media_wait = machine_wait_seconds(MEDIA_THREAD),
        .process_cpu = machine_process_cpu_seconds(),
        .own_cpu = machine_cpu_seconds(CLOCK_THREAD_CPUTIME_ID),
        .studio_cpu = studio_cpu_seconds(studio),
        .packets_in = stats_read(w, STAT_RTP_IN),
        .packets_out = stats_read(w, STAT_RTP_OUT),
        .rtcp_out = stats_read(w, STAT_RTCP_OUT),
        .repeated = stats_read(w, STAT_RTX_OUT),
        .unsent = stats_read(w, STAT_UNSENT_FULL) + stats_read(w, STAT_DROP_FULL),
        .datagrams = u->datagrams_out,
        .sends = u->sends,
        .send_failed = u->send_failed + u->send_again,
        .rx_overflow = u->rx_overflow,
        .gso_refused = u->gso_refused,
        .shot = studio_counters(studio)->packets,
        .device = machine_device_packets(device),
        .resident = machine_resident_bytes(),
    };
    for (size_t i = 0; i < UDP_SEGMENT_BUCKETS; i++)
        r.segments[i] = u->segments[i];
    latency_read(&s->latency, &r.latency);
    return r;
}

static json_t *histogram_of(const struct reading *a, const struct reading *b)
{
    json_t *ret = json_object();
    for (unsigned i = 0; i < UDP_SEGMENT_BUCKETS; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "%u", 1u << i);
        json_object_set_new(ret, key, json_integer((json_int_t)(b->segments[i] - a->segments[i])));
    }
    return ret;
}

static json_t *report(const struct stage *s, const struct studio *studio, const struct reading *a,
                      const struct reading *b)
{
    double wall = (double)(b->at - a->at) / 1e6, cpu = b->media_cpu - a->media_cpu;
    double others = b->process_cpu - a->process_cpu - cpu - (b->own_cpu - a->own_cpu) -
                    (b->studio_cpu - a->studio_cpu);
    json_t *ret = json_pack(
        "{ss ss ss ss sb si si}", "what", "sfud", "backend", udp_backend_name(s->config.backend),
        "seal", seal_engine_name(s->engine), "code", seal_engine_code(s->engine), "gso",
        (int)!s->config.no_gso, "rooms", (int)s->config.rooms, "viewers", (int)s->config.viewers);
    bench_put_load(ret, wall, cpu, b->media_wait - a->media_wait);
    bench_put(ret, "other_cpu_s", others);
    bench_count(ret, "published", a->shot, b->shot);
    bench_count(ret, "packets_in", a->packets_in, b->packets_in);
    bench_count(ret, "forwarded", a->packets_out, b->packets_out);
    bench_count(ret, "rtcp_out", a->rtcp_out, b->rtcp_out);
    bench_count(ret, "repeated", a->repeated, b->repeated);
    bench_count(ret, "unsent", a->unsent, b->unsent);
    bench_count(ret, "datagrams_out", a->datagrams, b->datagrams);
    bench_count(ret, "sends", a->sends, b->sends);
    bench_count(ret, "sink_packets", a->device, b->device);
    bench_count(ret, "send_failed", a->send_failed, b->send_failed);
    bench_count(ret, "rx_overflow", a->rx_overflow, b->rx_overflow);
    bench_count(ret, "gso_refused", a->gso_refused, b->gso_refused);
    bench_count(ret, "resident_bytes", 0, b->resident);
    bench_count(ret, "late_us_max", 0, (uint64_t)studio_counters(studio)->late_us);
    bench_judge(ret, cpu, b->packets_out - a->packets_out, b->datagrams - a->datagrams,
                b->sends - a->sends);
    bench_put(ret, "latency_us_p50", latency_quantile(&a->latency, &b->latency, 0.5));
    bench_put(ret, "latency_us_p99", latency_quantile(&a->latency, &b->latency, 0.99));
    bench_put(ret, "latency_us_p999", latency_quantile(&a->latency, &b->latency, 0.999));
    json_object_set_new(ret, "segments", histogram_of(a, b));
    return ret;
}

json_t *bench_sfud(const struct bench_options *o)
{
    struct stage stage;
    json_t *ret = NULL;
    struct studio *studio = NULL;
    if (!stage_open(&stage, &o->stage)) {
        stage_close(&stage);
        return NULL;
    }
    struct studio_config config = { .cameras = stage.cameras,
                                    .sockets = stage.sockets,
                                    .count = o->stage.rooms,
                                    .speed = o->speed,
                                    .cpu = o->cpu_others };
    studio = studio_start(&config);
    check(studio != NULL);
    stage_run_until(&stage, clock_now() + (usec)(o->warm_up * 1e6));
    fprintf(stderr, "bench: measuring\n"); /* a profiler may begin */
    struct reading before = take_reading(&stage, studio, o->device);
    stage_run_until(&stage, clock_now() + (usec)(o->seconds * 1e6));
    struct reading after = take_reading(&stage, studio, o->device);
    ret = report(&stage, studio, &before, &after);
    studio_stop(studio);
    stage_close(&stage);
    return ret;
}
