/* association_port.h - the worker's half of its participants' DTLS: places, and what waits to be
 * taken to the association engine.
 *
 * Datagrams wait in a queue of fixed size; full, or too many of one participant, is a counted drop
 * (DTLS repeats). What must not be lost (open, restart, close) is a mark on its place. A place is
 * used again only after the engine has confirmed its end, so that two associations never meet under
 * one handle. Owned by the worker's thread.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SFUD_CORE_ASSOCIATION_PORT_H
#define SFUD_CORE_ASSOCIATION_PORT_H

#include "common/list.h"
#include "common/token_bucket.h"
#include "core/association.h"
#include "core/transport.h"

struct association_place {
    handle self;
    handle transport;            /* 0: it is gone, the end is awaited */
    struct transport_address to; /* where answers go: from where the last datagram came */
    struct token_bucket rate;    /* datagrams */
    struct list_link marked;     /* wants_… is set */
    bool wants_open, wants_restart, wants_close;
    bool is_open; /* the engine knows of it */
};

struct association_port {
    struct pool places;
    struct list marked;
    struct association_datagram *queue; /* ASSOCIATION_QUEUE_MAX */
    size_t first, count;
};

/* ERR_SYSTEM without memory. */
MUST_USE enum err association_port_init(struct association_port *p, size_t participants_max);
void association_port_done(struct association_port *p);
size_t association_port_memory(size_t participants_max);

/* A new association; 0 when all places are taken. Data channels are more datagrams. */
handle association_port_open(struct association_port *p, handle transport,
                             const struct transport_address *to, bool has_data, usec now);
/* Its next handshake, with the transport's present fingerprints. */
void association_port_restart(struct association_port *p, handle association);
/* The transport goes, or needs it no more. to: where the goodbye goes. */
void association_port_close(struct association_port *p, handle association,
                            const struct transport_address *to);

/* Takes a copy. ERR_EXPIRED: too many of this association; ERR_FULL: no room at all. */
MUST_USE enum err association_port_put(struct association_port *p, handle association,
                                       const struct datagram *d, usec now);

/* The place, or NULL. */
struct association_place *association_port_find(const struct association_port *p,
                                                handle association);
/* The engine has confirmed its end. */
void association_port_on_closed(struct association_port *p, handle association);
/* Until the engine has confirmed all. */
static inline size_t association_port_count(const struct association_port *p)
{
    return p->places.live;
}

/* The next thing to tell the engine, but for what only the transport knows (role, expected). False
 * if there is none. */
MUST_USE bool association_port_next(struct association_port *p, struct association_request *ret);

#endif
