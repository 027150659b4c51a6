/* segment.c - names and rotation.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/segment.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define DIGITS 12
#define SUFFIX ".ndjson"

bool segment_is_due(const struct segment_policy *policy, uint64_t bytes, uint64_t records,
                    wall_usec created, wall_usec now)
{
    return records > 0 && (bytes >= policy->bytes_max || now - created >= policy->age_max);
}

void segment_name_write(uint64_t number, char ret[SEGMENT_NAME_CAPACITY])
{
    check(number > 0 && number < UINT64_C(1000000000000));
    snprintf(ret, SEGMENT_NAME_CAPACITY, "%012" PRIu64 SUFFIX, number);
}

bool segment_name_parse(const char *name, uint64_t *ret)
{
    if (strlen(name) != DIGITS + strlen(SUFFIX) || strspn(name, "0123456789") != DIGITS ||
        strcmp(name + DIGITS, SUFFIX) != 0)
        return false;
    uint64_t number = 0;
    for (int i = 0; i < DIGITS; i++)
        number = number * 10 + (uint64_t)(name[i] - '0');
    *ret = number;
    return number > 0;
}
