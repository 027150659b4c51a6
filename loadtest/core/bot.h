/* bot.h - one participant that is not a person: signaling through a driver, media through legs.
 *
 * Pure: time, randomness and bytes come in; datagrams and actions go out through `struct outbound`.
 * One thread owns a bot. After each call perform what is in the outbound, then clear it. A call
 * made with a virtual clock against a simulated server is the same call.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_BOT_H
#define LOADTEST_BOT_H

#include "core/measure.h"
#include "core/outbound.h"
#include "core/scenario.h"
#include "rtc/dtls.h"

enum {
    BOT_LEGS_MAX = 2, /* a server may want one peer connection to send and one to receive */
    BOT_NAME_MAX = 96,
    BOT_ERROR_MAX = 160,
};

struct bot;    /* heap */
struct driver; /* driver.h: how a server is talked to */

/* Sees the media of bots in the clear: for tests of what is between them. */
struct source;
struct source_packet;
struct sink;
struct sink_packet;
struct bot_tap {
    /* About to be sent, as RTP packet `seq` of `ssrc`; a retransmission if that is the RTX one. */
    void (*sent)(void *data, unsigned bot, const struct source *s, const struct source_packet *p,
                 uint32_t ssrc, uint16_t seq, uint64_t stamp, struct bytes payload);
    /* In order of arrival, retransmissions unwrapped. */
    void (*received)(void *data, unsigned bot, const struct sink *s, const struct sink_packet *p,
                     usec now);
    void *data;
};

/* What all bots of a run share. Read-only while they live; outlives them. */
struct audio_clip;
struct clip;
struct voice_bank;
struct bot_world {
    const struct scenario *scenario;
    const struct driver *driver;
    const char *url;   /* of the server: https://host, http://host:8080, ws://host:8188 */
    const char *token; /* for all bots, instead of one for each; NULL: the driver's way */
    struct dtls_context *identity;
    const struct voice_bank *voices; /* tone.h */
    /* The clip that a group's layer publishes; NULL: there is none. */
    const struct clip *(*clip)(const struct bot_world *w, const struct group *g, enum codec codec,
                               uint16_t height);
    /* The file that a group's voices play; NULL: they have tones. May itself be NULL. */
    const struct audio_clip *(*audio)(const struct bot_world *w, const struct group *g);
    void *clips;               /* for clip() and audio() */
    wall_usec wall_minus_now;  /* wall clock = now + this */
    wall_usec started;         /* of the run; turns of talkers count from here */
    unsigned bot_first;        /* indices of other machines come before */
    char run_id[17];           /* names rooms and files of this run */
    const struct bot_tap *tap; /* NULL: none */
};

struct bot_config {
    const struct bot_world *world;
    unsigned index; /* in the whole scenario */
    uint64_t seed;
    struct measure *measure; /* of the thread; the bot adds to it */
};

/* Where a join is, in this order. */
enum join_stage {
    STAGE_TOKEN,
    STAGE_TCP,
    STAGE_TLS,
    STAGE_WEBSOCKET,
    STAGE_JOIN,
    STAGE_ICE,
    STAGE_DTLS,
    STAGE_FIRST_PACKET,
    STAGE_FIRST_KEYFRAME,
    STAGE_COUNT,
};
const char *join_stage_name(enum join_stage s); /* "token", …, "first_keyframe" */

enum bot_state {
    BOT_IDLE, /* not started, or away for a while */
    BOT_JOINING,
    BOT_CONNECTED, /* signaling and media */
    BOT_RESUMING,  /* signaling is lost, being resumed; media goes on */
    BOT_FAILED,    /* see bot_failure() */
    BOT_LEFT,
};

struct bot *bot_new(const struct bot_config *config);
void bot_free(struct bot *b);

unsigned bot_index(const struct bot *b);
unsigned bot_group_index(const struct bot *b); /* of the scenario's groups */
/* What it adds to; shared with others of its group and thread. */
const struct measure *bot_measure(const struct bot *b);
const char *bot_name(const struct bot *b); /* "speakers-3 (bot 17)" */
const char *bot_room(const struct bot *b);
enum bot_state bot_state(const struct bot *b);

struct bot_failure {
    enum join_stage stage;
    char error[40];              /* stable: "refused", "bad-token", "no-answer", … */
    char message[BOT_ERROR_MAX]; /* for people */
    usec at;
};
/* The last one; error "" = none yet. */
const struct bot_failure *bot_failure(const struct bot *b);

