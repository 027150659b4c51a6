/* origin.c - see origin.h. SPDX-License-Identifier: Apache-2.0 */
#include "common/origin.h"

#include <string.h>
#include <strings.h>

/* What stands behind the scheme, and the port that may be left out; NULL: neither http nor https.
 */
static const char *authority_of(const char *origin, const char **ret_port)
{
    if (strncmp(origin, "http://", 7) == 0) {
        *ret_port = ":80";
        return origin + 7;
    }
    *ret_port = ":443";
    return strncmp(origin, "https://", 8) == 0 ? origin + 8 : NULL;
}

/* Without that port at its end. */
static size_t len_without(const char *authority, const char *port)
{
    size_t len = strlen(authority), tail = strlen(port);
    return len > tail && strcmp(authority + len - tail, port) == 0 ? len - tail : len;
}

bool origin_is_valid(const char *text)
{
    const char *port;
    const char *authority = authority_of(text, &port);
    if (strcmp(text, "*") == 0)
        return true;
    if (authority == NULL || strlen(text) >= ORIGIN_CAPACITY)
        return false;
    size_t len = strlen(authority);
    return len > 0 && authority[0] != ':' && authority[len - 1] != ':' &&
           strspn(authority, "abcdefghijklmnopqrstuvwxyz0123456789.-_:[]") == len &&
           len_without(authority, port) == len;
}

static bool is_own(const char *origin, const char *host)
{
    const char *port;
    const char *authority = authority_of(origin, &port);
    if (authority == NULL || host == NULL)
        return false;
    size_t len = len_without(authority, port);
    return len > 0 && len == len_without(host, port) && strncasecmp(authority, host, len) == 0;
}

enum origin origin_judge(const char *origin, const char *host, const char *const *allowed,
                         size_t allowed_count)
{
    if (origin == NULL)
        return ORIGIN_NONE;
    if (is_own(origin, host))
        return ORIGIN_OWN;
    if (strlen(origin) >= ORIGIN_CAPACITY)
        return ORIGIN_FOREIGN;
    for (size_t i = 0; i < allowed_count; i++)
        if (strcmp(allowed[i], "*") == 0 || strcmp(allowed[i], origin) == 0)
            return ORIGIN_ALLOWED;
    return ORIGIN_FOREIGN;
}

void origin_permit(struct http_response *r, const char *origin, const char *headers)
{
    http_response_header(r, "Access-Control-Allow-Origin", origin);
    http_response_header(r, "Access-Control-Expose-Headers", headers);
}

void origin_preflight(struct http_response *r, const char *methods, const char *headers)
{
    http_response_empty(r, 204);
    http_response_header(r, "Access-Control-Allow-Methods", methods);
    http_response_header(r, "Access-Control-Allow-Headers", headers);
    http_response_header(r, "Access-Control-Max-Age", "7200"); /* what browsers keep at most */
}
