/* SPDX-License-Identifier: Apache-2.0 */
#include "core/worker.h"

#include "common/map.h"
#include "common/splitmix.h"
#include "core/worker_state.h"

#include <stdlib.h>

enum {
    CONTROL_SCRATCH_BYTES = 512 * 1024, /* a tick of 1,000 publishers: a few hundred bytes each */
    CONTROL_SENDS_MAX = 4096,
};
/* Wake-ups are rounded up to this: many timers, one tick. */
#define TICK_QUANTUM MILLIS(2)

static struct worker_config with_defaults(const struct worker_config *config)
{
    struct worker_config c = *config;
    c.participants_max = c.participants_max ? c.participants_max : WORKER_PARTICIPANTS_MAX;
    c.rooms_max = c.rooms_max ? c.rooms_max : WORKER_ROOMS_MAX;
    c.tracks_max = c.tracks_max ? c.tracks_max : WORKER_TRACKS_MAX;
    c.slots_max = c.slots_max ? c.slots_max : WORKER_SLOTS_MAX;
    c.encodings_max = c.encodings_max ? c.encodings_max : WORKER_ENCODINGS_MAX;
    c.cached_packets_max = c.cached_packets_max ? c.cached_packets_max : WORKER_CACHED_PACKETS_MAX;
    c.queue_max = c.queue_max ? c.queue_max : WORKER_QUEUE_MAX;
    return c;
}

/* All that transports can have. */
static size_t media_blocks(const struct worker_config *c)
{
    return c->participants_max * (TRANSPORT_MEDIA_MAX / TRANSPORT_MEDIA_BLOCK);
}

/* SSRCs that can be sealed or opened at the same time: of slots with RTX, and of what participants
 * send, with their keys of now and of before. */
static size_t seal_streams(const struct worker_config *c)
{
    return 2 * c->slots_max + 2 * (size_t)TRANSPORT_OPENER_STREAMS * c->participants_max;
}

size_t worker_memory(const struct worker_config *config)
{
    struct worker_config c = with_defaults(config);
    return sizeof(struct worker) + pool_memory(c.participants_max, sizeof(struct transport)) +
           pool_memory(c.rooms_max, sizeof(struct room)) +
           pool_memory(c.tracks_max, sizeof(struct track)) +
           pool_memory(c.slots_max, sizeof(struct slot)) +
           pool_memory(media_blocks(&c), sizeof(struct media_block)) +
           seal_memory_size(seal_streams(&c)) +
           pool_memory(c.encodings_max, sizeof(struct encoding)) +
           pool_memory(c.cached_packets_max, sizeof(struct cached_payload)) +
           hash_index_memory(c.participants_max * ICE_REMOTE_MAX) +
           hash_index_memory(2 * c.participants_max) + hash_index_memory(c.participants_max) +
           hash_index_memory(c.rooms_max) + association_port_memory(c.participants_max) +
           c.slots_max * SLOT_LOG_COUNT * sizeof(struct send_record) +
           c.slots_max * sizeof(struct slot_memory) +
           c.participants_max * sizeof(struct bwe_memory) +
           c.participants_max * TWCC_WINDOW * sizeof(uint32_t) +
           c.participants_max * PACER_PACKETS * sizeof(struct paced_packet) +
           c.participants_max * sizeof(struct packet_ring) +
           c.queue_max * sizeof(struct queue_entry) + CONTROL_SCRATCH_BYTES +
           CONTROL_SENDS_MAX * sizeof(struct outbox_send) + c.participants_max * sizeof(usec) +
           WORKER_EVENTS_MAX * sizeof(struct event) + seal_burst_memory(c.seal);
}

