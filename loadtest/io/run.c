/* run.c - the phases of a run. SPDX-License-Identifier: Apache-2.0 */
#include "io/run.h"

#include "common/os/clock.h"
#include "common/os/random.h"
#include "core/srtp_session.h"
#include "core/tone.h"
#include "io/run_private.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    LEAVE_GRACE_US = 6000000,
    LINE_INTERVAL_S = 5,
};

static void enter(struct run *r, enum live_phase phase, usec now)
{
    r->phase = phase;
    r->phase_at = now;
}

/* What all machines of a run agree on. */
static wall_usec common_wall(const struct run *r)
{
    return clock_wall() - r->options->clock_offset_us;
}

static bool chaos_is_there(const struct run *r)
{
    return r->scenario->chaos_count > 0;
}

/* --- phases --- */

static struct collected_groups *collect_groups(struct run *r)
{
    struct collected_groups *g = collect_groups_new(r->scenario);
    if (g != NULL && engine_for_each_bot(r->engine, collect_group, g) != OK)
        r->stuck = true;
    return g;
}

static void begin_plateau(struct run *r, usec now)
{
    enter(r, LIVE_PLATEAU, now);
    r->plateau_at = now;
    if (engine_begin_plateau(r->engine, &r->before) != OK)
        r->stuck = true;
    r->groups_before = collect_groups(r);
    servers_begin_interval(r->servers, now);
    run_cpu_read(&r->cpu_before);
    if (chaos_is_there(r))
        chaos_start(r->chaos);
}

static void on_servers(json_t *servers, void *data)
{
    struct run *r = data;
    r->servers_json = servers;
}

static void begin_leaving(struct run *r, usec now)
{
    if (r->phase == LIVE_LEAVING)
        return;
    if (r->plateau_at == 0)
        begin_plateau(r, now); /* cut short: an empty interval, so that there is a report */
    enter(r, LIVE_LEAVING, now);
    r->plateau_end = now;
    run_cpu_read(&r->cpu_after);
    if (engine_end_plateau(r->engine, &r->after) != OK)
        r->stuck = true;
    servers_end_interval(r->servers, now, on_servers, r);
    r->groups_after = collect_groups(r);
    collect_init(&r->collected);
    if (engine_for_each_bot(r->engine, collect_bot, &r->collected) != OK)
        r->stuck = true;
    if (r->options->each_bot != NULL &&
        engine_for_each_bot(r->engine, r->options->each_bot, r->options->each_bot_data) != OK)
        r->stuck = true;
    if (engine_leave_all(r->engine) != OK)
        r->stuck = true;
}

static void on_chaos_finished(void *data)
{
    struct run *r = data;
    r->chaos_finished = true;
}

static void follow_leaving(struct run *r, usec now)
{
    bool gone = r->now_is.websockets == 0 || now - r->phase_at > LEAVE_GRACE_US;
    if (r->chaos != NULL && !r->chaos_asked) {
        r->chaos_asked = true;
        chaos_finish(r->chaos, on_chaos_finished, r);
    }
    bool undone = r->chaos == NULL || r->chaos_finished;
    if (gone && undone && r->servers_json != NULL) {
        enter(r, LIVE_DONE, now);
        uv_stop(&r->loop);
    }
}

static bool all_are_in(const struct run *r, usec now)
{
    if (r->options->plateau_at > 0)
        return common_wall(r) + r->scenario->settle_us >= r->options->plateau_at;
    if (r->now_is.joined + r->now_is.failed >= r->bots)
        return true;
    usec last_start = (usec)((double)r->bots / r->scenario->joins_per_second * 1e6);
    return now - r->phase_at > last_start + r->scenario->join_timeout_us + SECONDS(2);
}

static void follow_storms(struct run *r, usec now)
{
    for (unsigned i = 0; i < r->scenario->storm_count; i++) {
        struct storm_done *done = &r->storms[i];
        if (done->at != 0 || now - r->plateau_at < r->scenario->storms[i].at_us)
            continue;
        done->at = now;
        if (engine_storm(r->engine, &r->scenario->storms[i], &done->hit) != OK)
            r->stuck = true;
    }
}

static void follow_phase(struct run *r, usec now)
{
    switch (r->phase) {
    case LIVE_RAMP:
        if (r->bots > 0 && r->now_is.failed == r->bots) {
            r->nobody = true;
            begin_leaving(r, now);
        } else if (all_are_in(r, now)) {
            r->ramp_us = now - r->started_at;
            enter(r, LIVE_SETTLE, now);
        }
        break;
    case LIVE_SETTLE:
        if (now - r->phase_at >= r->scenario->settle_us)
            begin_plateau(r, now);
        break;
    case LIVE_PLATEAU:
        follow_storms(r, now);
        if (now - r->phase_at >= r->scenario->duration_us)
            begin_leaving(r, now);
        break;
    case LIVE_LEAVING:
        follow_leaving(r, now);
        break;
    default:
        break;
    }
}

