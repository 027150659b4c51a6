/* Which row of a route table a request belongs to. SPDX-License-Identifier: Apache-2.0 */
#include "common/http.h"

#include "common/base64url.h"

#include <stdio.h>

enum err http_percent_decode(struct bytes text, bool plus_is_space, char *ret)
{
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (c == '%') {
            if (text.len - i < 3 || hex_parse(bytes_of(text.data + i + 1, 2), &c, 1) != OK)
                return ERR_MALFORMED;
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        if (c == '\0')
            return ERR_MALFORMED;
        ret[n++] = (char)c;
    }
    ret[n] = '\0';
    return OK;
}

/* The text up to the next '/', which is skipped. */
static struct bytes take_segment(const char **at)
{
    size_t len = strcspn(*at, "/");
    struct bytes segment = bytes_of(*at, len);
    *at += len;
    if (**at == '/')
        (*at)++;
    return segment;
}

static bool is_param(struct bytes segment)
{
    return segment.len > 2 && segment.data[0] == '{' && segment.data[segment.len - 1] == '}';
}

static enum err param_add(struct http_request *r, struct bytes name, struct bytes raw,
                          bool may_have_slash)
{
    check(r->param_count < HTTP_PARAMS_MAX && name.len < sizeof r->params[0].name);
    size_t at = r->param_count;
    /* Percent-encoding makes text longer, so a raw segment may be up to three times the limit. */
    char decoded[3 * HTTP_PARAM_BYTES_MAX + 1];
    if (raw.len >= sizeof decoded || http_percent_decode(raw, false, decoded) != OK)
        return ERR_MALFORMED;
    size_t len = strlen(decoded);
    if (len > HTTP_PARAM_BYTES_MAX || (!may_have_slash && strchr(decoded, '/') != NULL))
        return ERR_MALFORMED;
    memcpy(r->params[at].name, name.data, name.len);
    r->params[at].name[name.len] = '\0';
    memcpy(r->params[at].value, decoded, len + 1);
    r->param_count++;
    return OK;
}

/* OK, ERR_NOT_FOUND, ERR_MALFORMED. ret_literals counts the segments that matched as themselves. */
static enum err match(const char *pattern, struct http_request *r, unsigned *ret_literals)
{
    const char *path = r->path;
    r->param_count = 0;
    *ret_literals = 0;
    if (*pattern++ != '/' || *path++ != '/')
        return ERR_NOT_FOUND;
    for (;;) {
        struct bytes want = take_segment(&pattern);
        struct bytes have = take_segment(&path);
        if (is_param(want) && want.data[want.len - 2] == '*') {
            struct bytes rest =
                bytes_of(have.data, (size_t)(path - (const char *)have.data) + strlen(path));
            return param_add(r, bytes_of(want.data + 1, want.len - 3), rest, true);
        }
        if (is_param(want)) {
            if (have.len == 0)
                return ERR_NOT_FOUND;
            enum err e = param_add(r, bytes_of(want.data + 1, want.len - 2), have, false);
            if (e != OK)
                return e;
        } else if (!bytes_equal(want, have)) {
            return ERR_NOT_FOUND;
        } else {
            (*ret_literals)++;
        }
        /* A '/' was skipped if there is more; "/a" and "/a/" are different paths. */
        bool pattern_goes_on = (const uint8_t *)pattern != want.data + want.len;
        bool path_goes_on = (const uint8_t *)path != have.data + have.len;
        if (pattern_goes_on != path_goes_on)
            return ERR_NOT_FOUND;
        if (!pattern_goes_on)
            return OK;
    }
}

static void allow_add(char allow[HTTP_ALLOW_CAPACITY], enum http_method method)
{
    const char *name = http_method_name(method);
    if (strstr(allow, name) != NULL)
        return;
    size_t len = strlen(allow);
    (void)snprintf(allow + len, HTTP_ALLOW_CAPACITY - len, "%s%s", len > 0 ? ", " : "", name);
    if (method == HTTP_METHOD_GET)
        allow_add(allow, HTTP_METHOD_HEAD);
}

static bool serves(const struct http_route *route, const struct http_request *r)
{
    return route->method == r->method ||
           (route->method == HTTP_METHOD_GET && r->method == HTTP_METHOD_HEAD);
}

enum err http_route_find(const struct http_route *routes, size_t count, struct http_request *r,
                         const struct http_route **ret, char ret_allow[HTTP_ALLOW_CAPACITY])
{
    const struct http_route *best = NULL;
    unsigned best_literals = 0;
    enum err refusal = ERR_NOT_FOUND;
    ret_allow[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        unsigned literals;
        enum err e = match(routes[i].pattern, r, &literals);
        if (e == ERR_MALFORMED)
            refusal = ERR_MALFORMED;
        if (e != OK)
            continue;
        allow_add(ret_allow, routes[i].method);
        if (serves(&routes[i], r) && (best == NULL || literals > best_literals)) {
            best = &routes[i];
            best_literals = literals;
        }
    }
    if (best == NULL) {
        r->param_count = 0;
        return ret_allow[0] != '\0' ? ERR_UNSUPPORTED : refusal;
    }
    check(match(best->pattern, r, &best_literals) == OK);
    r->is_head = r->method == HTTP_METHOD_HEAD;
    r->method = best->method;
    *ret = best;
    return OK;
}

void http_route_refuse(struct http_response *r, enum err why, const char *allow)
{
    if (why == ERR_NOT_FOUND) {
        http_response_problem(r, 404, "not-found", "There is nothing here.");
    } else if (why == ERR_UNSUPPORTED) {
        http_response_problem(r, 405, "method-not-allowed", "Allowed here: %s.", allow);
        http_response_header(r, "Allow", allow);
    } else {
        http_response_problem(r, 400, "bad-request", "The path is not well formed.");
    }
}
