/* chaos.h - runs the shell commands of a scenario at their time, and undoes them.
 *
 * Each command is `/bin/sh -c` in this program's working directory and a process group of its own,
 * without a terminal: stdin is empty, stdout and stderr are captured (the last CHAOS_OUTPUT_MAX
 * bytes). One that takes longer than the timeout is killed with its group. A command that was
 * started is undone: after its delay, or when the run ends if that is earlier. Loop thread only.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_CHAOS_H
#define LOADTEST_CHAOS_H

#include "core/scenario.h"

#include <jansson.h>
#include <uv.h>

enum { CHAOS_OUTPUT_MAX = 2048 };

enum chaos_moment { CHAOS_BEGAN, CHAOS_ENDED, CHAOS_UNDO_BEGAN, CHAOS_UNDO_ENDED };

struct chaos_runner;

struct chaos_options {
    const struct scenario *scenario; /* borrowed while the runner lives */
    bool is_allowed;                 /* the operator has said that commands may run */
    usec timeout;                    /* of each command; 0 = 60 s */
    usec finish_grace;               /* for a command that runs when the run ends; 0 = 10 s */
    /* May be NULL. index: of scenario->chaos. */
    void (*on_event)(unsigned index, enum chaos_moment moment, usec now, void *data);
    void *data;
};

/* ERR_AUTH: the scenario has commands and is_allowed is false. ERR_SYSTEM: no memory. */
MUST_USE enum err chaos_new(uv_loop_t *loop, const struct chaos_options *options,
                            struct chaos_runner **ret);

/* The plateau begins: at_us count from here. */
void chaos_start(struct chaos_runner *r);

/* No more commands start. Those that run get finish_grace; what is not undone is undone now; then
 * on_finished is called (from the loop, or at once if there is nothing to do). Call it on every way
 * out of the program. Once. */
void chaos_finish(struct chaos_runner *r, void (*on_finished)(void *data), void *data);

/* After chaos_finish() has finished. NULL is fine. */
void chaos_free(struct chaos_runner *r);

/* Of one command (index of scenario->chaos), for the report: { "name", "kind": "command", "at_s",
 * "until_s", "exit_status", "output" }, times in seconds since `zero` (clock_now()). until_s: when
 * it had been undone, or had ended if there is no undo. exit_status is null if it never exited by
 * itself. A new reference, or NULL: it was not started. */
json_t *chaos_to_json(const struct chaos_runner *r, unsigned index, usec zero);

/* When it began and was over (undone); 0: not yet. False: it was not started. */
bool chaos_times(const struct chaos_runner *r, unsigned index, usec *ret_began, usec *ret_over);

/* One line about the last thing that happened: "pause-redis: undone after 10.0 s". "" if nothing
 * has. */
void chaos_describe(const struct chaos_runner *r, usec now, char *ret, size_t capacity);

#endif
