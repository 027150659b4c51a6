/* See fetch.h: libcurl's multi interface on a loop.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "io/fetch_private.h"

#include <pthread.h>
#include <stdlib.h>

/* What curl wants to know of one descriptor. */
struct poll {
    uv_poll_t handle;
    struct list_link link;
    struct fetcher *fetcher;
    curl_socket_t fd;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void init_curl(void)
{
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
}

static void reap(struct fetcher *f)
{
    int left;
    for (CURLMsg *m; !f->is_closing && (m = curl_multi_info_read(f->multi, &left)) != NULL;) {
        struct fetch *x = NULL;
        CURLcode code = m->data.result;
        if (m->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &x);
        fetch_finish(x, code);
    }
}

static void act(struct fetcher *f, curl_socket_t fd, int events)
{
    int running;
    if (f->is_closing)
        return;
    (void)curl_multi_socket_action(f->multi, fd, events, &running);
    reap(f);
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct poll *p = handle->data;
    int what = (events & UV_READABLE ? CURL_CSELECT_IN : 0) |
               (events & UV_WRITABLE ? CURL_CSELECT_OUT : 0);
    act(p->fetcher, p->fd, status < 0 ? CURL_CSELECT_ERR : what);
}

static void on_handle_gone(struct fetcher *f)
{
    if (--f->handles == 0 && f->on_closed != NULL)
        f->on_closed(f->close_data);
}

static void on_poll_closed(uv_handle_t *handle)
{
    struct poll *p = handle->data;
    struct fetcher *f = p->fetcher;
    free(p);
    on_handle_gone(f);
}

static void on_timer_closed(uv_handle_t *handle)
{
    on_handle_gone(handle->data);
}

static void close_poll(struct poll *p)
{
    list_remove(&p->link);
    uv_poll_stop(&p->handle);
    uv_close((uv_handle_t *)&p->handle, on_poll_closed);
}

static struct poll *new_poll(struct fetcher *f, curl_socket_t fd)
{
    struct poll *p = calloc(1, sizeof *p);
    if (p == NULL)
        return NULL;
    p->fetcher = f;
    p->fd = fd;
    p->handle.data = p;
    if (uv_poll_init_socket(f->loop, &p->handle, fd) != 0) {
        free(p);
        return NULL;
    }
    list_push_back(&f->polls, &p->link);
    f->handles++;
    return p;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *data, void *socket_data)
{
    struct fetcher *f = data;
    struct poll *p = socket_data;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (p != NULL)
            close_poll(p);
        return 0;
    }
    if (p == NULL)
        p = new_poll(f, fd);
    if (p == NULL)
        return -1;
    curl_multi_assign(f->multi, fd, p);
    int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    uv_poll_start(&p->handle, events, on_poll);
    return 0;
}

static void on_timeout(uv_timer_t *timer)
{
    act(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

static int on_timer(CURLM *multi, long timeout_ms, void *data)
{
    struct fetcher *f = data;
    (void)multi;
    if (f->is_closing)
        return 0;
    if (timeout_ms < 0)
        uv_timer_stop(&f->timer);
    else
        uv_timer_start(&f->timer, on_timeout, (uint64_t)timeout_ms, 0);
    return 0;
}

static void on_soon(uv_timer_t *timer)
{
    struct fetcher *f = timer->data;
    while (!f->is_closing && f->running < f->concurrency && !list_is_empty(&f->waiting)) {
        struct fetch *x = container_of(list_pop_front(&f->waiting), struct fetch, link);
        list_push_back(&f->active, &x->link);
        CURLMcode code = curl_multi_add_handle(f->multi, x->easy);
        x->is_running = code == CURLM_OK;
        f->running += x->is_running;
        if (!x->is_running)
            fetch_finish(x, CURLE_FAILED_INIT);
    }
}

void fetcher_wake(struct fetcher *f)
{
    if (!f->is_closing && !uv_is_active((uv_handle_t *)&f->soon))
        uv_timer_start(&f->soon, on_soon, 0, 0);
}

enum err fetcher_new(const struct fetcher_config *config, struct fetcher **ret)
{
    (void)pthread_once(&once, init_curl);
    struct fetcher *f = calloc(1, sizeof *f);
    if (f == NULL)
        return ERR_SYSTEM;
    f->multi = curl_multi_init();
    if (f->multi == NULL) {
        free(f);
        return ERR_SYSTEM;
    }
    f->loop = config->loop;
    f->ca_file = config->ca_file;
    f->insecure = config->insecure;
    f->concurrency = config->concurrency > 0 ? config->concurrency : FETCH_CONCURRENCY;
    f->timeout = config->timeout > 0 ? config->timeout : SECONDS(10);
    f->body_max = config->body_max > 0 ? config->body_max : FETCH_BODY_MAX;
    f->handles = 2; /* the timers */
    list_init(&f->waiting);
    list_init(&f->active);
    list_init(&f->polls);
    uv_timer_init(f->loop, &f->timer);
    uv_timer_init(f->loop, &f->soon);
    f->timer.data = f;
    f->soon.data = f;
    curl_multi_setopt(f->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(f->multi, CURLMOPT_SOCKETDATA, f);
    curl_multi_setopt(f->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(f->multi, CURLMOPT_TIMERDATA, f);
    curl_multi_setopt(f->multi, CURLMOPT_MAXCONNECTS, (long)f->concurrency);
    *ret = f;
    return OK;
}

static void cancel_all(struct list *list)
{
    while (!list_is_empty(list))
        fetch_cancel(container_of(list_first(list), struct fetch, link));
}

void fetcher_close(struct fetcher *f, void (*on_closed)(void *data), void *data)
{
    if (f == NULL || f->is_closing)
        return;
    f->is_closing = true;
    f->on_closed = on_closed;
    f->close_data = data;
    cancel_all(&f->waiting);
    cancel_all(&f->active);
    curl_multi_cleanup(f->multi); /* closes kept connections, which may close their handles */
    f->multi = NULL;
    while (!list_is_empty(&f->polls))
        close_poll(container_of(list_first(&f->polls), struct poll, link));
    uv_close((uv_handle_t *)&f->timer, on_timer_closed);
    uv_close((uv_handle_t *)&f->soon, on_timer_closed);
}

void fetcher_free(struct fetcher *f)
{
    if (f == NULL)
        return;
    check(f->is_closing && list_is_empty(&f->polls));
    free(f);
}

size_t fetcher_count(const struct fetcher *f)
{
    return f->count;
}
