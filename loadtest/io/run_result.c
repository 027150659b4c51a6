/* run_result.c - the result of a run, put together, and its verdict.
 * SPDX-License-Identifier: Apache-2.0 */
#include "io/run_private.h"

#include "core/result.h"
#include "io/fingerprint.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
    FAILURE_KINDS_MAX = 32,
    CHAOS_DATED_US = 200000,        /* a break's date is at most this long before its cause */
    SATURATED_SPAN_MIN_US = 250000, /* of the plateau; shorter ones are not judged */
    CHAOS_ECHO_US = 15000000,       /* what breaks this long after it was over is still its work */
};

#define SATURATED_BUSY      0.90  /* of a thread's time */
#define SATURATED_LATE_US   20000 /* a whole voice frame */
#define SATURATED_DROPS     0.001
#define SATURATED_THROTTLED 0.02
#define SATURATED_STEAL     0.10
#define SECONDS_TO_TELL     4.0

static json_t *scenario_json(const struct run *r)
{
    json_t *groups = json_array();
    for (unsigned i = 0; i < r->scenario->group_count; i++)
        json_array_append_new(groups, json_pack("{ss si}", "name", r->scenario->groups[i].name,
                                                "bots", (int)r->scenario->groups[i].bots));
    return json_pack("{ss ss si si so ss}", "name", r->scenario->name, "description",
                     r->scenario->description, "rooms", (int)r->scenario->rooms, "bots",
                     (int)r->bots, "groups", groups, "yaml",
                     r->options->scenario_text == NULL ? "" : r->options->scenario_text);
}

static json_t *started_json(const struct run *r)
{
    time_t seconds = (time_t)(r->started_wall / USEC_PER_SEC);
    struct tm tm;
    char text[32] = "";
    if (gmtime_r(&seconds, &tm) != NULL)
        (void)strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    return json_string(text);
}

static json_t *seconds_json(const struct run *r)
{
    return json_pack("{sf sf sf sf}", "ramp", (double)r->ramp_us / 1e6, "settle",
                     (double)r->scenario->settle_us / 1e6, "plateau",
                     (double)(r->plateau_end - r->plateau_at) / 1e6, "total",
                     (double)(r->ended_at - r->started_at) / 1e6);
}

/* Failures of one stage and error are one entry, with the first bot as the example. */
static json_t *failures_json(struct run *r)
{
    struct engine_failure *all = calloc(ENGINE_FAILURES_MAX, sizeof *all);
    json_t *ret = json_array();
    size_t count = all == NULL ? 0 : engine_failures(r->engine, all, ENGINE_FAILURES_MAX);
    for (size_t i = 0; i < count; i++) {
        const struct bot_failure *f = &all[i].failure;
        const char *stage =
            (unsigned)f->stage < STAGE_COUNT ? join_stage_name(f->stage) : "connected";
        json_t *found = NULL, *item;
        size_t n;
        json_array_foreach(ret, n, item)
        {
            if (strcmp(result_text(item, "stage", ""), stage) == 0 &&
                strcmp(result_text(item, "error", ""), f->error) == 0)
                found = item;
        }
        if (found != NULL)
            json_object_set_new(
                found, "count",
                json_integer(json_integer_value(json_object_get(found, "count")) + 1));
        else if (json_array_size(ret) < FAILURE_KINDS_MAX)
            json_array_append_new(ret, json_pack("{ss ss ss si si}", "stage", stage, "error",
                                                 f->error, "message", f->message, "count", 1, "bot",
                                                 (int)all[i].bot));
    }
    free(all);
    return ret;
}

static void put_joins(struct run *r, json_t *result)
{
    json_t *joins = json_object_get(result, "joins");
    if (joins == NULL) {
        joins = json_object();
        json_object_set_new(result, "joins", joins);
    }
    json_object_set_new(joins, "wanted", json_integer((json_int_t)r->bots));
    json_object_set_new(joins, "joined", json_integer((json_int_t)r->after.joined));
    json_object_set_new(joins, "failed", json_integer((json_int_t)r->after.failed));
    json_object_set_new(joins, "failures", failures_json(r));
}

