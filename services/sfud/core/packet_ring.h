/* packet_ring.h - the headers of the last packets of one transport, both ways, for support.
 *
 * Never payload: of RTP the header with its extensions; of RTCP, STUN and DTLS handshakes the
 * first PACKET_RECORD_BYTES; of other DTLS records the record header. What is longer is cut.
 *
 * Pure, fixed size; memory is touched as it is used. Owned by the worker's thread. Cost: 64 bytes
 * written per packet.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SFUD_CORE_PACKET_RING_H
#define SFUD_CORE_PACKET_RING_H

#include "rtc/net_addr.h"

enum {
    PACKET_RING_COUNT = 128, /* a power of two; 0.3 s of a camera of 2 Mbit/s each way */
    PACKET_RECORD_BYTES = 48,
    PACKET_RING_ADDRESSES = 4, /* as many of the participant's addresses as are in use at once */
};

enum packet_direction {
    PACKET_IN,
    PACKET_OUT,
};

enum packet_kind {
    PACKET_STUN,
    PACKET_DTLS,
    PACKET_RTP,
    PACKET_RTCP, /* recorded as plain text */
};

struct packet_record {
    usec at;
    uint16_t len;  /* of the datagram */
    uint8_t kept;  /* bytes of it in data */
    uint8_t flags; /* direction, and the address's index << 1 */
    uint8_t data[PACKET_RECORD_BYTES];
};
static_assert(sizeof(struct packet_record) <= 64, "about a cache line");

struct packet_ring {
    uint64_t count;        /* ever recorded */
    uint64_t packets[2];   /* by direction */
    uint64_t bytes[2];     /* of whole datagrams, by direction */
    uint8_t address_count; /* in use */
    uint8_t address_last;  /* of the newest record */
    struct net_addr addresses[PACKET_RING_ADDRESSES];
    struct packet_record records[PACKET_RING_COUNT]; /* number count % PACKET_RING_COUNT is next */
};

/* Empties it; the records stay untouched. */
void packet_ring_init(struct packet_ring *r);

/* How many of these bytes are headers that may be kept: at most PACKET_RECORD_BYTES. */
size_t packet_header_len(enum packet_kind kind, struct bytes packet);

/* The slow part of packet_ring_add(): another address than that of the record before. */
uint8_t packet_ring_address(struct packet_ring *r, const struct net_addr *addr);

/* One packet to or from this address.
 *
 * header  what is kept of it, see packet_header_len(); at most PACKET_RECORD_BYTES are
 * len     of the whole datagram */
static inline void packet_ring_add(struct packet_ring *r, enum packet_direction direction,
                                   const struct net_addr *addr, struct bytes header, size_t len,
                                   usec now)
{
    struct packet_record *p = &r->records[r->count++ % PACKET_RING_COUNT];
    uint8_t address = r->address_last;
    if (!net_addr_equal(&r->addresses[address], addr))
        address = packet_ring_address(r, addr);
    p->at = now;
    p->len = (uint16_t)MIN(len, (size_t)UINT16_MAX);
    p->kept = (uint8_t)MIN(header.len, (size_t)PACKET_RECORD_BYTES);
    p->flags = (uint8_t)(direction | (unsigned)address << 1);
    memcpy(p->data, header.data, p->kept);
    r->packets[direction]++;
    r->bytes[direction] += len;
}

/* The records that are there, oldest first: 0 to packet_ring_len() - 1. */
static inline size_t packet_ring_len(const struct packet_ring *r)
{
    return (size_t)MIN(r->count, (uint64_t)PACKET_RING_COUNT);
}
const struct packet_record *packet_ring_at(const struct packet_ring *r, size_t i);

static inline enum packet_direction packet_record_direction(const struct packet_record *p)
{
    return (enum packet_direction)(p->flags & 1);
}
const struct net_addr *packet_ring_address_of(const struct packet_ring *r,
                                              const struct packet_record *p);

#endif
