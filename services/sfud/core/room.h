/* room.h - the participants of one meeting on this worker, and who of them speaks.
 *
 * Exists while it has a participant. Lives in the worker's pool.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SFUD_CORE_ROOM_H
#define SFUD_CORE_ROOM_H

#include "common/list.h"
#include "core/command.h"
#include "core/speaker.h"

struct worker;
struct transport;
struct track;

struct room {
    handle self;
    uint64_t hash;
    char key[ROOM_KEY_MAX + 1];
    struct list participants; /* transport.in_room */
    size_t participant_count;
    struct speaker_list told;
    usec told_at;
    bool was_told;
    handle dominant; /* transport; 0: nobody yet. Stays until somebody follows, or they leave */
    bool dominant_changed; /* since told_at; or to be told again */
    usec speakers_at;      /* when to look again; USEC_NEVER: nobody is heard */
    usec scores_at;        /* when to tell new scores; USEC_NEVER: there are none */
};

struct room *room_find(const struct worker *w, const char *key);
/* NULL when the pool is empty. */
struct room *room_find_or_new(struct worker *w, const char *key);

void room_add(struct worker *w, struct room *room, struct transport *t);
/* Frees the room with its last participant. */
void room_remove(struct worker *w, struct room *room, struct transport *t);

/* A participant's track of that source, or NULL. */
struct track *room_find_track(const struct worker *w, const char *room_key, const char *participant,
                              enum source source);

/* A track appeared: slots that wait for it get it. */
void room_on_track(struct worker *w, struct room *room, struct track *track, usec now);

/* An audio level was measured: the list of speakers is due soon; at once if somebody begins to
 * speak, since viewers wait to hear them. */
void room_on_level(struct worker *w, struct room *room, bool begins, usec now);
/* Who speaks and who is dominant is to be told once more, if anybody ever was. */
void room_tell_again(struct worker *w, struct room *room, usec now);
/* Tells a change of speakers, if there is one. */
void room_tick(struct worker *w, struct room *room, usec now);

#endif
