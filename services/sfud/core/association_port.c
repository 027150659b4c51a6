/* SPDX-License-Identifier: Apache-2.0 */
#include "core/association_port.h"

#include <stdlib.h>

struct association_datagram {
    handle association;
    uint16_t len;
    uint8_t data[DATAGRAM_SIZE_MAX];
};

/* Each participant has one, and one more may be on its way out. */
static size_t place_count(size_t participants_max)
{
    return 2 * participants_max;
}

size_t association_port_memory(size_t participants_max)
{
    return pool_memory(place_count(participants_max), sizeof(struct association_place)) +
           ASSOCIATION_QUEUE_MAX * sizeof(struct association_datagram);
}

enum err association_port_init(struct association_port *p, size_t participants_max)
{
    *p = (struct association_port){ .first = 0 };
    list_init(&p->marked);
    enum err err =
        pool_init(&p->places, place_count(participants_max), sizeof(struct association_place));
    p->queue = calloc(ASSOCIATION_QUEUE_MAX, sizeof *p->queue);
    return err == OK && p->queue != NULL ? OK : ERR_SYSTEM;
}

void association_port_done(struct association_port *p)
{
    pool_done(&p->places);
    free(p->queue);
    p->queue = NULL;
}

static void mark(struct association_port *p, struct association_place *place)
{
    if (!list_link_is_linked(&place->marked))
        list_push_back(&p->marked, &place->marked);
}

handle association_port_open(struct association_port *p, handle transport,
                             const struct transport_address *to, bool has_data, usec now)
{
    handle h;
    struct association_place *place = pool_take(&p->places, &h);
    if (place == NULL)
        return 0;
    *place = (struct association_place){
        .self = h, .transport = transport, .to = *to, .wants_open = true
    };
    token_bucket_init(&place->rate,
                      has_data ? ASSOCIATION_DATA_PER_SEC : ASSOCIATION_DATAGRAMS_PER_SEC,
                      has_data ? ASSOCIATION_DATA_BURST : ASSOCIATION_DATAGRAMS_BURST, now);
    list_link_init(&place->marked);
    mark(p, place);
    return h;
}

void association_port_restart(struct association_port *p, handle association)
{
    struct association_place *place = pool_at(&p->places, association);
    if (place == NULL || place->wants_open)
        return;
    place->wants_restart = true;
    mark(p, place);
}

static void give_back(struct association_port *p, struct association_place *place)
{
    list_remove(&place->marked);
    pool_give(&p->places, place->self);
}

void association_port_close(struct association_port *p, handle association,
                            const struct transport_address *to)
{
    struct association_place *place = pool_at(&p->places, association);
    if (place == NULL)
        return;
    place->transport = 0;
    place->to = *to;
    if (!place->is_open) {
        give_back(p, place);
        return;
    }
    place->wants_restart = false;
    place->wants_close = true;
    mark(p, place);
}

enum err association_port_put(struct association_port *p, handle association,
                              const struct datagram *d, usec now)
{
    struct association_place *place = pool_at(&p->places, association);
    if (place == NULL || place->transport == 0)
        return ERR_NOT_FOUND;
    if (!token_bucket_take(&place->rate, 1, now))
        return ERR_EXPIRED;
    if (p->count == ASSOCIATION_QUEUE_MAX || d->len > DATAGRAM_SIZE_MAX)
        return ERR_FULL;
    struct association_datagram *at = &p->queue[(p->first + p->count++) % ASSOCIATION_QUEUE_MAX];
    at->association = association;
    at->len = (uint16_t)d->len;
    memcpy(at->data, d->data, d->len);
    place->to = (struct transport_address){ .addr = d->from, .path = d->path };
    return OK;
}

struct association_place *association_port_find(const struct association_port *p,
                                                handle association)
{
    return pool_at(&p->places, association);
}

void association_port_on_closed(struct association_port *p, handle association)
{
    struct association_place *place = pool_at(&p->places, association);
    if (place != NULL)
        give_back(p, place);
}

/* What is marked on a place, in the order in which it makes sense. */
static bool next_mark(struct association_port *p, struct association_request *ret)
{
    if (list_is_empty(&p->marked))
        return false;
    struct association_place *place =
        list_entry(p->marked.head.next, struct association_place, marked);
    if (place->wants_open) {
        ret->kind = ASSOCIATION_OPEN;
        place->wants_open = false;
        place->is_open = true;
    } else if (place->wants_restart) {
        ret->kind = ASSOCIATION_RESTART;
        place->wants_restart = false;
    } else {
        ret->kind = ASSOCIATION_CLOSE;
        place->wants_close = false;
    }
    ret->association = place->self;
    if (!place->wants_restart && !place->wants_close)
        list_remove(&place->marked);
    return true;
}

bool association_port_next(struct association_port *p, struct association_request *ret)
{
    ret->len = 0;
    ret->expected_count = 0;
    if (next_mark(p, ret))
        return true;
    while (p->count > 0) {
        const struct association_datagram *d = &p->queue[p->first];
        p->first = (p->first + 1) % ASSOCIATION_QUEUE_MAX;
        p->count--;
        const struct association_place *place = pool_at(&p->places, d->association);
        if (place == NULL || place->transport == 0)
            continue;
        ret->kind = ASSOCIATION_DATAGRAM;
        ret->association = d->association;
        ret->len = d->len;
        memcpy(ret->data, d->data, d->len);
        return true;
    }
    return false;
}
