/* command.c - carries out what control asks for.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/command.h"

#include "core/snapshot.h"
#include "core/worker_state.h"

static enum err create(struct worker *w, const struct command *c, usec now)
{
    if (transport_find(w, c->room, c->participant) != NULL ||
        transport_find_ufrag(w, bytes_of_str(c->transport.local_ufrag)) != NULL)
        return ERR_BAD_STATE;
    struct room *room = room_find_or_new(w, c->room);
    if (room == NULL)
        return ERR_FULL;
    enum err err = OK;
    struct transport *t = transport_new(w, room, c->participant, &c->transport, now, &err);
    return t == NULL ? err : OK;
}

/* The setting of this mid, or NULL. */
static const struct slot_setting *find_setting(const struct command *c, const char *mid)
{
    for (size_t i = 0; i < c->slots_set.slot_count; i++) {
        if (strcmp(c->slots_set.slots[i].mid, mid) == 0)
            return &c->slots_set.slots[i];
    }
    return NULL;
}

static enum err set_slots(struct worker *w, struct transport *t, const struct command *c, usec now)
{
    if (c->slots_set.tell_again)
        observation_tell_again(w, pool_at(&w->rooms, t->room), now);
    if (c->slots_set.version < t->slots_version)
        return OK;
    t->slots_version = c->slots_set.version;
    for (size_t i = 0; i < t->params.media_count; i++) {
        const struct media_params *m = transport_media(t, i);
        struct slot *slot = m->role == MEDIA_SLOT ? pool_at(&w->slots, t->media[i]) : NULL;
        if (slot != NULL)
            slot_set(w, slot, find_setting(c, m->mid), now);
    }
    return OK;
}

static enum err set_track(struct worker *w, const struct command *c, usec now)
{
    struct track *track = room_find_track(w, c->room, c->participant, c->track_set.source);
    if (track != NULL)
        track_set_muted(w, track, c->track_set.muted, now);
    return OK;
}

static enum err run_for_transport(struct worker *w, struct transport *t, struct command *c,
                                  usec now)
{
    switch (c->kind) {
    case COMMAND_TRANSPORT_UPDATE:
        return transport_update(w, t, &c->transport, now);
    case COMMAND_TRANSPORT_REMOVE:
        transport_free(w, t);
        return OK;
    case COMMAND_SLOTS_SET:
        return set_slots(w, t, c, now);
    default:
        return set_track(w, c, now);
    }
}

static enum err take_snapshot(struct worker *w, const struct command *c, usec now)
{
    if (c->participant[0] == 0) {
        const struct room *room = room_find(w, c->room);
        if (room != NULL)
            snapshot_room(w, room, c->snapshot.skip, now, c->snapshot.ret_room);
        return room == NULL ? ERR_NOT_FOUND : OK;
    }
    const struct transport *t = transport_find(w, c->room, c->participant);
    if (t == NULL)
        return ERR_NOT_FOUND;
    if (c->snapshot.ret_participant != NULL)
        snapshot_participant(w, t, now, c->snapshot.ret_participant);
    if (c->snapshot.ret_packets != NULL)
        snapshot_packets(w, t, c->snapshot.ret_packets);
    return OK;
}

static enum err run(struct worker *w, struct command *c, usec now)
{
    struct transport *t;
    switch (c->kind) {
    case COMMAND_TRANSPORT_CREATE:
        return create(w, c, now);
    case COMMAND_TRANSPORT_UPDATE:
    case COMMAND_TRANSPORT_REMOVE:
    case COMMAND_SLOTS_SET:
    case COMMAND_TRACK_SET:
        t = transport_find(w, c->room, c->participant);
        if (t == NULL)
            return c->kind == COMMAND_TRANSPORT_REMOVE ? OK : ERR_NOT_FOUND;
        return run_for_transport(w, t, c, now);
    case COMMAND_WALL_SET:
        w->config.wall_minus_now = c->wall_minus_now;
        return OK;
    case COMMAND_SNAPSHOT:
        return take_snapshot(w, c, now);
    }
    return ERR_UNSUPPORTED;
}

void worker_command(struct worker *w, struct command *c, usec now)
{
    w->now = now;
    struct event e = { .kind = EVENT_COMMAND_DONE, .command = c };
    e.err = run(w, c, now);
    worker_push_event(w, &e);
}
