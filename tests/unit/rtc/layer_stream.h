/* layer_stream.h - a model publisher of layered video: frames of a pattern with their dependency
 * descriptors, keyframes at random.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_RTC_LAYER_STREAM_H
#define TESTS_UNIT_RTC_LAYER_STREAM_H

#include "prng.h"

#include "rtc/depdesc_pattern.h"
#include "rtc/frame_layers.h"

enum { STREAM_PACKETS_MAX = 3 };

struct stream_packet {
    uint32_t frame;   /* since the start of the stream */
    uint32_t picture; /* the same for all layers of an instant */
    const struct depdesc_pattern_template *layer;
    bool is_first, is_last, is_key_picture;
    bool marker;
    uint8_t references[2]; /* frames back; 0: none */
    uint8_t len;
    uint8_t value[DEPDESC_PATTERN_SIZE_MAX];
};

struct layer_stream {
    const struct depdesc_pattern *pattern;
    uint16_t first_number;
    uint32_t frame;     /* next */
    uint32_t picture;   /* of the next frame */
    uint32_t since_key; /* frames */
    bool wants_key;     /* at the next picture */
};

static inline bool stream_picture_ends(const struct depdesc_pattern *p, uint32_t since_key)
{
    uint8_t now = depdesc_pattern_frame(p, since_key),
            next = depdesc_pattern_frame(p, since_key + 1);
    return p->templates[next].spatial <= p->templates[now].spatial;
}

/* The packets of the next frame. */
static inline size_t stream_next(struct layer_stream *s, struct prng *r,
                                 struct stream_packet ret[STREAM_PACKETS_MAX])
{
    const struct depdesc_pattern *p = s->pattern;
    bool at_picture = s->since_key == 0 || stream_picture_ends(p, s->since_key - 1);
    if (s->wants_key && at_picture) {
        s->since_key = 0;
        s->wants_key = false;
    }
    uint8_t index = depdesc_pattern_frame(p, s->since_key);
    bool ends = stream_picture_ends(p, s->since_key);
    size_t count = 1 + prng_below(r, STREAM_PACKETS_MAX);
    for (size_t i = 0; i < count; i++) {
        ret[i] = (struct stream_packet){ .frame = s->frame,
                                         .picture = s->picture,
                                         .layer = &p->templates[index],
                                         .is_first = i == 0,
                                         .is_last = i + 1 == count,
                                         .is_key_picture = s->since_key < p->spatial_count,
                                         .marker = ends && i + 1 == count };
        memcpy(ret[i].references, p->templates[index].references, 2);
        struct writer w = writer_of(ret[i].value, sizeof ret[i].value);
        depdesc_pattern_write(&w, &(struct depdesc_pattern_packet){
                                      .pattern = p,
                                      .template_index = index,
                                      .start_of_frame = ret[i].is_first,
                                      .end_of_frame = ret[i].is_last,
                                      .with_structure = s->since_key == 0 && i == 0,
                                      .frame_number = (uint16_t)(s->first_number + s->frame),
                                      .width = 1280,
                                      .height = 720 });
        check(!w.failed);
        ret[i].len = (uint8_t)writer_len(&w);
    }
    s->frame++;
    s->since_key++;
    s->picture += ends;
    return count;
}

#endif
