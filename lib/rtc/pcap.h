/* pcap.h - packet captures as tcpdump and Wireshark read them: the classic file format
 * (draft-ietf-opsawg-pcap), link type RAW (IP without a link header), big-endian, microseconds.
 *
 * Pure: the IP and UDP headers are made up around a payload, from addresses that the caller knows.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RTC_PCAP_H
#define RTC_PCAP_H

#include "rtc/net_addr.h"

enum {
    PCAP_FILE_HEADER_BYTES = 24,
    PCAP_RECORD_OVERHEAD_MAX = 16 + 40 + 8, /* record header, IPv6, UDP */
    PCAP_PAYLOAD_MAX = 65535 - 48,
};

/* The first bytes of a file. */
void pcap_write_header(struct writer *w);

struct pcap_datagram {
    struct net_addr from, to; /* of one family */
    struct bytes captured;    /* the beginning of the payload, or all of it */
    size_t len;               /* of the whole payload, at most PCAP_PAYLOAD_MAX */
    wall_usec at;
};
/* One datagram: at most PCAP_RECORD_OVERHEAD_MAX + captured.len bytes. The UDP checksum of IPv4 is
 * zero, which says that there is none; of IPv6 it is not right. */
void pcap_write_udp(struct writer *w, const struct pcap_datagram *d);

#endif
