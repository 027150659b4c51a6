/* sfud - a media node of Conclave. See README.md.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "common/os/admin.h"
#include "common/os/clock.h"
#include "common/os/daemon.h"
#include "common/os/log.h"
#include "common/os/random.h"
#include "io/control.h"
#include "io/inspect.h"
#include "io/members.h"
#include "rtc/dtls.h"

#include <sched.h>
#include <stdlib.h>
#include <sys/resource.h>

/* SIGTERM to the end: 5 s (docs/cluster.md). Media goes on until the participants, told that it
 * fails, have joined again elsewhere, or DRAIN_TIME is over. */
#define DRAIN_TIME    SECONDS(3)
#define LEAVE_TIME    MILLIS(1500)
#define DRAIN_POLL_MS 100

enum { EXIT_USAGE_CODE = 64, EXIT_UNAVAILABLE_CODE = 69 };

struct node {
    int argc;
    char **argv;
    struct sfud_config config;
    uv_loop_t loop;
    uv_timer_t drain_timer;
    usec drain_end;
    struct daemon *daemon;
    struct metrics *metrics;
    struct admin *admin;
    struct stats *stats;
    struct dtls_context *dtls;
    struct association_thread *associations;
    struct control *control;
    struct media_thread *threads[WORKERS_MAX];
    struct probe_result io;
    struct seal_engine *seal;
    struct net_addr listen[2];
    size_t listen_count;
    struct net_addr candidates[CANDIDATES_MAX];
    size_t candidate_count;
    size_t memory_bytes;
};

/* ---- stopping */

static void stop_associations(struct node *n)
{
    if (n->stats != NULL)
        stats_set_associations(n->stats, NULL);
    association_thread_stop(n->associations);
    n->associations = NULL;
}

static void on_left(void *data)
{
    struct node *n = data;
    for (size_t i = 0; i < n->config.workers; i++) {
        stats_set_thread(n->stats, i, NULL);
        thread_stop(n->threads[i]);
    }
    stop_associations(n);
    control_stop(n->control);
    admin_stop(n->admin, NULL, NULL);
    uv_close((uv_handle_t *)&n->drain_timer, NULL);
    daemon_stop(n->daemon);
}

static void on_drain_timer(uv_timer_t *timer)
{
    struct node *n = timer->data;
    if (control_participants(n->control) > 0 && clock_now() < n->drain_end)
        return;
    uv_timer_stop(timer);
    control_leave(n->control, LEAVE_TIME, on_left, n);
}

static void on_stop(void *data)
{
    struct node *n = data;
    log_info("node.stopping", KV_U64("participants", control_participants(n->control)));
    daemon_notify_stopping(n->daemon);
    admin_set_draining(n->admin);
    control_hide(n->control);
    control_evacuate(n->control);
    n->drain_end = clock_now() + DRAIN_TIME;
    uv_timer_start(&n->drain_timer, on_drain_timer, 0, DRAIN_POLL_MS);
}

/* SIGHUP: the log level; the rest needs a restart. */
static void on_reload(void *data)
{
    struct node *n = data;
    struct sfud_config fresh;
    if (sfud_config_load(n->argc, n->argv, &fresh) != CONFIG_RUN) {
        log_error("config.refused");
        return;
    }
    log_init("sfud", fresh.common.log_level, fresh.common.log_format);
    log_info("config.reloaded", KV_STR("log_level", log_level_name(fresh.common.log_level)));
    config_free(fresh.owner);
}

/* ---- starting: each step says what is wrong itself */

static bool choose_io(struct node *n)
{
    enum err e = probe(n->config.io, &n->io);
    const char *refusal = n->io.refusal.text;
    if (e != OK) {
        log_error("io.refused", KV_STR("wish", n->config.io_text), KV_STR("reason", refusal));
        return false;
    }
    if (refusal[0] != 0)
        log_warn("io.chosen", KV_STR("backend", udp_backend_name(n->io.backend)),
                 KV_BOOL("gso", n->io.gso), KV_STR("uring_refused", refusal));
    else
        log_info("io.chosen", KV_STR("backend", udp_backend_name(n->io.backend)),
                 KV_BOOL("gso", n->io.gso));
    return true;
}

