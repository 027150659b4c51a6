/* SPDX-License-Identifier: Apache-2.0 */
#include "core/track.h"

#include "core/worker_state.h"

/* A stream may be replaced by another SSRC only when it has been quiet for this long: a publisher
 * that alternates between two gets one of them through. */
#define REPLACE_QUIET_TIME MILLIS(100)
#define TRACK_TICK         MILLIS(100)

struct track *track_new(struct worker *w, struct transport *t, uint8_t media_index)
{
    const struct media_params *m = transport_media(t, media_index);
    handle h;
    struct track *track = pool_take(&w->tracks, &h);
    if (track == NULL)
        return NULL;
    *track = (struct track){ .self = h,
                             .transport = t->self,
                             .media_index = media_index,
                             .layer_count = MAX(m->rid_count, 1),
                             .source = m->source,
                             .kind = m->kind,
                             .allowed = m->allowed,
                             .demand = { .wanted = TRACK_LAYER_TOP,
                                         .told = TRACK_LAYER_TOP,
                                         .tell_at = USEC_NEVER,
                                         .repeat_time = DEMAND_REPEAT_TIME } };
    list_init(&track->slots);
    return track;
}

static void free_encoding(struct worker *w, struct track *track, unsigned layer)
{
    struct encoding *e = track_encoding(w, track, layer);
    if (e == NULL)
        return;
    stats_add(&w->stats, STAT_LOST_IN, e->nack.lost_count);
    encoding_expire(e, &w->payloads, USEC_NEVER);
    pool_give(&w->encodings, e->self);
    track->encodings[layer] = 0;
    track->active &= ~(1u << layer);
}

void track_free(struct worker *w, struct track *track)
{
    list_for_each(link, &track->slots) slot_unlink(w, list_entry(link, struct slot, in_track));
    for (unsigned i = 0; i < TRACK_ENCODINGS_MAX; i++)
        free_encoding(w, track, i);
    pool_give(&w->tracks, track->self);
}

struct encoding *track_encoding(const struct worker *w, const struct track *track, unsigned layer)
{
    check(layer < TRACK_ENCODINGS_MAX);
    return pool_at(&w->encodings, track->encodings[layer]);
}

struct encoding *track_learn(struct worker *w, struct track *track, uint8_t layer, uint32_t ssrc,
                             const struct format *format, usec now)
{
    struct encoding *old = track_encoding(w, track, layer);
    if (old != NULL) {
        if (now - old->packet_at < REPLACE_QUIET_TIME)
            return NULL;
        free_encoding(w, track, layer);
    }
    handle h;
    struct encoding *e = pool_take(&w->encodings, &h);
    if (e == NULL)
        return NULL;
    encoding_init(e, h, track->self, layer, ssrc, format);
    track->encodings[layer] = h;
    return e;
}

/* What each viewer should get may have changed. */
static void reselect(struct worker *w, struct track *track, usec now)
{
    list_for_each(link, &track->slots)
    {
        struct slot *slot = list_entry(link, struct slot, in_track);
        slot_select(w, slot, now);
        if (slot->kind == MEDIA_VIDEO)
            bandwidth_change(w, pool_at(&w->transports, slot->transport));
    }
}

static void put_to_sleep(struct worker *w, struct track *track, struct encoding *e, usec now)
{
    e->is_active = false;
    track->active &= ~(1u << e->layer);
    reselect(w, track, now);
}

void track_want_keyframe(struct worker *w, struct track *track, struct encoding *e, usec now)
{
    if (!e->is_video)
        return;
    keyframe_request_want(&e->keyframe);
    worker_wake(w, track->transport, MAX(now, keyframe_request_deadline(&e->keyframe)));
}

bool track_is_waited_for(const struct worker *w, const struct track *track,
                         const struct encoding *e)
{
    list_for_each(link, &track->slots)
    {
        const struct slot *slot = list_entry(link, struct slot, in_track);
        const struct transport *viewer = pool_at(&w->transports, slot->transport);
        if (slot->forwarder.wanted == e->self && forwarder_is_waiting(&slot->forwarder) &&
            viewer->state == TRANSPORT_CONNECTED)
            return true;
    }
    return false;
}

void track_on_packet(struct worker *w, struct track *track, struct encoding *e, usec now)
{
    e->packet_at = now;
    if (e->is_active)
        return;
    if (track->active == 0)
        track_update_demand(w, track); /* perhaps nobody has ever watched */
    e->is_active = true;
    e->waiters_at = now + KEYFRAME_WAITERS_INTERVAL;
    track->active |= 1u << e->layer;
    track->ever_active |= track->active;
    reselect(w, track, now);
    if (!list_is_empty(&track->slots))
        track_want_keyframe(w, track, e, now);
    worker_wake(w, track->transport, now + TRACK_TICK);
}

void track_set_muted(struct worker *w, struct track *track, bool muted, usec now)
{
    if (track->muted == muted)
        return;
    track->muted = muted;
    speaker_meter_reset(&track->meter);
    for (unsigned i = 0; i < track->layer_count; i++) {
        struct encoding *e = track_encoding(w, track, i);
        if (e != NULL)
            encoding_restart(e, &w->payloads);
    }
    reselect(w, track, now);
}

/* The camera is on, but not in this size: the publisher's line or processor is too weak for it. (A
 * smaller layer that pauses while a larger one goes on has spent its bits on a keyframe.) */
static bool is_left_out(const struct worker *w, const struct track *track, const struct encoding *e,
                        usec now)
{
    for (unsigned i = 0; i < e->layer; i++) {
        const struct encoding *smaller = track_encoding(w, track, i);
        if (smaller != NULL && now - smaller->packet_at < ENCODING_SILENT_BESIDE / 2)
            return now - e->packet_at >= ENCODING_SILENT_BESIDE;
    }
    return false;
}

/* When to look at it again. */
static usec silence_deadline(const struct encoding *e, usec now)
{
    usec silent = now - e->packet_at;
    if (silent < ENCODING_SILENT_BESIDE)
        return e->packet_at + ENCODING_SILENT_BESIDE;
    return silent < 2 * ENCODING_SILENT_TIME ? now + TRACK_TICK
                                             : e->packet_at + ENCODING_FORGET_TIME;
}

usec track_tick(struct worker *w, struct track *track, usec now)
{
    usec next = track_tell_demand(w, track, now);
    for (unsigned i = 0; i < track->layer_count; i++) {
        struct encoding *e = track_encoding(w, track, i);
        if (e == NULL)
            continue;
        encoding_expire(e, &w->payloads, now - PACKET_CACHE_TIME);
        usec silent = now - e->packet_at;
        if (e->is_active && (silent >= ENCODING_SILENT_TIME || is_left_out(w, track, e, now)))
            put_to_sleep(w, track, e, now);
        if (silent >= ENCODING_FORGET_TIME)
            free_encoding(w, track, i);
        else
            next = MIN(next, silence_deadline(e, now));
    }
    return next;
}

void track_on_bye(struct worker *w, struct track *track, struct encoding *e, usec now)
{
    if (e->is_active)
        put_to_sleep(w, track, e, now);
}
