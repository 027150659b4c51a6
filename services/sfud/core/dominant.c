/* SPDX-License-Identifier: Apache-2.0 */
#include "core/dominant.h"

#include <assert.h>
#include <string.h>

enum {
    SILENCE = 127,
    /* A packet may stand for 120 ms of sound, or come so late; after that there is silence. */
    FRAMES_PER_PACKET_MAX = 6,
    BLOCKS_ALL = DOMINANT_BLOCKS * DOMINANT_PARTS,
    FRAMES_ALL = DOMINANT_FRAMES * BLOCKS_ALL,
    FLOOR_FRAMES = DOMINANT_FLOOR_TIME / DOMINANT_FRAME_TIME,
};
static_assert(BLOCKS_ALL <= 32, "they fit the bits of blocks");

/* What one unit of a window says: 100 ln of its probability in speech over that in noise, if it is
 * active, and the same if it is not. By how much a challenger has to lead. */
struct window {
    unsigned count;
    int active, idle, lead;
};
/* A band: 0.5 to 0.1. The frames of a block say nearly the same: together they count as one. */
static const struct window immediate = { DOMINANT_BANDS, 161, -59, 300 };
/* A block: 0.7 to 0.15. */
static const struct window medium = { DOMINANT_BLOCKS, 154, -104, 200 };
/* A part: 0.8 to 0.1. Speech is what is there for half of the time. */
static const struct window lasting = { DOMINANT_PARTS, 208, -150, 0 };

static int score(const struct window *w, int active)
{
    return active * w->active + ((int)w->count - active) * w->idle;
}

static uint8_t bands_of(const struct dominant_meter *m, uint8_t level)
{
    unsigned quietest = MAX(m->quiet, m->quiet_before);
    unsigned quiet = MIN(quietest, (unsigned)DOMINANT_QUIETEST);
    unsigned bands = level < quiet ? (quiet - level) / DOMINANT_BAND_DB : 0;
    return (uint8_t)MIN(bands, (unsigned)DOMINANT_BANDS);
}

static unsigned active_frames(const struct dominant_meter *m)
{
    unsigned count = 0;
    for (size_t i = 0; i < DOMINANT_FRAMES; i++)
        count += m->bands[i] >= DOMINANT_ACTIVE;
    return count;
}

/* The newest frame is over: it had this level. */
static void end_frame(struct dominant_meter *m, uint8_t level)
{
    m->bands[m->frame % DOMINANT_FRAMES] = bands_of(m, level);
    if (m->frame % DOMINANT_FRAMES == DOMINANT_FRAMES - 1)
        m->blocks = m->blocks << 1 | (active_frames(m) > DOMINANT_FRAMES / 2);
    m->frame++;
}

/* What was not sent says nothing of the noise. */
static void learn_floor(struct dominant_meter *m)
{
    if (m->frame % FLOOR_FRAMES == 0) {
        m->quiet_before = m->quiet;
        m->quiet = m->level;
    }
    m->quiet = MAX(m->quiet, m->level);
}

static void move_to(struct dominant_meter *m, int64_t frame)
{
    if (frame - m->frame > FRAMES_ALL + FRAMES_PER_PACKET_MAX) {
        memset(m->bands, 0, sizeof m->bands);
        m->blocks = 0;
        m->frame = frame;
        m->level = SILENCE;
        return;
    }
    for (int i = 0; m->frame < frame; i++) {
        if (i < FRAMES_PER_PACKET_MAX)
            learn_floor(m);
        else
            m->level = SILENCE;
        end_frame(m, m->level);
    }
}

void dominant_meter_push(struct dominant_meter *m, uint8_t level, usec now)
{
    int64_t frame = now / DOMINANT_FRAME_TIME;
    level &= 0x7f;
    if (!m->started)
        *m = (struct dominant_meter){ .started = true, .frame = frame, .level = level };
    bool is_first = frame > m->frame;
    move_to(m, frame);
    m->level = is_first ? level : MIN(m->level, level);
}

void dominant_meter_tick(struct dominant_meter *m, usec now)
{
    int64_t frame = now / DOMINANT_FRAME_TIME;
    /* As long as a packet may still tell of them, the last frames wait. */
    if (m->started && frame - m->frame > FRAMES_PER_PACKET_MAX)
        move_to(m, frame);
}

static int count_bits(uint32_t bits)
{
    int count = 0;
    for (; bits != 0; bits &= bits - 1)
        count++;
    return count;
}

struct dominant_score dominant_meter_score(const struct dominant_meter *m)
{
    int bands = 0, blocks = 0, parts = 0;
    for (size_t i = 0; i < DOMINANT_FRAMES; i++)
        bands += m->bands[i];
    for (unsigned i = 0; i < DOMINANT_PARTS; i++) {
        uint32_t part = m->blocks >> (i * DOMINANT_BLOCKS) & ((1u << DOMINANT_BLOCKS) - 1);
        int active = count_bits(part);
        blocks = i == 0 ? active : blocks;
        parts += active > DOMINANT_BLOCKS / 2;
    }
    return (struct dominant_score){
        .now = (bands * immediate.active +
                (DOMINANT_FRAMES * DOMINANT_BANDS - bands) * immediate.idle) /
               DOMINANT_FRAMES,
        .medium = score(&medium, blocks),
        .lasting = score(&lasting, parts),
    };
}

static bool leads(const struct dominant_score *a, const struct dominant_score *b)
{
    return a->now > b->now + immediate.lead && a->medium > b->medium + medium.lead &&
           a->lasting > b->lasting + lasting.lead;
}

static bool is_better(const struct dominant_score *a, const struct dominant_score *b)
{
    return a->lasting != b->lasting ? a->lasting > b->lasting
           : a->medium != b->medium ? a->medium > b->medium
                                    : a->now > b->now;
}

void dominant_race_enter(struct dominant_race *r, uint32_t who, const struct dominant_meter *m)
{
    check(who != 0);
    struct dominant_score s = dominant_meter_score(m);
    bool is_speech = s.now > 0 && s.medium > 0 && s.lasting > 0;
    if (!is_speech || !leads(&s, &r->incumbent))
        return;
    if (r->winner == 0 || is_better(&s, &r->score)) {
        r->winner = who;
        r->score = s;
    }
}
