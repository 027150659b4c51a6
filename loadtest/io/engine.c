/* See engine.h: the side of the main thread.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "io/engine_private.h"

#include "common/os/clock.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

enum {
    FDS_PER_BOT = 2 + BOT_LEGS_MAX, /* WebSocket, a token's connection, media */
    FDS_PER_THREAD = 40,
    FDS_BESIDES = 64,
};

static enum err refuse(char ret_error[ENGINE_ERROR_MAX], const char *why)
{
    snprintf(ret_error, ENGINE_ERROR_MAX, "%s", why);
    return ERR_SYSTEM;
}

/* ---- waiting for threads */

static struct timespec timespec_of(usec at)
{
    return (struct timespec){ .tv_sec = (time_t)(at / USEC_PER_SEC),
                              .tv_nsec = (long)(at % USEC_PER_SEC) * 1000 };
}

/* Until *what, under the lock of t; false: not by the deadline. */
static bool wait_for(struct engine_thread *t, const bool *what, usec deadline)
{
    struct timespec at = timespec_of(deadline);
    while (!*what && !t->has_ended)
        if (pthread_cond_timedwait(&t->changed, &t->lock, &at) != 0)
            break;
    return *what;
}

static struct engine_command *post(struct engine_thread *t, const struct engine_command *command)
{
    struct engine_command *c = malloc(sizeof *c);
    check(c != NULL);
    *c = *command;
    pthread_mutex_lock(&t->lock);
    list_push_back(&t->mailbox, &c->link);
    if (!t->is_deaf)
        (void)uv_async_send(&t->wake);
    pthread_mutex_unlock(&t->lock);
    return c;
}

/* Adds the answer to *command. False: abandoned. */
static bool collect(struct engine_thread *t, struct engine_command *c, usec deadline,
                    struct engine_command *command)
{
    pthread_mutex_lock(&t->lock);
    bool is_done = wait_for(t, &c->is_done, deadline);
    c->is_abandoned = !is_done; /* the thread, or engine_thread_done(), frees it */
    if (is_done)
        command->hit += c->hit;
    pthread_mutex_unlock(&t->lock);
    if (is_done)
        free(c);
    return is_done;
}

/* All threads at the same time. */
static enum err command_all(struct engine *e, struct engine_command *command)
{
    struct engine_command *sent[ENGINE_THREADS_MAX];
    usec deadline = clock_now() + ENGINE_REPLY_US;
    bool ok = true;
    if (e->has_stopped)
        return ERR_BAD_STATE;
    for (unsigned i = 0; i < e->thread_count; i++)
        sent[i] = post(&e->threads[i], command);
    for (unsigned i = 0; i < e->thread_count; i++)
        ok = collect(&e->threads[i], sent[i], deadline, command) && ok;
    return ok ? OK : ERR_EXPIRED;
}

/* ---- commands */

void engine_start(struct engine *e)
{
    struct engine_command c = { .kind = COMMAND_START, .at = clock_now() };
    (void)command_all(e, &c);
}

static enum err command_plateau(struct engine *e, enum engine_command_kind kind,
                                struct engine_snapshot *ret)
{
    struct engine_command c = { .kind = kind };
    enum err result = command_all(e, &c);
    if (ret != NULL)
        engine_snapshot(e, ret);
    return result;
}

enum err engine_begin_plateau(struct engine *e, struct engine_snapshot *ret)
{
    return command_plateau(e, COMMAND_BEGIN_PLATEAU, ret);
}

enum err engine_end_plateau(struct engine *e, struct engine_snapshot *ret)
{
    return command_plateau(e, COMMAND_END_PLATEAU, ret);
}

enum err engine_storm(struct engine *e, const struct storm *storm, unsigned *ret_hit)
{
    struct engine_command c = { .kind = COMMAND_STORM, .storm = *storm };
    enum err result = command_all(e, &c);
    *ret_hit = c.hit;
    return result;
}

enum err engine_leave_all(struct engine *e)
{
    struct engine_command c = { .kind = COMMAND_LEAVE_ALL };
    return command_all(e, &c);
}

enum err engine_for_each_bot(struct engine *e, void (*fn)(struct bot *bot, void *data), void *data)
{
    struct engine_command c = { .kind = COMMAND_FOR_EACH, .fn = fn, .data = data };
    if (e->is_stuck)
        return ERR_BAD_STATE;
    for (unsigned i = 0; i < e->thread_count; i++) {
        struct engine_thread *t = &e->threads[i];
        if (e->has_stopped) { /* its thread is no more: nobody else uses them */
            for (unsigned k = 0; k < t->bot_count; k++)
                fn(t->bots[k].bot, data);
        } else if (!collect(t, post(t, &c), clock_now() + ENGINE_REPLY_US, &c)) {
            return ERR_EXPIRED;
        }
    }
    return OK;
}

