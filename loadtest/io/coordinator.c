/* SPDX-License-Identifier: Apache-2.0 */
#include "io/coordinator_private.h"

#include "common/os/clock.h"
#include "core/merge.h"
#include "core/result.h"
#include "io/agent.h"
#include "io/terminal.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { REFUSED_MAX = 3, PAUSE_US = 50000 };
#define START_TIMEOUT_US      SECONDS(10)
#define POLL_TIMEOUT_US       SECONDS(3)
#define RESULT_TIMEOUT_US     SECONDS(30) /* of a long run over a slow network */
#define INTERRUPT_PATIENCE_US SECONDS(60)
#define OBSERVER_PATIENCE_US  SECONDS(15)

static volatile sig_atomic_t interrupts;

static void on_signal(int number)
{
    (void)number;
    if (interrupts++ > 0)
        _exit(RUN_INTERRUPTED); /* agents notice the silence, the observer our end */
}

enum run_exit coordinator_fail(struct coordinator *c, enum run_exit exit_status, const char *format,
                               ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(c->error, RUN_ERROR_MAX, format, args);
    va_end(args);
    return exit_status;
}

void machine_url(const struct machine *m, const char *path, struct call *ret)
{
    (void)snprintf(ret->url, sizeof ret->url, "http://%s%s", m->name, path);
}

enum run_exit coordinator_call_failed(struct coordinator *c, const struct machine *m,
                                      const struct call *call)
{
    if (call->status == 401)
        return coordinator_fail(c, RUN_USAGE, "agent %s: has another key than --agent-key",
                                m->name);
    if (call->status == 0)
        return coordinator_fail(c, RUN_UNREACHABLE, "agent %s: %s", m->name, call->error);
    if (call->error_id[0] == '\0')
        return coordinator_fail(c, RUN_UNREACHABLE, "agent %s: is that an agent? (%s)", m->name,
                                call->error[0] == '\0' ? "its answer has no sense" : call->error);
    return coordinator_fail(c, call->status == 409 ? RUN_UNREACHABLE : RUN_USAGE,
                            "agent %s: %s: %s", m->name, call->error_id, call->error);
}

/* --- beginning --- */

/* "host" gets the agents' port. */
static bool add_machine(struct coordinator *c, const char *text, size_t len)
{
    struct machine *m = &c->machines[c->count];
    if (c->count == SHARES_MACHINES_MAX || len == 0 || len + 8 > sizeof m->name)
        return false;
    memcpy(m->name, text, len);
    m->name[len] = '\0';
    if (strpbrk(m->name, "/@ ?#\\") != NULL)
        return false;
    const char *bracket = strchr(m->name, ']');
    if (strchr(bracket != NULL ? bracket : m->name, ':') == NULL)
        (void)snprintf(m->name + len, sizeof m->name - len, ":%d", AGENT_PORT);
    for (unsigned i = 0; i < c->count; i++) {
        if (strcmp(c->machines[i].name, m->name) == 0)
            return false;
    }
    c->count++;
    return true;
}

static enum run_exit parse_agents(struct coordinator *c)
{
    for (const char *at = c->options->agents;; at++) {
        size_t len = strcspn(at, ",");
        if (!add_machine(c, at, len))
            return coordinator_fail(c, RUN_USAGE,
                                    "--agents wants host:port,… , each once and at most %d: %.*s",
                                    SHARES_MACHINES_MAX, (int)len, at);
        at += len;
        if (*at == '\0')
            return RUN_PASSED;
    }
}

static enum run_exit start_observer(struct coordinator *c)
{
    json_t *job = coordinator_job(c, NULL);
    if (job == NULL)
        return RUN_USAGE;
    c->observer = job_process_start(job);
    json_decref(job);
    if (c->observer == NULL)
        return coordinator_fail(c, RUN_USAGE, "no process: %s", strerror(errno));
    return RUN_PASSED;
}

