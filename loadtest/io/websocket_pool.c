/* The pool of websocket.h: the context of libwebsockets, deadlines, and what is put off until the
 * loop turns.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "io/websocket_private.h"

#include "common/os/clock.h"
#include "common/os/log.h"

#include <pthread.h>
#include <stdlib.h>

#define SWEEP_MS 100

/* Contexts share state inside libwebsockets and OpenSSL while they are made and destroyed. */
static pthread_mutex_t contexts = PTHREAD_MUTEX_INITIALIZER;
static bool is_log_set;

static const struct lws_protocols protocols[] = {
    { "bot", websocket_callback, 0, WEBSOCKET_RX_BUFFER, 0, NULL, 0 },
    { NULL, NULL, 0, 0, 0, NULL, 0 },
};

static void on_lws_log(int level, const char *line)
{
    size_t len = strlen(line);
    (void)level;
    while (len > 0 && line[len - 1] == '\n')
        len--;
    log_debug("libwebsockets.said", KV_BYTES("text", bytes_of(line, len)));
}

static void on_soon(uv_timer_t *timer)
{
    struct websocket_pool *p = timer->data;
    struct list now;
    list_init(&now);
    for (struct list_link *l; (l = list_pop_front(&p->deferred)) != NULL;)
        list_push_back(&now, l);
    for (struct list_link *l; (l = list_pop_front(&now)) != NULL;)
        websocket_run_deferred(container_of(l, struct websocket, deferred));
}

void websocket_defer(struct websocket *w)
{
    if (list_link_is_linked(&w->deferred))
        return;
    list_push_back(&w->pool->deferred, &w->deferred);
    if (!w->pool->is_closing && !uv_is_active((uv_handle_t *)&w->pool->soon))
        uv_timer_start(&w->pool->soon, on_soon, 0, 0);
}

static struct websocket *overdue(struct list *list, usec now)
{
    struct list_link *l = list_first(list);
    if (l == NULL)
        return NULL;
    struct websocket *w = container_of(l, struct websocket, deadline);
    if (w->deadline_at > now)
        return NULL;
    list_remove(&w->deadline);
    return w;
}

static void on_sweep(uv_timer_t *timer)
{
    struct websocket_pool *p = timer->data;
    usec now = clock_now();
    for (struct websocket *w; (w = overdue(&p->connecting, now)) != NULL;)
        websocket_fail(w, "timeout");
    for (struct websocket *w; (w = overdue(&p->closing, now)) != NULL;) {
        w->must_kill = true;
        websocket_defer(w);
    }
}

/* Ours, because libwebsockets leaks its own when more than one context lives in a process. */
static SSL_CTX *make_tls(const char *ca_file, bool insecure)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
    if (tls == NULL)
        return NULL;
    (void)SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION);
    (void)SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS); /* 30 KiB less per idle connection */
    bool ok = true;
    if (ca_file != NULL)
        ok = SSL_CTX_load_verify_file(tls, ca_file) == 1;
    else if (!insecure)
        ok = SSL_CTX_set_default_verify_paths(tls) == 1;
    if (ok)
        return tls;
    SSL_CTX_free(tls);
    return NULL;
}

static bool make_context(struct websocket_pool *p)
{
    void *loops[] = { p->loop };
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN,
        .protocols = protocols,
        .gid = -1,
        .uid = -1,
        .user = p,
        .options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
                   LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT,
        .foreign_loops = loops,
        .provided_client_ssl_ctx = p->tls,
        .max_http_header_data = 4096,
        .pt_serv_buf_size = 16 * 1024,
        .timeout_secs = 3600, /* ours are finer */
        .connect_timeout_secs = 3600,
    };
    pthread_mutex_lock(&contexts);
    if (!is_log_set)
        lws_set_log_level(LLL_ERR, on_lws_log);
    is_log_set = true;
    p->context = lws_create_context(&info);
    if (p->context != NULL)
        p->vhost = lws_create_vhost(p->context, &info);
    pthread_mutex_unlock(&contexts);
    return p->vhost != NULL;
}

static void destroy_context(struct websocket_pool *p)
{
    pthread_mutex_lock(&contexts);
    if (p->context != NULL)
        lws_context_destroy(p->context);
    pthread_mutex_unlock(&contexts);
}

enum err websocket_pool_new(const struct websocket_pool_config *config, struct websocket_pool **ret)
{
    SSL_CTX *tls = make_tls(config->ca_file, config->insecure);
    if (tls == NULL)
        return ERR_SYSTEM;
    struct websocket_pool *p = calloc(1, sizeof *p);
    check(p != NULL);
    p->tls = tls;
    p->loop = config->loop;
    p->events = config->events;
    p->insecure = config->insecure;
    p->timeout = config->timeout > 0 ? config->timeout : SECONDS(10);
    list_init(&p->all);
    list_init(&p->connecting);
    list_init(&p->closing);
    list_init(&p->deferred);
    list_init(&p->hosts);
    if (!make_context(p)) {
        /* A context that nothing was connected with is taken apart by the loop as well; this is
         * the end of the program, so its memory is left to it. */
        SSL_CTX_free(p->tls);
        free(p);
        return ERR_SYSTEM;
    }
    uv_timer_init(p->loop, &p->soon);
    uv_timer_init(p->loop, &p->sweep);
    p->soon.data = p;
    p->sweep.data = p;
    uv_timer_start(&p->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
    *ret = p;
    return OK;
}

void websocket_destroy(struct websocket *w)
{
    check(w->wsi == NULL);
    list_remove(&w->link);
    list_remove(&w->deadline);
    list_remove(&w->deferred);
    list_remove(&w->wait);
    for (struct list_link *l; (l = list_pop_front(&w->queue)) != NULL;)
        free(container_of(l, struct websocket_text, link));
    w->pool->count--;
    free(w->message);
    free(w->path);
    free(w->subprotocol);
    free(w->authority);
    free(w);
}

void websocket_pool_close(struct websocket_pool *p)
{
    if (p == NULL || p->is_closing)
        return;
    p->is_closing = true;
    for (struct list_link *l = p->all.head.next, *next; l != &p->all.head; l = next) {
        struct websocket *w = container_of(l, struct websocket, link);
        next = l->next;
        w->is_dead = true;
        if (w->wsi == NULL)
            websocket_destroy(w);
    }
    for (struct list_link *l = p->hosts.head.next; l != &p->hosts.head; l = l->next) {
        struct websocket_host *h = container_of(l, struct websocket_host, link);
        if (h->is_resolving)
            (void)uv_cancel((uv_req_t *)&h->request);
    }
    uv_close((uv_handle_t *)&p->soon, NULL);
    uv_close((uv_handle_t *)&p->sweep, NULL);
    destroy_context(p);
}

void websocket_pool_free(struct websocket_pool *p)
{
    if (p == NULL)
        return;
    check(p->is_closing);
    destroy_context(p); /* a foreign loop's context is freed by the second call */
    while (!list_is_empty(&p->all)) {
        struct websocket *w = container_of(list_first(&p->all), struct websocket, link);
        w->wsi = NULL;
        websocket_destroy(w);
    }
    websocket_hosts_free(p);
    SSL_CTX_free(p->tls);
    free(p);
}

size_t websocket_pool_count(const struct websocket_pool *p)
{
    return p->count;
}
