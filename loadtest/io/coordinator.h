/* coordinator.h - one run on several machines: agents (agent.h) have the bots, this machine watches
 * the servers, runs the scenario's commands, shows progress and puts the results together.
 *
 * Clocks: the offset of each agent's clock is measured (the exchange with the least round trip of
 * some) and taken out of its time stamps; half that round trip is how uncertain it is. An agent
 * whose clock is more than COORDINATOR_OFFSET_MAX_US off, or that is known to less than
 * COORDINATOR_UNCERTAINTY_MAX_US, is refused: one-way latency would not be true.
 *
 * An agent that stops answering ends the run: what is left would not be the scenario.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_IO_COORDINATOR_H
#define LOADTEST_IO_COORDINATOR_H

#include "io/run.h"

#define COORDINATOR_OFFSET_MAX_US      5000
#define COORDINATOR_UNCERTAINTY_MAX_US 1000
#define COORDINATOR_LOST_US            SECONDS(10) /* without an answer; sooner if refused */

struct coordinator_options {
    const char *agents; /* "10.0.0.7,loader-2:9700,[2001:db8::7]:9700" */
    const char *key;
    bool any_clock;
    const struct run_options *run; /* scenario_text is needed; source is the agents' own */
    const char *const *sets;       /* overrides of the scenario */
    size_t set_count;
    unsigned scale; /* scenario_scale(); 0: as it is written */
};

/* As run_scenario(). s: what text, overrides and scale mean. ret NULL: RUN_USAGE or
 * RUN_UNREACHABLE, and ret_error names the agent. */
enum run_exit coordinator_run(const struct scenario *s, const struct coordinator_options *options,
                              json_t **ret, char ret_error[RUN_ERROR_MAX]);

#endif
