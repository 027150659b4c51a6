/* api.c - see api.h. SPDX-License-Identifier: Apache-2.0 */
#include "api.h"

#include "../core/door.h"
#include "runtime.h"

#include <libwebsockets.h>
#include <stdio.h>
#include <stdlib.h>

#define CHUNK             (16 * 1024)
#define HEADERS_CAPACITY  4096
#define FIELD_BYTES_MAX   3072
#define QUERY_FIELD_MAX   512
#define ADDRESS_BYTES_MAX 64

struct api {
    struct runtime *runtime;
    struct lws *wsi;
    struct exchange *exchange; /* NULL: not given to the hub yet */
    /* the request; texts owned */
    struct http_request request;
    char *path;
    char *fields[5];
    char *query[2 * HTTP_QUERY_MAX]; /* name, value */
    char address[ADDRESS_BYTES_MAX];
    uint8_t *body; /* owned */
    size_t body_len, body_capacity;
    /* the answer */
    struct http_response response;
    bool has_response, has_headers;
    size_t sent;
};

bool api_is_path(const char *path)
{
    return strncmp(path, "/whip/", 6) == 0 || strncmp(path, "/whep/", 6) == 0;
}

static const struct {
    enum lws_token_indexes token;
    enum http_method method;
} methods[] = {
    { WSI_TOKEN_GET_URI, HTTP_METHOD_GET },         { WSI_TOKEN_HEAD_URI, HTTP_METHOD_HEAD },
    { WSI_TOKEN_POST_URI, HTTP_METHOD_POST },       { WSI_TOKEN_PUT_URI, HTTP_METHOD_PUT },
    { WSI_TOKEN_PATCH_URI, HTTP_METHOD_PATCH },     { WSI_TOKEN_DELETE_URI, HTTP_METHOD_DELETE },
    { WSI_TOKEN_OPTIONS_URI, HTTP_METHOD_OPTIONS },
};

static const struct {
    enum lws_token_indexes token;
    const char *name;
} fields[] = {
    { WSI_TOKEN_HTTP_AUTHORIZATION, "authorization" },
    { WSI_TOKEN_HTTP_CONTENT_TYPE, "content-type" },
    { WSI_TOKEN_HTTP_IF_MATCH, "if-match" },
    { WSI_TOKEN_ORIGIN, "origin" },
    { WSI_TOKEN_HOST, "host" },
};

static void read_fields(struct api *a)
{
    struct http_request *r = &a->request;
    char value[FIELD_BYTES_MAX];
    static_assert(ARRAY_LEN(fields) <= ARRAY_LEN(a->fields), "a text for each");
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (lws_hdr_copy(a->wsi, value, sizeof(value), fields[i].token) <= 0)
            continue;
        a->fields[i] = strdup(value);
        check(a->fields[i] != NULL);
        r->headers[r->header_count++] = (struct http_field){ fields[i].name, a->fields[i] };
    }
    bytes_wipe(value, sizeof(value));
}

/* libwebsockets has decoded the query already. */
static void read_query(struct api *a)
{
    struct http_request *r = &a->request;
    char part[QUERY_FIELD_MAX];
    for (int i = 0;
         r->query_count < HTTP_QUERY_MAX &&
         lws_hdr_copy_fragment(a->wsi, part, sizeof(part), WSI_TOKEN_HTTP_URI_ARGS, i) > 0;
         i++) {
        char *equals = strchr(part, '=');
        if (equals != NULL)
            *equals = 0;
        char **at = &a->query[2 * r->query_count];
        at[0] = strdup(part);
        at[1] = strdup(equals == NULL ? "" : equals + 1);
        check(at[0] != NULL && at[1] != NULL);
        r->query[r->query_count++] = (struct http_field){ at[0], at[1] };
    }
}

static int dispatch(struct api *a)
{
    struct runtime *r = a->runtime;
    a->request.body = bytes_of(a->body, a->body_len);
    a->exchange = hub_on_http(runtime_hub(r), a, &a->request);
    runtime_perform(r);
    return 0;
}

/* Before the hub has seen it. The body that may follow is not read: the connection ends. */
static int refuse(struct api *a, int status, const char *error, const char *text)
{
    http_response_problem(&a->response, status, error, "%s", text);
    http_response_header(&a->response, "Connection", "close");
    const struct signald_config *c = a->runtime->config;
    const char *origin = http_request_header(&a->request, "origin");
    if (origin_judge(origin, http_request_header(&a->request, "host"), c->allowed_origins.items,
                     c->allowed_origins.count) == ORIGIN_ALLOWED)
        origin_permit(&a->response, origin, DOOR_HEADERS_EXPOSED);
    a->has_response = true;
    bool is_done = false;
    while (!is_done)
        if (api_on_writeable(a, &is_done) != 0)
            break;
    return -1;
}

/* The length of the body. False: refused. */
static bool read_length(struct api *a, bool may_have_body, size_t *ret)
{
    char text[24] = "";
    int len = lws_hdr_copy(a->wsi, text, sizeof(text), WSI_TOKEN_HTTP_CONTENT_LENGTH);
    *ret = 0;
    bool is_chunked = lws_hdr_total_length(a->wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) > 0;
    if (is_chunked || len < 0 || (len == 0 && may_have_body)) {
        (void)refuse(a, 411, "length-required", "The request must have a Content-Length.");
        return false;
    }
    if (len == 0)
        return true;
    char *end;
    unsigned long long value = strtoull(text, &end, 10);
    if (*end != 0 || text[0] == '-' || value > HTTP_BODY_MAX_DEFAULT) {
        (void)refuse(a, 413, "body-too-large", "A body may have 65536 bytes.");
        return false;
    }
    *ret = (size_t)value;
    return true;
}

