/* snapshot_json.h - snapshots of a worker as the JSON of docs/statistics.md.
 *
 * Pure but for allocation.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SFUD_IO_SNAPSHOT_JSON_H
#define SFUD_IO_SNAPSHOT_JSON_H

#include "core/snapshot.h"

#include <jansson.h>

/* New references; NULL without memory. */
json_t *snapshot_json_room(const char *room, const struct room_snapshot *s);
json_t *snapshot_json_participant(const char *room, const struct participant_snapshot *s);

#endif
