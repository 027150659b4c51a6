/* One request: from libmicrohttpd's callbacks to a struct http_request, and its response back.
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/address.h"
#include "common/os/clock.h"
#include "common/os/http_private.h"
#include "common/os/log.h"
#include "common/os/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* How much more than the limit of a refused body is read and thrown away, so that the client gets
 * to see why instead of a reset: closing while it still sends would lose the answer on the way. */
#define DISCARD_MAX (1024 * 1024)

const struct http_request *http_exchange_request(const struct http_exchange *x)
{
    return &x->request;
}

struct http_request *http_exchange_request_mutable(struct http_exchange *x)
{
    return &x->request;
}

struct http_response *http_exchange_response(struct http_exchange *x)
{
    return &x->response;
}

static void exchange_free(struct http_exchange *x)
{
    http_response_clear(&x->response);
    free(x->body);
    free(x->query_text);
    free(x);
}

void http_exchange_on_completed(void *cls, struct MHD_Connection *connection, void **con_cls,
                                enum MHD_RequestTerminationCode code)
{
    (void)code;
    struct http_server *s = cls;
    struct http_exchange *x = *con_cls;
    *con_cls = NULL;
    http_connection_on_answered(s, connection);
    if (x == NULL)
        return;
    list_remove(&x->link);
    s->exchange_count--;
    x->server = NULL;
    if (x->is_finished || !x->is_dispatched)
        exchange_free(x);
}

bool http_server_trusts(const struct http_server *s, const char *address)
{
    if (s->options.trusted_proxies == NULL)
        return net_address_in(address, "127.0.0.0/8") || net_address_in(address, "::1");
    for (size_t i = 0; i < s->options.trusted_proxy_count; i++)
        if (net_address_in(address, s->options.trusted_proxies[i]))
            return true;
    return false;
}

static bool is_trusted(const void *server, const char *address)
{
    return http_server_trusts(server, address);
}

/* Who asks, and how: what does not come from a proxy that we trust may be invented. */
static void find_client(struct http_exchange *x)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    if (info != NULL && info->client_addr != NULL)
        net_address_host(info->client_addr, x->client_address);
    x->request.client_address = x->client_address;
    const char *proto = http_request_header(&x->request, "X-Forwarded-Proto");
    x->request.is_https = proto != NULL && strcasecmp(proto, "https") == 0 &&
                          http_server_trusts(x->server, x->client_address);
    const char *forwarded = http_request_header(&x->request, "X-Forwarded-For");
    if (forwarded != NULL)
        address_behind_proxies(forwarded, is_trusted, x->server, x->client_address);
}

static void choose_request_id(struct http_exchange *x)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    const char *given = http_request_header(&x->request, "X-Request-Id");
    size_t len = given == NULL ? 0 : strlen(given);
    if (len > 0 && len <= HTTP_REQUEST_ID_BYTES_MAX && strspn(given, allowed) == len) {
        memcpy(x->request_id, given, len + 1);
    } else {
        char id[ID_CAPACITY];
        random_id(id, "req_");
        memcpy(x->request_id, id, sizeof id);
    }
    x->request.request_id = x->request_id;
    x->response.request_id = x->request_id;
}

/* Collects fields while libmicrohttpd iterates. */
struct collecting {
    struct http_exchange *x;
    bool overflow, malformed;
    size_t text_len; /* of the decoded query */
};

static enum MHD_Result on_header(void *cls, enum MHD_ValueKind kind, const char *name,
                                 const char *value)
{
    (void)kind;
    struct collecting *c = cls;
    struct http_request *r = &c->x->request;
    if (r->header_count == HTTP_HEADERS_MAX) {
        c->overflow = true;
        return MHD_NO;
    }
    r->headers[r->header_count++] =
        (struct http_field){ .name = name, .value = value == NULL ? "" : value };
    return MHD_YES;
}

static enum MHD_Result on_query_size(void *cls, enum MHD_ValueKind kind, const char *name,
                                     const char *value)
{
    (void)kind;
    struct collecting *c = cls;
    c->text_len += strlen(name) + (value == NULL ? 0 : strlen(value)) + 2;
    return MHD_YES;
}

/* libmicrohttpd has made '+' a space already. */
static const char *decode_into(struct collecting *c, const char *text)
{
    char *at = c->x->query_text + c->text_len;
    if (http_percent_decode(bytes_of_str(text), false, at) != OK) {
        c->malformed = true;
        return "";
    }
    c->text_len += strlen(at) + 1;
    return at;
}

static enum MHD_Result on_query(void *cls, enum MHD_ValueKind kind, const char *name,
                                const char *value)
{
    (void)kind;
    struct collecting *c = cls;
    struct http_request *r = &c->x->request;
    if (r->query_count == HTTP_QUERY_MAX) {
        c->malformed = true;
        return MHD_NO;
    }
    r->query[r->query_count].name = decode_into(c, name);
    r->query[r->query_count].value = decode_into(c, value == NULL ? "" : value);
    r->query_count++;
    return MHD_YES;
}

