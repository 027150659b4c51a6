/* worker_state.h - what is inside of a worker. For the files of core only.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SFUD_CORE_WORKER_STATE_H
#define SFUD_CORE_WORKER_STATE_H

#include "core/association_port.h"
#include "core/hash_index.h"
#include "core/packet_ring.h"
#include "core/room.h"
#include "core/slot.h"
#include "core/track.h"
#include "core/transport.h"
#include "core/worker.h"

#include "rtc/seal_burst.h"

/* One media packet of the current pass, opened and looked at once for all viewers. */
struct pass_packet {
    handle encoding;
    int64_t seq; /* extended */
    uint32_t timestamp;
    bool marker;
    uint8_t payload_type;                 /* the publisher's */
    struct format format;                 /* what that means */
    struct frame_layers layers;           /* video: its frame */
    struct payload_descriptor descriptor; /* video: in front of the payload */
    struct bytes payload;                 /* in the datagram, or in the cache */
    struct bytes primary;                 /* of RED: the newest block, without what it repeats */
    struct rtp_ext_values ext;            /* views into the datagram */
    usec arrival;
    /* video: the packets of its frame that came in this pass are made equally long for the viewers,
     * so that they leave in one send */
    uint16_t run;     /* index of the first of them; PASS_NO_RUN: it came in no pass */
    uint16_t longest; /* payload, of all of them; kept by the first one */
};

enum {
    PASS_NO_RUN = UINT16_MAX,
    PASS_PAD_MAX = 8, /* bytes: packetizers make packets that differ by one */
};

enum queue_kind {
    QUEUE_PACKET, /* value: index of a pass_packet */
    QUEUE_CACHED, /* value: low 32 bits of a source number, in the cache of the slot's input */
    QUEUE_RESEND, /* value: number the viewer misses */
    QUEUE_PACED,  /* what waits in the viewer's pacer and may leave; no slot, no value */
};

struct queue_entry {
    handle slot;
    uint32_t value;
    uint32_t next; /* index + 1; 0: last */
    uint8_t kind;
};

struct worker {
    struct worker_config config;
    struct worker_stats stats;
    uint8_t hash_key[16];
    uint64_t random_state;
    usec now; /* of the newest call, for records of packets */

    /* pools and the ways into them */
    struct pool transports, rooms, tracks, slots, encodings, payloads;
    struct pool media; /* media_block: of the transports' m-lines */
    struct hash_index by_address, by_ufrag, by_participant, by_room;
    struct send_record *records;     /* SLOT_LOG_COUNT for each place of the pool `slots` */
    struct slot_memory *slot_memory; /* by place in the pool `slots` */
    struct bwe_memory *sent;         /* by place in the pool `transports` */
    uint32_t *arrivals;              /* TWCC_WINDOW for each place of the pool `transports` */
    struct paced_packet *paced;      /* PACER_PACKETS for each place of the pool `transports` */
    struct packet_ring *rings;       /* by place in the pool `transports` */

    /* the pass */
    struct pass_packet packets[PASS_DATAGRAMS_MAX];
    size_t packet_count;
    bool has_sound;            /* among them */
    struct queue_entry *queue; /* used from 0 up, all free again after the pass */
    size_t queue_used;
    handle waiting_first, waiting_last; /* transports with a queue */

    struct seal_memory *seal_memory; /* of all sealers and openers */
    struct seal_burst *burst;        /* packets in the outbox that worker_flush() has yet to seal */

    /* STUN, DTLS and RTCP that wait for worker_flush() */
    struct outbox control;
    size_t control_sent; /* sends already copied out */

    /* DTLS: what waits for the association engine */
    struct association_port port;

    /* timers, by place in the pool `transports` */
    usec *deadlines;
    usec next_deadline;

    struct event *events;
    size_t event_first, event_count;
};

/* Random-looking numbers for initial sequence numbers and SSRCs. */
uint64_t worker_random(struct worker *w);

uint64_t worker_hash(const struct worker *w, struct bytes a, struct bytes b);

/* This transport wants a tick at `when`. */
void worker_wake(struct worker *w, handle transport, usec when);

/* Queues datagrams for worker_flush(); counts a drop if there is no room. */
void worker_send_control(struct worker *w, const struct transport_address *to, handle transport,
                         struct bytes datagram);
/* Room to write one such datagram into, or NULL (counted). Then worker_commit_control(). */
uint8_t *worker_reserve_control(struct worker *w, size_t size);
void worker_commit_control(struct worker *w, const struct transport_address *to, handle transport,
                           size_t len);

/* One thing to do for a viewer at the next flush. `after`: entry to insert behind (index + 1), 0:
 * at the end. Returns the new entry (index + 1); 0 and a counted drop if the queue is full. */
uint32_t worker_enqueue(struct worker *w, struct transport *t, handle slot, enum queue_kind kind,
                        uint32_t value, uint32_t after);

/* A transport that is freed waits no more. */
void worker_forget_waiting(struct worker *w, struct transport *t);

void worker_push_event(struct worker *w, const struct event *e);
void worker_tell_transport(struct worker *w, const struct transport *t, enum transport_event what,
                           usec now);

static inline struct packet_ring *worker_ring(const struct worker *w, handle transport)
{
    return &w->rings[handle_index(transport)];
}

/* One packet came from or goes to `addr`: its header is kept for a while.
 *
 * packet  of RTCP the plain text; else at least the header as it is on the wire
 * len     of the whole datagram */
static inline void worker_record(struct worker *w, handle transport,
                                 enum packet_direction direction, enum packet_kind kind,
                                 const struct net_addr *addr, struct bytes packet, size_t len)
{
    struct bytes header = bytes_of(packet.data, packet_header_len(kind, packet));
    packet_ring_add(worker_ring(w, transport), direction, addr, header, len, w->now);
}

static inline wall_usec worker_wall(const struct worker *w, usec now)
{
    return now + w->config.wall_minus_now;
}

/* ingress.c */
void ingress_rtp(struct worker *w, struct transport *t, const struct datagram *d, usec now);
/* A cached packet as if it had just come. False if it is not there. */
bool ingress_restore(struct worker *w, struct encoding *e, uint32_t low_seq,
                     struct pass_packet *ret);

/* Whether a packet of a video has to wait until the viewer's path has carried what was sent. */
static inline bool pacing_must_hold(const struct transport *t, const struct slot *slot, usec now)
{
    return slot->kind == MEDIA_VIDEO &&
           pacer_must_hold(&t->bandwidth.pacer, bwe_pace_bps(&t->bandwidth.bwe), now);
}
/* False: `out` is full, nothing was done with p. */
bool pacing_hold(struct worker *w, struct transport *t, struct slot *slot,
                 const struct pass_packet *p, usec now, struct outbox *out);
/* Sends what may leave now. False: `out` is full, call again. */
bool pacing_flush(struct worker *w, struct transport *t, usec now, struct outbox *out);
/* When something may leave next. What may already does in this pass. */
usec pacing_tick(struct worker *w, struct transport *t, usec now);

/* feedback.c: RTCP that participants send. */
void feedback_receive(struct worker *w, struct transport *t, const struct datagram *d, usec now);

/* report.c: RTCP that we send. Each returns when it wants to be called again. */
usec report_to_publisher(struct worker *w, struct transport *t, usec now);
usec report_to_viewer(struct worker *w, struct transport *t, usec now);
/* The streams of all slots end for good (RFC 3550 §6.6): the transport is about to go. */
void report_goodbye(struct worker *w, struct transport *t);

#endif
