/* SPDX-License-Identifier: Apache-2.0 */
#include "core/bandwidth.h"

#include "core/allocator.h"
#include "core/layer.h"
#include "core/worker_state.h"

#define DIVIDE_INTERVAL MILLIS(250) /* pictures get harder and easier to compress */
/* Feedback was promised in the offer, packets went out, and none came: it will not. */
#define FEEDBACK_PATIENCE MILLIS(1500)
/* A queue that overflows is drained after so long; what is lost later the path loses anyway. */
#define OVERFLOW_TIME SECONDS(3)

enum {
    ESTIMATE_STEP_PC = 3, /* smaller changes of the estimate wait for the next interval */
    BUDGET_PC = 95,       /* of the estimate; the rest is for retransmissions */
    /* The estimate that raises everybody: what they take, over the budget's share and the
     * allocator's headroom. */
    DEMAND_PC = 100 * 100 * 100 / (BUDGET_PC * (100 - ALLOCATOR_HEADROOM_PC)) + 1,
    FLOOD_PC = 150,         /* of the budget: so much more flows */
    LOSS_UNCONTROLLED = 26, /* of 256: those who tell nothing else are controlled from 10 % on */
};

static struct slot *slot_at(const struct worker *w, const struct transport *t, size_t i)
{
    return transport_media(t, i)->role == MEDIA_SLOT ? pool_at(&w->slots, t->media[i]) : NULL;
}

static bool promises_feedback(const struct transport *t)
{
    const struct transport_terms *p = &t->params;
    for (size_t i = 0; i < p->media_count; i++) {
        const struct media_params *m = transport_media(t, i);
        if (m->role != MEDIA_SLOT || m->kind != MEDIA_VIDEO)
            continue;
        bool has_number = (m->extensions & RTP_EXT_BIT(RTP_EXT_TRANSPORT_CC)) != 0;
        for (size_t j = 0; j < m->payload_type_count; j++) {
            uint8_t feedback = p->formats[m->payload_types[j]].feedback;
            if ((has_number && (feedback & RTCP_FB_TRANSPORT_CC)) || (feedback & RTCP_FB_GOOG_REMB))
                return true;
        }
    }
    return false;
}

void bandwidth_init(struct worker *w, struct transport *t, usec now)
{
    struct bandwidth *b = &t->bandwidth;
    bwe_init(&b->bwe, &w->sent[handle_index(t->self)], now);
    pacer_init(&b->pacer, w->paced + (size_t)handle_index(t->self) * PACER_PACKETS);
    b->is_controlled = !w->config.no_bandwidth_control && promises_feedback(t);
    b->is_promise = b->is_controlled;
    b->divide_at = USEC_NEVER;
}

void bandwidth_on_sent(struct transport *t, uint16_t seq, size_t size, uint8_t cluster, usec now)
{
    struct bandwidth *b = &t->bandwidth;
    if (b->first_sent_at == 0)
        b->first_sent_at = now;
    bwe_on_sent(&b->bwe, seq, size, cluster, now);
    if (cluster == 0) /* no picture waits for padding */
        pacer_on_sent(&b->pacer, size, bwe_pace_bps(&b->bwe), now);
}

void bandwidth_change(struct worker *w, struct transport *t)
{
    t->bandwidth.is_due = true;
    worker_wake(w, t->self, 0);
}

static void follow_estimate(struct worker *w, struct transport *t)
{
    struct bandwidth *b = &t->bandwidth;
    uint64_t now_bps = bwe_estimate_bps(&b->bwe);
    uint64_t step = b->divided_bps / 100 * ESTIMATE_STEP_PC;
    if (now_bps > b->divided_bps + step || now_bps + step < b->divided_bps)
        bandwidth_change(w, t);
    worker_wake(w, t->self, bwe_next_deadline(&b->bwe));
}

/* The first word of somebody who was thought to tell nothing. */
static void take_control(struct worker *w, struct transport *t)
{
    t->bandwidth.is_controlled = !w->config.no_bandwidth_control;
    t->bandwidth.is_promise = false;
}

/* Sound is sent twice where the path loses packets, not where there were too many. */
static void note_loss(struct transport *t, usec now)
{
    struct bandwidth *b = &t->bandwidth;
    if (!bwe_is_full(&b->bwe))
        b->full_since = 0;
    else if (b->full_since == 0)
        b->full_since = now;
    bool overflows = b->full_since != 0 && now - b->full_since < OVERFLOW_TIME;
    if (b->bwe.loss.total >= BWE_LOSS_SAMPLES_MIN && !overflows)
        redundancy_on_loss(&t->redundancy, bwe_loss_fraction(&b->bwe.loss), now);
}