static bool collect_query(struct http_exchange *x)
{
    struct collecting c = { .x = x };
    (void)MHD_get_connection_values(x->connection, MHD_GET_ARGUMENT_KIND, on_query_size, &c);
    if (c.text_len == 0)
        return true;
    x->query_text = malloc(c.text_len);
    c.text_len = 0;
    if (x->query_text == NULL)
        return false;
    (void)MHD_get_connection_values(x->connection, MHD_GET_ARGUMENT_KIND, on_query, &c);
    return !c.malformed;
}

/* The Content-Length; 0 if there is none. */
static uint64_t declared_len(const struct http_exchange *x)
{
    const char *text = http_request_header(&x->request, "Content-Length");
    if (text == NULL || strspn(text, "0123456789") != strlen(text))
        return 0;
    return strlen(text) > 15 ? UINT64_MAX : strtoull(text, NULL, 10);
}

/* Whether a refusal is sent before the body: the client waits for leave to send it, or it is more
 * than we care to throw away. */
static bool answers_before_body(const struct http_exchange *x)
{
    return http_request_header(&x->request, "Expect") != NULL ||
           declared_len(x) > x->body_max + DISCARD_MAX;
}

static void refuse_too_large(struct http_exchange *x)
{
    http_response_problem(&x->response, 413, "body-too-large", "At most %zu bytes are accepted.",
                          x->body_max);
}

static void refuse_stopping(struct http_exchange *x)
{
    http_response_problem(&x->response, 503, "unavailable", "This server is stopping.");
    http_response_header(&x->response, "Retry-After", "1");
}

/* Headers, query, route and limits. Leaves a response if the request is refused. */
static void prepare(struct http_exchange *x, const char *url, const char *method)
{
    struct http_request *r = &x->request;
    const struct http_server_options *o = &x->server->options;
    struct collecting c = { .x = x };
    r->path = url;
    (void)MHD_get_connection_values(x->connection, MHD_HEADER_KIND, on_header, &c);
    find_client(x);
    choose_request_id(x);
    x->body_max = o->body_max;
    char allow[HTTP_ALLOW_CAPACITY];
    enum err e;
    if (c.overflow) {
        http_response_problem(&x->response, 431, "headers-too-large", "Too many headers.");
    } else if (strlen(url) > HTTP_PATH_BYTES_MAX) {
        http_response_problem(&x->response, 400, "bad-request", "The path is too long.");
    } else if (http_method_parse(method, &r->method) != OK) {
        http_response_problem(&x->response, 501, "not-implemented",
                              "This method is not supported.");
    } else if (!collect_query(x)) {
        http_response_problem(&x->response, 400, "bad-request", "The query is not well formed.");
    } else if (o->handle_all == NULL &&
               (e = http_route_find(o->routes, o->route_count, r, &x->route, allow)) != OK) {
        http_route_refuse(&x->response, e, allow);
    } else {
        if (x->route != NULL && x->route->body_max != 0)
            x->body_max = x->route->body_max;
        if (declared_len(x) > x->body_max)
            refuse_too_large(x);
    }
}

static void exchange_new(struct http_server *s, struct MHD_Connection *connection, void **con_cls)
{
    struct http_exchange *x = calloc(1, sizeof *x);
    if (x == NULL)
        return;
    x->server = s;
    x->connection = connection;
    x->started = clock_now();
    list_push_back(&s->exchanges, &x->link);
    s->exchange_count++;
    *con_cls = x;
}

/* False: give up the connection. */
static bool take_body(struct http_exchange *x, const char *data, size_t len)
{
    if (x->response.status != 0 || x->body_len + len > x->body_max) {
        if (x->response.status == 0)
            refuse_too_large(x);
        x->body_len += len; /* counted, not kept */
        return x->body_len <= x->body_max + DISCARD_MAX;
    }
    if (x->body_len + len > x->body_capacity) {
        size_t capacity = MIN(MAX((x->body_len + len) * 2, 1024), x->body_max);
        char *grown = realloc(x->body, capacity);
        if (grown == NULL)
            return false;
        x->body = grown;
        x->body_capacity = capacity;
    }
    memcpy(x->body + x->body_len, data, len);
    x->body_len += len;
    return true;
}

static void account(struct http_exchange *x, int status)
{
    struct http_server *s = x->server;
    usec took = clock_now() - x->started;
    if (status / 100 >= 2 && status / 100 <= 5 && s->codes[status / 100] != NULL)
        metric_inc(s->codes[status / 100]);
    if (s->seconds != NULL)
        metric_observe(s->seconds, (double)took / 1e6);
    log_at(s->options.log_requests ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG, "http.served",
           KV_STR("method", http_method_name(x->request.method)), KV_STR("path", x->request.path),
           KV_I64("status", status), KV_I64("took_us", took), KV_STR("address", x->client_address),
           KV_STR("request", x->request_id));
}

static ssize_t on_source_read(void *cls, uint64_t position, char *buffer, size_t capacity)
{
    (void)position;
    struct http_source *source = cls;
    ssize_t n = source->read(source->data, buffer, capacity);
    if (n > 0)
        return n;
    return n == 0 ? MHD_CONTENT_READER_END_OF_STREAM : MHD_CONTENT_READER_END_WITH_ERROR;
}

