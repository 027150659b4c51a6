/* SPDX-License-Identifier: Apache-2.0 */
#include "core/slot.h"

#include "core/layer.h"
#include "core/worker_state.h"

struct slot *slot_new(struct worker *w, struct transport *t, uint8_t media_index)
{
    const struct media_params *m = transport_media(t, media_index);
    handle h;
    struct slot *slot = pool_take(&w->slots, &h);
    if (slot == NULL)
        return NULL;
    *slot = (struct slot){ .self = h,
                           .transport = t->self,
                           .media_index = media_index,
                           .params = m,
                           .kind = m->kind,
                           .ssrc = m->ssrc,
                           .rtx_ssrc = m->kind == MEDIA_VIDEO ? m->rtx_ssrc : 0,

                           .format_in = SLOT_NO_FORMAT,
                           .format_out = SLOT_NO_FORMAT,
                           .rtx_format = SLOT_NO_FORMAT,
                           .red_type = SLOT_NO_FORMAT };
    list_link_init(&slot->in_track);
    struct slot_memory *memory = &w->slot_memory[handle_index(h)];
    uint64_t random = worker_random(w);
    forwarder_init(&slot->forwarder, &memory->forwarder, m->kind == MEDIA_VIDEO,
                   (uint16_t)(random & 0x3fff), (uint32_t)(random >> 32));
    layer_filter_init(&slot->filter, &memory->window);
    slot->rtx_index = (random >> 16) & 0x3fff;
    if (slot->rtx_ssrc != 0)
        send_log_init(&slot->log,
                      w->records + (size_t)pool_index_of(&w->slots, slot) * SLOT_LOG_COUNT,
                      SLOT_LOG_COUNT);
    return slot;
}

void slot_free(struct worker *w, struct slot *slot)
{
    slot_unlink(w, slot);
    pool_give(&w->slots, slot->self);
}

static bool is_wish(const struct slot *slot, const struct slot_setting *s)
{
    return slot->has_wish && slot->wish_source == s->source &&
           strcmp(slot->wish_participant, s->participant) == 0;
}

static const char *room_key_of(const struct worker *w, const struct slot *slot)
{
    const struct transport *t = pool_at(&w->transports, slot->transport);
    const struct room *room = pool_at(&w->rooms, t->room);
    return room->key;
}

/* The viewer wants to see the same track larger or smaller. */
static void resize(struct worker *w, struct slot *slot, uint8_t spatial_max, usec now)
{
    if (slot->spatial_max == spatial_max)
        return;
    slot->spatial_max = spatial_max;
    struct track *track = pool_at(&w->tracks, slot->track);
    if (track == NULL)
        return;
    track_update_demand(w, track);
    slot_select(w, slot, now);
    bandwidth_change(w, pool_at(&w->transports, slot->transport));
}

void slot_set(struct worker *w, struct slot *slot, const struct slot_setting *s, usec now)
{
    if (s == NULL || !s->has_track) {
        slot_unlink(w, slot);
        slot->has_wish = false;
        return;
    }
    slot->priority = s->priority;
    if (is_wish(slot, s)) {
        resize(w, slot, s->spatial_max, now);
        return;
    }
    slot_unlink(w, slot);
    slot->spatial_max = s->spatial_max;
    slot->has_wish = true;
    slot->wish_source = s->source;
    memcpy(slot->wish_participant, s->participant, sizeof slot->wish_participant);
    slot->wish_participant[PARTICIPANT_KEY_MAX] = '\0';
    struct bytes name = bytes_of_str(slot->wish_participant);
    slot->wish_hash = worker_hash(w, name, bytes_of(NULL, 0));
    struct track *track =
        room_find_track(w, room_key_of(w, slot), slot->wish_participant, slot->wish_source);
    if (track != NULL)
        slot_link(w, slot, track, now);
}

void slot_link(struct worker *w, struct slot *slot, struct track *track, usec now)
{
    if (slot->track != 0 || track->kind != slot->kind)
        return;
    slot->track = track->self;
    slot->has_target = slot->is_paused = false;
    slot->must_ask = false;
    slot->held_until = slot->raised_at = 0;
    slot->hold_time = SLOT_HOLD_MIN;
    playout_restart(&slot->playout);
    list_push_back(&track->slots, &slot->in_track);
    track_update_demand(w, track);
    stats_add(&w->stats, STAT_SLOTS_FED, 1);
    slot_select(w, slot, now);
    if (slot->kind == MEDIA_VIDEO)
        bandwidth_change(w, pool_at(&w->transports, slot->transport));
}

void slot_unlink(struct worker *w, struct slot *slot)
{
    forwarder_stop(&slot->forwarder);
    if (slot->track == 0)
        return;
    list_remove(&slot->in_track);
    struct track *track = pool_at(&w->tracks, slot->track);
    if (track != NULL)
        track_update_demand(w, track);
    slot->track = 0;
    stats_set(&w->stats, STAT_SLOTS_FED, stats_read(&w->stats, STAT_SLOTS_FED) - 1);
}

/* How much of the track: before the first division (bandwidth.c) the least, so that what begins
 * with a keyframe can be shown at once. */
static uint8_t spatial_target(const struct slot *slot, const struct transport *viewer)
{
    uint8_t target = slot->has_target                  ? slot->target_spatial
                     : viewer->bandwidth.is_controlled ? 0
                                                       : slot->spatial_max;
    return MIN(slot->spatial_max, target);
}

