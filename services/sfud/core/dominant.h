/* dominant.h - whose meeting it is right now: the one speaker that is worth a large picture.
 *
 * In the manner of "Dominant speaker identification for multipoint videoconferencing" (Volfin and
 * Cohen, 2012), on the levels of RFC 6464. Each microphone is looked at over three nested windows:
 * how loud it is now, for how much of the last half second it was active, and for how much of the
 * last three seconds. Each window gives a log-likelihood: how much more likely speech is than
 * noise. Whoever wants to follow the present speaker has to look like speech in all three, and to
 * beat them in all three. A cough, a key or a "yes" is loud, but too short for the long window;
 * somebody who talks over another one wins only when the other one has stopped.
 *
 * Loud is what stands out of the microphone's own noise floor, which is the quietest it has been in
 * the last second: an open microphone next to a fan is silent after that.
 *
 * Pure. SPDX-License-Identifier: Apache-2.0 */
#ifndef SFUD_CORE_DOMINANT_H
#define SFUD_CORE_DOMINANT_H

#include "common/base.h"

enum {
    DOMINANT_FRAMES = 5,  /* of 20 ms: a block, and the immediate window */
    DOMINANT_BLOCKS = 5,  /* of 100 ms: a part, and the medium window */
    DOMINANT_PARTS = 6,   /* of half a second: the long window */
    DOMINANT_BANDS = 8,   /* sub-bands of loudness above the floor … */
    DOMINANT_BAND_DB = 5, /* … and the height of each */
    DOMINANT_ACTIVE =
        2, /* a frame with so many is active; most frames a block, most blocks a part */
    DOMINANT_QUIETEST = 70 /* -dBov: no floor is lower, so that whispers of the electronics count
                              not */
};
#define DOMINANT_FRAME_TIME MILLIS(20)
/* The floor is of one to two of these: a noise that begins is learned before it has lasted as long
 * as speech must. */
#define DOMINANT_FLOOR_TIME MILLIS(500)

/* One microphone. Zero-initialised is ready. */
struct dominant_meter {
    bool started;
    int64_t frame;                  /* number of the newest frame, in DOMINANT_FRAME_TIME */
    uint8_t level;                  /* the loudest in it so far, -dBov */
    uint8_t quiet;                  /* the quietest in this stretch of DOMINANT_FLOOR_TIME … */
    uint8_t quiet_before;           /* … and in the one before */
    uint8_t bands[DOMINANT_FRAMES]; /* above the floor, by frame */
    uint32_t blocks;                /* whether active; the lowest bit is the newest */
};

/* One packet's level, 0 loudest … 127. */
void dominant_meter_push(struct dominant_meter *m, uint8_t level, usec now);
/* Time passes, perhaps without packets: then it was silent. */
void dominant_meter_tick(struct dominant_meter *m, usec now);

/* Hundredths of a nat; above 0: rather speech than noise. */
struct dominant_score {
    int now, medium, lasting;
};
struct dominant_score dominant_meter_score(const struct dominant_meter *m);

/* Who of several follows the incumbent. */
struct dominant_race {
    /* given */
    struct dominant_score incumbent; /* DOMINANT_NOBODY if there is none */
    /* derived */
    uint32_t winner; /* 0: the incumbent stays */
    struct dominant_score score;
};
#define DOMINANT_NOBODY ((struct dominant_score){ INT16_MIN, INT16_MIN, INT16_MIN })

/* Everybody but the incumbent; who is not 0. Of equals the first one wins. */
void dominant_race_enter(struct dominant_race *r, uint32_t who, const struct dominant_meter *m);

#endif
