/* One thread of the engine: its loop, timers and mailbox. See engine_private.h.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "io/engine_private.h"

#include "common/os/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
    DUE_MAX = 1024, /* bots ticked before sockets have their turn again */
    PUBLISH_MS = 1000,
    CLOSING_TURNS = 5000, /* of a millisecond, at most, for handles to close */
};

/* ---- timers */

static void run_due(struct engine_thread *t)
{
    usec now = clock_now();
    for (unsigned i = 0; i < DUE_MAX; i++) {
        struct deadline *d = deadline_heap_first(&t->heap);
        if (d == NULL || d->at > now) {
            now = clock_now();
            if (d == NULL || d->at > now)
                break;
        }
        engine_bot_on_deadline(container_of(d, struct engine_bot, deadline), clock_now());
    }
}

static void set_alarm(struct engine_thread *t)
{
    struct deadline *d = deadline_heap_first(&t->heap);
    media_wake_at(t->media, d == NULL ? USEC_NEVER : d->at);
}

/* After the sockets were read, or the time has come. */
static void on_pass(void *data, usec now)
{
    struct engine_thread *t = data;
    (void)now;
    if (t->is_stopping)
        return;
    run_due(t);
    set_alarm(t);
}

/* Before the loop sleeps: events of other handles may have moved deadlines. */
static void on_prepare(uv_prepare_t *prepare)
{
    struct engine_thread *t = prepare->data;
    if (!t->is_stopping)
        set_alarm(t);
}

/* ---- what it says of itself */

static void take_counters(struct engine_thread *t, struct engine_thread_stats *ret)
{
    const struct media_counters *m = media_counters(t->media);
    struct timespec cpu;
    *ret = t->stats;
    ret->wall_us = clock_now() - t->began;
    ret->busy_us = MAX(0, ret->wall_us - (usec)(uv_metrics_idle_time(&t->loop) / 1000));
    check(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu) == 0);
    ret->cpu_us = (usec)cpu.tv_sec * USEC_PER_SEC + cpu.tv_nsec / 1000;
    ret->datagrams_in = m->datagrams_in;
    ret->bytes_in = m->bytes_in;
    ret->datagrams_out = m->datagrams_out;
    ret->bytes_out = m->bytes_out;
    ret->receive_calls = m->receive_calls;
    ret->send_calls = m->send_calls;
    ret->socket_drops = m->drops;
    ret->outbound_dropped = t->out.dropped;
    ret->send_full = m->send_full;
    ret->send_failed += m->send_failed;
    ret->refused = m->refused;
}

void engine_thread_publish(struct engine_thread *t)
{
    struct engine_published *p = &t->draft;
    *p = (struct engine_published){ .at = clock_now() };
    for (unsigned i = 0; i < t->engine->config.world->scenario->group_count; i++)
        measure_add(&p->measure, &t->measures[i]);
    take_counters(t, &p->stats);
    p->websockets = (unsigned)websocket_pool_count(t->websockets);
    for (unsigned i = 0; i < t->bot_count; i++) {
        const struct engine_bot *b = &t->bots[i];
        enum bot_state state = bot_state(b->bot);
        check((unsigned)state < ENGINE_BOT_STATES);
        p->states[state]++;
        p->started += b->is_started;
        p->joined += b->has_joined;
        p->failed += b->has_failed;
    }
    pthread_mutex_lock(&t->lock);
    p->failures = t->failures_seen;
    t->published = *p;
    pthread_mutex_unlock(&t->lock);
}

static void on_publish(uv_timer_t *timer)
{
    engine_thread_publish(timer->data);
}

/* ---- commands */

static double join_rate(const struct engine *e)
{
    double rate = e->config.joins_per_second;
    if (rate <= 0)
        rate = e->config.world->scenario->joins_per_second;
    return rate > 0 ? rate : 1e6;
}

static void start(struct engine_thread *t, usec at)
{
    double gap_us = 1e6 / join_rate(t->engine);
    for (unsigned i = 0; i < t->bot_count; i++) {
        struct engine_bot *b = &t->bots[i];
        deadline_heap_set(&t->heap, &b->deadline, at + (usec)(gap_us * b->order));
    }
}