static bool init_pools(struct worker *w, const struct worker_config *c)
{
    return pool_init(&w->transports, c->participants_max, sizeof(struct transport)) == OK &&
           pool_init(&w->rooms, c->rooms_max, sizeof(struct room)) == OK &&
           pool_init(&w->tracks, c->tracks_max, sizeof(struct track)) == OK &&
           pool_init(&w->slots, c->slots_max, sizeof(struct slot)) == OK &&
           pool_init(&w->media, media_blocks(c), sizeof(struct media_block)) == OK &&
           pool_init(&w->encodings, c->encodings_max, sizeof(struct encoding)) == OK &&
           pool_init(&w->payloads, c->cached_packets_max, sizeof(struct cached_payload)) == OK &&
           hash_index_init(&w->by_address, c->participants_max * ICE_REMOTE_MAX) == OK &&
           hash_index_init(&w->by_ufrag, 2 * c->participants_max) == OK &&
           hash_index_init(&w->by_participant, c->participants_max) == OK &&
           hash_index_init(&w->by_room, c->rooms_max) == OK &&
           association_port_init(&w->port, c->participants_max) == OK;
}

static bool init_arrays(struct worker *w, const struct worker_config *c)
{
    uint8_t *scratch = malloc(CONTROL_SCRATCH_BYTES);
    struct outbox_send *sends = calloc(CONTROL_SENDS_MAX, sizeof *sends);
    outbox_init(&w->control, scratch, CONTROL_SCRATCH_BYTES, sends, CONTROL_SENDS_MAX);
    w->records = calloc(c->slots_max * SLOT_LOG_COUNT, sizeof *w->records);
    w->slot_memory = calloc(c->slots_max, sizeof *w->slot_memory);
    w->sent = calloc(c->participants_max, sizeof *w->sent);
    w->arrivals = calloc(c->participants_max * TWCC_WINDOW, sizeof *w->arrivals);
    w->paced = calloc(c->participants_max * PACER_PACKETS, sizeof *w->paced);
    w->rings = calloc(c->participants_max, sizeof *w->rings);
    w->queue = calloc(c->queue_max, sizeof *w->queue);
    w->deadlines = calloc(c->participants_max, sizeof *w->deadlines);
    w->events = calloc(WORKER_EVENTS_MAX, sizeof *w->events);
    w->seal_memory = seal_memory_new(seal_streams(c));
    w->burst = seal_burst_new(c->seal);
    return scratch != NULL && sends != NULL && w->records != NULL && w->sent != NULL &&
           w->slot_memory != NULL && w->arrivals != NULL && w->seal_memory != NULL &&
           w->paced != NULL && w->rings != NULL && w->queue != NULL && w->deadlines != NULL &&
           w->events != NULL && w->burst != NULL;
}

struct worker *worker_new(const struct worker_config *config)
{
    struct worker *w = calloc(1, sizeof *w);
    if (w == NULL)
        return NULL;
    w->config = with_defaults(config);
    memcpy(w->hash_key, config->random, sizeof w->hash_key);
    w->random_state = load_be64(config->random + sizeof w->hash_key);
    w->next_deadline = USEC_NEVER;
    if (!init_pools(w, &w->config) || !init_arrays(w, &w->config)) {
        worker_free(w);
        return NULL;
    }
    for (size_t i = 0; i < w->config.participants_max; i++)
        w->deadlines[i] = USEC_NEVER;
    return w;
}

void worker_close(struct worker *w)
{
    uint32_t at = 0;
    for (struct transport *t; (t = pool_walk(&w->transports, &at)) != NULL;)
        transport_free(w, t);
}

void worker_free(struct worker *w)
{
    if (w == NULL)
        return;
    worker_close(w);
    pool_done(&w->transports);
    pool_done(&w->rooms);
    pool_done(&w->tracks);
    pool_done(&w->slots);
    pool_done(&w->media);
    pool_done(&w->encodings);
    pool_done(&w->payloads);
    hash_index_done(&w->by_address);
    hash_index_done(&w->by_ufrag);
    hash_index_done(&w->by_participant);
    hash_index_done(&w->by_room);
    association_port_done(&w->port);
    free(w->control.scratch);
    free(w->control.sends);
    free(w->records);
    free(w->slot_memory);
    free(w->sent);
    free(w->arrivals);
    free(w->paced);
    free(w->rings);
    free(w->queue);
    free(w->deadlines);
    free(w->events);
    seal_burst_free(w->burst);
    seal_memory_free(w->seal_memory);
    free(w);
}

/* Spread out, not secret. */
uint64_t worker_random(struct worker *w)
{
    return splitmix_next(&w->random_state);
}

