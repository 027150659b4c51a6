/* script.h - a room and what happens in it, made from a seed: who joins with which codecs and
 * layers, whose network goes bad how and when, who leaves, who is muted, who looks at whom.
 *
 * Everything bad has an end: SCRIPT_HEALED before the end of the run all networks are good again,
 * and from then on every viewer must get moving pictures and sound of what flows in their slots.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIM_SCRIPT_H
#define TESTS_SIM_SCRIPT_H

#include "judge.h"

#define SCRIPT_HEALED SECONDS(12)

enum { SCRIPT_EVENTS_MAX = 256, SCRIPT_YAML_MAX = 16384 };

enum script_kind {
    SCRIPT_START,
    SCRIPT_NETWORK,
    SCRIPT_LOSE_KEYFRAMES,
    SCRIPT_REJOIN,
    SCRIPT_LEAVE,
    SCRIPT_CUT, /* signaling */
    SCRIPT_VIEW,
    SCRIPT_MUTE, /* by a moderator */
    SCRIPT_UNMUTE,
};

struct script_event {
    usec at; /* after the start */
    enum script_kind kind;
    unsigned bot;
    struct network network;
    double share;         /* LOSE_KEYFRAMES */
    enum media_kind what; /* MUTE, UNMUTE */
    uint64_t random;      /* VIEW */
};

struct script {
    char yaml[SCRIPT_YAML_MAX]; /* of the bots: one group each */
    unsigned bot_count;
    usec duration;
    struct script_event events[SCRIPT_EVENTS_MAX]; /* by time */
    size_t event_count;
    bool leaves[SIM_BOTS_MAX]; /* for good, before the end */
};

void script_make(struct script *s, uint64_t seed);

struct script_result {
    uint64_t hash, packets, matched;
    unsigned bots, connected;
    double seconds;               /* virtual */
    char failure[JUDGE_TEXT_MAX]; /* "": none */
};
/* One whole run. */
void script_run(const struct script *s, uint64_t seed, bool is_verbose, struct script_result *ret);

#endif
