/* SPDX-License-Identifier: Apache-2.0 */
#include "rtc/seal_streams.h"

#include <assert.h>
#include <stdlib.h>

static_assert(SEAL_STREAMS_MAX < UINT16_MAX, "a slot holds list index + 1");
static_assert((SEAL_WINDOW & (SEAL_WINDOW - 1)) == 0, "index % SEAL_WINDOW runs on across 2^48");

bool seal_streams_init(struct seal_streams *t, size_t capacity)
{
    check(capacity >= 1 && capacity <= SEAL_STREAMS_MAX);
    size_t slot_count = 2;
    while (slot_count < 2 * capacity)
        slot_count *= 2;
    *t = (struct seal_streams){ .capacity = capacity, .slot_mask = slot_count - 1 };
    t->list = calloc(capacity, sizeof *t->list);
    t->slots = calloc(slot_count, sizeof *t->slots);
    return t->list != NULL && t->slots != NULL;
}

void seal_streams_done(struct seal_streams *t)
{
    free(t->list);
    free(t->slots);
    *t = (struct seal_streams){ 0 };
}

static size_t first_slot(const struct seal_streams *t, uint32_t ssrc)
{
    return ((ssrc * 0x9e3779b1u) >> 16) & t->slot_mask;
}

struct seal_stream *seal_streams_find(const struct seal_streams *t, uint32_t ssrc)
{
    for (size_t i = first_slot(t, ssrc); t->slots[i] != 0; i = (i + 1) & t->slot_mask) {
        struct seal_stream *s = &t->list[t->slots[i] - 1];
        if (s->ssrc == ssrc)
            return s;
    }
    return NULL;
}

static void link_stream(struct seal_streams *t, size_t list_index)
{
    size_t i = first_slot(t, t->list[list_index].ssrc);
    while (t->slots[i] != 0)
        i = (i + 1) & t->slot_mask;
    t->slots[i] = (uint16_t)(list_index + 1);
}

struct seal_stream *seal_streams_add(struct seal_streams *t, uint32_t ssrc)
{
    if (t->count == t->capacity)
        return NULL;
    struct seal_stream *s = &t->list[t->count];
    *s = (struct seal_stream){ .ssrc = ssrc };
    link_stream(t, t->count++);
    return s;
}

void seal_streams_forget(struct seal_streams *t, uint32_t ssrc)
{
    struct seal_stream *s = seal_streams_find(t, ssrc);
    if (s == NULL)
        return;
    *s = t->list[--t->count];
    memset(t->slots, 0, (t->slot_mask + 1) * sizeof *t->slots);
    for (size_t i = 0; i < t->count; i++)
        link_stream(t, i);
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
