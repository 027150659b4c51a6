/* agent.h - an HTTP service that runs this machine's part of a load test for a coordinator.
 *
 *     GET    /v1/time       { "received_us", "sent_us" }: this machine's wall clock, when the
 *                           request was complete and when the answer was made
 *     POST   /v1/runs       a job (job.h) → 202 { "id" }; one at a time, otherwise 409 busy
 *     GET    /v1/runs/{id}  { "id", "state": "running" | "ended" | "failed", "live": … | null,
 *                           "result": … and "error": … once it has ended }
 *     DELETE /v1/runs/{id}  ends it early: 202; the result follows. A second one kills it.
 *
 * All need "Authorization: Bearer <key>". Errors are problem documents with a stable "error":
 * bad-key 401, busy 409, other-version 409, bad-request, bad-scenario 400, url-not-allowed,
 * files-not-allowed 403, not-found 404, failed 500.
 *
 * The run is a process of its own (job_process.h). A run whose coordinator has not asked for
 * AGENT_SILENCE_US is ended. Commands of a scenario are never run here. Loop thread only.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_IO_AGENT_H
#define LOADTEST_IO_AGENT_H

#include "common/bytes.h"

#include <uv.h>

enum { AGENT_PORT = 9700, AGENT_KEY_MIN = 16, AGENT_URLS_MAX = 32 };
#define AGENT_SILENCE_US SECONDS(30)
#define AGENT_KILL_US    SECONDS(45) /* after it was told to end */

struct agent;

struct agent_options {
    const char *listen;               /* net_address_parse() */
    struct bytes key;                 /* borrowed for life, at least AGENT_KEY_MIN bytes */
    const char *urls[AGENT_URLS_MAX]; /* servers that may be tested, borrowed; none: all */
    size_t url_count;
    bool allow_files;   /* scenarios may name files of this machine */
    const char *source; /* IP of the media sockets, borrowed; NULL: any */
    usec idle_max;      /* stops when nobody has asked for so long, with no run; 0: never */
};

/* Whether `url` is `prefix` or below it: the same scheme, host and port, and whole segments of the
 * path. URLs with a user in them are never. */
bool agent_url_is_below(const char *url, const char *prefix);

/* ERR_MALFORMED (listen), ERR_SYSTEM (errno). */
MUST_USE enum err agent_start(uv_loop_t *loop, const struct agent_options *options,
                              struct agent **ret);
uint16_t agent_port(const struct agent *a);
/* Ends a run politely, within some 10 s, stops, and frees; the loop then has nothing of it left.
 * Called again: ends it at once. */
void agent_stop(struct agent *a);

#endif