/* --- every second --- */

static void show(struct run *r)
{
    if (r->exporter != NULL)
        exporter_update(r->exporter, &r->live);
    if (r->options->on_second != NULL)
        r->options->on_second(&r->live, r->options->data);
    if (r->options->quiet)
        return;
    if (r->has_terminal) {
        static char frame[LIVE_VIEW_BYTES_MAX];
        struct live_screen screen = terminal_screen(STDERR_FILENO);
        terminal_write(STDERR_FILENO, frame,
                       live_view_frame(&r->live, &screen, frame, sizeof frame));
    } else if (r->tick_count % LINE_INTERVAL_S == 0) {
        char line[LIVE_LINE_BYTES_MAX];
        terminal_write(STDERR_FILENO, line, live_view_line(&r->live, line, sizeof line));
    }
}

static void on_second(uv_timer_t *timer)
{
    struct run *r = timer->data;
    usec now = clock_now();
    engine_snapshot(r->engine, &r->now_is);
    servers_tick(r->servers, now);
    run_series_sample(r, now);
    show(r);
    r->tick_count++;
}

static void on_step(uv_timer_t *timer)
{
    struct run *r = timer->data;
    usec now = clock_now();
    if (r->phase == LIVE_RAMP || r->phase == LIVE_LEAVING)
        engine_snapshot(r->engine, &r->now_is);
    follow_phase(r, now);
}

static void on_signal(uv_signal_t *signal, int number)
{
    struct run *r = signal->data;
    (void)number;
    if (r->interrupted) {
        terminal_end();
        _exit(RUN_INTERRUPTED);
    }
    r->interrupted = true;
    begin_leaving(r, clock_now());
}

/* --- start and end --- */

static const struct clip *find_clip(const struct bot_world *w, const struct group *g,
                                    enum codec codec, uint16_t height)
{
    return run_clips_find(w->clips, g, codec, height);
}

static const struct audio_clip *find_audio(const struct bot_world *w, const struct group *g)
{
    return run_clips_audio(w->clips, g);
}

static bool make_world(struct run *r, char *error)
{
    r->identity = dtls_context_new(clock_wall());
    r->voices = voice_bank_new();
    if (r->identity == NULL || r->voices == NULL || srtp_session_library_init() != OK) {
        snprintf(error, RUN_ERROR_MAX, "OpenSSL, libopus or libsrtp did not start");
        return false;
    }
    r->world = (struct bot_world){ .scenario = r->scenario,
                                   .driver = r->options->driver,
                                   .url = r->options->url,
                                   .token = r->options->token,
                                   .identity = r->identity,
                                   .voices = r->voices,
                                   .clip = find_clip,
                                   .audio = find_audio,
                                   .wall_minus_now = common_wall(r) - clock_now(),
                                   .started = r->options->start_at > 0 ? r->options->start_at
                                                                       : common_wall(r),
                                   .bot_first = r->options->bot_first };
    if (r->options->run_id != NULL)
        snprintf(r->world.run_id, sizeof r->world.run_id, "%s", r->options->run_id);
    else
        snprintf(r->world.run_id, sizeof r->world.run_id, "%08llx",
                 (unsigned long long)(random_below(UINT64_C(1) << 32)));
    r->clips = run_clips_new(r->scenario, error);
    r->world.clips = r->clips;
    return r->clips != NULL;
}

static bool make_engine(struct run *r, char *error)
{
    r->bots = r->options->bot_count > 0 ? r->options->bot_count : scenario_bot_count(r->scenario);
    r->bots = r->options->without_bots ? 0 : r->bots;
    uint64_t seed = r->options->seed;
    if (seed == 0)
        random_bytes(&seed, sizeof seed);
    struct engine_config config = { .world = &r->world,
                                    .bots = r->bots,
                                    .threads = r->options->threads,
                                    .seed = seed,
                                    .ca_file = r->options->ca_file,
                                    .insecure = r->options->insecure,
                                    .source = r->options->source };
    char why[ENGINE_ERROR_MAX];
    if (engine_new(&config, &r->engine, why) == OK)
        return true;
    snprintf(error, RUN_ERROR_MAX, "%s", why);
    return false;
}

static bool watch_servers(struct run *r, char *error)
{
    r->servers = servers_new(&r->loop);
    if (r->servers == NULL)
        return false;
    char why[SERVERS_ERROR_MAX];
    if (r->options->cluster != NULL &&
        servers_add_cluster(r->servers, r->options->cluster, why) != OK) {
        snprintf(error, RUN_ERROR_MAX, "--cluster %s: %s", r->options->cluster, why);
        return false;
    }
    for (unsigned i = 0; i < r->options->server_count; i++) {
        struct server_config c = { .name = r->options->servers[i].name,
                                   .metrics_url = r->options->servers[i].metrics_url,
                                   .pid = r->options->servers[i].pid };
        enum err err = servers_add(r->servers, &c);
        if (err != OK) {
            snprintf(error, RUN_ERROR_MAX, "--server %s: %s", c.name, err_name(err));
            return false;
        }
    }
    return true;
}

