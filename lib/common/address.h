/* address.h - addresses of clients: as proxies write them, and as limits count them.
 *
 * One host has one text: canonical, without port, and an IPv4-mapped IPv6 address (::ffff:a.b.c.d,
 * what a dual-stack socket or load balancer sees) is the IPv4 address, which it is.
 *
 * Pure. SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_ADDRESS_H
#define COMMON_ADDRESS_H

#include "common/base.h"
#include "common/bytes.h"

#define ADDRESS_CAPACITY 64

/* "192.0.2.7", "192.0.2.7:4711", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:4711"; spaces
 * around it are fine. ERR_MALFORMED: anything else. */
MUST_USE enum err address_parse(struct bytes text, char ret[ADDRESS_CAPACITY]);

/* What counts as one client: "2001:db8:1:2::/64" for an IPv6 address, since whoever has one
 * address of it has all; an IPv4 address itself, mapped or not; other text as it is. */
void address_subscriber(const char *address, char ret[ADDRESS_CAPACITY]);

/* Whom the nearest proxy that is trusted saw. What is further left in the header may be invented
 * by the client.
 *
 * header   X-Forwarded-For: "a, b, c"
 * address  in: the peer; out: the right-most of peer and header that is not trusted. Something that
 *          is no address ends the walk. */
void address_behind_proxies(const char *header, bool (*is_trusted)(const void *, const char *),
                            const void *context, char address[ADDRESS_CAPACITY]);

#endif
