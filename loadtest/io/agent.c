/* SPDX-License-Identifier: Apache-2.0 */
#include "io/agent.h"

#include "common/os/clock.h"
#include "common/os/http_server.h"
#include "common/os/log.h"
#include "common/os/random.h"
#include "io/job.h"
#include "io/job_process.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { TICK_MS = 100 };
#define STOP_GRACE_US SECONDS(10)

struct agent {
    struct agent_options options;
    struct http_server *server;
    uv_timer_t tick;
    struct job_process *process; /* of the newest run; NULL: there was none */
    char id[ID_CAPACITY];
    usec heard_at; /* of its coordinator */
    usec asked_at; /* by anybody who knows the key */
    usec ended_at; /* was told to end; 0: was not */
    bool is_over;  /* its end is logged */
    usec stop_at;  /* 0: not stopping */
    bool is_closing;
};

/* --- who may, and what --- */

bool agent_url_is_below(const char *url, const char *prefix)
{
    size_t len = strlen(prefix);
    if (strncmp(url, prefix, len) != 0 || strchr(url, '@') != NULL || strchr(url, '\\') != NULL)
        return false;
    return len > 0 && (prefix[len - 1] == '/' || strchr("/?#", url[len]) != NULL);
}

static bool may_test(const struct agent *a, const char *url)
{
    for (size_t i = 0; i < a->options.url_count; i++) {
        if (agent_url_is_below(url, a->options.urls[i]))
            return true;
    }
    return a->options.url_count == 0;
}

/* False: answered. */
static bool authorize(struct agent *a, struct http_exchange *x)
{
    struct bytes sent = http_request_bearer(http_exchange_request(x));
    if (bytes_equal_secret(sent, a->options.key)) {
        a->asked_at = clock_now();
        return true;
    }
    struct http_response *r = http_exchange_response(x);
    http_response_header(r, "WWW-Authenticate", "Bearer");
    http_response_problem(r, 401, "bad-key", "this agent has another key");
    http_exchange_finish(x);
    log_warn("request.refused", KV_STR("address", http_exchange_request(x)->client_address));
    return false;
}

/* The run that is asked for; false: answered. */
static bool find_run(struct agent *a, struct http_exchange *x)
{
    const char *id = http_request_param(http_exchange_request(x), "id");
    if (a->process != NULL && strcmp(id, a->id) == 0)
        return true;
    http_response_problem(http_exchange_response(x), 404, "not-found",
                          "there is no such run here (has the agent been restarted?)");
    http_exchange_finish(x);
    return false;
}

static void get_time(struct http_exchange *x, void *data)
{
    if (!authorize(data, x))
        return;
    http_response_json(http_exchange_response(x), 200,
                       json_pack("{sI sI}", "received_us",
                                 (json_int_t)http_exchange_request(x)->wall, "sent_us",
                                 (json_int_t)clock_wall()));
    http_exchange_finish(x);
}

/* --- runs --- */

static bool is_busy(const struct agent *a)
{
    return a->process != NULL && !job_process_has_ended(a->process);
}

static void end_run(struct agent *a, const char *why)
{
    if (!is_busy(a))
        return;
    bool is_second = a->ended_at != 0;
    if (!is_second)
        a->ended_at = clock_now();
    job_process_signal(a->process, is_second ? SIGKILL : SIGTERM);
    log_info("run.ending", KV_STR("run", a->id), KV_STR("why", why));
}

static int status_of(const char *error)
{
    return strcmp(error, "other-version") == 0 ? 409 : 400;
}

/* False: answered. */
static bool check_job(const struct agent *a, const json_t *json, struct http_response *r)
{
    struct job job;
    struct job_error error = { .id = "bad-request" };
    if (job_parse(json, &job, &error) != OK) {
        http_response_problem(r, status_of(error.id), error.id, "%s", error.message);
        return false;
    }
    bool ok = may_test(a, job.options.url);
    if (!ok)
        http_response_problem(r, 403, "url-not-allowed", "this agent may not test %s",
                              job.options.url);
    else if (!a->options.allow_files && job_uses_files(&job)) {
        ok = false;
        http_response_problem(r, 403, "files-not-allowed",
                              "the scenario names files, and this agent has no --allow-files");
    }
    job_done(&job);
    return ok;
}

static bool start_run(struct agent *a, json_t *json, struct http_response *r)
{
    struct job_process *process = job_process_start(json);
    if (process == NULL) {
        http_response_problem(r, 500, "failed", "no process: %s", strerror(errno));
        return false;
    }
    job_process_free(a->process);
    a->process = process;
    random_id(a->id, "run_");
    a->heard_at = clock_now();
    a->ended_at = 0;
    a->is_over = false;
    log_info("run.started", KV_STR("run", a->id),
             KV_STR("url", json_string_value(json_object_get(json, "url"))),
             KV_U64("bots", (uint64_t)json_integer_value(json_object_get(json, "bot_count"))));
    http_response_json(r, 202, json_pack("{ss}", "id", a->id));
    return true;
}

