/* sdp_text.c - small pieces of SDP text.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "rtc/sdp_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

struct bytes sdp_cut(struct bytes *text, char separator)
{
    const uint8_t *at = text->len > 0 ? memchr(text->data, separator, text->len) : NULL;
    struct bytes before = *text;
    if (at == NULL) {
        *text = (struct bytes){ 0 };
        return before;
    }
    before.len = (size_t)(at - text->data);
    *text = bytes_of(at + 1, text->len - before.len - 1);
    return before;
}

bool sdp_is(struct bytes text, const char *literal)
{
    return bytes_equal(text, bytes_of_str(literal));
}

bool sdp_is_nocase(struct bytes text, const char *literal)
{
    return text.len == strlen(literal) &&
           strncasecmp((const char *)text.data, literal, text.len) == 0;
}

bool sdp_number(struct bytes text, uint64_t max, uint64_t *ret)
{
    if (text.len == 0 || text.len > 19)
        return false;
    uint64_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        n = n * 10 + (uint64_t)(text.data[i] - '0');
    }
    if (n > max)
        return false;
    *ret = n;
    return true;
}

bool sdp_is_token(struct bytes text, size_t max)
{
    if (text.len == 0 || text.len > max)
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] <= ' ' || text.data[i] >= 0x7f)
            return false;
    return true;
}

void sdp_copy(char *to, size_t size, struct bytes text)
{
    check(text.len < size);
    if (text.len > 0)
        memcpy(to, text.data, text.len);
    to[text.len] = 0;
}

struct bytes sdp_fmtp_value(struct bytes fmtp, const char *key)
{
    while (fmtp.len > 0) {
        struct bytes value = sdp_cut(&fmtp, ';');
        while (value.len > 0 && value.data[0] == ' ')
            value = bytes_of(value.data + 1, value.len - 1);
        struct bytes name = sdp_cut(&value, '=');
        if (sdp_is_nocase(name, key))
            return value;
    }
    return (struct bytes){ 0 };
}

const struct sdp_media *sdp_find_media(const struct sdp *sdp, struct bytes mid)
{
    for (size_t i = 0; i < sdp->media_count; i++)
        if (mid.len > 0 && bytes_equal(sdp->media[i].mid, mid))
            return &sdp->media[i];
    return NULL;
}

bool sdp_is_bundled(const struct sdp *sdp, struct bytes mid)
{
    struct bytes list = sdp->bundle;
    while (mid.len > 0 && list.len > 0)
        if (bytes_equal(sdp_cut(&list, ' '), mid))
            return true;
    return false;
}

enum err sdp_fail(struct sdp_error *error, enum err e, unsigned line, const char *format, ...)
{
    int used = line > 0 ? snprintf(error->text, sizeof(error->text), "line %u: ", line) : 0;
    check(used >= 0 && (size_t)used < sizeof(error->text));
    error->line = line;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(error->text + used, sizeof(error->text) - (size_t)used, format, args);
    va_end(args);
    return e;
}
