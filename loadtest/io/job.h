/* job.h - one machine's part of a run, as JSON: what an agent is sent, checks, and runs.
 *
 * {
 *   "version": "0.1.0", "scenario": "<YAML>", "sets": ["groups.people.bots=30", …],
 *   "scale": 0 | bots (scenario_scale()), "bots": 300 (of all machines, to be sure of one mind),
 *   "url", "driver", "token": null | "…", "ca": null | "<PEM>", "insecure": false, "threads": 0,
 *   "seed": "0" (a text: 64 bits), "run_id": "1f00c3a2", "bot_first", "bot_count",
 *   "start_at", "plateau_at" (µs since 1970 by the coordinator's clock), "clock_offset_us",
 *   -- only for processes on this machine, never taken from the network:
 *   "source": null | "10.0.0.7", "observer": true, "chaos": true, "cluster": null | DIR,
 *   "servers": [ { "name", "metrics": null | URL, "pid": 0 } ]
 * }
 *
 * A machine with bots runs no command of the scenario: in its place is one that does nothing, at
 * the same time, so that it can tell who was hit. The observer has no bots, and runs them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_IO_JOB_H
#define LOADTEST_IO_JOB_H

#include "io/run.h"

enum { JOB_SETS_MAX = 64, JOB_BYTES_MAX = 1 << 20 };

struct job {
    struct scenario *scenario;  /* owned */
    struct run_options options; /* texts borrowed from the JSON */
    const char *ca_pem;         /* borrowed; NULL: the system's authorities */
};

struct job_error {
    const char *id; /* stable: "bad-request", "bad-scenario", "other-version", … */
    char message[RUN_ERROR_MAX];
};

/* json must outlive the job. ERR_MALFORMED: nothing to free, and ret_error says why. */
MUST_USE enum err job_parse(const json_t *json, struct job *ret, struct job_error *ret_error);
void job_done(struct job *j);
/* Whether it reads or writes files of this machine. */
bool job_uses_files(const struct job *j);
/* Deletes what is not to be taken from the network. */
void job_strip(json_t *json);

/* Runs the job that is read from `in` to its end. Writes lines of JSON to `out`: { "live": … }
 * every second, and at last { "exit_status", "result" } or { "exit_status", "error" }. SIGTERM ends
 * it early, politely; so does the death of the process that started it. Returns the exit status. */
int job_run(int in, int out);

#endif
