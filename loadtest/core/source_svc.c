/* SPDX-License-Identifier: Apache-2.0 */
#include "core/source_svc.h"

#include <stdlib.h>

_Static_assert(65536 % SOURCE_SVC_FRAMES == 0, "a frame number has one place");

struct source_svc *source_svc_new(const struct depdesc_pattern *pattern,
                                  const struct clip *const *clips, uint16_t random)
{
    struct source_svc *v = calloc(1, sizeof *v);
    if (v == NULL)
        return NULL;
    svc_sender_init(&v->sender, pattern, random);
    v->layers = pattern->spatial_count;
    for (unsigned i = 0; i < pattern->spatial_count; i++)
        v->clips[i] = clips[i];
    return v;
}

void source_svc_picture(struct source_svc *v, bool wants_key)
{
    v->count = svc_sender_picture(&v->sender, wants_key, v->layers, v->picture);
    v->current = 0;
    for (unsigned i = 0; i < v->count; i++)
        v->sent[v->picture[i].number % SOURCE_SVC_FRAMES] = v->picture[i];
}

const struct svc_frame *source_svc_frame(const struct source_svc *v, uint16_t number)
{
    return &v->sent[number % SOURCE_SVC_FRAMES];
}

/* A clip's only keyframe is its first frame: that one is for keyframes, and never for others. */
static size_t index_in(const struct clip *c, size_t index, bool is_key)
{
    if (is_key || c->frame_count < 2)
        return 0;
    index %= c->frame_count;
    return index == 0 ? 1 : index;
}

struct packetizer_frame source_svc_to_send(const struct source_svc *v, const struct svc_frame *f,
                                           size_t index, uint16_t picture_id)
{
    const struct clip *c = v->clips[f->spatial], *lowest = v->clips[0];
    return (struct packetizer_frame){
        .codec = c->codec,
        .data = c->frames[index_in(c, index, f->is_key)].data,
        .keyframe = c->codec == CODEC_AV1 ? f->starts_all : f->back == 0,
        .temporal_id = (int8_t)f->temporal,
        .layer_sync = f->switching_up,
        .picture_id = picture_id,
        .reference = f->back,
        .width = lowest->width,
        .height = lowest->height,
        .layer = { .spatial_count = f->layers,
                   .spatial_id = f->spatial,
                   .inter_layer = f->inter_layer,
                   .not_for_upper = !f->for_upper,
                   .has_structure = f->counts_layers },
    };
}
