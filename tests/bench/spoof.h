/* spoof.h - UDP datagrams from addresses that are elsewhere: what the viewers say.
 *
 * The viewers are addresses behind a device that drops everything; they live in this process only.
 * Needs CAP_NET_RAW in the network namespace.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_BENCH_SPOOF_H
#define TESTS_BENCH_SPOOF_H

#include "rtc/net_addr.h"

/* A raw socket, or -1 and errno. */
int spoof_open(void);
/* IPv4 only. False: the kernel did not take it. */
bool spoof_send(int fd, const struct net_addr *from, const struct net_addr *to, struct bytes data);

#endif
