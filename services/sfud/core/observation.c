/* SPDX-License-Identifier: Apache-2.0 */
#include "core/observation.h"

#include "core/worker_state.h"

enum { EXPECTED_MIN = 20 }; /* packets: of fewer, a share lost says little */

void observation_init(struct worker *w, struct transport *t, usec now)
{
    t->observation = (struct observation){ .look_at = now, .sample_at = now + QUALITY_INTERVAL };
    t->observation.sampled_at = now;
    quality_init(&t->observation.quality);
    packet_ring_init(worker_ring(w, t->self));
}

/* ---- stages of joining */

void observation_tell_again(struct worker *w, struct room *room, usec now)
{
    room_tell_again(w, room, now);
    list_for_each(link, &room->participants)
    {
        struct observation *o = &list_entry(link, struct transport, in_room)->observation;
        if (o->quality.score == QUALITY_UNKNOWN)
            continue;
        o->is_score_new = true;
        room->scores_at = MIN(room->scores_at, now + QUALITY_GATHER_TIME);
    }
    w->next_deadline = MIN(w->next_deadline, room->scores_at);
}

void observation_on_checked(struct worker *w, struct transport *t, usec now)
{
    t->observation.checked_at = now;
    stats_observe(&w->stats, HISTOGRAM_JOIN_CHECK, (uint64_t)(now - t->created_at));
}

void observation_on_connected(struct worker *w, struct transport *t, const char *suite, usec now)
{
    struct observation *o = &t->observation;
    o->connected_at = now;
    o->suite = suite;
    stats_observe(&w->stats, HISTOGRAM_JOIN_DTLS, (uint64_t)(now - o->checked_at));
    observation_tell_again(w, pool_at(&w->rooms, t->room), now);
}

void observation_on_first_media(struct worker *w, struct transport *t, usec now)
{
    struct observation *o = &t->observation;
    o->media_at = now;
    stats_observe(&w->stats, HISTOGRAM_JOIN_MEDIA, (uint64_t)(now - o->connected_at));
}

/* ---- freezes */

static struct slot *slot_at(const struct worker *w, const struct transport *t, size_t i)
{
    return transport_media(t, i)->role == MEDIA_SLOT ? pool_at(&w->slots, t->media[i]) : NULL;
}

static struct track *track_at(const struct worker *w, const struct transport *t, size_t i)
{
    return transport_media(t, i)->role == MEDIA_PUBLISH ? pool_at(&w->tracks, t->media[i]) : NULL;
}

static bool is_sending(const struct worker *w, const struct track *track, usec now)
{
    for (unsigned i = 0; i < track->layer_count; i++) {
        const struct encoding *e = track_encoding(w, track, i);
        if (e != NULL && now - e->packet_at < FREEZE_LOOK_INTERVAL)
            return true;
    }
    return false;
}

/* Something flowed in the slot, and stopped although its track goes on. What the allocator has
 * paused is no freeze: it has a counter of its own. */
static bool is_frozen(const struct worker *w, const struct slot *slot, usec now)
{
    if (slot->forwarder.input == 0 || slot->is_paused || now - slot->sent_at < FREEZE_TIME)
        return false;
    const struct track *track = pool_at(&w->tracks, slot->track);
    return track != NULL && is_sending(w, track, now);
}

/* Returns whether there are slots to look at. */
static bool look_for_freezes(struct worker *w, struct transport *t, usec now)
{
    bool any = false;
    for (size_t i = 0; i < t->params.media_count; i++) {
        struct slot *slot = slot_at(w, t, i);
        if (slot == NULL || slot->kind != MEDIA_VIDEO || slot->track == 0)
            continue;
        any = true;
        bool was_frozen = slot->sample.is_frozen;
        slot->sample.is_frozen = is_frozen(w, slot, now);
        if (slot->sample.is_frozen && !was_frozen) {
            slot->sample.freeze_count++;
            stats_count(&w->stats, STAT_FREEZES);
        }
    }
    return any;
}

/* ---- samples */

static usec jitter_us(uint32_t ticks, uint32_t clock_rate)
{
    return clock_rate == 0 ? 0 : (usec)ticks * USEC_PER_SEC / clock_rate;
}