static bool choose_seal(struct node *n)
{
    n->seal = seal_engine_new(n->config.seal);
    if (n->seal == NULL) {
        log_error("seal.refused", KV_STR("wish", n->config.seal_text),
                  KV_STR("reason", "not built in, or this CPU lacks AES instructions"));
        return false;
    }
    log_info("seal.chosen", KV_STR("engine", seal_engine_name(n->seal)),
             KV_STR("code", seal_engine_code(n->seal)));
    return true;
}

static bool choose_addresses(struct node *n)
{
    const struct sfud_config *c = &n->config;
    struct candidates_config config = { .media_listen = c->media_listen,
                                        .public_ips = c->public_ip.items,
                                        .public_ip_count = c->public_ip.count };
    enum err e = candidates_gather(&config, n->candidates, &n->candidate_count);
    if (e == OK)
        e = candidates_listen(&config, n->listen, &n->listen_count);
    if (e != OK)
        log_error("candidates.none", KV_ERR("error", e));
    for (size_t i = 0; e == OK && i < n->candidate_count; i++) {
        char text[NET_ADDR_TEXT_SIZE];
        log_info("candidate.announced",
                 KV_STR("address", net_addr_format_ip(&n->candidates[i], text)));
    }
    return e == OK;
}

static bool start_control(struct node *n)
{
    const struct sfud_config *c = &n->config;
    n->metrics = metrics_new("sfud");
    n->stats = stats_new(n->metrics, c->workers);
    n->dtls = dtls_context_new(clock_wall());
    if (n->stats == NULL || n->dtls == NULL) {
        log_error("node.not-started", KV_STR("reason", "no certificate or no memory"));
        return false;
    }
    struct control_options options = { .loop = &n->loop,
                                       .redis_url = c->common.redis_url,
                                       .node_id = c->common.instance_id,
                                       .region = c->region,
                                       .metrics = n->metrics,
                                       .stats = n->stats,
                                       .fingerprint = dtls_context_fingerprint(n->dtls),
                                       .candidates = n->candidates,
                                       .candidate_count = n->candidate_count,
                                       .tcp_port_announced = (uint16_t)c->media_tcp_port,
                                       .worker_count = c->workers };
    enum err e = control_start(&options, &n->control);
    if (e != OK)
        log_error("node.not-started", KV_STR("reason", "redis-url"), KV_ERR("error", e));
    return e == OK;
}

/* The cpu-th of those we may run on; -1 if workers and cores do not match one to one: then the
 * scheduler knows better, and several nodes on one machine do not share a core by name. */
static int cpu_for(size_t worker, size_t worker_count)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sfud_affinity_count() != worker_count || sched_getaffinity(0, sizeof set, &set) != 0)
        return -1;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET((size_t)cpu, &set) && worker-- == 0)
            return cpu;
    }
    return -1;
}

static bool start_thread(struct node *n, size_t i)
{
    const struct sfud_config *c = &n->config;
    struct thread_config config = { .index = (unsigned)i,
                                    .cpu = cpu_for(i, c->workers),
                                    .backend = n->io.backend,
                                    .listen = n->listen,
                                    .listen_count = n->listen_count,
                                    .gso = n->io.gso,
                                    .window = c->pass_window,
                                    .tcp = c->media_tcp,
                                    .worker = { .playout_delay_max = c->playout_delay_max },
                                    .associations = association_thread_link(n->associations, i),
                                    .histograms = stats_histograms(n->stats, i),
                                    .notify = control_notify(n->control),
                                    .free_command = control_free_command };
    struct udp_failure failure;
    for (size_t j = 0; j < n->listen_count; j++)
        n->listen[j].port = (uint16_t)(c->media_port == 0 ? 0 : c->media_port + i);
    random_bytes(config.worker.random, sizeof config.worker.random);
    config.worker.seal = n->seal;
    n->memory_bytes += worker_memory(&config.worker) + (c->media_tcp ? tcp_memory() : 0);
    if (thread_start(&config, &n->threads[i], &failure) != OK) {
        log_error("worker.not-started", KV_U64("worker", i), KV_STR("reason", failure.text));
        return false;
    }
    stats_set_thread(n->stats, i, n->threads[i]);
    return true;
}

