/* SPDX-License-Identifier: Apache-2.0 */
#include "sim_node.h"

#include "../unit/sfud/pump.h"
#include "core/negotiation.h"
#include "core/worker_state.h"
#include "rtc/dtls.h"

#include <stdio.h>
#include <stdlib.h>

enum { PORT = 40000 };
static const uint8_t host[4] = { 198, 51, 100, 1 };

struct sim_node {
    struct worker *worker;
    struct associations *associations;
    struct dtls_context *identity;
    struct negotiation_scratch *negotiation;
    uint8_t *scratch;
    struct outbox out;
    struct outbox_send sends[OUTBOX_SENDS_MAX];
    uint8_t arena[PASS_DATAGRAMS_MAX][2048]; /* the datagrams of a pass */
    size_t arena_used;
    uint64_t version, joined_count;
    /* what the newest events said, until told */
    struct sim_node_event events[64];
    size_t event_count;
};

struct net_addr sim_node_address(void)
{
    return net_addr_ipv4(host, PORT);
}

struct sim_node *sim_node_new(wall_usec wall_minus_now, usec now)
{
    struct sim_node *n = calloc(1, sizeof *n);
    check(n != NULL);
    n->identity = dtls_context_new(wall_minus_now + now);
    struct worker_config config = { .random = { 8, 7, 6, 5, 4, 3, 2, 1 },
                                    .playout_delay_max = MILLIS(250),
                                    .wall_minus_now = wall_minus_now,
                                    .participants_max = 64,
                                    .rooms_max = 8,
                                    .tracks_max = 256,
                                    .slots_max = 1024,
                                    .encodings_max = 256,
                                    .cached_packets_max = 16384,
                                    .queue_max = 32768 };
    n->worker = worker_new(&config);
    const struct associations_config dtls = { .dtls = n->identity,
                                              .worker_count = 1,
                                              .participants_max = config.participants_max };
    n->associations = associations_new(&dtls);
    n->scratch = malloc(OUTBOX_SCRATCH_BYTES_MIN);
    n->negotiation = malloc(sizeof *n->negotiation);
    check(n->identity != NULL && n->associations != NULL && n->worker != NULL &&
          n->scratch != NULL && n->negotiation != NULL);
    outbox_init(&n->out, n->scratch, OUTBOX_SCRATCH_BYTES_MIN, n->sends, OUTBOX_SENDS_MAX);
    return n;
}

void sim_node_free(struct sim_node *n)
{
    worker_free(n->worker);
    associations_free(n->associations);
    dtls_context_free(n->identity);
    free(n->scratch);
    free(n->negotiation);
    free(n);
}

static void take_events(struct sim_node *n, enum err *ret_done)
{
    struct event e;
    while (worker_next_event(n->worker, &e)) {
        if (e.kind == EVENT_COMMAND_DONE && ret_done != NULL)
            *ret_done = e.err;
        if (e.kind != EVENT_TRANSPORT && e.kind != EVENT_LAYERS)
            continue;
        check(n->event_count < ARRAY_LEN(n->events));
        bool is_transport = e.kind == EVENT_TRANSPORT;
        struct sim_node_event *told = &n->events[n->event_count++];
        *told = (struct sim_node_event){
            .state = is_transport ? transport_event_name(e.transport) : NULL,
            .is_camera = e.source == SOURCE_CAMERA,
            .layer_max = e.layer_max,
        };
        snprintf(told->participant, SIM_NAME_MAX, "%s", e.participant);
    }
}

static enum err command(struct sim_node *n, struct command *c, const char *room,
                        const char *participant, usec now)
{
    enum err err = ERR_COUNT;
    snprintf(c->room, sizeof c->room, "default/%s", room);
    snprintf(c->participant, sizeof c->participant, "%s", participant);
    worker_command(n->worker, c, now);
    take_events(n, &err);
    check(err != ERR_COUNT); /* it came back */
    return err;
}

