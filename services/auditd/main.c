/* main.c - auditd: the tamper-evident audit log.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/os/admin.h"
#include "common/os/daemon.h"
#include "common/os/jwks.h"
#include "common/os/log.h"
#include "common/os/metrics.h"
#include "common/os/redis.h"
#include "config.h"
#include "io/http.h"
#include "io/journal.h"
#include "io/stream.h"
#include "io/verify.h"

#include <string.h>

#define STOP_GRACE SECONDS(2)

extern char **environ;

/* Everything this process has. Lives on main()'s stack. */
struct auditd {
    struct auditd_config config;
    struct config *config_owner;
    uv_loop_t loop;
    struct metrics *metrics;
    struct admin *admin;
    struct redis *redis;
    struct journal *journal;
    struct stream *stream;
    struct jwks *jwks;
    struct api api;
    struct http_server *server;
    struct daemon *daemon;
    bool is_stopping;
};

static void on_redis_state(struct redis *redis, bool is_connected, void *data)
{
    struct auditd *d = data;
    if (is_connected && d->stream != NULL)
        stream_on_connected(d->stream);
}

static void on_server_stopped(void *data)
{
    struct auditd *d = data;
    struct stream *stream = d->stream;
    d->stream = NULL;
    stream_stop(stream);
    redis_free(d->redis);
    jwks_free(d->jwks);
    admin_stop(d->admin, NULL, NULL);
    daemon_stop(d->daemon);
}

static void on_stop(void *data)
{
    struct auditd *d = data;
    if (d->is_stopping)
        return;
    d->is_stopping = true;
    log_info("daemon.stopping");
    daemon_notify_stopping(d->daemon);
    admin_set_draining(d->admin);
    http_server_stop(d->server, STOP_GRACE, on_server_stopped, d);
}

static bool fail(const char *what, enum err err, const char *why)
{
    log_error("daemon.start-failed", KV_STR("what", what), KV_ERR("reason", err),
              KV_STR("why", why));
    return false;
}

static enum err api_begin(struct auditd *d)
{
    const struct auditd_config *c = &d->config;
    d->api = (struct api){ .journal = d->journal, .jwks = d->jwks };
    const struct api_options api = { .listen = c->listen,
                                     .trusted_proxies = c->trusted_proxies.items,
                                     .trusted_proxy_count = c->trusted_proxies.count,
                                     .metrics = d->metrics };
    return api_start(&d->loop, &api, &d->api, &d->server);
}

/* Starts the parts in the order of their dependencies. On failure main() exits: nothing is undone.
 */
static bool start(struct auditd *d)
{
    const struct auditd_config *c = &d->config;
    char why[JOURNAL_WHY_CAPACITY] = "";
    enum err err;
    const struct journal_options journal = { .dir = c->data_dir,
                                             .instance = c->common.instance_id,
                                             .policy = { .bytes_max = c->segment_bytes_max,
                                                         .age_max = c->segment_age_max } };
    if ((err = journal_open(&journal, why, &d->journal)) != OK)
        return fail("data-dir", err, why);
    const struct daemon_options daemon = { .on_stop = on_stop, .data = d };
    if ((err = daemon_start(&d->loop, &daemon, &d->daemon)) != OK)
        return fail("signals", err, "");
    d->metrics = metrics_new("auditd");
    const struct redis_options redis = { .url = c->common.redis_url,
                                         .name = c->common.instance_id,
                                         .on_state = on_redis_state,
                                         .data = d,
                                         .metrics = d->metrics,
                                         .service = "auditd" };
    if ((err = redis_new(&d->loop, &redis, &d->redis)) != OK)
        return fail("redis-url", err, "");
    const struct jwks_options jwks = { .url = c->jwks_url, .issuer = c->token_issuer };
    if ((err = jwks_new(&d->loop, &jwks, &d->jwks)) != OK)
        return fail("jwks-url", err, "");
    const struct stream_options stream = { .redis = d->redis,
                                           .journal = d->journal,
                                           .instance = c->common.instance_id,
                                           .metrics = d->metrics };
    d->stream = stream_start(&d->loop, &stream);
    if ((err = api_begin(d)) != OK)
        return fail("listen", err, c->listen);
    if ((err = admin_start(&d->loop, c->common.admin_listen, d->metrics, &d->admin)) != OK)
        return fail("admin-listen", err, c->common.admin_listen);
    admin_add_check(d->admin, "redis", redis_is_ready, d->redis);
    admin_add_check(d->admin, "journal", journal_is_ready, d->journal);
    return true;
}

/* auditd --verify DIR [--expect-head HASH] */
static int verify_main(int argc, char **argv)
{
    bool has_head = argc == 5 && strcmp(argv[3], "--expect-head") == 0;
    if (argc != 3 && !has_head) {
        fprintf(stderr, "usage: auditd --verify DIR [--expect-head HASH]\n");
        return DAEMON_EXIT_USAGE;
    }
    return verify_directory(argv[2], has_head ? argv[4] : NULL, stdout);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--verify") == 0)
        return verify_main(argc, argv);
    struct auditd d = { 0 };
    enum config_next after = auditd_config_load(argc, argv, environ, &d.config, &d.config_owner);
    if (after != CONFIG_RUN)
        return after == CONFIG_EXIT_OK ? 0 : DAEMON_EXIT_USAGE;
    log_init("auditd", d.config.common.log_level, d.config.common.log_format);
    check(uv_loop_init(&d.loop) == 0);
    if (!start(&d))
        return DAEMON_EXIT_UNAVAILABLE;
    char head[CHAIN_HEAD_CHARS];
    chain_head_write(journal_chain(d.journal), head);
    log_info("daemon.started", KV_STR("instance", d.config.common.instance_id),
             KV_STR("listen", d.config.listen), KV_U64("port", http_server_port(d.server)),
             KV_U64("admin_port", admin_port(d.admin)),
             KV_STR("chain", journal_chain(d.journal)->id),
             KV_U64("seq", journal_chain(d.journal)->seq), KV_STR("head", head),
             KV_STR("version", CONCLAVE_VERSION));
    daemon_notify_ready(d.daemon);
    uv_run(&d.loop, UV_RUN_DEFAULT);
    log_info("daemon.stopped", KV_U64("seq", journal_chain(d.journal)->seq));
    journal_close(d.journal);
    metrics_free(d.metrics);
    config_free(d.config_owner);
    return uv_loop_close(&d.loop) == 0 ? 0 : 1;
}
