/* world.h - a hub with a cluster in memory: scripts, media node and tokens that always answer.
 *
 * The room scripts are imitated just far enough for the core; the real ones are tested against a
 * real Redis in test_daemon.py. SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIGNALD_WORLD_H
#define TESTS_SIGNALD_WORLD_H

#include "services/signald/core/door.h"
#include "services/signald/core/presence.h"

#define WORLD_SOCKETS   8
#define WORLD_EXCHANGES 16

struct world_socket {
    struct session *session; /* NULL: closed */
    json_t *received;        /* array, owned */
    int64_t close_code;      /* 0 = open */
};

/* One HTTP request and its answer. */
struct world_exchange {
    struct exchange *exchange; /* NULL: closed */
    struct http_response response;
    json_t *problem; /* the answer's body if it is JSON, owned */
};

struct world {
    struct hub *hub;
    usec now;
    usec nodes_seen_at;
    uint8_t random;
    struct world_socket sockets[WORLD_SOCKETS];
    size_t socket_count;
    struct world_exchange exchanges[WORLD_EXCHANGES];
    size_t exchange_count;
    json_t *participants; /* {id: whole record}, owned */
    json_t *chat;
    int64_t seq;
    json_t *asked;   /* what media nodes were asked, owned */
    json_t *audited; /* events, owned */
    /* faults */
    bool node_is_missing;              /* not in the registry */
    bool node_is_deaf;                 /* sfud-1 does not get its requests any more */
    bool node_is_leaving;              /* sfud-1 says so */
    char epoch[8];                     /* of the node, as the registry shows it */
    char room_node[16], room_epoch[8]; /* where the room is; "" = nowhere yet */
    bool node_refuses;                 /* participant.create: bad-sdp */
    bool node_is_full;                 /* sfud-1 only */
    bool node_is_silent;
    bool was_removed;   /* SCRIPT_RESTORE refuses: a moderator had removed them */
    bool redis_fails;   /* scripts: ERR_BAD_STATE */
    bool holds_nodes;   /* requests to nodes wait likewise */
    bool holds_scripts; /* answers are kept back in held */
    bool loses_events;
    unsigned subscribed; /* rooms now subscribed */
    enum err verdict;    /* of every token */
    struct token_claims claims;
    struct list held; /* struct action */
};

void world_init(struct world *w);
void world_done(struct world *w);
/* A new socket; its index. */
size_t world_open(struct world *w);
/* One message, and everything that follows from it. */
void world_say(struct world *w, size_t socket, const char *text);
void world_break(struct world *w, size_t socket);
void world_pass(struct world *w, usec duration);
void world_pump(struct world *w);
void world_release_held(struct world *w);
/* The newest message of that op, or NULL. Borrowed. */
json_t *world_last(struct world *w, size_t socket, const char *op);
/* Joins room "r" as that name; the participant's id, borrowed. */
const char *world_join(struct world *w, size_t socket, const char *name);
/* A request from 192.0.2.1, and everything that follows from it; its index. headers: name and value
 * by turns, ends with NULL; NULL: none. */
size_t world_http(struct world *w, enum http_method method, const char *path,
                  const char *const *headers, const char *body);
/* The client has gone, or the answer is written. */
void world_http_close(struct world *w, size_t exchange);
/* The room has moved to room_node, room_epoch: everybody is told. */
void world_tell_moved(struct world *w);
/* One look at the registry. */
void world_see_nodes(struct world *w);
size_t world_asked(struct world *w, const char *op);
/* The newest audit event of that type, with "type" added, or NULL. Borrowed. */
json_t *world_audited(struct world *w, const char *type);

#endif