static struct sdp_fingerprint fingerprint_of(const struct dtls_context *identity)
{
    struct dtls_fingerprint f;
    struct bytes text = bytes_of_str(dtls_context_fingerprint(identity));
    check(dtls_fingerprint_parse(bytes_of_str("sha-256"), text, &f) == OK);
    struct sdp_fingerprint ret = { .hash = SDP_SHA256, .len = 32 };
    memcpy(ret.value, f.hash, 32);
    return ret;
}

static void fill_request(struct sim_node *n, const char *participant, const char *offer,
                         struct negotiation_request *q)
{
    static const struct sdp_candidate candidate = { .address = "198.51.100.1", .port = PORT };
    static char ufrag[16], pwd[32];
    snprintf(ufrag, sizeof ufrag, "ufrag%06llu", (unsigned long long)++n->joined_count);
    snprintf(pwd, sizeof pwd, "password-of-24-letters%04u", (unsigned)n->joined_count % 10000);
    *q = (struct negotiation_request){ .offer = bytes_of_str(offer),
                                       .source_count = SOURCE_COUNT,
                                       .allowed = SOURCES_ALL,
                                       .session_id = n->joined_count,
                                       .local_ufrag = ufrag,
                                       .local_pwd = pwd,
                                       .fingerprint = fingerprint_of(n->identity),
                                       .candidates = &candidate,
                                       .candidate_count = 1 };
    memcpy(q->seed, participant, MIN(strlen(participant), sizeof q->seed));
    for (unsigned i = 0; i < SOURCE_COUNT; i++) {
        q->sources[i].source = (enum source)i;
        snprintf(q->sources[i].mid, sizeof q->sources[i].mid, "%u", i);
    }
}

enum err sim_node_join(struct sim_node *n, const char *room, const char *participant,
                       const char *offer, char *ret_answer, struct sim_slot *ret_slots,
                       size_t *ret_slot_count, usec now)
{
    struct negotiation_request q;
    fill_request(n, participant, offer, &q);
    struct negotiation_result *result = calloc(1, sizeof *result);
    check(result != NULL);
    struct writer w = writer_of(ret_answer, SIM_ANSWER_MAX - 1);
    struct sdp_error error;
    enum err err = negotiate(&q, n->negotiation, result, &w, &error);
    if (err == OK) {
        ret_answer[writer_len(&w)] = '\0';
        struct command *c = calloc(1, sizeof *c);
        check(c != NULL && result->slot_count <= SIM_SLOTS_MAX);
        c->kind = COMMAND_TRANSPORT_CREATE;
        c->transport = result->params;
        err = command(n, c, room, participant, now);
        free(c);
    } else {
        fprintf(stderr, "negotiate: %s\n", error.text);
    }
    *ret_slot_count = err == OK ? result->slot_count : 0;
    for (size_t i = 0; i < *ret_slot_count; i++) {
        ret_slots[i] = (struct sim_slot){ .kind = result->slots[i].kind };
        snprintf(ret_slots[i].mid, sizeof ret_slots[i].mid, "%s", result->slots[i].mid);
    }
    free(result);
    return err;
}

void sim_node_leave(struct sim_node *n, const char *room, const char *participant, usec now)
{
    struct command c = { .kind = COMMAND_TRANSPORT_REMOVE };
    (void)command(n, &c, room, participant, now); /* it may be gone already */
}

void sim_node_set_slots(struct sim_node *n, const char *room, const char *participant,
                        const struct sim_slot *slots, size_t count, usec now)
{
    struct command *c = calloc(1, sizeof *c);
    check(c != NULL);
    c->kind = COMMAND_SLOTS_SET;
    c->slots_set.version = ++n->version;
    for (size_t i = 0; i < count; i++) {
        if (slots[i].publisher[0] == '\0')
            continue;
        struct slot_setting *s = &c->slots_set.slots[c->slots_set.slot_count++];
        s->has_track = true;
        s->source = slots[i].kind == MEDIA_VIDEO ? SOURCE_CAMERA : SOURCE_MICROPHONE;
        s->spatial_max = slots[i].layer;
        memcpy(s->mid, slots[i].mid, MIN(sizeof s->mid, sizeof slots[i].mid));
        memcpy(s->participant, slots[i].publisher,
               MIN(sizeof s->participant, (size_t)SIM_NAME_MAX));
    }
    (void)command(n, c, room, participant, now);
    free(c);
}

