/* sim_case.h - what the tests of bots in simulation share: a world, some scenarios, and what is
 * asserted again and again.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIM_CASE_H
#define TESTS_SIM_CASE_H

#include "core/bot_private.h"
#include "sim_world.h"

/* Three who always talk and show, and see and hear each other; two who talk, with nothing to see;
 * one; two who stay while three come and go. */
extern const char meeting[], voices[], alone[], churn[];

extern struct sim sim; /* of the running test */
int sim_case_done(void **state);

void assert_all(enum bot_state state);
void assert_no_signal_errors(void);
/* All those and no others are expected, seen and verified. */
void assert_pairs(enum media_kind kind, unsigned count);
void assert_tones_right(uint64_t at_least);

/* The plateau of a run that has settled. */
void measure_for(usec duration);

#endif
