/* room.h - this process's picture of a live room: members, their tracks, applied in seq order.
 *
 * The truth is a hash in Redis; the picture is loaded from a snapshot and then follows the events.
 * An event that does not continue the picture is a gap: the caller reads a snapshot again. Events
 * that arrive while a snapshot is under way are kept and applied on top of it.
 *
 * Pure but for malloc and jansson. SPDX-License-Identifier: Apache-2.0 */
#ifndef SIGNALD_CORE_ROOM_H
#define SIGNALD_CORE_ROOM_H

#include "message.h"

enum muted_by { MUTED_BY_NOBODY, MUTED_BY_SELF, MUTED_BY_MODERATOR };

struct track {
    bool is_published;
    bool is_muted;
    enum muted_by muted_by;
    unsigned width, height; /* 0 = unknown */
};

enum { SCORE_UNKNOWN = -1, SCORE_MAX = 5 };

/* One participant as everybody sees them, and who owns them. Owned by the room. */
struct member {
    char id[PARTICIPANT_ID_MAX + 1];
    char name[260];
    char signald[INSTANCE_ID_MAX + 1];
    char signald_epoch[64];
    char node[INSTANCE_ID_MAX + 1];
    char node_epoch[64];
    int64_t joined_at_ms;
    bool is_moderator;
    bool is_connected;
    struct track tracks[SOURCE_COUNT];
    usec spoke_at;       /* 0 = never */
    bool speaks;         /* was among the speakers last told */
    int8_t score;        /* quality, 0 to 5, as last told; SCORE_UNKNOWN: never */
    json_t *public_json; /* owned; what clients get */
};

struct room {
    struct member **members; /* in the order of joining; owned */
    size_t member_count;
    size_t member_capacity;
    char dominant[PARTICIPANT_ID_MAX + 1]; /* as last told; "" = nobody. May have left */
    int64_t seq;
    bool is_loaded; /* false: a snapshot is needed, events wait */
    bool has_overflown;
    json_t *waiting; /* array of events, owned */
};

enum room_result {
    ROOM_APPLIED,
    ROOM_STALE,   /* already part of the picture */
    ROOM_WAITING, /* kept until the snapshot is there */
    ROOM_GAP,     /* something is missing: load a snapshot */
    ROOM_BAD,     /* not an event */
};

void room_init(struct room *r);
void room_done(struct room *r);

/* One event {"seq","op","participant",…,"private"}; borrowed (kept by reference when waiting). */
enum room_result room_apply(struct room *r, json_t *event);
/* Forgets nothing but stops applying: events wait until room_load(). */
void room_unload(struct room *r);
/* Replaces the picture by {"seq","participants":[whole participant JSON, …]}, applies what waited.
 * Who spoke last, and how well, is kept. ROOM_APPLIED, ROOM_GAP (what waited does not continue it)
 * or ROOM_BAD. */
enum room_result room_load(struct room *r, const json_t *snapshot);

struct member *room_find(const struct room *r, const char *participant);
/* The public participants: a new array. */
json_t *room_participants(const struct room *r);

/* {"speakers":[{"participant","level"}]}: remembers who spoke. True if anybody known was named. */
bool room_on_speakers(struct room *r, const json_t *speakers, usec now);

/* {"participant","score"}: remembers it. True if a member's score is another one now. */
bool room_on_score(struct room *r, const json_t *score);
/* Every score that is known, [{"participant","score"}]: a new array. */
json_t *room_scores(const struct room *r);

/* Who is dominant now; NULL or no member: nobody. */
void room_on_dominant(struct room *r, const char *participant);
/* NULL: nobody, or they have left. */
const char *room_dominant(const struct room *r);

#endif
