/* proc_stat.h - what the kernel says about a process with all its threads and children.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_PROC_STAT_H
#define LOADTEST_PROC_STAT_H

#include "common/base.h"

#include <sys/types.h>

struct proc_stat {
    uint64_t start_ticks; /* since boot: with the pid, the identity of a process */
    char state;           /* 'R', 'S', 'Z', … of the process itself */
    double cpu_seconds; /* user and system, with descendants and those that have been waited for */
    uint64_t memory_bytes; /* resident, summed: pages that are shared count for each process */
    unsigned processes;
};

/* OK, or ERR_NOT_FOUND: there is no such process, or it is a zombie. */
MUST_USE enum err proc_stat_read(pid_t pid, struct proc_stat *ret);

#endif
