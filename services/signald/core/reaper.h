/* reaper.h - who is left behind by a signald that has gone, and what to do about it.
 *
 * A participant whose owner's key is away (or has another epoch) is marked detached once that has
 * been seen for REAP_GONE by this watcher since its own Redis connection last came up; one that has
 * been detached for the resume window and a grace is removed. Both are compare-and-set in the room,
 * so a resume always wins.
 *
 * Pure. SPDX-License-Identifier: Apache-2.0 */
#ifndef SIGNALD_CORE_REAPER_H
#define SIGNALD_CORE_REAPER_H

#include "../limits.h"
#include "common/base.h"
#include "common/map.h"

#include <jansson.h>

enum reap {
    REAP_LEAVE_ALONE,
    REAP_DETACH,
    REAP_REMOVE,
};

struct reaper {
    struct map gone; /* owned: "<signald>/<epoch>" → since when it is away */
    usec since;      /* Redis has been answering since then; USEC_NEVER: it does not */
    wall_usec since_wall;
};

void reaper_init(struct reaper *r);
void reaper_done(struct reaper *r);
void reaper_on_redis(struct reaper *r, bool is_connected, usec now, wall_usec wall);
/* live: {signald id: epoch} as read just now; ids that are absent have no key. owner: one entry
 * {"id","signald","signald_epoch","connected","detached_at"?} of the owners script. */
enum reap reaper_judge(struct reaper *r, const json_t *owner, const json_t *live, usec now,
                       wall_usec wall);

#endif
