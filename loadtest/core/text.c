/* SPDX-License-Identifier: Apache-2.0 */
#include "core/text.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool reserve(struct text *t, size_t more)
{
    if (t->failed)
        return false;
    if (t->capacity - t->len > more)
        return true;
    size_t capacity = MAX(t->capacity * 2, t->len + more + 1);
    char *data = realloc(t->data, MAX(capacity, 256));
    if (data == NULL) {
        t->failed = true;
        return false;
    }
    t->data = data;
    t->capacity = MAX(capacity, 256);
    return true;
}

void text_add_bytes(struct text *t, const char *more, size_t len)
{
    if (!reserve(t, len))
        return;
    memcpy(t->data + t->len, more, len);
    t->len += len;
    t->data[t->len] = '\0';
}

void text_add(struct text *t, const char *more)
{
    text_add_bytes(t, more, strlen(more));
}

void text_addf(struct text *t, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int len = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    check(len >= 0);
    if (reserve(t, (size_t)len)) {
        (void)vsnprintf(t->data + t->len, t->capacity - t->len, format, again);
        t->len += (size_t)len;
    }
    va_end(again);
}

char *text_take(struct text *t)
{
    text_add(t, "");
    char *data = t->failed ? NULL : t->data;
    if (t->failed)
        free(t->data);
    *t = (struct text){ 0 };
    return data;
}

/* Length of the code point at s, its value in ret; 0 if it is no UTF-8. */
static size_t code_point(const char *s, uint32_t *ret)
{
    const uint8_t *u = (const uint8_t *)s;
    size_t len = u[0] < 0x80       ? 1
                 : u[0] >> 5 == 6  ? 2
                 : u[0] >> 4 == 14 ? 3
                 : u[0] >> 3 == 30 ? 4
                                   : 0;
    if (len == 0)
        return 0;
    uint32_t value = len == 1 ? u[0] : u[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if (u[i] >> 6 != 2) /* also stops at the terminating zero */
            return 0;
        value = value << 6 | (u[i] & 0x3f);
    }
    *ret = value;
    return len;
}

static bool is_unprintable(uint32_t c)
{
    bool control = c < 0x20 || (c >= 0x7f && c < 0xa0);
    bool direction = (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
                     (c >= 0x2060 && c <= 0x2069);
    return control || direction || c == 0xfeff || (c >= 0xd800 && c < 0xe000);
}

void text_add_foreign(struct text *t, const char *more, size_t columns_max)
{
    size_t columns = text_columns(more);
    size_t keep = columns > columns_max && columns_max > 0 ? columns_max - 1 : columns;
    for (size_t column = 0; *more != '\0' && column < keep; column++) {
        uint32_t c = 0;
        size_t len = code_point(more, &c);
        if (len == 0 || is_unprintable(c))
            text_add(t, c == '\n' || c == '\t' ? " " : "?");
        else
            text_add_bytes(t, more, len);
        more += MAX(len, 1);
    }
    if (columns > columns_max)
        text_add(t, "…");
}

size_t text_columns(const char *utf8)
{
    size_t columns = 0;
    while (*utf8 != '\0') {
        uint32_t c;
        if (utf8[0] == '\033' && utf8[1] == '[' && strchr(utf8, 'm') != NULL) {
            utf8 = strchr(utf8, 'm') + 1;
            continue;
        }
        utf8 += MAX(code_point(utf8, &c), 1);
        columns++;
    }
    return columns;
}

/* "1.24", "12.4", "124", "0": three significant digits, at most three decimals. */
static void three_digits(char ret[FIGURE_MAX], double value)
{
    double size = fabs(value);
    int decimals = size >= 99.95 || size == 0 ? 0 : size >= 9.995 ? 1 : size >= 0.9995 ? 2 : 3;
    (void)snprintf(ret, FIGURE_MAX, "%.*f", decimals, value);
}

static struct figure scaled(double value, const double *steps, const char *const *names,
                            size_t count)
{
    size_t i = 0;
    while (i + 1 < count && fabs(value) >= steps[i + 1] * 0.9995)
        i++;
    char digits[FIGURE_MAX];
    three_digits(digits, value / steps[i]);
    struct figure f;
    (void)snprintf(f.text, sizeof f.text, "%.16s%s", digits, names[i]);
    return f;
}

static struct figure figure_time(double us)
{
    static const double steps[] = { 1, 1e3, 1e6 };
    static const char *const names[] = { " µs", " ms", " s" };
    struct figure f;
    if (fabs(us) < 100e6)
        return scaled(us, steps, names, ARRAY_LEN(steps));
    if (fabs(us) > 1e15) /* 30 years: nonsense, but nothing may break on it */
        return (struct figure){ "-" };
    long long seconds = llround(us / 1e6);
    (void)snprintf(f.text, sizeof f.text, "%lld min %lld s", seconds / 60, llabs(seconds % 60));
    return f;
}

static struct figure figure_share(double share)
{
    struct figure f;
    char digits[FIGURE_MAX];
    three_digits(digits, share * 100);
    if (share > 0 && share < 5e-6)
        (void)snprintf(digits, sizeof digits, "<0.001");
    if (share < 1 && share >= 0.9995) /* 100 % means all of it */
        (void)snprintf(digits, sizeof digits, "%.3f", floor(share * 1e5) / 1e3);
    (void)snprintf(f.text, sizeof f.text, "%.16s %%", digits);
    return f;
}

struct figure figure_of(double value, enum unit unit)
{
    static const double steps[] = { 1, 1024, 1048576, 1073741824, 1099511627776 };
    static const char *const names[] = { " B", " KiB", " MiB", " GiB", " TiB" };
    struct figure f = { "-" };
    if (isnan(value))
        return f;
    if (value == 0)
        return unit == UNIT_SHARE ? (struct figure){ "0 %" } : (struct figure){ "0" };
    switch (unit) {
    case UNIT_SHARE:
        return figure_share(value);
    case UNIT_US:
        return figure_time(value);
    case UNIT_BYTES:
        return scaled(value, steps, names, ARRAY_LEN(steps));
    case UNIT_NONE:
        if (fabs(value) >= 1000 || value == floor(value))
            return figure_count(value);
        break;
    case UNIT_CORES:
        break;
    }
    if (value > 0 && value < 0.0005)
        return (struct figure){ "<0.001" };
    three_digits(f.text, value);
    return f;
}

struct figure figure_count(double value)
{
    struct figure f = { "-" };
    if (isnan(value))
        return f;
    char digits[FIGURE_MAX];
    int len = snprintf(digits, sizeof digits, "%.0f", fabs(value));
    if (len >= 20) {
        (void)snprintf(f.text, sizeof f.text, "%.3g", value);
        return f;
    }
    size_t at = 0;
    if (value <= -0.5)
        f.text[at++] = '-';
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            f.text[at++] = ',';
        f.text[at++] = digits[i];
    }
    f.text[at] = '\0';
    return f;
}

struct figure figure_short(double value)
{
    static const double steps[] = { 1, 1e3, 1e6, 1e9 };
    static const char *const names[] = { "", " k", " M", " G" };
    struct figure f = { "-" };
    return isnan(value)        ? f
           : fabs(value) < 1e4 ? figure_count(value)
                               : scaled(value, steps, names, ARRAY_LEN(steps));
}
