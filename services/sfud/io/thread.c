/* SPDX-License-Identifier: Apache-2.0 */
#include "io/thread.h"

#include "common/os/clock.h"
#include "common/os/log.h"
#include "core/window.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

enum {
    COMMANDS_PER_PASS = 16, /* media goes on while a thousand people join */
    NOTICES_PER_PASS = 32,  /* keys take 50 us each to be made ready */
};
#define GOODBYE_TIME MILLIS(500) /* at the end: for the association thread to seal them all */
#define GOODBYE_TURN MILLIS(20)

struct media_thread {
    /* given */
    struct thread_config config;
    struct net_addr listen[UDP_SOCKETS_MAX];
    /* owned */
    struct inbox inbox;
    struct udp *udp;
    struct tcp *tcp; /* NULL: off */
    struct worker *worker;
    pthread_t thread;
    sem_t opened;
    enum err open_error;
    struct udp_failure failure;
    _Atomic bool is_stopping;
    usec arrivals[PASS_DATAGRAMS_MAX]; /* of this pass */
    struct window window;
    usec ended_at; /* the last pass */
    /* control's */
    clockid_t cpu_clock;
    double cpu_seconds_seen;
    usec load_at;
};

static double cpu_seconds(clockid_t clock)
{
    struct timespec t;
    return clock_gettime(clock, &t) == 0 ? (double)t.tv_sec + (double)t.tv_nsec / 1e9 : 0;
}

/* ---- the media thread */

/* Events go to control as long as there is room; the rest stays with the worker. */
static bool hand_over_events(struct media_thread *t)
{
    struct event e;
    bool any = false;
    while (inbox_has_room(&t->inbox) && worker_next_event(t->worker, &e)) {
        (void)inbox_put_event(&t->inbox, &e); /* there was room, and nobody else puts */
        any = true;
    }
    return any;
}

static bool take_commands(struct media_thread *t, usec now)
{
    bool any = false;
    for (int i = 0; i < COMMANDS_PER_PASS; i++) {
        struct command *c = inbox_next_command(&t->inbox);
        if (c == NULL)
            return any;
        worker_command(t->worker, c, now);
        any |= hand_over_events(t);
    }
    inbox_wake(&t->inbox); /* there may be more: do not sleep before the next pass */
    return any;
}

static void take_notices(struct media_thread *t, usec now)
{
    struct association_notice n;
    for (int i = 0; i < NOTICES_PER_PASS; i++) {
        if (!association_link_next(t->config.associations, &n))
            return;
        worker_notice(t->worker, &n, now);
        bytes_wipe(&n, sizeof n);
    }
    inbox_wake(&t->inbox); /* there may be more */
}

/* True: there are events for control. */
static bool take_control(struct media_thread *t, usec now)
{
    bool has_events = take_commands(t, now);
    take_notices(t, now);
    return has_events;
}

/* Returns how many there are in this pass, `count` of them from before. */
static size_t take_datagrams(struct media_thread *t, size_t count, usec now)
{
    struct datagram d;
    while (t->tcp != NULL && !worker_wants_flush(t->worker) && tcp_next(t->tcp, &d)) {
        t->arrivals[count++] = d.arrival;
        worker_receive(t->worker, &d, now);
    }
    while (count < PASS_DATAGRAMS_MAX && !worker_wants_flush(t->worker) && udp_next(t->udp, &d)) {
        t->arrivals[count++] = d.arrival;
        worker_receive(t->worker, &d, now);
    }
    return count;
}

/* Under load, waits for the rest of a frame: see window.h. Returns for how long. */
static usec take_rest(struct media_thread *t, size_t *count, usec now)
{
    usec began = now, until = MIN(now + window_length(&t->window), worker_next_deadline(t->worker));
    while (now < until && worker_may_wait(t->worker)) {
        size_t before = *count;
        udp_wait(t->udp, MIN(until, now + WINDOW_GAP));
        now = clock_now();
        *count = take_datagrams(t, *count, now);
        if (*count == before)
            break;
    }
    if (now > began && t->config.histograms.window_seconds != NULL)
        metric_observe(t->config.histograms.window_seconds, (double)(now - began) / 1e6);
    return now - began;
}

static bool flush(struct media_thread *t, usec now)
{
    bool any = false, is_more = true;
    while (is_more) {
        struct outbox *o = udp_outbox(t->udp);
        is_more = worker_flush(t->worker, now, o);
        any |= o->send_count > 0;
        if (t->tcp != NULL)
            tcp_send(t->tcp, o);
        udp_send(t->udp, o);
    }
    return any;
}

static void measure(struct media_thread *t, usec start, usec end, size_t count, bool has_sent)
{
    const struct thread_histograms *h = &t->config.histograms;
    if (h->pass_seconds != NULL && (count > 0 || has_sent))
        metric_observe(h->pass_seconds, (double)(end - start) / 1e6);
    if (h->forward_seconds == NULL || !has_sent)
        return;
    for (size_t i = 0; i < count; i++)
        metric_observe(h->forward_seconds, (double)(end - t->arrivals[i]) / 1e6);
}

