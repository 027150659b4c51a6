/* sockaddr.h - net_addr of pure code to and from the kernel's sockaddr.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SFUD_IO_SOCKADDR_H
#define SFUD_IO_SOCKADDR_H

#include "rtc/net_addr.h"

#include <netinet/in.h>

/* Fits sockaddr_in and sockaddr_in6. Returns the length; 0 for NET_NONE. */
socklen_t sockaddr_write(const struct net_addr *a, struct sockaddr_in6 *ret);
/* False for other families. */
bool sockaddr_read(const struct sockaddr *s, socklen_t len, struct net_addr *ret);

#endif