/* Joins are counted over the whole run, everything else over the plateau. */
static void put_measures(struct run *r, json_t *result)
{
    static struct engine_snapshot plateau;
    plateau = r->after;
    engine_snapshot_subtract(&plateau, &r->before);
    memcpy(plateau.measure.stages, r->after.measure.stages, sizeof plateau.measure.stages);
    plateau.measure.join_started = r->after.measure.join_started;
    plateau.measure.offers = r->after.measure.offers;
    uint16_t heights[MEASURE_LAYERS_MAX];
    collect_heights(r->scenario, heights);
    measure_to_json(&plateau.measure, heights, result);
    json_object_set_new(json_object_get(result, "audio"), "pairs",
                        collect_pairs_json(&r->collected, MEDIA_AUDIO));
    json_object_set_new(json_object_get(result, "video"), "pairs",
                        collect_pairs_json(&r->collected, MEDIA_VIDEO));
    json_object_set_new(result, "others", collect_others_json(&r->collected));
    json_t *tones = json_object_get(json_object_get(result, "audio"), "tones");
    if (tones != NULL)
        json_object_set(tones, "examples", r->collected.tone_examples);
}

/* What breaks after an event was over is its echo, until the next event. Breaks are dated by what
 * came last before them. */
static usec echo_until(const struct run *r, usec began, usec over)
{
    usec until = over + CHAOS_ECHO_US, next, ignored;
    for (unsigned i = 0; r->chaos != NULL && i < r->scenario->chaos_count; i++) {
        if (chaos_times(r->chaos, i, &next, &ignored) && next > began)
            until = MIN(until, next - CHAOS_DATED_US);
    }
    for (unsigned i = 0; i < r->scenario->storm_count; i++) {
        if (r->storms[i].at > began)
            until = MIN(until, r->storms[i].at - CHAOS_DATED_US);
    }
    return MAX(until, over);
}

static json_t *chaos_json(struct run *r)
{
    json_t *ret = json_array();
    for (unsigned i = 0; i < r->scenario->chaos_count; i++) {
        json_t *item = r->chaos == NULL ? NULL : chaos_to_json(r->chaos, i, r->started_at);
        usec began, over;
        if (item == NULL || !chaos_times(r->chaos, i, &began, &over)) {
            json_decref(item);
            continue;
        }
        over = over == 0 ? r->plateau_end : over;
        collect_hit(&r->collected, began, echo_until(r, began, over), r->started_at, r->plateau_end,
                    item);
        json_array_append_new(ret, item);
    }
    for (unsigned i = 0; i < r->scenario->storm_count; i++) {
        const struct storm_done *s = &r->storms[i];
        if (s->at == 0)
            continue;
        double at_s = (double)(s->at - r->started_at) / 1e6;
        json_t *item = json_pack("{ss ss sf sf sn so}", "name", r->scenario->storms[i].name, "kind",
                                 "storm", "at_s", at_s, "until_s", at_s, "exit_status", "output",
                                 json_sprintf("%u bots", s->hit));
        collect_hit(&r->collected, s->at - MILLIS(50), echo_until(r, s->at, s->at), r->started_at,
                    r->plateau_end, item);
        json_array_append_new(ret, item);
    }
    return ret;
}

/* --- the tester itself --- */

struct tester {
    double busiest, busiest_joining, cpu_s, steal_share, throttled_share;
    uint64_t socket_drops, send_failures, outbound_dropped, datagrams_in;
    struct histogram late;
    unsigned busiest_thread;
};

static void sum_tester(struct run *r, struct tester *t)
{
    static struct engine_snapshot plateau;
    plateau = r->after;
    engine_snapshot_subtract(&plateau, &r->before);
    for (unsigned i = 0; i < r->before.thread_count; i++) {
        const struct engine_thread_stats *s = &r->before.threads[i];
        double busy = s->wall_us == 0 ? 0 : (double)s->busy_us / (double)s->wall_us;
        t->busiest_joining = MAX(t->busiest_joining, busy);
    }
    for (unsigned i = 0; i < plateau.thread_count; i++) {
        const struct engine_thread_stats *s = &plateau.threads[i];
        double busy = s->wall_us == 0 ? 0 : (double)s->busy_us / (double)s->wall_us;
        if (busy > t->busiest) {
            t->busiest = busy;
            t->busiest_thread = i;
        }
        t->socket_drops += s->socket_drops;
        t->send_failures += s->send_full + s->outbound_dropped;
        t->outbound_dropped += s->outbound_dropped;
        t->datagrams_in += s->datagrams_in;
        histogram_add(&t->late, &s->late_us);
    }
    double span = (double)(r->cpu_after.at - r->cpu_before.at) / 1e6;
    double all = r->cpu_after.all_s - r->cpu_before.all_s;
    t->cpu_s = r->cpu_after.process_s - r->cpu_before.process_s;
    t->steal_share = all <= 0 ? 0 : (r->cpu_after.steal_s - r->cpu_before.steal_s) / all;
    t->throttled_share =
        span <= 0 ? 0
                  : (double)(r->cpu_after.throttled_us - r->cpu_before.throttled_us) / 1e6 / span;
}

