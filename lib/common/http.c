/* Requests and responses as values. SPDX-License-Identifier: Apache-2.0 */
#include "common/http.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const method_names[HTTP_METHOD_COUNT] = {
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS",
};

const char *http_method_name(enum http_method method)
{
    check((unsigned)method < HTTP_METHOD_COUNT);
    return method_names[method];
}

enum err http_method_parse(const char *text, enum http_method *ret)
{
    for (unsigned i = 0; i < HTTP_METHOD_COUNT; i++) {
        if (strcmp(text, method_names[i]) == 0) {
            *ret = (enum http_method)i;
            return OK;
        }
    }
    return ERR_UNSUPPORTED;
}

const char *http_status_title(int status)
{
    static const struct {
        int status;
        const char *title;
    } titles[] = {
        { 200, "OK" },
        { 201, "Created" },
        { 202, "Accepted" },
        { 204, "No Content" },
        { 304, "Not Modified" },
        { 400, "Bad Request" },
        { 401, "Unauthorized" },
        { 403, "Forbidden" },
        { 404, "Not Found" },
        { 405, "Method Not Allowed" },
        { 406, "Not Acceptable" },
        { 408, "Request Timeout" },
        { 409, "Conflict" },
        { 410, "Gone" },
        { 411, "Length Required" },
        { 412, "Precondition Failed" },
        { 413, "Content Too Large" },
        { 415, "Unsupported Media Type" },
        { 416, "Range Not Satisfiable" },
        { 422, "Unprocessable Content" },
        { 428, "Precondition Required" },
        { 429, "Too Many Requests" },
        { 431, "Request Header Fields Too Large" },
        { 500, "Internal Server Error" },
        { 501, "Not Implemented" },
        { 502, "Bad Gateway" },
        { 503, "Service Unavailable" },
        { 504, "Gateway Timeout" },
    };
    for (size_t i = 0; i < ARRAY_LEN(titles); i++)
        if (titles[i].status == status)
            return titles[i].title;
    return "Status";
}

const char *http_request_header(const struct http_request *r, const char *name)
{
    for (size_t i = 0; i < r->header_count; i++)
        if (strcasecmp(r->headers[i].name, name) == 0)
            return r->headers[i].value;
    return NULL;
}

const char *http_request_query(const struct http_request *r, const char *name)
{
    for (size_t i = 0; i < r->query_count; i++)
        if (strcmp(r->query[i].name, name) == 0)
            return r->query[i].value;
    return NULL;
}

enum err http_request_query_u64(const struct http_request *r, const char *name, uint64_t fallback,
                                uint64_t min, uint64_t max, uint64_t *ret)
{
    const char *text = http_request_query(r, name);
    if (text == NULL) {
        *ret = fallback;
        return OK;
    }
    uint64_t value = 0;
    size_t len = strlen(text);
    if (len == 0 || len > 20)
        return ERR_MALFORMED;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9' || __builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, (uint64_t)(text[i] - '0'), &value))
            return ERR_MALFORMED;
    }
    if (value < min || value > max)
        return ERR_MALFORMED;
    *ret = value;
    return OK;
}

const char *http_request_param(const struct http_request *r, const char *name)
{
    for (size_t i = 0; i < r->param_count; i++)
        if (strcmp(r->params[i].name, name) == 0)
            return r->params[i].value;
    return "";
}

struct bytes http_request_bearer(const struct http_request *r)
{
    const char *value = http_request_header(r, "Authorization");
    if (value == NULL || strncasecmp(value, "Bearer ", 7) != 0)
        return (struct bytes){ 0 };
    value += 7;
    while (*value == ' ')
        value++;
    struct bytes token = bytes_of_str(value);
    while (token.len > 0 && token.data[token.len - 1] == ' ')
        token.len--;
    return token;
}

struct bytes http_request_cookie(const struct http_request *r, const char *name)
{
    size_t name_len = strlen(name);
    const char *at = http_request_header(r, "Cookie");
    while (at != NULL && *at != '\0') {
        at += strspn(at, "; \t");
        size_t len = strcspn(at, ";");
        if (len > name_len && strncmp(at, name, name_len) == 0 && at[name_len] == '=') {
            struct bytes value = bytes_of(at + name_len + 1, len - name_len - 1);
            while (value.len > 0 && value.data[value.len - 1] == ' ')
                value.len--;
            return value;
        }
        at += len;
    }
    return (struct bytes){ 0 };
}

/* "application/json", "application/merge-patch+json; charset=utf-8". */
static bool is_json_type(const char *type)
{
    size_t len = strcspn(type, "; \t");
    if (len == strlen("application/json") && strncasecmp(type, "application/json", len) == 0)
        return true;
    return len > 5 && strncasecmp(type, "application/", 12) == 0 &&
           strncasecmp(type + len - 5, "+json", 5) == 0;
}

