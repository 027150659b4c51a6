/* machine.h - clocks, cores and devices, as the bench needs them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_BENCH_MACHINE_H
#define TESTS_BENCH_MACHINE_H

#include "common/base.h"

#include <time.h>

/* The calling thread, and threads it starts, run on this core only; -1: anywhere. Its timers become
 * exact. */
void machine_pin(int cpu);
/* On the clock of clock_now(). */
void machine_sleep_until(usec at);
/* What a CPU clock says, in seconds; 0 if its thread has gone. */
double machine_cpu_seconds(clockid_t clock);
double machine_process_cpu_seconds(void);
/* How long the thread of ours with this name was ready to run and another had its core, in seconds
 * (schedstat); 0 if the kernel does not say. */
double machine_wait_seconds(const char *thread_name);
/* As many files as the hard limit allows: a viewer may be a socket. */
void machine_raise_file_limit(void);

/* Memory of this process that is in RAM, in bytes; 0 if the kernel does not say. */
uint64_t machine_resident_bytes(void);
/* Packets given to a device of our network namespace so far (a GSO send is one). */
uint64_t machine_device_packets(const char *name);

#endif