/* Nothing was measured: a run in which nobody joined, or that was ended before. */
static bool is_empty(const struct run *r)
{
    return r->cpu_after.at - r->cpu_before.at < SATURATED_SPAN_MIN_US;
}

static json_t *saturation_reasons(const struct run *r, const struct tester *t)
{
    json_t *ret = json_array();
    if (r->stuck)
        json_array_append_new(ret, json_string("a thread did not answer in time"));
    if (is_empty(r)) /* shares of almost no time say nothing */
        return ret;
    if (t->busiest > SATURATED_BUSY)
        json_array_append_new(ret, json_sprintf("thread %u was busy (or waiting for a CPU) %.0f %% "
                                                "of the time",
                                                t->busiest_thread, t->busiest * 100));
    if (t->busiest_joining > SATURATED_BUSY && r->after.joined < r->bots)
        json_array_append_new(ret, json_sprintf("a thread was busy %.0f %% of the time while bots "
                                                "joined, and not all of them did",
                                                t->busiest_joining * 100));
    uint64_t late = histogram_percentile(&t->late, 99);
    if (late > SATURATED_LATE_US)
        json_array_append_new(ret, json_sprintf("1 %% of its timers ran more than %.1f ms late",
                                                (double)late / 1000));
    if ((double)t->socket_drops > SATURATED_DROPS * (double)MAX(t->datagrams_in, 1))
        json_array_append_new(ret, json_sprintf("its sockets dropped %llu of %llu datagrams",
                                                (unsigned long long)t->socket_drops,
                                                (unsigned long long)t->datagrams_in));
    if (t->send_failures > 0)
        json_array_append_new(ret, json_sprintf("%llu datagrams could not be sent in time",
                                                (unsigned long long)t->send_failures));
    if (t->throttled_share > SATURATED_THROTTLED)
        json_array_append_new(ret,
                              json_sprintf("its CPU quota held a thread back %.0f %% of the time",
                                           MIN(t->throttled_share, 1) * 100));
    if (t->steal_share > SATURATED_STEAL)
        json_array_append_new(ret, json_sprintf("the hypervisor took %.0f %% of this machine's CPU",
                                                t->steal_share * 100));
    return ret;
}

static json_t *tester_json(struct run *r)
{
    static struct tester t;
    t = (struct tester){ 0 };
    sum_tester(r, &t);
    json_t *reasons = saturation_reasons(r, &t);
    double span = MAX((double)(r->cpu_after.at - r->cpu_before.at) / 1e6, 1e-6);
    double per_bot = ((double)r->cpu_after.memory_bytes - (double)r->cpu_idle.memory_bytes) /
                     (double)MAX(r->after.joined, 1u);
    return json_pack("{sf sf si s{sI sI} sI sf sI sI so sf sb so}", "cpu_seconds", t.cpu_s,
                     "cpu_share_busiest_thread", t.busiest, "threads", (int)r->after.thread_count,
                     "memory_bytes", "start", (json_int_t)r->cpu_idle.memory_bytes, "peak",
                     (json_int_t)r->cpu_after.memory_peak_bytes, "memory_bytes_per_bot",
                     (json_int_t)MAX(per_bot, 0), "cpu_us_per_bot_second",
                     is_empty(r) ? 0 : t.cpu_s * 1e6 / span / (double)MAX(r->after.joined, 1u),
                     "socket_drops", (json_int_t)t.socket_drops, "send_failures",
                     (json_int_t)t.send_failures, "late_us", histogram_to_json(&t.late),
                     "steal_share", t.steal_share, "saturated", (int)(json_array_size(reasons) > 0),
                     "reasons", reasons);
}

static json_t *environment_json(struct run *r)
{
    json_t *ret = fingerprint_json();
    json_object_set_new(ret, "cipher", json_string("AEAD_AES_128_GCM"));
    json_t *backends = servers_io_backends(r->servers);
    if (backends != NULL)
        json_object_set_new(ret, "io_backends", backends);
    return ret;
}

json_t *run_result_json(struct run *r)
{
    bool in_payload = r->options->driver->stamp == STAMP_IN_PAYLOAD;
    json_t *ret =
        json_pack("{ss s{ss ss ss si} so ss so so so}", "schema", RESULT_SCHEMA, "tool", "version",
                  CONCLAVE_VERSION, "driver", r->options->driver->name, "stamp",
                  in_payload ? "payload" : "extension", "machines", 1, "scenario", scenario_json(r),
                  "target", r->options->url, "started", started_json(r), "seconds", seconds_json(r),
                  "environment", environment_json(r));
    put_measures(r, ret);
    put_joins(r, ret);
    json_object_set_new(ret, "groups", collect_groups_json(r->groups_before, r->groups_after));
    json_object_set_new(ret, "chaos", chaos_json(r));
    json_object_set(ret, "servers", r->servers_json);
    json_object_set_new(ret, "tester", tester_json(r));
    json_object_set_new(ret, "series", run_series_json(r));
    json_object_set_new(ret, "search", json_null());
    json_object_set_new(ret, "interrupted", json_boolean(r->interrupted));
    return ret;
}

