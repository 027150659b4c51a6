/* SPDX-License-Identifier: Apache-2.0 */
#include "io/job.h"

#include "core/live_json.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

static enum err refuse(struct job_error *e, const char *id, const char *format, ...)
    PRINTF_LIKE(3, 4);

static enum err refuse(struct job_error *e, const char *id, const char *format, ...)
{
    va_list args;
    e->id = id;
    va_start(args, format);
    (void)vsnprintf(e->message, sizeof e->message, format, args);
    va_end(args);
    return ERR_MALFORMED;
}

/* NULL if it is not a text, or empty. */
static const char *text_at(const json_t *json, const char *key)
{
    const char *text = json_string_value(json_object_get(json, key));
    return text == NULL || text[0] == '\0' ? NULL : text;
}

static json_int_t number_at(const json_t *json, const char *key)
{
    return json_integer_value(json_object_get(json, key));
}

static bool in_range(json_int_t n, json_int_t max)
{
    return n >= 0 && n <= max;
}

static enum err parse_scenario(const json_t *json, struct job *j, struct job_error *e)
{
    const char *yaml = text_at(json, "scenario"), *sets[JOB_SETS_MAX];
    const json_t *list = json_object_get(json, "sets");
    size_t count = json_array_size(list);
    char why[SCENARIO_ERROR_MAX];
    if (yaml == NULL || count > JOB_SETS_MAX)
        return refuse(e, "bad-request", "no scenario, or too many overrides");
    for (size_t i = 0; i < count; i++) {
        sets[i] = json_string_value(json_array_get(list, i));
        if (sets[i] == NULL)
            return refuse(e, "bad-request", "overrides are texts");
    }
    if (scenario_parse(bytes_of_str(yaml), sets, count, &j->scenario, why) != OK)
        return refuse(e, "bad-scenario", "%s", why);
    json_int_t scale = number_at(json, "scale");
    if (!in_range(scale, SCENARIO_BOTS_MAX))
        return refuse(e, "bad-request", "scale is a number of bots");
    if (scale > 0)
        scenario_scale(j->scenario, (unsigned)scale);
    return OK;
}

/* Of the machines with bots each lets its share join, so that all together join at the scenario's
 * rate; and none runs commands. */
static void make_a_share(struct scenario *s, unsigned bots)
{
    s->joins_per_second *= (double)bots / (double)scenario_bot_count(s);
    for (unsigned i = 0; i < s->chaos_count; i++) {
        struct chaos *c = &s->chaos[i];
        memcpy(c->run, ":", 2);
        if (c->undo[0] != '\0')
            memcpy(c->undo, ":", 2);
    }
}

static enum err parse_share(const json_t *json, struct job *j, struct job_error *e)
{
    struct run_options *o = &j->options;
    json_int_t all = (json_int_t)scenario_bot_count(j->scenario);
    json_int_t first = number_at(json, "bot_first"), count = number_at(json, "bot_count");
    o->without_bots = json_is_true(json_object_get(json, "observer"));
    o->allow_chaos = !o->without_bots || json_is_true(json_object_get(json, "chaos"));
    o->start_at = number_at(json, "start_at");
    o->plateau_at = number_at(json, "plateau_at");
    o->clock_offset_us = number_at(json, "clock_offset_us");
    if (!in_range(o->start_at, INT64_MAX / 4) || !in_range(o->plateau_at, INT64_MAX / 4) ||
        o->clock_offset_us < -SECONDS(86400) || o->clock_offset_us > SECONDS(86400))
        return refuse(e, "bad-request", "start_at, plateau_at or clock_offset_us is no time");
    if (number_at(json, "bots") != all)
        return refuse(e, "other-version", "the scenario means %lld bots here, not %lld", all,
                      number_at(json, "bots"));
    if (o->without_bots)
        return OK;
    if (!in_range(first, all) || count < 1 || count > all - first)
        return refuse(e, "bad-request", "there are no %lld bots from %lld on, of %lld", count,
                      first, all);
    o->bot_first = (unsigned)first;
    o->bot_count = (unsigned)count;
    make_a_share(j->scenario, o->bot_count);
    return OK;
}

static enum err parse_servers(const json_t *json, struct run_options *o, struct job_error *e)
{
    const json_t *item;
    size_t i;
    json_array_foreach(json_object_get(json, "servers"), i, item)
    {
        if (i == RUN_SERVERS_MAX)
            return refuse(e, "bad-request", "too many servers");
        o->servers[i].name = (char *)text_at(item, "name");
        o->servers[i].metrics_url = (char *)text_at(item, "metrics");
        o->servers[i].pid = (int)number_at(item, "pid");
        o->server_count = (unsigned)i + 1;
    }
    return OK;
}