static bool sample_slots(const struct worker *w, struct transport *t, usec now)
{
    struct observation *o = &t->observation;
    uint32_t count = 0, lost = 0;
    o->jitter_out_us = 0;
    o->playout_us = 0;
    for (size_t i = 0; i < t->params.media_count; i++) {
        struct slot *slot = slot_at(w, t, i);
        if (slot == NULL)
            continue;
        uint32_t octets = slot->octet_count - slot->sample.octets_seen;
        slot->sample.octets_seen = slot->octet_count;
        slot->sample.bps = (uint32_t)MIN((uint64_t)octets * 8 * USEC_PER_SEC /
                                             (uint64_t)MAX(now - o->sampled_at, (usec)1),
                                         (uint64_t)UINT32_MAX);
        if (octets == 0)
            continue;
        count++;
        lost += slot->fraction_lost * 1000u / 256;
        o->playout_us = MAX(o->playout_us, playout_delay(&slot->playout));
        if (slot->kind == MEDIA_AUDIO)
            o->jitter_out_us = MAX(o->jitter_out_us, jitter_us(slot->jitter, slot->clock_rate));
    }
    struct bwe_stats bwe;
    bwe_stats(&t->bandwidth.bwe, &bwe);
    o->loss_out_permille = bwe.has_feedback ? bwe.loss_permille : count == 0 ? 0 : lost / count;
    return count > 0;
}

/* The layers of a track that are wanted and were sent at some time, and those that are sent now. */
static void count_layers(const struct track *track, struct quality_input *in)
{
    if (track->kind != MEDIA_VIDEO || track->muted || !track->allowed || track->active == 0)
        return;
    uint32_t told = track->demand.told < 0 ? 0 : (2u << track->demand.told) - 1;
    in->layers_wanted += (uint8_t)__builtin_popcount(track->ever_active & told);
    in->layers_active += (uint8_t)__builtin_popcount(track->active & told);
}

static bool sample_tracks(const struct worker *w, struct transport *t, struct quality_input *in)
{
    struct observation *o = &t->observation;
    int64_t expected = 0, received = 0;
    bool any = false;
    o->jitter_in_us = 0;
    for (size_t i = 0; i < t->params.media_count; i++) {
        const struct track *track = track_at(w, t, i);
        if (track == NULL)
            continue;
        count_layers(track, in);
        any |= track->active != 0;
        for (unsigned layer = 0; layer < track->layer_count; layer++) {
            const struct encoding *e = track_encoding(w, track, layer);
            if (e == NULL || e->stats.received == 0)
                continue;
            expected += e->stats.unwrapper.highest - e->stats.base_seq + 1;
            received += (int64_t)e->stats.received;
            if (!e->is_video && e->is_active)
                o->jitter_in_us =
                    MAX(o->jitter_in_us, jitter_us(e->stats.jitter_q4 / 16, e->clock_rate));
        }
    }
    int64_t new_expected = expected - o->expected_seen, new_received = received - o->received_seen;
    o->expected_seen = expected;
    o->received_seen = received;
    if (new_expected >= EXPECTED_MIN && new_received >= 0)
        o->loss_in_permille = new_received >= new_expected
                                  ? 0
                                  : (uint32_t)((new_expected - new_received) * 1000 / new_expected);
    else if (!any)
        o->loss_in_permille = 0;
    return any;
}

static void sample_rates(struct worker *w, struct transport *t, usec now)
{
    struct observation *o = &t->observation;
    const struct packet_ring *ring = worker_ring(w, t->self);
    uint64_t duration = (uint64_t)MAX(now - o->sampled_at, (usec)1);
    for (size_t i = 0; i < ARRAY_LEN(o->bps); i++) {
        o->bps[i] = (ring->bytes[i] - o->bytes_seen[i]) * 8 * USEC_PER_SEC / duration;
        o->bytes_seen[i] = ring->bytes[i];
    }
}

