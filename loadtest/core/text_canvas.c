/* SPDX-License-Identifier: Apache-2.0 */
#include "core/text_canvas.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ESCAPES_MAX 16 /* kept free: the end of a frame always fits */

static void put_raw(struct text_canvas *c, const char *bytes, size_t len)
{
    if (c->len + len + ESCAPES_MAX > c->capacity)
        c->is_full = true;
    if (c->is_full)
        return;
    memcpy(c->text + c->len, bytes, len);
    c->len += len;
}

static void put_escape(struct text_canvas *c, const char *escape)
{
    if (c->is_screen && c->line < c->height)
        put_raw(c, escape, strlen(escape));
}

void canvas_begin(struct text_canvas *c, unsigned width, unsigned height, bool has_color,
                  char *memory, size_t capacity)
{
    check(capacity >= 64 && width > 0 && height > 0);
    *c = (struct text_canvas){ .text = memory,
                               .capacity = capacity,
                               .width = width,
                               .height = height,
                               .has_color = has_color,
                               .is_screen = true };
    put_escape(c, "\x1b[H");
}

void canvas_begin_line(struct text_canvas *c, char *memory, size_t capacity)
{
    check(capacity >= 64);
    *c = (struct text_canvas){
        .text = memory, .capacity = capacity, .width = (unsigned)-1, .height = 1
    };
}

size_t canvas_end(struct text_canvas *c)
{
    const char *rest = c->is_screen ? "\x1b[0m\x1b[J" : "";
    memcpy(c->text + c->len, rest, strlen(rest) + 1);
    c->len += strlen(rest);
    return c->len;
}

/* Length of the UTF-8 character at p; 0: it is broken. */
static size_t character_len(const unsigned char *p)
{
    size_t len = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (p[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return len;
}

/* C0, DEL, C1 (U+0080..U+009F), which a terminal may obey, and what turns the direction of writing
 * (U+200E, U+200F, U+202A..U+202E, U+2066..U+2069). p is a whole character. */
static bool is_control(const unsigned char *p)
{
    if (p[0] == 0xe2 && p[1] == 0x80)
        return p[2] == 0x8e || p[2] == 0x8f || (p[2] >= 0xaa && p[2] <= 0xae);
    if (p[0] == 0xe2 && p[1] == 0x81)
        return p[2] >= 0xa6 && p[2] <= 0xa9;
    return p[0] < 0x20 || p[0] == 0x7f || (p[0] == 0xc2 && p[1] < 0xa0);
}

void canvas_put(struct text_canvas *c, const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    while (*p != '\0' && c->column < c->width && c->line < c->height) {
        size_t len = character_len(p);
        if (len == 0 || is_control(p))
            put_raw(c, "?", 1);
        else
            put_raw(c, (const char *)p, len);
        c->column++;
        p += MAX(len, (size_t)1);
    }
}

void canvas_printf(struct text_canvas *c, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    check(n >= 0);
    canvas_put(c, text);
}

void canvas_color(struct text_canvas *c, enum canvas_color color)
{
    static const char *const codes[] = {
        [CANVAS_PLAIN] = "\x1b[0m", [CANVAS_BOLD] = "\x1b[1m",   [CANVAS_DIM] = "\x1b[2m",
        [CANVAS_RED] = "\x1b[31m",  [CANVAS_GREEN] = "\x1b[32m", [CANVAS_YELLOW] = "\x1b[33m",
        [CANVAS_BLUE] = "\x1b[34m",
    };
    if (c->has_color)
        put_escape(c, codes[color]);
}

void canvas_column(struct text_canvas *c, unsigned column)
{
    if (c->column >= column && c->column > 0)
        canvas_put(c, " ");
    while (c->column < MIN(column, c->width) && c->line < c->height)
        canvas_put(c, " ");
}

void canvas_right(struct text_canvas *c, const char *text)
{
    size_t len = strlen(text);
    if (c->column + len + 1 > c->width)
        return;
    canvas_column(c, c->width - (unsigned)len);
    canvas_put(c, text);
}

void canvas_bar(struct text_canvas *c, double share, unsigned width, enum canvas_color color)
{
    static const char *const eighths[] = { "", "▏", "▎", "▍", "▌", "▋", "▊", "▉" };
    double inside = share > 1 ? 1 : share > 0 ? share : 0; /* NaN: 0 */
    unsigned steps = (unsigned)(inside * width * 8 + 0.5);
    canvas_color(c, color);
    for (unsigned i = 0; i < steps / 8; i++)
        canvas_put(c, "█");
    unsigned left = width - steps / 8;
    if (steps % 8 > 0) {
        canvas_put(c, eighths[steps % 8]);
        left--;
    }
    canvas_color(c, CANVAS_DIM);
    for (unsigned i = 0; i < left; i++)
        canvas_put(c, "·");
    canvas_color(c, CANVAS_PLAIN);
}

void canvas_newline(struct text_canvas *c)
{
    if (c->line >= c->height)
        return;
    put_escape(c, "\x1b[K");
    c->line++;
    c->column = 0;
    if (c->line < c->height || !c->is_screen) /* behind the last line the screen would scroll */
        put_raw(c, "\n", 1);
}

const char *canvas_bit_rate(double bps, char *ret, size_t capacity)
{
    static const char *const prefixes[] = { "", "k", "M", "G", "T" };
    size_t i = 0;
    while (bps >= 999.5 && i + 1 < ARRAY_LEN(prefixes)) {
        bps /= 1000;
        i++;
    }
    int digits = i == 0 || bps >= 99.95 ? 0 : 1;
    (void)snprintf(ret, capacity, "%.*f %sb/s", digits, bps, prefixes[i]);
    return ret;
}