static void end_pass(struct media_thread *t)
{
    worker_pass_end(t->worker);
    udp_pass_end(t->udp);
    if (t->tcp != NULL)
        tcp_pass_end(t->tcp);
}

static void pass(struct media_thread *t)
{
    usec tcp_at = t->tcp != NULL ? tcp_deadline(t->tcp) : USEC_NEVER;
    udp_wait(t->udp, MIN(worker_next_deadline(t->worker), tcp_at));
    usec start = clock_now(), now = start;
    if (t->tcp != NULL)
        tcp_begin(t->tcp, now, udp_watch_is_ready(t->udp));
    bool has_events = take_control(t, now);
    size_t count = take_datagrams(t, 0, now);
    usec for_rest = take_rest(t, &count, now);
    if (for_rest > 0) {
        now += for_rest;
        has_events |= take_control(t, now); /* whose wake-up may have ended the wait */
    }
    if (now >= worker_next_deadline(t->worker))
        worker_tick(t->worker, now);
    bool has_sent = flush(t, now);
    end_pass(t);
    association_link_post(t->config.associations, t->worker);
    has_events |= hand_over_events(t);
    if (has_events)
        inbox_notify(&t->inbox);
    usec end = clock_now();
    usec slept = start - t->ended_at + for_rest;
    window_on_pass(&t->window, slept, end - t->ended_at - slept);
    t->ended_at = end;
    measure(t, start, end, count, has_sent);
}

static void name_and_pin(const struct media_thread *t)
{
    char name[16];
    (void)snprintf(name, sizeof name, "sfud-w%u", t->config.index);
    (void)pthread_setname_np(pthread_self(), name);
    (void)prctl(PR_SET_TIMERSLACK, 1UL); /* deadlines are microseconds, the default slack is 50 */
    if (t->config.cpu < 0)
        return;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)t->config.cpu, &set);
    if (pthread_setaffinity_np(pthread_self(), sizeof set, &set) != 0)
        log_warn("worker.not-pinned", KV_U64("worker", t->config.index),
                 KV_I64("cpu", t->config.cpu));
}

static bool is_address_used(void *data, const struct net_addr *remote)
{
    const struct media_thread *t = data;
    return worker_knows_address(t->worker, remote);
}

/* At the ports that the UDP sockets have got. */
static enum err open_tcp(struct media_thread *t)
{
    struct net_addr at[UDP_SOCKETS_MAX];
    size_t count = thread_bound(t, at);
    struct tcp_config config = { .listen = at,
                                 .listen_count = count,
                                 .any_port = t->listen[0].port == 0,
                                 .is_used = is_address_used,
                                 .data = t };
    enum err e = tcp_open(&config, &t->tcp, &t->failure);
    if (e == OK && !udp_watch(t->udp, tcp_fd(t->tcp)))
        e = udp_fail(&t->failure, "TCP watch", errno);
    return e;
}

static enum err open_all(struct media_thread *t)
{
    struct udp_config config = { .listen = t->listen,
                                 .listen_count = t->config.listen_count,
                                 .wake_fd = t->inbox.wake_fd,
                                 .gso = t->config.gso,
                                 .gro = true };
    enum err e = udp_open(t->config.backend, &config, &t->udp, &t->failure);
    if (e == OK && t->config.tcp)
        e = open_tcp(t);
    if (e != OK)
        return e;
    t->config.worker.wall_minus_now = clock_wall() - clock_now();
    t->worker = worker_new(&t->config.worker);
    return t->worker != NULL ? OK : udp_fail(&t->failure, "worker memory", ENOMEM);
}

static void close_all(struct media_thread *t)
{
    udp_close(t->udp); /* first: it may still read from datagrams' memory */
    tcp_close(t->tcp);
    worker_free(t->worker);
}

/* What was posted before the stop is still executed. */
static bool is_done(const struct media_thread *t)
{
    return atomic_load_explicit(&t->is_stopping, memory_order_acquire) &&
           ring_len(&t->inbox.commands) == 0;
}

/* While the sockets are still open. */
static void say_goodbye(struct media_thread *t)
{
    worker_close(t->worker);
    usec now = clock_now(), end = now + GOODBYE_TIME;
    (void)flush(t, now);
    end_pass(t);
    for (; now < end && !worker_is_closed(t->worker); now = clock_now()) {
        association_link_post(t->config.associations, t->worker);
        udp_wait(t->udp, MIN(end, now + GOODBYE_TURN));
        for (struct datagram d; udp_next(t->udp, &d);)
            continue;
        take_notices(t, now);
        (void)flush(t, now);
        end_pass(t);
    }
}

static void *run(void *arg)
{
    struct media_thread *t = arg;
    name_and_pin(t);
    t->open_error = open_all(t);
    window_init(&t->window, t->config.window);
    t->ended_at = clock_now();
    bool is_open = t->open_error == OK;
    (void)sem_post(&t->opened);
    while (is_open && !is_done(t))
        pass(t);
    if (is_open)
        say_goodbye(t);
    return NULL;
}

