/* SPDX-License-Identifier: Apache-2.0 */
#include "io/job_process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    PIPE_BYTES = 1 << 20,
    LINE_MAX_BYTES = 256 << 20, /* a result with the series of many hours */
};

extern char **environ;

struct job_process {
    pid_t pid;  /* 0: has been waited for */
    int fd;     /* its stdout; -1: it has closed it */
    char *line; /* that is not complete yet */
    size_t len, capacity;
    json_t *live, *result;
    char error[1300];
};

/* The job as a file in memory, to be its stdin; -1: errno. */
static int file_of(const json_t *job)
{
    int fd = memfd_create("job", MFD_CLOEXEC);
    if (fd >= 0 && json_dumpfd(job, fd, JSON_COMPACT) == 0 && lseek(fd, 0, SEEK_SET) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static int spawn(struct job_process *p, int in, int out)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    char program[] = "conclave-bot", word[] = "job";
    char *argv[] = { program, word, NULL };
    sigemptyset(&none);
    check(posix_spawn_file_actions_init(&actions) == 0 && posix_spawnattr_init(&attributes) == 0);
    int e = posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
    e = e != 0 ? e : posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    e = e != 0 ? e : posix_spawnattr_setsigmask(&attributes, &none);
    e = e != 0 ? e
               : posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK);
    e = e != 0 ? e : posix_spawn(&p->pid, "/proc/self/exe", &actions, &attributes, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return e;
}

struct job_process *job_process_start(const json_t *job)
{
    struct job_process *p = calloc(1, sizeof *p);
    int ends[2] = { -1, -1 }, in = file_of(job);
    int e = p == NULL || in < 0 || pipe2(ends, O_CLOEXEC) != 0 ? errno : 0;
    if (e == 0) {
        p->fd = ends[0];
        (void)fcntl(p->fd, F_SETPIPE_SZ, PIPE_BYTES);
        (void)fcntl(p->fd, F_SETFL, O_NONBLOCK);
        e = spawn(p, in, ends[1]);
    }
    if (in >= 0)
        close(in);
    if (ends[1] >= 0)
        close(ends[1]);
    if (e == 0)
        return p;
    if (ends[0] >= 0)
        close(ends[0]);
    free(p);
    errno = e;
    return NULL;
}

void job_process_signal(struct job_process *p, int number)
{
    if (p->pid > 0)
        (void)kill(p->pid, number);
}

static void take_line(struct job_process *p, const char *text, size_t len)
{
    json_t *line = json_loadb(text, len, 0, NULL);
    json_t *live = json_object_get(line, "live"), *result = json_object_get(line, "result");
    const char *error = json_string_value(json_object_get(line, "error"));
    if (live != NULL) {
        json_decref(p->live);
        p->live = json_incref(live);
    }
    if (result != NULL) {
        json_decref(p->result);
        p->result = json_incref(result);
    }
    if (error != NULL)
        (void)snprintf(p->error, sizeof p->error, "%s", error);
    json_decref(line);
}

static void take_lines(struct job_process *p)
{
    char *from = p->line, *end = p->line + p->len;
    for (char *at; (at = memchr(from, '\n', (size_t)(end - from))) != NULL; from = at + 1)
        take_line(p, from, (size_t)(at - from));
    p->len = (size_t)(end - from);
    memmove(p->line, from, p->len);
}

static bool make_room(struct job_process *p)
{
    if (p->capacity - p->len >= 65536)
        return true;
    size_t capacity = MAX(p->capacity * 2, (size_t)131072);
    char *larger = capacity > LINE_MAX_BYTES ? NULL : realloc(p->line, capacity);
    if (larger == NULL)
        return false;
    p->line = larger;
    p->capacity = capacity;
    return true;
}

static void reap(struct job_process *p)
{
    int status;
    if (p->pid == 0 || waitpid(p->pid, &status, WNOHANG) != p->pid)
        return;
    p->pid = 0;
    if (p->result != NULL || p->error[0] != '\0')
        return;
    if (WIFSIGNALED(status))
        (void)snprintf(p->error, sizeof p->error, "the run was ended by signal %d (%s)",
                       WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        (void)snprintf(p->error, sizeof p->error, "the run ended without a result (status %d)",
                       WEXITSTATUS(status));
}

void job_process_read(struct job_process *p)
{
    while (p->fd >= 0) {
        ssize_t n = make_room(p) ? read(p->fd, p->line + p->len, p->capacity - p->len) : 0;
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0) {
            close(p->fd);
            p->fd = -1;
            break;
        }
        p->len += (size_t)n;
        take_lines(p);
    }
    reap(p);
}

bool job_process_has_ended(const struct job_process *p)
{
    return p->pid == 0 && p->fd < 0;
}

const json_t *job_process_live(const struct job_process *p)
{
    return p->live;
}

const json_t *job_process_result(const struct job_process *p)
{
    return p->result;
}

const char *job_process_error(const struct job_process *p)
{
    return p->error;
}

void job_process_free(struct job_process *p)
{
    if (p == NULL)
        return;
    if (p->pid > 0) {
        (void)kill(p->pid, SIGKILL);
        (void)waitpid(p->pid, NULL, 0);
    }
    if (p->fd >= 0)
        close(p->fd);
    json_decref(p->live);
    json_decref(p->result);
    free(p->line);
    free(p);
}
