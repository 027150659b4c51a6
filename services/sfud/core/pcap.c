/* SPDX-License-Identifier: Apache-2.0 */
#include "core/pcap.h"

enum {
    PCAP_MAGIC_US = 0xa1b2c3d4u, /* microseconds; the byte order is told by the magic itself */
    LINKTYPE_RAW = 101,          /* begins with an IP header */
    SNAPLEN = PCAP_NET_HEADERS_MAX + PACKET_RECORD_BYTES,
    IPV4_HEADER = 20,
    IPV6_HEADER = 40,
    UDP_HEADER = 8,
    PROTOCOL_UDP = 17,
    HOPS = 64,
};

static void write_file_header(struct writer *w)
{
    writer_u32(w, PCAP_MAGIC_US);
    writer_u16(w, 2);
    writer_u16(w, 4);
    writer_u32(w, 0); /* time zone and accuracy: always zero */
    writer_u32(w, 0);
    writer_u32(w, SNAPLEN);
    writer_u32(w, LINKTYPE_RAW);
}

static uint16_t ipv4_checksum(const uint8_t header[IPV4_HEADER])
{
    uint32_t sum = 0;
    for (size_t i = 0; i < IPV4_HEADER; i += 2)
        sum += load_be16(header + i);
    sum = (sum & 0xffff) + (sum >> 16);
    sum += sum >> 16;
    return (uint16_t)~sum;
}

static void write_ipv4(struct writer *w, const struct net_addr *from, const struct net_addr *to,
                       size_t udp_len)
{
    uint8_t header[IPV4_HEADER] = { 0x45, 0, 0, 0, 0, 0, 0, 0, HOPS, PROTOCOL_UDP };
    store_be16(header + 2, (uint16_t)(IPV4_HEADER + udp_len));
    memcpy(header + 12, from->ip, 4);
    memcpy(header + 16, to->ip, 4);
    store_be16(header + 10, ipv4_checksum(header));
    writer_put(w, bytes_of(header, sizeof header));
}

static void write_ipv6(struct writer *w, const struct net_addr *from, const struct net_addr *to,
                       size_t udp_len)
{
    writer_u32(w, 0x60000000u);
    writer_u16(w, (uint16_t)udp_len);
    writer_u8(w, PROTOCOL_UDP);
    writer_u8(w, HOPS);
    writer_put(w, bytes_of(from->ip, 16));
    writer_put(w, bytes_of(to->ip, 16));
}

static void write_record(struct writer *w, const struct packet_record *p,
                         const struct net_addr *remote, const struct net_addr *local,
                         wall_usec wall_minus_now)
{
    bool is_ipv6 = remote->family == NET_IPV6;
    struct net_addr us = { .family = remote->family, .port = local->port };
    if (local->family == remote->family)
        us = *local;
    const struct net_addr *from = packet_record_direction(p) == PACKET_IN ? remote : &us;
    const struct net_addr *to = from == remote ? &us : remote;
    size_t headers = (is_ipv6 ? IPV6_HEADER : IPV4_HEADER) + UDP_HEADER;
    size_t udp_len = UDP_HEADER + p->len;
    wall_usec at = p->at + wall_minus_now;
    writer_u32(w, (uint32_t)(at / USEC_PER_SEC));
    writer_u32(w, (uint32_t)(at % USEC_PER_SEC));
    writer_u32(w, (uint32_t)(headers + p->kept));
    writer_u32(w, (uint32_t)(headers + p->len));
    if (is_ipv6)
        write_ipv6(w, from, to, udp_len);
    else
        write_ipv4(w, from, to, udp_len);
    writer_u16(w, from->port);
    writer_u16(w, to->port);
    writer_u16(w, (uint16_t)udp_len);
    writer_u16(w, 0);
    writer_put(w, bytes_of(p->data, p->kept));
}

void pcap_write(struct writer *w, const struct packet_ring *r, const struct net_addr *local,
                wall_usec wall_minus_now)
{
    write_file_header(w);
    for (size_t i = 0; i < packet_ring_len(r); i++) {
        const struct packet_record *p = packet_ring_at(r, i);
        write_record(w, p, packet_ring_address_of(r, p), local, wall_minus_now);
    }
}
