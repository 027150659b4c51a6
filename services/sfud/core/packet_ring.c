/* SPDX-License-Identifier: Apache-2.0 */
#include "core/packet_ring.h"

enum {
    RTP_FIXED = 12,
    DTLS_RECORD_HEADER = 13,
    DTLS_CONTENT_HANDSHAKE = 22,
};

void packet_ring_init(struct packet_ring *r)
{
    memset(r, 0, offsetof(struct packet_ring, records));
}

/* RFC 3550 §5.1: the fixed header, the contributing sources, one extension. */
static size_t rtp_header_len(struct bytes p)
{
    if (p.len < RTP_FIXED)
        return 0;
    size_t len = RTP_FIXED + (size_t)(p.data[0] & 0x0f) * 4;
    if ((p.data[0] & 0x10) == 0)
        return MIN(len, p.len);
    if (len + 4 > p.len)
        return RTP_FIXED;
    return MIN(len + 4 + (size_t)load_be16(p.data + len + 2) * 4, p.len);
}

size_t packet_header_len(enum packet_kind kind, struct bytes packet)
{
    size_t len = packet.len;
    if (kind == PACKET_RTP)
        len = rtp_header_len(packet);
    else if (kind == PACKET_DTLS && (len == 0 || packet.data[0] != DTLS_CONTENT_HANDSHAKE))
        len = MIN(len, (size_t)DTLS_RECORD_HEADER);
    return MIN(len, (size_t)PACKET_RECORD_BYTES);
}

uint8_t packet_ring_address(struct packet_ring *r, const struct net_addr *addr)
{
    uint8_t i = 0;
    while (i < r->address_count && !net_addr_equal(&r->addresses[i], addr))
        i++;
    if (i ==
        PACKET_RING_ADDRESSES) /* older records seem to be of the new one: rare, and bearable */
        i = (uint8_t)((r->address_last + 1) % PACKET_RING_ADDRESSES);
    else if (i == r->address_count)
        r->address_count++;
    r->addresses[i] = *addr;
    r->address_last = i;
    return i;
}

const struct packet_record *packet_ring_at(const struct packet_ring *r, size_t i)
{
    check(i < packet_ring_len(r));
    uint64_t first = r->count - packet_ring_len(r);
    return &r->records[(first + i) % PACKET_RING_COUNT];
}

const struct net_addr *packet_ring_address_of(const struct packet_ring *r,
                                              const struct packet_record *p)
{
    return &r->addresses[(p->flags >> 1) % PACKET_RING_ADDRESSES];
}
