/* segment.h - how a chain is cut into files: names, and when to begin the next one.
 *
 * Pure. SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDITD_CORE_SEGMENT_H
#define AUDITD_CORE_SEGMENT_H

#include "common/base.h"

struct segment_policy {
    uint64_t bytes_max;
    usec age_max;
};

/* Whether the current segment should end before more is appended. A segment without records never
 * ends: an idle auditd makes no files. */
bool segment_is_due(const struct segment_policy *policy, uint64_t bytes, uint64_t records,
                    wall_usec created, wall_usec now);

/* "000000000001.ndjson": sorts as it counts. */
#define SEGMENT_NAME_CAPACITY 32
void segment_name_write(uint64_t number, char ret[SEGMENT_NAME_CAPACITY]);
/* False for every other file name. */
bool segment_name_parse(const char *name, uint64_t *ret);

#endif
