/* candidates.h - the addresses a participant is told to reach a worker at.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SFUD_IO_CANDIDATES_H
#define SFUD_IO_CANDIDATES_H

#include "rtc/net_addr.h"

enum { CANDIDATES_MAX = 8 };

/* One address of an interface, as getifaddrs() reports it. */
struct interface_address {
    struct net_addr ip; /* port 0 */
    bool is_up;
    bool is_loopback;
};

/* Pure: which of them to announce. IPv4 first, then in the given order. What is down, link-local or
 * loopback is left out, unless nothing else is there: then link-local IPv6 never, loopback yes.
 * Duplicates are dropped; at most CANDIDATES_MAX. Returns how many. */
size_t candidates_choose(const struct interface_address *addresses, size_t count,
                         struct net_addr ret[CANDIDATES_MAX]);

struct candidates_config {
    const char *media_listen;      /* "" or NULL: every usable interface */
    const char *const *public_ips; /* announced instead, if there are any */
    size_t public_ip_count;
};

/* What to announce; port 0. ERR_MALFORMED: a text is no IP address; ERR_NOT_FOUND: the machine has
 * none; ERR_SYSTEM. */
MUST_USE enum err candidates_gather(const struct candidates_config *config,
                                    struct net_addr ret[CANDIDATES_MAX], size_t *ret_count);
/* What to bind: media_listen, or 0.0.0.0 and ::, the latter only if the machine has IPv6. port 0 */
MUST_USE enum err candidates_listen(const struct candidates_config *config, struct net_addr ret[2],
                                    size_t *ret_count);

#endif