void bandwidth_on_feedback(struct worker *w, struct transport *t, struct bytes fci, usec now)
{
    struct twcc_feedback feedback;
    if (twcc_feedback_parse(fci, &feedback) != OK) {
        stats_count(&w->stats, STAT_DROP_MALFORMED);
        return;
    }
    take_control(w, t);
    struct bwe *bwe = &t->bandwidth.bwe;
    bwe_on_feedback(bwe, &feedback, now);
    note_loss(t, now);
    follow_estimate(w, t);
}

void bandwidth_on_remb(struct worker *w, struct transport *t, uint64_t bps, usec now)
{
    take_control(w, t);
    bwe_on_remb(&t->bandwidth.bwe, bps, now);
    follow_estimate(w, t);
}

void bandwidth_on_report(struct worker *w, struct transport *t, uint8_t fraction_lost, usec now)
{
    if (fraction_lost >= LOSS_UNCONTROLLED)
        take_control(w, t);
    bwe_on_report(&t->bandwidth.bwe, fraction_lost, now);
    if (!t->bandwidth.bwe.has_feedback)
        redundancy_on_loss(&t->redundancy, fraction_lost * 1000u / 256, now);
    follow_estimate(w, t);
}

/* ---- the ladders */

/* What a stream costs before it has been measured: cameras of browsers at 720p. */
static uint64_t nominal_bps(const struct track *track, unsigned layer)
{
    static const uint64_t of_three[] = { 150000, 500000, 1700000 };
    if (track->layer_count == 1)
        return track->source == SOURCE_SCREEN ? 1500000 : 1000000;
    return of_three[MIN(layer + (track->layer_count == 2), 2u)];
}

static uint64_t cost_of(const struct track *track, const struct encoding *e, unsigned target)
{
    uint32_t bps = rate_meter_bps(&e->rates, target);
    return bps > 0 ? bps : nominal_bps(track, e->layer);
}

/* The decode target of these layers, or -1. */
static int find_target(const struct layer_structure *s, unsigned spatial, unsigned temporal)
{
    for (int i = 0; i < s->target_count; i++) {
        if (s->targets[i].spatial == spatial && s->targets[i].temporal == temporal)
            return i;
    }
    return -1;
}

/* Half of the frames is worth a larger picture, a quarter is not. As the last resort it is, if it
 * costs much less than half of them. */
static bool is_worth_it(const struct track *track, const struct encoding *e, unsigned spatial,
                        unsigned temporal, bool is_lowest)
{
    const struct layer_structure *s = &e->layers.structure;
    if (track->source == SOURCE_SCREEN || temporal + 2 >= s->temporal_count)
        return true;
    int next = find_target(s, spatial, temporal + 1), here = find_target(s, spatial, temporal);
    return is_lowest && next >= 0 && here >= 0 &&
           cost_of(track, e, (unsigned)next) >= cost_of(track, e, (unsigned)here) / 2 * 3;
}

static struct rung rung_of(const struct track *track, const struct encoding *e, unsigned target,
                           uint8_t spatial, uint8_t temporal)
{
    return (struct rung){ .spatial = spatial,
                          .temporal = temporal,
                          .bps = cost_of(track, e, target),
                          .start_bytes = rate_meter_keyframe_bytes(&e->rates, target) };
}

/* Adds what one encoding offers of spatial layer `inner`, in rising frame rate. */
static void add_rungs(struct ladder *l, const struct track *track, const struct encoding *e,
                      unsigned inner, uint8_t spatial)
{
    const struct layer_structure *s = &e->layers.structure;
    bool is_lowest = l->count == 0, any = false;
    for (unsigned temporal = 0; temporal < s->temporal_count; temporal++) {
        int i = find_target(s, inner, temporal);
        if (i < 0 || !is_worth_it(track, e, inner, temporal, is_lowest))
            continue;
        ladder_add(l, rung_of(track, e, (unsigned)i, spatial, (uint8_t)temporal));
        any = true;
    }
    if (!any) /* nothing known of layers: all or nothing */
        ladder_add(l, rung_of(track, e, 0, spatial, LAYER_ANY));
}

/* Simulcast: the layers that send now, up to what is wanted; if all are larger, the least. */
static void add_encodings(const struct worker *w, const struct slot *slot,
                          const struct track *track, struct ladder *l)
{
    int highest = layer_choose(track->active, slot->spatial_max);
    for (int i = 0; i <= highest; i++) {
        const struct encoding *e = track_encoding(w, track, (unsigned)i);
        if (e != NULL && (track->active & 1u << i)) {
            unsigned inner = e->layers.structure.spatial_count;
            add_rungs(l, track, e, inner == 0 ? 0 : inner - 1, (uint8_t)i);
        }
    }
}

