/* pacer.h - the video of a viewer whose path is full leaves one packet after the other.
 *
 * A keyframe that is sent at once needs room for all of it in the queue of the bottleneck; where a
 * queue stands already its end is lost, and the picture comes a round trip and a retransmission
 * later. So while the estimator sees a queue, packets wait here, where nothing is lost, and leave
 * somewhat faster than the path is thought to carry them. Only their names are kept: the payload is
 * in the cache of their encoding. Sound and retransmissions do not wait, but are counted; the
 * padding of probes is not.
 *
 * Pure. One per viewer, owned by its worker's thread.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SFUD_CORE_PACER_H
#define SFUD_CORE_PACER_H

#include "core/pool.h"

enum { PACER_PACKETS = 128 };
#define PACER_HOLD_MAX                                                                             \
    MILLIS(400) /* whoever waited for so long leaves: late is worse than lost                      \
                 */
#define PACER_BURST MILLIS(5)

struct paced_packet {
    handle slot;     /* whose it is */
    handle encoding; /* where it is from */
    uint32_t seq;    /* low 32 bits of its extended number there */
    usec held_at;
};

struct pacer {
    struct paced_packet *ring; /* borrowed, PACER_PACKETS places; untouched while nothing waits */
    uint16_t first, count;
    usec ready_at; /* what was sent until now is through then */
};

void pacer_init(struct pacer *p, struct paced_packet *ring);

/* Something was sent. bps: what the path carries; 0: it is not full, and what waits may leave.
 * Sound alone may be more than that for seconds, which is not made up for when the path carries
 * more. */
void pacer_on_sent(struct pacer *p, size_t size, uint64_t bps, usec now);

/* Whether a packet that comes now has to wait: for the path, or behind others. */
bool pacer_must_hold(const struct pacer *p, uint64_t bps, usec now);

/* At the end. There must be a place: see pacer_next(). */
void pacer_hold(struct pacer *p, const struct paced_packet *packet);

/* The oldest if it may leave now, else NULL. is_one_more: another one wants a place. */
const struct paced_packet *pacer_next(const struct pacer *p, bool is_one_more, usec now);
void pacer_pop(struct pacer *p);

/* Whether it waits here. */
bool pacer_holds(const struct pacer *p, handle slot, handle encoding, int64_t seq);

/* When pacer_next() may have one; USEC_NEVER: none waits. */
usec pacer_deadline(const struct pacer *p);

#endif
