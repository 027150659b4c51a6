/* SPDX-License-Identifier: Apache-2.0 */
#include "io/association_thread.h"

#include "common/os/clock.h"
#include "common/os/log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    REQUESTS_PER_TURN = 64, /* of each worker, so that none waits long for its answers */
    NICENESS = 5,           /* a third of a core's time next to a busy media thread */
};
/* A worker did not take its notices: look again. */
#define BACKLOG_TIME MILLIS(2)

struct association_link {
    struct ring requests; /* of struct association_request: worker to engine */
    struct ring notices;  /* of struct association_notice: engine to worker */
    void *request_memory, *notice_memory;
    int wake_fd;   /* ours; borrowed of the thread */
    int worker_fd; /* a duplicate of the worker's, so that it cannot become another file's */
};

struct association_thread {
    /* given */
    struct association_thread_config config;
    /* owned */
    struct associations *engine;
    struct association_link *links; /* by worker */
    int wake_fd;
    pthread_t thread;
    _Atomic bool is_stopping;
    struct association_request request; /* at hand */
    struct association_notice notice;
};

static void signal_fd(int fd)
{
    uint64_t one = 1;
    /* EAGAIN: the counter is at its end, so the other side has more than enough to wake for. */
    if (write(fd, &one, sizeof one) < 0)
        return;
}

/* ---- the media thread's half */

enum err association_link_attach(struct association_link *l, int wake_fd)
{
    l->worker_fd = dup(wake_fd);
    return l->worker_fd >= 0 ? OK : ERR_SYSTEM;
}

void association_link_post(struct association_link *l, struct worker *w)
{
    struct association_request r;
    bool any = false;
    while (ring_len(&l->requests) < ring_capacity(&l->requests) && worker_next_request(w, &r)) {
        (void)ring_push(&l->requests, &r); /* there was room, and nobody else pushes */
        any = true;
    }
    if (any)
        signal_fd(l->wake_fd);
}

bool association_link_next(struct association_link *l, struct association_notice *ret)
{
    return ring_pop(&l->notices, ret);
}

/* ---- the association thread */

static bool take_requests(struct association_thread *t, size_t worker, usec now)
{
    struct association_link *l = &t->links[worker];
    for (size_t i = 0; i < REQUESTS_PER_TURN; i++) {
        if (!ring_pop(&l->requests, &t->request))
            return false;
        associations_receive(t->engine, worker, &t->request, now);
    }
    return true;
}

/* True if there are more than fit. */
static bool hand_over_notices(struct association_thread *t, size_t worker)
{
    struct association_link *l = &t->links[worker];
    bool any = false, is_full = false;
    while (!(is_full = ring_len(&l->notices) == ring_capacity(&l->notices)) &&
           associations_next(t->engine, worker, &t->notice)) {
        if (t->notice.kind == ASSOCIATION_KEYS && t->config.handshake_seconds != NULL)
            metric_observe(t->config.handshake_seconds, (double)t->notice.handshake_us / 1e6);
        (void)ring_push(&l->notices, &t->notice);
        any = true;
    }
    if (any) {
        bytes_wipe(&t->notice, sizeof t->notice);
        signal_fd(l->worker_fd);
    }
    return is_full;
}

static void sleep_until(const struct association_thread *t, usec deadline)
{
    usec now = clock_now();
    struct pollfd p = { .fd = t->wake_fd, .events = POLLIN };
    struct timespec timeout = { .tv_sec = 0 };
    usec wait = deadline <= now ? 0 : deadline - now;
    timeout.tv_sec = (time_t)(wait / USEC_PER_SEC);
    timeout.tv_nsec = (long)(wait % USEC_PER_SEC * 1000);
    if (ppoll(&p, 1, deadline == USEC_NEVER ? NULL : &timeout, NULL) <= 0)
        return;
    uint64_t count;
    if (read(t->wake_fd, &count, sizeof count) < 0)
        return;
}

