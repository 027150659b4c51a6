/* SPDX-License-Identifier: Apache-2.0 */
#include "io/coordinator_private.h"

#include "common/os/clock.h"
#include "common/os/random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define START_MARGIN_US         SECONDS(2)
#define START_MARGIN_PER_BOT_US 1000        /* processes make their bots before they start */
#define JOIN_MARGIN_MAX_US      SECONDS(10) /* for the last ones to be in */
#define END_MARGIN_US           SECONDS(90)

enum run_exit coordinator_plan(struct coordinator *c)
{
    const struct scenario *s = c->scenario;
    struct share shares[SHARES_MACHINES_MAX];
    unsigned bots = scenario_bot_count(s), most = 0, used = 0;
    shares_deal(bots, bots / MAX(s->rooms, 1u), c->count, shares);
    for (unsigned i = 0; i < c->count; i++) {
        c->machines[i].share = shares[i];
        most = MAX(most, shares[i].bot_count);
        used += shares[i].bot_count > 0;
    }
    c->count = used;
    if (s->chaos_count > 0 && !c->options->run->allow_chaos)
        return coordinator_fail(
            c, RUN_USAGE, "the scenario runs commands against the servers; allow it with --chaos");
    usec ramp = (usec)((double)bots / s->joins_per_second * 1e6);
    usec lead = START_MARGIN_US + (usec)most * START_MARGIN_PER_BOT_US;
    usec until_plateau = lead + ramp + MIN(s->join_timeout_us, JOIN_MARGIN_MAX_US) + s->settle_us;
    c->start_at = clock_wall() + lead;
    c->plateau_at = clock_wall() + until_plateau;
    c->began_at = clock_now();
    c->ends_at = c->began_at + until_plateau + s->duration_us;
    c->deadline = c->ends_at + END_MARGIN_US;
    (void)snprintf(c->run_id, sizeof c->run_id, "%08llx",
                   (unsigned long long)random_below(UINT64_C(1) << 32));
    return RUN_PASSED;
}

static json_t *text_or_null(const char *text)
{
    return text == NULL ? json_null() : json_string(text);
}

/* The authorities are sent as they are: agents do not have our files. */
static bool put_authorities(struct coordinator *c, json_t *job)
{
    const char *path = c->options->run->ca_file;
    if (path == NULL)
        return true;
    FILE *f = fopen(path, "re");
    size_t capacity = 256 << 10, len = 0;
    char *pem = calloc(1, capacity);
    if (f != NULL && pem != NULL)
        len = fread(pem, 1, capacity - 1, f);
    if (f != NULL)
        (void)fclose(f);
    json_object_set_new(job, "ca", text_or_null(pem));
    free(pem);
    if (len > 0)
        return true;
    (void)coordinator_fail(c, RUN_USAGE, "--ca %s cannot be read", path);
    return false;
}

static json_t *servers_json(const struct run_options *o)
{
    json_t *ret = json_array();
    for (unsigned i = 0; i < o->server_count; i++)
        json_array_append_new(ret, json_pack("{ss so si}", "name", o->servers[i].name, "metrics",
                                             text_or_null(o->servers[i].metrics_url), "pid",
                                             o->servers[i].pid));
    return ret;
}

static void put_share(const struct coordinator *c, const struct machine *m, json_t *job)
{
    /* what cannot be told from nothing is not taken out */
    bool is_known = fabs(m->offset_us) > m->uncertainty_us;
    json_object_set_new(job, "bot_first", json_integer((json_int_t)m->share.bot_first));
    json_object_set_new(job, "bot_count", json_integer((json_int_t)m->share.bot_count));
    json_object_set_new(job, "clock_offset_us",
                        json_integer(is_known ? (json_int_t)llround(m->offset_us) : 0));
    json_object_set_new(job, "token", text_or_null(c->options->run->token));
}

static void put_watch(const struct coordinator *c, json_t *job)
{
    const struct run_options *o = c->options->run;
    json_object_set_new(job, "observer", json_true());
    json_object_set_new(job, "chaos", json_boolean(o->allow_chaos));
    json_object_set_new(job, "cluster", text_or_null(o->cluster));
    json_object_set_new(job, "servers", servers_json(o));
}

json_t *coordinator_job(struct coordinator *c, const struct machine *m)
{
    const struct run_options *o = c->options->run;
    char seed[24];
    (void)snprintf(seed, sizeof seed, "%llu", (unsigned long long)o->seed);
    json_t *sets = json_array();
    for (size_t i = 0; i < c->options->set_count; i++)
        json_array_append_new(sets, json_string(c->options->sets[i]));
    json_t *job = json_pack(
        "{ss ss so si si ss ss sb si ss ss sI sI}", "version", CONCLAVE_VERSION, "scenario",
        o->scenario_text, "sets", sets, "scale", (int)c->options->scale, "bots",
        (int)scenario_bot_count(c->scenario), "url", o->url, "driver", o->driver->name, "insecure",
        (int)o->insecure, "threads", (int)o->threads, "seed", seed, "run_id", c->run_id, "start_at",
        (json_int_t)c->start_at, "plateau_at", (json_int_t)c->plateau_at);
    if (job == NULL) {
        (void)coordinator_fail(c, RUN_USAGE, "the scenario is not UTF-8");
        return NULL;
    }
    if (m != NULL)
        put_share(c, m, job);
    else
        put_watch(c, job);
    if (put_authorities(c, job))
        return job;
    json_decref(job);
    return NULL;
}
