/* See fetch.h: requests.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "io/fetch_private.h"

#include "common/os/clock.h"

#include <stdio.h>
#include <stdlib.h>

static const char *error_of(CURLcode code, const struct fetch *x)
{
    long port = 0; /* of the server; 0: never connected */
    (void)curl_easy_getinfo(x->easy, CURLINFO_PRIMARY_PORT, &port);
    if (x->is_too_big)
        return "too-big";
    switch (code) {
    case CURLE_COULDNT_CONNECT:
        return "refused";
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return "dns";
    case CURLE_OPERATION_TIMEDOUT:
        return "timeout";
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
        return "tls";
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
        return "reset";
    case CURLE_WEIRD_SERVER_REPLY:
        return "not-http";
    case CURLE_UNSUPPORTED_PROTOCOL: /* the URL's; or the server's, who answers something else */
        return port > 0 ? "not-http" : "bad-url";
    case CURLE_URL_MALFORMAT:
        return "bad-url";
    default:
        return "failed";
    }
}

static size_t on_data(char *data, size_t size, size_t count, void *user)
{
    struct fetch *x = user;
    size_t len = size * count, needed = x->answer_len + len;
    if (needed > x->fetcher->body_max) {
        x->is_too_big = true;
        return 0;
    }
    if (needed > x->answer_capacity) {
        size_t capacity = MAX(x->answer_capacity * 2, MAX((size_t)1024, needed));
        uint8_t *larger = realloc(x->answer, capacity);
        if (larger == NULL)
            return 0;
        x->answer = larger;
        x->answer_capacity = capacity;
    }
    memcpy(x->answer + x->answer_len, data, len);
    x->answer_len = needed;
    return len;
}

static bool add_header(struct fetch *x, const char *text)
{
    struct curl_slist *longer = curl_slist_append(x->headers, text);
    if (longer != NULL)
        x->headers = longer;
    return longer != NULL;
}

static bool add_headers(struct fetch *x, const char *token)
{
    bool ok = add_header(x, "Accept: application/json, */*;q=0.5") && add_header(x, "Expect:");
    if (x->body != NULL)
        ok = ok && add_header(x, "Content-Type: application/json");
    if (token != NULL) {
        size_t capacity = strlen(token) + 32;
        char *line = malloc(capacity);
        if (line != NULL)
            snprintf(line, capacity, "Authorization: Bearer %s", token);
        ok = ok && line != NULL && add_header(x, line);
        free(line);
    }
    return ok;
}

static void set_options(struct fetch *x, const char *url)
{
    const struct fetcher *f = x->fetcher;
    CURL *c = x->easy;
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_PROXY, "");
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_PRIVATE, x);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, x->headers);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, x);
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)(f->timeout / USEC_PER_MS));
    curl_easy_setopt(c, CURLOPT_USERAGENT, "conclave-bot/" CONCLAVE_VERSION);
    if (f->ca_file != NULL)
        curl_easy_setopt(c, CURLOPT_CAINFO, f->ca_file);
    if (f->insecure) {
        curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    if (x->body != NULL) {
        curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE, (long)x->body_len);
        curl_easy_setopt(c, CURLOPT_POSTFIELDS, x->body);
    }
}

static bool copy_body(struct fetch *x, struct bytes body)
{
    if (body.data == NULL)
        return true;
    x->body = malloc(body.len + 1);
    if (x->body == NULL)
        return false;
    memcpy(x->body, body.data, body.len);
    x->body_len = body.len;
    return true;
}

struct fetch *fetch_start(struct fetcher *f, const char *url, struct bytes body, const char *token,
                          fetch_done_fn done, void *owner)
{
    struct fetch *x = calloc(1, sizeof *x);
    if (x == NULL)
        return NULL;
    x->fetcher = f;
    x->done = done;
    x->owner = owner;
    list_push_back(&f->waiting, &x->link);
    f->count++;
    x->easy = curl_easy_init();
    if (x->easy == NULL || !copy_body(x, body) || !add_headers(x, token)) {
        fetch_cancel(x);
        return NULL;
    }
    set_options(x, url);
    fetcher_wake(f);
    return x;
}

void fetch_cancel(struct fetch *x)
{
    if (x == NULL)
        return;
    struct fetcher *f = x->fetcher;
    if (x->is_running) {
        curl_multi_remove_handle(f->multi, x->easy);
        f->running--;
    }
    list_remove(&x->link);
    f->count--;
    curl_easy_cleanup(x->easy);
    curl_slist_free_all(x->headers);
    free(x->body);
    free(x->answer);
    free(x);
    if (!f->is_closing && !list_is_empty(&f->waiting))
        fetcher_wake(f);
}

void fetch_finish(struct fetch *x, CURLcode code)
{
    struct fetcher *f = x->fetcher;
    fetch_done_fn done = x->done;
    void *owner = x->owner;
    long status = 0;
    uint8_t *answer = x->answer; /* kept during the call, when x is gone */
    struct bytes body = bytes_of(answer, x->answer_len);
    if (code == CURLE_OK)
        curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
    const char *error = status != 0 ? NULL : error_of(code, x);
    if (status == 0)
        body = bytes_of(NULL, 0);
    x->answer = NULL;
    fetch_cancel(x);
    if (!f->is_closing)
        done(owner, (int)status, body, error, clock_now());
    free(answer);
}
