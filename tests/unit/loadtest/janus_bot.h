/* janus_bot.h - a bot that only its driver knows: notes what it is told and what it should send.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIT_LOADTEST_JANUS_BOT_H
#define UNIT_LOADTEST_JANUS_BOT_H

#include "core/driver.h"

enum { NOTES_MAX = 64 };

struct bot {
    void *state;
    struct bot_world world;
    struct scenario *scenario;
    unsigned index;
    struct bot_place place;
    char name[40];
    struct publisher publishers[16];
    size_t publisher_count;
    /* "> {…}" what was sent, "= joined janus" what was told; owned */
    char *notes[NOTES_MAX];
    size_t note_first, note_count;
    bool refuses_descriptions;
};

/* Bot `index` of rooms with four people who talk and publish 180, 360 and 720 (0 to 3), and a
 * viewer (4). */
struct bot *janus_bot_new(unsigned index);
void janus_bot_free(struct bot *b);
/* The oldest note, to free(); NULL: none. */
char *janus_bot_take(struct bot *b);

#endif
