/* nack.c - the set of missing packets of one stream.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "rtc/nack.h"

void nack_init(struct nack_generator *g)
{
    *g = (struct nack_generator){ .rtt_us = NACK_RTT_DEFAULT_US };
}

void nack_set_rtt(struct nack_generator *g, usec rtt_us)
{
    g->rtt_us = MAX(rtt_us, 0);
}

/* Index of the first entry not older than seq. */
static size_t lower_bound(const struct nack_generator *g, int64_t seq)
{
    size_t low = 0, high = g->missing_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (g->missing[middle].seq < seq)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* A packet will not come any more. A decoder misses it unless a keyframe came later. */
static void count_lost(struct nack_generator *g, int64_t seq)
{
    g->lost_count++;
    if (!g->has_keyframe || seq >= g->keyframe_seq)
        g->keyframe_wanted = true;
}

/* Gives up all entries older than seq. */
static void forget_before(struct nack_generator *g, int64_t seq)
{
    size_t gone = lower_bound(g, seq);
    for (size_t i = 0; i < gone; i++)
        count_lost(g, g->missing[i].seq);
    g->missing_count -= gone;
    memmove(g->missing, g->missing + gone, g->missing_count * sizeof(g->missing[0]));
}

/* Notes first..last as missing. If that is more than there is room for, what a known keyframe has
 * made superfluous goes first, then everything. */
static void add_missing(struct nack_generator *g, int64_t first, int64_t last, usec now)
{
    int64_t count = last - first + 1;
    if (count <= 0)
        return;
    if ((int64_t)g->missing_count + count > NACK_MISSING_MAX && g->has_keyframe)
        forget_before(g, g->keyframe_seq);
    if ((int64_t)g->missing_count + count > NACK_MISSING_MAX) {
        forget_before(g, first);
        g->lost_count += (uint64_t)count;
        if (!g->has_keyframe || g->keyframe_seq <= last)
            g->keyframe_wanted = true;
        return;
    }
    for (int64_t seq = first; seq <= last; seq++) {
        size_t suspected = (size_t)(seq - first); /* the tail begins at `first`, too */
        g->missing[g->missing_count++] = suspected < g->tail_count
                                             ? g->tail[suspected]
                                             : (struct nack_entry){ .seq = seq, .asked_at = now };
    }
    check(g->missing_count <= NACK_MISSING_MAX);
}

/* The newest packet is now `seq`: what was suspected up to it has come, or is missing. */
static void advance_tail(struct nack_generator *g, int64_t seq)
{
    size_t gone = 0;
    while (gone < g->tail_count && g->tail[gone].seq <= seq) {
        if (g->tail[gone].seq == seq && g->tail[gone].tries > 0)
            g->recovered_count++;
        gone++;
    }
    g->tail_count -= gone;
    memmove(g->tail, g->tail + gone, g->tail_count * sizeof(g->tail[0]));
}

void nack_suspect_tail(struct nack_generator *g, size_t count, usec now)
{
    if (!g->unwrapper.started)
        return;
    for (size_t i = g->tail_count; i < MIN(count, (size_t)NACK_TAIL_MAX); i++) {
        int64_t seq = g->unwrapper.highest + 1 + (int64_t)i;
        g->tail[g->tail_count++] = (struct nack_entry){ .seq = seq, .asked_at = now };
    }
}

static void remove_recovered(struct nack_generator *g, int64_t seq)
{
    size_t i = lower_bound(g, seq);
    if (i == g->missing_count || g->missing[i].seq != seq)
        return;
    if (g->missing[i].tries > 0)
        g->recovered_count++;
    g->missing_count--;
    memmove(g->missing + i, g->missing + i + 1, (g->missing_count - i) * sizeof(g->missing[0]));
}

/* The publisher started over: nothing of the old numbering is worth asking for. */
static int64_t restart(struct nack_generator *g, int64_t seq)
{
    if (seq < g->unwrapper.highest)
        seq += 1 << 16; /* extended numbers never go back */
    g->missing_count = g->tail_count = 0;
    g->has_keyframe = false;
    g->keyframe_wanted = true;
    return seq;
}

static void note_keyframe(struct nack_generator *g, int64_t seq)
{
    if (!g->has_keyframe || seq > g->keyframe_seq)
        g->keyframe_seq = seq;
    g->has_keyframe = true;
    g->keyframe_wanted = false;
}

int64_t nack_on_packet(struct nack_generator *g, uint16_t wire_seq, bool keyframe_start, usec now)
{
    bool first = !g->unwrapper.started;
    int64_t seq = seq_peek16(&g->unwrapper, wire_seq);
    int64_t ahead = first ? 0 : seq - g->unwrapper.highest;
    if (ahead > NACK_RESTART_GAP || ahead < -NACK_RESTART_GAP)
        seq = restart(g, seq);
    else if (ahead > 0)
        add_missing(g, g->unwrapper.highest + 1, seq - 1, now);
    else
        remove_recovered(g, seq);
    advance_tail(g, seq);
    (void)seq_learn(&g->unwrapper, seq);
    if (keyframe_start)
        note_keyframe(g, seq);
    forget_before(g, g->unwrapper.highest - NACK_AGE_MAX);
    return seq;
}

bool nack_is_missing(const struct nack_generator *g, uint16_t wire_seq)
{
    int64_t seq = seq_peek16(&g->unwrapper, wire_seq);
    if (!g->unwrapper.started || seq > g->unwrapper.highest)
        return true;
    size_t i = lower_bound(g, seq);
    return i < g->missing_count && g->missing[i].seq == seq;
}

static usec due_at(const struct nack_generator *g, const struct nack_entry *e)
{
    if (e->tries % 2 == 1)
        return e->asked_at + NACK_ECHO_US;
    if (e->tries > 0)
        return e->asked_at + MAX((usec)NACK_REPEAT_MIN_US, g->rtt_us);
    bool passed = g->unwrapper.highest - e->seq >= NACK_REORDER_PACKETS;
    return passed ? e->asked_at : e->asked_at + NACK_REORDER_US;
}

/* Those of the list that are due, appended to ret_seqs[taken]; who has been asked for often enough
 * leaves it. Returns the new length of ret_seqs. */
static size_t take_due(struct nack_generator *g, struct nack_entry *list, size_t *list_count,
                       usec now, uint16_t *ret_seqs, size_t taken)
{
    bool is_tail = list == g->tail;
    size_t kept = 0;
    for (size_t i = 0; i < *list_count; i++) {
        struct nack_entry e = list[i];
        if (due_at(g, &e) <= now && taken < NACK_BATCH_MAX) {
            if (!is_tail && e.tries == NACK_TRIES_MAX) {
                count_lost(g, e.seq);
                continue;
            }
            ret_seqs[taken++] = (uint16_t)e.seq;
            e.tries++;
            e.asked_at = now;
        }
        list[kept++] = e;
    }
    *list_count = kept;
    return taken;
}

size_t nack_take(struct nack_generator *g, usec now, uint16_t ret_seqs[NACK_BATCH_MAX])
{
    size_t taken = take_due(g, g->missing, &g->missing_count, now, ret_seqs, 0);
    taken = take_due(g, g->tail, &g->tail_count, now, ret_seqs, taken);
    /* nobody knows whether the tail was ever sent */
    if (g->tail_count > 0 && g->tail[0].tries >= NACK_TAIL_TRIES_MAX)
        g->tail_count = 0;
    g->asked_count += taken;
    return taken;
}

usec nack_next_deadline(const struct nack_generator *g)
{
    usec next = USEC_NEVER;
    for (size_t i = 0; i < g->missing_count; i++)
        next = MIN(next, due_at(g, &g->missing[i]));
    for (size_t i = 0; i < g->tail_count; i++)
        next = MIN(next, due_at(g, &g->tail[i]));
    return next;
}

bool nack_take_keyframe_wanted(struct nack_generator *g)
{
    bool wanted = g->keyframe_wanted;
    g->keyframe_wanted = false;
    return wanted;
}
