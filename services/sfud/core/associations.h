/* associations.h - the association engine: DTLS of all participants of a node, off the media path.
 *
 * A handshake costs OpenSSL about 2 ms of CPU and allocates; media threads do neither. They check
 * that a datagram comes from an address that passed ICE and hand it over (core/association.h); one
 * thread (io/association_thread.h) runs this engine for all workers. Bounded:
 * HANDSHAKES_RUNNING_MAX at a time, HANDSHAKE_STEPS_PER_TURN of work in a turn, the others wait;
 * who takes longer than DTLS_HANDSHAKE_TIMEOUT, or sends more than HANDSHAKE_BYTES_MAX, has failed.
 *
 * A participant may begin again (RFC 8842 §5.5, RFC 6347 §4.2.8): a ClientHello that is not the one
 * of the present association runs beside it and takes its place when it is done, never before.
 *
 * Who has data channels has SCTP in the records of DTLS: packets are read from them, go
 * through core/data_rooms.h and back (associations_data.c), in the tick of the same turn.
 *
 * No socket, clock or lock; no global but that of SCTP's library, so one engine of a process may
 * have participants with data channels; `now` is monotonic. Made by one thread, then owned by one.
 *
 * One turn:
 *
 *     for each request of each worker: associations_receive(a, worker, &request, now);
 *     associations_tick(a, now);
 *     for each worker: while (there is room && associations_next(a, worker, &notice)) hand it over;
 *     wait for requests until associations_next_deadline(a)
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SFUD_CORE_ASSOCIATIONS_H
#define SFUD_CORE_ASSOCIATIONS_H

#include "core/association.h"
#include "core/associations_stats.h"

struct associations_config {
    struct dtls_context *dtls; /* borrowed, outlives the engine */
    size_t worker_count;
    size_t participants_max; /* of each worker; 0: WORKER_PARTICIPANTS_MAX */
};

struct associations;

/* NULL without memory. */
struct associations *associations_new(const struct associations_config *config);
void associations_free(struct associations *a);
/* Bytes associations_new() reserves, touched only as they are used. */
size_t associations_memory(const struct associations_config *config);

/* Takes one request of worker 0..worker_count-1. Datagrams of handshakes wait for the next tick,
 * others are read at once. */
void associations_receive(struct associations *a, size_t worker,
                          const struct association_request *request, usec now);

/* Timers, and a turn of work for handshakes. */
void associations_tick(struct associations *a, usec now);
/* USEC_NEVER if nothing is pending; 0 if there is work left. */
usec associations_next_deadline(const struct associations *a);

/* The next message to that worker; false if there is none. Not called, nothing is lost. */
MUST_USE bool associations_next(struct associations *a, size_t worker,
                                struct association_notice *ret);

const struct associations_stats *associations_stats(const struct associations *a);

#endif
