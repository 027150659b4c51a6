/* report_text_parts.h - the parts of the summary; only report_text*.c include it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_REPORT_TEXT_PARTS_H
#define LOADTEST_REPORT_TEXT_PARTS_H

#include "core/table.h"

#include <jansson.h>

enum { REPORT_COLUMNS = 100 };

/* What is being written. */
struct sheet {
    struct text out;
    bool colour;
};

enum ink { INK_BOLD, INK_DIM, INK_GOOD, INK_BAD, INK_ALARM, INK_END };
/* "" without colour. */
const char *sheet_ink(const struct sheet *s, enum ink ink);
/* An empty line, then the name of a section. */
void sheet_heading(struct sheet *s, const char *name);
/* Wraps a text of somebody else to the sheet's columns; `first` starts the first line, and the
 * following ones are indented as far. */
void sheet_paragraph(struct sheet *s, const char *first, const char *foreign);

void report_text_joins(struct sheet *s, const json_t *result);
void report_text_media(struct sheet *s, const json_t *result);
void report_text_groups(struct sheet *s, const json_t *result);
void report_text_chaos(struct sheet *s, const json_t *result);
void report_text_servers(struct sheet *s, const json_t *result);
void report_text_tester(struct sheet *s, const json_t *result);

#endif
