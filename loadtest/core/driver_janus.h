/* driver_janus.h - a bot's state at a Janus, shared by the driver_janus*.c files only.
 *
 *   WebSocket -> session -> publisher handle:  join, publish, hears of other publishers
 *                        -> subscriber handle: one peer connection with all that is received
 *
 * driver_janus.c has the session and its requests, driver_janus_room.c the publisher handle,
 * driver_janus_receive.c the subscriber handle.
 *
 * Rooms and feeds have numbers, as Janus has them by default (string_ids off): a room's number
 * follows from its name. The first bot of a room that Janus does not know creates it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_DRIVER_JANUS_H
#define LOADTEST_DRIVER_JANUS_H

#include "core/driver.h"

enum {
    JANUS_ANSWER_TIMEOUT_US = 10000000,
    JANUS_KEEPALIVE_US = 25000000, /* Janus forgets a session after 60 s */
    JANUS_CALM_US = 100000,        /* publishers come in bursts */
    JANUS_RETRY_US = 500000,       /* after a refused subscription */
    JANUS_REQUESTS_MAX = 32,
    JANUS_STREAMS_MAX = 2 * SCENARIO_SLOTS_MAX,
    JANUS_MID_MAX = 16,
    JANUS_SUBSTREAM_NONE = -1, /* the publisher does no simulcast */
};

enum janus_request {
    REQUEST_SESSION,
    REQUEST_ATTACH_PUBLISHER,
    REQUEST_ATTACH_SUBSCRIBER,
    REQUEST_JOIN,
    REQUEST_CREATE_ROOM,
    REQUEST_PUBLISH,
    REQUEST_SUBSCRIBE, /* the first one, or an update */
    REQUEST_START,
    REQUEST_CONFIGURE,
    REQUEST_KEEPALIVE,
    REQUEST_TRICKLE,
};

struct janus_pending {
    json_int_t transaction; /* 0: free */
    enum janus_request request;
    usec deadline;
};

/* Somebody else who publishes. */
struct janus_feed {
    json_int_t id;
    int bot;
    char voice_mid[JANUS_MID_MAX], camera_mid[JANUS_MID_MAX]; /* "": none */
    bool simulcast;
};

/* One m-line of the subscriber's peer connection. */
struct janus_stream {
    char mid[JANUS_MID_MAX];
    json_int_t feed; /* 0: inactive */
    bool camera;
    int substream; /* asked for */
};

struct janus_wish {
    json_int_t feed;
    int substream;
};

struct janus {
    json_int_t next_transaction;
    json_int_t session, publisher, subscriber; /* 0: not there yet */
    json_int_t room;
    struct janus_pending pending[JANUS_REQUESTS_MAX];
    usec keepalive_at;
    bool joined;
    /* others; owned, grows */
    struct janus_feed *feeds;
    size_t feed_count, feed_capacity;
    /* receiving */
    bool attached; /* the subscriber handle is in the room */
    bool put_off;  /* our update waits for an offer that Janus had under way: another one comes */
    usec plan_at;  /* when to compare wishes and streams; USEC_NEVER: nothing has changed */
    struct janus_wish cameras[SCENARIO_SLOTS_MAX];
    size_t camera_count;
    struct janus_stream streams[JANUS_STREAMS_MAX];
    size_t stream_count;
};

/* --- driver_janus.c --- */

/* "janus-room-full", …: stable names of Janus' and the VideoRoom's error codes. */
struct janus_error {
    char id[40];
};
struct janus_error janus_error_of(json_int_t code);

/* Sends one request; takes message. handle 0: it is the session's. */
void janus_send(struct bot *b, enum janus_request request, json_int_t handle, json_t *message,
                usec now, struct outbound *out);
/* A request of the VideoRoom with an SDP of ours (type NULL: without one); takes body. */
void janus_send_body(struct bot *b, enum janus_request request, json_int_t handle, json_t *body,
                     const char *type, const char *sdp, usec now, struct outbound *out);

/* Whether such a request has not been answered yet. */
bool janus_waits_for(const struct janus *j, enum janus_request request);

/* --- driver_janus_room.c: what the publisher handle says --- */

json_int_t janus_room_number(const char *name);
void janus_join(struct bot *b, usec now, struct outbound *out);
void janus_create_room(struct bot *b, usec now, struct outbound *out);
void janus_on_room_event(struct bot *b, json_t *data, json_t *jsep, usec now, struct outbound *out);
struct janus_feed *janus_find_feed(const struct janus *j, json_int_t id);
/* As a driver names publishers. */
struct janus_feed_name {
    char text[24];
};
struct janus_feed_name janus_feed_name(json_int_t id);

/* --- driver_janus_receive.c: what the subscriber handle says --- */

/* is_update: the answer to REQUEST_SUBSCRIBE; else what Janus says by itself, or to others. */
void janus_on_receive_event(struct bot *b, bool is_update, json_t *data, json_t *jsep, usec now,
                            struct outbound *out);
/* A request of this handle was refused. */
void janus_on_receive_error(struct bot *b, enum janus_request request, usec now);
void janus_view(struct bot *b, const struct wanted *wanted, size_t count, usec now,
                struct outbound *out);
/* Brings the subscription nearer to the wishes, if that can be done now. */
void janus_plan(struct bot *b, usec now, struct outbound *out);
/* This feed publishes no longer: its streams are empty. */
void janus_forget_feed(struct bot *b, json_int_t id, usec now);

#endif
