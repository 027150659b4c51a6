/* redis_fixture.h - a real redis-server of the test's own, on a unix socket in a temporary
 * directory.
 *
 * Asserts (cmocka) when it cannot start. SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIT_REDIS_FIXTURE_H
#define UNIT_REDIS_FIXTURE_H

#include <stdbool.h>
#include <sys/types.h>
#include <uv.h>

struct redis_fixture {
    char directory[64];
    char socket[96];
    char url[112]; /* for redis_new() */
    bool is_durable;
    pid_t pid; /* 0 = not running */
};

/* is_durable: what was confirmed survives redis_fixture_kill() (AOF, fsync always). */
void redis_fixture_start(struct redis_fixture *f, bool is_durable);
void redis_fixture_kill(struct redis_fixture *f);    /* SIGKILL */
void redis_fixture_restart(struct redis_fixture *f); /* after kill, same data */
void redis_fixture_freeze(struct redis_fixture *f);  /* SIGSTOP: accepts, never answers */
void redis_fixture_thaw(struct redis_fixture *f);
/* Kills and removes the directory. */
void redis_fixture_stop(struct redis_fixture *f);

/* Turns the loop until condition(data) or fails the test after timeout_ms. */
void loop_until(uv_loop_t *loop, bool (*condition)(void *data), void *data, unsigned timeout_ms);
/* Turns the loop for that long. */
void loop_for(uv_loop_t *loop, unsigned ms);
/* Runs what is closing to its end, and closes the loop: fails the test if a handle was leaked. */
void loop_finish(uv_loop_t *loop);

#endif
