/* depdesc_pattern.h - the layer patterns that browsers send, as template structures: for senders of
 * dependency descriptors (bots, tests).
 *
 * Pure.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RTC_DEPDESC_PATTERN_H
#define RTC_DEPDESC_PATTERN_H

#include "common/bytes.h"

enum {
    DEPDESC_PATTERN_TEMPLATES_MAX = 15,
    DEPDESC_PATTERN_FRAMES_MAX = 12, /* of one turn */
    DEPDESC_PATTERN_SIZE_MAX = 128,  /* of what is written */
};

struct depdesc_pattern_template {
    uint8_t spatial, temporal;
    const char *dtis;      /* '-' not present, 'D' discardable, 'S' switch, 'R' required */
    uint8_t references[2]; /* frames back; 0: none */
    uint8_t chains[3];     /* frames back to the newest of each chain; 0: none needed */
};

/* What is sent: the key frames once, then turn after turn. Entries name templates. */
struct depdesc_pattern {
    const char *name; /* of WebRTC-SVC: "L1T1", "L3T3_KEY", … */
    uint8_t spatial_count, temporal_count;
    uint8_t chain_count; /* a target is protected by the chain of its spatial layer */
    uint8_t template_count;
    uint8_t key[3];                           /* templates of the first picture, spatial_count */
    uint8_t turn_length;                      /* frames */
    uint8_t turn[DEPDESC_PATTERN_FRAMES_MAX]; /* templates of the frames behind the key picture */
    struct depdesc_pattern_template templates[DEPDESC_PATTERN_TEMPLATES_MAX];
};

/* L1T1 L1T2 L1T3 L2T1 L2T3 L2T3_KEY L3T1 L3T3 L3T3_KEY S3T3; NULL: not one of these. */
const struct depdesc_pattern *depdesc_pattern_find(const char *name);

/* The n-th of them, or NULL behind the last. */
const struct depdesc_pattern *depdesc_pattern_at(size_t n);

/* Index of the template of frame n since a keyframe, whose first frame is 0. */
uint8_t depdesc_pattern_frame(const struct depdesc_pattern *p, uint32_t n);

/* What a frame has otherwise than its template, because a layer of the pattern was not sent. */
struct depdesc_pattern_custom {
    bool has_references, has_chains;
    uint8_t reference_count;
    uint16_t references[2]; /* frames back, 1..4096 */
    uint8_t chains[3];      /* frames back; 0: none */
};

struct depdesc_pattern_packet {
    const struct depdesc_pattern *pattern;
    uint8_t template_index;
    bool start_of_frame, end_of_frame;
    bool with_structure;    /* first packet of a keyframe's first frame */
    uint16_t frame_number;  /* one more for each frame of the stream */
    uint16_t width, height; /* of the highest layer, with the structure; 0: not said */
    uint8_t active_layers;  /* says that so many spatial layers are produced; 0: does not say */
    const struct depdesc_pattern_custom *custom; /* NULL: all is as the template has it */
};

/* Appends the extension's value; template ids start at 0. */
void depdesc_pattern_write(struct writer *w, const struct depdesc_pattern_packet *p);

#endif
