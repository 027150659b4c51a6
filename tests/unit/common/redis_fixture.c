/* SPDX-License-Identifier: Apache-2.0 */
#include "redis_fixture.h"

#include "unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static bool answers(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char reply[8] = "";
    bool ok = connect(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
              write(fd, "PING\r\n", 6) == 6 && read(fd, reply, sizeof reply - 1) > 0 &&
              strncmp(reply, "+PONG", 5) == 0;
    (void)close(fd);
    return ok;
}

void redis_fixture_restart(struct redis_fixture *f)
{
    f->pid = fork();
    assert_true(f->pid >= 0);
    if (f->pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        int null = open("/dev/null", O_RDWR);
        (void)dup2(null, 1);
        (void)dup2(null, 2);
        (void)execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", f->socket,
                     "--dir", f->directory, "--save", "", "--appendonly",
                     f->is_durable ? "yes" : "no", "--appendfsync", "always", (char *)NULL);
        _exit(127);
    }
    for (int i = 0; i < 500; i++) {
        if (answers(f->socket))
            return;
        (void)usleep(10000);
    }
    fail_msg("redis-server did not start");
}

void redis_fixture_start(struct redis_fixture *f, bool is_durable)
{
    (void)signal(SIGPIPE, SIG_IGN); /* as daemon_start() does */
    memset(f, 0, sizeof *f);
    f->is_durable = is_durable;
    (void)snprintf(f->directory, sizeof f->directory, "/tmp/conclave-redis-XXXXXX");
    assert_non_null(mkdtemp(f->directory));
    (void)snprintf(f->socket, sizeof f->socket, "%s/s", f->directory);
    (void)snprintf(f->url, sizeof f->url, "unix://%s", f->socket);
    redis_fixture_restart(f);
}

void redis_fixture_kill(struct redis_fixture *f)
{
    if (f->pid == 0)
        return;
    (void)kill(f->pid, SIGKILL);
    (void)waitpid(f->pid, NULL, 0);
    f->pid = 0;
    (void)unlink(f->socket);
}

void redis_fixture_freeze(struct redis_fixture *f)
{
    (void)kill(f->pid, SIGSTOP);
}

void redis_fixture_thaw(struct redis_fixture *f)
{
    (void)kill(f->pid, SIGCONT);
}

static void remove_tree(const char *path)
{
    DIR *dir = opendir(path);
    if (dir == NULL) {
        (void)unlink(path);
        return;
    }
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        char child[512];
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        (void)snprintf(child, sizeof child, "%s/%s", path, e->d_name);
        remove_tree(child);
    }
    (void)closedir(dir);
    (void)rmdir(path);
}

void redis_fixture_stop(struct redis_fixture *f)
{
    redis_fixture_kill(f);
    remove_tree(f->directory);
}

/* Wakes the loop often: a condition may depend on what the loop does not watch. */
static void on_tick(uv_timer_t *timer)
{
    (void)timer;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle);
}

static bool never(void *data)
{
    (void)data;
    return false;
}

static bool turn(uv_loop_t *loop, bool (*condition)(void *), void *data, unsigned timeout_ms)
{
    uv_timer_t *timer = malloc(sizeof *timer);
    assert_int_equal(uv_timer_init(loop, timer), 0);
    assert_int_equal(uv_timer_start(timer, on_tick, 2, 2), 0);
    uint64_t end = uv_hrtime() / 1000000 + timeout_ms;
    bool met;
    while (!(met = condition(data)) && uv_hrtime() / 1000000 < end)
        (void)uv_run(loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)timer, on_closed);
    return met;
}

void loop_until(uv_loop_t *loop, bool (*condition)(void *data), void *data, unsigned timeout_ms)
{
    if (!turn(loop, condition, data, timeout_ms))
        fail_msg("the condition was not met within %u ms", timeout_ms);
}

void loop_for(uv_loop_t *loop, unsigned ms)
{
    (void)turn(loop, never, NULL, ms);
}

void loop_finish(uv_loop_t *loop)
{
    for (int i = 0; i < 1000 && uv_run(loop, UV_RUN_NOWAIT) != 0; i++)
        (void)usleep(1000);
    assert_int_equal(uv_loop_close(loop), 0);
}
