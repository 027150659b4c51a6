/* scenario_keys.h - every key of a scenario: one table for the parser and for
 * docs/loadtest-scenarios.md (tests/unit/loadtest/test_scenario_docs.c writes and compares it).
 *
 * Pure. SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_SCENARIO_KEYS_H
#define LOADTEST_SCENARIO_KEYS_H

#include "core/scenario.h"

enum value_kind {
    VALUE_NAME,        /* letters, digits, '-', '_'; char[SCENARIO_NAME_MAX] */
    VALUE_TEXT,        /* char[SCENARIO_TEXT_MAX] */
    VALUE_COUNT,       /* unsigned */
    VALUE_WATCH,       /* unsigned; "all" is SCENARIO_WATCH_ALL */
    VALUE_DURATION,    /* usec */
    VALUE_DURATION_32, /* uint32_t of microseconds */
    VALUE_SHARE,       /* double 0..1, written "1%" */
    VALUE_RATE,        /* uint64_t bits per second, "2mbps" */
    VALUE_PER_SECOND,  /* double, "10/s" */
    VALUE_SIZE,        /* uint16_t[2], "640x360" */
    VALUE_BOOL,
    VALUE_TALK,        /* enum talk_mode */
    VALUE_VIDEO,       /* enum video_codec_choice, and the codec after it */
    VALUE_SCALABILITY, /* char[SCENARIO_SCALABILITY_MAX] */
    VALUE_LAYERS,      /* uint16_t[SCENARIO_LAYERS_MAX], and their count after it */
    VALUE_NETWORK,     /* int: index of a network */
    VALUE_GROUP,       /* int: index of a group */
    VALUE_PART,        /* a map of its own: `up` */
    VALUE_PARTS,       /* a map of names to maps: `groups` */
    VALUE_KIND_COUNT,
};

#define SCENARIO_WATCH_ALL UINT32_MAX

struct scenario_key {
    const char *name;
    enum value_kind kind;
    size_t offset;   /* of the field in its struct */
    const char *def; /* read like a value; NULL: nothing is written */
    double min, max; /* in the field's unit; both 0: no limit but the kind's own */
    const char *help;
};

/* Parts of a scenario, each with its keys. */
enum scenario_part {
    PART_SCENARIO,
    PART_GROUP,
    PART_NETWORK,
    PART_PATH,
    PART_CHAOS,
    PART_STORM,
    PART_COUNT,
};

struct scenario_keys {
    const struct scenario_key *keys;
    size_t count;
    const char *where; /* "groups.<name>" */
    const char *help;
};
extern const struct scenario_keys scenario_keys[PART_COUNT];

/* NULL: there is no such key. */
const struct scenario_key *scenario_key_find(enum scenario_part part, const char *name);
/* "bots, talk, talkers, …" */
void scenario_key_names(enum scenario_part part, char *ret, size_t capacity);
/* How values of a kind are written: "a duration like 200ms or 1.5s". */
const char *value_kind_help(enum value_kind kind);

#endif