void sim_node_receive(struct sim_node *n, const struct net_addr *from, struct bytes datagram,
                      usec now)
{
    check(n->arena_used < PASS_DATAGRAMS_MAX && datagram.len <= sizeof n->arena[0]);
    uint8_t *memory = n->arena[n->arena_used++];
    memcpy(memory, datagram.data, datagram.len);
    struct datagram d = {
        .from = *from, .data = memory, .len = (uint32_t)datagram.len, .arrival = now
    };
    worker_receive(n->worker, &d, now);
}

static void send_out(struct sim_node *n, sim_node_send *send, void *data)
{
    for (size_t i = 0; i < n->out.send_count; i++) {
        const struct outbox_send *s = &n->out.sends[i];
        for (uint32_t at = 0; at < s->len; at += s->segment_size)
            send(data, &s->to,
                 bytes_of(n->out.scratch + s->offset + at,
                          MIN((uint32_t)s->segment_size, s->len - at)));
    }
    outbox_clear(&n->out);
}

void sim_node_tick(struct sim_node *n, usec now)
{
    if (now >= worker_next_deadline(n->worker))
        worker_tick(n->worker, now);
}

void sim_node_shake_hands(struct sim_node *n, usec now)
{
    (void)pump_associations(n->worker, n->associations, now);
}

void sim_node_flush(struct sim_node *n, usec now, sim_node_send *send, sim_node_told *told,
                    void *data)
{
    for (bool more = true; more;) {
        more = worker_flush(n->worker, now, &n->out);
        send_out(n, send, data);
    }
    worker_pass_end(n->worker);
    n->arena_used = 0;
    take_events(n, NULL);
    size_t count = n->event_count;
    n->event_count = 0;
    for (size_t i = 0; i < count; i++)
        told(data, &n->events[i]);
}

usec sim_node_deadline(const struct sim_node *n)
{
    return MIN(worker_next_deadline(n->worker), associations_next_deadline(n->associations));
}

void sim_node_mute(struct sim_node *n, const char *room, const char *participant,
                   enum media_kind kind, bool muted, usec now)
{
    struct command c = { .kind = COMMAND_TRACK_SET };
    c.track_set.source = kind == MEDIA_VIDEO ? SOURCE_CAMERA : SOURCE_MICROPHONE;
    c.track_set.muted = muted;
    (void)command(n, &c, room, participant, now); /* it may be gone already */
}

const char *sim_node_unbounded(const struct sim_node *n)
{
    const struct worker *w = n->worker;
    if (w->queue_used > 0 || w->waiting_first != 0)
        return "viewers have a queue after the flush";
    if (w->control.send_count > 0)
        return "control datagrams wait after the flush";
    if (w->packet_count > 0)
        return "packets are left of the pass";
    if (w->payloads.live > w->encodings.live * ENCODING_CACHE_COUNT)
        return "more packets are kept than the caches have places";
    if (stats_read(&w->stats, STAT_UNSENT_FULL) > 0)
        return "a queue was full";
    return NULL;
}

const char *sim_node_leaks(const struct sim_node *n)
{
    const struct worker *w = n->worker;
    return w->transports.live > 0  ? "transports are left"
           : w->tracks.live > 0    ? "tracks are left"
           : w->slots.live > 0     ? "slots are left"
           : w->encodings.live > 0 ? "encodings are left"
           : w->payloads.live > 0  ? "kept packets are left"
           : w->rooms.live > 0     ? "rooms are left"
                                   : NULL;
}
