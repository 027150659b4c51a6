/* sim_world.h - whole bots on a virtual clock: a network, a signaling server and a media node in
 * memory. The same seed gives the same run.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

#include "core/bot.h"
#include "core/clip.h"
#include "core/netem.h"
#include "core/tone.h"
#include "sim_server.h"

enum { SIM_BOTS_MAX = 16, SIM_SOCKETS_MAX = 4096, SIM_FILES_MAX = 16 };
#define SIM_DELAY MILLIS(10) /* one way, of everything */

struct sim_parcel;

struct sim_bot {
    struct bot *bot;
    unsigned socket;              /* 0: none */
    uint16_t ports[BOT_LEGS_MAX]; /* 0: no socket */
    bool deaf;                    /* nothing reaches its media sockets, nothing leaves them */
    struct netem *up, *down;      /* owned; NULL: SIM_DELAY, and no more */
};

/* Sees all datagrams between bots and the node as they are on the wire, and what the node does. */
struct sim_watch {
    /* True: the network loses it. */
    bool (*lose)(void *data, unsigned bot, struct bytes datagram);
    /* The node takes one in; it has sent one out. */
    void (*input)(void *data, unsigned bot, struct bytes datagram);
    void (*output)(void *data, unsigned bot, struct bytes datagram);
    /* The node is about to work; it is done. */
    void (*enter)(void *data, bool is_media);
    void (*leave)(void *data);
    void *data;
};

struct sim {
    usec now;
    struct scenario *scenario;
    struct bot_world world;
    struct measure *measure;
    struct outbound out;
    struct sim_bot bots[SIM_BOTS_MAX];
    unsigned bot_count;
    struct sim_server server;
    struct sim_node *node;
    /* script */
    int token_status; /* 200; else the answer to requests for tokens. 0: no answer */
    const char *token_body;
    const char *refuse_open;       /* reason; NULL: sockets open */
    bool never_open;               /* TCP connects, and nothing follows */
    bool no_dtls;                  /* DTLS does not pass */
    unsigned lose_up, lose_down;   /* of 1000 RTP and RTCP packets */
    const struct sim_watch *watch; /* NULL: nobody watches */
    /* derived */
    uint64_t random_state;
    struct sim_parcel *parcels; /* heap by time */
    size_t parcel_count, parcel_capacity;
    uint64_t order;
    unsigned socket_count;
    unsigned owners[SIM_SOCKETS_MAX]; /* bot of each socket */
    uint16_t port_count;
    uint64_t datagrams_up, datagrams_down, lost;
    struct {
        char path[160];
        uint8_t start[4];
        size_t len;
    } files[SIM_FILES_MAX]; /* what was appended to */
    size_t file_count;
};

/* Makes what all simulations of a process share, which sim_init() would make. */
void sim_prepare(void);
/* Starts nothing. yaml: a scenario. */
void sim_init(struct sim *s, const char *yaml, uint64_t seed);
void sim_done(struct sim *s);
/* All bots, 50 ms apart. */
void sim_start(struct sim *s);
void sim_run(struct sim *s, usec duration);
/* The bot's socket breaks, for both. */
void sim_cut(struct sim *s, unsigned bot);
void sim_leave(struct sim *s, unsigned bot);
void sim_rejoin(struct sim *s, unsigned bot);
/* Another network from now on; what is in flight arrives. */
void sim_set_network(struct sim *s, unsigned bot, const struct network *n);
/* Looks at other cameras by dice; muted by a moderator, or no longer. Nothing if it is not there.
 */
void sim_look(struct sim *s, unsigned bot, uint64_t random);
void sim_mute(struct sim *s, unsigned bot, enum media_kind kind, bool muted);
/* One bot; sim_start() is for all. */
void sim_start_bot(struct sim *s, unsigned bot);
void sim_begin_plateau(struct sim *s);
void sim_end_plateau(struct sim *s);

/* Of a pairs matrix: how many should be, are, and are verified. */
struct sim_pairs {
    unsigned expected, seen, verified, unexpected;
};
struct sim_pairs sim_pairs(const struct sim *s, enum media_kind kind);

#endif
