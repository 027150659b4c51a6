/* SPDX-License-Identifier: Apache-2.0 */
#include "rtc/seal_streams.h"

#include <assert.h>
#include <stdlib.h>

static_assert((SEAL_WINDOW & (SEAL_WINDOW - 1)) == 0, "index % SEAL_WINDOW runs on across 2^48");

struct seal_memory *seal_memory_new(size_t streams)
{
    check(streams >= 1 && streams < UINT32_MAX);
    struct seal_memory *m = calloc(1, sizeof *m);
    if (m == NULL)
        return NULL;
    m->capacity = (uint32_t)streams;
    m->list = calloc(streams, sizeof *m->list);
    if (m->list == NULL) {
        free(m);
        return NULL;
    }
    return m;
}

void seal_memory_free(struct seal_memory *m)
{
    if (m == NULL)
        return;
    free(m->list);
    free(m);
}

size_t seal_memory_size(size_t streams)
{
    return sizeof(struct seal_memory) + streams * sizeof(struct seal_stream);
}

/* Index + 1; 0: none is left. */
static uint32_t take_place(struct seal_memory *m)
{
    uint32_t place = m->free_head;
    if (place != 0)
        m->free_head = m->list[place - 1].ssrc;
    else if (m->touched < m->capacity)
        place = ++m->touched;
    return place;
}

static void give_place(struct seal_memory *m, uint32_t place)
{
    m->list[place - 1].ssrc = m->free_head;
    m->free_head = place;
}

bool seal_streams_init(struct seal_streams *t, struct seal_memory *memory, size_t capacity)
{
    check(capacity >= 1 && capacity <= SEAL_STREAMS_MAX);
    size_t slot_count = 2;
    while (slot_count < 2 * capacity)
        slot_count *= 2;
    *t = (struct seal_streams){ .capacity = capacity, .slot_mask = slot_count - 1 };
    t->is_owner = memory == NULL;
    t->memory = memory != NULL ? memory : seal_memory_new(capacity);
    t->slots = calloc(slot_count, sizeof *t->slots);
    if (t->memory == NULL || t->slots == NULL)
        return false;
    t->list = t->memory->list;
    return true;
}

void seal_streams_done(struct seal_streams *t)
{
    for (size_t i = 0; t->slots != NULL && t->count > 0 && i <= t->slot_mask; i++) {
        if (t->slots[i] != 0)
            give_place(t->memory, t->slots[i]);
    }
    if (t->is_owner)
        seal_memory_free(t->memory);
    free(t->slots);
    *t = (struct seal_streams){ 0 };
}

size_t seal_streams_memory(const struct seal_streams *t)
{
    return (t->slot_mask + 1) * sizeof *t->slots + t->count * sizeof *t->list;
}

static size_t first_slot(const struct seal_streams *t, uint32_t ssrc)
{
    return ((ssrc * 0x9e3779b1u) >> 16) & t->slot_mask;
}

/* Where it is, or the free slot where it would be. */
static size_t slot_of(const struct seal_streams *t, uint32_t ssrc)
{
    size_t i = first_slot(t, ssrc);
    while (t->slots[i] != 0 && t->list[t->slots[i] - 1].ssrc != ssrc)
        i = (i + 1) & t->slot_mask;
    return i;
}

struct seal_stream *seal_streams_find(const struct seal_streams *t, uint32_t ssrc)
{
    uint32_t place = t->slots[slot_of(t, ssrc)];
    return place == 0 ? NULL : &t->list[place - 1];
}

struct seal_stream *seal_streams_add(struct seal_streams *t, uint32_t ssrc)
{
    if (t->count == t->capacity)
        return NULL;
    uint32_t place = take_place(t->memory);
    if (place == 0)
        return NULL;
    t->slots[slot_of(t, ssrc)] = place;
    t->count++;
    struct seal_stream *s = &t->list[place - 1];
    *s = (struct seal_stream){ .ssrc = ssrc };
    return s;
}

void seal_streams_forget(struct seal_streams *t, uint32_t ssrc)
{
    size_t i = slot_of(t, ssrc);
    if (t->slots[i] == 0)
        return;
    give_place(t->memory, t->slots[i]);
    t->slots[i] = 0;
    t->count--;
    /* Those behind it may have had to go around it. */
    for (i = (i + 1) & t->slot_mask; t->slots[i] != 0; i = (i + 1) & t->slot_mask) {
        uint32_t place = t->slots[i];
        t->slots[i] = 0;
        t->slots[slot_of(t, t->list[place - 1].ssrc)] = place;
    }
}

uint64_t seal_stream_estimate(const struct seal_stream *s, uint16_t seq)
{
    if (s == NULL || !s->has_rtp)
        return seq;
    uint64_t roc = s->rtp_highest >> 16;
    int distance = seq - (int)(s->rtp_highest & 0xffff);
    if (distance > 0x8000 && roc > 0)
        roc--; /* from before the last wrap; before the first wrap there is nothing */
    else if (distance < -0x8000)
        roc++;
    return roc << 16 | seq;
}

bool seal_stream_is_replayed(const struct seal_stream *s, uint64_t index)
{
    if (!s->has_rtp || index > s->rtp_highest)
        return false;
    if (s->rtp_highest - index >= SEAL_WINDOW)
        return true;
    size_t bit = index % SEAL_WINDOW;
    return (s->rtp_seen[bit / 64] >> (bit % 64) & 1) != 0;
}

void seal_stream_note(struct seal_stream *s, uint64_t index)
{
    if (!s->has_rtp || (index > s->rtp_highest && index - s->rtp_highest >= SEAL_WINDOW)) {
        memset(s->rtp_seen, 0, sizeof s->rtp_seen);
        s->rtp_highest = index;
        s->has_rtp = true;
    }
    while (s->rtp_highest < index) {
        size_t bit = ++s->rtp_highest % SEAL_WINDOW;
        s->rtp_seen[bit / 64] &= ~(1ULL << (bit % 64));
    }
    size_t bit = index % SEAL_WINDOW;
    s->rtp_seen[bit / 64] |= 1ULL << (bit % 64);
}

bool seal_stream_is_rtcp_replayed(const struct seal_stream *s, uint32_t index)
{
    if (!s->has_rtcp || index > s->rtcp_highest)
        return false;
    uint32_t age = s->rtcp_highest - index;
    return age >= SEAL_RTCP_WINDOW || (s->rtcp_seen >> age & 1) != 0;
}

void seal_stream_note_rtcp(struct seal_stream *s, uint32_t index)
{
    if (!s->has_rtcp) {
        s->has_rtcp = true;
        s->rtcp_highest = index;
        s->rtcp_seen = 0;
    }
    if (index > s->rtcp_highest) {
        uint32_t step = index - s->rtcp_highest;
        s->rtcp_seen = step < SEAL_RTCP_WINDOW ? s->rtcp_seen << step : 0;
        s->rtcp_highest = index;
    }
    s->rtcp_seen |= 1ULL << (s->rtcp_highest - index);
}
