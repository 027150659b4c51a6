/* report_html.h - the result of a load test as one HTML file that needs nothing else.
 *
 * loadtest/report/report.html is the template; it is part of the binary. Pure.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_REPORT_HTML_H
#define LOADTEST_REPORT_HTML_H

#include "common/base.h"

#include <jansson.h>

/* The page for a result (schema conclave-loadtest/1), zero-terminated. No text in the result can
 * leave its place in the page: '<', '>', '&', U+2028 and U+2029 are escaped in the embedded JSON,
 * and the page's script writes text nodes only. malloc'd, the caller frees; NULL when out of
 * memory. */
char *report_html(const json_t *result);

#endif
