/* run.h - one load test from the first join to the result: phases, what is watched, what is done to
 * the servers, what is shown meanwhile.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_IO_RUN_H
#define LOADTEST_IO_RUN_H

#include "core/bot.h"
#include "core/driver.h"
#include "core/live_stats.h"
#include "core/slo.h"

#include <jansson.h>

enum { RUN_SERVERS_MAX = 64, RUN_ERROR_MAX = 1200 };

/* Exit statuses of the program; sysexits.h where it has one. */
enum run_exit {
    RUN_PASSED = 0,
    RUN_FAILED = 1,    /* an objective or an expectation was not met */
    RUN_SATURATED = 2, /* the tester itself was the limit: says nothing about the servers */
    RUN_USAGE = 64,
    RUN_UNREACHABLE = 69, /* nobody could join */
    RUN_INTERRUPTED = 130,
};

struct run_options {
    const char *url;
    const struct driver *driver;
    const char *token;   /* for all bots; NULL: the driver's way */
    const char *ca_file; /* NULL: the system's */
    bool insecure;
    const char *source; /* IP of the media sockets; NULL: any */
    unsigned threads;   /* 0: one per CPU */
    uint64_t seed;      /* 0: random */

    struct { /* watched: name=url or name=pid */
        char *name;
        char *metrics_url;
        int pid;
    } servers[RUN_SERVERS_MAX];
    unsigned server_count;
    const char *cluster; /* data directory of `./dev run`; NULL: none */
    bool allow_chaos;

    const char *prometheus;    /* listen address; NULL: none */
    bool quiet;                /* no live view */
    const char *scenario_text; /* for the report; may be NULL */
    const struct slo *slo;     /* may be NULL */

    /* called for every bot before it leaves, on its thread, one after the other; may be NULL */
    void (*each_bot)(struct bot *bot, void *data);
    void *each_bot_data;

    /* one of several machines: the others have the other bots. count 0: all bots are here */
    unsigned bot_first, bot_count;
    wall_usec start_at, plateau_at; /* by the common clock; 0: now, and when all have joined */
    wall_usec clock_offset_us;      /* this machine's clock minus the common one */
    bool without_bots;              /* only servers, chaos and phases; wants plateau_at */
    void (*on_second)(const struct live_stats *live, void *data); /* may be NULL */
    void *data;
    const char *run_id; /* NULL: random */
};

/* Runs to the end, or until SIGINT/SIGTERM (a second one stops at once). Prints progress on stderr.
 * ret: a result (schema conclave-loadtest/1), a new reference, whatever the exit status but
 * RUN_USAGE; NULL then, and ret_error says why. */
enum run_exit run_scenario(const struct scenario *s, const struct run_options *options,
                           json_t **ret, char ret_error[RUN_ERROR_MAX]);

/* Sets "slo", "verdict" and "verdict_reasons" of a result by what is in it; returns the status. */
enum run_exit run_judge(json_t *result, const struct slo *slo);

#endif