uint64_t worker_hash(const struct worker *w, struct bytes a, struct bytes b)
{
    uint64_t h = siphash(w->hash_key, a);
    return b.len == 0 ? h : h ^ (siphash(w->hash_key, b) * 0x9e3779b97f4a7c15u);
}

void worker_wake(struct worker *w, handle transport, usec when)
{
    usec *deadline = &w->deadlines[handle_index(transport)];
    if (when >= *deadline)
        return;
    *deadline = when;
    w->next_deadline = MIN(w->next_deadline, when);
}

uint8_t *worker_reserve_control(struct worker *w, size_t size)
{
    uint8_t *at = outbox_reserve(&w->control, size);
    if (at == NULL)
        stats_count(&w->stats, STAT_UNSENT_FULL);
    return at;
}

void worker_commit_control(struct worker *w, const struct transport_address *to, handle transport,
                           size_t len)
{
    outbox_commit(&w->control, &to->addr, to->path, transport, len);
}

void worker_send_control(struct worker *w, const struct transport_address *to, handle transport,
                         struct bytes datagram)
{
    uint8_t *at = worker_reserve_control(w, datagram.len);
    if (at == NULL || datagram.len == 0)
        return;
    memcpy(at, datagram.data, datagram.len);
    worker_commit_control(w, to, transport, datagram.len);
}

static void wait_for_flush(struct worker *w, struct transport *t)
{
    if (t->is_waiting)
        return;
    t->is_waiting = true;
    t->waiting_next = 0;
    struct transport *last = pool_at(&w->transports, w->waiting_last);
    if (last != NULL && last->is_waiting)
        last->waiting_next = t->self;
    else
        w->waiting_first = t->self;
    w->waiting_last = t->self;
}

uint32_t worker_enqueue(struct worker *w, struct transport *t, handle slot, enum queue_kind kind,
                        uint32_t value, uint32_t after)
{
    /* Who asks for much again must not take the place of what is sent for the first time. */
    size_t max = kind == QUEUE_RESEND ? w->config.queue_max / 2 : w->config.queue_max;
    if (w->queue_used >= max) {
        stats_count(&w->stats, STAT_UNSENT_FULL);
        return 0;
    }
    struct queue_entry *e = &w->queue[w->queue_used++];
    uint32_t place = (uint32_t)w->queue_used;
    *e = (struct queue_entry){ .slot = slot, .value = value, .kind = (uint8_t)kind };
    if (after != 0) {
        e->next = w->queue[after - 1].next;
        w->queue[after - 1].next = place;
    } else if (t->queue_last != 0) {
        w->queue[t->queue_last - 1].next = place;
    } else {
        t->queue_first = place;
    }
    if (after == 0 || after == t->queue_last)
        t->queue_last = place;
    wait_for_flush(w, t);
    return place;
}

bool worker_knows_address(const struct worker *w, const struct net_addr *addr)
{
    return transport_find_address(w, addr) != NULL;
}

bool worker_wants_flush(const struct worker *w)
{
    return w->packet_count == PASS_DATAGRAMS_MAX || w->queue_used >= w->config.queue_max / 4 * 3 ||
           w->control.send_count >= CONTROL_SENDS_MAX / 4 * 3 ||
           w->control.scratch_used >= CONTROL_SCRATCH_BYTES / 4 * 3;
}

bool worker_may_wait(const struct worker *w)
{
    return w->packet_count > 0 && !w->has_sound && !worker_wants_flush(w) &&
           !w->packets[w->packet_count - 1].marker;
}

/* False: `out` is full. */
static bool flush_control(struct worker *w, struct outbox *out)
{
    for (; w->control_sent < w->control.send_count; w->control_sent++) {
        const struct outbox_send *s = &w->control.sends[w->control_sent];
        uint8_t *at = outbox_reserve(out, s->len);
        if (at == NULL)
            return false;
        memcpy(at, w->control.scratch + s->offset, s->len);
        struct outbox_send *copy = &out->sends[out->send_count++];
        *copy = *s;
        copy->offset = (uint32_t)out->scratch_used;
        out->scratch_used += s->len;
    }
    w->control_sent = 0;
    outbox_clear(&w->control);
    return true;
}

