/* engine.h - runs the bots of this process on threads: joins at the scenario's rate, sockets,
 * requests, timers, and commands from the main thread.
 *
 * Each thread has a loop, its bots (dealt in turn: bot i runs on thread i modulo the threads),
 * their sockets, one `struct measure`. The main thread commands and looks; no function here waits
 * for longer than ENGINE_REPLY_US, whatever a thread does.
 *
 * Thread: all functions are for the thread that made the engine. Threads block all signals.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_IO_ENGINE_H
#define LOADTEST_IO_ENGINE_H

#include "core/bot.h"

enum {
    ENGINE_THREADS_MAX = 64,
    ENGINE_FAILURES_MAX = 4096, /* kept per thread; all are counted */
    ENGINE_ERROR_MAX = 200,
    ENGINE_BOT_STATES = BOT_LEFT + 1,
};
#define ENGINE_REPLY_US SECONDS(30)

struct engine;

struct engine_config {
    const struct bot_world *world; /* borrowed for life */
    unsigned bots;                 /* indices world->bot_first … + bots - 1 */
    unsigned threads;              /* 0: one per CPU that this process may use */
    uint64_t seed;                 /* bot i gets a seed made of this and its index */
    double joins_per_second;       /* of this process; 0: the scenario's */
    const char *ca_file;           /* PEM; NULL: the system's */
    bool insecure;                 /* any certificate will do */
    const char *source;            /* numeric IP of the media sockets; NULL: any */
    int receive_buffer;            /* SO_RCVBUF of each; 0: 1 MiB */
    bool no_gro, no_gso;           /* for comparison */
};

/* Counters since the start of the thread; an interval is the difference of two. */
struct engine_thread_stats {
    usec wall_us;             /* how long it has run */
    usec busy_us;             /* of which its loop did not sleep */
    usec cpu_us;              /* CLOCK_THREAD_CPUTIME_ID */
    struct histogram late_us; /* how much after its deadline a bot was ticked */
    uint64_t ticks;
    uint64_t datagrams_in, bytes_in, datagrams_out, bytes_out;
    uint64_t receive_calls, send_calls;
    uint64_t socket_drops;     /* our receive buffers were full (SO_RXQ_OVFL). Our fault */
    uint64_t outbound_dropped; /* bots wanted to send more than fits. Our fault */
    uint64_t send_full;        /* the kernel did not take it. Our fault */
    uint64_t send_failed;      /* unreachable, too long */
    uint64_t refused;          /* ICMP: nobody listens there */
    uint64_t file_errors;      /* recordings that could not be written */
};

/* What threads said last; each once a second, and at every command. */
struct engine_snapshot {
    usec at; /* of the oldest part */
    struct measure measure;
    unsigned states[ENGINE_BOT_STATES]; /* bots by bot_state(); not started is BOT_IDLE */
    unsigned started;                   /* of bots, by the ramp */
    unsigned joined;                    /* have ever been BOT_CONNECTED */
    unsigned failed;                    /* have failed to join, ever */
    unsigned websockets;                /* connections, those being made or closed included */
    uint64_t failures;                  /* all, one bot may have several */
    unsigned thread_count;
    struct engine_thread_stats threads[ENGINE_THREADS_MAX];
};

struct engine_failure {
    unsigned bot; /* index in the whole scenario */
    char name[BOT_NAME_MAX];
    char room[BOT_NAME_MAX];
    struct bot_failure failure;
};

/* Makes the threads and their bots; nothing joins yet. ERR_SYSTEM, and why in ret_error (too few
 * descriptors are raised up to the hard limit first). */
MUST_USE enum err engine_new(const struct engine_config *config, struct engine **ret,
                             char ret_error[ENGINE_ERROR_MAX]);
/* Ends the threads if need be, closes everything. NULL is fine. */
void engine_free(struct engine *e);

/* The ramp begins: the bot at place i of this process starts at i / joins_per_second from now. */
void engine_start(struct engine *e);

/* Commands: done on all threads when they return. ERR_EXPIRED: a thread did not get to it within
 * ENGINE_REPLY_US; it will, later. ret (may be NULL) is the state of all threads at the command. */
MUST_USE enum err engine_begin_plateau(struct engine *e, struct engine_snapshot *ret);
MUST_USE enum err engine_end_plateau(struct engine *e, struct engine_snapshot *ret);
/* share of the bots of a group that are connected, evenly spread; *ret_hit: how many. */
MUST_USE enum err engine_storm(struct engine *e, const struct storm *storm, unsigned *ret_hit);
/* Stops the ramp; every bot leaves politely. Wait for websockets == 0, as long as you like. */
MUST_USE enum err engine_leave_all(struct engine *e);
/* Calls fn for every bot on the bot's own thread, thread after thread: no locks needed. */
MUST_USE enum err engine_for_each_bot(struct engine *e, void (*fn)(struct bot *bot, void *data),
                                      void *data);
/* Cuts everything and ends the threads; the last snapshot stays readable. */
void engine_stop(struct engine *e);

/* The latest of all threads, added up. 1 MiB and more: not for the stack. */
void engine_snapshot(struct engine *e, struct engine_snapshot *ret);
/* later -= earlier: counters only; states and counts of bots stay those of later. */
void engine_snapshot_subtract(struct engine_snapshot *later, const struct engine_snapshot *earlier);
/* Copies what bots failed with, thread after thread, each in its order; returns how many. Up to
 * ENGINE_FAILURES_MAX per thread are kept. */
size_t engine_failures(struct engine *e, struct engine_failure *ret, size_t capacity);

#endif
