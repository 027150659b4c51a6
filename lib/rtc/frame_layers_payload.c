/* frame_layers_payload.c - layers from the payload descriptors of VP8 and VP9.
 *
 * They do not say what a frame refers to (but for VP9 in flexible mode), only what it may refer to
 * at most: the newest frames of its own and lower temporal layers. That is what is assumed.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "rtc/frame_layers_payload.h"

#include "rtc/seq.h"

enum { TEMPORALS = LAYER_TEMPORAL_OF_PAYLOAD };

_Static_assert((int)LAYER_SPATIAL_MAX *(int)TEMPORALS <= (int)LAYER_TARGETS_MAX,
               "targets fit their mask");

/* Targets of one spatial layer with at least this temporal layer. */
static uint32_t targets_from(unsigned spatial, unsigned temporal)
{
    uint32_t row = ((1u << TEMPORALS) - 1) & ~((1u << temporal) - 1);
    return row << (spatial * TEMPORALS);
}

static void lay_out(struct layer_reader *r, unsigned spatial_count)
{
    struct layer_structure *s = &r->structure;
    s->spatial_count = (uint8_t)spatial_count;
    s->temporal_count = (uint8_t)(r->history.temporal_max + 1);
    s->target_count = (uint8_t)(spatial_count * TEMPORALS);
    s->active = UINT32_MAX >> (32 - s->target_count);
    for (unsigned i = 0; i < s->target_count; i++) {
        unsigned spatial = i / TEMPORALS, temporal = i % TEMPORALS;
        s->targets[i].spatial = (uint8_t)spatial;
        s->targets[i].temporal = (uint8_t)temporal;
        s->parts[i] = 0;
        for (unsigned l = r->history.spatial_apart ? spatial : 0; l <= spatial; l++)
            s->parts[i] |= ((2u << temporal) - 1) << (l * TEMPORALS);
    }
}

/* The picture id in 16 bits, as the nearest to the newest one; `newest` goes with it. */
static uint16_t widen(struct layer_history *h, uint16_t id, bool is_long)
{
    unsigned bits = is_long ? 15 : 7;
    unsigned mask = (1u << bits) - 1;
    if (!h->started) {
        h->started = true;
        h->picture = id;
        return id;
    }
    int distance = (int)((unsigned)(id - h->picture) & mask);
    if (distance > (int)(mask / 2))
        distance -= (int)(mask + 1);
    uint16_t picture = (uint16_t)(h->picture + distance);
    if (distance > 0)
        h->picture = picture;
    return picture;
}

static void refer(struct frame_layers *fl, uint16_t distance)
{
    if (distance > 0 && distance < 0x8000 && fl->reference_count < LAYER_REFERENCES_MAX)
        fl->references[fl->reference_count++] = distance;
}

/* The newest known frames of temporal layers first..last of the frame's spatial layer. */
static void refer_to_layers(const struct layer_history *h, struct frame_layers *fl, unsigned first,
                            unsigned last)
{
    for (unsigned t = first; t <= last; t++)
        if ((h->known[fl->spatial] >> t & 1) != 0)
            refer(fl, (uint16_t)(fl->frame_number - h->last[fl->spatial][t]));
}

static bool is_newest(const struct layer_history *h, const struct frame_layers *fl)
{
    return seq16_newer(fl->frame_number, h->newest);
}

/* What the frame's first packet found out holds for its other packets; of late frames it is not
 * known any more whether they can be entered. */
static void settle(struct layer_history *h, struct frame_layers *fl, bool is_key, bool is_first)
{
    bool newest = is_first || is_newest(h, fl);
    if (!newest && !is_key) {
        bool same = fl->frame_number == h->newest;
        fl->switchable = same ? h->switchable : 0;
        if (same) {
            fl->reference_count = h->reference_count;
            memcpy(fl->references, h->references, sizeof fl->references);
        }
        return;
    }
    if (!newest && fl->frame_number != h->newest)
        return;
    h->has_newest = true;
    h->newest = fl->frame_number;
    h->switchable = fl->switchable;
    h->reference_count = fl->reference_count;
    memcpy(h->references, fl->references, sizeof h->references);
    h->known[fl->spatial] |= (uint8_t)(1u << fl->temporal);
    h->last[fl->spatial][fl->temporal] = fl->frame_number;
}

static bool saw_temporal(struct layer_reader *r, uint8_t temporal)
{
    if (temporal <= r->history.temporal_max)
        return false;
    r->history.temporal_max = temporal;
    return true;
}

void frame_layers_vp8(struct layer_reader *r, const struct vp8_descriptor *d,
                      struct frame_layers *fl)
{
    struct layer_history *h = &r->history;
    fl->frame_start = d->frame_start;
    fl->keyframe_start = d->keyframe;
    if (!d->has_picture_id || !d->has_temporal_id)
        return;
    bool is_first = !h->has_newest;
    fl->has_layers = fl->numbered = true;
    fl->frame_number = widen(h, d->picture_id, d->picture_id_long);
    fl->temporal = d->temporal_id;
    if (saw_temporal(r, fl->temporal) || r->structure.target_count == 0)
        lay_out(r, 1);
    r->structure.width[0] = d->width > 0 ? d->width : r->structure.width[0];
    r->structure.height[0] = d->height > 0 ? d->height : r->structure.height[0];
    fl->present = targets_from(0, fl->temporal);
    if (d->keyframe) {
        fl->switchable = fl->present;
        if (is_first || seq16_diff(fl->frame_number, h->newest) >= 0)
            h->known[0] = 0;
    } else {
        /* Y: refers to the base layer only; the layers between must flow all the same, since later
         * frames may refer to them. */
        refer_to_layers(h, fl, 0, fl->temporal - (d->layer_sync && fl->temporal > 0 ? 1u : 0u));
        if ((h->known[0] & 1) != 0 && (fl->temporal == 0 || d->layer_sync))
            fl->switchable = 1u << fl->temporal;
    }
    settle(h, fl, d->keyframe, is_first);
}

