/* collect.h - what single bots know at the end of a run, put together: who was heard and seen, who
 * lost signaling or media when.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_IO_COLLECT_H
#define LOADTEST_IO_COLLECT_H

#include "core/bot.h"
#include "core/sink.h"

#include <jansson.h>

enum {
    COLLECT_MISSING_MAX = 50,
    COLLECT_BOTS_MAX = 100,
    COLLECT_EXAMPLES_MAX = 20,
    COLLECT_MEASURES_MAX = 1024
};

struct collected_outage {
    unsigned bot;
    char name[BOT_NAME_MAX];
    char room[48];
    struct outage outage;
};

struct collected_interruption {
    unsigned bot;
    char name[BOT_NAME_MAX];
    struct interruption interruption;
};

struct collected_pairs {
    uint64_t expected, seen, verified, missing, unexpected;
    uint64_t seconds_expected, seconds_present, stalled;
    json_t *missing_list; /* [ { "listener"|"viewer", "speaker"|"publisher" } ] */
};

/* Zero-initialised, then collect_init(). */
struct collected {
    struct collected_pairs voice, camera;
    json_t *tone_examples;
    uint64_t others, others_heard, others_shown; /* pairs of a bot and who is none */
    uint64_t streams[2];                         /* by enum media_kind: that flowed at the end */
    struct collected_outage *outages;
    size_t outage_count, outage_capacity;
    struct collected_interruption *interruptions;
    size_t interruption_count, interruption_capacity;
};

void collect_init(struct collected *c);
void collect_done(struct collected *c);
/* For engine_for_each_bot(); data is a struct collected. */
void collect_bot(struct bot *b, void *data);

/* What each group measured up to now: the sum of its measures on all threads. */
struct collected_groups {
    const struct scenario *scenario; /* given */
    struct measure *groups;          /* owned: scenario->group_count of them */
    unsigned bots[SCENARIO_GROUPS_MAX];
    const struct measure *seen[COLLECT_MEASURES_MAX];
    size_t seen_count;
};
/* NULL without memory. */
struct collected_groups *collect_groups_new(const struct scenario *s);
void collect_groups_free(struct collected_groups *g);
/* For engine_for_each_bot(); data is a struct collected_groups. */
void collect_group(struct bot *b, void *data);
/* Heights of the layers of the first group that has a camera, ascending. */
void collect_heights(const struct scenario *s, uint16_t ret[MEASURE_LAYERS_MAX]);

/* "groups": what was measured between the two. A new reference; either may be NULL: []. */
json_t *collect_groups_json(struct collected_groups *before, struct collected_groups *after);

/* "pairs" of "audio" or "video"; a new reference. */
json_t *collect_pairs_json(const struct collected *c, enum media_kind kind);

/* "others"; a new reference. */
json_t *collect_others_json(const struct collected *c);

/* "signaling" and "media" of one item of "chaos": what began in from … to. zero: of the times of
 * the report; end: of the measured interval. */
void collect_hit(const struct collected *c, usec from, usec to, usec zero, usec end, json_t *ret);

#endif
