/* judge.h - what must be true of every stream that a viewer receives, whatever the network does.
 *
 * Looks at two places. What the node sends, in the clear parts of each packet: sequence numbers are
 * used once, and a number is left out only for a packet that never reached the node; timestamps
 * follow the time. And what arrives, decrypted by the bot, each packet held against the one that
 * the publisher sent: nothing is made up, inputs change at keyframes, every frame's references are
 * sent, picture ids have no gap.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIM_JUDGE_H
#define TESTS_SIM_JUDGE_H

#include "sim_world.h"

enum { JUDGE_TEXT_MAX = 320 };

struct judge; /* heap */
/* Watches s: sets s->watch and the tap of its world. */
struct judge *judge_new(struct sim *s);
void judge_free(struct judge *j);

/* The share of keyframes whose first packet is lost on its way up. */
void judge_lose_keyframes(struct judge *j, unsigned bot, double share);

/* NULL: all is well so far; else the first thing that was not. */
const char *judge_failure(const struct judge *j);
void judge_fail(struct judge *j, const char *format, ...) PRINTF_LIKE(2, 3);

/* Of all datagrams, with their times: equal runs have equal ones. */
uint64_t judge_hash(const struct judge *j);
/* Packets that arrived and were found among those sent. */
uint64_t judge_matched(const struct judge *j);

#endif
