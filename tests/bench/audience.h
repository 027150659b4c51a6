/* audience.h - viewers that are sockets of this process: what they are sent comes over loopback,
 * and a thread takes it from the kernel and drops it.
 *
 * For whole calls, where bots on the same machine receive: the kernel delivers within the sender's
 * system call, and charges the sender. Nothing is decrypted.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_BENCH_AUDIENCE_H
#define TESTS_BENCH_AUDIENCE_H

#include "rtc/net_addr.h"

#include <netinet/in.h>
#include <stdatomic.h>

struct audience;

/* at: whose IP they have, each at a port of its own. cpu: of the thread, or -1. taken: counts the
 * datagrams; borrowed. NULL: why was said on stderr. */
struct audience *audience_start(size_t count, const struct net_addr *at, int cpu,
                                _Atomic uint64_t *taken);
struct sockaddr_in audience_address(const struct audience *a, size_t i);
/* NULL is fine. */
void audience_stop(struct audience *a);

#endif
