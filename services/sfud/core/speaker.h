/* speaker.h - who speaks in a room, by the audio levels of RFC 6464.
 *
 * Two parts, both plain values: a meter per microphone that smooths its levels, and a list per room
 * that changes only when it means something: somebody begins or ends, or a level moves by
 * SPEAKER_LEVEL_STEP. Pure.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SFUD_CORE_SPEAKER_H
#define SFUD_CORE_SPEAKER_H

#include "core/pool.h"
#include "limits.h"

enum {
    SPEAKER_SILENCE = 127,     /* -dBov */
    SPEAKER_ON_LEVEL = 50,     /* smoothed, at least this loud: begins to speak */
    SPEAKER_OFF_LEVEL = 60,    /* at most this loud for SPEAKER_HANGOVER: has ended */
    SPEAKER_OVERTAKE_STEP = 6, /* louder than the one before by this: changes places */
    SPEAKER_LEVEL_STEP = 10,   /* a change worth telling */
};
#define SPEAKER_HANGOVER      MILLIS(600)  /* pauses between words */
#define SPEAKER_METER_TIMEOUT MILLIS(1000) /* no packets: silent (DTX sends every 400 ms) */

struct speaker_meter {
    bool started;
    bool speaks;
    uint8_t loud_count; /* packets in a row, at least as loud as SPEAKER_OFF_LEVEL */
    int32_t level_q8;   /* smoothed -dBov * 256 */
    usec loud_at;       /* last time it was above SPEAKER_OFF_LEVEL */
    usec heard_at;      /* last packet */
};

/* One packet's level, 0 loudest … 127. */
void speaker_meter_push(struct speaker_meter *m, uint8_t level, usec now);
/* Ends what should end by now. */
void speaker_meter_tick(struct speaker_meter *m, usec now);
void speaker_meter_reset(struct speaker_meter *m);

static inline uint8_t speaker_meter_level(const struct speaker_meter *m)
{
    return m->started ? (uint8_t)((m->level_q8 + 128) >> 8) : (uint8_t)SPEAKER_SILENCE;
}

struct speaker {
    handle who;
    uint8_t level;
};

/* Those who speak, loudest first. */
struct speaker_list {
    struct speaker speakers[SPEAKERS_MAX];
    size_t count;
};

/* Adds a candidate to a list that is being built: at most SPEAKERS_MAX, the loudest stay. */
void speaker_list_add(struct speaker_list *l, handle who, uint8_t level);

/* Somebody speaks who did not. */
bool speaker_list_has_new(const struct speaker_list *told, const struct speaker_list *next);

/* Puts `next`, as built, into the order that keeps incumbents of `told` in place unless they are
 * overtaken by SPEAKER_OVERTAKE_STEP. True if it is worth telling, and told is then next. */
bool speaker_list_update(struct speaker_list *told, struct speaker_list *next);

#endif
