/* Paths, escapes, headers and bodies from strangers. SPDX-License-Identifier: Apache-2.0 */
#include "common/http.h"
#include "common/ids.h"
#include "common/logfmt.h"

#include <stdlib.h>

static const struct http_route routes[] = {
    { HTTP_METHOD_GET, "/v1/orgs/{org}/users/{user}", NULL, 0, NULL },
    { HTTP_METHOD_GET, "/v1/orgs/{org}/users/me", NULL, 0, NULL },
    { HTTP_METHOD_GET, "/v1/{rest*}", NULL, 0, NULL },
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1), *decoded = malloc(size + 1);
    check(text != NULL && decoded != NULL);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    static struct http_request r;
    r = (struct http_request){ .path = text, .body = bytes_of(data, size) };
    r.headers[0] = (struct http_field){ "Cookie", text };
    r.headers[1] = (struct http_field){ "Authorization", text };
    r.header_count = 2;
    const struct http_route *route;
    char allow[HTTP_ALLOW_CAPACITY];
    if (http_route_find(routes, ARRAY_LEN(routes), &r, &route, allow) == OK)
        check(r.param_count >= 1);
    (void)http_request_cookie(&r, "a");
    (void)http_request_bearer(&r);
    json_t *json;
    if (http_request_json(&r, &json) == OK)
        json_decref(json);
    enum err e = http_percent_decode(bytes_of(data, size), true, decoded);
    check(e != OK || strlen(decoded) <= size);
    if (room_name_check(bytes_of(data, size)) == OK)
        check(utf8_is_valid(bytes_of(data, size)));
    char line[512];
    const struct kv kvs[] = { KV_BYTES("text", bytes_of(data, size)) };
    const struct log_record record = { .service = "s", .event = "e", .kvs = kvs, .kv_count = 1 };
    for (int format = 0; format < 2; format++) {
        size_t n = logfmt_write(line, sizeof line, &record, (enum log_format)format);
        check(memchr(line, '\n', n) == line + n - 1 && utf8_is_valid(bytes_of(line, n)));
    }
    free(decoded);
    free(text);
    return 0;
}
