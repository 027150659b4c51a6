/* door.h - WHIP (RFC 9725) and WHEP: participants who come by HTTP and have no WebSocket.
 *
 *   POST /whip/<room>  ─► exchange ─► session with a door in place of a socket ─► joined: 201
 *   DELETE <session>   ─► exchange ─► the participant leaves, wherever it lives
 *
 * The session goes the way of every other (join.c). Its door takes what a client would be told: it
 * answers the POST, publishes the tracks of the offer, shows the participant as not connected while
 * the node hears nothing of it, and ends it when its media fails, when this process drains, or when
 * somebody removed it. There is no resume: a client whose
 * connection is lost posts again.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SIGNALD_CORE_DOOR_H
#define SIGNALD_CORE_DOOR_H

#include "common/http.h"
#include "common/origin.h"
#include "session.h"

/* What scripts of pages from elsewhere need of our answers. */
#define DOOR_HEADERS_EXPOSED "Location, ETag, Link, Retry-After"

enum door_kind { DOOR_WHIP, DOOR_WHEP };

/* One HTTP request under way. Heap object, owned by the hub; freed when it is answered or closed,
 * and nothing holds it. */
struct exchange {
    struct list_link link; /* in hub->exchanges */
    struct hub *hub;
    void *io; /* NULL: closed */
    bool is_answered;
    unsigned holds;               /* doors and calls that point here */
    char origin[ORIGIN_CAPACITY]; /* of a page from elsewhere that may read the answer; "" = none */
};

/* Owned by its session. */
struct door {
    enum door_kind kind;
    struct exchange *exchange; /* held until it is answered */
    unsigned sources;          /* mask of 1 << source: what the offer sends */
    unsigned unpublished;      /* of these, what the room does not know yet */
    bool is_publishing;        /* a script is under way */
    usec publish_at;
    /* media, as the node tells and as the room is told: as when a socket breaks */
    bool is_silent;     /* nothing comes, by the node's last word */
    usec silent_at;     /* when that was said */
    bool is_shown_away; /* the room has the participant as not connected */
    bool is_showing;    /* a script is under way */
    usec show_at;
    bool is_over;      /* no participant any more: the session may go */
    bool is_abandoned; /* nobody heard the answer, or the media is gone */
    const char *leave_reason;
    /* WHEP: the only one to be shown; "" = whoever comes */
    char pin[DISPLAY_NAME_BYTES_MAX + 1]; /* participant id or name */
    enum source pin_source;               /* SOURCE_COUNT: screen, else camera */
};

/* Anything under /whip/ and /whep/. io: its own pointer, given back in ACTION_RESPOND, which comes
 * exactly once unless the exchange is reported closed before. request: borrowed for the call. */
struct exchange *hub_on_http(struct hub *h, void *io, struct http_request *request);
/* The connection is gone, or the answer is written: the exchange is not to be used any more. */
void hub_on_http_closed(struct hub *h, struct exchange *e);

/* What one POST wants; all borrowed. */
struct door_order {
    enum door_kind kind;
    const char *address;
    const char *room; /* lowered, checked */
    const char *token;
    const char *sdp;
    json_t *sources; /* {mid: source} */
    unsigned source_mask;
    const char *pin;
    enum source pin_source;
};
/* Starts to join. OK, or ERR_FULL: too many from that address. */
MUST_USE enum err door_open(struct exchange *e, const struct door_order *order);
/* What the grant forbids of what the door is to do, as a sentence; NULL: nothing. */
const char *door_forbids(const struct session *s);
/* What a client would be told. Borrowed. */
void door_on_message(struct session *s, const json_t *message);
/* A socket would be closed now. */
void door_on_close(struct session *s);
/* May free s: then true. */
bool door_on_tick(struct session *s);
/* The room has been read anew, and has the participant so: told again if that is not how it is. */
void door_on_picture(struct session *s, bool is_connected);
/* The participant leaves; the door and, in time, s are gone afterwards. */
void door_leave(struct session *s, const char *reason);
/* Sets what the session wants to see from who is there. */
void door_set_view(struct session *s, const struct room *room);
/* Frees the door without a word. */
void door_free(struct session *s);

/* door_http.c: requests and answers */
void exchange_respond(struct exchange *e, struct http_response *r); /* r is emptied */
void exchange_refuse(struct exchange *e, enum wire_error error, const char *text, usec retry_after);
/* The 201: answer SDP and where the session is. */
void exchange_created(struct exchange *e, const struct session *s, const char *token,
                      const char *sdp);
void exchange_hold(struct exchange *e);
void exchange_release(struct exchange *e);

#endif
