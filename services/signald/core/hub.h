/* hub.h - all sessions and rooms of one signald: io's events in, actions out.
 *
 * The contract: io sets the clock (hub_on_clock), reports one event, then takes actions with
 * hub_next_action() until there are none. The hub never calls back. Everything that happened is in
 * its inputs, so a test is a list of inputs and expected actions.
 *
 *   session.h   one client          presence.h  one room with sessions here
 *   door.h      a client by HTTP (WHIP, WHEP)
 *   room.h      the picture         slot_policy.h, placement.h, limits.h   decisions
 *
 * Pure but for malloc, jansson and SHA-256; randomness is the function given. One thread.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SIGNALD_CORE_HUB_H
#define SIGNALD_CORE_HUB_H

#include "action.h"
#include "common/list.h"
#include "common/map.h"
#include "common/token.h"
#include "limits.h"
#include "message.h"
#include "placement.h"

struct session;
struct exchange;
struct hub;

struct hub_options {
    const char *instance; /* all borrowed for the hub's life */
    const char *epoch;
    unsigned room_participants_max;
    unsigned address_sockets_max;
    double joins_per_sec; /* of one address */
    double joins_burst;
    void (*random)(void *ret, size_t len);
    /* ICE servers for WHIP and WHEP clients; turn: ones only with a secret */
    const char *const *ice_urls;
    size_t ice_url_count;
    struct bytes turn_secret;
    usec turn_ttl;
    /* of pages that may use WHIP and WHEP beside our own */
    const char *const *allowed_origins;
    size_t allowed_origin_count;
};

/* Counters that io shows as metrics. */
struct hub_stats {
    uint64_t messages[MESSAGE_OP_COUNT + 1]; /* the last: could not be read */
    uint64_t errors[WIRE_ERROR_COUNT];
    uint64_t gaps;
    uint64_t resumed, detached, expired;
    uint64_t reaped;
    uint64_t door_requests[2]; /* POSTs by enum door_kind */
};

/* The answer to a call. */
struct answer {
    enum err err; /* OK, or why there is none: ERR_EXPIRED = node deadline, else unavailable */
    const json_t *json;                /* SCRIPT, NODE: an object {"ok":…}; NULL if err */
    const struct token_claims *claims; /* VERIFY on OK */
};

/* Something that was asked of io. Owned by the hub; io hands the pointer back once. */
struct call {
    struct list_link link;
    struct hub *hub;
    struct session *session;   /* held; NULL = about nobody here */
    struct presence *presence; /* held; may be NULL */
    struct exchange *exchange; /* held; NULL = no HTTP request waits */
    void (*done)(struct call *c, const struct answer *a);
    int64_t request;                /* the client's id; 0 = no client waits */
    json_t *context;                /* owned; what done() needs */
    enum message_op op;             /* when request != 0 */
    char node[INSTANCE_ID_MAX + 1]; /* for a repeat */
    unsigned attempts;
    usec retry_at;
};

struct hub {
    struct hub_options options;
    struct list actions;
    struct list calls;   /* struct call: under way */
    struct list retries; /* struct call: to be asked again at retry_at */
    struct list sessions;
    struct list exchanges; /* struct exchange: HTTP requests under way */
    struct map presences;  /* by room id */
    struct limits limits;
    struct placement placement;
    struct hub_stats stats;
    size_t socket_count; /* WebSockets and doors */
    size_t door_count;   /* of these, participants by WHIP and WHEP */
    usec now;
    wall_usec wall;
    bool has_redis;
    usec redis_since; /* when it last came; meaningful while has_redis */
    bool is_draining;
    usec drain_until;
    usec swept_at;
};

struct hub *hub_new(const struct hub_options *options, usec now, wall_usec wall);
/* Forgets everything, without actions. */
void hub_free(struct hub *h);

void hub_on_clock(struct hub *h, usec now, wall_usec wall);
/* A socket with our subprotocol is open. socket is io's own pointer, given back in actions.
 * address: the client's, as text. NULL: refuse it (too many from there, or draining). */
struct session *hub_on_open(struct hub *h, void *socket, const char *address);
void hub_on_text(struct hub *h, struct session *s, struct bytes text);
void hub_on_binary(struct hub *h, struct session *s);
void hub_on_too_big(struct hub *h, struct session *s);
/* The socket is gone, whoever closed it. The session pointer is not to be used any more. */
void hub_on_close(struct hub *h, struct session *s);

void hub_on_answer(struct hub *h, struct call *c, const struct answer *a);
/* Both channels of the room are subscribed (again, after a reconnect). */
void hub_on_subscribed(struct hub *h, const char *room);
void hub_on_room_event(struct hub *h, const char *room, json_t *event);
void hub_on_media_event(struct hub *h, const char *room, const json_t *event);
void hub_on_nodes(struct hub *h, const json_t *nodes);
void hub_on_redis(struct hub *h, bool is_connected);
/* What the reaper found: participants that are to be marked detached or removed. */
void hub_on_reap_detach(struct hub *h, const char *room, const char *participant,
                        const char *signald, const char *epoch);
void hub_on_reap_remove(struct hub *h, const char *room, const char *participant,
                        int64_t detached_at_ms);
/* The reaper's list had a room without state. */
void hub_on_reap_empty(struct hub *h, const char *room);
/* Every 50 ms or so. */
void hub_on_tick(struct hub *h);
/* Goodbye: every client is told to resume elsewhere, over DRAIN_SPREAD. */
void hub_on_drain(struct hub *h);
/* Draining, and nothing is under way any more. */
bool hub_is_drained(const struct hub *h);

/* The oldest action, or NULL. The caller action_free()s it. */
struct action *hub_next_action(struct hub *h);

/* For the parts of the core. */
struct call *hub_call(struct hub *h, struct session *s,
                      void (*done)(struct call *c, const struct answer *a));
/* args: an array of strings; reference taken over. */
void hub_script(struct hub *h, struct call *c, enum script script, const char *room, json_t *args);
/* request: reference taken over. */
void hub_node(struct hub *h, struct call *c, const char *node, json_t *request);
/* A request that must arrive: repeated each second until answered. */
void hub_node_surely(struct hub *h, const char *node, json_t *request);
void hub_node_remove(struct hub *h, const char *node, const char *room, const char *participant);
/* What follows when the leave script has removed somebody: answer is the script's. The node is
 * told, and it is recorded. */
void hub_participant_gone(struct hub *h, const char *room, const json_t *answer,
                          const char *reason);
/* fields: reference taken over. */
void hub_log(struct hub *h, enum log_level level, const char *event, json_t *fields);
void hub_audit(struct hub *h, const char *type, json_t *fields);
/* s gets nothing from its node. */
void hub_doubt_node(struct hub *h, const struct session *s);
static inline int64_t hub_wall_ms(const struct hub *h)
{
    return h->wall / 1000;
}

#endif
