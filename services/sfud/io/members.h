/* members.h - which participants this node has, in which rooms, on which worker.
 *
 * A room lives on one worker, chosen when its first participant comes, until its last one goes.
 * Control thread only.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SFUD_IO_MEMBERS_H
#define SFUD_IO_MEMBERS_H

#include "common/map.h"
#include "limits.h"

enum {
    WORKERS_MAX = 64,
    MEMBER_UFRAG_LEN = 16, /* RFC 8445 §5.3 asks for 24 bits, this is 80 */
    MEMBER_PWD_LEN = 32,   /* and 128 bits; this is 160 */
};

/* Our half of a transport's credentials, what later answers repeat, and theirs of the last offer:
 * with others the participant restarts ICE. */
struct member_secrets {
    uint8_t seed[16];
    char ufrag[MEMBER_UFRAG_LEN + 1];
    char pwd[MEMBER_PWD_LEN + 1];
    uint64_t session_id;
    char remote_ufrag[SDP_UFRAG_MAX + 1];
    char remote_pwd[SDP_PWD_MAX + 1];
};

struct member_room {
    struct map_node by_name;
    char name[ROOM_KEY_MAX + 1];
    size_t worker;
    size_t member_count;
};

struct member {
    struct map_node by_key;
    char key[ROOM_KEY_MAX + 1 + PARTICIPANT_KEY_MAX + 1]; /* "<room>\n<participant>" */
    struct member_room *room;
    struct member_secrets secrets;
    uint32_t allowed;
    bool data_allowed;
    bool has_data;      /* its first offer had data channels */
    uint64_t create_id; /* of the command that made its transport */
    bool is_creating;   /* … which has not been answered yet */
};

struct members {
    struct map members, rooms;
    size_t worker_count;
    size_t worker_members[WORKERS_MAX];
};

void members_init(struct members *m, size_t worker_count, const uint8_t hash_key[16]);
void members_done(struct members *m);

/* NULL if there is none. */
struct member *members_find(const struct members *m, const char *room, const char *participant);
bool members_has_room(const struct members *m, const char *room);
/* A new member, on its room's worker or, for a new room, on the worker with the fewest. It must not
 * exist. NULL without memory. */
struct member *members_add(struct members *m, const char *room, const char *participant);
/* Frees it, and its room with the last one. */
void members_remove(struct members *m, struct member *member);
size_t members_count(const struct members *m);
size_t members_room_count(const struct members *m);

#endif
