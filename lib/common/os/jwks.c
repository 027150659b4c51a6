/* SPDX-License-Identifier: Apache-2.0 */
#include "common/os/jwks.h"

#include "common/list.h"
#include "common/os/clock.h"
#include "common/os/log.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BODY_MAX    (64 * 1024)
#define WAITING_MAX 1024
#define START_GRACE SECONDS(5)

/* A token that waits for the fetch that is running. */
struct waiting {
    struct list_link link;
    jwks_callback *callback;
    void *data;
    wall_usec now;
    size_t len;
    uint8_t token[];
};

/* One GET in the thread pool; touches nothing but this struct there. */
struct fetch {
    uv_work_t work;
    struct jwks *jwks;
    char *url;
    long timeout_ms;
    char *body;
    size_t len;
    long status;
    char why[CURL_ERROR_SIZE];
};

struct jwks {
    /* given */
    uv_loop_t *loop;
    char *url, *issuer, *audience;
    usec leeway, refresh, refresh_min, timeout;
    /* owned */
    struct token_keys *keys; /* NULL before the first good answer */
    uv_timer_t timer;
    struct list waiting;
    size_t waiting_count;
    bool is_fetching, is_closing, is_timer_closed;
    usec started, last_fetch;
};

static void curl_init(void)
{
    check(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
}

static size_t on_body(char *data, size_t size, size_t count, void *cls)
{
    struct fetch *f = cls;
    size_t len = size * count;
    if (f->len + len > BODY_MAX)
        return 0;
    memcpy(f->body + f->len, data, len);
    f->len += len;
    return len;
}

static void fetch_run(uv_work_t *work)
{
    struct fetch *f = work->data;
    CURL *curl = curl_easy_init();
    if (curl == NULL) {
        (void)snprintf(f->why, sizeof f->why, "out of memory");
        return;
    }
    (void)curl_easy_setopt(curl, CURLOPT_URL, f->url);
    (void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, f->timeout_ms);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, f);
    (void)curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, f->why);
    CURLcode code = curl_easy_perform(curl);
    if (code != CURLE_OK && f->why[0] == '\0')
        (void)snprintf(f->why, sizeof f->why, "%s", curl_easy_strerror(code));
    if (code == CURLE_OK)
        (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &f->status);
    curl_easy_cleanup(curl);
}

static void jwks_destroy_if_idle(struct jwks *j)
{
    if (!j->is_timer_closed || j->is_fetching)
        return;
    token_keys_free(j->keys);
    free(j->url);
    free(j->issuer);
    free(j->audience);
    free(j);
}

enum err jwks_verify(struct jwks *j, struct bytes token, wall_usec now, struct token_claims *ret)
{
    if (j->keys == NULL)
        return ERR_BAD_STATE;
    const struct token_expect expect = {
        .issuer = j->issuer, .audience = j->audience, .now = now, .leeway = j->leeway
    };
    return token_verify(j->keys, token, &expect, ret);
}

static void verify_and_tell(struct jwks *j, struct bytes token, wall_usec now,
                            jwks_callback *callback, void *data)
{
    struct token_claims claims;
    enum err e = jwks_verify(j, token, now, &claims);
    callback(e, e == OK ? &claims : NULL, data);
}

/* Only those that wait now: a callback may bring the next one. */
static void tell_waiting(struct jwks *j)
{
    size_t count = j->waiting_count;
    while (count-- > 0 && j->waiting_count > 0) {
        struct waiting *w = list_entry(list_pop_front(&j->waiting), struct waiting, link);
        j->waiting_count--;
        if (j->is_closing)
            w->callback(ERR_BAD_STATE, NULL, w->data);
        else
            verify_and_tell(j, bytes_of(w->token, w->len), w->now, w->callback, w->data);
        free(w);
    }
}

static void take_result(struct jwks *j, struct fetch *f)
{
    struct token_keys *keys = NULL;
    enum err e = ERR_SYSTEM;
    if (f->status == 200)
        e = token_keys_parse(bytes_of(f->body, f->len), &keys);
    if (e == OK && token_keys_count(keys) == 0) {
        token_keys_free(keys);
        e = ERR_NOT_FOUND;
    }
    if (e == OK) {
        token_keys_free(j->keys);
        j->keys = keys;
        log_debug("jwks.fetched", KV_U64("keys", token_keys_count(keys)));
        return;
    }
    /* Daemons that start together do not wait for each other. */
    bool is_early = j->keys == NULL && clock_now() - j->started < START_GRACE;
    log_at(is_early ? LOG_LEVEL_INFO : LOG_LEVEL_WARN, "jwks.fetch-failed", KV_STR("url", f->url),
           KV_I64("status", f->status), KV_ERR("err", e), KV_STR("why", f->why),
           KV_BOOL("has_keys", j->keys != NULL));
}

