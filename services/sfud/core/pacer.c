/* SPDX-License-Identifier: Apache-2.0 */
#include "core/pacer.h"

void pacer_init(struct pacer *p, struct paced_packet *ring)
{
    *p = (struct pacer){ .ring = ring };
}

void pacer_on_sent(struct pacer *p, size_t size, uint64_t bps, usec now)
{
    if (bps == 0) {
        p->ready_at = MIN(p->ready_at, now);
        return;
    }
    usec duration = (usec)((uint64_t)size * 8 * USEC_PER_SEC / bps);
    p->ready_at = MIN(MAX(p->ready_at, now - PACER_BURST) + duration, now + PACER_HOLD_MAX);
}

bool pacer_must_hold(const struct pacer *p, uint64_t bps, usec now)
{
    return p->count > 0 || (bps > 0 && now < p->ready_at);
}

void pacer_hold(struct pacer *p, const struct paced_packet *packet)
{
    check(p->count < PACER_PACKETS);
    p->ring[(p->first + p->count++) % PACER_PACKETS] = *packet;
}

const struct paced_packet *pacer_next(const struct pacer *p, bool is_one_more, usec now)
{
    if (p->count == 0)
        return NULL;
    const struct paced_packet *oldest = &p->ring[p->first];
    bool is_due = now >= p->ready_at || now - oldest->held_at >= PACER_HOLD_MAX;
    return is_due || (is_one_more && p->count == PACER_PACKETS) ? oldest : NULL;
}

void pacer_pop(struct pacer *p)
{
    check(p->count > 0);
    p->first = (uint16_t)((p->first + 1) % PACER_PACKETS);
    p->count--;
}

bool pacer_holds(const struct pacer *p, handle slot, handle encoding, int64_t seq)
{
    for (size_t i = 0; i < p->count; i++) {
        const struct paced_packet *q = &p->ring[(p->first + i) % PACER_PACKETS];
        if (q->slot == slot && q->encoding == encoding && q->seq == (uint32_t)seq)
            return true;
    }
    return false;
}

usec pacer_deadline(const struct pacer *p)
{
    if (p->count == 0)
        return USEC_NEVER;
    return MIN(p->ready_at, p->ring[p->first].held_at + PACER_HOLD_MAX);
}