static bool flush_entry(struct worker *w, struct transport *t, const struct queue_entry *e,
                        usec now, struct outbox *out)
{
    if (e->kind == QUEUE_PACED)
        return pacing_flush(w, t, now, out);
    struct slot *slot = pool_at(&w->slots, e->slot);
    if (slot == NULL)
        return true;
    struct pass_packet restored;
    struct encoding *encoding;
    switch ((enum queue_kind)e->kind) {
    case QUEUE_PACKET:
        if (pacing_must_hold(t, slot, now))
            return pacing_hold(w, t, slot, &w->packets[e->value], now, out);
        return slot_forward(w, t, slot, &w->packets[e->value], now, out);
    case QUEUE_RESEND:
        return slot_resend(w, t, slot, (uint16_t)e->value, now, out);
    case QUEUE_CACHED:
        encoding = pool_at(&w->encodings, slot->forwarder.input);
        if (encoding == NULL || !ingress_restore(w, encoding, e->value, &restored))
            return true;
        return slot_forward(w, t, slot, &restored, now, out);
    case QUEUE_PACED:
        break;
    }
    return true;
}

static bool flush_viewer(struct worker *w, struct transport *t, usec now, struct outbox *out)
{
    bool can_send = t->sealer != NULL && transport_destination(t) != NULL;
    while (t->queue_first != 0) {
        const struct queue_entry *e = &w->queue[t->queue_first - 1];
        if (can_send && !flush_entry(w, t, e, now, out))
            return false;
        t->queue_first = e->next;
    }
    t->queue_last = 0;
    return true;
}

/* False: `out` is full. */
static bool flush_all(struct worker *w, usec now, struct outbox *out)
{
    if (!flush_control(w, out))
        return false;
    while (w->waiting_first != 0) {
        struct transport *t = pool_at(&w->transports, w->waiting_first);
        check(t != NULL);
        if (!flush_viewer(w, t, now, out))
            return false;
        t->is_waiting = false;
        w->waiting_first = t->waiting_next;
    }
    w->waiting_last = 0;
    return true;
}

bool worker_flush(struct worker *w, usec now, struct outbox *out)
{
    w->now = now;
    check(out->scratch_size >= OUTBOX_SCRATCH_BYTES_MIN && out->sends_max > 0);
    bool is_done = flush_all(w, now, out);
    seal_burst_run(w->burst);
    return !is_done;
}

void worker_pass_end(struct worker *w)
{
    while (w->waiting_first != 0) { /* not flushed to the end: what is left is dropped */
        struct transport *t = pool_at(&w->transports, w->waiting_first);
        w->waiting_first = t->waiting_next;
        t->is_waiting = false;
        t->queue_first = t->queue_last = 0;
    }
    w->waiting_last = 0;
    w->queue_used = 0;
    w->packet_count = 0;
    w->has_sound = false;
    stats_set(&w->stats, STAT_CACHED_PACKETS, w->payloads.live);
    stats_set(&w->stats, STAT_ENCODINGS, w->encodings.live);
}

void worker_forget_waiting(struct worker *w, struct transport *t)
{
    if (!t->is_waiting)
        return;
    handle *link = &w->waiting_first;
    struct transport *before = NULL;
    while (*link != t->self) {
        before = pool_at(&w->transports, *link);
        check(before != NULL);
        link = &before->waiting_next;
    }
    *link = t->waiting_next;
    if (w->waiting_last == t->self)
        w->waiting_last = before == NULL ? 0 : before->self;
    t->is_waiting = false;
}

static void tick_transport(struct worker *w, struct transport *t, usec now)
{
    usec *deadline = &w->deadlines[handle_index(t->self)];
    *deadline = USEC_NEVER;
    usec next = transport_tick(w, t, now);
    if (t->state == TRANSPORT_CONNECTED) {
        next = MIN(next, report_to_publisher(w, t, now));
        next = MIN(next, report_to_viewer(w, t, now));
        next = MIN(next, bandwidth_tick(w, t, now));
        next = MIN(next, pacing_tick(w, t, now));
        next = MIN(next, observation_tick(w, t, now));
    }
    if (t->state == TRANSPORT_FAILED) {
        worker_tell_transport(w, t, TRANSPORT_EVENT_FAILED, now);
        transport_free(w, t);
        return;
    }
    worker_wake(w, t->self, MAX(next, now + TICK_QUANTUM));
}

