/* run_private.h - the state of a run, shared by the run*.c files only.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_IO_RUN_PRIVATE_H
#define LOADTEST_IO_RUN_PRIVATE_H

#include "core/audio_clip.h"
#include "core/clip.h"
#include "io/chaos.h"
#include "io/collect.h"
#include "io/engine.h"
#include "io/exporter.h"
#include "io/run.h"
#include "io/servers.h"
#include "io/terminal.h"

/* This process, and what the machine stole from it. */
struct run_cpu {
    usec at;
    double process_s;      /* user and system */
    double steal_s, all_s; /* of the machine, /proc/stat */
    uint64_t throttled_us; /* by its cgroup */
    uint64_t memory_bytes, memory_peak_bytes;
};
void run_cpu_read(struct run_cpu *ret);

struct storm_done {
    usec at; /* 0: not yet */
    unsigned hit;
};

struct run_series {
    json_t *t, *phase, *connected, *packets_sent, *packets_received, *bytes_received, *latency_p50,
        *latency_p99, *loss, *freezes, *tester_cpu;
};

struct run {
    /* given */
    const struct scenario *scenario;
    const struct run_options *options;
    /* owned */
    uv_loop_t loop;
    uv_timer_t second, step;
    uv_signal_t on_int, on_term, on_hup;
    bool timers_open;
    struct bot_world world;
    struct dtls_context *identity;
    struct voice_bank *voices;
    struct run_clips *clips;
    struct engine *engine;
    struct servers *servers;
    struct chaos_runner *chaos;
    struct exporter *exporter;
    struct collected collected;
    struct collected_groups *groups_before, *groups_after;
    json_t *servers_json;
    /* phases */
    unsigned bots;
    enum live_phase phase;
    usec phase_at, started_at, plateau_at, plateau_end, ended_at, ramp_us;
    wall_usec started_wall;
    bool interrupted, nobody, stuck;
    bool chaos_asked, chaos_finished;
    struct storm_done storms[SCENARIO_STORMS_MAX];
    /* measured */
    struct engine_snapshot now_is, last, before, after;
    struct histogram latency, latency_total; /* of the last second; of the run */
    struct run_cpu cpu_before, cpu_after, cpu_last, cpu_idle;
    struct live_stats live;
    struct run_series series;
    bool has_terminal;
    unsigned tick_count;
};

/* run_series.c: once a second */
void run_series_init(struct run *r);
void run_series_sample(struct run *r, usec now);
void run_series_done(struct run *r);
json_t *run_series_json(struct run *r);

/* run_result.c */
json_t *run_result_json(struct run *r);

/* run_clips.c: what bots publish: built-in clips, and files of the scenario's groups. NULL: `error`
 * (RUN_ERROR_MAX) says why. */
struct run_clips *run_clips_new(const struct scenario *s, char *error);
void run_clips_free(struct run_clips *c);
const struct clip *run_clips_find(const struct run_clips *c, const struct group *g,
                                  enum codec codec, uint16_t height);
/* NULL: the group has no file. */
const struct audio_clip *run_clips_audio(const struct run_clips *c, const struct group *g);

#endif
