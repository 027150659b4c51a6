/* job_process.h - a job (job.h) in a process of its own: the same program with the word `job`.
 *
 * A run has a loop of its own and may crash; whoever starts it does neither wait nor crash with it.
 * The process is in a session of its own, so that Ctrl-C reaches only us. One thread uses it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_IO_JOB_PROCESS_H
#define LOADTEST_IO_JOB_PROCESS_H

#include "common/base.h"

#include <jansson.h>

struct job_process;

/* NULL: errno says why. */
struct job_process *job_process_start(const json_t *job);
/* SIGTERM: ends it politely, with a result. It may have ended already. */
void job_process_signal(struct job_process *p, int number);
/* Takes in what it has said; never waits. */
void job_process_read(struct job_process *p);

bool job_process_has_ended(const struct job_process *p);
/* The newest live figures; NULL: none yet. Borrowed. */
const json_t *job_process_live(const struct job_process *p);
/* When it has ended: its result (borrowed), or NULL and the error. */
const json_t *job_process_result(const struct job_process *p);
const char *job_process_error(const struct job_process *p);

/* Kills it if it still runs. NULL is fine. */
void job_process_free(struct job_process *p);

#endif
