/* sim_server.h - a signaling server in memory: as much of conclave.v1 (docs/protocol.md) as bots
 * use, before a sim_node. Scripted: it can refuse, forget, and fall silent.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIM_SERVER_H
#define TESTS_SIM_SERVER_H

#include "sim_node.h"

#include <jansson.h>

enum { SIM_MEMBERS_MAX = 64, SIM_VIEW_MAX = 64 };

struct sim_member {
    char id[SIM_NAME_MAX], name[128], room[128];
    char resume[32];
    unsigned socket; /* 0: it is broken */
    usec gone_at;    /* since when; USEC_NEVER: it stands */
    bool microphone, muted, camera;
    struct sim_slot slots[SIM_SLOTS_MAX];
    size_t slot_count;
    struct {
        char id[SIM_NAME_MAX];
        int height;
    } view[SIM_VIEW_MAX];
    size_t view_count;
    bool has_view;
};

struct sim_server {
    /* given */
    struct sim_node *node;
    void (*say)(void *data, unsigned socket, char *text); /* takes text */
    void (*hang_up)(void *data, unsigned socket, int code);
    void *data;
    /* script */
    char refuse_join[40], refuse_resume[40]; /* an error; "": no */
    bool silent;                             /* hears, and answers nothing */
    bool odd;                                /* answers joins and resumes with ok, and no more */
    bool lies;    /* what flows in the first two slots of a kind is not what it says */
    bool forgets; /* says what flows, and lets nothing flow */
    /* derived */
    usec now; /* of the call that is running */
    struct sim_member members[SIM_MEMBERS_MAX];
    size_t member_count;
    unsigned joins, resumes, leaves, views, publishes, tokens;
    json_int_t seq;
};

void sim_server_on_text(struct sim_server *s, unsigned socket, const char *text);
void sim_server_on_gone(struct sim_server *s, unsigned socket);
void sim_server_on_media(struct sim_server *s, const char *participant, const char *state);
void sim_server_on_layers(struct sim_server *s, const char *participant, bool is_camera, int max);
/* Those whose socket has been gone for 30 s leave. */
void sim_server_tick(struct sim_server *s);
usec sim_server_deadline(const struct sim_server *s);
struct sim_member *sim_server_find(struct sim_server *s, const char *id);
/* Somebody looks at other cameras, by dice: some of them, in any order, at any size. */
void sim_server_look(struct sim_server *s, struct sim_member *m, uint64_t random);
/* The newest participant with this name. */
struct sim_member *sim_server_named(struct sim_server *s, const char *name);

#endif
