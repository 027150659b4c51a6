/* What waits in a viewer's pacer, and how it leaves.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/worker_state.h"

/* A track that was changed or a layer that was stopped meanwhile takes its packets no more. */
static bool send_paced(struct worker *w, struct transport *t, const struct paced_packet *paced,
                       usec now, struct outbox *out)
{
    struct slot *slot = pool_at(&w->slots, paced->slot);
    struct encoding *e = pool_at(&w->encodings, paced->encoding);
    struct pass_packet restored;
    if (slot == NULL || e == NULL || !forwarder_takes(&slot->forwarder, paced->encoding) ||
        !ingress_restore(w, e, paced->seq, &restored))
        return true;
    return slot_forward(w, t, slot, &restored, now, out);
}

static bool send_due(struct worker *w, struct transport *t, bool is_one_more, usec now,
                     struct outbox *out)
{
    struct pacer *pacer = &t->bandwidth.pacer;
    const struct paced_packet *next;
    while ((next = pacer_next(pacer, is_one_more, now)) != NULL) {
        if (!send_paced(w, t, next, now, out))
            return false;
        pacer_pop(pacer);
    }
    worker_wake(w, t->self, pacer_deadline(pacer));
    return true;
}

bool pacing_hold(struct worker *w, struct transport *t, struct slot *slot,
                 const struct pass_packet *p, usec now, struct outbox *out)
{
    const struct encoding *e = pool_at(&w->encodings, p->encoding);
    if (e == NULL || packet_cache_find(&e->cache, p->seq) == NULL)
        return slot_forward(w, t, slot, p, now, out); /* it cannot be had again later */
    if (!send_due(w, t, true, now, out))
        return false;
    const struct paced_packet paced = {
        .slot = slot->self, .encoding = p->encoding, .seq = (uint32_t)p->seq, .held_at = now
    };
    pacer_hold(&t->bandwidth.pacer, &paced);
    worker_wake(w, t->self, pacer_deadline(&t->bandwidth.pacer));
    return true;
}

bool pacing_flush(struct worker *w, struct transport *t, usec now, struct outbox *out)
{
    return send_due(w, t, false, now, out);
}

usec pacing_tick(struct worker *w, struct transport *t, usec now)
{
    const struct pacer *pacer = &t->bandwidth.pacer;
    if (pacer_next(pacer, false, now) != NULL && worker_enqueue(w, t, 0, QUEUE_PACED, 0, 0) != 0)
        return USEC_NEVER; /* the flush wakes us again */
    return pacer_deadline(pacer);
}
