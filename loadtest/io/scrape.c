/* SPDX-License-Identifier: Apache-2.0 */
#include "io/scrape.h"

#include "common/list.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECTIONS_KEPT 64L

/* One GET. */
struct scrape {
    struct list_link link;
    struct scraper *scraper;
    CURL *easy;
    scrape_callback *callback;
    void *data;
    char *body;
    size_t len, capacity;
    char why[CURL_ERROR_SIZE];
};

/* A socket of libcurl's. */
struct watch {
    struct list_link link;
    struct scraper *scraper;
    uv_poll_t poll;
    curl_socket_t fd;
};

struct scraper {
    uv_loop_t *loop; /* given */
    /* owned */
    CURLM *multi;
    uv_timer_t timer;
    struct list scrapes, watches;
    unsigned handles; /* not closed yet */
    bool is_stopping;
    void (*on_stopped)(void *data);
    void *stop_data;
};

static void curl_init(void)
{
    check(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
}

static void scrape_free(struct scrape *g)
{
    list_remove(&g->link);
    (void)curl_multi_remove_handle(g->scraper->multi, g->easy);
    curl_easy_cleanup(g->easy);
    free(g->body);
    free(g);
}

/* The callback may stop the scraper: nothing of it is used afterwards but is_stopping. */
static void finish(struct scrape *g, CURLcode code)
{
    long status = 0;
    char why[CURL_ERROR_SIZE] = "";
    if (code == CURLE_OK)
        (void)curl_easy_getinfo(g->easy, CURLINFO_RESPONSE_CODE, &status);
    else
        (void)snprintf(why, sizeof why, "%s",
                       g->why[0] != '\0' ? g->why : curl_easy_strerror(code));
    scrape_callback *callback = g->callback;
    void *data = g->data;
    char *body = g->body;
    size_t len = g->len;
    g->body = NULL;
    scrape_free(g);
    callback(status, bytes_of(body, len), why, data);
    free(body);
}

static void take_finished(struct scraper *s)
{
    int left;
    for (CURLMsg *m; !s->is_stopping && (m = curl_multi_info_read(s->multi, &left)) != NULL;) {
        struct scrape *g = NULL;
        CURLcode code = m->data.result;
        check(m->msg == CURLMSG_DONE);
        (void)curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&g);
        finish(g, code);
    }
}

static void act(struct scraper *s, curl_socket_t fd, int flags)
{
    int running;
    (void)curl_multi_socket_action(s->multi, fd, flags, &running);
    take_finished(s);
}

