/* SPDX-License-Identifier: Apache-2.0 */
#include "core/snapshot.h"

#include "core/worker_state.h"

static usec between(usec from, usec to)
{
    return from == 0 || to == 0 ? -1 : to - from;
}

static usec ticks_us(uint32_t ticks, uint32_t clock_rate)
{
    return clock_rate == 0 ? 0 : (usec)ticks * USEC_PER_SEC / clock_rate;
}

static void fill_transport(const struct worker *w, const struct transport *t, usec now,
                           struct transport_snapshot *ret)
{
    const struct observation *o = &t->observation;
    const struct bandwidth *b = &t->bandwidth;
    const struct packet_ring *ring = worker_ring(w, t->self);
    const struct transport_address *to = transport_destination(t);
    *ret = (struct transport_snapshot){
        .state = t->state,
        .is_disconnected = t->is_disconnected,
        .score = o->quality.score,
        .suite = o->suite,
        .age_us = now - t->created_at,
        .check_us = between(t->created_at, o->checked_at),
        .dtls_us = between(o->checked_at, o->connected_at),
        .media_us = between(o->connected_at, o->media_at),
        .rtt_us = t->rtt_us,
        .loss_in_permille = o->loss_in_permille,
        .loss_out_permille = o->loss_out_permille,
        .jitter_in_us = o->jitter_in_us,
        .jitter_out_us = o->jitter_out_us,
        .playout_us = o->playout_us,
        .is_controlled = b->is_controlled,
        .demand_bps = b->demand_bps,
        .allocated_bps = b->spent_bps,
        .audio_bps = b->audio_bps,
    };
    memcpy(ret->participant, t->participant, sizeof ret->participant);
    if (to != NULL)
        ret->address = to->addr;
    memcpy(ret->packets, ring->packets, sizeof ret->packets);
    memcpy(ret->bytes, ring->bytes, sizeof ret->bytes);
    memcpy(ret->bps, o->bps, sizeof ret->bps);
    bwe_stats(&b->bwe, &ret->bwe);
}

/* All that the stream carries now. */
static uint64_t total_bps(const struct encoding *e)
{
    uint32_t most = rate_meter_bps(&e->rates, 0);
    for (unsigned i = 1; i < e->layers.structure.target_count; i++)
        most = MAX(most, rate_meter_bps(&e->rates, i));
    return most;
}

static void fill_encoding(const struct encoding *e, struct encoding_snapshot *ret)
{
    int64_t expected = e->stats.unwrapper.highest - e->stats.base_seq + 1;
    int64_t missing = e->stats.received == 0 ? 0 : expected - (int64_t)e->stats.received;
    *ret = (struct encoding_snapshot){
        .is_known = true,
        .is_active = e->is_active,
        .ssrc = e->ssrc,
        .bps = e->is_active ? total_bps(e) : 0,
        .packets = e->stats.received,
        .bytes = e->stats.bytes,
        .lost = (uint64_t)MAX(missing, (int64_t)0),
        .nacked = e->nack.asked_count,
        .recovered = e->nack.recovered_count,
        .keyframe_requests = e->keyframe.asked_count,
        .jitter_us = ticks_us(e->stats.jitter_q4 / 16, e->clock_rate),
        .spatial_layers = e->layers.structure.spatial_count,
        .temporal_layers = e->layers.structure.temporal_count,
    };
}

static void fill_track(const struct worker *w, const struct media_params *m,
                       const struct track *track, struct track_snapshot *ret)
{
    *ret = (struct track_snapshot){ .source = track->source,
                                    .kind = track->kind,
                                    .muted = track->muted,
                                    .allowed = track->allowed,
                                    .told = track->demand.told,
                                    .wanted = track->demand.wanted,
                                    .layer_count = track->layer_count };
    memcpy(ret->mid, m->mid, sizeof ret->mid);
    list_for_each(link, (struct list *)(uintptr_t)&track->slots) ret->slot_count++;
    for (unsigned i = 0; i < track->layer_count; i++) {
        const struct encoding *e = track_encoding(w, track, i);
        if (e != NULL)
            fill_encoding(e, &ret->encodings[i]);
    }
}

static void fill_slot(const struct worker *w, const struct media_params *m, const struct slot *slot,
                      struct slot_snapshot *ret)
{
    const struct encoding *e = pool_at(&w->encodings, slot->forwarder.input);
    *ret = (struct slot_snapshot){
        .kind = slot->kind,
        .has_wish = slot->has_wish,
        .has_track = slot->track != 0,
        .wish_source = slot->wish_source,
        .wanted_spatial = slot->spatial_max,
        .priority = slot->priority,
        .is_flowing = e != NULL && e->is_active,
        .is_waiting = forwarder_is_waiting(&slot->forwarder),
        .is_paused = slot->is_paused,
        .has_target = slot->has_target,
        .target_spatial = slot->target_spatial,
        .target_temporal = slot->target_temporal,
        .target_bps = slot->target_bps,
        .layer = e == NULL ? -1 : (int8_t)e->layer,
        .spatial = slot->filter.target == LAYER_NONE ? (uint8_t)LAYER_NONE : slot->filter.spatial,
        .temporal = slot->filter.target == LAYER_NONE ? (uint8_t)LAYER_NONE : slot->filter.temporal,
        .bps = slot->sample.bps,
        .packets = slot->packet_count,
        .resent = slot->sample.resent_count,
        .switches = slot->forwarder.switch_count,
        .keyframe_requests = slot->sample.keyframe_request_count,
        .freezes = slot->sample.freeze_count,
        .playout_us = playout_delay(&slot->playout),
        .loss_permille = slot->fraction_lost * 1000u / 256,
        .jitter_us = ticks_us(slot->jitter, slot->clock_rate),
    };
    memcpy(ret->mid, m->mid, sizeof ret->mid);
    memcpy(ret->wish_participant, slot->wish_participant, sizeof ret->wish_participant);
}

void snapshot_participant(const struct worker *w, const struct transport *t, usec now,
                          struct participant_snapshot *ret)
{
    fill_transport(w, t, now, &ret->transport);
    ret->track_count = ret->slot_count = 0;
    for (size_t i = 0; i < t->params.media_count; i++) {
        const struct media_params *m = transport_media(t, i);
        const struct track *track =
            m->role == MEDIA_PUBLISH ? pool_at(&w->tracks, t->media[i]) : NULL;
        const struct slot *slot = m->role == MEDIA_SLOT ? pool_at(&w->slots, t->media[i]) : NULL;
        if (track != NULL)
            fill_track(w, m, track, &ret->tracks[ret->track_count++]);
        if (slot != NULL)
            fill_slot(w, m, slot, &ret->slots[ret->slot_count++]);
    }
}

void snapshot_room(const struct worker *w, const struct room *room, size_t skip, usec now,
                   struct room_snapshot *ret)
{
    ret->participant_count = room->participant_count;
    ret->count = 0;
    list_for_each(link, (struct list *)(uintptr_t)&room->participants)
    {
        if (skip > 0) {
            skip--;
            continue;
        }
        if (ret->count == SNAPSHOT_PARTICIPANTS_MAX)
            return;
        const struct transport *t = list_entry(link, struct transport, in_room);
        fill_transport(w, t, now, &ret->participants[ret->count++]);
    }
}

void snapshot_packets(const struct worker *w, const struct transport *t,
                      struct packets_snapshot *ret)
{
    ret->ring = *worker_ring(w, t->self);
    ret->wall_minus_now = w->config.wall_minus_now;
}
