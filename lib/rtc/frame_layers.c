/* frame_layers.c - layers of a frame, from the dependency descriptor first.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "rtc/frame_layers.h"

#include "rtc/frame_layers_payload.h"
#include "rtc/keyframe.h"
#include "rtc/seq.h"

enum {
    /* A structure this many frames before the present one is a repeated packet, not a new start. */
    STALE_FRAMES = 1024,
};

/* A target is as high as the highest frame in it. */
static void place_target(const struct depdesc_structure *d, unsigned target,
                         struct layer_structure *s)
{
    for (unsigned i = 0; i < d->template_count; i++) {
        const struct depdesc_template *t = &d->templates[i];
        if ((t->present >> target & 1) == 0)
            continue;
        s->targets[target].spatial = MAX(s->targets[target].spatial, t->spatial);
        s->targets[target].temporal = MAX(s->targets[target].temporal, t->temporal);
    }
}

static uint32_t parts_of(const struct depdesc_structure *d, unsigned target)
{
    uint32_t parts = UINT32_MAX >> (32 - d->target_count);
    for (unsigned i = 0; i < d->template_count; i++)
        if ((d->templates[i].present >> target & 1) == 0)
            parts &= ~d->templates[i].present;
    return parts;
}

static void take_structure(struct layer_reader *r)
{
    const struct depdesc_structure *d = &r->depdesc;
    struct layer_structure *s = &r->structure;
    *s = (struct layer_structure){ .target_count = d->target_count,
                                   .active = UINT32_MAX >> (32 - d->target_count),
                                   .spatial_count = d->spatial_count,
                                   .temporal_count = d->temporal_count };
    for (unsigned i = 0; i < d->target_count; i++) {
        place_target(d, i, s);
        s->parts[i] = parts_of(d, i);
    }
    for (unsigned i = 0; i < d->spatial_count; i++) {
        s->width[i] = d->width[i];
        s->height[i] = d->height[i];
    }
    r->codec = CODEC_NONE;
}

static bool is_stale(const struct layer_reader *r, uint16_t frame)
{
    int16_t distance = seq16_diff(frame, r->depdesc_frame);
    return r->depdesc.template_count > 0 && distance < 0 && distance > -STALE_FRAMES;
}

static void learn(struct layer_reader *r, const struct depdesc_info *d,
                  const struct depdesc_structure *fresh)
{
    uint16_t frame = d->head.frame_number;
    bool is_new = d->head.structure_present && !is_stale(r, frame);
    if (is_new) {
        r->depdesc = *fresh;
        r->depdesc_frame = frame;
    }
    if (is_new || r->codec != CODEC_NONE)
        take_structure(r);
    if (is_new || (d->head.active_targets_present && seq16_diff(frame, r->active_frame) >= 0)) {
        r->structure.active = d->active_targets;
        r->active_frame = frame;
    }
}

static enum err from_depdesc(struct layer_reader *r, struct bytes value, struct frame_layers *fl)
{
    struct depdesc_info d;
    struct depdesc_structure fresh;
    enum err e = depdesc_read(value, &r->depdesc, &d, &fresh);
    if (e == ERR_BAD_STATE)
        e = depdesc_parse(value, &d.head);
    else
        fl->has_layers = e == OK;
    if (e != OK)
        return e;
    fl->numbered = true;
    fl->frame_number = d.head.frame_number;
    fl->frame_start = d.head.start_of_frame;
    fl->frame_end = d.head.end_of_frame;
    if (!fl->has_layers)
        return OK;
    learn(r, &d, &fresh);
    fl->keyframe_start = d.head.start_of_frame && d.head.structure_present;
    fl->spatial = d.spatial;
    fl->temporal = d.temporal;
    fl->present = d.present;
    fl->switchable = d.switchable;
    fl->reference_count = d.reference_count;
    memcpy(fl->references, d.references, sizeof fl->references);
    fl->layout = d.layout;
    return OK;
}

_Static_assert((int)LAYER_REFERENCES_MAX == (int)DEPDESC_REFERENCES_MAX,
               "one array is copied to the other");

static enum err from_payload(struct layer_reader *r, enum codec codec, struct bytes payload,
                             const struct payload_descriptor *d, struct frame_layers *fl)
{
    if (r->codec != codec || r->structure.target_count == 0) {
        r->structure = (struct layer_structure){ 0 };
        r->history = (struct layer_history){ 0 };
        r->codec = codec;
    }
    if (d->codec == CODEC_VP8) {
        frame_layers_vp8(r, &d->vp8, fl);
        return OK;
    }
    if (d->codec == CODEC_VP9) {
        frame_layers_vp9(r, &d->vp9, fl);
        return OK;
    }
    struct frame_info info;
    enum err e = frame_inspect(codec, payload, &info);
    /* an IDR whose parameter sets were in a packet that is missing begins nothing */
    if (codec == CODEC_H264 && e == OK) {
        r->has_parameter_sets |= info.parameter_sets;
        info.keyframe_start &= info.parameter_sets || !r->has_parameter_sets;
    }
    if (e != OK)
        return e;
    fl->frame_start = info.frame_start;
    fl->keyframe_start = info.keyframe_start;
    return OK;
}

enum err layer_reader_read(struct layer_reader *r, enum codec codec, struct bytes payload,
                           struct bytes depdesc, struct frame_layers *ret,
                           struct payload_descriptor *ret_payload)
{
    struct frame_layers fl = { 0 };
    struct payload_descriptor d = { .codec = CODEC_NONE };
    enum err e = OK;
    if (payload.len > 0 && codec == CODEC_VP8)
        e = vp8_parse(payload, &d.vp8);
    else if (payload.len > 0 && codec == CODEC_VP9)
        e = vp9_parse(payload, &d.vp9);
    if (e == OK && payload.len > 0) {
        if (codec == CODEC_VP8 || codec == CODEC_VP9)
            d.codec = codec;
        e = depdesc.len > 0 ? from_depdesc(r, depdesc, &fl)
                            : from_payload(r, codec, payload, &d, &fl);
    }
    if (e != OK)
        return e;
    *ret = fl;
    *ret_payload = d;
    return OK;
}
