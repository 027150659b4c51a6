/* packet_order.h - received packets of one stream in the order of their sequence numbers.
 *
 *   packet_order_put(o, &packet, now);
 *   while (packet_order_next(o, now, &packet, &gap))
 *       ...
 *
 * What is missing may still come (reordered, or by RTX) until the oldest packet behind the hole has
 * waited PACKET_ORDER_PATIENCE_US; then the hole is a gap. Pure; a packet that waits is one heap
 * block.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_PACKET_ORDER_H
#define LOADTEST_PACKET_ORDER_H

#include "common/bytes.h"

enum {
    PACKET_ORDER_PATIENCE_US = 200000,
    PACKET_ORDER_MAX = 512,   /* packets from a hole on; a power of two */
    PACKET_ORDER_JUMP = 3000, /* further apart: another stream in the same place */
};

/* As it came, of RTX rebuilt. */
struct ordered_packet {
    uint16_t seq;
    uint32_t timestamp;
    bool marker;
    bool keyframe_start;
    struct bytes payload;
};

struct held_packet; /* heap */

struct packet_order {
    int64_t head;   /* extended number of the packet that comes next */
    int64_t newest; /* highest that came */
    bool started;
    bool gap;      /* something is missing before the next packet */
    bool flushing; /* no hole has patience left */
    usec deadline; /* when the hole at head is given up; USEC_NEVER: there is none */
    uint64_t lost; /* given up */
    uint64_t late; /* came after that, or twice */
    struct held_packet *ring[PACKET_ORDER_MAX];
    struct held_packet *given; /* the newest that next() returned */
};

void packet_order_init(struct packet_order *o);
void packet_order_done(struct packet_order *o);

/* Copies it. Much further on than there is room, or far behind: what waits is lost, and a new order
 * begins with this packet (after a gap). Without memory the packet is lost. */
void packet_order_put(struct packet_order *o, const struct ordered_packet *p, usec now);

/* The next packet; its payload is valid until the next call of any function here. *ret_gap:
 * something is missing before it. False: nothing is ready now. */
bool packet_order_next(struct packet_order *o, usec now, struct ordered_packet *ret, bool *ret_gap);

/* Nothing that is missing will come any more: next() gives all that waits, and then the order
 * begins anew with whatever is put, without a gap. */
void packet_order_flush(struct packet_order *o);

#endif
