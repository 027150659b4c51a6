/* event.h - what a worker tells the control plane.
 *
 * Plain values, copied out by worker_next_event().
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SFUD_CORE_EVENT_H
#define SFUD_CORE_EVENT_H

#include "core/source.h"
#include "limits.h"

struct command;

enum event_kind {
    EVENT_TRANSPORT, /* a participant's transport changed its state */
    EVENT_SPEAKERS,  /* the list of those who speak in a room changed */
    EVENT_LAYERS,    /* how far a track is watched, for its publisher */
    EVENT_QUALITY,   /* scores of participants of a room that are new */
    EVENT_COMMAND_DONE,
};

enum transport_event {
    TRANSPORT_EVENT_CONNECTED,    /* also: connected again after disconnected */
    TRANSPORT_EVENT_DISCONNECTED, /* nothing authenticated came for TRANSPORT_DISCONNECTED_TIME */
    TRANSPORT_EVENT_FAILED,       /* … for TRANSPORT_FAILED_TIME, or DTLS failed; it is removed */
};

/* "connected", "disconnected", "failed": the words of cluster.md. */
const char *transport_event_name(enum transport_event e);

struct event_speaker {
    char participant[PARTICIPANT_KEY_MAX + 1];
    uint8_t level; /* 0 loudest … 127, -dBov */
};

struct event_score {
    char participant[PARTICIPANT_KEY_MAX + 1];
    uint8_t score; /* 0 lost, 1 bad … 5 perfect */
};

struct event {
    enum event_kind kind;
    /* TRANSPORT, SPEAKERS, LAYERS, QUALITY */
    char room[ROOM_KEY_MAX + 1];
    char participant[PARTICIPANT_KEY_MAX + 1]; /* TRANSPORT, LAYERS */
    enum transport_event transport;            /* TRANSPORT */
    enum err reason;                           /* TRANSPORT failed: ERR_EXPIRED, ERR_AUTH, … */
    usec connect_us;                           /* TRANSPORT connected: since its creation */
    const char *suite;                         /* TRANSPORT connected: static, the SRTP profile */
    union {
        struct event_speaker speakers[SPEAKERS_MAX]; /* SPEAKERS, loudest first; may be none */
        struct event_score scores[SCORES_MAX];       /* QUALITY */
    };
    size_t speaker_count, score_count;
    char dominant[PARTICIPANT_KEY_MAX + 1]; /* SPEAKERS: "" nobody yet */
    enum source source;                     /* LAYERS */
    int8_t layer_max;                       /* LAYERS: highest that any slot wants; -1: none */
    /* COMMAND_DONE: the command given to worker_command(), owned by the receiver of the event
     * again. Its results (struct command's `ret_` fields) are filled in if err is OK. */
    struct command *command;
    enum err err;
};

#endif
