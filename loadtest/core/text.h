/* text.h - a growing text, and figures as people read them: "1.24 ms", "41.2 MiB", "0.031 %".
 *
 * Pure. SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_TEXT_H
#define LOADTEST_TEXT_H

#include "common/base.h"

/* Zero-initialised is empty. When memory runs out everything more is dropped and text_take() tells,
 * so that no writer needs to check. */
struct text {
    char *data; /* owned, zero-terminated once anything was added */
    size_t len, capacity;
    bool failed;
};

void text_add(struct text *t, const char *more);
void text_add_bytes(struct text *t, const char *more, size_t len);
void text_addf(struct text *t, const char *format, ...) PRINTF_LIKE(2, 3);
/* more, in which control characters, broken UTF-8 and what turns the direction of writing become
 * '?' (a line break a space), cut to `columns_max` code points with "…". */
void text_add_foreign(struct text *t, const char *more, size_t columns_max);
/* The text, which the caller frees; "" if nothing was added. NULL when memory ran out. t is empty
 * again. */
char *text_take(struct text *t);

/* How many columns a zero-terminated UTF-8 text takes: code points, without SGR sequences. */
size_t text_columns(const char *utf8);

enum unit {
    UNIT_NONE,  /* 1,234 or 1.25 */
    UNIT_SHARE, /* 0..1: 12.3 % */
    UNIT_US,    /* microseconds: 870 µs, 1.24 ms, 12.4 s, 3 min 20 s */
    UNIT_BYTES, /* 41.2 MiB */
    UNIT_CORES, /* CPU seconds per second: 0.31 */
};

enum { FIGURE_MAX = 32 };
struct figure {
    char text[FIGURE_MAX];
};

/* Three significant digits and the unit; "-" for NaN. */
struct figure figure_of(double value, enum unit unit);
/* 1234567 -> "1,234,567"; fractions are rounded. */
struct figure figure_count(double value);
/* 1234567 -> "1.23 M" */
struct figure figure_short(double value);

#endif
