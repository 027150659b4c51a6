/* SPDX-License-Identifier: Apache-2.0 */
#include "core/speaker.h"

#include <stdlib.h>
#include <string.h>

/* Rises within about 2 packets, falls within about 16: onsets matter more than ends. A click is
 * loud for a packet or two, a voice for longer. */
enum { ATTACK_SHIFT = 1, RELEASE_SHIFT = 4, LOUD_PACKETS_MIN = 3 };

/* A level that comes after a pause (DTX) stands for the pause, too: falling counts in packet times,
 * or comfort noise every 400 ms would let a voice ring on for seconds. */
enum { PACKET_TIME_US = 20000, STEPS_MAX = 64 };

static void approach(struct speaker_meter *m, int32_t target, usec since)
{
    int32_t difference = target - m->level_q8;
    if (difference < 0) {
        m->level_q8 += difference / (1 << ATTACK_SHIFT);
        return;
    }
    usec steps = MIN(MAX((since + PACKET_TIME_US / 2) / PACKET_TIME_US, 1), STEPS_MAX);
    for (; steps > 0; steps--)
        m->level_q8 += (target - m->level_q8) / (1 << RELEASE_SHIFT);
}

void speaker_meter_reset(struct speaker_meter *m)
{
    *m = (struct speaker_meter){ 0 };
}

void speaker_meter_push(struct speaker_meter *m, uint8_t level, usec now)
{
    int32_t target = (int32_t)(level & 0x7f) << 8;
    usec since = 0;
    if (!m->started)
        *m = (struct speaker_meter){ .started = true, .level_q8 = SPEAKER_SILENCE << 8 };
    else
        since = now - m->heard_at;
    approach(m, target, since);
    m->heard_at = now;
    if (m->level_q8 <= SPEAKER_OFF_LEVEL << 8)
        m->loud_at = now;
    m->loud_count = level <= SPEAKER_OFF_LEVEL ? (uint8_t)MIN(m->loud_count + 1, UINT8_MAX) : 0;
    if (m->level_q8 <= SPEAKER_ON_LEVEL << 8 && m->loud_count >= LOUD_PACKETS_MIN)
        m->speaks = true;
    speaker_meter_tick(m, now);
}

void speaker_meter_tick(struct speaker_meter *m, usec now)
{
    if (m->speaks && now - m->loud_at >= SPEAKER_HANGOVER)
        m->speaks = false;
    if (m->started && now - m->heard_at >= SPEAKER_METER_TIMEOUT)
        speaker_meter_reset(m);
}

void speaker_list_add(struct speaker_list *l, handle who, uint8_t level)
{
    size_t at = l->count;
    while (at > 0 && l->speakers[at - 1].level > level)
        at--;
    if (at == SPEAKERS_MAX)
        return;
    size_t tail = MIN(l->count, (size_t)SPEAKERS_MAX - 1) - at;
    memmove(&l->speakers[at + 1], &l->speakers[at], tail * sizeof l->speakers[0]);
    l->speakers[at] = (struct speaker){ .who = who, .level = level };
    if (l->count < SPEAKERS_MAX)
        l->count++;
}

static const struct speaker *find(const struct speaker_list *l, handle who)
{
    for (size_t i = 0; i < l->count; i++) {
        if (l->speakers[i].who == who)
            return &l->speakers[i];
    }
    return NULL;
}

bool speaker_list_has_new(const struct speaker_list *told, const struct speaker_list *next)
{
    for (size_t i = 0; i < next->count; i++) {
        if (find(told, next->speakers[i].who) == NULL)
            return true;
    }
    return false;
}

/* The place somebody had; newcomers come last. */
static size_t place(const struct speaker_list *l, handle who)
{
    const struct speaker *s = find(l, who);
    return s == NULL ? l->count : (size_t)(s - l->speakers);
}

/* Bubbles those back who had the earlier place and are not clearly quieter now. */
static void keep_order(const struct speaker_list *told, struct speaker_list *next)
{
    for (size_t round = 0; round < next->count; round++) {
        for (size_t i = 0; i + 1 < next->count; i++) {
            struct speaker *a = &next->speakers[i], *b = &next->speakers[i + 1];
            bool b_was_first = place(told, b->who) < place(told, a->who);
            if (b_was_first && b->level < a->level + SPEAKER_OVERTAKE_STEP) {
                struct speaker s = *a;
                *a = *b;
                *b = s;
            }
        }
    }
}

bool speaker_list_update(struct speaker_list *told, struct speaker_list *next)
{
    keep_order(told, next);
    bool changed = next->count != told->count;
    for (size_t i = 0; i < next->count && !changed; i++) {
        const struct speaker *a = &next->speakers[i], *b = &told->speakers[i];
        changed = a->who != b->who || abs(a->level - b->level) >= SPEAKER_LEVEL_STEP;
    }
    if (changed)
        *told = *next;
    return changed;
}
