/* table.h - aligned columns of text.
 *
 * Pure. SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_TABLE_H
#define LOADTEST_TABLE_H

#include "core/text.h"

enum { TABLE_COLUMNS_MAX = 20 };

/* Start with { .align = "lrr" }: a letter for each column, left or right. Cells are given row by
 * row. table_write() frees what the table owns. */
struct table {
    const char *align; /* borrowed */
    struct text cells; /* owned: zero-terminated, one after the other */
    size_t cell_count;
};

void table_cell(struct table *t, const char *text);
void table_cellf(struct table *t, const char *format, ...) PRINTF_LIKE(2, 3);
/* Somebody else's text, made harmless and cut. */
void table_foreign(struct table *t, const char *text, size_t columns_max);
void table_figure(struct table *t, double value, enum unit unit);
void table_count(struct table *t, double value);

/* Adds the rows to out, each indented by two columns, with two between columns and none after the
 * last one. SGR sequences in cells take no room. */
void table_write(struct table *t, struct text *out);

#endif
