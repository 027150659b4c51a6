/* slot_policy.h - who is shown in which receive slot of a viewer, and why.
 *
 * Video: what the viewer asked for, most important first; somebody who never asked gets screens,
 * then cameras, in the order of joining. Audio: screen audio, then unmuted microphones, those who
 * spoke last first. A track that is shown keeps its slot as long as it is shown. Nobody is shown
 * to themselves, and what is muted or not published is not shown.
 *
 * Pure: same room, same slots, same time, same answer. SPDX-License-Identifier: Apache-2.0 */
#ifndef SIGNALD_CORE_SLOT_POLICY_H
#define SIGNALD_CORE_SLOT_POLICY_H

#include "room.h"

struct slot {
    char mid[MID_BYTES_MAX + 1];
    bool is_audio;
    char participant[PARTICIPANT_ID_MAX + 1]; /* "" = empty */
    enum source source;
    unsigned spatial_max; /* 0 = quarter size, 1 = half, 2 = full */
    unsigned priority;    /* video: place in what the viewer asked for, 0 first */
};

struct slot_candidate {
    const struct member *member;
    enum source source;
};

/* What could be shown in a room, best first, the same for every viewer. Owned arrays; borrows the
 * room's members: use before the room changes. */
struct slot_plan {
    struct slot_candidate *video;
    size_t video_count;
    struct slot_candidate *audio;
    size_t audio_count;
};
void slot_plan_init(struct slot_plan *p, const struct room *r);
void slot_plan_done(struct slot_plan *p);

struct slot_viewer {
    const char *participant; /* never shown to themselves */
    bool has_view;
    const struct view_entry *view;
    size_t view_count;
    bool may_subscribe;
    usec now;
};

enum slot_change {
    SLOT_CHANGE_NONE,
    SLOT_CHANGE_SIZE,  /* only size or priority: for the node, not for the client */
    SLOT_CHANGE_TRACK, /* another track in some slot */
};

/* Changes slots in place. Cost: slots * candidates that fit. */
enum slot_change slot_policy_assign(struct slot *slots, size_t slot_count,
                                    const struct slot_viewer *viewer, const struct slot_plan *plan,
                                    const struct room *room);

/* The smallest layer whose height is enough for the wanted height. */
unsigned slot_policy_spatial(unsigned wanted_height, unsigned published_height);

/* Who holds an audio slot keeps it against somebody who spoke less than this later, unless that one
 * speaks now and the holder does not. */
#define SLOT_AUDIO_HOLD SECONDS(2)

#endif