static void on_timer(uv_timer_t *timer)
{
    act(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

static int want_timer(CURLM *multi, long timeout_ms, void *data)
{
    struct scraper *s = data;
    if (timeout_ms < 0)
        (void)uv_timer_stop(&s->timer);
    else
        (void)uv_timer_start(&s->timer, on_timer, (uint64_t)timeout_ms, 0);
    return 0;
}

static void on_socket(uv_poll_t *poll, int status, int events)
{
    struct watch *w = poll->data;
    int flags = (events & UV_READABLE ? CURL_CSELECT_IN : 0) |
                (events & UV_WRITABLE ? CURL_CSELECT_OUT : 0) | (status < 0 ? CURL_CSELECT_ERR : 0);
    act(w->scraper, w->fd, flags);
}

static void release_if_closed(struct scraper *s)
{
    if (s->handles > 0)
        return;
    if (s->on_stopped != NULL)
        s->on_stopped(s->stop_data);
    free(s);
}

static void on_watch_closed(uv_handle_t *handle)
{
    struct watch *w = handle->data;
    struct scraper *s = w->scraper;
    free(w);
    s->handles--;
    release_if_closed(s);
}

static void watch_stop(struct watch *w)
{
    list_remove(&w->link);
    uv_close((uv_handle_t *)&w->poll, on_watch_closed);
}

static struct watch *watch_start(struct scraper *s, curl_socket_t fd)
{
    struct watch *w = calloc(1, sizeof *w);
    if (w == NULL || uv_poll_init_socket(s->loop, &w->poll, fd) != 0) {
        free(w);
        return NULL;
    }
    w->scraper = s;
    w->fd = fd;
    w->poll.data = w;
    list_push_back(&s->watches, &w->link);
    s->handles++;
    return w;
}

static int want_socket(CURL *easy, curl_socket_t fd, int what, void *data, void *watch)
{
    struct scraper *s = data;
    struct watch *w = watch;
    if (what == CURL_POLL_REMOVE) {
        if (w != NULL)
            watch_stop(w);
        (void)curl_multi_assign(s->multi, fd, NULL);
        return 0;
    }
    if (w == NULL && (w = watch_start(s, fd)) == NULL)
        return -1;
    (void)curl_multi_assign(s->multi, fd, w);
    int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    return uv_poll_start(&w->poll, events, on_socket) == 0 ? 0 : -1;
}

struct scraper *scraper_new(uv_loop_t *loop)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    check(pthread_once(&once, curl_init) == 0);
    struct scraper *s = calloc(1, sizeof *s);
    if (s == NULL || (s->multi = curl_multi_init()) == NULL) {
        free(s);
        return NULL;
    }
    s->loop = loop;
    list_init(&s->scrapes);
    list_init(&s->watches);
    check(uv_timer_init(loop, &s->timer) == 0);
    s->timer.data = s;
    s->handles = 1;
    (void)curl_multi_setopt(s->multi, CURLMOPT_SOCKETFUNCTION, want_socket);
    (void)curl_multi_setopt(s->multi, CURLMOPT_SOCKETDATA, s);
    (void)curl_multi_setopt(s->multi, CURLMOPT_TIMERFUNCTION, want_timer);
    (void)curl_multi_setopt(s->multi, CURLMOPT_TIMERDATA, s);
    (void)curl_multi_setopt(s->multi, CURLMOPT_MAXCONNECTS, CONNECTIONS_KEPT);
    return s;
}

static size_t on_body(char *data, size_t size, size_t count, void *cls)
{
    struct scrape *g = cls;
    size_t len = size * count;
    if (len > SCRAPE_BODY_MAX - g->len)
        return 0;
    if (g->len + len > g->capacity) {
        size_t capacity = MAX(MAX((size_t)16384, g->len + len), g->capacity * 2);
        char *body = realloc(g->body, capacity);
        if (body == NULL)
            return 0;
        g->body = body;
        g->capacity = capacity;
    }
    if (len > 0)
        memcpy(g->body + g->len, data, len);
    g->len += len;
    return len;
}

static void set_options(struct scrape *g, const char *url, usec timeout)
{
    (void)curl_easy_setopt(g->easy, CURLOPT_URL, url);
    (void)curl_easy_setopt(g->easy, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(g->easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(g->easy, CURLOPT_NOPROXY, "*");
    (void)curl_easy_setopt(g->easy, CURLOPT_TIMEOUT_MS, (long)(timeout / USEC_PER_MS));
    (void)curl_easy_setopt(g->easy, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl_easy_setopt(g->easy, CURLOPT_WRITEDATA, g);
    (void)curl_easy_setopt(g->easy, CURLOPT_ERRORBUFFER, g->why);
    (void)curl_easy_setopt(g->easy, CURLOPT_PRIVATE, g);
}

enum err scraper_get(struct scraper *s, const char *url, usec timeout, scrape_callback *callback,
                     void *data)
{
    struct scrape *g = calloc(1, sizeof *g);
    if (g == NULL)
        return ERR_SYSTEM;
    *g = (struct scrape){ .scraper = s, .callback = callback, .data = data };
    list_push_back(&s->scrapes, &g->link);
    g->easy = curl_easy_init();
    if (g->easy != NULL) {
        set_options(g, url, timeout);
        if (curl_multi_add_handle(s->multi, g->easy) == CURLM_OK)
            return OK;
    }
    scrape_free(g);
    return ERR_SYSTEM;
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct scraper *s = handle->data;
    s->handles--;
    release_if_closed(s);
}

void scraper_stop(struct scraper *s, void (*on_stopped)(void *data), void *data)
{
    check(!s->is_stopping);
    s->is_stopping = true;
    s->on_stopped = on_stopped;
    s->stop_data = data;
    while (!list_is_empty(&s->scrapes))
        scrape_free(list_entry(list_first(&s->scrapes), struct scrape, link));
    (void)curl_multi_cleanup(s->multi);
    while (!list_is_empty(&s->watches))
        watch_stop(list_entry(list_first(&s->watches), struct watch, link));
    uv_close((uv_handle_t *)&s->timer, on_timer_closed);
}