/* ---- the end */

void engine_stop(struct engine *e)
{
    const struct engine_command c = { .kind = COMMAND_STOP };
    struct timespec wall;
    if (e->has_stopped)
        return;
    e->has_stopped = true;
    for (unsigned i = 0; i < e->thread_count; i++)
        if (e->threads[i].has_id)
            (void)collect(&e->threads[i], post(&e->threads[i], &c), clock_now() + ENGINE_REPLY_US,
                          &(struct engine_command){ 0 });
    check(clock_gettime(CLOCK_REALTIME, &wall) == 0);
    wall.tv_sec += (time_t)(ENGINE_REPLY_US / USEC_PER_SEC);
    for (unsigned i = 0; i < e->thread_count; i++)
        if (e->threads[i].has_id)
            e->is_stuck = pthread_timedjoin_np(e->threads[i].id, NULL, &wall) != 0 ||
                          e->threads[i].is_stuck || e->is_stuck;
}

void engine_free(struct engine *e)
{
    if (e == NULL)
        return;
    engine_stop(e);
    if (e->is_stuck)
        return;
    for (unsigned i = 0; i < e->thread_count; i++)
        engine_thread_done(&e->threads[i]);
    free(e->threads);
    free(e->ca_file);
    free(e);
}

/* ---- the beginning */

static unsigned usable_cpus(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    return (unsigned)MAX(1, CPU_COUNT(&set));
}

static enum err raise_descriptors(const struct engine_config *c, unsigned threads,
                                  char ret_error[ENGINE_ERROR_MAX])
{
    struct rlimit limit;
    rlim_t needed = (rlim_t)c->bots * FDS_PER_BOT + threads * FDS_PER_THREAD + FDS_BESIDES;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return refuse(ret_error, "getrlimit");
    if (limit.rlim_cur < needed && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = MIN(limit.rlim_max, needed);
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_cur >= needed)
        return OK;
    snprintf(ret_error, ENGINE_ERROR_MAX,
             "%u bots may need %llu file descriptors, and the limit is %llu (ulimit -n)", c->bots,
             (unsigned long long)needed, (unsigned long long)limit.rlim_cur);
    return ERR_SYSTEM;
}

/* Signals are for the main thread. */
static bool run_thread(struct engine_thread *t)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    t->has_id = pthread_create(&t->id, NULL, engine_thread_main, t) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return t->has_id;
}

static enum err await_ready(struct engine *e, char ret_error[ENGINE_ERROR_MAX])
{
    usec deadline = clock_now() + ENGINE_REPLY_US;
    for (unsigned i = 0; i < e->thread_count; i++) {
        struct engine_thread *t = &e->threads[i];
        pthread_mutex_lock(&t->lock);
        bool is_ready = wait_for(t, &t->is_ready, deadline);
        if (!is_ready)
            snprintf(ret_error, ENGINE_ERROR_MAX, "%s",
                     t->has_ended ? t->error : "a thread does not start");
        pthread_mutex_unlock(&t->lock);
        if (!is_ready)
            return ERR_SYSTEM;
    }
    return OK;
}

enum err engine_new(const struct engine_config *config, struct engine **ret,
                    char ret_error[ENGINE_ERROR_MAX])
{
    unsigned threads = config->threads > 0 ? config->threads : usable_cpus();
    threads = MAX(1u, MIN(MIN(threads, (unsigned)ENGINE_THREADS_MAX), config->bots));
    enum err result = raise_descriptors(config, threads, ret_error);
    if (result != OK)
        return result;
    struct engine *e = calloc(1, sizeof *e);
    check(e != NULL);
    e->config = *config;
    e->ca_file = config->ca_file == NULL ? NULL : strdup(config->ca_file);
    e->threads = calloc(threads, sizeof *e->threads);
    check(e->threads != NULL);
    for (; e->thread_count < threads && result == OK; e->thread_count++)
        if (!engine_thread_init(&e->threads[e->thread_count], e, e->thread_count))
            result = refuse(ret_error, "no loop");
    for (unsigned i = 0; i < e->thread_count && result == OK; i++)
        if (!run_thread(&e->threads[i]))
            result = refuse(ret_error, "no thread");
    if (result == OK)
        result = await_ready(e, ret_error);
    if (result != OK) {
        engine_free(e);
        return result;
    }
    *ret = e;
    return OK;
}
