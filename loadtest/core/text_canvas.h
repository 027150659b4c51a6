/* text_canvas.h - writes one frame of a terminal line by line, within its width and height.
 *
 * Pure. A character (UTF-8) counts as one column: names are expected to be narrow. Everything that
 * is put is cleaned of control characters; colours are the canvas' own.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_TEXT_CANVAS_H
#define LOADTEST_TEXT_CANVAS_H

#include "common/base.h"

enum canvas_color {
    CANVAS_PLAIN,
    CANVAS_BOLD,
    CANVAS_DIM,
    CANVAS_RED,
    CANVAS_GREEN,
    CANVAS_YELLOW,
    CANVAS_BLUE,
};

struct text_canvas {
    /* given */
    char *text;
    size_t capacity;
    unsigned width, height;
    bool has_color;
    bool is_screen; /* false: one plain line */
    /* derived */
    size_t len;
    unsigned column, line;
    bool is_full; /* no room for another byte: the rest is dropped, whole characters only */
};

/* A frame that starts at the top left corner. Memory is the caller's, capacity at least 64. */
void canvas_begin(struct text_canvas *c, unsigned width, unsigned height, bool has_color,
                  char *memory, size_t capacity);
/* One plain line of any length. */
void canvas_begin_line(struct text_canvas *c, char *memory, size_t capacity);
/* Terminates the text and returns its length. */
size_t canvas_end(struct text_canvas *c);

/* What goes beyond the width or the height is dropped. */
void canvas_put(struct text_canvas *c, const char *text);
void canvas_printf(struct text_canvas *c, const char *format, ...) PRINTF_LIKE(2, 3);
void canvas_color(struct text_canvas *c, enum canvas_color color);
/* Spaces up to that column; none if it is there already. At least one, unless at the start. */
void canvas_column(struct text_canvas *c, unsigned column);
/* At the right edge, if there is room. */
void canvas_right(struct text_canvas *c, const char *text);
/* share: 0..1, drawn full beyond; in eighths of a character. */
void canvas_bar(struct text_canvas *c, double share, unsigned width, enum canvas_color color);
void canvas_newline(struct text_canvas *c);

/* "12.3 Mb/s" into ret, which is returned. */
const char *canvas_bit_rate(double bps, char *ret, size_t capacity);

#endif
