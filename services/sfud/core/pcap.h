/* pcap.h - a packet ring as a classic pcap file that any analyser opens.
 *
 * IP and UDP headers are made up around what the ring has kept; packets that came or went by TCP
 * look as if it had been UDP. Lengths are the true ones, what is missing counts as not captured.
 * UDP checksums are zero or, over IPv6, wrong: the payload they cover is not there.
 *
 * Pure.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SFUD_CORE_PCAP_H
#define SFUD_CORE_PCAP_H

#include "core/packet_ring.h"

enum {
    PCAP_FILE_HEADER = 24,
    PCAP_RECORD_HEADER = 16,
    PCAP_NET_HEADERS_MAX = 48, /* IPv6 and UDP */
    PCAP_RECORD_MAX = PCAP_RECORD_HEADER + PCAP_NET_HEADERS_MAX + PACKET_RECORD_BYTES,
    PCAP_SIZE_MAX = PCAP_FILE_HEADER + PACKET_RING_COUNT * PCAP_RECORD_MAX,
};

/* The whole file; needs up to PCAP_SIZE_MAX bytes.
 *
 * local           our address; its port and, if the family differs, the family's "any" is used
 * wall_minus_now  of the clock of the records */
void pcap_write(struct writer *w, const struct packet_ring *r, const struct net_addr *local,
                wall_usec wall_minus_now);

#endif