static enum run_exit start_machines(struct coordinator *c)
{
    struct call calls[SHARES_MACHINES_MAX];
    char *bodies[SHARES_MACHINES_MAX] = { 0 };
    enum run_exit ret = RUN_PASSED;
    unsigned ready = 0;
    for (; ready < c->count && ret == RUN_PASSED; ready++) {
        json_t *job = coordinator_job(c, &c->machines[ready]);
        bodies[ready] = job == NULL ? NULL : json_dumps(job, JSON_COMPACT);
        json_decref(job);
        calls[ready] = (struct call){ .method = "POST", .body = bodies[ready] };
        machine_url(&c->machines[ready], "/v1/runs", &calls[ready]);
        ret = bodies[ready] == NULL ? RUN_USAGE : RUN_PASSED;
    }
    if (ret == RUN_PASSED)
        calls_perform(c->caller, calls, c->count, START_TIMEOUT_US);
    for (unsigned i = 0; i < c->count && ready == c->count && bodies[ready - 1] != NULL; i++) {
        struct machine *m = &c->machines[i];
        m->heard_at = clock_now();
        if (calls[i].status == 202) /* all of them are noted: they may have to be ended */
            (void)snprintf(m->id, sizeof m->id, "%s", result_text(calls[i].answer, "id", ""));
        else if (ret == RUN_PASSED)
            ret = coordinator_call_failed(c, m, &calls[i]);
        json_decref(calls[i].answer);
    }
    for (unsigned i = 0; i < c->count; i++)
        free(bodies[i]);
    return ret;
}

/* --- meanwhile --- */

static bool runs(const struct machine *m)
{
    return m->id[0] != '\0' && m->result == NULL;
}

/* Those that run; returns how many. who[i] is what calls[i] is to. */
static size_t call_running(struct coordinator *c, const char *method, struct call *calls,
                           struct machine **who, usec timeout)
{
    size_t count = 0;
    for (unsigned i = 0; i < c->count; i++) {
        char path[ID_CAPACITY + 16];
        if (!runs(&c->machines[i]))
            continue;
        (void)snprintf(path, sizeof path, "/v1/runs/%s", c->machines[i].id);
        calls[count] = (struct call){ .method = method };
        machine_url(&c->machines[i], path, &calls[count]);
        who[count++] = &c->machines[i];
    }
    calls_perform(c->caller, calls, count, timeout);
    return count;
}

static void tell_to_end(struct coordinator *c)
{
    struct call calls[SHARES_MACHINES_MAX];
    struct machine *who[SHARES_MACHINES_MAX];
    size_t count = call_running(c, "DELETE", calls, who, POLL_TIMEOUT_US);
    for (size_t i = 0; i < count; i++)
        json_decref(calls[i].answer);
    if (c->observer != NULL)
        job_process_signal(c->observer, SIGTERM);
}

static enum run_exit take_answer(struct coordinator *c, struct machine *m, const struct call *call,
                                 usec now)
{
    const char *state = result_text(call->answer, "state", "");
    json_t *live = json_object_get(call->answer, "live");
    json_t *result = json_object_get(call->answer, "result");
    m->heard_at = now;
    m->refused_count = 0;
    if (strcmp(state, "failed") == 0)
        return coordinator_fail(c, RUN_UNREACHABLE, "agent %s: %s", m->name,
                                result_text(call->answer, "error", "failed"));
    if (json_is_object(live)) {
        json_decref(m->live);
        m->live = json_incref(live);
    }
    if (strcmp(state, "ended") != 0)
        return RUN_PASSED;
    if (strcmp(result_text(result, "schema", ""), RESULT_SCHEMA) != 0)
        return coordinator_fail(c, RUN_UNREACHABLE, "agent %s: its result has no sense", m->name);
    m->result = json_incref(result);
    return RUN_PASSED;
}

