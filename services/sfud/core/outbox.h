/* outbox.h - what a worker wants sent: caller memory of fixed capacity.
 *
 * Pure, header only. Each send is one UDP GSO call: `len` bytes at `offset` of the scratch, cut
 * into datagrams of `segment_size` bytes, of which the last may be shorter. A backend without GSO
 * cuts itself. Nothing is kept between calls: drain it, clear it, call again.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SFUD_CORE_OUTBOX_H
#define SFUD_CORE_OUTBOX_H

#include "rtc/net_addr.h"

struct outbox_send {
    struct net_addr to;
    uint16_t path;         /* which local socket; see struct datagram */
    uint16_t segment_size; /* > 0; len if there is one datagram */
    uint32_t offset, len;
    uint32_t transport; /* handle of the receiver; 0: none. A send has one receiver */
};

struct outbox {
    /* given */
    uint8_t *scratch; /* scratch_size >= OUTBOX_SCRATCH_BYTES_MIN */
    size_t scratch_size;
    struct outbox_send *sends;
    size_t sends_max;
    /* filled */
    size_t scratch_used;
    size_t send_count;
};

static inline void outbox_init(struct outbox *o, uint8_t *scratch, size_t scratch_size,
                               struct outbox_send *sends, size_t sends_max)
{
    *o = (struct outbox){
        .scratch = scratch, .scratch_size = scratch_size, .sends = sends, .sends_max = sends_max
    };
}

static inline void outbox_clear(struct outbox *o)
{
    o->scratch_used = 0;
    o->send_count = 0;
}

/* How many datagrams a send is. */
static inline size_t outbox_send_segments(const struct outbox_send *s)
{
    return (s->len + s->segment_size - 1u) / s->segment_size;
}

/* The rest of the interface is the core's side: */

/* Room for one datagram of up to `size` bytes, or NULL when the outbox is full. Not kept until
 * outbox_commit(). */
uint8_t *outbox_reserve(struct outbox *o, size_t size);

/* The reserved bytes are now one datagram of `len` to that address: it joins the previous send if
 * that is to the same place and sizes allow, else it starts one. */
void outbox_commit(struct outbox *o, const struct net_addr *to, uint16_t path, uint32_t transport,
                   size_t len);

#endif
