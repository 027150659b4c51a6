/* servers_private.h - what servers.c, servers_cluster.c and servers_json.c share.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_SERVERS_PRIVATE_H
#define LOADTEST_SERVERS_PRIVATE_H

#include "io/fetch.h"
#include "io/servers.h"

enum { SERVERS_REASONS_MAX = 24, SERVERS_REASON_BYTES = 40 };

/* A counter of a process that may start anew: the sum over its lives. */
struct tally {
    double last, total;
    bool is_known;
};

enum tally_kind {
    TALLY_CPU_SECONDS,
    TALLY_PACKETS_IN,
    TALLY_PACKETS_OUT,
    TALLY_BYTES_IN,
    TALLY_BYTES_OUT,
    TALLY_DROPPED,
    TALLY_COUNT,
};

struct sums {
    struct tally of[TALLY_COUNT];
    struct {
        char name[SERVERS_REASON_BYTES];
        struct tally tally;
    } reasons[SERVERS_REASONS_MAX]; /* of drops */
    size_t reason_count;
};

struct series {
    float *cpu;
    uint64_t *memory_bytes;
    size_t count, capacity;
};

/* What the report says, from one poll to another. */
struct interval {
    bool is_open, has_begun; /* has_begun: with the first poll that was finished in it */
    usec began, ended;       /* times of polls */
    struct sums at_begin;
    uint64_t memory_start, memory_peak, memory_end;
    bool was_restarted;
    bool was_seen; /* a poll found its process, or its metrics answered */
    unsigned polls, polls_failed;
    char why[96]; /* of the last failed poll */
};

struct server {
    struct servers *all;
    /* given, owned */
    char *name, *metrics_url, *pid_file, *io_backend;
    /* who it is */
    pid_t pid;            /* 0: not known */
    uint64_t start_ticks; /* of pid; 0: not seen yet */
    double start_seconds; /* by its metrics; 0: not seen yet */
    bool is_seen_by_proc; /* CPU and memory come from the kernel */
    /* what it does */
    bool is_up;
    struct sums sums;
    uint64_t memory_bytes;
    usec polled;       /* when it last answered, or did not; 0: never */
    usec cpu_taken;    /* when the sum of CPU seconds was */
    double cpu_before; /* that sum at the last tick, and when it was taken */
    usec cpu_taken_before;
    double cpu_share;
    struct series series;
    /* the poll that goes on */
    bool is_asked;
    /* the report */
    struct interval interval;
    bool is_end_awaited;
};

struct servers {
    uv_loop_t *loop; /* given */
    /* owned */
    struct fetcher *fetcher;
    struct server *list[LIVE_SERVERS_MAX];
    size_t count;
    bool has_ticked;
    void (*on_result)(json_t *servers, void *data);
    void *result_data;
    void (*on_stopped)(void *data);
    void *stop_data;
};

/* The array "servers" of the result. */
json_t *servers_interval_json(const struct servers *s);
/* Takes the figures of one exposition, which came at `now`. */
void server_read_metrics(struct server *v, struct bytes text, usec now);
/* value: what the counter says now; is_new_life: it began at zero since last time. */
void tally_take(struct tally *t, double value, bool is_new_life);

#endif