static void on_timer(uv_timer_t *timer);

static void fetch_done(uv_work_t *work, int status)
{
    struct fetch *f = work->data;
    struct jwks *j = f->jwks;
    j->is_fetching = false;
    if (!j->is_closing) {
        if (status == 0)
            take_result(j, f);
        usec pause = j->keys == NULL ? j->refresh_min : j->refresh;
        check(uv_timer_start(&j->timer, on_timer, (uint64_t)(pause / USEC_PER_MS), 0) == 0);
        tell_waiting(j);
    }
    free(f->url);
    free(f->body);
    free(f);
    if (j->is_closing)
        jwks_destroy_if_idle(j);
}

static void fetch_start(struct jwks *j)
{
    if (j->is_fetching || j->is_closing)
        return;
    struct fetch *f = calloc(1, sizeof *f);
    check(f != NULL);
    f->jwks = j;
    f->url = strdup(j->url);
    f->body = malloc(BODY_MAX);
    f->timeout_ms = (long)(j->timeout / USEC_PER_MS);
    check(f->url != NULL && f->body != NULL);
    f->work.data = f;
    j->is_fetching = true;
    j->last_fetch = clock_now();
    check(uv_queue_work(j->loop, &f->work, fetch_run, fetch_done) == 0);
}

static void on_timer(uv_timer_t *timer)
{
    fetch_start(timer->data);
}

static char *copy(const char *text)
{
    char *p = text == NULL ? NULL : strdup(text);
    check(text == NULL || p != NULL);
    return p;
}

enum err jwks_new(uv_loop_t *loop, const struct jwks_options *o, struct jwks **ret)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    check(pthread_once(&once, curl_init) == 0);
    struct jwks *j = calloc(1, sizeof *j);
    if (j == NULL)
        return ERR_SYSTEM;
    j->loop = loop;
    j->url = copy(o->url);
    j->issuer = copy(o->issuer);
    j->audience = copy(o->audience);
    j->leeway = o->leeway == 0 ? SECONDS(30) : o->leeway;
    j->refresh = o->refresh == 0 ? SECONDS(300) : o->refresh;
    j->refresh_min = o->refresh_min == 0 ? SECONDS(2) : o->refresh_min;
    j->timeout = o->timeout == 0 ? SECONDS(3) : o->timeout;
    j->started = clock_now();
    list_init(&j->waiting);
    check(uv_timer_init(loop, &j->timer) == 0);
    j->timer.data = j;
    fetch_start(j);
    *ret = j;
    return OK;
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct jwks *j = handle->data;
    j->is_timer_closed = true;
    jwks_destroy_if_idle(j);
}

void jwks_free(struct jwks *j)
{
    if (j == NULL)
        return;
    check(!j->is_closing);
    j->is_closing = true;
    tell_waiting(j);
    uv_close((uv_handle_t *)&j->timer, on_timer_closed);
}

void jwks_verify_async(struct jwks *j, struct bytes token, wall_usec now, jwks_callback *callback,
                       void *data)
{
    struct token_claims claims;
    enum err e = j->is_closing ? ERR_BAD_STATE : jwks_verify(j, token, now, &claims);
    bool is_key_missing = (e == ERR_NOT_FOUND || e == ERR_BAD_STATE) && !j->is_closing;
    bool may_fetch = j->is_fetching || clock_now() - j->last_fetch >= j->refresh_min;
    if (!is_key_missing || !may_fetch || token.len > TOKEN_TEXT_MAX) {
        callback(e, e == OK ? &claims : NULL, data);
        return;
    }
    struct waiting *w = j->waiting_count >= WAITING_MAX ? NULL : malloc(sizeof *w + token.len);
    if (w == NULL) {
        callback(ERR_FULL, NULL, data);
        return;
    }
    *w = (struct waiting){ .callback = callback, .data = data, .now = now, .len = token.len };
    if (token.len > 0)
        memcpy(w->token, token.data, token.len);
    list_push_back(&j->waiting, &w->link);
    j->waiting_count++;
    fetch_start(j);
}

bool jwks_has_keys(const struct jwks *j)
{
    return j->keys != NULL;
}

bool jwks_is_ready(void *data, char *ret_why, size_t capacity)
{
    const struct jwks *j = data;
    if (jwks_has_keys(j))
        return true;
    (void)snprintf(ret_why, capacity, "no keys from %s yet", j->url);
    return false;
}
