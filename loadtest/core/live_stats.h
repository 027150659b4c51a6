/* live_stats.h - what is true of a run right now, as the engine puts it together once a second.
 *
 * One plain struct for all who show a run while it lasts: the terminal (live_view.h), the plain
 * lines of a log, and the Prometheus endpoint (io/exporter.h). Zero-initialised is "nothing yet".
 * The engine's main thread owns it; readers are called on that thread.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_LIVE_STATS_H
#define LOADTEST_LIVE_STATS_H

#include "core/histogram.h"

enum {
    LIVE_NAME_MAX = 64,
    LIVE_TEXT_MAX = 160,
    LIVE_SERVERS_MAX = 64,
};

enum live_phase {
    LIVE_RAMP,    /* bots join */
    LIVE_SETTLE,  /* the last one has joined; nothing is measured yet */
    LIVE_PLATEAU, /* measured */
    LIVE_LEAVING,
    LIVE_DONE,
    LIVE_PHASE_COUNT,
};
/* "ramp", "settle", "plateau", "leaving", "done". */
const char *live_phase_name(enum live_phase p);

struct live_server {
    char name[LIVE_NAME_MAX];
    bool up;               /* answered last time */
    double cpu_share;      /* of one core, in the last second: 1.7 is 1.7 cores */
    uint64_t memory_bytes; /* resident */
};

/* One way. */
struct live_flow {
    uint64_t packets_total, bytes_total; /* since the start */
    double packets_per_second, bytes_per_second;
};

struct live_stats {
    /* what runs */
    char scenario[LIVE_NAME_MAX];
    char target[LIVE_TEXT_MAX]; /* URL of the servers */

    /* where it is */
    enum live_phase phase;
    double seconds;       /* since the start */
    double phase_seconds; /* in this phase */
    double phase_length;  /* planned; 0: not known */

    /* bots; wanted is all of the scenario */
    unsigned bots_wanted;
    unsigned bots_joining;
    unsigned bots_joined;    /* have ever joined */
    unsigned bots_connected; /* signaling and media, now */
    unsigned bots_failed;
    unsigned signaling_down; /* media goes on, signaling is being resumed */

    /* media: RTP as bots send and receive it */
    struct live_flow sent, received;
    uint64_t latency_p50_us, latency_p99_us; /* of the last second */
    bool has_latency;                        /* there were any in the last second */
    double loss;                             /* 0..1, after RTX, in the last second */
    uint64_t expected_total, lost_total;     /* after RTX, since the start */
    uint64_t freezes_total;
    unsigned freezes; /* that began in the last second */
    /* All of the run, microseconds. Borrowed: valid for the call it is passed to. May be NULL. */
    const struct histogram *latency_us;

    /* what was done to the servers last; "" = nothing yet */
    char chaos[LIVE_TEXT_MAX];

    /* this program: shares of one core in the last second */
    double tester_cpu_share;    /* all threads */
    double tester_thread_share; /* the busiest of them */
    uint64_t tester_memory_bytes;
    bool tester_saturated;

    struct live_server servers[LIVE_SERVERS_MAX];
    unsigned server_count;
};

#endif
