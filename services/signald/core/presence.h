/* presence.h - a room that has sessions here: subscription, picture, and passing events on.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SIGNALD_CORE_PRESENCE_H
#define SIGNALD_CORE_PRESENCE_H

#include "session.h"

/* Heap object, owned by the hub; freed when no session and no call needs it. */
struct presence {
    struct map_node by_id;
    struct hub *hub;
    char id[ROOM_ID_MAX + 1]; /* <org>/<name> */
    struct list sessions;
    unsigned holds; /* calls that point here */
    bool is_subscribed;
    bool is_reading;   /* a snapshot is under way */
    bool must_read;    /* another one is needed */
    bool after_outage; /* what is missing in the next one was lost, not removed */
    usec read_at;      /* not before */
    bool state_due;    /* clients are to get room-state after the next reading */
    usec lost_until;   /* Redis had lost data: others may still put their participants back */
    struct room room;
    /* chat: ids that were passed on, a ring of as many as the cluster keeps */
    char chat_seen[CHAT_HISTORY_MAX][CHAT_ID_MAX + 1];
    size_t chat_seen_next;
    /* slots */
    bool slots_due;
    usec slots_at; /* when they were last computed */
    /* speakers */
    json_t *speakers;    /* owned; the newest, to be sent; NULL = nothing new */
    char *speakers_sent; /* owned; the last text sent */
    usec speakers_at;
    usec renewed_at;
};

struct presence *presence_obtain(struct hub *h, const char *room);
struct presence *presence_find(struct hub *h, const char *room);
void presence_add(struct presence *p, struct session *s);
void presence_remove(struct presence *p, struct session *s);
/* Frees it if nobody is there any more. */
void presence_release(struct presence *p);

void presence_on_event(struct presence *p, json_t *event);
void presence_on_media(struct presence *p, const json_t *event);
void presence_on_subscribed(struct presence *p);
void presence_on_redis_lost(struct presence *p);
void presence_on_redis_back(struct presence *p);
/* A snapshot that came with a script's answer; true if the picture was loaded from it. */
bool presence_offer_snapshot(struct presence *p, const json_t *snapshot);
/* The picture is behind: read it again. */
void presence_read(struct presence *p);
void presence_on_tick(struct presence *p);
/* Compute everybody's slots soon. */
void presence_slots_due(struct presence *p);
/* One session's slots now, from its new view or slots. */
void presence_assign(struct presence *p, struct session *s, bool announce);
/* Tells the node what slots it is to fill. */
void presence_tell_node(struct session *s);
/* Sends what was held back. */
void presence_media_on_tick(struct presence *p);

/* Its client is there to read. */
bool presence_hears(const struct session *s);
/* One text for everybody here. */
void presence_broadcast(struct presence *p, const json_t *message);

#endif