int api_on_headers(struct runtime *r, struct lws *wsi, const char *path, const char *address,
                   struct api **ret)
{
    struct api *a = calloc(1, sizeof(*a));
    check(a != NULL);
    *ret = a;
    a->runtime = r;
    a->wsi = wsi;
    a->path = strdup(path);
    check(a->path != NULL);
    snprintf(a->address, sizeof(a->address), "%s", address);
    a->request.path = a->path;
    a->request.client_address = a->address;
    a->request.method = HTTP_METHOD_COUNT;
    for (size_t i = 0; i < ARRAY_LEN(methods); i++)
        if (lws_hdr_total_length(wsi, methods[i].token) > 0)
            a->request.method = methods[i].method;
    if (a->request.method == HTTP_METHOD_COUNT)
        return refuse(a, 501, "not-implemented", "This method is not known.");
    read_fields(a);
    read_query(a);
    bool may_have_body = a->request.method == HTTP_METHOD_POST ||
                         a->request.method == HTTP_METHOD_PUT ||
                         a->request.method == HTTP_METHOD_PATCH;
    if (!read_length(a, may_have_body, &a->body_capacity))
        return -1;
    if (a->body_capacity > 0 && !may_have_body)
        return refuse(a, 400, "bad-request", "This method has no body.");
    a->body = malloc(a->body_capacity + 1);
    check(a->body != NULL);
    return a->body_capacity == 0 ? dispatch(a) : 0;
}

int api_on_body(struct api *a, const void *data, size_t len)
{
    if (len > a->body_capacity - a->body_len)
        return -1;
    if (len == 0)
        return 0; /* an empty body: data may be NULL */
    memcpy(a->body + a->body_len, data, len);
    a->body_len += len;
    return 0;
}

int api_on_complete(struct api *a)
{
    return a->exchange == NULL && !a->has_response && a->body_len == a->body_capacity ? dispatch(a)
                                                                                      : 0;
}

void api_respond(void *api, struct http_response *response)
{
    struct api *a = api;
    check(!a->has_response);
    a->response = *response;
    *response = (struct http_response){ 0 };
    a->has_response = true;
    lws_callback_on_writable(a->wsi);
}

static int write_headers(struct api *a)
{
    const struct http_response *r = &a->response;
    unsigned char buffer[LWS_PRE + HEADERS_CAPACITY], *start = buffer + LWS_PRE, *p = start;
    unsigned char *end = buffer + sizeof(buffer) - 1;
    if (lws_add_http_header_status(a->wsi, (unsigned)r->status, &p, end))
        return -1;
    for (size_t i = 0; i < r->header_count; i++) {
        char name[64];
        int len = snprintf(name, sizeof(name), "%s:", r->headers[i].name);
        check(len > 0 && (size_t)len < sizeof(name));
        const char *value = r->headers[i].value;
        if (lws_add_http_header_by_name(a->wsi, (const unsigned char *)name,
                                        (const unsigned char *)value, (int)strlen(value), &p, end))
            return -1;
    }
    if (r->status != 204 && lws_add_http_header_content_length(a->wsi, r->body_len, &p, end))
        return -1;
    a->has_headers = true;
    return lws_finalize_write_http_header(a->wsi, start, &p, end);
}

int api_on_writeable(struct api *a, bool *ret_is_done)
{
    if (!a->has_response)
        return 0;
    if (!a->has_headers) {
        if (write_headers(a) != 0)
            return -1;
        *ret_is_done = a->response.body_len == 0 || a->request.method == HTTP_METHOD_HEAD;
        if (!*ret_is_done)
            lws_callback_on_writable(a->wsi);
        return 0;
    }
    unsigned char buffer[LWS_PRE + CHUNK];
    size_t len = MIN(a->response.body_len - a->sent, (size_t)CHUNK);
    bool is_last = a->sent + len == a->response.body_len;
    memcpy(buffer + LWS_PRE, a->response.body + a->sent, len);
    if (lws_write(a->wsi, buffer + LWS_PRE, len, is_last ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP) !=
        (int)len)
        return -1;
    a->sent += len;
    *ret_is_done = is_last;
    if (!is_last)
        lws_callback_on_writable(a->wsi);
    return 0;
}

void api_free(struct api *a)
{
    if (a == NULL)
        return;
    if (a->exchange != NULL) {
        hub_on_http_closed(runtime_hub(a->runtime), a->exchange);
        runtime_perform(a->runtime);
    }
    for (size_t i = 0; i < ARRAY_LEN(a->fields); i++) {
        if (a->fields[i] != NULL)
            bytes_wipe(a->fields[i], strlen(a->fields[i]));
        free(a->fields[i]);
    }
    for (size_t i = 0; i < 2 * a->request.query_count; i++)
        free(a->query[i]);
    http_response_clear(&a->response);
    free(a->path);
    free(a->body);
    free(a);
}
