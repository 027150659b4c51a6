/* SPDX-License-Identifier: Apache-2.0 */
#include "io/calls.h"

#include "common/bytes.h"
#include "common/os/clock.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

enum { ANSWER_BYTES_MAX = 256 << 20, WAIT_MS = 100 };

struct caller {
    CURLM *multi;
    struct curl_slist *headers;
};

struct running {
    struct call *call;
    CURL *easy;
    char *data;
    size_t len, capacity;
};

struct caller *caller_new(const char *bearer)
{
    struct caller *c = calloc(1, sizeof *c);
    size_t capacity = strlen(bearer) + 32;
    char *line = malloc(capacity);
    if (c != NULL && line != NULL && curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK) {
        (void)snprintf(line, capacity, "Authorization: Bearer %s", bearer);
        c->multi = curl_multi_init();
        c->headers = curl_slist_append(NULL, line);
        (void)curl_slist_append(c->headers, "Content-Type: application/json");
        (void)curl_slist_append(c->headers, "Expect:");
        bytes_wipe(line, capacity);
    }
    free(line);
    if (c != NULL && c->multi != NULL && c->headers != NULL)
        return c;
    caller_free(c);
    return NULL;
}

void caller_free(struct caller *c)
{
    if (c == NULL)
        return;
    curl_multi_cleanup(c->multi);
    curl_slist_free_all(c->headers);
    free(c);
}

static size_t on_data(char *data, size_t size, size_t count, void *user)
{
    struct running *r = user;
    size_t len = size * count, needed = r->len + len;
    if (needed > ANSWER_BYTES_MAX)
        return 0;
    if (needed > r->capacity) {
        size_t capacity = MAX(r->capacity * 2, MAX((size_t)4096, needed));
        char *larger = realloc(r->data, capacity);
        if (larger == NULL)
            return 0;
        r->data = larger;
        r->capacity = capacity;
    }
    memcpy(r->data + r->len, data, len);
    r->len = needed;
    return len;
}

static void begin(struct caller *c, struct running *r, usec timeout)
{
    struct call *call = r->call;
    call->status = 0;
    call->is_refused = false;
    call->answer = NULL;
    call->error_id[0] = '\0';
    (void)snprintf(call->error, sizeof call->error, "no answer in time");
    r->easy = curl_easy_init();
    if (r->easy == NULL)
        return;
    curl_easy_setopt(r->easy, CURLOPT_URL, call->url);
    curl_easy_setopt(r->easy, CURLOPT_CUSTOMREQUEST, call->method);
    curl_easy_setopt(r->easy, CURLOPT_PROTOCOLS_STR, "http");
    curl_easy_setopt(r->easy, CURLOPT_PROXY, "");
    curl_easy_setopt(r->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(r->easy, CURLOPT_PRIVATE, r);
    curl_easy_setopt(r->easy, CURLOPT_HTTPHEADER, c->headers);
    curl_easy_setopt(r->easy, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(r->easy, CURLOPT_WRITEDATA, r);
    curl_easy_setopt(r->easy, CURLOPT_TIMEOUT_MS, (long)(timeout / USEC_PER_MS));
    curl_easy_setopt(r->easy, CURLOPT_USERAGENT, "conclave-bot/" CONCLAVE_VERSION);
    if (call->body != NULL) {
        curl_easy_setopt(r->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(call->body));
        curl_easy_setopt(r->easy, CURLOPT_POSTFIELDS, call->body);
    }
    (void)curl_multi_add_handle(c->multi, r->easy);
    call->began = clock_wall();
}

static void take_problem(struct call *call)
{
    const char *detail = json_string_value(json_object_get(call->answer, "detail"));
    const char *id = json_string_value(json_object_get(call->answer, "error"));
    if (detail != NULL)
        (void)snprintf(call->error, sizeof call->error, "%s", detail);
    else
        (void)snprintf(call->error, sizeof call->error, "HTTP status %d", call->status);
    if (id != NULL)
        (void)snprintf(call->error_id, sizeof call->error_id, "%s", id);
}

static void finish(struct running *r, CURLcode code)
{
    struct call *call = r->call;
    long status = 0;
    call->ended = clock_wall();
    if (code != CURLE_OK) {
        call->is_refused = code == CURLE_COULDNT_CONNECT;
        (void)snprintf(call->error, sizeof call->error, "%s", curl_easy_strerror(code));
        return;
    }
    curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
    call->status = (int)status;
    call->error[0] = '\0';
    if (r->len > 0)
        call->answer = json_loadb(r->data, r->len, 0, NULL);
    if (status < 200 || status > 299)
        take_problem(call);
}

static void reap(struct caller *c)
{
    int left;
    for (CURLMsg *m; (m = curl_multi_info_read(c->multi, &left)) != NULL;) {
        struct running *r = NULL;
        if (m->msg != CURLMSG_DONE)
            continue;
        CURLcode code = m->data.result;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &r);
        finish(r, code);
    }
}

void calls_perform(struct caller *c, struct call *calls, size_t count, usec timeout)
{
    struct running *all = calloc(MAX(count, 1), sizeof *all);
    check(all != NULL);
    int left = 1;
    for (size_t i = 0; i < count; i++) {
        all[i].call = &calls[i];
        begin(c, &all[i], timeout);
    }
    while (left > 0 && curl_multi_perform(c->multi, &left) == CURLM_OK) {
        reap(c);
        if (left > 0)
            (void)curl_multi_poll(c->multi, NULL, 0, WAIT_MS, NULL);
    }
    for (size_t i = 0; i < count; i++) {
        if (all[i].easy != NULL)
            (void)curl_multi_remove_handle(c->multi, all[i].easy);
        curl_easy_cleanup(all[i].easy);
        free(all[i].data);
    }
    free(all);
}
