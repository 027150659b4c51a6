/* routes.c - the route table and what is checked before any route.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/routes.h"

#include "common/origin.h"

#include <strings.h>

/* needs_secret: makes or checks something that all instances must agree on. */
static const struct row {
    call_step *start;
    bool has_body;
    bool needs_secret;
} row_register = { route_register, true, true },
  row_login_start = { route_login_start, true, true },
  row_login_finish = { route_login_finish, true, true }, row_guest = { route_guest, true, true },
  row_refresh = { route_refresh, true, true }, row_logout = { route_logout, true, true },
  row_me = { route_me, false, false }, row_ice = { route_ice_servers, false, false },
  row_jwks = { route_jwks, false, false };

static const struct http_route routes[] = {
    { .method = HTTP_METHOD_POST, .pattern = "/v1/register", .tag = &row_register },
    { .method = HTTP_METHOD_POST, .pattern = "/v1/login/start", .tag = &row_login_start },
    { .method = HTTP_METHOD_POST, .pattern = "/v1/login/finish", .tag = &row_login_finish },
    { .method = HTTP_METHOD_POST, .pattern = "/v1/guests", .tag = &row_guest },
    { .method = HTTP_METHOD_POST, .pattern = "/v1/token", .tag = &row_refresh },
    { .method = HTTP_METHOD_POST, .pattern = "/v1/logout", .tag = &row_logout },
    { .method = HTTP_METHOD_GET, .pattern = "/v1/me", .tag = &row_me },
    { .method = HTTP_METHOD_GET, .pattern = "/v1/ice-servers", .tag = &row_ice },
    { .method = HTTP_METHOD_GET, .pattern = "/.well-known/jwks.json", .tag = &row_jwks },
};

/* Browsers say where a request comes from; other clients do not. The API is for its own origin and
 * for those that the operator allows: CORS keeps other pages from reading answers, and refusing
 * them closes what it leaves open. Sec-Fetch-Site is the browser's own word on what is the same
 * origin, and right behind a proxy that changes Host. */
static enum origin origin_of(const struct auth *auth, const struct http_request *request)
{
    const char *site = http_request_header(request, "Sec-Fetch-Site");
    enum origin origin =
        origin_judge(http_request_header(request, "Origin"), http_request_header(request, "Host"),
                     auth->allowed_origins, auth->allowed_origin_count);
    if (site == NULL || origin == ORIGIN_ALLOWED)
        return site != NULL && strcasecmp(site, "same-origin") == 0 ? ORIGIN_OWN : origin;
    bool is_other = strcasecmp(site, "cross-site") == 0 || strcasecmp(site, "same-site") == 0;
    return is_other ? ORIGIN_FOREIGN : ORIGIN_OWN;
}

/* True: the answer is complete, since the browser only asks whether it may ask. */
static bool admit(struct auth *auth, struct call *call, enum origin origin)
{
    struct http_request *r = call->request;
    if (auth->allowed_origin_count > 0)
        http_response_header(call->response, "Vary", "Origin");
    if (origin != ORIGIN_ALLOWED)
        return false;
    call->is_elsewhere = true;
    origin_permit(call->response, http_request_header(r, "Origin"), "Retry-After, X-Request-Id");
    if (r->method != HTTP_METHOD_OPTIONS)
        return false;
    origin_preflight(call->response, "GET, POST", "Authorization, Content-Type");
    return true;
}

/* An absent body is an empty object: the cookie may be all that a request needs. */
static bool body_read(struct call *call)
{
    if (call->request->body.len == 0) {
        call->body = json_object();
        return call->body != NULL;
    }
    enum err err = http_request_json(call->request, &call->body);
    if (err == ERR_UNSUPPORTED)
        call_refuse(call, 415, "bad-content-type", "The body must be application/json.");
    else if (err != OK)
        call_refuse(call, 400, "bad-request", "The body must be one JSON object.");
    return err == OK;
}

void auth_start(struct auth *auth, struct call *call)
{
    const struct http_route *route = NULL;
    char allow[HTTP_ALLOW_CAPACITY];
    call->next = NULL;
    enum origin origin = origin_of(auth, call->request);
    if (admit(auth, call, origin))
        return;
    enum err err = http_route_find(routes, ARRAY_LEN(routes), call->request, &route, allow);
    if (err != OK) {
        http_route_refuse(call->response, err, allow);
        return;
    }
    const struct row *row = (const struct row *)route->tag;
    if (row->has_body && origin == ORIGIN_FOREIGN) {
        call_refuse(call, 403, "cross-origin", "This origin is not among the allowed ones.");
        return;
    }
    if (row->has_body && !body_read(call))
        return;
    if (row->needs_secret && !auth->has_secret) {
        call_refuse_unavailable(call);
        return;
    }
    row->start(auth, call);
}

void auth_resume(struct auth *auth, struct call *call)
{
    check(call->next != NULL);
    call_step *step = call->next;
    call->next = NULL;
    if (call->reply.err == ERR_SYSTEM) {
        call_refuse_unavailable(call);
        return;
    }
    if (call->op.kind == STORE_THROTTLE && call->reply.err == ERR_FULL) {
        call_refuse_throttled(call, call->reply.retry_after);
        return;
    }
    step(auth, call);
}