static bool start_associations(struct node *n)
{
    const struct association_thread_config config = {
        .engine = { .dtls = n->dtls, .worker_count = n->config.workers },
        .handshake_seconds = stats_handshake_seconds(n->stats),
    };
    n->memory_bytes += associations_memory(&config.engine);
    if (association_thread_start(&config, &n->associations) != OK) {
        log_error("node.not-started", KV_STR("reason", "association thread"));
        return false;
    }
    stats_set_associations(n->stats, association_thread_stats(n->associations));
    return true;
}

static bool start_threads(struct node *n)
{
    for (size_t i = 0; i < n->config.workers; i++) {
        if (!start_thread(n, i))
            return false;
    }
    control_set_threads(n->control, n->threads);
    return true;
}

static bool start_admin(struct node *n)
{
    const char *listen = n->config.common.admin_listen;
    const struct admin_routes more = inspect_routes(n->control);
    enum err e = admin_start_with(&n->loop, listen, n->metrics, &more, &n->admin);
    if (e != OK) {
        log_error("admin.not-started", KV_STR("listen", listen), KV_ERR("error", e));
        return false;
    }
    admin_add_check(n->admin, "redis", redis_is_ready, control_redis(n->control));
    return true;
}

static bool start_daemon(struct node *n)
{
    struct daemon_options options = { .on_stop = on_stop, .on_reload = on_reload, .data = n };
    if (daemon_start(&n->loop, &options, &n->daemon) != OK) {
        log_error("node.not-started", KV_STR("reason", "signals"));
        return false;
    }
    return true;
}

static void log_started(const struct node *n)
{
    const struct sfud_config *c = &n->config;
    struct net_addr bound[UDP_SOCKETS_MAX];
    (void)thread_bound(n->threads[0], bound);
    log_info("node.started", KV_STR("id", c->common.instance_id), KV_STR("region", c->region),
             KV_STR("version", CONCLAVE_VERSION), KV_U64("workers", c->workers),
             KV_U64("media_port", bound[0].port),
             KV_STR("backend", udp_backend_name(n->io.backend)), KV_BOOL("gso", n->io.gso),
             KV_U64("candidates", n->candidate_count), KV_U64("memory_bytes", n->memory_bytes),
             KV_U64("admin_port", admin_port(n->admin)));
}

/* A file for each TCP connection; the usual soft limit of 1,024 is for select(). */
static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit); /* else connections beyond it are refused and counted */
}

static bool start(struct node *n)
{
    raise_file_limit();
    return choose_io(n) && choose_seal(n) && choose_addresses(n) && start_daemon(n) &&
           start_control(n) && start_associations(n) && start_threads(n) && start_admin(n);
}

/* A start that failed half way: what runs is ended, in the order of on_left(). */
static void give_up(struct node *n)
{
    for (size_t i = 0; i < n->config.workers; i++)
        thread_stop(n->threads[i]);
    stop_associations(n);
    control_stop(n->control);
    uv_close((uv_handle_t *)&n->drain_timer, NULL);
    daemon_stop(n->daemon);
}

static void done(struct node *n)
{
    (void)uv_run(&n->loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&n->loop);
    stats_free(n->stats);
    metrics_free(n->metrics);
    dtls_context_free(n->dtls);
    seal_engine_free(n->seal);
    config_free(n->config.owner);
}

int main(int argc, char **argv)
{
    static struct node node;
    node.argc = argc;
    node.argv = argv;
    enum config_next next = sfud_config_load(argc, argv, &node.config);
    if (next != CONFIG_RUN)
        return next == CONFIG_EXIT_OK ? 0 : EXIT_USAGE_CODE;
    log_init("sfud", node.config.common.log_level, node.config.common.log_format);
    check(uv_loop_init(&node.loop) == 0);
    check(uv_timer_init(&node.loop, &node.drain_timer) == 0);
    node.drain_timer.data = &node;
    bool is_started = start(&node);
    if (is_started) {
        log_started(&node);
        daemon_notify_ready(node.daemon);
    } else {
        give_up(&node);
    }
    done(&node);
    if (is_started)
        log_info("node.stopped");
    return is_started ? 0 : EXIT_UNAVAILABLE_CODE;
}
