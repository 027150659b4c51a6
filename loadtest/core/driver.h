/* driver.h - how one kind of server is talked to: Conclave, Janus, and the seam for others.
 *
 * A driver turns a server's signaling into the few things that a bot knows: a token, a join, who
 * publishes what, what flows in which stream; and a bot's wishes into messages. It is pure: text
 * comes in, texts go out through the bot. It never touches media, but hands session descriptions
 * to the bot's legs.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_DRIVER_H
#define LOADTEST_DRIVER_H

#include "core/bot.h"

#include <jansson.h>

enum stamp_carrier { STAMP_IN_EXTENSION, STAMP_IN_PAYLOAD };

/* A camera or voice that a bot may want, as a driver names it. */
struct publisher {
    char id[64];                /* the driver's */
    const char *name;           /* for people; borrowed for the call, NULL: unknown */
    int bot;                    /* index, from its name; -1: somebody who is not a bot */
    bool has_camera, has_voice; /* published, whether or not muted */
};

/* One camera that the bot wants to see now, most important first. */
struct wanted {
    const struct publisher *publisher; /* valid during the call */
    uint16_t width, height;
};

struct driver {
    const char *name;
    const char *subprotocol;
    const char *path;          /* of the WebSocket, appended to the URL's host: "/ws" */
    enum stamp_carrier stamp;  /* which the server forwards */
    unsigned simulcast_codecs; /* bit per enum codec; of others only the largest layer is sent */
    bool needs_token;
    bool can_resume;

    /* State of one bot, freed with driver->free(). NULL without memory. */
    void *(*new)(struct bot *b);
    void (*free)(void *state);

    /* needs_token: fills the request (url relative to the server, body owned by the caller). */
    void (*token_request)(struct bot *b, char **ret_path, char **ret_body);
    /* Its answer, status 200..299. Keeps the token, or bot_fail()s. */
    void (*on_token)(struct bot *b, struct bytes body, usec now, struct outbound *out);

    /* The socket is open: join, or resume if bot_wants_resume(). */
    void (*on_open)(struct bot *b, usec now, struct outbound *out);
    void (*on_text)(struct bot *b, struct bytes text, usec now, struct outbound *out);
    /* A leg became connected: publish and the like. */
    void (*on_leg_connected)(struct bot *b, unsigned leg, usec now, struct outbound *out);
    /* Wants these cameras from now on (count may be 0). Called when the wish or the publishers
     * have changed, in calm (not for each of a burst of changes). */
    void (*view)(struct bot *b, const struct wanted *wanted, size_t count, usec now,
                 struct outbound *out);
    void (*leave)(struct bot *b, usec now, struct outbound *out);
    /* Keepalives; may be NULL. */
    void (*tick)(struct bot *b, usec now, struct outbound *out);
    usec (*next_deadline)(const struct bot *b);
};

extern const struct driver driver_conclave;
extern const struct driver driver_janus;
/* NULL: unknown. names: "conclave, janus". */
const struct driver *driver_find(const char *name);
extern const char driver_names[];

/* --- what a driver does with its bot (bot_signaling.c) --- */

void *bot_driver_state(const struct bot *b);
const struct bot_world *bot_world(const struct bot *b);
const struct group *bot_group(const struct bot *b);
uint64_t bot_random(struct bot *b);
bool bot_wants_resume(const struct bot *b);

/* The token of this bot, "" if it has none. */
const char *bot_token(const struct bot *b);
void bot_set_token(struct bot *b, const char *token, usec now);
/* Who is asked for now, most important first; what driver->view() was given last. */
size_t bot_wanted_count(const struct bot *b);

/* Sends one JSON text; takes the reference. */
void bot_send_json(struct bot *b, json_t *message, struct outbound *out);

/* The join has failed, or the bot is thrown out: ends the attempt. error: stable identifier. */
void bot_fail(struct bot *b, const char *error, const char *message, usec now,
              struct outbound *out);
/* A refused request that does not end the join: counted by error. */
void bot_note_error(struct bot *b, const char *error);
/* The server has accepted the join (the description may come with it or later). */
void bot_joined(struct bot *b, const char *server, usec now);
/* Signaling is back after a loss. server: as bot_joined(). */
void bot_resumed(struct bot *b, const char *server, usec now);
/* The server says that this participant's media is gone: join again from the start. */
void bot_must_rejoin(struct bot *b, const char *why, usec now, struct outbound *out);

/* Which directions a leg has; what is in it follows from the bot's group. */
enum leg_shape {
    LEG_BOTH,    /* Conclave's: microphone, camera, screen, screen audio, then the slots */
    LEG_PUBLISH, /* one m-line for each thing that the group publishes */
    LEG_RECEIVE, /* made from a server's offer */
};

/* Creates the leg (replacing an older one) and writes its offer: a new text to free(), NULL without
 * memory. */
char *bot_leg_offer(struct bot *b, unsigned leg, enum leg_shape shape, usec now,
                    struct outbound *out);
/* The server's answer. False: it made no sense; the bot has failed. */
bool bot_leg_answered(struct bot *b, unsigned leg, struct bytes sdp, usec now,
                      struct outbound *out);
/* The server's offer, the first or another one; returns our answer to free(), or NULL: the bot has
 * failed. */
char *bot_leg_offered(struct bot *b, unsigned leg, struct bytes sdp, usec now,
                      struct outbound *out);

/* mids of the m-lines of LEG_BOTH and LEG_PUBLISH by what they carry; NULL: there is none. */
const char *bot_leg_mid(const struct bot *b, unsigned leg, bool camera);

/* Publishers: by id. Adding one that is there changes it. */
void bot_publisher_set(struct bot *b, const struct publisher *p, usec now);
void bot_publisher_gone(struct bot *b, const char *id, usec now);
void bot_publishers_clear(struct bot *b);
const struct publisher *bot_publisher_find(const struct bot *b, const char *id);
/* "speakers-3 (bot 17)" → 17; -1: not a bot's name. */
int bot_index_of_name(const char *name);

/* The server says how far a source of ours is watched: no layer above `max`, -1: none. */
void bot_set_demand(struct bot *b, unsigned leg, const char *source, int max, usec now);
/* The server names who speaks, the loudest last. */
void bot_note_speaker(struct bot *b, const char *id, usec now);
/* … that this is news of how well somebody's media gets through, 0 lost … 5 perfect. */
void bot_note_quality(struct bot *b, int score);

/* What flows in the stream of m-line `mid` from now on; id NULL: nothing. source: "camera",
 * "microphone", "screen", "screen-audio"; NULL: camera or microphone. */
void bot_stream_set(struct bot *b, unsigned leg, const char *mid, const char *publisher_id,
                    const char *source, usec now);

#endif
