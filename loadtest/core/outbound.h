/* outbound.h - what bots want done: datagrams to send, and requests to the world.
 *
 * Caller's memory, one per thread, shared by its bots one after the other: call into a bot, then
 * perform everything, then outbound_clear(). Datagrams that do not fit are dropped and counted.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_OUTBOUND_H
#define LOADTEST_OUTBOUND_H

#include "rtc/net_addr.h"

enum {
    OUTBOUND_DATAGRAMS_MAX = 512,
    OUTBOUND_ACTIONS_MAX = 128,
    OUTBOUND_ARENA_SIZE = OUTBOUND_DATAGRAMS_MAX * 1500,
};

struct outbound_datagram {
    unsigned leg; /* which of the bot's sockets */
    struct net_addr to;
    uint32_t offset, len; /* in the arena */
};

enum action_kind {
    ACTION_FETCH,       /* an HTTP request: bot_on_fetched() follows */
    ACTION_OPEN,        /* the WebSocket: stages, then bot_on_open() or bot_on_closed() */
    ACTION_TEXT,        /* one WebSocket message */
    ACTION_CLOSE,       /* the WebSocket, politely (1000); no bot_on_closed() follows */
    ACTION_OPEN_MEDIA,  /* a UDP socket for `leg` (a second time: another one) */
    ACTION_CLOSE_MEDIA, /* the UDP socket of `leg` */
    ACTION_FILE,        /* append `text` (text_len bytes) to the file `path`: recordings */
};

struct action {
    enum action_kind kind;
    unsigned leg;
    /* owned; outbound_clear() frees them */
    char *url;  /* FETCH, OPEN; FILE: the path */
    char *text; /* TEXT; FETCH: the JSON body of a POST, NULL: GET. Zero-terminated */
    size_t text_len;
    char *token;             /* FETCH: bearer, or NULL */
    const char *subprotocol; /* OPEN; static */
};

struct outbound {
    struct outbound_datagram datagrams[OUTBOUND_DATAGRAMS_MAX];
    size_t datagram_count;
    struct action actions[OUTBOUND_ACTIONS_MAX];
    size_t action_count;
    uint8_t *arena; /* OUTBOUND_ARENA_SIZE */
    size_t arena_used;
    uint64_t dropped; /* since outbound_init(): our fault, never the network's */
};

void outbound_init(struct outbound *o, uint8_t *arena);
/* Forgets what was performed. */
void outbound_clear(struct outbound *o);

/* Copies nothing yet: room for `capacity` bytes of one datagram, or NULL (counted). Follow with
 * outbound_commit(), or write the next one over it. */
uint8_t *outbound_reserve(struct outbound *o, size_t capacity);
void outbound_commit(struct outbound *o, unsigned leg, const struct net_addr *to, size_t len);

/* The next action, zeroed but for its kind; fill it. check()s that there is room: a bot makes few
 * at a time. */
struct action *outbound_action(struct outbound *o, enum action_kind kind);

#endif
