/* scenario.h - what a load test does: rooms, groups of bots, their media, their network, and what
 * happens when.
 *
 * A scenario is a YAML file (docs/loadtest-scenarios.md has every key; loadtest/scenarios/ has
 * some). This struct is its whole meaning. It is plain data, owned by scenario_free().
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_SCENARIO_H
#define LOADTEST_SCENARIO_H

#include "rtc/codec.h"

enum {
    SCENARIO_GROUPS_MAX = 16,
    SCENARIO_NETWORKS_MAX = 16,
    SCENARIO_CHAOS_MAX = 32,
    SCENARIO_STORMS_MAX = 16,
    SCENARIO_NAME_MAX = 64,
    SCENARIO_TEXT_MAX = 512,
    SCENARIO_BOTS_MAX = 100000,
    SCENARIO_LAYERS_MAX = 3,
    SCENARIO_SCALABILITY_MAX = 10,
    SCENARIO_SLOTS_MAX = 32,   /* of a kind */
    SCENARIO_ERROR_MAX = 1024, /* room for the list of keys */
};

/* One direction of a bot's network. Zero is a perfect one. */
struct network_path {
    double loss;           /* 0..1, independent per packet */
    double burst_loss;     /* 0..1: loss while in the bad state of a Gilbert-Elliott model */
    double burst_enter;    /* 0..1 per packet: good -> bad */
    double burst_leave;    /* 0..1 per packet: bad -> good */
    usec delay_us;         /* one way */
    usec jitter_us;        /* added, uniform in 0..jitter; packets stay in order */
    uint64_t rate_bps;     /* 0: unlimited */
    uint32_t queue_us_max; /* of the rate limiter; more is dropped. 0: 200 ms */
    uint32_t reorder_us;   /* how much longer a reordered packet travels. 0: 20 ms */
    double reorder;        /* 0..1 per packet */
    double duplicate;      /* 0..1 per packet: arrives twice */
};

struct network {
    char name[SCENARIO_NAME_MAX];
    struct network_path up, down; /* up: from the bot */
};

enum talk_mode {
    TALK_NEVER,  /* no microphone at all */
    TALK_MUTED,  /* published and muted */
    TALK_TURNS,  /* unmuted; `talkers` of the group (per room) have a voice at any time */
    TALK_ALWAYS, /* unmuted, and always a voice */
};

enum video_codec_choice { VIDEO_OFF, VIDEO_ONE, VIDEO_MIXED /* by turns, bot after bot */ };

/* Bots that behave alike. Counts are per room. */
struct group {
    char name[SCENARIO_NAME_MAX];
    unsigned bots;
    /* sending */
    enum talk_mode talk;
    unsigned talkers; /* TALK_TURNS */
    usec turn_us;     /* TALK_TURNS: how long until the next ones */
    enum video_codec_choice video;
    enum codec codec;                     /* VIDEO_ONE */
    uint16_t layers[SCENARIO_LAYERS_MAX]; /* heights of the layers, ascending: 180 … */
    unsigned layer_count;                 /* 1: no simulcast */
    /* "" = simulcast, if there are layers; else they are in one stream, in this pattern (rtc/
     * depdesc_pattern.h) */
    char scalability[SCENARIO_SCALABILITY_MAX];
    bool dependency_descriptor;         /* sent with video */
    char video_file[SCENARIO_TEXT_MAX]; /* instead of the built-in clips; "" = none */
    char audio_file[SCENARIO_TEXT_MAX];
    /* receiving */
    unsigned audio_slots, video_slots;  /* offered */
    unsigned watch;                     /* cameras asked for, at most video_slots */
    uint16_t watch_width, watch_height; /* of the first `watch_large`, or of all if 0 */
    unsigned watch_large;               /* how many are asked for at that size … */
    uint16_t thumb_width, thumb_height; /* … and the size of the others */
    bool watch_speakers;                /* who spoke last comes first */
    usec scroll_us;                     /* another page of cameras every …; 0: never */
    double listen_share;                /* 0..1: of received audio decoded for its tone */
    char record_dir[SCENARIO_TEXT_MAX]; /* write what is received here; "" = no */
    bool echo;                          /* send back the first camera and voice received */
    /* coming and going */
    usec stay_us; /* mean of an exponential; 0: stays to the end */
    usec away_us; /* mean, until it joins again */
    /* network: index into scenario.networks, -1: perfect */
    int network;
    /* derived: what scenario_scale() starts from */
    unsigned bots_unscaled, talkers_unscaled;
};

