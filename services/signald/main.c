/* main.c - signald: start, wire, run, drain. SPDX-License-Identifier: Apache-2.0 */
#include "common/os/clock.h"
#include "common/os/daemon.h"
#include "common/os/keyfile.h"
#include "common/os/log.h"
#include "common/os/random.h"
#include "config.h"
#include "io/cluster.h"
#include "io/nodes.h"
#include "io/runtime.h"
#include "io/scan.h"
#include "io/web.h"
#include "io/ws.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TICK_MS 50
/* SIGTERM to exit: telling clients (2 s), marks in Redis, audit events; then it ends regardless. */
#define STOP_LIMIT_MS 4000

static struct runtime runtime;
static struct admin *admin;
static struct daemon *daemon_handle;
static uv_timer_t tick_timer;
static uv_timer_t stop_timer;
static uint8_t *turn_secret; /* owned */
static size_t turn_secret_len;
static bool is_stopping;
static bool is_stopped;

static void stop_now(void)
{
    if (is_stopped)
        return;
    is_stopped = true;
    uv_stop(runtime.loop);
}

static void on_flushed(size_t left, void *data)
{
    if (left > 0)
        log_warn("audit.lost", KV_U64("events", left));
    stop_now();
}

static void on_stop_limit(uv_timer_t *timer)
{
    log_warn("daemon.stop-forced");
    stop_now();
}

static void on_tick(uv_timer_t *timer)
{
    static bool is_flushing;
    hub_on_tick(runtime_hub(&runtime));
    runtime_perform(&runtime);
    if (is_stopping && !is_flushing && hub_is_drained(runtime.hub)) {
        is_flushing = true;
        cluster_say_goodbye(runtime.cluster);
        audit_emitter_flush(runtime.audit, SECONDS(1), on_flushed, NULL);
    }
}

static void on_stop(void *data)
{
    if (is_stopping)
        return;
    is_stopping = true;
    log_info("daemon.stopping", KV_U64("sockets", runtime.hub->socket_count));
    daemon_notify_stopping(daemon_handle);
    admin_set_draining(admin);
    ws_stop_listening(runtime.ws);
    hub_on_drain(runtime_hub(&runtime));
    runtime_perform(&runtime);
    uv_timer_start(&stop_timer, on_stop_limit, STOP_LIMIT_MS, 0);
}

static void on_reload(void *data)
{
    struct web *fresh;
    enum err e = web_new(runtime.config->web_root, &fresh);
    if (e != OK) {
        log_error("web.reload-failed", KV_STR("root", runtime.config->web_root), KV_ERR("why", e));
        return;
    }
    web_unref(runtime.web);
    runtime.web = fresh;
    log_info("web.loaded", KV_U64("files", web_count(fresh)));
}

static bool start_web(void)
{
    enum err e = web_new(runtime.config->web_root, &runtime.web);
    if (e != OK) {
        log_error("web.load-failed", KV_STR("root", runtime.config->web_root), KV_ERR("why", e));
        return false;
    }
    log_info("web.loaded", KV_U64("files", web_count(runtime.web)));
    return true;
}

/* coturn uses the text of the file as it is, without the newline at its end. */
static bool load_turn_secret(const struct signald_config *c)
{
    char why[KEYFILE_WHY_CAPACITY] = "";
    if (c->turn_secret_file == NULL)
        return true;
    if (keyfile_read(c->turn_secret_file, &turn_secret, &turn_secret_len, why) != OK) {
        log_error("turn.secret-unusable", KV_STR("why", why));
        return false;
    }
    while (turn_secret_len > 0 && strchr("\r\n\t ", turn_secret[turn_secret_len - 1]) != NULL)
        turn_secret_len--;
    return true;
}

static void start_hub(const struct signald_config *c)
{
    random_id(runtime.epoch, "e_");
    struct hub_options options = {
        .instance = c->common.instance_id,
        .epoch = runtime.epoch,
        .room_participants_max = (unsigned)c->room_participants_max,
        .address_sockets_max = (unsigned)c->address_sockets_max,
        .joins_per_sec = c->join_rate,
        .joins_burst = (double)c->join_burst,
        .random = random_bytes,
        .ice_urls = c->turn_urls.items,
        .ice_url_count = c->turn_urls.count,
        .allowed_origins = c->allowed_origins.items,
        .allowed_origin_count = c->allowed_origins.count,
        .turn_secret = bytes_of(turn_secret, turn_secret_len),
        .turn_ttl = (usec)c->turn_ttl,
    };
    runtime.hub = hub_new(&options, clock_now(), clock_wall());
}

