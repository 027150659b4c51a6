/* relay_command.h - what `conclave-bot relay` is told, a line of JSON each, and what it says.
 *
 *   {"up":{"rate_bps":300000,"delay_ms":40,"loss":0.05},"down":{}}
 *   {"to":"127.0.0.1:7882"}
 *   {"counters":true}
 *
 * A direction is replaced as a whole: {} is a perfect network. docs/loadtest.md has the keys.
 *
 * Pure.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_RELAY_COMMAND_H
#define LOADTEST_RELAY_COMMAND_H

#include "core/netem.h"

#include <jansson.h>

enum { RELAY_UP, RELAY_DOWN, RELAY_DIRECTIONS }; /* up: towards the server */
enum { RELAY_ERROR_MAX = 160 };

struct relay_command {
    bool has_path[RELAY_DIRECTIONS];
    struct network_path paths[RELAY_DIRECTIONS];
    bool has_to;
    struct net_addr to;
    bool counters; /* it wants to know them */
};

/* ERR_MALFORMED, with a sentence in ret_error: no JSON object, an unknown key, a value out of
 * range. */
MUST_USE enum err relay_command_parse(struct bytes line, struct relay_command *ret,
                                      char ret_error[RELAY_ERROR_MAX]);
/* One direction alone, as --up and --down have it. */
MUST_USE enum err relay_path_parse(struct bytes text, struct network_path *ret,
                                   char ret_error[RELAY_ERROR_MAX]);
/* "127.0.0.1:7882", "[::1]:7882". ERR_MALFORMED. */
MUST_USE enum err relay_address_parse(const char *text, struct net_addr *ret);

/* Of one direction, since the start. */
struct relay_counters {
    uint64_t packets, bytes; /* passed on, duplicates too */
    uint64_t fates[NETEM_FATE_COUNT], reordered, duplicated;
};
/* A new reference; NULL without memory. */
json_t *relay_counters_json(const struct relay_counters *c);

#endif
