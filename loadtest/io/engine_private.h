/* engine_private.h - what the parts of the engine share.
 *
 *   engine.c           the main thread: starts threads, commands, ends
 *   engine_snapshot.c  what threads publish, added up
 *   engine_thread.c    one thread: its loop, its timers, its mailbox
 *   engine_bot.c       one bot on its thread: events in, what it wants done out
 *   engine_network.c   the emulated network between a bot and its sockets
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_IO_ENGINE_PRIVATE_H
#define LOADTEST_IO_ENGINE_PRIVATE_H

#include "common/list.h"
#include "core/netem.h"
#include "io/deadline_heap.h"
#include "io/engine.h"
#include "io/fetch.h"
#include "io/media_socket.h"
#include "io/recorder.h"
#include "io/websocket.h"

#include <pthread.h>

enum engine_command_kind {
    COMMAND_START,
    COMMAND_BEGIN_PLATEAU,
    COMMAND_END_PLATEAU,
    COMMAND_STORM,
    COMMAND_LEAVE_ALL,
    COMMAND_FOR_EACH,
    COMMAND_STOP,
};

struct engine_command {
    struct list_link link;
    enum engine_command_kind kind;
    usec at;            /* START */
    struct storm storm; /* STORM */
    void (*fn)(struct bot *bot, void *data);
    void *data;   /* FOR_EACH */
    unsigned hit; /* STORM: the answer */
    bool is_done, is_abandoned;
};

struct engine_thread;

struct engine_bot {
    struct deadline deadline;
    struct bot *bot;
    struct engine_thread *thread;
    unsigned order; /* in this process: 0 … */
    struct media_socket *legs[BOT_LEGS_MAX];
    struct websocket *websocket;
    struct fetch *fetch;
    struct netem *up, *down; /* NULL: a perfect network */
    bool is_started, has_joined, has_failed;
    usec now;        /* of the last call: a bot's time does not go back */
    usec failure_at; /* of the last failure that was noted */
};

/* What a thread says of itself. */
struct engine_published {
    usec at;
    struct measure measure;
    unsigned states[ENGINE_BOT_STATES];
    unsigned started, joined, failed, websockets;
    uint64_t failures;
    struct engine_thread_stats stats;
};

struct engine_thread {
    struct engine *engine;
    unsigned index;
    pthread_t id;
    bool has_id;
    /* of the thread alone */
    uv_loop_t loop;
    uv_prepare_t prepare;
    uv_async_t wake;
    uv_timer_t publish;
    struct websocket_pool *websockets;
    struct media_sockets *media;
    struct fetcher *fetcher;
    struct recorder *recorder;
    struct outbound out;
    uint8_t *arena;
    struct engine_bot *bots;
    unsigned bot_count;
    struct deadline_heap heap;
    struct measure *measures; /* of each of the scenario's groups */
    struct engine_thread_stats stats;
    struct engine_published draft;
    usec began;
    bool is_stopping;
    /* shared, under the lock */
    pthread_mutex_t lock;
    pthread_cond_t changed; /* CLOCK_MONOTONIC */
    struct list mailbox;
    struct engine_published published;
    struct engine_failure *failures; /* grows up to ENGINE_FAILURES_MAX */
    size_t failure_count, failure_capacity;
    uint64_t failures_seen;
    bool is_ready, has_ended;
    bool is_deaf;                 /* `wake` is no more */
    bool is_stuck;                /* handles of the loop did not close: nothing is freed */
    char error[ENGINE_ERROR_MAX]; /* "" = started */
};

struct engine {
    struct engine_config config;
    char *ca_file;
    struct engine_thread *threads;
    unsigned thread_count;
    bool has_stopped;
    bool is_stuck; /* a thread did not end: its memory is left to it */
};

/* --- engine_thread.c --- */

void *engine_thread_main(void *thread);
bool engine_thread_init(struct engine_thread *t, struct engine *e, unsigned index);
void engine_thread_done(struct engine_thread *t);
/* Copies what is known now to `published`. */
void engine_thread_publish(struct engine_thread *t);

/* --- engine_bot.c --- */

extern const struct websocket_events engine_bot_events;

/* False: no memory. */
bool engine_bot_init(struct engine_bot *b, struct engine_thread *t, unsigned order);
void engine_bot_done(struct engine_bot *b);
void engine_bot_on_datagram(void *data, const struct media_arrival *arrival);
/* Starts or ticks it: its deadline has come. */
void engine_bot_on_deadline(struct engine_bot *b, usec now);
void engine_bot_leave(struct engine_bot *b);
void engine_bot_hit(struct engine_bot *b, bool rejoin);
/* After each call into the bot: performs what it wants, and sets its next deadline. */
void engine_bot_settle(struct engine_bot *b);
void engine_bot_release(struct engine_bot *b);

/* --- engine_network.c --- */

/* False: no memory. */
bool engine_network_init(struct engine_bot *b, uint64_t seed);
void engine_network_done(struct engine_bot *b);
/* What the bot wants sent, into `up`, which is not NULL. */
void engine_network_send(struct engine_bot *b, const struct outbound *out, usec now);
/* What has arrived, into `down`, which is not NULL. */
void engine_network_receive(struct engine_bot *b, const struct media_arrival *a, usec now);
usec engine_network_deadline(const struct engine_bot *b);
/* Lets out what is due. */
void engine_network_run(struct engine_bot *b, usec now);

#endif
