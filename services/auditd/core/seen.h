/* seen.h - the ids of the last SEEN_IDS_MAX events, to drop repetitions.
 *
 * Pure; one fixed block. The oldest id is forgotten when a new one needs its place.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDITD_CORE_SEEN_H
#define AUDITD_CORE_SEEN_H

#include "common/base.h"
#include "limits.h"

#define SEEN_BUCKETS (SEEN_IDS_MAX * 2)

struct seen {
    uint8_t ids[SEEN_IDS_MAX][16]; /* a ring */
    size_t next;
    size_t count;
    uint32_t heads[SEEN_BUCKETS];   /* 1 + index of the newest id of the bucket, 0 = none */
    uint32_t chained[SEEN_IDS_MAX]; /* the one before it in its bucket */
};

/* Zero memory is an empty set (2 MiB: allocate it). */

/* uuid: valid text (uuid_is_valid). */
bool seen_has(const struct seen *s, const char *uuid);
/* Must not be in the set. */
void seen_add(struct seen *s, const char *uuid);

#endif