static void note_structure(struct layer_reader *r, const struct vp9_descriptor *d)
{
    struct layer_structure *s = &r->structure;
    if (d->spatial_count != s->spatial_count)
        lay_out(r, d->spatial_count);
    if (d->width == 0)
        return;
    s->width[0] = d->width;
    s->height[0] = d->height;
    for (unsigned i = 1; i < d->spatial_count; i++) {
        s->width[i] = d->upper_width[i - 1];
        s->height[i] = d->upper_height[i - 1];
    }
}

/* Does it start its temporal layer anew: a frame that refers to none of its own layer? */
static bool starts_temporal(const struct layer_history *h, const struct frame_layers *fl)
{
    if ((h->known[fl->spatial] >> fl->temporal & 1) == 0)
        return true;
    for (unsigned i = 0; i < fl->reference_count; i++)
        if ((uint16_t)(fl->frame_number - fl->references[i]) == h->last[fl->spatial][fl->temporal])
            return false;
    return true;
}

/* U: later frames of higher temporal layers do not refer to anything before this frame. In flexible
 * mode a frame also tells by its references; the references of later frames are checked as well. */
static uint32_t vp9_switchable(const struct layer_history *h, const struct vp9_descriptor *d,
                               const struct frame_layers *fl, uint16_t picture)
{
    bool in_key_picture = h->started && picture == h->key_picture && !d->inter_predicted;
    if (in_key_picture)
        return fl->present;
    if (d->inter_predicted && !d->flexible && (h->known[fl->spatial] & 1) == 0)
        return 0;
    if (d->switching_up || !d->inter_predicted)
        return targets_from(fl->spatial, fl->temporal);
    if (fl->temporal == 0 || (d->flexible && starts_temporal(h, fl)))
        return 1u << (fl->spatial * TEMPORALS + fl->temporal);
    return 0;
}

static void vp9_references(const struct layer_history *h, const struct vp9_descriptor *d,
                           struct frame_layers *fl)
{
    if (d->inter_layer_predicted && fl->spatial > 0)
        refer(fl, 1);
    if (d->flexible)
        for (unsigned i = 0; i < d->reference_count; i++)
            refer(fl, (uint16_t)(d->references[i] << 3));
    else if (d->inter_predicted)
        refer_to_layers(h, fl, 0, fl->temporal);
}

void frame_layers_vp9(struct layer_reader *r, const struct vp9_descriptor *d,
                      struct frame_layers *fl)
{
    struct layer_history *h = &r->history;
    bool is_key = !d->inter_predicted && d->spatial_id == 0;
    fl->frame_start = d->frame_start;
    fl->frame_end = d->frame_end;
    fl->keyframe_start = d->frame_start && is_key;
    if (d->has_structure)
        note_structure(r, d);
    if (r->structure.spatial_count == 0)
        lay_out(r, 1);
    if (!d->has_picture_id || !d->has_layers)
        return;
    bool is_first = !h->has_newest;
    uint16_t picture = widen(h, d->picture_id, d->picture_id_long);
    fl->has_layers = fl->numbered = true;
    fl->frame_number = (uint16_t)(picture << 3 | d->spatial_id);
    fl->spatial = d->spatial_id;
    fl->temporal = MIN(d->temporal_id, (uint8_t)(TEMPORALS - 1));
    /* a late frame may be of a time of more layers */
    bool is_late = !is_first && seq16_newer(h->newest, fl->frame_number);
    unsigned spatial_count = is_late ? LAYER_SPATIAL_MAX : r->structure.spatial_count;
    if (d->spatial_id >= spatial_count)
        return; /* of no target */
    bool apart = h->spatial_apart;
    h->spatial_apart |=
        !is_late && d->not_for_upper && fl->spatial + 1 < r->structure.spatial_count;
    if (saw_temporal(r, fl->temporal) || apart != h->spatial_apart)
        lay_out(r, r->structure.spatial_count);
    if (is_key && !is_late) {
        h->key_picture = picture;
        memset(h->known, 0, sizeof h->known);
    }
    for (unsigned s = fl->spatial; s < spatial_count; s++)
        if (s == fl->spatial || !d->not_for_upper)
            fl->present |= targets_from(s, fl->temporal);
    vp9_references(h, d, fl);
    fl->switchable = vp9_switchable(h, d, fl, picture);
    settle(h, fl, is_key, is_first);
    if (d->switching_up && !is_late)
        h->known[fl->spatial] &= (uint8_t)((2u << fl->temporal) - 1);
}