static enum err parse_target(const json_t *json, struct job *j, struct job_error *e)
{
    struct run_options *o = &j->options;
    const char *driver = text_at(json, "driver"), *seed = text_at(json, "seed");
    json_int_t threads = number_at(json, "threads");
    o->url = text_at(json, "url");
    o->driver = driver == NULL ? NULL : driver_find(driver);
    o->token = text_at(json, "token");
    o->run_id = text_at(json, "run_id");
    o->source = text_at(json, "source");
    o->cluster = text_at(json, "cluster");
    o->insecure = json_is_true(json_object_get(json, "insecure"));
    o->scenario_text = text_at(json, "scenario");
    j->ca_pem = text_at(json, "ca");
    if (o->url == NULL || strstr(o->url, "://") == NULL)
        return refuse(e, "bad-request", "url must begin with http://, https://, ws:// or wss://");
    if (o->driver == NULL)
        return refuse(e, "bad-request", "driver is one of %s", driver_names);
    if (o->run_id == NULL || !in_range(threads, 64))
        return refuse(e, "bad-request", "run_id is a text, threads a number up to 64");
    o->threads = (unsigned)threads;
    o->seed = seed == NULL ? 0 : strtoull(seed, NULL, 10);
    o->quiet = true;
    return parse_servers(json, o, e);
}

enum err job_parse(const json_t *json, struct job *ret, struct job_error *ret_error)
{
    struct job j = { 0 };
    const char *version = text_at(json, "version");
    if (version == NULL || strcmp(version, CONCLAVE_VERSION) != 0)
        return refuse(ret_error, "other-version", "this is version " CONCLAVE_VERSION ", not %s",
                      version == NULL ? "of another kind" : version);
    enum err err = parse_target(json, &j, ret_error);
    if (err == OK)
        err = parse_scenario(json, &j, ret_error);
    if (err == OK)
        err = parse_share(json, &j, ret_error);
    if (err == OK)
        *ret = j;
    else
        job_done(&j);
    return err;
}

void job_done(struct job *j)
{
    scenario_free(j->scenario);
    j->scenario = NULL;
}

bool job_uses_files(const struct job *j)
{
    for (unsigned i = 0; i < j->scenario->group_count; i++) {
        const struct group *g = &j->scenario->groups[i];
        if (g->video_file[0] != '\0' || g->audio_file[0] != '\0' || g->record_dir[0] != '\0')
            return true;
    }
    return false;
}

void job_strip(json_t *json)
{
    static const char *const LOCAL[] = { "source", "observer", "chaos", "cluster", "servers" };
    for (size_t i = 0; i < ARRAY_LEN(LOCAL); i++)
        json_object_del(json, LOCAL[i]);
}

/* --- running it --- */

static bool write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        data += n;
        len -= (size_t)n;
    }
    return true;
}

/* Takes the reference. */
static void write_line(int out, json_t *line)
{
    char *text = json_dumps(line, JSON_COMPACT | JSON_REAL_PRECISION(15));
    if (text != NULL && write_all(out, text, strlen(text)))
        (void)write_all(out, "\n", 1);
    free(text);
    json_decref(line);
}

static void on_second(const struct live_stats *live, void *data)
{
    write_line(*(const int *)data, json_pack("{so}", "live", live_to_json(live)));
}

static json_t *read_json(int in, struct job_error *e)
{
    json_error_t error;
    json_t *json = json_loadfd(in, JSON_REJECT_DUPLICATES, &error);
    if (json == NULL)
        (void)refuse(e, "bad-request", "the job is not JSON: %s", error.text);
    return json;
}

/* Libraries want a file: one that is only in memory. */
static bool put_authorities(struct job *j, char path[40])
{
    if (j->ca_pem == NULL)
        return true;
    int fd = memfd_create("authorities", 0);
    if (fd < 0 || !write_all(fd, j->ca_pem, strlen(j->ca_pem)))
        return false;
    (void)snprintf(path, 40, "/proc/self/fd/%d", fd);
    j->options.ca_file = path;
    return true;
}

int job_run(int in, int out)
{
    struct job_error error = { .id = "failed", .message = "no memory" };
    struct job job = { 0 };
    char ca_path[40];
    json_t *result = NULL;
    int exit_status = RUN_USAGE;
    (void)signal(SIGPIPE, SIG_IGN);
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    json_t *json = read_json(in, &error);
    if (json != NULL && job_parse(json, &job, &error) == OK) {
        job.options.on_second = on_second;
        job.options.data = &out;
        if (put_authorities(&job, ca_path))
            exit_status = (int)run_scenario(job.scenario, &job.options, &result, error.message);
    }
    json_t *line = json_pack("{si}", "exit_status", exit_status);
    if (result != NULL)
        json_object_set_new(line, "result", result);
    else
        json_object_set_new(line, "error", json_string(error.message));
    write_line(out, line);
    job_done(&job);
    json_decref(json);
    return exit_status;
}