static void turn(struct association_thread *t)
{
    usec now = clock_now();
    size_t worker_count = t->config.engine.worker_count;
    bool is_more = false, is_full = false;
    for (size_t i = 0; i < worker_count; i++)
        is_more |= take_requests(t, i, now);
    associations_tick(t->engine, now);
    for (size_t i = 0; i < worker_count; i++)
        is_full |= hand_over_notices(t, i);
    usec deadline = associations_next_deadline(t->engine);
    if (is_full)
        deadline = MIN(deadline, now + BACKLOG_TIME);
    sleep_until(t, is_more ? 0 : deadline);
}

static void *run(void *arg)
{
    struct association_thread *t = arg;
    (void)pthread_setname_np(pthread_self(), "sfud-dtls");
    if (setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICENESS) != 0)
        log_warn("associations.same-priority", KV_STR("reason", strerror(errno)));
    while (!atomic_load_explicit(&t->is_stopping, memory_order_acquire))
        turn(t);
    return NULL;
}

/* ---- the control thread */

static bool open_link(struct association_link *l, int wake_fd)
{
    *l = (struct association_link){ .wake_fd = wake_fd, .worker_fd = -1 };
    l->request_memory =
        malloc(RING_BYTES(ASSOCIATION_RING_MAX, sizeof(struct association_request)));
    l->notice_memory = malloc(RING_BYTES(ASSOCIATION_RING_MAX, sizeof(struct association_notice)));
    if (l->request_memory == NULL || l->notice_memory == NULL)
        return false;
    ring_init(&l->requests, l->request_memory, ASSOCIATION_RING_MAX,
              sizeof(struct association_request));
    ring_init(&l->notices, l->notice_memory, ASSOCIATION_RING_MAX,
              sizeof(struct association_notice));
    return true;
}

static void close_link(struct association_link *l)
{
    if (l->worker_fd >= 0)
        close(l->worker_fd);
    free(l->request_memory);
    if (l->notice_memory != NULL) /* keys nobody took */
        bytes_wipe(l->notice_memory,
                   RING_BYTES(ASSOCIATION_RING_MAX, sizeof(struct association_notice)));
    free(l->notice_memory);
}

static void done(struct association_thread *t)
{
    for (size_t i = 0; t->links != NULL && i < t->config.engine.worker_count; i++)
        close_link(&t->links[i]);
    free(t->links);
    associations_free(t->engine);
    if (t->wake_fd >= 0)
        close(t->wake_fd);
    free(t);
}

static bool open_all(struct association_thread *t)
{
    size_t count = t->config.engine.worker_count;
    size_t size = count * sizeof(struct association_link);
    t->links = aligned_alloc(_Alignof(struct association_link), size);
    t->engine = associations_new(&t->config.engine);
    t->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    bool ok = t->links != NULL;
    for (size_t i = 0; t->links != NULL && i < count; i++)
        ok &= open_link(&t->links[i], t->wake_fd);
    return ok && t->engine != NULL && t->wake_fd >= 0;
}

static bool start_thread(struct association_thread *t)
{
    sigset_t all, before;
    sigfillset(&all); /* signals are the control thread's */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int e = pthread_create(&t->thread, NULL, run, t);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return e == 0;
}

enum err association_thread_start(const struct association_thread_config *config,
                                  struct association_thread **ret)
{
    struct association_thread *t = calloc(1, sizeof *t);
    if (t == NULL)
        return ERR_SYSTEM;
    t->config = *config;
    t->wake_fd = -1;
    if (!open_all(t) || !start_thread(t)) {
        done(t);
        return ERR_SYSTEM;
    }
    *ret = t;
    return OK;
}

void association_thread_stop(struct association_thread *t)
{
    if (t == NULL)
        return;
    atomic_store_explicit(&t->is_stopping, true, memory_order_release);
    signal_fd(t->wake_fd);
    pthread_join(t->thread, NULL);
    done(t);
}

struct association_link *association_thread_link(struct association_thread *t, size_t worker)
{
    check(worker < t->config.engine.worker_count);
    return &t->links[worker];
}

const struct associations_stats *association_thread_stats(const struct association_thread *t)
{
    return associations_stats(t->engine);
}
