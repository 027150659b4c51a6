/* SPDX-License-Identifier: Apache-2.0 */
#include "io/proc_stat.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PROCESSES_MAX 256 /* of one server: more are not counted */

struct family {
    pid_t pids[PROCESSES_MAX];
    size_t count;
};

/* Text of a file of /proc, zero-terminated, cut at capacity; false: it cannot be read. */
static bool read_text(const char *path, char *ret, size_t capacity)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    size_t len = 0;
    ssize_t n;
    while (len + 1 < capacity && (n = read(fd, ret + len, capacity - 1 - len)) > 0)
        len += (size_t)n;
    (void)close(fd);
    ret[len] = '\0';
    return len > 0;
}

/* The CPU clock of a process, all threads that it has had: nanoseconds where stat has ticks. */
static double cpu_clock(pid_t pid, double fallback_seconds)
{
    clockid_t id;
    struct timespec t;
    if (clock_getcpuclockid(pid, &id) != 0 || clock_gettime(id, &t) != 0)
        return fallback_seconds;
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Fields of proc(5), stat: 3 state, 14-17 times with those of awaited children, 22 start, 24 rss.
 */
static bool read_stat(pid_t pid, struct proc_stat *ret)
{
    char path[64], text[1024];
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    if (!read_text(path, text, sizeof text))
        return false;
    const char *after_name = strrchr(text, ')'); /* the name may hold anything */
    unsigned long user, system;
    long children_user, children_system, pages;
    unsigned long long start;
    if (after_name == NULL ||
        sscanf(after_name + 1,
               " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %ld %ld %*d %*d %*d %*d %llu "
               "%*u %ld",
               &ret->state, &user, &system, &children_user, &children_system, &start, &pages) != 7)
        return false;
    double own = (double)(user + system), children = (double)(children_user + children_system);
    double tick_rate = (double)sysconf(_SC_CLK_TCK);
    ret->start_ticks = start;
    ret->cpu_seconds = cpu_clock(pid, own / tick_rate) + children / tick_rate;
    ret->memory_bytes = (uint64_t)MAX(pages, 0L) * (uint64_t)sysconf(_SC_PAGESIZE);
    ret->processes = 1;
    return true;
}

static void add_pids(struct family *f, const char *text)
{
    char *end;
    for (long pid = strtol(text, &end, 10); end != text; pid = strtol(text, &end, 10)) {
        if (pid > 0 && f->count < PROCESSES_MAX)
            f->pids[f->count++] = (pid_t)pid;
        text = end;
    }
}

/* Each thread has the list of the children that it has made. */
static void add_children(struct family *f, pid_t pid)
{
    char path[320], text[4096];
    (void)snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *tasks = opendir(path);
    if (tasks == NULL)
        return;
    for (struct dirent *entry; (entry = readdir(tasks)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        (void)snprintf(path, sizeof path, "/proc/%d/task/%s/children", (int)pid, entry->d_name);
        if (read_text(path, text, sizeof text))
            add_pids(f, text);
    }
    (void)closedir(tasks);
}

enum err proc_stat_read(pid_t pid, struct proc_stat *ret)
{
    struct proc_stat all;
    if (pid <= 0 || !read_stat(pid, &all) || all.state == 'Z' || all.state == 'X')
        return ERR_NOT_FOUND;
    struct family f = { .pids = { pid }, .count = 1 };
    add_children(&f, pid);
    for (size_t i = 1; i < f.count; i++) { /* grows while it is walked */
        struct proc_stat one;
        if (!read_stat(f.pids[i], &one))
            continue;
        all.cpu_seconds += one.cpu_seconds;
        all.memory_bytes += one.memory_bytes;
        all.processes++;
        add_children(&f, f.pids[i]);
    }
    *ret = all;
    return OK;
}
