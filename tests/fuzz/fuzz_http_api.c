/* fuzz_http_api.c - authd's API: a conversation of requests against a store in memory.
 *
 * The input is requests separated by a zero byte, each as it would be on the wire, more or less:
 *
 *     POST /v1/token
 *     Cookie: conclave_refresh=$R
 *
 *     {"refresh_token":"$R"}
 *
 * $L, $R and $T stand for the last login id, refresh token and access token that were answered, so
 * that conversations get past the first step. `+9` as a request moves the clock by 4^9 ms.
 *
 * Whatever is asked: one complete response, never 500, JSON with a stable error id in it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/routes.h"
#include "memory_store.h"

#include <openssl/ec.h>
#include <stdio.h>
#include <stdlib.h>

#define REQUESTS_MAX 16
#define TEXT_MAX     16384

static struct auth auth;
static struct memory_store store;
static char last_login[64], last_refresh[256], last_access[4096];
static uint8_t random_counter;

static void set_up(void)
{
    static const char *const urls[] = { "stun:a", "turn:b" };
    static const char *const admins[] = { "ada" };
    auth = (struct auth){ .issuer = "conclave",
                          .access_ttl = SECONDS(900),
                          .refresh_ttl = SECONDS(86400),
                          .turn_ttl = SECONDS(3600),
                          .turn_urls = urls,
                          .turn_url_count = 2,
                          .turn_secret = bytes_of_str("0123456789abcdef"),
                          .policy = { admins, 1 },
                          .has_guests = true,
                          .throttle_scale = 1,
                          .has_secret = true };
    auth.key = EVP_EC_gen("P-256");
    check(auth.key != NULL && token_kid_write(auth.key, auth.kid) == OK);
    check(token_keys_of(auth.key, auth.kid, &auth.keys) == OK);
}

static void remember(const json_t *answer, const char *key, char *ret, size_t capacity)
{
    const char *text = json_string_value(json_object_get(answer, key));
    if (text != NULL)
        snprintf(ret, capacity, "%s", text);
}

static void response_check(const struct http_response *r)
{
    check(r->status >= 200 && r->status < 600 && r->status != 500);
    json_t *answer = NULL;
    if (r->body_len > 0) {
        answer = json_loadb(r->body, r->body_len, JSON_REJECT_DUPLICATES, NULL);
        check(answer != NULL);
    }
    check(r->status < 400 || json_is_string(json_object_get(answer, "error")));
    remember(answer, "login", last_login, sizeof(last_login));
    remember(answer, "refresh_token", last_refresh, sizeof(last_refresh));
    remember(answer, "access_token", last_access, sizeof(last_access));
    json_decref(answer);
}

static void answer(struct http_request *request)
{
    struct http_response response = { 0 };
    struct call call;
    uint8_t random[CALL_RANDOM_LEN];
    memset(random, ++random_counter, sizeof(random));
    call_init(&call, request, &response, random);
    auth_start(&auth, &call);
    while (call.next != NULL) {
        memory_store_perform(&store, &call.op, &call.reply);
        auth_resume(&auth, &call);
    }
    response_check(&response);
    call_done(&call);
    http_response_clear(&response);
}

/* Copies a request and puts in what $L, $R and $T stand for. */
static void expand(const uint8_t *data, size_t len, char ret[TEXT_MAX])
{
    size_t at = 0;
    for (size_t i = 0; i < len && at + sizeof(last_access) < TEXT_MAX; i++) {
        const char *value = NULL;
        if (data[i] == '$' && i + 1 < len)
            value = data[i + 1] == 'L'   ? last_login
                    : data[i + 1] == 'R' ? last_refresh
                    : data[i + 1] == 'T' ? last_access
                                         : NULL;
        if (value == NULL) {
            ret[at++] = (char)data[i];
            continue;
        }
        memcpy(ret + at, value, strlen(value));
        at += strlen(value);
        i++;
    }
    ret[at] = '\0';
}

/* Cuts at the next newline; returns the line, moves on. */
static char *line_take(char **text)
{
    char *line = *text, *end = strchr(line, '\n');
    *text = end == NULL ? line + strlen(line) : end + 1;
    if (end != NULL)
        *end = '\0';
    return line;
}

static void request_run(char *text)
{
    struct http_request request = { .client_address = "192.0.2.7",
                                    .request_id = "r",
                                    .wall = store.now };
    char *first = line_take(&text);
    char *path = strchr(first, ' ');
    if (path == NULL)
        return;
    *path++ = '\0';
    if (http_method_parse(first, &request.method) != OK || strlen(path) > HTTP_PATH_BYTES_MAX)
        return;
    request.path = path;
    for (char *line = line_take(&text); *line != '\0'; line = line_take(&text)) {
        char *value = strstr(line, ": ");
        if (value == NULL || request.header_count == HTTP_HEADERS_MAX)
            continue;
        *value = '\0';
        request.headers[request.header_count++] = (struct http_field){ line, value + 2 };
    }
    request.body = bytes_of(text, strlen(text));
    answer(&request);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static char text[TEXT_MAX];
    if (auth.key == NULL)
        set_up();
    memory_store_init(&store, SECONDS(1790000000));
    random_counter = 0;
    last_login[0] = last_refresh[0] = last_access[0] = '\0';
    for (int i = 0; i < REQUESTS_MAX && len > 0; i++) {
        const uint8_t *end = memchr(data, 0, len);
        size_t size = end == NULL ? len : (size_t)(end - data);
        if (size == 2 && data[0] == '+' && data[1] >= '0' && data[1] <= '9') {
            store.now += MILLIS(1) << (data[1] - '0') * 2;
        } else {
            expand(data, size, text);
            request_run(text);
        }
        len -= size + (end != NULL);
        data += size + (end != NULL);
    }
    memory_store_done(&store);
    return 0;
}