static void on_source_done(void *cls)
{
    struct http_source *source = cls;
    if (source->done != NULL)
        source->done(source->data);
    free(source);
}

static struct MHD_Response *stream_new(struct http_response *r)
{
    struct http_source *source = malloc(sizeof *source);
    if (source == NULL)
        return NULL;
    *source = r->source;
    struct MHD_Response *m = MHD_create_response_from_callback(
        MHD_SIZE_UNKNOWN, 16 * 1024, on_source_read, source, on_source_done);
    if (m == NULL)
        free(source);
    else
        r->source = (struct http_source){ 0 }; /* the response ends it now */
    return m;
}

static struct MHD_Response *body_new(struct http_response *r)
{
    if (r->body == NULL)
        return MHD_create_response_from_buffer(0, (char[]){ "" }, MHD_RESPMEM_PERSISTENT);
    struct MHD_Response *m =
        MHD_create_response_from_buffer(r->body_len, r->body, MHD_RESPMEM_MUST_FREE);
    if (m != NULL) {
        r->body = NULL;
        r->body_len = 0;
    }
    return m;
}

static void add_default(struct http_response *r, const char *name, const char *value)
{
    if (http_response_get_header(r, name) == NULL && r->header_count < ARRAY_LEN(r->headers))
        http_response_header(r, name, value);
}

static enum MHD_Result send_response(struct http_exchange *x)
{
    struct http_response *r = &x->response;
    if (r->status == 0 || (r->status == 500 && r->body == NULL && r->source.read == NULL))
        http_response_problem(r, 500, "internal", NULL);
    add_default(r, "X-Request-Id", x->request_id);
    add_default(r, "X-Content-Type-Options", "nosniff");
    add_default(r, "Referrer-Policy", "no-referrer");
    add_default(r, "Cache-Control", "no-store");
    add_default(r, "Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'");
    struct MHD_Response *m = r->source.read != NULL ? stream_new(r) : body_new(r);
    if (m == NULL)
        return MHD_NO;
    for (size_t i = 0; i < r->header_count; i++)
        (void)MHD_add_response_header(m, r->headers[i].name, r->headers[i].value);
    if (x->server->is_stopping)
        (void)MHD_add_response_header(m, "Connection", "close");
    enum MHD_Result ok = MHD_queue_response(x->connection, (unsigned)r->status, m);
    MHD_destroy_response(m);
    x->is_sent = true;
    account(x, r->status);
    return ok;
}

/* The whole request is here. */
static enum MHD_Result dispatch(struct http_exchange *x)
{
    struct http_server *s = x->server;
    x->is_dispatched = true;
    http_connection_on_received(x->connection);
    x->request.body = bytes_of(x->body, x->body_len);
    x->request.now = clock_now();
    x->request.wall = clock_wall();
    if (s->is_stopping) {
        x->is_finished = true;
        refuse_stopping(x);
        return send_response(x);
    }
    if (s->options.handle_all != NULL)
        s->options.handle_all(x, s->options.data);
    else
        x->route->handle(x, s->options.data);
    if (x->is_finished)
        return send_response(x);
    x->is_suspended = true;
    MHD_suspend_connection(x->connection);
    return MHD_YES;
}

enum MHD_Result http_exchange_on_request(void *cls, struct MHD_Connection *connection,
                                         const char *url, const char *method, const char *version,
                                         const char *upload_data, size_t *upload_data_size,
                                         void **con_cls)
{
    (void)version;
    struct http_exchange *x = *con_cls;
    if (x == NULL) { /* headers are complete */
        exchange_new(cls, connection, con_cls);
        x = *con_cls;
        if (x == NULL)
            return MHD_NO;
        prepare(x, url, method);
        return x->response.status != 0 && answers_before_body(x) ? send_response(x) : MHD_YES;
    }
    if (*upload_data_size > 0) {
        bool ok = take_body(x, upload_data, *upload_data_size);
        *upload_data_size = 0;
        return ok ? MHD_YES : MHD_NO;
    }
    if (x->is_sent)
        return MHD_YES;
    if (x->is_dispatched || x->response.status != 0)
        return send_response(x);
    return dispatch(x);
}

static void resume(struct http_exchange *x)
{
    if (!x->is_suspended)
        return;
    x->is_suspended = false;
    MHD_resume_connection(x->connection);
    http_server_run_soon(x->server);
}

void http_exchange_finish(struct http_exchange *x)
{
    check(x->is_dispatched && !x->is_finished);
    x->is_finished = true;
    if (x->server == NULL)
        exchange_free(x); /* the server stopped meanwhile */
    else
        resume(x);
}

/* The handler may be filling the response still, so its part is put aside. */
void http_exchange_abandon(struct http_exchange *x)
{
    if (!x->is_suspended)
        return;
    http_response_clear(&x->response);
    refuse_stopping(x);
    resume(x);
}