/* SVC, or one layer only. */
static void add_spatial_layers(const struct slot *slot, const struct track *track,
                               const struct encoding *e, struct ladder *l)
{
    unsigned count = MAX(e->layers.structure.spatial_count, (uint8_t)1);
    for (unsigned i = 0; i < count && (i == 0 || i <= slot->spatial_max); i++)
        add_rungs(l, track, e, i, (uint8_t)i);
}

static int8_t find_current(const struct ladder *l, const struct slot *slot)
{
    int8_t found = -1;
    for (uint8_t i = 0; i < l->count && slot->has_target; i++) {
        const struct rung *r = &l->rungs[i];
        if (r->spatial < slot->target_spatial ||
            (r->spatial == slot->target_spatial && r->temporal <= slot->target_temporal))
            found = (int8_t)i;
    }
    return found;
}

/* False: nothing can flow in it now. */
static bool build_ladder(const struct worker *w, const struct slot *slot, usec now,
                         struct ladder *ret)
{
    const struct track *track = pool_at(&w->tracks, slot->track);
    *ret = (struct ladder){ .size = slot->spatial_max, .priority = slot->media_index };
    if (track == NULL || track->muted || !track->allowed || track->active == 0)
        return false;
    if (track->layer_count > 1)
        add_encodings(w, slot, track, ret);
    else
        add_spatial_layers(slot, track, track_encoding(w, track, 0), ret);
    ret->priority = slot->priority;
    ret->current = find_current(ret, slot);
    ret->is_held = now < slot->held_until;
    return true;
}

/* ---- dividing */

bool bandwidth_saves_sound(const struct transport *t)
{
    return bwe_pace_bps(&t->bandwidth.bwe) > 0 && t->redundancy.depth == 0;
}

static uint64_t count_audio(const struct worker *w, const struct transport *t)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < t->params.media_count; i++) {
        const struct slot *slot = slot_at(w, t, i);
        const struct encoding *e = slot == NULL || slot->kind != MEDIA_AUDIO
                                       ? NULL
                                       : pool_at(&w->encodings, slot->forwarder.input);
        unsigned copies =
            slot == NULL || slot->red_type == SLOT_NO_FORMAT ? 0 : t->redundancy.depth;
        if (e == NULL)
            continue;
        uint32_t primary =
            bandwidth_saves_sound(t) ? rate_meter_bps(&e->rates, ENCODING_PRIMARY) : 0;
        sum += primary > 0 ? primary : rate_meter_bps(&e->rates, 0) * (1ull + copies);
    }
    return sum;
}

struct division {
    struct slot *slots[TRANSPORT_MEDIA_MAX];
    struct ladder ladders[TRANSPORT_MEDIA_MAX];
    int8_t rungs[TRANSPORT_MEDIA_MAX];
    size_t count;
};

static void collect(const struct worker *w, const struct transport *t, usec now,
                    struct division *ret)
{
    ret->count = 0;
    for (size_t i = 0; i < t->params.media_count; i++) {
        struct slot *slot = slot_at(w, t, i);
        if (slot != NULL && slot->kind == MEDIA_VIDEO &&
            build_ladder(w, slot, now, &ret->ladders[ret->count]))
            ret->slots[ret->count++] = slot;
    }
}

/* The more often a slot is raised in vain, the longer it waits before the next time. */
static void note_change(struct worker *w, struct slot *slot, int from, int to, usec now)
{
    if (to > from) {
        slot->raised_at = now;
        if (from >= 0)
            stats_count(&w->stats, STAT_LAYERS_RAISED);
        return;
    }
    bool in_vain = slot->raised_at != 0 && now - slot->raised_at < SLOT_FLAP_TIME;
    slot->hold_time = in_vain ? MIN(slot->hold_time * 2, SLOT_HOLD_MAX) : SLOT_HOLD_MIN;
    slot->held_until = now + slot->hold_time;
    stats_count(&w->stats, to < 0 ? STAT_SLOTS_PAUSED : STAT_LAYERS_LOWERED);
}

/* All frames of the rung flow already, and can be shown without the others: full SVC. */
static bool is_part(const struct worker *w, const struct slot *slot, const struct rung *r)
{
    const struct track *track = pool_at(&w->tracks, slot->track);
    const struct encoding *e =
        track->layer_count > 1 ? NULL : pool_at(&w->encodings, slot->forwarder.input);
    if (e == NULL || slot->filter.target >= e->layers.structure.target_count)
        return false;
    int to = find_target(&e->layers.structure, r->spatial, r->temporal);
    return to >= 0 && (e->layers.structure.parts[slot->filter.target] >> to & 1) != 0;
}

/* is_flooded: what flows is far beyond what gets through. Then a slot that is lowered does not go
 * on with its larger layer until the keyframe of the smaller one comes, which would have to queue
 * behind it. */
