/* SPDX-License-Identifier: Apache-2.0 */
#include "spoof.h"

#include <netinet/in.h>
#include <netinet/ip.h>
#include <sys/socket.h>

enum { HEADERS_SIZE = 28, DATAGRAM_MAX = 1500 };

int spoof_open(void)
{
    return socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
}

/* RFC 791 and RFC 768. The kernel fills in the identification and the checksum of IP; that of UDP
 * may be left out. */
static void write_headers(struct writer *w, const struct net_addr *from, const struct net_addr *to,
                          size_t len)
{
    writer_u8(w, 0x45);
    writer_u8(w, 0);
    writer_u16(w, (uint16_t)(HEADERS_SIZE + len));
    writer_u32(w, 0);
    writer_u8(w, IPDEFTTL);
    writer_u8(w, IPPROTO_UDP);
    writer_u16(w, 0);
    writer_put(w, bytes_of(from->ip, 4));
    writer_put(w, bytes_of(to->ip, 4));
    writer_u16(w, from->port);
    writer_u16(w, to->port);
    writer_u16(w, (uint16_t)(8 + len));
    writer_u16(w, 0);
}

bool spoof_send(int fd, const struct net_addr *from, const struct net_addr *to, struct bytes data)
{
    uint8_t packet[DATAGRAM_MAX];
    struct writer w = writer_of(packet, sizeof packet);
    write_headers(&w, from, to, data.len);
    writer_put(&w, data);
    struct sockaddr_in name = { .sin_family = AF_INET };
    memcpy(&name.sin_addr, to->ip, 4);
    return !w.failed && sendto(fd, packet, writer_len(&w), 0, (struct sockaddr *)&name,
                               sizeof name) == (ssize_t)writer_len(&w);
}
