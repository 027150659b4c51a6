/* SPDX-License-Identifier: Apache-2.0 */
#include "core/packet_order.h"

#include "rtc/seq.h"

#include <stdlib.h>

struct held_packet {
    int64_t seq;
    usec arrived_at;
    struct ordered_packet packet;
    uint8_t payload[];
};

static struct held_packet **place(struct packet_order *o, int64_t seq)
{
    return &o->ring[(uint64_t)seq & (PACKET_ORDER_MAX - 1)];
}

void packet_order_init(struct packet_order *o)
{
    *o = (struct packet_order){ .deadline = USEC_NEVER };
}

static void forget_held(struct packet_order *o)
{
    for (size_t i = 0; i < PACKET_ORDER_MAX; i++) {
        free(o->ring[i]);
        o->ring[i] = NULL;
    }
    o->deadline = USEC_NEVER;
}

void packet_order_done(struct packet_order *o)
{
    forget_held(o);
    free(o->given);
    o->given = NULL;
}

static void begin(struct packet_order *o, int64_t seq)
{
    if (o->started) {
        for (size_t i = 0; i < PACKET_ORDER_MAX; i++)
            o->lost += o->ring[i] != NULL;
        forget_held(o);
        o->gap = true;
    }
    o->head = o->newest = seq;
    o->started = true;
}

void packet_order_put(struct packet_order *o, const struct ordered_packet *p, usec now)
{
    if (!o->started)
        begin(o, p->seq);
    int64_t seq = o->newest + seq16_diff(p->seq, (uint16_t)o->newest);
    int64_t ahead = seq - o->head;
    if (ahead >= PACKET_ORDER_MAX || ahead < -PACKET_ORDER_JUMP) {
        begin(o, seq);
        ahead = 0;
    }
    if (ahead < 0 || *place(o, seq) != NULL) {
        o->late++;
        return;
    }
    struct held_packet *h = malloc(sizeof *h + p->payload.len);
    if (h == NULL)
        return;
    h->seq = seq;
    h->arrived_at = now;
    h->packet = *p;
    h->packet.payload = bytes_of(h->payload, p->payload.len);
    if (p->payload.len > 0)
        memcpy(h->payload, p->payload.data, p->payload.len);
    *place(o, seq) = h;
    o->newest = MAX(o->newest, seq);
}

/* There is a hole at head, or nothing at all: the first packet behind it, and how long to wait. */
static const struct held_packet *look_behind(struct packet_order *o)
{
    const struct held_packet *first = NULL;
    o->deadline = USEC_NEVER;
    for (int64_t seq = o->head; seq <= o->newest; seq++) {
        const struct held_packet *h = *place(o, seq);
        if (h == NULL)
            continue;
        first = first == NULL ? h : first;
        o->deadline = MIN(o->deadline, h->arrived_at + PACKET_ORDER_PATIENCE_US);
    }
    return first;
}

bool packet_order_next(struct packet_order *o, usec now, struct ordered_packet *ret, bool *ret_gap)
{
    free(o->given);
    o->given = NULL;
    if (!o->started)
        return false;
    if (*place(o, o->head) == NULL) {
        const struct held_packet *first = look_behind(o);
        if (first == NULL && o->flushing) {
            o->flushing = o->started = o->gap = false;
            return false;
        }
        if (first == NULL || (!o->flushing && now < o->deadline))
            return false;
        o->lost += (uint64_t)(first->seq - o->head);
        o->head = first->seq;
        o->gap = true;
    }
    struct held_packet **at = place(o, o->head);
    o->given = *at;
    *at = NULL;
    o->head++;
    o->deadline = USEC_NEVER;
    *ret = o->given->packet;
    *ret_gap = o->gap;
    o->gap = false;
    return true;
}

void packet_order_flush(struct packet_order *o)
{
    o->flushing = o->started;
}
