/* fixture.h - the results that fixtures.py makes, for the tests of the reports.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIT_LOADTEST_FIXTURE_H
#define UNIT_LOADTEST_FIXTURE_H

#include <jansson.h>
#include <stdio.h>

/* A new reference; fails the test if there is no such fixture. */
static inline json_t *fixture(const char *name)
{
    char path[512];
    json_error_t error;
    (void)snprintf(path, sizeof path, "%s/%s.json", FIXTURES, name);
    json_t *json = json_load_file(path, 0, &error);
    if (json == NULL)
        fail_msg("%s:%d: %s", path, error.line, error.text);
    return json;
}

#endif
