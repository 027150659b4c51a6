/* fake_bot.h - a stand-in for bot.h that does a little of everything an engine performs.
 *
 * It fetches a token, opens a WebSocket, says "hello", opens a UDP socket when it is answered, and
 * sends a datagram each 20 ms to an echo on 127.0.0.1. Its group decides what goes wrong. It
 * checks that it is called by one thread only and that time does not go back.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIT_FAKE_BOT_H
#define UNIT_FAKE_BOT_H

#include "core/bot.h"

#include <pthread.h>

enum fake_group { FAKE_GOOD, FAKE_WRONG_PATH, FAKE_FAR, FAKE_GROUPS };

struct bot {
    const struct bot_world *world;
    struct measure *measure;
    unsigned index;
    enum fake_group group;
    char name[BOT_NAME_MAX];
    enum bot_state state;
    struct bot_failure failure;
    usec now, next;
    bool has_thread;
    pthread_t thread;
    unsigned starts, opens, closes, plateaus, datagrams;
    unsigned stages; /* bits */
    uint64_t seed;
};

/* Set before bots are made. */
extern uint16_t fake_echo_port;
extern const char *fake_record_path; /* NULL: no recording */

#endif