/* --- the verdict --- */

static void expect(json_t *reasons, bool ok, json_t *reason)
{
    if (ok)
        json_decref(reason);
    else
        json_array_append_new(reasons, reason);
}

/* What no run should lack, whatever its objectives. */
static void check_expectations(const json_t *result, json_t *reasons)
{
    double wanted = result_number(result, "joins.wanted"),
           joined = result_number(result, "joins.joined");
    expect(reasons, joined >= wanted, json_sprintf("%.0f of %.0f bots joined", joined, wanted));
    static const struct {
        const char *path, *text;
    } never[] = {
        { "audio.pairs.missing_count", "voices were not heard by who should hear them" },
        { "audio.pairs.stalled", "voices had stopped when the measuring ended" },
        { "audio.pairs.unexpected", "times a voice was heard that should not be" },
        { "audio.tones.wrong", "samples of decoded audio had another tone than the speaker's" },
        { "video.pairs.missing_count", "cameras were not seen by who asked for them" },
        { "video.pairs.stalled", "cameras stood still when the measuring ended" },
        { "video.pairs.unexpected", "times a camera was seen that should not be" },
        { "errors.srtp_authentication", "packets failed SRTP authentication" },
    };
    for (size_t i = 0; i < ARRAY_LEN(never); i++) {
        double n = result_number(result, never[i].path);
        expect(reasons, !(n > 0), json_sprintf("%.0f %s", n, never[i].text));
    }
    bool received = result_number(result, "audio.received.packets") > 0 ||
                    result_number(result, "video.received.packets") > 0;
    bool is_short =
        result_number(result, "seconds.plateau") + result_number(result, "seconds.settle") <
        SECONDS_TO_TELL;
    expect(
        reasons, !received || !is_short,
        json_string("settling and measuring took less than 4 s: too short to tell who is heard"));
    const json_t *item;
    size_t i;
    json_array_foreach(result_at(result, "chaos"), i, item)
    {
        double exit_status = result_number(item, "exit_status");
        expect(reasons, !(exit_status != 0) || exit_status != exit_status,
               json_sprintf("%s: its command failed with status %.0f",
                            result_text(item, "name", ""), exit_status));
        double lost = result_number(item, "signaling.never");
        expect(reasons, !(lost > 0),
               json_sprintf("%s: %.0f bots never came back", result_text(item, "name", ""), lost));
    }
}

static void judge_objectives(json_t *result, const struct slo *slo, json_t *reasons)
{
    json_t *judged = slo_evaluate(slo, result);
    expect(reasons, judged != NULL, json_string("no memory to judge the objectives"));
    json_object_set_new(result, "slo", judged);
    const json_t *term;
    size_t i;
    json_array_foreach(json_object_get(judged, "terms"), i, term)
        expect(reasons, result_true(term, "passed"),
               json_sprintf("%s: %s", result_text(term, "text", ""), result_text(term, "why", "")));
}

enum run_exit run_judge(json_t *result, const struct slo *slo)
{
    json_t *reasons = json_array();
    if (slo == NULL || slo->term_count == 0)
        json_object_set_new(result, "slo", json_null());
    else
        judge_objectives(result, slo, reasons);
    check_expectations(result, reasons);
    bool saturated = result_true(result, "tester.saturated");
    bool interrupted = result_true(result, "interrupted");
    bool nobody = result_number(result, "joins.joined") == 0;
    bool failed = json_array_size(reasons) > 0;
    enum run_exit exit_status = interrupted ? RUN_INTERRUPTED
                                : nobody    ? RUN_UNREACHABLE
                                : saturated ? RUN_SATURATED
                                : failed    ? RUN_FAILED
                                            : RUN_PASSED;
    const char *verdict = interrupted ? "interrupted"
                          : nobody    ? "failed"
                          : saturated ? "saturated"
                          : failed    ? "failed"
                                      : "passed";
    if (saturated)
        json_array_insert_new(reasons, 0,
                              json_string("the tester was saturated: what it measured says nothing "
                                          "about the servers"));
    json_object_set_new(result, "verdict", json_string(verdict));
    json_object_set_new(result, "verdict_reasons", reasons);
    return exit_status;
}