/* Something done to the servers (or anything else) while bots run: a shell command. */
struct chaos {
    char name[SCENARIO_NAME_MAX];
    usec at_us; /* after the plateau began */
    char run[SCENARIO_TEXT_MAX];
    usec undo_after_us;           /* 0: no undo */
    char undo[SCENARIO_TEXT_MAX]; /* "" = none */
};

/* Many bots lose their signaling connection, or leave and join again, at once. */
struct storm {
    char name[SCENARIO_NAME_MAX];
    usec at_us;
    int group;    /* -1: all */
    double share; /* 0..1 */
    bool rejoin;  /* leave and join; false: the socket is cut and resumed */
};

struct scenario {
    char name[SCENARIO_NAME_MAX];
    char description[SCENARIO_TEXT_MAX];
    unsigned rooms;
    char room_prefix[SCENARIO_NAME_MAX]; /* room names are <prefix>-<n>; "" = load-<random> */
    /* of the headless client, whose scenario is one bot; "" = as above, as group and number */
    char room[SCENARIO_NAME_MAX], participant[SCENARIO_NAME_MAX];
    double joins_per_second; /* ramp */
    usec join_timeout_us;    /* from start to connected media; later is a failure */
    usec settle_us;          /* after the last join, before measuring: the warm-up */
    usec duration_us;        /* of the plateau that is measured */
    struct group groups[SCENARIO_GROUPS_MAX];
    unsigned group_count;
    struct network networks[SCENARIO_NETWORKS_MAX];
    unsigned network_count;
    struct chaos chaos[SCENARIO_CHAOS_MAX];
    unsigned chaos_count;
    struct storm storms[SCENARIO_STORMS_MAX];
    unsigned storm_count;
    char slo[SCENARIO_TEXT_MAX]; /* as --slo; "" = none */
    unsigned rooms_unscaled;     /* derived, for scenario_scale(); 0: not scaled yet */
};

/* text      a whole YAML file, zero bytes not allowed
 * overrides "key=value" as --set has them (dotted path: "groups.people.bots=30"), may be NULL
 * ret       heap, only on OK
 * ret_error "line 7: groups.people.video: unknown codec 'vp7' (vp8, vp9, h264, av1, mixed, off)"
 * OK, ERR_MALFORMED or ERR_FULL. */
MUST_USE enum err scenario_parse(struct bytes text, const char *const *overrides,
                                 size_t override_count, struct scenario **ret,
                                 char ret_error[SCENARIO_ERROR_MAX]);
void scenario_free(struct scenario *s);

/* Bots of the whole scenario. */
unsigned scenario_bot_count(const struct scenario *s);

/* Where bot `index` (0 … count-1) belongs. Bots are dealt room by room: bot 0..n-1 are room 0. */
struct bot_place {
    unsigned room, group, member; /* member: index within its group and room */
};
struct bot_place scenario_place(const struct scenario *s, unsigned index);

/* Does this bot have a voice at `since_start`? Same answer on every machine. */
bool scenario_talks(const struct scenario *s, struct bot_place place, usec since_start);

/* The same scenario with another number of bots, for the search for a limit. Many rooms become more
 * or fewer of the same rooms, rounded down (scenario_bot_count() tells). In one room the largest
 * group grows, which is who watches and listens where few publish; the others stay as they are
 * unless the room becomes smaller than them. Depends on the scenario as it was written and on
 * `bots`, not on what it was scaled to before. */
void scenario_scale(struct scenario *s, unsigned bots);

#endif
