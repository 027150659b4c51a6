/* SPDX-License-Identifier: Apache-2.0 */
#include "rtc/pcap.h"

enum {
    MAGIC_MICROSECONDS = 0xa1b2c3d4,
    SNAPLEN = 65535,
    LINKTYPE_RAW = 101,
    IPV4_BYTES = 20,
    IPV6_BYTES = 40,
    UDP_BYTES = 8,
    PROTOCOL_UDP = 17,
    HOPS = 64,
};

void pcap_write_header(struct writer *w)
{
    writer_u32(w, MAGIC_MICROSECONDS);
    writer_u16(w, 2); /* version 2.4 */
    writer_u16(w, 4);
    writer_u64(w, 0);
    writer_u32(w, SNAPLEN);
    writer_u32(w, LINKTYPE_RAW);
}

/* RFC 1071, over a header whose own checksum is zero. */
static uint16_t checksum_of(const uint8_t *header, size_t len)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < len; i += 2)
        sum += load_be16(header + i);
    while (sum > 0xffff)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

static void write_ipv4(struct writer *w, const struct pcap_datagram *d)
{
    uint8_t *header = writer_reserve(w, IPV4_BYTES);
    if (header == NULL)
        return;
    struct writer h = writer_of(header, IPV4_BYTES);
    writer_u16(&h, 0x4500);
    writer_u16(&h, (uint16_t)(IPV4_BYTES + UDP_BYTES + d->len));
    writer_u32(&h, 0x4000); /* no identification; may not be fragmented */
    writer_u8(&h, HOPS);
    writer_u8(&h, PROTOCOL_UDP);
    writer_u16(&h, 0);
    writer_put(&h, bytes_of(d->from.ip, 4));
    writer_put(&h, bytes_of(d->to.ip, 4));
    check(!h.failed && writer_left(&h) == 0);
    store_be16(header + 10, checksum_of(header, IPV4_BYTES));
}

static void write_ipv6(struct writer *w, const struct pcap_datagram *d)
{
    writer_u32(w, 0x60000000);
    writer_u16(w, (uint16_t)(UDP_BYTES + d->len));
    writer_u8(w, PROTOCOL_UDP);
    writer_u8(w, HOPS);
    writer_put(w, bytes_of(d->from.ip, 16));
    writer_put(w, bytes_of(d->to.ip, 16));
}

void pcap_write_udp(struct writer *w, const struct pcap_datagram *d)
{
    check(d->len <= PCAP_PAYLOAD_MAX && d->captured.len <= d->len);
    bool is_ipv6 = d->to.family == NET_IPV6;
    size_t headers = (is_ipv6 ? IPV6_BYTES : IPV4_BYTES) + UDP_BYTES;
    writer_u32(w, (uint32_t)(d->at / USEC_PER_SEC));
    writer_u32(w, (uint32_t)(d->at % USEC_PER_SEC));
    writer_u32(w, (uint32_t)(headers + d->captured.len));
    writer_u32(w, (uint32_t)(headers + d->len));
    if (is_ipv6)
        write_ipv6(w, d);
    else
        write_ipv4(w, d);
    writer_u16(w, d->from.port);
    writer_u16(w, d->to.port);
    writer_u16(w, (uint16_t)(UDP_BYTES + d->len));
    writer_u16(w, 0);
    writer_put(w, d->captured);
}