static void apply(struct worker *w, struct slot *slot, const struct ladder *l, int rung,
                  bool is_flooded, usec now)
{
    bool must_stop = is_flooded && rung >= 0 && l->current >= 0 &&
                     l->rungs[rung].spatial < l->rungs[l->current].spatial &&
                     !is_part(w, slot, &l->rungs[rung]);
    if (slot->has_target && rung != l->current)
        note_change(w, slot, l->current, rung, now);
    slot->has_target = true;
    slot->is_paused = rung < 0;
    if (rung >= 0) {
        slot->target_spatial = l->rungs[rung].spatial;
        slot->target_temporal = l->rungs[rung].temporal;
        slot->target_bps = l->rungs[rung].bps;
    }
    if (must_stop) {
        forwarder_stop(&slot->forwarder);
        /* what is missing of the larger layer would only delay the smaller one */
        send_log_gate(&slot->log, slot->forwarder.out_highest + 1);
    }
    slot_select(w, slot, now);
}

/* Until the network has shown a limit, the estimate is a guess. */
static struct budget budget_of(const struct bandwidth *b)
{
    if (!b->is_controlled)
        return (struct budget){ UINT64_MAX / 2, UINT64_MAX };
    uint64_t usable = b->divided_bps / 100 * BUDGET_PC;
    uint64_t bps = usable > b->audio_bps ? usable - b->audio_bps : 0;
    return (struct budget){ bps, b->bwe.cut_at == USEC_NEVER ? UINT64_MAX : 2 * bps };
}

static uint64_t flowing_bps(const struct division *d)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < d->count; i++) {
        const struct ladder *l = &d->ladders[i];
        sum += l->current < 0 ? 0 : l->rungs[l->current].bps;
    }
    return sum;
}

void bandwidth_divide(struct worker *w, struct transport *t, usec now)
{
    struct bandwidth *b = &t->bandwidth;
    struct division d;
    collect(w, t, now, &d);
    b->is_due = false;
    b->divided_bps = bwe_estimate_bps(&b->bwe);
    b->audio_bps = count_audio(w, t);
    b->divide_at = d.count == 0 ? USEC_NEVER : now + DIVIDE_INTERVAL;
    b->demand_bps = allocator_demand(d.ladders, d.count);
    struct budget budget = budget_of(b);
    bool is_flooded = flowing_bps(&d) > budget.bps / 100 * FLOOD_PC;
    b->spent_bps = allocator_divide(d.ladders, d.count, &budget, d.rungs);
    for (size_t i = 0; i < d.count; i++)
        apply(w, d.slots[i], &d.ladders[i], d.rungs[i], is_flooded, now);
    uint64_t demand = (b->demand_bps + b->audio_bps) / 100 * DEMAND_PC;
    bwe_set_demand(&b->bwe, demand, b->spent_bps + b->audio_bps, now);
}

/* ---- probing */

/* The slot whose RTX stream carries the padding: one that has sent something that can be repeated,
 * if there is one. */
static struct slot *padding_slot(const struct worker *w, const struct transport *t)
{
    struct slot *found = NULL;
    for (size_t i = 0; i < t->params.media_count; i++) {
        struct slot *slot = slot_at(w, t, i);
        if (slot == NULL || slot->rtx_ssrc == 0)
            continue;
        if (slot->rtx_format != SLOT_NO_FORMAT)
            return slot;
        found = found == NULL ? slot : found;
    }
    return found;
}

static void probe(struct worker *w, struct transport *t, usec now)
{
    struct padding p = { .back = 0 };
    p.wanted = bwe_take_probe(&t->bandwidth.bwe, now, &p.cluster);
    struct slot *slot = p.wanted > 0 ? padding_slot(w, t) : NULL;
    while (slot != NULL && p.wanted > 0) {
        size_t sent = slot_send_padding(w, t, slot, &p, now, &w->control);
        if (sent == 0)
            return;
        p.wanted -= MIN(sent, p.wanted);
        p.back++;
    }
}

usec bandwidth_tick(struct worker *w, struct transport *t, usec now)
{
    struct bandwidth *b = &t->bandwidth;
    if (b->is_promise && b->first_sent_at != 0 && now - b->first_sent_at > FEEDBACK_PATIENCE) {
        b->is_promise = b->is_controlled = false;
        b->is_due = true;
    }
    if (b->is_due || now >= b->divide_at)
        bandwidth_divide(w, t, now);
    if (!b->is_controlled)
        return b->divide_at;
    if (now >= bwe_next_deadline(&b->bwe))
        probe(w, t, now);
    return MIN(b->divide_at, bwe_next_deadline(&b->bwe));
}
