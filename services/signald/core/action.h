/* action.h - what the core wants done; io performs actions in order and reports back.
 *
 * Pure. Each ACTION_SCRIPT, ACTION_NODE and ACTION_VERIFY with a call gets exactly one answer.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SIGNALD_CORE_ACTION_H
#define SIGNALD_CORE_ACTION_H

#include "common/base.h"
#include "common/http.h"
#include "common/list.h"
#include "common/logfmt.h"

#include <jansson.h>

/* One Lua file each, in services/signald/scripts. */
enum script {
    SCRIPT_PLACE,
    SCRIPT_JOIN,
    SCRIPT_LEAVE,
    SCRIPT_UPDATE,
    SCRIPT_TRACK,
    SCRIPT_RESUME,
    SCRIPT_RESTORE,
    SCRIPT_CHAT,
    SCRIPT_SNAPSHOT,
    SCRIPT_OWNERS,
    SCRIPT_COUNT,
};
const char *script_name(unsigned script);

enum action_kind {
    ACTION_SEND,   /* socket, text */
    ACTION_CLOSE,  /* socket, number = close code, text = reason: after what was sent before */
    ACTION_VERIFY, /* call, text = token */
    ACTION_SCRIPT, /* call (may be NULL), script, room, json = [args] */
    ACTION_NODE,   /* call (may be NULL), name = node, json = request without id/reply/deadline */
    ACTION_SUBSCRIBE,   /* room: its events and media channels; report hub_on_subscribed */
    ACTION_UNSUBSCRIBE, /* room */
    ACTION_ROOM_ADD,    /* room into cc:rooms */
    ACTION_ROOM_REMOVE, /* room out of cc:rooms */
    ACTION_AUDIT,       /* name = type, json = {actor_kind, actor_id, actor_name, org, room, …} */
    ACTION_LOG,         /* name = event, number = enum log_level, json = flat {key: value} */
    ACTION_RESPOND,     /* socket = io's exchange, response */
    ACTION_OBSERVE,     /* name = stage of a join, number = microseconds */
};

struct call;

struct action {
    struct list_link link;
    enum action_kind kind;
    void *socket; /* io's; valid until io has reported it closed */
    char *text;   /* owned */
    size_t text_len;
    char *room;        /* owned */
    char *name;        /* owned */
    json_t *json;      /* owned */
    struct call *call; /* borrowed from the hub; NULL = no answer wanted */
    enum script script;
    int64_t number;
    struct http_response *response; /* owned */
};

/* A new action at the end of the queue. */
struct action *action_push(struct list *queue, enum action_kind kind);
/* Copies. */
void action_set_room(struct action *a, const char *room);
void action_set_name(struct action *a, const char *name);
void action_free(struct action *a);

#endif