static enum run_exit poll_machine(struct coordinator *c, struct machine *m, const struct call *call,
                                  usec now)
{
    if (call->status == 200)
        return take_answer(c, m, call, now);
    if (call->status != 0)
        return coordinator_call_failed(c, m, call);
    m->refused_count = call->is_refused ? m->refused_count + 1 : 0;
    if (m->refused_count < REFUSED_MAX && now - m->heard_at < COORDINATOR_LOST_US)
        return RUN_PASSED;
    return coordinator_fail(c, RUN_UNREACHABLE,
                            "agent %s stopped answering %.0f s after the start of the run, which "
                            "was given up (%s)",
                            m->name, (double)(m->heard_at - c->began_at) / 1e6, call->error);
}

static enum run_exit poll_all(struct coordinator *c)
{
    struct call calls[SHARES_MACHINES_MAX];
    struct machine *who[SHARES_MACHINES_MAX];
    bool are_results = clock_now() > c->ends_at || c->interrupted_at != 0;
    size_t count =
        call_running(c, "GET", calls, who, are_results ? RESULT_TIMEOUT_US : POLL_TIMEOUT_US);
    usec now = clock_now();
    enum run_exit ret = RUN_PASSED;
    for (size_t i = 0; i < count; i++) {
        if (ret == RUN_PASSED)
            ret = poll_machine(c, who[i], &calls[i], now);
        json_decref(calls[i].answer);
    }
    return ret;
}

static bool all_have_ended(const struct coordinator *c)
{
    for (unsigned i = 0; i < c->count; i++) {
        if (runs(&c->machines[i]))
            return false;
    }
    return true;
}

static enum run_exit follow_observer(struct coordinator *c, bool *ret_has_ended)
{
    job_process_read(c->observer);
    *ret_has_ended = job_process_has_ended(c->observer);
    if (*ret_has_ended && job_process_result(c->observer) == NULL)
        return coordinator_fail(c, RUN_USAGE, "%s", job_process_error(c->observer));
    return RUN_PASSED;
}

static enum run_exit follow(struct coordinator *c)
{
    for (;; (void)usleep(PAUSE_US)) {
        bool observer_has_ended;
        usec now = clock_now();
        enum run_exit e = follow_observer(c, &observer_has_ended);
        if (interrupts > 0 && c->interrupted_at == 0) {
            c->interrupted_at = now;
            c->deadline = MIN(c->deadline, now + INTERRUPT_PATIENCE_US);
            tell_to_end(c);
        }
        if (e == RUN_PASSED && now >= c->poll_at) {
            c->poll_at = now + SECONDS(1);
            e = poll_all(c);
            coordinator_show(c);
            c->poll_count++;
        }
        if (e != RUN_PASSED || (observer_has_ended && all_have_ended(c)))
            return e;
        if (now > c->deadline)
            return coordinator_fail(c, RUN_UNREACHABLE, "the run does not end; it was given up");
        (void)uv_run(&c->loop, UV_RUN_NOWAIT);
    }
}

/* --- the end --- */

/* How far each clock has moved meanwhile; latency is wrong by as much. */
static void put_drifts(struct coordinator *c, json_t *result)
{
    json_t *agents = (json_t *)result_at(result, "environment.agents");
    for (unsigned i = 0; i < c->count; i++) {
        const struct machine *m = &c->machines[i];
        json_t *clock = json_object_get(json_array_get(agents, i), "clock");
        double offset, uncertainty;
        if (coordinator_measure_clock(c, m, &offset, &uncertainty) != RUN_PASSED) {
            json_object_set_new(clock, "drift_us", json_null());
            continue;
        }
        double drift = offset - m->offset_us;
        json_object_set_new(clock, "drift_us", json_real(drift));
        if (fabs(drift) > COORDINATOR_UNCERTAINTY_MAX_US + uncertainty)
            fprintf(
                stderr,
                "conclave-bot: agent %s: its clock has moved by %.1f ms during the run; one-way "
                "latencies are wrong by as much\n",
                m->name, drift / 1000);
    }
}