static void plateau(struct engine_thread *t, bool begins)
{
    for (unsigned i = 0; i < t->bot_count; i++) {
        struct engine_bot *b = &t->bots[i];
        b->now = MAX(b->now, clock_now());
        if (begins)
            bot_begin_plateau(b->bot, b->now);
        else
            bot_end_plateau(b->bot, b->now);
    }
}

/* Every 1/share-th of those that are connected; threads begin at different points of the count, so
 * that a small share is not rounded away on each of them. */
static unsigned storm(struct engine_thread *t, const struct storm *s)
{
    const struct bot_world *world = t->engine->config.world;
    double share = MIN(MAX(s->share, 0.0), 1.0);
    double sum = (double)t->index / t->engine->thread_count;
    unsigned hit = 0;
    for (unsigned i = 0; i < t->bot_count; i++) {
        struct engine_bot *b = &t->bots[i];
        struct bot_place place = scenario_place(world->scenario, bot_index(b->bot));
        if (bot_state(b->bot) != BOT_CONNECTED || (s->group >= 0 && (int)place.group != s->group))
            continue;
        sum += share;
        if (sum < 1.0 - 1e-9)
            continue;
        sum -= 1.0;
        hit++;
        engine_bot_hit(b, s->rejoin);
    }
    return hit;
}

static void tell(struct engine_thread *t, bool *what)
{
    pthread_mutex_lock(&t->lock);
    *what = true;
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
}

static void stop(struct engine_thread *t)
{
    t->is_stopping = true;
    tell(t, &t->is_deaf);
    for (unsigned i = 0; i < t->bot_count; i++)
        engine_bot_release(&t->bots[i]);
    websocket_pool_close(t->websockets);
    media_sockets_close(t->media);
    fetcher_close(t->fetcher, NULL, NULL);
    uv_close((uv_handle_t *)&t->prepare, NULL);
    uv_close((uv_handle_t *)&t->publish, NULL);
    uv_close((uv_handle_t *)&t->wake, NULL);
}

static void obey(struct engine_thread *t, struct engine_command *c)
{
    switch (c->kind) {
    case COMMAND_START:
        start(t, c->at);
        return;
    case COMMAND_BEGIN_PLATEAU:
    case COMMAND_END_PLATEAU:
        plateau(t, c->kind == COMMAND_BEGIN_PLATEAU);
        return;
    case COMMAND_STORM:
        c->hit = storm(t, &c->storm);
        return;
    case COMMAND_LEAVE_ALL:
        for (unsigned i = 0; i < t->bot_count; i++)
            engine_bot_leave(&t->bots[i]);
        return;
    case COMMAND_FOR_EACH:
        for (unsigned i = 0; i < t->bot_count; i++)
            c->fn(t->bots[i].bot, c->data);
        return;
    case COMMAND_STOP:
        engine_thread_publish(t);
        stop(t);
        return;
    }
}

static void finish(struct engine_thread *t, struct engine_command *c)
{
    if (!t->is_stopping)
        engine_thread_publish(t);
    pthread_mutex_lock(&t->lock);
    bool is_abandoned = c->is_abandoned;
    c->is_done = true;
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
    if (is_abandoned)
        free(c);
}

static void on_wake(uv_async_t *wake)
{
    struct engine_thread *t = wake->data;
    while (!t->is_stopping) {
        pthread_mutex_lock(&t->lock);
        struct list_link *l = list_pop_front(&t->mailbox);
        struct engine_command *c = l == NULL ? NULL : container_of(l, struct engine_command, link);
        bool is_moot = c != NULL && c->is_abandoned && c->kind == COMMAND_FOR_EACH;
        pthread_mutex_unlock(&t->lock);
        if (c == NULL)
            return;
        if (!is_moot)
            obey(t, c);
        finish(t, c);
    }
}

/* ---- from start to end */

static bool fail(struct engine_thread *t, const char *what)
{
    snprintf(t->error, sizeof t->error, "%s", what);
    return false;
}

static bool make_bots(struct engine_thread *t)
{
    const struct engine *e = t->engine;
    unsigned count = (e->config.bots + e->thread_count - 1 - t->index) / e->thread_count;
    unsigned groups = e->config.world->scenario->group_count;
    t->measures = calloc(MAX(groups, 1u), sizeof *t->measures);
    t->bots = calloc(MAX(count, 1u), sizeof *t->bots);
    if (t->measures == NULL || t->bots == NULL || deadline_heap_init(&t->heap, count) != OK)
        return fail(t, "no memory for bots");
    for (; t->bot_count < count; t->bot_count++) {
        unsigned order = t->bot_count * e->thread_count + t->index;
        if (!engine_bot_init(&t->bots[t->bot_count], t, order))
            return fail(t, "no memory for bots");
    }
    return true;
}

