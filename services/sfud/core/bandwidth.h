/* bandwidth.h - what a viewer's network carries, and what each of their slots gets of it.
 *
 * The estimator (rtc/bwe.h) says how much may be sent; the allocator divides it between the video
 * slots by what the viewer asked for; audio is taken off first. Runs whenever the estimate, the
 * wishes or the layers that flow have changed, and a few times a second because pictures change.
 *
 * Embedded in the transport. Owned by the worker's thread.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SFUD_CORE_BANDWIDTH_H
#define SFUD_CORE_BANDWIDTH_H

#include "core/pacer.h"
#include "rtc/bwe.h"

struct worker;
struct transport;

struct bandwidth {
    struct bwe bwe;
    struct pacer pacer;
    bool is_controlled; /* the viewer tells what arrives; else everything is sent */
    bool is_promise;    /* … so the offer says, but nothing came yet */
    bool is_due;        /* wishes, layers or tracks have changed */
    usec divide_at;     /* next; USEC_NEVER: no video */
    usec first_sent_at; /* 0: nothing was sent yet */
    usec full_since;    /* without a break; 0: the path is not full */
    uint64_t divided_bps;
    /* of the last division, for statistics */
    uint64_t demand_bps, spent_bps, audio_bps;
};

/* From the negotiated m-lines: transport-cc or REMB means that there will be feedback. */
void bandwidth_init(struct worker *w, struct transport *t, usec now);

/* The path is full and loses next to nothing for longer: no sound has to be sent twice. */
bool bandwidth_saves_sound(const struct transport *t);

/* One packet with this transport-wide number left. cluster: of a probe, 0: media. */
void bandwidth_on_sent(struct transport *t, uint16_t seq, size_t size, uint8_t cluster, usec now);

void bandwidth_on_feedback(struct worker *w, struct transport *t, struct bytes fci, usec now);
void bandwidth_on_remb(struct worker *w, struct transport *t, uint64_t bps, usec now);
/* The worst of one compound of receiver reports. */
void bandwidth_on_report(struct worker *w, struct transport *t, uint8_t fraction_lost, usec now);

/* What the slots should get has changed: it is divided anew at the next tick. */
void bandwidth_change(struct worker *w, struct transport *t);

/* Divides now. */
void bandwidth_divide(struct worker *w, struct transport *t, usec now);

/* Divides if due, and probes. Returns when it wants to be called again. */
usec bandwidth_tick(struct worker *w, struct transport *t, usec now);

#endif
