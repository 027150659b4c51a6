/* main.c - authd: accounts, sessions and tokens.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/os/admin.h"
#include "common/os/audit_emitter.h"
#include "common/os/daemon.h"
#include "common/os/keyfile.h"
#include "common/os/log.h"
#include "common/os/metrics.h"
#include "common/os/random.h"
#include "common/os/redis.h"
#include "config.h"
#include "io/http.h"
#include "io/keys.h"

#include <stdlib.h>
#include <string.h>

#define STOP_GRACE  SECONDS(3)
#define FLUSH_GRACE SECONDS(1)

extern char **environ;

/* Everything this process has. Lives on main()'s stack. */
struct authd {
    struct authd_config config;
    struct config *config_owner;
    uv_loop_t loop;
    struct auth auth;
    uint8_t *turn_secret;
    struct metrics *metrics;
    struct admin *admin;
    struct redis *redis;
    struct audit_emitter *audit;
    struct keys *keys;
    struct api *api;
    struct daemon *daemon;
    bool is_stopping;
};

static void on_redis_state(struct redis *redis, bool is_connected, void *data)
{
    struct authd *d = data;
    if (d->audit != NULL)
        audit_emitter_on_redis_state(d->audit, is_connected);
    if (is_connected && d->keys != NULL)
        keys_on_connected(d->keys);
}

/* coturn uses the text of the file as it is, without the newline at its end. */
static enum err turn_secret_load(struct authd *d, char *ret_why)
{
    if (d->config.turn_secret_file == NULL)
        return OK;
    size_t len = 0;
    enum err err = keyfile_read(d->config.turn_secret_file, &d->turn_secret, &len, ret_why);
    while (err == OK && len > 0 && strchr("\r\n\t ", d->turn_secret[len - 1]) != NULL)
        len--;
    if (err == OK)
        d->auth.turn_secret = bytes_of(d->turn_secret, len);
    return err;
}

static void auth_configure(struct authd *d)
{
    const struct authd_config *c = &d->config;
    d->auth =
        (struct auth){ .issuer = c->token_issuer,
                       .access_ttl = c->access_token_ttl,
                       .refresh_ttl = c->refresh_token_ttl,
                       .guest_ttl = c->guest_token_ttl,
                       .turn_ttl = c->turn_ttl,
                       .turn_urls = c->turn_urls.items,
                       .turn_url_count = c->turn_urls.count,
                       .allowed_origins = c->allowed_origins.items,
                       .allowed_origin_count = c->allowed_origins.count,
                       .has_guests = c->guests,
                       .throttle_scale = (unsigned)c->throttle_scale,
                       .policy = { .admins = c->admins.items, .admin_count = c->admins.count } };
}

static void on_audit_flushed(size_t left, void *data)
{
    struct authd *d = data;
    if (left > 0)
        log_warn("audit.lost", KV_U64("events", left));
    keys_stop(d->keys);
    audit_emitter_free(d->audit);
    d->audit = NULL;
    d->keys = NULL;
    redis_free(d->redis);
    admin_stop(d->admin, NULL, NULL);
    daemon_stop(d->daemon);
}

static void on_api_stopped(void *data)
{
    struct authd *d = data;
    audit_emitter_flush(d->audit, FLUSH_GRACE, on_audit_flushed, d);
}

static void on_stop(void *data)
{
    struct authd *d = data;
    if (d->is_stopping)
        return;
    d->is_stopping = true;
    log_info("daemon.stopping");
    daemon_notify_stopping(d->daemon);
    admin_set_draining(d->admin);
    api_stop(d->api, STOP_GRACE, on_api_stopped, d);
}

static bool fail(const char *what, enum err err, const char *why)
{
    log_error("daemon.start-failed", KV_STR("what", what), KV_ERR("reason", err),
              KV_STR("why", why));
    return false;
}

/* Starts the parts in the order of their dependencies. On failure main() exits: nothing is undone.
 */
static bool start(struct authd *d)
{
    const struct authd_config *c = &d->config;
    char why[KEYFILE_WHY_CAPACITY] = "";
    enum err err;
    auth_configure(d);
    if ((err = turn_secret_load(d, why)) != OK)
        return fail("turn-secret-file", err, why);
    const struct daemon_options daemon = { .on_stop = on_stop, .data = d };
    if ((err = daemon_start(&d->loop, &daemon, &d->daemon)) != OK)
        return fail("signals", err, "");
    d->metrics = metrics_new("authd");
    const struct redis_options redis = { .url = c->common.redis_url,
                                         .name = c->common.instance_id,
                                         .on_state = on_redis_state,
                                         .data = d,
                                         .metrics = d->metrics,
                                         .service = "authd" };
    if ((err = redis_new(&d->loop, &redis, &d->redis)) != OK)
        return fail("redis-url", err, "");
    const struct audit_options audit = { .redis = d->redis,
                                         .service = "authd",
                                         .instance = c->common.instance_id,
                                         .metrics = d->metrics };
    if ((err = audit_emitter_new(&d->loop, &audit, &d->audit)) != OK)
        return fail("audit", err, "");
    if ((err = keys_start(&d->loop, d->redis, &d->auth, c->data_dir, why, &d->keys)) != OK)
        return fail("data-dir", err, why);
    const struct api_options api = { .listen = c->listen,
                                     .trusted_proxies = c->trusted_proxies.items,
                                     .trusted_proxy_count = c->trusted_proxies.count,
                                     .auth = &d->auth,
                                     .redis = d->redis,
                                     .audit = d->audit,
                                     .metrics = d->metrics };
    if ((err = api_start(&d->loop, &api, &d->api)) != OK)
        return fail("listen", err, c->listen);
    if ((err = admin_start(&d->loop, c->common.admin_listen, d->metrics, &d->admin)) != OK)
        return fail("admin-listen", err, c->common.admin_listen);
    admin_add_check(d->admin, "redis", redis_is_ready, d->redis);
    admin_add_check(d->admin, "keys", keys_is_ready, d->keys);
    return true;
}

int main(int argc, char **argv)
{
    struct authd d = { 0 };
    enum config_next next = authd_config_load(argc, argv, environ, &d.config, &d.config_owner);
    if (next != CONFIG_RUN)
        return next == CONFIG_EXIT_OK ? 0 : DAEMON_EXIT_USAGE;
    log_init("authd", d.config.common.log_level, d.config.common.log_format);
    check(uv_loop_init(&d.loop) == 0);
    if (!start(&d))
        return DAEMON_EXIT_UNAVAILABLE;
    log_info("daemon.started", KV_STR("instance", d.config.common.instance_id),
             KV_STR("listen", d.config.listen), KV_U64("port", api_port(d.api)),
             KV_U64("admin_port", admin_port(d.admin)), KV_STR("kid", d.auth.kid),
             KV_STR("version", CONCLAVE_VERSION));
    daemon_notify_ready(d.daemon);
    uv_run(&d.loop, UV_RUN_DEFAULT);
    log_info("daemon.stopped");
    if (d.turn_secret != NULL)
        bytes_wipe(d.turn_secret, d.auth.turn_secret.len);
    free(d.turn_secret);
    metrics_free(d.metrics);
    config_free(d.config_owner);
    return uv_loop_close(&d.loop) == 0 ? 0 : 1;
}