static bool prepare(struct run *r, char *error)
{
    snprintf(error, RUN_ERROR_MAX, "no memory");
    if (!make_world(r, error) || !watch_servers(r, error))
        return false;
    struct chaos_options chaos = { .scenario = r->scenario, .is_allowed = r->options->allow_chaos };
    enum err err = chaos_is_there(r) ? chaos_new(&r->loop, &chaos, &r->chaos) : OK;
    if (err == ERR_AUTH) {
        snprintf(error, RUN_ERROR_MAX,
                 "the scenario runs commands against the servers; allow it with --chaos");
        return false;
    }
    if (err == OK && r->options->prometheus != NULL)
        err = exporter_start(&r->loop, r->options->prometheus, &r->exporter);
    if (err != OK && r->options->prometheus != NULL)
        snprintf(error, RUN_ERROR_MAX, "--prometheus %s: %s", r->options->prometheus,
                 err == ERR_SYSTEM ? strerror(errno) : err_name(err));
    return err == OK && make_engine(r, error);
}

static void close_handle(uv_handle_t *handle, void *data)
{
    (void)data;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void finish(struct run *r)
{
    engine_free(r->engine);
    if (r->chaos != NULL && !r->chaos_asked) /* the run never began */
        chaos_finish(r->chaos, NULL, NULL);
    exporter_stop(r->exporter, NULL, NULL);
    if (r->servers != NULL)
        servers_stop(r->servers, NULL, NULL);
    if (r->timers_open) {
        uv_close((uv_handle_t *)&r->second, NULL);
        uv_close((uv_handle_t *)&r->step, NULL);
        uv_close((uv_handle_t *)&r->on_int, NULL);
        uv_close((uv_handle_t *)&r->on_term, NULL);
        uv_close((uv_handle_t *)&r->on_hup, NULL);
    }
    (void)uv_run(&r->loop, UV_RUN_DEFAULT);
    chaos_free(r->chaos);
    uv_walk(&r->loop, close_handle, NULL);
    (void)uv_run(&r->loop, UV_RUN_DEFAULT);
    check(uv_loop_close(&r->loop) == 0);
    collect_done(&r->collected);
    collect_groups_free(r->groups_before);
    collect_groups_free(r->groups_after);
    run_series_done(r);
    run_clips_free(r->clips);
    voice_bank_free(r->voices);
    dtls_context_free(r->identity);
    json_decref(r->servers_json);
    free(r);
}

static void start_timer(struct run *r, uv_timer_t *t, uv_timer_cb fn, uint64_t every_ms)
{
    check(uv_timer_init(&r->loop, t) == 0);
    t->data = r;
    check(uv_timer_start(t, fn, every_ms, every_ms) == 0);
}

static void start_signal(struct run *r, uv_signal_t *s, int number)
{
    check(uv_signal_init(&r->loop, s) == 0);
    s->data = r;
    check(uv_signal_start(s, on_signal, number) == 0);
}

static void wait_for_start(const struct run *r)
{
    for (usec left; (left = r->options->start_at - common_wall(r)) > 0;)
        (void)usleep((useconds_t)MIN(left, 100000));
}

static void run_phases(struct run *r)
{
    wait_for_start(r);
    r->started_at = clock_now();
    r->started_wall = clock_wall();
    r->has_terminal = !r->options->quiet && terminal_is_usable(STDERR_FILENO);
    if (r->has_terminal)
        terminal_begin(STDERR_FILENO);
    enter(r, LIVE_RAMP, r->started_at);
    start_timer(r, &r->second, on_second, 1000);
    start_timer(r, &r->step, on_step, 50);
    start_signal(r, &r->on_int, SIGINT);
    start_signal(r, &r->on_term, SIGTERM);
    start_signal(r, &r->on_hup, SIGHUP);
    r->timers_open = true;
    servers_tick(r->servers, r->started_at);
    engine_snapshot(r->engine, &r->last);
    engine_start(r->engine);
    (void)uv_run(&r->loop, UV_RUN_DEFAULT);
    r->ended_at = clock_now();
    if (r->has_terminal)
        terminal_end();
    engine_stop(r->engine);
}

enum run_exit run_scenario(const struct scenario *s, const struct run_options *options,
                           json_t **ret, char ret_error[RUN_ERROR_MAX])
{
    *ret = NULL;
    struct run *r = calloc(1, sizeof *r);
    check(r != NULL && uv_loop_init(&r->loop) == 0);
    r->scenario = s;
    r->options = options;
    (void)signal(SIGPIPE, SIG_IGN);
    if (!prepare(r, ret_error)) {
        finish(r);
        return RUN_USAGE;
    }
    run_series_init(r);
    run_phases(r);
    *ret = run_result_json(r);
    enum run_exit exit_status = run_judge(*ret, options->slo);
    finish(r);
    return exit_status;
}
