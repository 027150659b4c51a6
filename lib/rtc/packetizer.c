/* packetizer.c - the iterator, and VP8 and VP9: a descriptor before equal parts of the frame.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "rtc/packetizer.h"

#include "rtc/packetizer_codec.h"
#include "rtc/vp8.h"
#include "rtc/vp9.h"

static void write_vp8_descriptor(const struct packetizer *p, struct writer *w)
{
    const struct packetizer_frame *f = &p->frame;
    bool layered = f->temporal_id >= 0;
    struct vp8_descriptor d = {
        .partition_start = p->at == 0,
        .has_picture_id = true,
        .picture_id = f->picture_id,
        .has_tl0_index = layered,
        .tl0_index = f->tl0_index,
        .has_temporal_id = layered,
        .temporal_id = layered ? (uint8_t)f->temporal_id : 0,
        .layer_sync = f->layer_sync,
    };
    vp8_write(w, &d);
}

/* What streams with several spatial layers have besides. */
static void add_spatial_layer(const struct packetizer_frame *f, struct vp9_descriptor *d)
{
    const struct packetizer_layer *l = &f->layer;
    d->has_layers = true;
    d->spatial_id = l->spatial_id;
    d->inter_layer_predicted = l->inter_layer;
    d->not_for_upper = l->not_for_upper;
    d->has_structure = l->has_structure && d->frame_start;
    d->spatial_count = l->spatial_count;
    for (unsigned i = 1; i < l->spatial_count; i++) {
        d->upper_width[i - 1] = (uint16_t)(f->width << i);
        d->upper_height[i - 1] = (uint16_t)(f->height << i);
    }
}

static void write_vp9_descriptor(const struct packetizer *p, bool is_last, struct writer *w)
{
    const struct packetizer_frame *f = &p->frame;
    bool layered = f->temporal_id >= 0;
    struct vp9_descriptor d = {
        .frame_start = p->at == 0,
        .frame_end = is_last,
        .inter_predicted = !f->keyframe,
        .reference_count = f->keyframe ? 0 : 1,
        .references = { MAX(f->reference, 1) },
        .has_picture_id = true,
        .picture_id = f->picture_id,
        .has_layers = layered,
        .temporal_id = layered ? (uint8_t)f->temporal_id : 0,
        .switching_up = f->layer_sync,
        .has_structure = f->keyframe && p->at == 0,
        .width = f->width,
        .height = f->height,
    };
    if (f->layer.spatial_count > 0)
        add_spatial_layer(f, &d);
    vp9_write(w, &d);
}

/* Bytes of the frame in each payload but the last, which may have less. */
static size_t part_size(const struct packetizer *p)
{
    size_t overhead =
        p->frame.codec == CODEC_VP8 ? VP8_DESCRIPTOR_SIZE_MAX : VP9_DESCRIPTOR_SIZE_MAX;
    if (p->frame.layer.spatial_count > 1)
        overhead += 4u * (p->frame.layer.spatial_count - 1u);
    size_t room = p->payload_max - overhead;
    size_t count = (p->frame.data.len + room - 1) / room;
    return (p->frame.data.len + count - 1) / count;
}

static enum err step_plain(struct packetizer *p, struct writer *w)
{
    size_t left = p->frame.data.len - p->at;
    if (left == 0)
        return ERR_NOT_FOUND;
    size_t len = MIN(part_size(p), left);
    if (p->frame.codec == CODEC_VP8)
        write_vp8_descriptor(p, w);
    else
        write_vp9_descriptor(p, len == left, w);
    writer_put(w, bytes_of(p->frame.data.data + p->at, len));
    p->at += len;
    return OK;
}

static enum err step(struct packetizer *p, struct writer *w)
{
    switch (p->frame.codec) {
    case CODEC_VP8:
    case CODEC_VP9:
        return step_plain(p, w);
    case CODEC_H264:
        return packetizer_step_h264(p, w);
    case CODEC_AV1:
        return packetizer_step_av1(p, w);
    default:
        return ERR_UNSUPPORTED;
    }
}

/* A step into a writer without room: only the position changes. */
static enum err step_over(struct packetizer *p)
{
    uint8_t none;
    struct writer nowhere = writer_of(&none, 0);
    enum err e = step(p, &nowhere);
    p->index += e == OK;
    return e;
}

enum err packetizer_init(struct packetizer *p, const struct packetizer_frame *frame,
                         size_t payload_max)
{
    check(payload_max >= PACKETIZER_PAYLOAD_MIN);
    *p = (struct packetizer){ .frame = *frame, .payload_max = payload_max };
    if (frame->data.len == 0)
        return ERR_MALFORMED;
    enum err e;
    while ((e = step_over(p)) == OK)
        if (p->index > PACKETIZER_PARTS_MAX)
            return ERR_FULL;
    if (e != ERR_NOT_FOUND)
        return e;
    p->count = p->index;
    packetizer_seek(p, 0);
    return p->count > 0 ? OK : ERR_MALFORMED;
}

bool packetizer_next(struct packetizer *p, struct writer *w)
{
    if (packetizer_is_done(p))
        return false;
    enum err e = step(p, w);
    check(e == OK); /* packetizer_init() has walked this way */
    p->index++;
    return true;
}

bool packetizer_is_done(const struct packetizer *p)
{
    return p->index >= p->count;
}

void packetizer_seek(struct packetizer *p, unsigned index)
{
    p->index = 0;
    p->at = 0;
    p->done = 0;
    if (p->frame.codec == CODEC_VP8 || p->frame.codec == CODEC_VP9) {
        p->index = index;
        p->at = MIN(part_size(p) * index, p->frame.data.len);
    }
    while (p->index < index && step_over(p) == OK)
        continue;
}
