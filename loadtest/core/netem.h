/* netem.h - one direction of one bot's network: loss, bursts of loss, delay, jitter, reordering,
 * duplicates, and a line of limited rate with a queue.
 *
 * Pure: time and bytes come in, the seed decides the rest. A datagram first waits for the line and
 * crosses it; then it may be lost (it has used the line all the same); then it travels for delay +
 * jitter. Datagrams stay in order: one that would overtake arrives with the one before it. Only
 * the share that is to be reordered travels longer by reorder_us, and others overtake it.
 *
 * Memory: netem_new() takes 16 KiB, which grows with what is in flight up to NETEM_BYTES_MAX (and
 * as much for what is reordered); beyond, datagrams are dropped and counted apart, as the tester's
 * fault. One thread owns it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_NETEM_H
#define LOADTEST_NETEM_H

#include "core/scenario.h"
#include "rtc/net_addr.h"

enum {
    NETEM_BYTES_MAX = 4 * 1024 * 1024,
    NETEM_DATAGRAM_MAX = 65535,
    NETEM_OVERHEAD_BYTES = 28, /* of IPv4 and UDP, which the line carries too */
};

/* What becomes of a datagram. */
enum netem_fate {
    NETEM_TAKEN,      /* comes out of netem_pop() later */
    NETEM_LOST,       /* independent loss */
    NETEM_LOST_BURST, /* in the bad state of the Gilbert-Elliott model */
    NETEM_QUEUE_FULL, /* the line's queue is as long as it may be */
    NETEM_NO_MEMORY,  /* NETEM_BYTES_MAX: not the network's doing */
    NETEM_FATE_COUNT,
};
const char *netem_fate_name(enum netem_fate f); /* "taken", "lost", "lost-burst", … */

/* Comes out as it went in. */
struct netem_tag {
    unsigned leg;
    struct net_addr addr; /* where it goes, or came from */
};

struct netem_datagram {
    uint8_t *data; /* until the next netem_push() or netem_free(); may be modified */
    size_t len;
    struct netem_tag tag;
    usec due; /* when it should have come out */
};

struct netem; /* heap */

/* A path that does nothing needs no netem. */
bool netem_is_needed(const struct network_path *path);
/* path is copied. NULL without memory. */
struct netem *netem_new(const struct network_path *path, uint64_t seed);
void netem_free(struct netem *n);
/* Another network from now on: squeezed, released. What is in flight arrives when it would have. */
void netem_set_path(struct netem *n, const struct network_path *path);

/* Copies the datagram. now must not go back. */
enum netem_fate netem_push(struct netem *n, struct bytes datagram, const struct netem_tag *tag,
                           usec now);
/* The next datagram that has arrived by now. False: none has. */
bool netem_pop(struct netem *n, usec now, struct netem_datagram *ret);
/* When the next one arrives; USEC_NEVER: nothing is in flight. */
usec netem_next_deadline(const struct netem *n);

/* Datagrams since netem_new(), by fate. */
uint64_t netem_count(const struct netem *n, enum netem_fate f);
/* Of those taken. */
uint64_t netem_reordered(const struct netem *n);
uint64_t netem_duplicated(const struct netem *n);
size_t netem_in_flight(const struct netem *n);
/* Bytes of memory that it takes now. */
size_t netem_memory(const struct netem *n);

#endif