/* Everything that may fail, in order; says what did. */
static bool start(const struct signald_config *c)
{
    const char *stage = "daemon";
    enum err e = daemon_start(
        runtime.loop, &(struct daemon_options){ .on_stop = on_stop, .on_reload = on_reload },
        &daemon_handle);
    if (e == OK) {
        stage = "redis";
        e = cluster_new(&runtime, &runtime.cluster);
    }
    if (e == OK) {
        stage = "audit";
        struct audit_options options = { .redis = cluster_redis(runtime.cluster),
                                         .service = "signald",
                                         .instance = c->common.instance_id,
                                         .metrics = runtime.metrics };
        e = audit_emitter_new(runtime.loop, &options, &runtime.audit);
    }
    if (e == OK) {
        stage = "jwks";
        struct jwks_options options = { .url = c->jwks_url, .issuer = c->token_issuer };
        e = jwks_new(runtime.loop, &options, &runtime.jwks);
    }
    if (e == OK) {
        stage = "admin";
        e = admin_start(runtime.loop, c->common.admin_listen, runtime.metrics, &admin);
    }
    if (e == OK) {
        stage = "listen";
        runtime.nodes = nodes_new(&runtime);
        runtime.scan = scan_new(&runtime);
        e = ws_new(&runtime, &runtime.ws);
    }
    if (e != OK)
        log_error("daemon.start-failed", KV_STR("stage", stage), KV_ERR("why", e));
    return e == OK;
}

static void stop_everything(void)
{
    ws_free(runtime.ws);
    admin_stop(admin, NULL, NULL);
    jwks_free(runtime.jwks);
    audit_emitter_free(runtime.audit);
    runtime.audit = NULL;
    nodes_free(runtime.nodes);
    struct scan *scan = runtime.scan;
    runtime.scan = NULL;
    cluster_free(runtime.cluster);
    scan_free(scan);
    uv_close((uv_handle_t *)&tick_timer, NULL);
    uv_close((uv_handle_t *)&stop_timer, NULL);
    daemon_stop(daemon_handle);
}

int main(int argc, char **argv)
{
    static struct signald_config config;
    struct config *loaded = NULL;
    enum config_next next = signald_config_load(&config, argc, argv, environ, &loaded);
    if (next != CONFIG_RUN)
        return next == CONFIG_EXIT_OK ? 0 : DAEMON_EXIT_USAGE;
    log_init("signald", config.common.log_level, config.common.log_format);
    static uv_loop_t loop;
    check(uv_loop_init(&loop) == 0);
    runtime.config = &config;
    runtime.loop = &loop;
    runtime.metrics = metrics_new("signald");
    runtime_declare_metrics(&runtime);
    check(uv_timer_init(&loop, &tick_timer) == 0 && uv_timer_init(&loop, &stop_timer) == 0);
    if (!load_turn_secret(&config))
        return DAEMON_EXIT_UNAVAILABLE;
    start_hub(&config);
    if (!start_web() || !start(&config))
        return DAEMON_EXIT_UNAVAILABLE; /* the process ends: nothing to give back */
    admin_add_check(admin, "redis", redis_is_ready, cluster_redis(runtime.cluster));
    admin_add_check(admin, "jwks", jwks_is_ready, runtime.jwks);
    uv_timer_start(&tick_timer, on_tick, TICK_MS, TICK_MS);
    daemon_notify_ready(daemon_handle);
    log_info("daemon.started", KV_STR("instance", config.common.instance_id),
             KV_STR("version", CONCLAVE_VERSION), KV_STR("listen", config.listen),
             KV_U64("port", ws_port(runtime.ws)));
    uv_run(&loop, UV_RUN_DEFAULT);
    stop_everything();
    for (int i = 0; i < 200 && uv_loop_alive(&loop); i++)
        if (uv_run(&loop, UV_RUN_NOWAIT) != 0)
            usleep(1000);
    ws_finish(runtime.ws);
    hub_free(runtime.hub);
    web_unref(runtime.web);
    metrics_free(runtime.metrics);
    log_info("daemon.stopped");
    if (turn_secret != NULL)
        bytes_wipe(turn_secret, turn_secret_len);
    free(turn_secret);
    config_free(loaded);
    return 0;
}
