/* source_svc.h - the layers of a camera that sends them in one stream (SVC): the inner part of
 * source.c.
 *
 * Each spatial layer has the bytes of the built-in clip of its height, picture by picture; layers
 * refer to each other as the descriptors say, not as the clips were encoded. So a server sees what
 * a browser sends, and a decoder would show only what it makes of the lowest layer.
 *
 * Pure. SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_SOURCE_SVC_H
#define LOADTEST_SOURCE_SVC_H

#include "core/clip.h"
#include "rtc/svc_sender.h"

enum { SOURCE_SVC_FRAMES = 512 }; /* remembered for RTX; divides 65536 */

struct source_svc {
    /* given */
    const struct clip *clips[SVC_SPATIAL_MAX]; /* ascending; borrowed */
    /* derived */
    struct svc_sender sender;
    unsigned layers;         /* that are wanted, at least 1 */
    unsigned count, current; /* frames of the picture, and which of them leaves */
    struct svc_frame picture[SVC_SPATIAL_MAX];
    struct svc_frame sent[SOURCE_SVC_FRAMES]; /* by number */
};

/* Heap; NULL without memory. clips: one for each spatial layer. random: 16 uniform bits. */
struct source_svc *source_svc_new(const struct depdesc_pattern *pattern,
                                  const struct clip *const *clips, uint16_t random);

/* The next picture; its frames are those from picture[0] on. */
void source_svc_picture(struct source_svc *v, bool wants_key);

/* The frame sent with this number. Not one of the newest SOURCE_SVC_FRAMES: any other. */
const struct svc_frame *source_svc_frame(const struct source_svc *v, uint16_t number);

/* A frame as the packetizer takes it. index: of the picture in the highest layer's clip. */
struct packetizer_frame source_svc_to_send(const struct source_svc *v, const struct svc_frame *f,
                                           size_t index, uint16_t picture_id);

#endif
