/* associations_state.h - what is inside of the association engine. For its own files only.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SFUD_CORE_ASSOCIATIONS_STATE_H
#define SFUD_CORE_ASSOCIATIONS_STATE_H

#include "common/list.h"
#include "core/associations.h"
#include "core/data_rooms.h"
#include "core/dtls_record.h"

struct input; /* a datagram that waits for its handshake's turn */

enum handshake_state {
    HANDSHAKE_NONE,
    HANDSHAKE_WAITING, /* for one of HANDSHAKES_RUNNING_MAX turns */
    HANDSHAKE_RUNNING,
};

struct handshake {
    enum handshake_state state;
    struct dtls *dtls; /* RUNNING */
    bool is_started;   /* the client half has said hello */
    struct input *first, *last;
    size_t input_count;
    size_t byte_count; /* received in all */
    usec began_at;
    struct list_link link; /* in `waiting`, or in `runnable` when it has something to do */
};

/* Owned by the engine's thread; its place is that of its handle in the worker. */
struct association {
    /* given */
    handle self; /* 0: not in use */
    enum dtls_role role;
    struct dtls_fingerprint expected[DTLS_FINGERPRINTS_MAX];
    size_t expected_count;
    struct association_data data_channels;
    /* owned */
    struct data_member *member; /* NULL: no data channels, or not connected, or their end */
    struct dtls *dtls;          /* done: connected, or failed and with an alert to send */
    struct handshake handshake;
    /* derived */
    uint8_t hello[DTLS_RANDOM_LEN]; /* of the newest handshake's client */
    bool is_restart_allowed;        /* by signaling: at once */
    usec connected_at;
    struct dtls_keys keys; /* until told */
    usec handshake_us;
    enum err reason;
    bool has_keys, has_failed, has_ended, has_closed; /* to be told */
    struct list_link ready;                           /* in its worker's list */
    struct list_link in_data;                         /* has a member */
};

struct associations {
    /* given */
    struct associations_config config;
    /* owned */
    struct association *places; /* worker after worker */
    usec *deadlines;            /* by place */
    struct list *ready;         /* by worker: with something to tell */
    struct data_rooms *data;    /* from the first participant with data channels on */
    /* derived */
    size_t places_per_worker, place_count;
    struct list waiting, runnable; /* handshakes */
    struct list with_data;         /* associations that have a member */
    bool has_packets;              /* a member may have some to send */
    size_t running_count, waiting_count;
    usec next_deadline;
    struct associations_stats stats;
};

void associations_add(struct associations *a, enum associations_stat s, int64_t n);

static inline size_t association_place_of(const struct associations *a,
                                          const struct association *as)
{
    return (size_t)(as - a->places);
}

/* Something is to be told of it. */
void association_tell(struct associations *a, struct association *as);
/* Its deadline is now `when`. */
void association_wake(struct associations *a, const struct association *as, usec when);

/* associations_handshake.c */

/* Waits for its turn from now on. */
void handshake_begin(struct associations *a, struct association *as, usec now);
/* Those whose turn has come run. */
void handshakes_admit(struct associations *a, usec now);
/* One datagram's worth of work. */
void handshake_step(struct associations *a, struct association *as, usec now);
/* After anything that moved it. */
void handshake_follow(struct associations *a, struct association *as, usec now);
/* A datagram for it. */
void handshake_keep(struct associations *a, struct association *as, struct bytes datagram);
/* The established one, or none, goes on without it. */
void handshake_fail(struct associations *a, struct association *as, enum err why);
/* Takes it apart, but for its dtls, which is given back. */
struct dtls *handshake_leave(struct associations *a, struct association *as);

/* associations_data.c */

/* A handshake is done: SCTP begins over it, or goes on. */
void association_data_connected(struct associations *a, struct association *as, usec now);
/* What has come in records of DTLS. */
void association_data_take(struct associations *a, struct association *as, usec now);
/* No data of this association any more. */
void association_data_end(struct associations *a, struct association *as);
/* SCTP's timers, and all that is to be sent. */
void associations_data_tick(struct associations *a, usec now);
/* 0: there are packets to send. */
usec associations_data_next_deadline(const struct associations *a);

#endif
