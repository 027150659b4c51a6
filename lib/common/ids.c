/* SPDX-License-Identifier: Apache-2.0 */
#include "common/ids.h"

#include "common/base64url.h"

static const char base32_digits[] = "abcdefghijklmnopqrstuvwxyz234567";

void base32_write(char *ret, const uint8_t *data, size_t len)
{
    uint32_t pending = 0;
    unsigned bits = 0;
    for (size_t i = 0; i < len; i++) {
        pending = (pending << 8) | data[i];
        bits += 8;
        while (bits >= 5) {
            bits -= 5;
            *ret++ = base32_digits[(pending >> bits) & 31];
        }
    }
    if (bits > 0)
        *ret++ = base32_digits[(pending << (5 - bits)) & 31];
    *ret = '\0';
}

void id_write(char ret[ID_CAPACITY], const char *prefix, const uint8_t random[ID_RANDOM_LEN])
{
    size_t prefix_len = strlen(prefix);
    check(prefix_len <= ID_PREFIX_MAX);
    memcpy(ret, prefix, prefix_len);
    base32_write(ret + prefix_len, random, ID_RANDOM_LEN);
}

bool id_is_valid(const char *text, const char *prefix)
{
    size_t prefix_len = strlen(prefix);
    if (strncmp(text, prefix, prefix_len) != 0 || strlen(text) != prefix_len + ID_DIGITS)
        return false;
    return strspn(text + prefix_len, base32_digits) == ID_DIGITS;
}

/*  0                   1                   2                   3
 * |                  unix milliseconds, high 32                   |
 * |      milliseconds, low 16     |  ver=7|      random 12        |
 * |var=2|                    random 62 …                          |  */
void uuid7_write(char ret[UUID_CAPACITY], wall_usec time, const uint8_t random[UUID_RANDOM_LEN])
{
    check(time >= 0);
    uint8_t raw[16];
    uint64_t ms = (uint64_t)(time / USEC_PER_MS);
    store_be64(raw, ms << 16);
    memcpy(raw + 6, random, UUID_RANDOM_LEN);
    raw[6] = (uint8_t)((raw[6] & 0x0f) | 0x70);
    raw[8] = (uint8_t)((raw[8] & 0x3f) | 0x80);
    char hex[33];
    hex_write(hex, bytes_of(raw, sizeof raw));
    static const uint8_t group_len[5] = { 8, 4, 4, 4, 12 };
    const char *from = hex;
    for (size_t i = 0; i < ARRAY_LEN(group_len); i++) {
        memcpy(ret, from, group_len[i]);
        from += group_len[i];
        ret += group_len[i];
        *ret++ = i + 1 < ARRAY_LEN(group_len) ? '-' : '\0';
    }
}

bool uuid_is_valid(const char *text)
{
    if (strlen(text) != UUID_CAPACITY - 1)
        return false;
    for (size_t i = 0; i < UUID_CAPACITY - 1; i++) {
        bool is_hyphen_place = i == 8 || i == 13 || i == 18 || i == 23;
        bool is_hex = (text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f');
        if (is_hyphen_place ? text[i] != '-' : !is_hex)
            return false;
    }
    return true;
}

size_t utf8_decode(struct bytes text, uint32_t *ret)
{
    if (text.len == 0)
        return 0;
    const uint8_t *p = text.data;
    if (p[0] < 0x80) {
        *ret = p[0];
        return 1;
    }
    size_t len = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || text.len < len)
        return 0;
    uint32_t c = p[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        c = (c << 6) | (p[i] & 0x3fu);
    }
    /* Overlong forms, surrogates and what lies beyond Unicode (RFC 3629 §3). */
    static const uint32_t smallest[5] = { 0, 0, 0x80, 0x800, 0x10000 };
    if (c < smallest[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return 0;
    *ret = c;
    return len;
}

bool utf8_is_valid(struct bytes text)
{
    uint32_t c;
    while (text.len > 0) {
        size_t n = utf8_decode(text, &c);
        if (n == 0)
            return false;
        text = bytes_of(text.data + n, text.len - n);
    }
    return true;
}

/* Controls, separators and direction changes: a name with them could imitate another name. */
static bool is_forbidden_in_names(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c <= 0x9f) || (c >= 0x202a && c <= 0x202e) ||
           (c >= 0x2066 && c <= 0x2069) || c == 0x2028 || c == 0x2029 || c == 0xfeff ||
           c == 0xfffe || c == 0xffff;
}

/* Spaces, and what takes no room: joiners, fillers, selectors, tags. Names may have them (ZWJ and
 * selectors make emoji), but not consist of them. */
static bool is_invisible(uint32_t c)
{
    static const struct {
        uint32_t first, last;
    } ranges[] = { { 0x20, 0x20 },      { 0xa0, 0xa0 },       { 0xad, 0xad },
                   { 0x34f, 0x34f },    { 0x61c, 0x61c },     { 0x115f, 0x1160 },
                   { 0x1680, 0x1680 },  { 0x17b4, 0x17b5 },   { 0x180b, 0x180f },
                   { 0x2000, 0x200f },  { 0x2028, 0x202f },   { 0x205f, 0x206f },
                   { 0x2800, 0x2800 },  { 0x3000, 0x3000 },   { 0x3164, 0x3164 },
                   { 0xfe00, 0xfe0f },  { 0xfeff, 0xfeff },   { 0xffa0, 0xffa0 },
                   { 0xfff0, 0xfffb },  { 0x1bca0, 0x1bca3 }, { 0x1d173, 0x1d17a },
                   { 0xe0000, 0xe0fff } };
    for (size_t i = 0; i < ARRAY_LEN(ranges); i++)
        if (c >= ranges[i].first && c <= ranges[i].last)
            return true;
    return false;
}

static enum err name_check(struct bytes name, size_t bytes_max, size_t chars_max,
                           const char *forbidden)
{
    if (name.len == 0)
        return ERR_MALFORMED;
    if (name.len > bytes_max)
        return ERR_FULL;
    if (name.data[0] == ' ' || name.data[name.len - 1] == ' ')
        return ERR_MALFORMED;
    size_t chars = 0;
    bool is_visible = false;
    uint32_t c;
    for (struct bytes left = name; left.len > 0; chars++) {
        size_t n = utf8_decode(left, &c);
        if (n == 0 || is_forbidden_in_names(c) || (c < 0x80 && strchr(forbidden, (int)c) != NULL))
            return ERR_MALFORMED;
        is_visible = is_visible || !is_invisible(c);
        left = bytes_of(left.data + n, left.len - n);
    }
    if (!is_visible)
        return ERR_MALFORMED;
    return chars > chars_max ? ERR_FULL : OK;
}

enum err room_name_check(struct bytes name)
{
    return name_check(name, ROOM_NAME_BYTES_MAX, ROOM_NAME_CHARS_MAX, "/\\{}*");
}

enum err display_name_check(struct bytes name)
{
    return name_check(name, DISPLAY_NAME_BYTES_MAX, DISPLAY_NAME_CHARS_MAX, "");
}

enum err org_name_check(struct bytes name)
{
    if (name.len == 0)
        return ERR_MALFORMED;
    if (name.len > ORG_NAME_BYTES_MAX)
        return ERR_FULL;
    if (name.data[0] == '-' || name.data[name.len - 1] == '-')
        return ERR_MALFORMED;
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'))
            return ERR_MALFORMED;
    }
    return OK;
}
