/* net_address.h - "host:port" texts and socket addresses. Literal addresses only: nothing here
 * resolves names, so nothing here waits.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_OS_NET_ADDRESS_H
#define COMMON_OS_NET_ADDRESS_H

#include "common/base.h"

#include <sys/socket.h>

/* "127.0.0.1:9090", "[::1]:9090", ":9090" and "9090" (every address). ERR_MALFORMED. */
MUST_USE enum err net_address_parse(const char *text, struct sockaddr_storage *ret);

/* "192.0.2.7", "2001:db8::1" (IPv4-mapped IPv6 as IPv4). "" for other families. */
#define NET_ADDRESS_CAPACITY 64
void net_address_host(const struct sockaddr *address, char ret[NET_ADDRESS_CAPACITY]);
/* "192.0.2.7:80", "[2001:db8::1]:80". */
void net_address_text(const struct sockaddr *address, char ret[NET_ADDRESS_CAPACITY]);
uint16_t net_address_port(const struct sockaddr *address);
socklen_t net_address_len(const struct sockaddr *address);

/* Is the literal address (no port) inside "10.0.0.0/8", "2001:db8::/32" or equal to "192.0.2.7"?
 * False if either is malformed. */
bool net_address_in(const char *address, const char *cidr);
/* Whether the text is an address or CIDR that net_address_in() understands. */
bool net_cidr_is_valid(const char *cidr);

#endif
