/* http.h - an HTTP request, a response, and a route table, without sockets.
 *
 * Pure: cores turn a struct http_request into a struct http_response and are tested so.
 * lib/common/os/http_server carries them over the network. Responses allocate (malloc, jansson).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_HTTP_H
#define COMMON_HTTP_H

#include "common/base.h"
#include "common/bytes.h"

#include <jansson.h>
#include <sys/types.h>

enum http_method {
    HTTP_METHOD_GET,
    HTTP_METHOD_HEAD,
    HTTP_METHOD_POST,
    HTTP_METHOD_PUT,
    HTTP_METHOD_PATCH,
    HTTP_METHOD_DELETE,
    HTTP_METHOD_OPTIONS,
    HTTP_METHOD_COUNT,
};
const char *http_method_name(enum http_method method);
MUST_USE enum err http_method_parse(const char *text, enum http_method *ret);

#define HTTP_HEADERS_MAX          48
#define HTTP_QUERY_MAX            24
#define HTTP_PARAMS_MAX           6
#define HTTP_PARAM_BYTES_MAX      256
#define HTTP_PATH_BYTES_MAX       1024
#define HTTP_REQUEST_ID_BYTES_MAX 64
#define HTTP_BODY_MAX_DEFAULT     (64 * 1024)

struct http_field {
    const char *name;
    const char *value;
};

/* All text is borrowed and lives as long as the request (in the server: until the exchange is
 * finished). Everything in it came from outside, except params' names. */
struct http_request {
    enum http_method method; /* http_route_find() makes a HEAD that a GET row serves a GET … */
    bool is_head;            /* … and says so here; the body is then left out by the server */
    const char *path;        /* as sent, without the query, not percent-decoded */
    struct http_field query[HTTP_QUERY_MAX]; /* percent-decoded */
    size_t query_count;
    struct http_field headers[HTTP_HEADERS_MAX];
    size_t header_count;
    /* filled by http_route_find(): the {name}s of the pattern, percent-decoded */
    struct {
        char name[32];
        char value[HTTP_PARAM_BYTES_MAX + 1];
    } params[HTTP_PARAMS_MAX];
    size_t param_count;
    struct bytes body;
    const char *client_address; /* "192.0.2.7" or "2001:db8::1", no port; after X-Forwarded-For */
    bool is_https;              /* by X-Forwarded-Proto, if a trusted proxy has set it */
    const char *request_id;
    usec now; /* when it was complete */
    wall_usec wall;
};

/* Case-insensitive name; the first value, or NULL. */
const char *http_request_header(const struct http_request *r, const char *name);
/* The first value of ?name=, or NULL. */
const char *http_request_query(const struct http_request *r, const char *name);
/* ?name=123. Absent: OK and the fallback. ERR_MALFORMED if it is not a number in min..max. */
MUST_USE enum err http_request_query_u64(const struct http_request *r, const char *name,
                                         uint64_t fallback, uint64_t min, uint64_t max,
                                         uint64_t *ret);
/* The value of {name} in the matched pattern; "" if the pattern has none. */
const char *http_request_param(const struct http_request *r, const char *name);
/* What follows "Authorization: Bearer ", or an empty view. */
struct bytes http_request_bearer(const struct http_request *r);
/* A cookie's value as a view, or an empty view. */
struct bytes http_request_cookie(const struct http_request *r, const char *name);
/* Parses the body as a JSON object (no duplicate keys). Content-Type must be application/json (or
 * +json) if sent. ret: caller json_decref()s. ERR_MALFORMED, ERR_UNSUPPORTED (content type). */
MUST_USE enum err http_request_json(const struct http_request *r, json_t **ret);

/* A body that is produced while it is sent (exports). read() returns bytes written into buffer, 0
 * at the end, -1 to abort the connection; it runs on the loop thread and must not wait for the
 * network. done() is called exactly once. */
struct http_source {
    ssize_t (*read)(void *data, char *buffer, size_t capacity);
    void (*done)(void *data);
    void *data;
};

/* Zero-initialise; http_response_clear() when finished with. Owned: header texts and body. */
struct http_response {
    int status;             /* 0 = nothing set yet */
    const char *request_id; /* given, borrowed: goes into problem documents; NULL = none */
    struct {
        char *name;
        char *value;
    } headers[16];
    size_t header_count;
    char *body;
    size_t body_len;
    struct http_source source; /* used instead of body if read is set */
};

/* Keeps request_id. */
void http_response_clear(struct http_response *r);
/* Each of the following replaces status and body, keeps headers that were added, and never fails
 * visibly: without memory the response becomes a bare 500. */
/* body: a reference is taken over ("stolen"); NULL becomes 500. */
void http_response_json(struct http_response *r, int status, json_t *body);
/* Copies text. */
void http_response_bytes(struct http_response *r, int status, const char *content_type,
                         struct bytes body);
void http_response_empty(struct http_response *r, int status);
void http_response_stream(struct http_response *r, int status, const char *content_type,
                          struct http_source source);
/* RFC 9457: {"type":"urn:conclave:error:<id>","error":"<id>","title","status","detail",
 * "request_id"} as application/problem+json. error is the stable identifier for programs; detail
 * (printf) is for people and carries no secret; NULL = no detail. */
void http_response_problem(struct http_response *r, int status, const char *error,
                           const char *detail, ...) PRINTF_LIKE(4, 5);
/* The same with members of `more` added (a reference is taken over). */
void http_response_problem_with(struct http_response *r, int status, const char *error,
                                json_t *more, const char *detail, ...) PRINTF_LIKE(5, 6);
/* Adds or (same name) replaces. Name and value are copied; CR, LF and NUL are refused (check). */
void http_response_header(struct http_response *r, const char *name, const char *value);
/* The value, or NULL. */
const char *http_response_get_header(const struct http_response *r, const char *name);
/* "Not Found". */
const char *http_status_title(int status);

/* One row of a route table. pattern: "/v1/orgs/{org}/users/{user}"; a {name} matches one non-empty
 * segment; a last {name*} matches the rest of the path, possibly empty. */
struct http_exchange; /* os/http_server.h */
struct http_route {
    enum http_method method;
    const char *pattern;
    void (*handle)(struct http_exchange *exchange, void *data); /* for http_server; NULL in cores */
    size_t body_max;                                            /* 0 = the server's limit */
    const void *tag; /* whatever the core wants to find: its own handler row, a grant */
};

/* Finds the row and fills request->params.
 *
 * OK, ERR_NOT_FOUND (404), ERR_UNSUPPORTED (405; ret_allow, of HTTP_ALLOW_CAPACITY, then holds
 * "GET, HEAD, POST"), ERR_MALFORMED (400: bad percent-encoding, NUL or '/' hidden in a segment).
 * HEAD falls back to the GET row. Literal segments win over {name}s, earlier rows over later. */
#define HTTP_ALLOW_CAPACITY 64
MUST_USE enum err http_route_find(const struct http_route *routes, size_t count,
                                  struct http_request *request, const struct http_route **ret,
                                  char ret_allow[HTTP_ALLOW_CAPACITY]);
/* Writes the 404/405/400 reply that belongs to the error. */
void http_route_refuse(struct http_response *r, enum err why, const char *allow);

/* Decodes %xx (and, in a query, +). ret needs text.len + 1. ERR_MALFORMED also for %00. */
MUST_USE enum err http_percent_decode(struct bytes text, bool plus_is_space, char *ret);

#endif
