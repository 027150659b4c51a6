/* report_text.h - the summary of a load test for a terminal: what a person reads at its end.
 *
 * Pure. SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_REPORT_TEXT_H
#define LOADTEST_REPORT_TEXT_H

#include "common/base.h"

#include <jansson.h>

struct report_text_options {
    bool colour; /* SGR sequences; false: plain text */
};

/* The summary of a result (schema conclave-loadtest/1) in at most 100 columns, ending in a newline.
 * Keys that are missing print as "-". Text in the result (names, messages, output) cannot move the
 * cursor: control characters are replaced. malloc'd, the caller frees; NULL when out of memory. */
char *report_text(const json_t *result, const struct report_text_options *options);

#endif
