/* SPDX-License-Identifier: Apache-2.0 */
#include "core/table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void table_cell(struct table *t, const char *text)
{
    text_add_bytes(&t->cells, text, strlen(text) + 1);
    t->cell_count++;
}

void table_cellf(struct table *t, const char *format, ...)
{
    char cell[256];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(cell, sizeof cell, format, arguments);
    va_end(arguments);
    table_cell(t, cell);
}

void table_foreign(struct table *t, const char *text, size_t columns_max)
{
    text_add_foreign(&t->cells, text, columns_max);
    table_cell(t, "");
}

void table_figure(struct table *t, double value, enum unit unit)
{
    table_cell(t, figure_of(value, unit).text);
}

void table_count(struct table *t, double value)
{
    table_cell(t, figure_count(value).text);
}

static void add_spaces(struct text *out, size_t count)
{
    text_addf(out, "%*s", (int)count, "");
}

static void write_cell(struct text *out, const char *cell, size_t width, bool right, bool last)
{
    size_t pad = width - text_columns(cell);
    if (right)
        add_spaces(out, pad);
    text_add(out, cell);
    if (!right && !last)
        add_spaces(out, pad);
}

/* A row ends with its last cell that is not empty: no spaces before a line break. */
static void write_row(const struct table *t, const char *cell, const size_t *widths,
                      struct text *out)
{
    size_t columns = strlen(t->align), used = 0;
    const char *at = cell;
    for (size_t i = 0; i < columns; i++, at += strlen(at) + 1)
        used = *at == '\0' ? used : i + 1;
    for (size_t i = 0; i < used; i++, cell += strlen(cell) + 1) {
        add_spaces(out, 2);
        write_cell(out, cell, widths[i], t->align[i] == 'r', i + 1 == used);
    }
    text_add(out, "\n");
}

void table_write(struct table *t, struct text *out)
{
    size_t columns = strlen(t->align), widths[TABLE_COLUMNS_MAX] = { 0 };
    check(columns > 0 && columns <= TABLE_COLUMNS_MAX && t->cell_count % columns == 0);
    if (t->cells.failed)
        out->failed = true;
    const char *cell = t->cells.data;
    for (size_t i = 0; i < t->cell_count && !out->failed; i++, cell += strlen(cell) + 1)
        widths[i % columns] = MAX(widths[i % columns], text_columns(cell));
    cell = t->cells.data;
    for (size_t i = 0; i < t->cell_count && !out->failed; i++) {
        if (i % columns == 0)
            write_row(t, cell, widths, out);
        cell += strlen(cell) + 1;
    }
    free(t->cells.data);
    t->cells = (struct text){ 0 };
    t->cell_count = 0;
}
