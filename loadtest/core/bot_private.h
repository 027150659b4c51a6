/* bot_private.h - a bot's state, shared by the bot_*.c files only.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_BOT_PRIVATE_H
#define LOADTEST_BOT_PRIVATE_H

#include "core/leg.h"

enum {
    BOT_VIEW_CALM_US = 300000, /* publishers come in bursts */
    BOT_SECOND_US = 1000000,
    BOT_VOICE_STEP_US = 100000,      /* how often turns are looked at */
    BOT_RESUME_WINDOW_US = 30000000, /* as the protocol has it */
    BOT_RETRY_MIN_US = 200000,
    BOT_RETRY_MAX_US = 4000000,
    BOT_TOKEN_LIFE_US = 600000000, /* fetched anew for a join after this */
    BOT_NO_MEDIA_US = 1000000,     /* joined, and still nothing to connect: nothing to hear yet */
};

struct known_publisher {
    struct publisher publisher; /* its name is NULL: see below */
    usec since;
    usec spoke_at; /* the server named it as a speaker; 0: never */
    char *name;    /* owned; only of a bot with bot_media, NULL: unknown */
};

struct asked {
    char id[64];
    int bot;
    uint16_t width, height;
    usec at;
};

/* Something that flowed when its connection was given up. */
struct lost_stream {
    int publisher;
    enum media_kind kind;
    usec from;
};

/* One bit for each bot of the room. */
struct room_set {
    uint8_t *bits;
};

struct bot {
    struct bot_config config;
    struct bot_place place;
    const struct group *group;
    char name[BOT_NAME_MAX];
    char room[SCENARIO_NAME_MAX + 16];
    uint64_t random_state;
    enum bot_state state;
    struct bot_failure failure;
    void *driver_state;
    struct leg *legs[BOT_LEGS_MAX];
    struct outbound *out;    /* of the call that is running, for received media; else NULL */
    struct bot_media *media; /* bot_media.h; NULL: media is only measured */

    /* joining */
    enum join_stage stage; /* being waited for */
    usec started_at, stage_at, join_deadline;
    usec joined_at;   /* the server has said so; USEC_NEVER: not yet */
    bool again;       /* not the first join: errors are tried again */
    bool stages_open; /* first packet and keyframe of this join are still to come */
    unsigned retry_count;
    char *token;
    usec token_at;
    bool socket; /* open, or being opened */
    bool ready;  /* open */
    bool resuming;
    char server[48];

    /* deadlines; USEC_NEVER: none */
    usec retry_at, view_at, second_at, voice_at, scroll_at, leave_at, return_at, resume_until;

    /* others */
    struct known_publisher *publishers;
    size_t publisher_count, publisher_capacity;
    struct asked asked[SCENARIO_SLOTS_MAX];
    size_t asked_count;
    unsigned page;
    bool talking;

    /* measured */
    bool plateau;
    usec plateau_at, connected_at;
    unsigned room_first, room_bots;
    struct room_set voice_expected, voice_heard, voice_toned, camera_expected, camera_shown;
    uint64_t unexpected_voice, unexpected_camera;
    struct bot_presence voice_presence, camera_presence;
    struct bot_others others;
    int mistoned;
    unsigned mistoned_hz;
    struct interruption *interruptions; /* BOT_INTERRUPTIONS_MAX, when there is a first one */
    size_t interruption_count;
    struct lost_stream lost[LEG_SINKS_MAX];
    size_t lost_count;
    struct outage outages[BOT_OUTAGES_MAX];
    size_t outage_count;
    bool outage_open;
};

usec bot_since_start(const struct bot *b, usec now);

/* Exponential with this mean, at least a second. */
usec bot_some_time(struct bot *b, usec mean);
/* bot_events.c: looks at the legs after anything that may have moved one. */
void bot_follow_legs(struct bot *b, usec now, struct outbound *out);
/* A leg's note; data is the bot. */
void bot_note(void *data, const struct interruption *i);

/* bot_expect.c */
bool bot_expect_init(struct bot *b);
void bot_expect_done(struct bot *b);
void bot_expect_clear(struct bot *b);
void bot_expect_look(struct bot *b, usec now); /* once a second */
/* The name of a publisher has come after its streams. */
void bot_remap_sinks(struct bot *b, const struct publisher *p, usec now);
void bot_choose_view(struct bot *b, usec now, struct outbound *out);
void bot_map_sink(struct bot *b, struct sink *s, const char *publisher_id, const char *source,
                  usec now);

/* Of another bot; NULL: there is none of that index. */
const struct group *bot_group_of(const struct bot *b, int index);

/* bot_lost.c: what should have flowed is waited for although its legs go, or its slot is given to
 * another; until it has a new place, or for good when the plateau ends. */
void bot_remember_streams(struct bot *b);
void bot_remember_if_interrupted(struct bot *b, const struct sink *s);
void bot_take_up_streams(struct bot *b, usec now);
void bot_count_lost_streams(struct bot *b, usec now);

/* bot_signaling.c */
/* For people: the id if the name is unknown. */
const char *bot_publisher_name(const struct bot *b, const char *id);
void bot_open_socket(struct bot *b, usec now, struct outbound *out);
void bot_close_socket(struct bot *b, struct outbound *out);
void bot_drop_legs(struct bot *b, usec now, struct outbound *out);
void bot_begin_outage(struct bot *b, usec now);
void bot_end_outage(struct bot *b, bool resumed, usec now);
/* A stage is reached: its histogram gets the time since the one before. */
void bot_reach(struct bot *b, enum join_stage stage, usec at);
void bot_try_again(struct bot *b, usec now, struct outbound *out);

#endif