static void put_into_histograms(struct worker *w, const struct transport *t,
                                const struct quality_input *in)
{
    const struct bandwidth *b = &t->bandwidth;
    struct worker_stats *s = &w->stats;
    if (in->has_uplink)
        stats_observe(s, HISTOGRAM_LOSS_IN, in->loss_in_permille);
    if (!in->has_downlink)
        return;
    stats_observe(s, HISTOGRAM_LOSS_OUT, in->loss_out_permille);
    if (in->rtt_us >= 0)
        stats_observe(s, HISTOGRAM_RTT, (uint64_t)in->rtt_us);
    if (t->params.ext.id_of[RTP_EXT_PLAYOUT_DELAY] != 0)
        stats_observe(s, HISTOGRAM_PLAYOUT, (uint64_t)t->observation.playout_us);
    if (b->is_controlled)
        stats_observe(s, HISTOGRAM_ESTIMATE, bwe_estimate_bps(&b->bwe));
    if (b->is_controlled && b->demand_bps > 0)
        stats_observe(s, HISTOGRAM_SHARE, MIN(b->spent_bps, b->demand_bps) * 1000 / b->demand_bps);
}

static void take_score(struct worker *w, struct transport *t, const struct quality_input *in,
                       usec now)
{
    struct observation *o = &t->observation;
    bool is_changed = quality_update(&o->quality, in);
    int score = o->quality.score;
    if (score == QUALITY_UNKNOWN)
        return;
    stats_observe(&w->stats, HISTOGRAM_SCORE, (uint64_t)score);
    if (!is_changed && (score == QUALITY_PERFECT || now - o->told_at < QUALITY_REPEAT_TIME))
        return;
    o->is_score_new = true;
    o->told_at = now;
    struct room *room = pool_at(&w->rooms, t->room);
    room->scores_at = MIN(room->scores_at, now + QUALITY_GATHER_TIME);
}

static void sample(struct worker *w, struct transport *t, usec now)
{
    struct observation *o = &t->observation;
    const struct bandwidth *b = &t->bandwidth;
    struct quality_input in = { .is_lost = t->is_disconnected, .rtt_us = t->rtt_us };
    sample_rates(w, t, now);
    in.has_downlink = sample_slots(w, t, now) || (b->demand_bps > 0 && b->spent_bps == 0);
    in.has_uplink = sample_tracks(w, t, &in);
    o->sampled_at = now;
    in.loss_out_permille = o->loss_out_permille;
    in.jitter_out_us = o->jitter_out_us;
    in.loss_in_permille = o->loss_in_permille;
    in.jitter_in_us = o->jitter_in_us;
    if (now - o->connected_at >= QUALITY_WARM_UP_TIME) {
        in.wanted_bps = b->demand_bps;
        in.given_bps = b->spent_bps;
    }
    put_into_histograms(w, t, &in);
    take_score(w, t, &in, now);
}

usec observation_tick(struct worker *w, struct transport *t, usec now)
{
    struct observation *o = &t->observation;
    if (now >= o->look_at)
        o->look_at = look_for_freezes(w, t, now) ? now + FREEZE_LOOK_INTERVAL : o->sample_at;
    if (now >= o->sample_at) {
        sample(w, t, now);
        o->sample_at = now + QUALITY_INTERVAL;
    }
    return MIN(MAX(o->look_at, now + FREEZE_LOOK_INTERVAL), o->sample_at);
}

void observation_tell_scores(struct worker *w, struct room *room)
{
    struct event e = { .kind = EVENT_QUALITY };
    memcpy(e.room, room->key, sizeof e.room);
    room->scores_at = USEC_NEVER;
    list_for_each(link, &room->participants)
    {
        struct transport *t = list_entry(link, struct transport, in_room);
        if (!t->observation.is_score_new)
            continue;
        t->observation.is_score_new = false;
        struct event_score *s = &e.scores[e.score_count++];
        memcpy(s->participant, t->participant, sizeof s->participant);
        s->score = (uint8_t)t->observation.quality.score;
        if (e.score_count == SCORES_MAX) {
            worker_push_event(w, &e);
            e.score_count = 0;
        }
    }
    if (e.score_count > 0)
        worker_push_event(w, &e);
}