static void post_run(struct http_exchange *x, void *data)
{
    struct agent *a = data;
    struct http_response *r = http_exchange_response(x);
    json_t *json = NULL;
    if (!authorize(a, x))
        return;
    if (is_busy(a) || a->stop_at != 0) {
        http_response_problem(r, 409, "busy", "this agent is in another run");
    } else if (http_request_json(http_exchange_request(x), &json) != OK) {
        http_response_problem(r, 400, "bad-request", "the job is not JSON");
    } else {
        job_strip(json);
        if (a->options.source != NULL)
            json_object_set_new(json, "source", json_string(a->options.source));
        if (check_job(a, json, r))
            (void)start_run(a, json, r);
    }
    json_decref(json);
    http_exchange_finish(x);
}

static json_t *copy_or_null(const json_t *json)
{
    return json == NULL ? json_null() : json_incref((json_t *)json);
}

static void get_run(struct http_exchange *x, void *data)
{
    struct agent *a = data;
    if (!authorize(a, x) || !find_run(a, x))
        return;
    a->heard_at = clock_now();
    job_process_read(a->process);
    const json_t *result = job_process_result(a->process);
    bool has_ended = job_process_has_ended(a->process);
    json_t *answer = json_pack("{ss ss so}", "id", a->id, "state",
                               !has_ended       ? "running"
                               : result != NULL ? "ended"
                                                : "failed",
                               "live", copy_or_null(job_process_live(a->process)));
    if (has_ended && result != NULL)
        json_object_set(answer, "result", (json_t *)result);
    else if (has_ended)
        json_object_set_new(answer, "error", json_string(job_process_error(a->process)));
    http_response_json(http_exchange_response(x), 200, answer);
    http_exchange_finish(x);
}

static void delete_run(struct http_exchange *x, void *data)
{
    struct agent *a = data;
    if (!authorize(a, x) || !find_run(a, x))
        return;
    a->heard_at = clock_now();
    end_run(a, "the coordinator said so");
    http_response_json(http_exchange_response(x), 202, json_pack("{ss}", "id", a->id));
    http_exchange_finish(x);
}

static const struct http_route ROUTES[] = {
    { .method = HTTP_METHOD_GET, .pattern = "/v1/time", .handle = get_time },
    { .method = HTTP_METHOD_POST, .pattern = "/v1/runs", .handle = post_run },
    { .method = HTTP_METHOD_GET, .pattern = "/v1/runs/{id}", .handle = get_run },
    { .method = HTTP_METHOD_DELETE, .pattern = "/v1/runs/{id}", .handle = delete_run },
};

/* --- time --- */

static void on_closed(uv_handle_t *handle)
{
    struct agent *a = handle->data;
    job_process_free(a->process);
    free(a);
}

static void on_server_stopped(void *data)
{
    struct agent *a = data;
    uv_close((uv_handle_t *)&a->tick, on_closed);
}

static void close_all(struct agent *a)
{
    if (a->is_closing)
        return;
    a->is_closing = true;
    http_server_stop(a->server, 0, on_server_stopped, a);
}

static void on_tick(uv_timer_t *timer)
{
    struct agent *a = timer->data;
    usec now = clock_now();
    if (is_busy(a)) {
        job_process_read(a->process);
        if (a->ended_at == 0 && now - a->heard_at > AGENT_SILENCE_US)
            end_run(a, "its coordinator is silent");
        else if (a->ended_at != 0 && now - a->ended_at > AGENT_KILL_US)
            end_run(a, "it does not end");
    }
    if (a->process != NULL && !a->is_over && !is_busy(a)) {
        a->is_over = true;
        log_info("run.ended", KV_STR("run", a->id), KV_STR("error", job_process_error(a->process)));
    }
    if (a->options.idle_max > 0 && a->stop_at == 0 && !is_busy(a) &&
        now - a->asked_at > a->options.idle_max)
        agent_stop(a);
    if (a->stop_at != 0 && (!is_busy(a) || now - a->stop_at > STOP_GRACE_US))
        close_all(a);
}

enum err agent_start(uv_loop_t *loop, const struct agent_options *options, struct agent **ret)
{
    check(options->key.len >= AGENT_KEY_MIN);
    struct agent *a = calloc(1, sizeof *a);
    if (a == NULL)
        return ERR_SYSTEM;
    a->options = *options;
    a->asked_at = clock_now();
    struct http_server_options http = { .listen = options->listen,
                                        .routes = ROUTES,
                                        .route_count = ARRAY_LEN(ROUTES),
                                        .data = a,
                                        .body_max = JOB_BYTES_MAX,
                                        .listener = "agent" };
    enum err err = http_server_start(loop, &http, &a->server);
    if (err != OK) {
        free(a);
        return err;
    }
    check(uv_timer_init(loop, &a->tick) == 0);
    a->tick.data = a;
    check(uv_timer_start(&a->tick, on_tick, TICK_MS, TICK_MS) == 0);
    *ret = a;
    return OK;
}

uint16_t agent_port(const struct agent *a)
{
    return http_server_port(a->server);
}

void agent_stop(struct agent *a)
{
    if (a->stop_at != 0) {
        close_all(a);
        return;
    }
    a->stop_at = clock_now();
    end_run(a, "the agent stops");
}