enum err http_request_json(const struct http_request *r, json_t **ret)
{
    const char *type = http_request_header(r, "Content-Type");
    if (type != NULL && !is_json_type(type))
        return ERR_UNSUPPORTED;
    json_error_t why;
    json_t *json = r->body.len == 0 ? NULL
                                    : json_loadb((const char *)r->body.data, r->body.len,
                                                 JSON_REJECT_DUPLICATES, &why);
    if (json == NULL)
        return ERR_MALFORMED;
    if (!json_is_object(json)) {
        json_decref(json);
        return ERR_MALFORMED;
    }
    *ret = json;
    return OK;
}

static void body_clear(struct http_response *r)
{
    free(r->body);
    r->body = NULL;
    r->body_len = 0;
    if (r->source.done != NULL)
        r->source.done(r->source.data);
    r->source = (struct http_source){ 0 };
}

void http_response_clear(struct http_response *r)
{
    body_clear(r);
    for (size_t i = 0; i < r->header_count; i++) {
        free(r->headers[i].name);
        free(r->headers[i].value);
    }
    *r = (struct http_response){ .request_id = r->request_id };
}

const char *http_response_get_header(const struct http_response *r, const char *name)
{
    for (size_t i = 0; i < r->header_count; i++)
        if (strcasecmp(r->headers[i].name, name) == 0)
            return r->headers[i].value;
    return NULL;
}

void http_response_header(struct http_response *r, const char *name, const char *value)
{
    check(strpbrk(name, "\r\n: ") == NULL && name[0] != '\0');
    check(strpbrk(value, "\r\n") == NULL);
    char *value_copy = strdup(value);
    if (value_copy == NULL)
        return;
    for (size_t i = 0; i < r->header_count; i++) {
        if (strcasecmp(r->headers[i].name, name) == 0) {
            free(r->headers[i].value);
            r->headers[i].value = value_copy;
            return;
        }
    }
    check(r->header_count < ARRAY_LEN(r->headers));
    char *name_copy = strdup(name);
    if (name_copy == NULL) {
        free(value_copy);
        return;
    }
    r->headers[r->header_count].name = name_copy;
    r->headers[r->header_count].value = value_copy;
    r->header_count++;
}

/* Takes malloc()ed text; NULL turns the response into a bare 500. */
static void take_body(struct http_response *r, int status, const char *content_type, char *body,
                      size_t len)
{
    body_clear(r);
    if (body == NULL) {
        r->status = 500;
        return;
    }
    r->status = status;
    r->body = body;
    r->body_len = len;
    http_response_header(r, "Content-Type", content_type);
}

static void take_json(struct http_response *r, int status, const char *content_type, json_t *json)
{
    char *text = json == NULL ? NULL : json_dumps(json, JSON_COMPACT);
    json_decref(json);
    take_body(r, status, content_type, text, text == NULL ? 0 : strlen(text));
}

void http_response_json(struct http_response *r, int status, json_t *body)
{
    take_json(r, status, "application/json", body);
}

void http_response_bytes(struct http_response *r, int status, const char *content_type,
                         struct bytes body)
{
    char *copy = malloc(body.len + 1);
    if (copy != NULL) {
        if (body.len > 0)
            memcpy(copy, body.data, body.len);
        copy[body.len] = '\0';
    }
    take_body(r, status, content_type, copy, body.len);
}

void http_response_empty(struct http_response *r, int status)
{
    body_clear(r);
    r->status = status;
}

void http_response_stream(struct http_response *r, int status, const char *content_type,
                          struct http_source source)
{
    check(source.read != NULL);
    body_clear(r);
    r->status = status;
    r->source = source;
    http_response_header(r, "Content-Type", content_type);
}

PRINTF_LIKE(5, 0)
static void problem(struct http_response *r, int status, const char *error, json_t *more,
                    const char *format, va_list args)
{
    char type[128];
    (void)snprintf(type, sizeof type, "urn:conclave:error:%s", error);
    json_t *json = json_pack("{ss ss ss si}", "type", type, "error", error, "title",
                             http_status_title(status), "status", status);
    if (json != NULL && format != NULL) {
        char detail[512];
        (void)vsnprintf(detail, sizeof detail, format, args);
        /* json_string() refuses what is not UTF-8: then there is no detail. */
        (void)json_object_set_new(json, "detail", json_string(detail));
    }
    if (json != NULL && r->request_id != NULL)
        (void)json_object_set_new(json, "request_id", json_string(r->request_id));
    if (json != NULL && more != NULL)
        (void)json_object_update_missing(json, more);
    json_decref(more);
    take_json(r, status, "application/problem+json", json);
}

void http_response_problem(struct http_response *r, int status, const char *error,
                           const char *detail, ...)
{
    va_list args;
    va_start(args, detail);
    problem(r, status, error, NULL, detail, args);
    va_end(args);
}

void http_response_problem_with(struct http_response *r, int status, const char *error,
                                json_t *more, const char *detail, ...)
{
    va_list args;
    va_start(args, detail);
    problem(r, status, error, more, detail, args);
    va_end(args);
}