/* ---- the control thread */

static void stop(struct media_thread *t)
{
    atomic_store_explicit(&t->is_stopping, true, memory_order_release);
    inbox_wake(&t->inbox);
    pthread_join(t->thread, NULL);
}

static enum err start(struct media_thread *t, struct udp_failure *ret_failure)
{
    sigset_t all, before;
    sigfillset(&all); /* signals are the control thread's */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int e = pthread_create(&t->thread, NULL, run, t);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (e != 0)
        return udp_fail(ret_failure, "pthread_create", e);
    while (sem_wait(&t->opened) != 0)
        check(errno == EINTR);
    if (t->open_error != OK) {
        *ret_failure = t->failure;
        pthread_join(t->thread, NULL);
        return t->open_error;
    }
    e = pthread_getcpuclockid(t->thread, &t->cpu_clock);
    if (e == 0)
        return OK;
    stop(t);
    return udp_fail(ret_failure, "pthread_getcpuclockid", e);
}

enum err thread_start(const struct thread_config *config, struct media_thread **ret,
                      struct udp_failure *ret_failure)
{
    check(config->listen_count <= UDP_SOCKETS_MAX);
    struct media_thread *t =
        aligned_alloc(_Alignof(struct media_thread), sizeof(struct media_thread));
    if (t == NULL)
        return udp_fail(ret_failure, "memory", ENOMEM);
    *t = (struct media_thread){ .config = *config };
    memcpy(t->listen, config->listen, config->listen_count * sizeof t->listen[0]);
    t->config.listen = t->listen;
    enum err e = inbox_init(&t->inbox, config->notify);
    if (e != OK) {
        (void)udp_fail(ret_failure, "inbox", ENOMEM);
        free(t);
        return e;
    }
    if (association_link_attach(t->config.associations, t->inbox.wake_fd) != OK) {
        e = udp_fail(ret_failure, "dup", errno);
        inbox_done(&t->inbox);
        free(t);
        return e;
    }
    (void)sem_init(&t->opened, 0, 0);
    e = start(t, ret_failure);
    if (e != OK) {
        close_all(t);
        inbox_done(&t->inbox);
        (void)sem_destroy(&t->opened);
        free(t);
        return e;
    }
    t->load_at = clock_now();
    *ret = t;
    return OK;
}

static void free_command(const struct media_thread *t, struct command *c)
{
    if (t->config.free_command != NULL)
        t->config.free_command(c);
    else
        free(c);
}

/* Commands are control's to free, wherever they are. */
static void free_commands(struct media_thread *t)
{
    struct command *c;
    struct event e;
    while ((c = inbox_next_command(&t->inbox)) != NULL)
        free_command(t, c);
    while (inbox_next_event(&t->inbox, &e)) {
        if (e.kind == EVENT_COMMAND_DONE)
            free_command(t, e.command);
    }
    while (worker_next_event(t->worker, &e)) {
        if (e.kind == EVENT_COMMAND_DONE)
            free_command(t, e.command);
    }
}

void thread_stop(struct media_thread *t)
{
    if (t == NULL)
        return;
    stop(t);
    free_commands(t);
    close_all(t);
    inbox_done(&t->inbox);
    (void)sem_destroy(&t->opened);
    free(t);
}

struct inbox *thread_inbox(struct media_thread *t)
{
    return &t->inbox;
}

size_t thread_bound(const struct media_thread *t, struct net_addr ret[UDP_SOCKETS_MAX])
{
    for (size_t i = 0; i < t->config.listen_count; i++)
        ret[i] = udp_bound(t->udp, i);
    return t->config.listen_count;
}

size_t thread_tcp_bound(const struct media_thread *t, struct net_addr ret[UDP_SOCKETS_MAX])
{
    size_t count = t->tcp != NULL ? t->config.listen_count : 0;
    for (size_t i = 0; i < count; i++)
        ret[i] = tcp_bound(t->tcp, i);
    return count;
}

const struct tcp_counters *thread_tcp_counters(const struct media_thread *t)
{
    return t->tcp != NULL ? tcp_counters(t->tcp) : NULL;
}

const struct worker_stats *thread_worker_stats(const struct media_thread *t)
{
    return worker_stats(t->worker);
}

const struct udp_counters *thread_udp_counters(const struct media_thread *t)
{
    return udp_counters(t->udp);
}

double thread_cpu_seconds(const struct media_thread *t)
{
    return cpu_seconds(t->cpu_clock);
}

double thread_load(struct media_thread *t, usec now)
{
    double cpu = cpu_seconds(t->cpu_clock);
    double wall = (double)(now - t->load_at) / 1e6;
    double load = wall > 0 ? (cpu - t->cpu_seconds_seen) / wall : 0;
    t->cpu_seconds_seen = cpu;
    t->load_at = now;
    return load < 0 ? 0 : load > 1 ? 1 : load;
}
