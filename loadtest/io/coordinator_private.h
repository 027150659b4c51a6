/* coordinator_private.h - shared by the coordinator*.c files only.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_IO_COORDINATOR_PRIVATE_H
#define LOADTEST_IO_COORDINATOR_PRIVATE_H

#include "common/ids.h"
#include "core/shares.h"
#include "io/calls.h"
#include "io/coordinator.h"
#include "io/exporter.h"
#include "io/job_process.h"

struct machine {
    char name[200]; /* host:port */
    struct share share;
    double offset_us, uncertainty_us; /* of its clock */
    char id[ID_CAPACITY];             /* of its run; "" = not started */
    json_t *live, *result;            /* owned */
    usec heard_at;
    unsigned refused_count;
};

struct coordinator {
    /* given */
    const struct scenario *scenario;
    const struct coordinator_options *options;
    char *error; /* RUN_ERROR_MAX */
    /* owned */
    struct caller *caller;
    struct job_process *observer;
    struct exporter *exporter;
    uv_loop_t loop; /* of the exporter */
    struct machine machines[SHARES_MACHINES_MAX];
    unsigned count;
    /* when */
    wall_usec start_at, plateau_at;
    usec began_at, ends_at, deadline, poll_at, interrupted_at;
    unsigned poll_count;
    char run_id[17];
    bool has_terminal;
};

/* Writes the error; returns `exit_status`. */
enum run_exit coordinator_fail(struct coordinator *c, enum run_exit exit_status, const char *format,
                               ...) PRINTF_LIKE(3, 4);
/* "http://<name><path>" */
void machine_url(const struct machine *m, const char *path, struct call *ret);
/* The error of a call to it, in words that say what to do. */
enum run_exit coordinator_call_failed(struct coordinator *c, const struct machine *m,
                                      const struct call *call);

/* coordinator_clock.c: RUN_PASSED: known. */
enum run_exit coordinator_measure_clock(struct coordinator *c, const struct machine *m,
                                        double *ret_offset_us, double *ret_uncertainty_us);
enum run_exit coordinator_measure_clocks(struct coordinator *c);

/* coordinator_plan.c: who does what when. The job of a machine (NULL: the observer's); a new
 * reference, NULL: failed. */
enum run_exit coordinator_plan(struct coordinator *c);
json_t *coordinator_job(struct coordinator *c, const struct machine *m);

/* coordinator_show.c */
void coordinator_show(struct coordinator *c);

#endif