static json_t *put_together(struct coordinator *c)
{
    struct merge_part parts[SHARES_MACHINES_MAX];
    for (unsigned i = 0; i < c->count; i++) {
        const struct machine *m = &c->machines[i];
        parts[i] = (struct merge_part){ .name = m->name,
                                        .result = m->result,
                                        .bot_first = m->share.bot_first,
                                        .bot_count = m->share.bot_count,
                                        .clock_offset_us = m->offset_us,
                                        .clock_uncertainty_us = m->uncertainty_us };
    }
    json_t *ret = merge_results(parts, c->count, job_process_result(c->observer));
    if (c->interrupted_at != 0)
        json_object_set_new(ret, "interrupted", json_true());
    put_drifts(c, ret);
    return ret;
}

/* Nobody goes on alone; and what was done to the servers is undone. */
static void give_up(struct coordinator *c)
{
    usec until = clock_now() + OBSERVER_PATIENCE_US;
    tell_to_end(c);
    while (c->observer != NULL && !job_process_has_ended(c->observer) && clock_now() < until) {
        job_process_read(c->observer);
        (void)usleep(PAUSE_US);
    }
}

static enum run_exit prepare(struct coordinator *c)
{
    const struct run_options *o = c->options->run;
    c->caller = caller_new(c->options->key);
    check(c->caller != NULL);
    enum run_exit e = parse_agents(c);
    e = e != RUN_PASSED ? e : coordinator_measure_clocks(c);
    e = e != RUN_PASSED ? e : coordinator_plan(c);
    if (e == RUN_PASSED && o->prometheus != NULL &&
        exporter_start(&c->loop, o->prometheus, &c->exporter) != OK)
        e = coordinator_fail(c, RUN_USAGE, "--prometheus %s: cannot listen there", o->prometheus);
    e = e != RUN_PASSED ? e : start_observer(c);
    return e != RUN_PASSED ? e : start_machines(c);
}

static void free_all(struct coordinator *c)
{
    for (unsigned i = 0; i < SHARES_MACHINES_MAX; i++) {
        json_decref(c->machines[i].live);
        json_decref(c->machines[i].result);
    }
    exporter_stop(c->exporter, NULL, NULL);
    (void)uv_run(&c->loop, UV_RUN_DEFAULT);
    check(uv_loop_close(&c->loop) == 0);
    job_process_free(c->observer);
    caller_free(c->caller);
    free(c);
}

static void watch_signals(struct sigaction before[2], bool watch)
{
    static const int NUMBERS[2] = { SIGINT, SIGTERM };
    struct sigaction action = { .sa_handler = on_signal };
    for (size_t i = 0; i < ARRAY_LEN(NUMBERS); i++)
        (void)sigaction(NUMBERS[i], watch ? &action : &before[i], watch ? &before[i] : NULL);
}

enum run_exit coordinator_run(const struct scenario *s, const struct coordinator_options *options,
                              json_t **ret, char ret_error[RUN_ERROR_MAX])
{
    struct sigaction before[2];
    struct coordinator *c = calloc(1, sizeof *c);
    check(c != NULL && uv_loop_init(&c->loop) == 0);
    *ret = NULL;
    c->scenario = s;
    c->options = options;
    c->error = ret_error;
    interrupts = 0;
    (void)signal(SIGPIPE, SIG_IGN);
    watch_signals(before, true);
    enum run_exit e = prepare(c);
    if (e == RUN_PASSED) {
        c->has_terminal = !options->run->quiet && terminal_is_usable(STDERR_FILENO);
        if (c->has_terminal)
            terminal_begin(STDERR_FILENO);
        e = follow(c);
        if (c->has_terminal)
            terminal_end();
    }
    if (e == RUN_PASSED) {
        *ret = put_together(c);
        e = run_judge(*ret, options->run->slo);
    } else {
        give_up(c);
    }
    watch_signals(before, false);
    free_all(c);
    return e;
}
