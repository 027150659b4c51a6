/* judge_source.c - what one publisher's stream has sent. SPDX-License-Identifier: Apache-2.0 */
#include "judge_private.h"

#include <stdlib.h>

void judge_source_init(struct judged_source *s)
{
    s->ring = calloc(SENT_RING, sizeof *s->ring);
    s->again = calloc(SENT_RING, sizeof *s->again);
    check(s->ring != NULL && s->again != NULL);
    for (size_t i = 0; i < SENT_RING; i++)
        s->ring[i].seq = s->again[i].seq = -1;
}

void judge_source_free(struct judged_source *s)
{
    free(s->ring);
    free(s->again);
}

struct sent *judge_source_add(struct judged_source *s, uint16_t seq, uint64_t stamp)
{
    int64_t extended = seq_unwrap16(&s->unwrapper, seq);
    struct sent *sent = &s->ring[(uint64_t)extended & (SENT_RING - 1)];
    *sent = (struct sent){ .seq = extended, .stamp = stamp, .arrived_at = USEC_NEVER };
    return sent;
}

void judge_source_add_again(struct judged_source *s, uint16_t rtx_seq, uint16_t seq, uint64_t stamp)
{
    int64_t extended = seq_peek16(&s->unwrapper, seq);
    struct sent *old = judge_sent_at(s, extended);
    s->again[rtx_seq % SENT_RING] = (struct sent_again){ .seq = extended, .stamp = stamp };
    if (old != NULL)
        old->was_repeated = true;
}

struct sent *judge_source_repeated(const struct judged_source *s, uint16_t rtx_seq)
{
    return judge_sent_at(s, s->again[rtx_seq % SENT_RING].seq);
}

bool judge_source_was_repeated_at(const struct judged_source *s, const struct sent *p,
                                  wall_usec sent_at)
{
    for (size_t i = 0; p->was_repeated && i < SENT_RING; i++) {
        if (s->again[i].seq == p->seq && stamp_unpack(s->again[i].stamp).sent_at == sent_at)
            return true;
    }
    return false;
}

bool judge_source_span(const struct judged_source *s, uint64_t stamp, int64_t *ret_low,
                       int64_t *ret_high)
{
    int64_t low = INT64_MAX, high = -1;
    for (size_t i = 0; i < SENT_RING; i++) {
        const struct sent *p = &s->ring[i];
        const struct sent_again *again = &s->again[i];
        if (p->seq >= 0 && p->stamp == stamp) {
            low = MIN(low, p->seq);
            high = MAX(high, p->seq);
        }
        if (again->stamp == stamp && judge_sent_at(s, again->seq) != NULL) {
            low = MIN(low, again->seq);
            high = MAX(high, again->seq);
        }
    }
    *ret_low = low;
    *ret_high = high;
    return high >= 0;
}
