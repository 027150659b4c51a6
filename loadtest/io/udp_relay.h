/* udp_relay.h - a bad network between participants and a server, as a UDP relay: what arrives from
 * a client goes on to the server through one netem, from a socket of that client's own; what the
 * server answers goes back through another.
 *
 * Each client (an address that sends to the relay) has lines of its own, of the same kind. Of
 * RELAY_CLIENTS_MAX clients the one that was silent for longest makes room for a new one.
 *
 * Thread: belongs to the loop's thread.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_IO_UDP_RELAY_H
#define LOADTEST_IO_UDP_RELAY_H

#include "core/relay_command.h"

#include <uv.h>

enum { RELAY_CLIENTS_MAX = 64 };

struct udp_relay_config {
    struct net_addr listen;                      /* port 0: a free one */
    struct net_addr to;                          /* of the server; NET_NONE: drop until told */
    struct network_path paths[RELAY_DIRECTIONS]; /* RELAY_UP, RELAY_DOWN */
    uint64_t seed;
    const char *pcap_path; /* what reaches clients is written there; NULL: nowhere */
};

struct udp_relay;
enum relay_step { RELAY_STEP_MEMORY, RELAY_STEP_CAPTURE, RELAY_STEP_LISTEN };
/* ERR_SYSTEM (errno, and ret_step: at what): *ret is NULL, or to be closed and freed as if it had
 * started. */
MUST_USE enum err udp_relay_start(uv_loop_t *loop, const struct udp_relay_config *config,
                                  struct udp_relay **ret, enum relay_step *ret_step);
/* Where it listens. */
struct net_addr udp_relay_address(const struct udp_relay *r);
/* Networks change at once, `to` for clients that come from now on. */
void udp_relay_command(struct udp_relay *r, const struct relay_command *c);
const struct relay_counters *udp_relay_counters(const struct udp_relay *r, unsigned direction);
unsigned udp_relay_client_count(const struct udp_relay *r);
/* The capture is whole on disk. */
void udp_relay_flush(struct udp_relay *r);

/* Then turn the loop until it has no handles left, and free. */
void udp_relay_close(struct udp_relay *r);
void udp_relay_free(struct udp_relay *r);

#endif
