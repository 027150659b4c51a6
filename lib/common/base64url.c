/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base64url.h"

static const char url_alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char std_alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Writes whole and partial groups without padding; returns the characters written. */
static size_t encode(char *ret, struct bytes data, const char alphabet[65])
{
    size_t n = 0;
    uint32_t pending = 0;
    unsigned bits = 0;
    for (size_t i = 0; i < data.len; i++) {
        pending = (pending << 8) | data.data[i];
        bits += 8;
        while (bits >= 6) {
            bits -= 6;
            ret[n++] = alphabet[(pending >> bits) & 63];
        }
    }
    if (bits > 0)
        ret[n++] = alphabet[(pending << (6 - bits)) & 63];
    return n;
}

size_t base64url_write(char *ret, struct bytes data)
{
    size_t n = encode(ret, data, url_alphabet);
    ret[n] = '\0';
    return n;
}

size_t base64_write(char *ret, struct bytes data)
{
    size_t n = encode(ret, data, std_alphabet);
    while (n % 4 != 0)
        ret[n++] = '=';
    ret[n] = '\0';
    return n;
}

static int url_digit(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '-')
        return 62;
    return c == '_' ? 63 : -1;
}

enum err base64url_parse(struct bytes text, uint8_t *ret, size_t capacity, size_t *ret_len)
{
    if (text.len % 4 == 1)
        return ERR_MALFORMED;
    if (text.len / 4 * 3 + (text.len % 4 == 0 ? 0 : text.len % 4 - 1) > capacity)
        return ERR_FULL;
    size_t n = 0;
    uint32_t pending = 0;
    unsigned bits = 0;
    for (size_t i = 0; i < text.len; i++) {
        int digit = url_digit(text.data[i]);
        if (digit < 0)
            return ERR_MALFORMED;
        pending = (pending << 6) | (uint32_t)digit;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            ret[n++] = (uint8_t)(pending >> bits);
        }
    }
    if ((pending & ((1u << bits) - 1)) != 0)
        return ERR_MALFORMED;
    *ret_len = n;
    return OK;
}

void hex_write(char *ret, struct bytes data)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < data.len; i++) {
        ret[2 * i] = digits[data.data[i] >> 4];
        ret[2 * i + 1] = digits[data.data[i] & 15];
    }
    ret[2 * data.len] = '\0';
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

enum err hex_parse(struct bytes text, uint8_t *ret, size_t capacity)
{
    if (text.len != capacity * 2)
        return ERR_MALFORMED;
    for (size_t i = 0; i < text.len; i++)
        if (hex_digit(text.data[i]) < 0)
            return ERR_MALFORMED;
    for (size_t i = 0; i < capacity; i++)
        ret[i] = (uint8_t)(hex_digit(text.data[2 * i]) * 16 + hex_digit(text.data[2 * i + 1]));
    return OK;
}
