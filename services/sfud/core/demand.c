/* demand.c - publishers are told what of their video is watched.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/worker_state.h"

static int highest_wanted(const struct track *track)
{
    int highest = -1;
    list_for_each(link, &track->slots)
    {
        const struct slot *slot = list_entry(link, struct slot, in_track);
        highest = MAX(highest, (int)slot->spatial_max);
    }
    bool is_all = track->layer_count > 1 && highest >= track->layer_count - 1;
    return is_all ? TRACK_LAYER_TOP : highest;
}

void track_update_demand(struct worker *w, struct track *track)
{
    struct track_demand *d = &track->demand;
    if (track->kind != MEDIA_VIDEO)
        return;
    d->wanted = (int8_t)highest_wanted(track);
    d->is_new = true;
    worker_wake(w, track->transport, 0);
}

static void schedule(struct track_demand *d, usec now)
{
    d->is_new = false;
    if (d->wanted == d->told) {
        d->tell_at = USEC_NEVER;
        return;
    }
    usec delay = d->wanted > d->told ? 0 : d->wanted < 0 ? DEMAND_NONE_TIME : DEMAND_LOWER_TIME;
    d->tell_at = d->tell_at == USEC_NEVER ? now + delay : MIN(d->tell_at, now + delay);
    d->repeat_time = DEMAND_REPEAT_TIME;
}

/* A layer flows that nobody wants, or one that is wanted does not. (The first may be an event that
 * was lost; the second may also be a publisher whose network or camera has no more.) */
static bool is_contradicted(const struct track *track)
{
    const struct track_demand *d = &track->demand;
    if (track->muted || track->layer_count == 1)
        return d->told < 0 && track->active != 0 && !track->muted;
    uint32_t unwanted = track->active >> (d->told + 1);
    uint32_t top = MIN((uint32_t)MAX(d->told, 0), track->layer_count - 1u);
    bool is_missing = d->told >= 0 && (track->active & 1u << top) == 0;
    return unwanted != 0 || is_missing;
}

static void tell(struct worker *w, struct track *track, usec now)
{
    struct track_demand *d = &track->demand;
    const struct transport *t = pool_at(&w->transports, track->transport);
    const struct room *room = pool_at(&w->rooms, t->room);
    d->told = d->wanted;
    d->told_at = now;
    d->tell_at = USEC_NEVER;
    struct event e = { .kind = EVENT_LAYERS, .source = track->source, .layer_max = d->told };
    memcpy(e.room, room->key, sizeof e.room);
    memcpy(e.participant, t->participant, sizeof e.participant);
    worker_push_event(w, &e);
}

usec track_tell_demand(struct worker *w, struct track *track, usec now)
{
    struct track_demand *d = &track->demand;
    if (track->kind != MEDIA_VIDEO)
        return USEC_NEVER;
    if (d->is_new)
        schedule(d, now);
    if (d->tell_at != USEC_NEVER) {
        if (now < d->tell_at)
            return d->tell_at;
        tell(w, track, now);
    }
    if (d->told_at == 0 || !is_contradicted(track)) {
        d->repeat_time = DEMAND_REPEAT_TIME;
        return USEC_NEVER;
    }
    if (now - d->told_at >= d->repeat_time) {
        d->repeat_time = MIN(d->repeat_time * 2, DEMAND_REPEAT_TIME_MAX);
        tell(w, track, now);
    }
    return d->told_at + d->repeat_time;
}
