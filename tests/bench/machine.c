/* SPDX-License-Identifier: Apache-2.0 */
#include "machine.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

void machine_pin(int cpu)
{
    cpu_set_t set;
    (void)prctl(PR_SET_TIMERSLACK, 1UL);
    if (cpu < 0)
        return;
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0)
        fprintf(stderr, "bench: no core %d, going on without\n", cpu);
}

void machine_sleep_until(usec at)
{
    struct timespec t = { .tv_sec = at / USEC_PER_SEC, .tv_nsec = at % USEC_PER_SEC * 1000 };
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
        continue;
}

double machine_cpu_seconds(clockid_t clock)
{
    struct timespec t;
    return clock_gettime(clock, &t) == 0 ? (double)t.tv_sec + (double)t.tv_nsec / 1e9 : 0;
}

double machine_process_cpu_seconds(void)
{
    return machine_cpu_seconds(CLOCK_PROCESS_CPUTIME_ID);
}

static bool read_task(const char *task, const char *file, char *ret, int size)
{
    char path[320];
    (void)snprintf(path, sizeof path, "/proc/self/task/%s/%s", task, file);
    FILE *f = fopen(path, "re");
    bool ok = f != NULL && fgets(ret, size, f) != NULL;
    if (f != NULL)
        (void)fclose(f);
    return ok;
}

double machine_wait_seconds(const char *thread_name)
{
    char line[128];
    double seconds = 0;
    DIR *tasks = opendir("/proc/self/task");
    if (tasks == NULL)
        return 0;
    for (const struct dirent *d; (d = readdir(tasks)) != NULL;) {
        uint64_t wait_ns;
        if (!read_task(d->d_name, "comm", line, sizeof line))
            continue;
        line[strcspn(line, "\n")] = '\0';
        if (strcmp(line, thread_name) == 0 &&
            read_task(d->d_name, "schedstat", line, sizeof line) &&
            sscanf(line, "%*u %" SCNu64, &wait_ns) == 1)
            seconds = (double)wait_ns / 1e9;
    }
    (void)closedir(tasks);
    return seconds;
}

void machine_raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

uint64_t machine_resident_bytes(void)
{
    uint64_t pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    bool ok = f != NULL && fscanf(f, "%*u %" SCNu64, &pages) == 1;
    if (f != NULL)
        (void)fclose(f);
    return ok ? pages * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

/* proc_net(5): name: received bytes packets errs drop fifo frame compressed multicast, then the
 * same of what was sent. ifb counts what it drops as received and dropped. */
uint64_t machine_device_packets(const char *name)
{
    char line[512], device[32];
    uint64_t count = 0;
    FILE *f = fopen("/proc/self/net/dev", "re");
    if (f == NULL)
        return 0;
    while (fgets(line, sizeof line, f) != NULL) {
        uint64_t rx_drop, tx, tx_drop;
        int n = sscanf(
            line, " %31[^:]: %*u %*u %*u %" SCNu64 " %*u %*u %*u %*u %*u %" SCNu64 " %*u %" SCNu64,
            device, &rx_drop, &tx, &tx_drop);
        if (n == 4 && strcmp(device, name) == 0)
            count = MAX(rx_drop, MAX(tx, tx_drop));
    }
    (void)fclose(f);
    return count;
}