void bot_start(struct bot *b, usec now, struct outbound *out);
/* Leaves for good, politely. */
void bot_leave(struct bot *b, usec now, struct outbound *out);
/* The measured part of the run begins: expectations count from here. */
void bot_begin_plateau(struct bot *b, usec now);
/* … and ends: adds what is only known at the end (pairs, tones, layers) to the measurements. */
void bot_end_plateau(struct bot *b, usec now);

/* status 0: no answer, `error` says why (static text). */
void bot_on_fetched(struct bot *b, int status, struct bytes body, const char *error, usec now,
                    struct outbound *out);
/* STAGE_TCP, STAGE_TLS, STAGE_WEBSOCKET as they are reached, before bot_on_open(). */
void bot_on_stage(struct bot *b, enum join_stage reached, usec now);
void bot_on_open(struct bot *b, usec now, struct outbound *out);
void bot_on_text(struct bot *b, struct bytes text, usec now, struct outbound *out);
/* Refused, broken or closed by the server. reason: "refused", "closed", "tls", …; code 0: none. */
void bot_on_closed(struct bot *b, int code, const char *reason, usec now, struct outbound *out);
/* Modifies the datagram (decrypts in place). */
void bot_on_datagram(struct bot *b, unsigned leg, const struct net_addr *from, uint8_t *datagram,
                     size_t len, usec now, struct outbound *out);
/* Call at or after the deadline. late is measured by the caller. */
void bot_tick(struct bot *b, usec now, struct outbound *out);
usec bot_next_deadline(const struct bot *b);

/* For storms: io cuts the socket itself when rejoin is false. */
void bot_rejoin(struct bot *b, usec now, struct outbound *out);
bool bot_has_socket(const struct bot *b);

/* --- what a report tells of one bot --- */

enum { BOT_INTERRUPTIONS_MAX = 64, BOT_OUTAGES_MAX = 16 };

/* Signaling was lost. */
struct outage {
    usec from, to;   /* to USEC_NEVER: never came back */
    bool resumed;    /* false: joined again */
    char server[48]; /* whose socket broke */
};

/* A break in media that should have gone on; sink.h. */
struct interruption;
const struct interruption *bot_interruptions(const struct bot *b, size_t *ret_count);
const struct outage *bot_outages(const struct bot *b, size_t *ret_count);

/* How long what should flow did flow: looked at once a second. */
struct bot_presence {
    uint32_t expected_s, present_s; /* seconds, over all that should be heard or seen */
    uint32_t stalled;               /* of those expected at the last look, not flowing then */
};
struct bot_presence bot_presence(const struct bot *b, enum media_kind kind);

/* Who should be heard or seen by this bot, by index in its room's bots (0 … count-1). */
struct bot_pair {
    unsigned other;                /* bot index */
    bool expected, seen, verified; /* verified: its tone was heard; cameras: as seen */
};
unsigned bot_pair_count(const struct bot *b);
struct bot_pair bot_pair_at(const struct bot *b, enum media_kind kind, unsigned index);
/* Packets or frames of somebody who should not be there. */
uint64_t bot_unexpected(const struct bot *b, enum media_kind kind);
/* The newest tone that was not what it should be; false: none. */
bool bot_mistoned(const struct bot *b, unsigned *ret_speaker, unsigned *ret_heard_hz);
/* What was received of one stream of somebody's, and where it was written to (of bots that record).
 * Views live as long as the bot. */
struct recording_stats;
struct bot_recording {
    const char *publisher, *source; /* their name; "camera", "microphone", … */
    const char *path;               /* NULL: nowhere */
    enum codec codec;
    unsigned tone_hz; /* of a bot's voice that was heard in it last; 0: none */
    const struct recording_stats *stats;
};
unsigned bot_recording_count(const struct bot *b);
struct bot_recording bot_recording_at(const struct bot *b, unsigned index);
/* Streams that should flow now. */
unsigned bot_stream_count(const struct bot *b, enum media_kind kind);

/* Participants who are not bots: the most that this bot had at one time during the plateau. */
struct bot_others {
    unsigned publishers;      /* who have a microphone or a camera */
    unsigned voices, cameras; /* whose packets came; whose frames came and could be shown */
};
const struct bot_others *bot_others(const struct bot *b);

#endif
