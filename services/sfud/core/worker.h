/* worker.h - all state of one media thread: transports, rooms, tracks, slots.
 *
 * No socket, clock, lock or global, and after worker_new() no allocation but of keys when a
 * handshake is done. DTLS itself is elsewhere (core/associations.h): requests to it are taken from
 * here, and its notices given back. One thread owns a worker and makes every call; worker_stats()
 * may be read by others. `now` is monotonic and never goes back.
 *
 * One turn of the thread's loop:
 *
 *     for each command:   worker_command(w, command, now);
 *     for each notice:    worker_notice(w, &notice, now);
 *     for each datagram:  worker_receive(w, &datagram, now);      (at most PASS_DATAGRAMS_MAX;
 *                                                 stop early if worker_wants_flush(w))
 *     under load, for a short time while worker_may_wait(w): wait for datagrams, and take them
 *     if (now >= worker_next_deadline(w)) worker_tick(w, now);
 *     while (worker_flush(w, now, &out)) { send all of out; outbox_clear(&out); }
 *     send all of out; outbox_clear(&out);
 *     worker_pass_end(w);
 *     while (worker_next_event(w, &event)) hand it to control;
 *     while (there is room && worker_next_request(w, &request)) hand it to the engine;
 *     wait for datagrams or commands until worker_next_deadline(w)
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SFUD_CORE_WORKER_H
#define SFUD_CORE_WORKER_H

#include "core/association.h"
#include "core/command.h"
#include "core/datagram.h"
#include "core/event.h"
#include "core/outbox.h"
#include "core/stats.h"

#include "rtc/seal_engine.h"

struct worker_config {
    uint8_t random[32]; /* seeds initial sequence numbers, hash keys; fresh per worker */
    /* Wall clock minus `now`, for sender reports; COMMAND_WALL_SET renews it. */
    wall_usec wall_minus_now;
    bool no_bandwidth_control; /* everybody gets all that they ask for */
    usec playout_delay_max;    /* that viewers with loss are asked for (playout.h); 0: not at all */
    /* Who encrypts; borrowed. NULL: OpenSSL. */
    const struct seal_engine *seal;
    /* Capacities; 0 means the WORKER_…_MAX of limits.h. */
    size_t participants_max;
    size_t rooms_max;
    size_t tracks_max;
    size_t slots_max;
    size_t encodings_max;
    size_t cached_packets_max;
    size_t queue_max;
};

struct worker;

/* Allocates everything. NULL without memory. `config` is copied. */
struct worker *worker_new(const struct worker_config *config);
void worker_free(struct worker *w);
/* The end: every transport goes; the engine is asked for their goodbyes. No event tells of it. */
void worker_close(struct worker *w);
/* True when the engine has confirmed the end of every association. */
bool worker_is_closed(const struct worker *w);

/* Bytes worker_new() reserves for this configuration, for the log at start. Most of it is touched
 * only as it is used. */
size_t worker_memory(const struct worker_config *config);

/* Takes one datagram in: opens it in place and routes it into the queues of its viewers. Answers
 * wait for worker_flush(). */
void worker_receive(struct worker *w, const struct datagram *in, usec now);

/* Whether this address passed an ICE check of a participant who is still here. */
bool worker_knows_address(const struct worker *w, const struct net_addr *addr);

/* True when the queues are so full that the pass should be flushed and ended now. */
bool worker_wants_flush(const struct worker *w);

/* True when the newest packet of the pass is not the last one of its frame, and nothing is there
 * that should not wait: the pass may take in more before it is flushed (window.h). */
bool worker_may_wait(const struct worker *w);

/* Seals what waits, viewer by viewer. True: `out` is full, send it, clear it, call again. False:
 * nothing is left (what is in `out` still has to be sent). */
MUST_USE bool worker_flush(struct worker *w, usec now, struct outbox *out);

/* After the last worker_flush(): the memory of the pass's datagrams may be used again. */
void worker_pass_end(struct worker *w);

/* Takes `c`; it comes back in EVENT_COMMAND_DONE (at once: take events after each command). */
void worker_command(struct worker *w, struct command *c, usec now);

/* Timers: RTCP, NACK, keyframe retries, consent. What they send waits for
 * worker_flush(). Too early is harmless. */
void worker_tick(struct worker *w, usec now);

/* USEC_NEVER if nothing is pending. */
usec worker_next_deadline(const struct worker *w);

/* False if there is none. */
MUST_USE bool worker_next_event(struct worker *w, struct event *ret);

/* The next request to the association engine; false if there is none. Not taken, nothing but
 * datagrams of handshakes is lost. */
MUST_USE bool worker_next_request(struct worker *w, struct association_request *ret);

/* What the engine answers. Datagrams in it wait for worker_flush(). */
void worker_notice(struct worker *w, const struct association_notice *n, usec now);

const struct worker_stats *worker_stats(const struct worker *w);

#endif
