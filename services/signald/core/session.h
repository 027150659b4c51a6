/* session.h - one client: hello → joining → joined → left; detached while its socket is broken.
 *
 *   HELLO ──join──► JOINING ─────► JOINED ──leave──► LEAVING ──► (gone)
 *     ▲  ──resume─► RESUMING ───►   │ ▲               ▲
 *     └──── refused ────┘     close │ └ another       │ window over
 *                                   ▼   session       │
 *                                DETACHED ────────────┘
 *
 * A session outlives its socket: JOINED without one is DETACHED, and it is LEAVING until Redis has
 * agreed that the participant is gone, however long Redis is away.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SIGNALD_CORE_SESSION_H
#define SIGNALD_CORE_SESSION_H

#include "hub.h"
#include "slot_policy.h"

enum session_state {
    SESSION_HELLO,
    SESSION_JOINING,
    SESSION_RESUMING,
    SESSION_JOINED,
    SESSION_DETACHED,
    SESSION_LEAVING,
    SESSION_GONE, /* kept only until its last call is answered */
};

/* Heap object; freed by the hub when GONE, without socket and without calls. */
struct session {
    struct list_link link;        /* in hub->sessions */
    struct list_link in_presence; /* in presence->sessions */
    struct hub *hub;
    void *socket;      /* NULL: broken; the door of who has one */
    struct door *door; /* owned; NULL: a WebSocket. See door.h */
    enum session_state state;
    unsigned holds;  /* calls that point here */
    bool is_closing; /* the socket is about to be closed: read nothing more from it */
    /* the socket */
    char address[64];
    usec opened_at;
    struct token_bucket messages;
    struct token_bucket excess;
    usec drain_at;
    /* the participant; known from JOINING on */
    struct presence *presence;     /* NULL once it is leaving */
    char room_id[ROOM_ID_MAX + 1]; /* <org>/<name> */
    char participant[PARTICIPANT_ID_MAX + 1];
    char identity[TOKEN_ID_MAX + 1];
    char sid[TOKEN_ID_MAX + 1];
    char name[DISPLAY_NAME_BYTES_MAX + 1];
    char kind[16];
    char org[ORG_NAME_BYTES_MAX + 1];
    char room[ROOM_WIRE_CHARS_MAX + 1]; /* as clients name it */
    bool is_moderator;
    unsigned publish; /* mask of 1 << source */
    bool may_subscribe;
    bool may_send_data; /* known until the participant is created on its node */
    char node[INSTANCE_ID_MAX + 1];
    char node_epoch[64];
    int64_t joined_at_ms;
    char resume_hash[65];
    bool media_failed;
    json_t *public_json; /* owned; as last seen in the room, to put it back after data loss */
    /* what is shown to them */
    struct slot *slots; /* owned */
    size_t slot_count;
    struct view_entry *view; /* owned; NULL with has_view = nothing wanted */
    size_t view_count;
    bool has_view;
    int64_t slots_version;
    bool slots_changed; /* the node does not know yet */
    bool slots_asking;
    bool is_new_here; /* this signald has not heard who speaks in the room: the node tells again */
    usec slots_retry_at;
    /* joining, resuming */
    int64_t request;
    usec join_started;
    usec stage_started;
    unsigned place_attempts;
    unsigned join_attempt; /* answers to earlier attempts are stale */
    bool is_on_node;       /* participant.create has been asked: to be removed again if we fail */
    bool is_in_room;       /* the join script has been asked */
    json_t *offer;         /* owned: {sdp, sources} */
    json_t *joined;        /* owned: the reply being made */
    int64_t joined_seq;
    bool catching_up;
    usec catch_up_until;
    /* leaving, detached */
    bool is_marked; /* the room knows that we are detached */
    bool is_asking; /* detach or leave script under way */
    usec ask_at;
    usec detached_until;
    char leave_reason[16];
    bool joins_again; /* the same person follows as a new participant, and keeps the role */
};

struct session *session_new(struct hub *h, void *socket, const char *address);
void session_on_text(struct session *s, struct bytes text);
void session_on_close(struct session *s);
void session_on_tick(struct session *s);
/* Frees it if nothing holds it any more. */
void session_release(struct session *s);
/* The socket is broken, or is to be: the participant waits for a resume. */
void session_detach(struct session *s);
/* The participant goes its own way (to be removed, or left detached) without this socket; s can
 * join again. ret is a session without a socket, in state HELLO. */
struct session *session_split(struct session *s);

void session_send(struct session *s, json_t *message); /* reference taken over */
void session_send_text(struct session *s, const char *text, size_t len);
void session_error(struct session *s, int64_t id, enum wire_error error, const char *text,
                   usec retry_after);
/* Sends `closing`, then closes with the code. */
void session_close(struct session *s, const char *reason, const char *text, int code);
/* Closes without a word. */
void session_close_socket(struct session *s, int code, const char *why);

/* The participant is to be removed from room and node, for certain. */
void session_leave(struct session *s, const char *reason);
/* The participant is somebody else's now, or gone already: only forget it. */
void session_forget(struct session *s);
/* Its media is lost; the client is told to join again. why: one word, for the log. */
void session_media_failed(struct session *s, const char *why);
/* {actor_kind, …, room, address} of this participant for an audit record. */
json_t *session_audit(const struct session *s);
/* The record as the room script keeps it: a new object. */
json_t *session_record(const struct session *s);
json_t *session_slots_json(const struct session *s);

/* join.c */
void session_join(struct session *s, const struct message *m);
void session_resume(struct session *s, const struct message *m);
/* Room and subscription are ready. */
void session_on_room_ready(struct session *s);
/* A look at the nodes: a join that waits for one that counts as lost now goes to another. */
void session_on_nodes(struct session *s);
/* The room is on that node now: whoever was on another joins again, whoever waits for one asks
 * anew. */
void session_on_moved(struct session *s, const char *node, const char *epoch);
/* The room's picture may have reached the point where we are part of it. */
void session_on_picture(struct session *s);
/* Whatever was built for an unfinished join is taken down; back to HELLO (or GONE). */
/* Chat that came between the script and the joined reply. */
void session_late_chat(struct session *s, const json_t *chat);
void session_join_failed(struct session *s, enum wire_error error, const char *text);

json_t *session_view_json(const struct session *s);

/* Publishes a track, unmuted and of unknown size. */
void session_publish(struct session *s, enum source source,
                     void (*done)(struct call *c, const struct answer *a));

/* request.c: everything that a joined client may ask. */
void session_request(struct session *s, const struct message *m);
/* slots from the node's [{mid, kind}], or the record's with {participant, source}; keeps what flows
 * in the mids that stay. False: malformed. */
bool session_set_slots(struct session *s, const json_t *slots);

#endif
