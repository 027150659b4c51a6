/* sim_node.h - a media node in memory: sfud's worker and its negotiation, without sockets, thread
 * or Redis.
 *
 * Says nothing of sfud's own types, whose names are also the bots' (core/source.h and others).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIM_NODE_H
#define TESTS_SIM_NODE_H

#include "rtc/codec.h"
#include "rtc/net_addr.h"

enum { SIM_NAME_MAX = 64, SIM_SLOTS_MAX = 64, SIM_ANSWER_MAX = 65536 };

struct sim_node;
struct sim_node *sim_node_new(wall_usec wall_minus_now, usec now);
void sim_node_free(struct sim_node *n);

/* A receive slot of a participant, and what flows in it; publisher "": nothing. */
struct sim_slot {
    char mid[20];
    enum media_kind kind;
    char publisher[SIM_NAME_MAX];
    uint8_t layer; /* the highest wanted: 0 lowest … 2 */
};

/* Negotiates and makes the transport. ret_answer: zero-terminated, SIM_ANSWER_MAX bytes. The error
 * is negotiate()'s or the worker's. */
MUST_USE enum err sim_node_join(struct sim_node *n, const char *room, const char *participant,
                                const char *offer, char *ret_answer, struct sim_slot *ret_slots,
                                size_t *ret_slot_count, usec now);
void sim_node_leave(struct sim_node *n, const char *room, const char *participant, usec now);
void sim_node_set_slots(struct sim_node *n, const char *room, const char *participant,
                        const struct sim_slot *slots, size_t count, usec now);

/* Where it receives. */
struct net_addr sim_node_address(void);

typedef void sim_node_send(void *data, const struct net_addr *to, struct bytes datagram);
/* What the node tells the signaling server. */
struct sim_node_event {
    char participant[SIM_NAME_MAX];
    const char *state; /* of the transport; NULL: it is about layers */
    bool is_camera;    /* whose … */
    int layer_max;     /* … layers above this are not watched */
};
typedef void sim_node_told(void *data, const struct sim_node_event *event);

/* One datagram from a participant, and what follows from it. */
void sim_node_receive(struct sim_node *n, const struct net_addr *from, struct bytes datagram,
                      usec now);
/* Call at the deadline; too early is harmless. */
void sim_node_tick(struct sim_node *n, usec now);
/* DTLS, which another thread does in sfud. Call before sim_node_flush(). */
void sim_node_shake_hands(struct sim_node *n, usec now);
/* Sends what waits and tells what happened. Call after each of the above. */
void sim_node_flush(struct sim_node *n, usec now, sim_node_send *send, sim_node_told *told,
                    void *data);
usec sim_node_deadline(const struct sim_node *n);

/* A microphone or camera is muted by a moderator, or no longer. */
void sim_node_mute(struct sim_node *n, const char *room, const char *participant,
                   enum media_kind kind, bool muted, usec now);
/* Between passes nothing waits, and what is kept is within its bounds. NULL: so it is; else what
 * is not. */
const char *sim_node_unbounded(const struct sim_node *n);
/* Everybody has left: nothing is kept. NULL: so it is; else what is. */
const char *sim_node_leaks(const struct sim_node *n);

#endif
