/* redis://[user:password@]host[:port][/db], unix:///path[?db=n].
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/http.h"
#include "common/os/redis.h"

#include <stdlib.h>
#include <string.h>

#define PORT_DEFAULT 6379
#define DB_MAX       1023

static enum err copy(struct bytes text, char *ret, size_t capacity)
{
    char decoded[1024];
    if (text.len >= sizeof decoded)
        return ERR_FULL;
    if (http_percent_decode(text, false, decoded) != OK)
        return ERR_MALFORMED;
    size_t len = strlen(decoded);
    if (len >= capacity)
        return ERR_FULL;
    memcpy(ret, decoded, len + 1);
    bytes_wipe(decoded, sizeof decoded);
    return OK;
}

static enum err number(struct bytes text, unsigned long max, unsigned long *ret)
{
    unsigned long value = 0;
    if (text.len == 0 || text.len > 6)
        return ERR_MALFORMED;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return ERR_MALFORMED;
        value = value * 10 + (unsigned long)(text.data[i] - '0');
    }
    *ret = value;
    return value > max ? ERR_MALFORMED : OK;
}

static struct bytes until(const char *at, const char *stop)
{
    return bytes_of(at, strcspn(at, stop));
}

static enum err parse_db(const char *text, struct redis_address *ret)
{
    unsigned long db = 0;
    enum err e = text[0] == '\0' ? OK : number(bytes_of_str(text), DB_MAX, &db);
    ret->db = (unsigned)db;
    return e;
}

static enum err parse_unix(const char *at, struct redis_address *ret)
{
    struct bytes path = until(at, "?");
    if (path.len < 2 || at[0] != '/')
        return ERR_MALFORMED;
    const char *query = at + path.len;
    enum err e = copy(path, ret->path, sizeof ret->path);
    if (e != OK || *query == '\0')
        return e;
    return strncmp(query, "?db=", 4) == 0 ? parse_db(query + 4, ret) : ERR_MALFORMED;
}

static enum err parse_user(struct bytes user, struct redis_address *ret)
{
    const uint8_t *colon = user.len == 0 ? NULL : memchr(user.data, ':', user.len);
    if (colon == NULL)
        return ERR_MALFORMED; /* a name without a password */
    size_t name_len = (size_t)(colon - user.data);
    enum err e = copy(bytes_of(user.data, name_len), ret->user, sizeof ret->user);
    if (e != OK)
        return e;
    return copy(bytes_of(colon + 1, user.len - name_len - 1), ret->password, sizeof ret->password);
}

static enum err parse_host(const char *at, struct redis_address *ret)
{
    struct bytes host = until(at, ":/");
    const char *after = at + host.len;
    if (at[0] == '[') { /* an IPv6 address */
        host = until(at + 1, "]");
        after = at + 1 + host.len;
        if (*after++ != ']')
            return ERR_MALFORMED;
    }
    enum err e = copy(host, ret->host, sizeof ret->host);
    if (e != OK || host.len == 0)
        return e != OK ? e : ERR_MALFORMED;
    unsigned long port = PORT_DEFAULT;
    if (*after == ':') {
        struct bytes text = until(after + 1, "/");
        e = number(text, UINT16_MAX, &port);
        after += 1 + text.len;
    }
    ret->port = (uint16_t)port;
    if (e != OK || port == 0)
        return ERR_MALFORMED;
    if (*after == '\0')
        return OK;
    return *after == '/' ? parse_db(after + 1, ret) : ERR_MALFORMED;
}

enum err redis_url_parse(const char *url, struct redis_address *ret)
{
    struct redis_address address = { 0 };
    enum err e;
    if (strncmp(url, "unix://", 7) == 0) {
        e = parse_unix(url + 7, &address);
    } else if (strncmp(url, "redis://", 8) == 0) {
        const char *at = url + 8;
        const char *sign = strrchr(at, '@');
        e = sign == NULL ? OK : parse_user(bytes_of(at, (size_t)(sign - at)), &address);
        if (e == OK)
            e = parse_host(sign == NULL ? at : sign + 1, &address);
    } else {
        e = strstr(url, "://") != NULL ? ERR_UNSUPPORTED : ERR_MALFORMED;
    }
    if (e == OK)
        *ret = address;
    return e;
}