void worker_tick(struct worker *w, usec now)
{
    w->now = now;
    uint32_t at = 0;
    for (struct transport *t; (t = pool_walk(&w->transports, &at)) != NULL;) {
        if (t->bandwidth.is_due && t->state == TRANSPORT_CONNECTED)
            bandwidth_divide(w, t, now); /* first: it asks others for keyframes */
    }
    at = 0;
    for (struct transport *t; (t = pool_walk(&w->transports, &at)) != NULL;) {
        if (w->deadlines[at - 1] <= now)
            tick_transport(w, t, now);
    }
    at = 0;
    usec next = USEC_NEVER;
    for (struct room *room; (room = pool_walk(&w->rooms, &at)) != NULL;) {
        if (room->speakers_at <= now)
            room_tick(w, room, now);
        if (room->scores_at <= now)
            observation_tell_scores(w, room);
        next = MIN(next, MIN(room->speakers_at, room->scores_at));
    }
    for (size_t i = 0; i < w->transports.touched; i++)
        next = MIN(next, w->deadlines[i]);
    w->next_deadline = next;
}

usec worker_next_deadline(const struct worker *w)
{
    return w->next_deadline;
}

void worker_push_event(struct worker *w, const struct event *e)
{
    /* The last quarter is for answers to commands: those are never lost. */
    size_t max = e->kind == EVENT_COMMAND_DONE ? WORKER_EVENTS_MAX : WORKER_EVENTS_MAX / 4 * 3;
    if (w->event_count >= max) {
        check(e->kind != EVENT_COMMAND_DONE);
        stats_count(&w->stats, STAT_EVENTS_DROPPED);
        return;
    }
    w->events[(w->event_first + w->event_count++) % WORKER_EVENTS_MAX] = *e;
}

void worker_tell_transport(struct worker *w, const struct transport *t, enum transport_event what,
                           usec now)
{
    struct event e = { .kind = EVENT_TRANSPORT, .transport = what, .reason = t->failure };
    const struct room *room = pool_at(&w->rooms, t->room);
    memcpy(e.room, room->key, sizeof e.room);
    memcpy(e.participant, t->participant, sizeof e.participant);
    e.connect_us = now - t->created_at;
    worker_push_event(w, &e);
}

bool worker_next_event(struct worker *w, struct event *ret)
{
    if (w->event_count == 0)
        return false;
    *ret = w->events[w->event_first];
    w->event_first = (w->event_first + 1) % WORKER_EVENTS_MAX;
    w->event_count--;
    return true;
}

bool worker_is_closed(const struct worker *w)
{
    return association_port_count(&w->port) == 0;
}

bool worker_next_request(struct worker *w, struct association_request *ret)
{
    if (!association_port_next(&w->port, ret))
        return false;
    if (ret->kind == ASSOCIATION_DATAGRAM || ret->kind == ASSOCIATION_CLOSE)
        return true;
    const struct association_place *place = association_port_find(&w->port, ret->association);
    const struct transport *t = pool_at(&w->transports, place->transport);
    check(t != NULL); /* else it would be marked to be closed */
    transport_describe_dtls(t, ret);
    return true;
}

void worker_notice(struct worker *w, const struct association_notice *n, usec now)
{
    const struct association_place *place = association_port_find(&w->port, n->association);
    w->now = now;
    if (place == NULL)
        return;
    struct transport *t = pool_at(&w->transports, place->transport);
    if (n->kind == ASSOCIATION_CLOSED)
        association_port_on_closed(&w->port, n->association);
    else if (t != NULL)
        transport_on_notice(w, t, n, now);
    else if (n->kind == ASSOCIATION_SEND) /* the goodbye of one that has gone */
        worker_send_control(w, &place->to, 0, bytes_of(n->data, n->len));
}

const struct worker_stats *worker_stats(const struct worker *w)
{
    return &w->stats;
}

const char *transport_event_name(enum transport_event e)
{
    static const char *const names[] = { "connected", "disconnected", "failed" };
    check((unsigned)e < ARRAY_LEN(names));
    return names[e];
}