static bool make_io(struct engine_thread *t)
{
    const struct engine_config *c = &t->engine->config;
    struct websocket_pool_config websockets = { .loop = &t->loop,
                                                .events = &engine_bot_events,
                                                .ca_file = t->engine->ca_file,
                                                .insecure = c->insecure };
    struct media_config media = { .loop = &t->loop,
                                  .on_datagram = engine_bot_on_datagram,
                                  .on_pass = on_pass,
                                  .data = t,
                                  .source = c->source,
                                  .receive_buffer = c->receive_buffer,
                                  .gro = !c->no_gro,
                                  .gso = !c->no_gso };
    struct fetcher_config fetcher = { .loop = &t->loop,
                                      .ca_file = t->engine->ca_file,
                                      .insecure = c->insecure };
    enum err e = media_sockets_new(&media, &t->media);
    if (e != OK)
        return fail(t, e == ERR_MALFORMED ? "the source is not an IP address" : "no UDP sockets");
    if (fetcher_new(&fetcher, &t->fetcher) != OK)
        return fail(t, "libcurl does not start");
    if (websocket_pool_new(&websockets, &t->websockets) != OK)
        return fail(t, "libwebsockets does not start (is the CA file readable?)");
    t->recorder = recorder_new();
    t->arena = malloc(OUTBOUND_ARENA_SIZE);
    if (t->recorder == NULL || t->arena == NULL)
        return fail(t, "no memory");
    outbound_init(&t->out, t->arena);
    return true;
}

static void make_handles(struct engine_thread *t)
{
    uv_prepare_init(&t->loop, &t->prepare);
    uv_timer_init(&t->loop, &t->publish);
    t->prepare.data = t;
    t->publish.data = t;
    uv_prepare_start(&t->prepare, on_prepare);
    uv_timer_start(&t->publish, on_publish, PUBLISH_MS, PUBLISH_MS);
}

static void close_all(struct engine_thread *t)
{
    int left = 1;
    if (!t->is_stopping)
        stop(t);
    for (int i = 0; left != 0 && i < CLOSING_TURNS; i++) {
        left = uv_run(&t->loop, UV_RUN_NOWAIT);
        if (left != 0)
            (void)nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    }
    if (left != 0) { /* a resolver that does not come back still writes to our memory */
        tell(t, &t->is_stuck);
        return;
    }
    websocket_pool_free(t->websockets);
    media_sockets_free(t->media);
    fetcher_free(t->fetcher);
    recorder_free(t->recorder);
    outbound_clear(&t->out);
    free(t->arena);
    (void)uv_loop_close(&t->loop);
}

void *engine_thread_main(void *thread)
{
    struct engine_thread *t = thread;
    t->began = clock_now();
    make_handles(t);
    if (make_io(t) && make_bots(t)) {
        engine_thread_publish(t);
        tell(t, &t->is_ready);
        uv_run(&t->loop, UV_RUN_DEFAULT);
    }
    close_all(t);
    tell(t, &t->has_ended);
    return NULL;
}

bool engine_thread_init(struct engine_thread *t, struct engine *e, unsigned index)
{
    pthread_condattr_t attributes;
    t->engine = e;
    t->index = index;
    list_init(&t->mailbox);
    pthread_mutex_init(&t->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&t->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    if (uv_loop_init(&t->loop) != 0)
        return false;
    check(uv_loop_configure(&t->loop, UV_METRICS_IDLE_TIME) == 0);
    t->wake.data = t;
    return uv_async_init(&t->loop, &t->wake, on_wake) == 0; /* here: others may wake it at once */
}

void engine_thread_done(struct engine_thread *t)
{
    for (unsigned i = 0; i < t->bot_count; i++)
        engine_bot_done(&t->bots[i]);
    for (struct list_link *l; (l = list_pop_front(&t->mailbox)) != NULL;)
        free(container_of(l, struct engine_command, link));
    free(t->bots);
    free(t->measures);
    deadline_heap_done(&t->heap);
    free(t->failures);
    pthread_cond_destroy(&t->changed);
    pthread_mutex_destroy(&t->lock);
}