/* The layer that should flow; -1: none that does. */
static int choose_layer(const struct slot *slot, const struct track *track, uint8_t spatial)
{
    bool is_simulcast = slot->kind == MEDIA_VIDEO && track->layer_count > 1;
    return layer_choose(track->active, is_simulcast ? spatial : slot->spatial_max);
}

/* The filter chooses within the encoding: of SVC the spatial layers, else frame rates only. */
static void want_layers(struct slot *slot, const struct track *track, uint8_t spatial)
{
    layer_filter_want(&slot->filter, track->layer_count > 1 ? (uint8_t)LAYER_ANY : spatial,
                      slot->has_target ? slot->target_temporal : (uint8_t)LAYER_ANY);
}

static void want_input(struct worker *w, struct slot *slot, struct track *track, struct encoding *e,
                       usec now)
{
    const struct transport *viewer = pool_at(&w->transports, slot->transport);
    if (slot->forwarder.wanted != e->self) {
        forwarder_want(&slot->forwarder, e->self);
    } else if (!slot->must_ask || e->keyframe_at == now) {
        slot->must_ask = false; /* the keyframe of this pass is on its way to us */
        return;
    }
    /* Who is not connected yet asks then; who has no target yet, when they have one. */
    bool can_ask =
        viewer->state == TRANSPORT_CONNECTED && (slot->has_target || slot->kind == MEDIA_AUDIO);
    slot->must_ask = forwarder_is_waiting(&slot->forwarder) && !can_ask;
    if (forwarder_is_waiting(&slot->forwarder) && can_ask)
        track_want_keyframe(w, track, e, now);
}

void slot_select(struct worker *w, struct slot *slot, usec now)
{
    struct track *track = pool_at(&w->tracks, slot->track);
    struct transport *viewer = pool_at(&w->transports, slot->transport);
    if (track == NULL || track->muted || !track->allowed || slot->is_paused) {
        forwarder_stop(&slot->forwarder);
        return;
    }
    uint8_t spatial = spatial_target(slot, viewer);
    int layer = choose_layer(slot, track, spatial);
    if (layer < 0)
        return; /* silent: what flowed may go on */
    if (slot->kind == MEDIA_VIDEO)
        want_layers(slot, track, spatial);
    want_input(w, slot, track, track_encoding(w, track, (unsigned)layer), now);
}

void slot_on_connected(struct worker *w, struct slot *slot, usec now)
{
    slot->must_ask = forwarder_is_waiting(&slot->forwarder);
    slot_select(w, slot, now);
    if (slot->track != 0 && slot->kind == MEDIA_VIDEO)
        bandwidth_change(w, pool_at(&w->transports, slot->transport));
}

void slot_on_path_changed(struct worker *w, struct slot *slot, usec now)
{
    struct track *track = pool_at(&w->tracks, slot->track);
    struct encoding *e = pool_at(&w->encodings, slot->forwarder.wanted);
    if (slot->kind == MEDIA_VIDEO && track != NULL && e != NULL)
        track_want_keyframe(w, track, e, now);
}

void slot_on_keyframe_request(struct worker *w, struct slot *slot, usec now)
{
    struct track *track = pool_at(&w->tracks, slot->track);
    struct encoding *e = pool_at(&w->encodings, slot->forwarder.wanted);
    slot->sample.keyframe_request_count++;
    if (track == NULL || e == NULL)
        return;
    if (now - slot->pli_window_at >= SLOT_PLI_WINDOW || slot->pli_count == 0) {
        slot->pli_window_at = now;
        slot->pli_count = 0;
    }
    if (slot->pli_count >= SLOT_PLI_BURST)
        return;
    slot->pli_count++;
    track_want_keyframe(w, track, e, now);
}

void slot_on_beyond_repair(struct worker *w, struct slot *slot, usec now)
{
    if (slot->beyond_repair_at != 0 && now - slot->beyond_repair_at < KEYFRAME_RETRY_TIME)
        return; /* a NACK names many, and what was asked for takes its time */
    slot->beyond_repair_at = now;
    slot_on_keyframe_request(w, slot, now);
}

/* The instant the report speaks of is now; what the media clock shows then follows from the
 * publisher's report, or from the last packet sent. */
bool slot_report(struct worker *w, struct slot *slot, usec now, struct rtcp_sender_info *ret)
{
    const struct forwarder *f = &slot->forwarder;
    if (slot->packet_count == 0 || slot->clock_rate == 0 || f->input == 0)
        return false;
    const struct encoding *e = pool_at(&w->encodings, f->input);
    const struct track *track = pool_at(&w->tracks, slot->track);
    const struct transport *publisher =
        track == NULL ? NULL : pool_at(&w->transports, track->transport);
    wall_usec wall = worker_wall(w, now);
    uint32_t timestamp;
    if (e != NULL && e->clock.domain != 0 && publisher != NULL && publisher->has_clock_offset) {
        usec since = wall - publisher->clock_offset - e->clock.ntp;
        timestamp = forwarder_timestamp(
            f, e->clock.timestamp + (uint32_t)(since * (int64_t)slot->clock_rate / USEC_PER_SEC));
    } else {
        usec since = now - f->out_at;
        timestamp = f->out_timestamp + (uint32_t)(since * (int64_t)slot->clock_rate / USEC_PER_SEC);
    }
    *ret = (struct rtcp_sender_info){ .ssrc = slot->ssrc,
                                      .ntp = ntp_of(wall),
                                      .timestamp = timestamp,
                                      .packet_count = slot->packet_count,
                                      .octet_count = slot->octet_count };
    slot->reported_at = now;
    return true;
}
