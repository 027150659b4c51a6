/* net_addr.h - a transport address as pure code sees it: family, protocol, port, IP bytes.
 *
 * Pure. The io code converts it to and from sockaddr; nothing here includes socket headers.
 * Twenty bytes without padding, unused IP bytes zero, IPv4-mapped IPv6 always stored as IPv4:
 * equal addresses are equal bytes.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RTC_NET_ADDR_H
#define RTC_NET_ADDR_H

#include "common/bytes.h"

#include <assert.h>

enum net_family { NET_NONE = 0, NET_IPV4 = 4, NET_IPV6 = 6 };
enum net_protocol { NET_UDP = 0, NET_TCP = 1 };

struct net_addr {
    uint8_t family;   /* enum net_family; NET_NONE = no address (all bytes zero) */
    uint8_t protocol; /* enum net_protocol: the same ip and port over TCP is another address */
    uint16_t port;    /* host order */
    uint8_t ip[16];   /* network order; IPv4 uses the first 4 bytes */
};
static_assert(sizeof(struct net_addr) == 20, "no padding: compared and hashed as bytes");

/* "[" + 45 characters of IPv6 + "]:65535" + zero. */
#define NET_ADDR_TEXT_SIZE 56

/* UDP addresses from network-order IP bytes. The IPv6 form folds ::ffff:a.b.c.d into IPv4. */
struct net_addr net_addr_ipv4(const uint8_t ip[4], uint16_t port);
struct net_addr net_addr_ipv6(const uint8_t ip[16], uint16_t port);

/* Parses a numeric IP ("192.0.2.1", "2001:db8::1", no port, no brackets). ERR_MALFORMED. */
MUST_USE enum err net_addr_parse(struct bytes ip_text, uint16_t port, struct net_addr *ret);

/* "192.0.2.1:5000", "[2001:db8::1]:5000" or "none"; returns text. */
const char *net_addr_format(const struct net_addr *a, char text[NET_ADDR_TEXT_SIZE]);
/* The IP alone, as in an SDP candidate line: "192.0.2.1"; returns text. */
const char *net_addr_format_ip(const struct net_addr *a, char text[NET_ADDR_TEXT_SIZE]);

static inline bool net_addr_equal(const struct net_addr *a, const struct net_addr *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

static inline bool net_addr_is_set(const struct net_addr *a)
{
    return a->family != NET_NONE;
}

/* Well mixed 64-bit hash. key: random per process, so that nobody can choose colliding ports. */
uint64_t net_addr_hash(const struct net_addr *a, uint64_t key);

#endif
