/* vp9.h - the VP9 payload descriptor (RFC 9628 §4.2): parse, and write in flexible mode.
 *
 * Pure.
 *
 *   |I|P|L|F|B|E|V|Z|  I: |M| PictureID (7 or 15) |  L: | TID |U| SID |D|, TL0PICIDX if not F
 *   F and P: | P_DIFF |N| up to three times  V: scalability structure  then the VP9 frame
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RTC_VP9_H
#define RTC_VP9_H

#include "common/bytes.h"

enum {
    VP9_REFERENCES_MAX = 3,
    VP9_SPATIAL_MAX = 8,
    VP9_DESCRIPTOR_SIZE_MAX = 12, /* of what vp9_write() writes, with one spatial layer */
    VP9_PATCH_SIZE_MAX = 5,
};

struct vp9_descriptor {
    size_t len;           /* bytes the descriptor takes in the packet parsed */
    bool inter_predicted; /* P */
    bool flexible;        /* F */
    bool frame_start;     /* B: of a layer frame */
    bool frame_end;       /* E */
    bool not_for_upper;   /* Z: no higher spatial layer of the picture refers to it */
    bool has_picture_id;
    bool picture_id_long; /* M: 15 bits on the wire */
    uint16_t picture_id;
    bool has_layers;
    uint8_t temporal_id, spatial_id;
    bool switching_up;                      /* U */
    bool inter_layer_predicted;             /* D */
    uint8_t tl0_index;                      /* has_layers and not flexible */
    uint8_t reference_count;                /* flexible */
    uint8_t references[VP9_REFERENCES_MAX]; /* P_DIFF: pictures back, 1..127 */
    bool has_structure;                     /* V */
    uint8_t spatial_count;                  /* of the structure, 1..8 */
    uint16_t width, height;                 /* of its first spatial layer; 0: not said */
    uint16_t upper_width[VP9_SPATIAL_MAX - 1], upper_height[VP9_SPATIAL_MAX - 1]; /* the others */
};

/* OK, ERR_TRUNCATED, or ERR_MALFORMED (a fourth reference, nothing behind the descriptor). */
MUST_USE enum err vp9_parse(struct bytes payload, struct vp9_descriptor *ret);

/* Writes it in flexible mode, the picture id with 15 bits, the structure without a group of
 * pictures. Each spatial layer but the first (spatial_count 0 is one) takes 4 bytes more. */
void vp9_write(struct writer *w, const struct vp9_descriptor *d);

/* Keeps picture id and TL0PICIDX continuous over inputs that each have their own.
 * Zero-initialised is ready. A plain value: copy it to move a slot.
 *
 * Within an input the ids keep their distances, also where pictures are dropped: references count
 * in picture ids (P_DIFF, or the group of pictures of the structure), and receivers expect that
 * pictures of upper temporal layers may be missing. */
struct vp9_munger {
    bool started;
    bool has_input;
    uint16_t picture_id_offset; /* out = in + offset */
    uint8_t tl0_offset;
    uint16_t last_picture_id; /* newest sent */
    uint16_t last_input_id;   /* newest taken from this input: widens 7-bit ids */
    uint8_t last_tl0;
};

/* The next packet comes from a new input and starts a keyframe: continue after what was sent. */
void vp9_munger_switch(struct vp9_munger *m, const struct vp9_descriptor *first);

/* Rewrites d in place for sending (7-bit ids are widened). */
void vp9_munger_apply(struct vp9_munger *m, struct vp9_descriptor *d);

/* Writes the start of the descriptor with the numbers of d, at most VP9_PATCH_SIZE_MAX bytes, and
 * returns how many bytes at the start of payload it stands for; everything behind stays as it is.
 *
 * payload  that d was parsed from */
size_t vp9_write_patch(struct writer *w, const struct vp9_descriptor *d, struct bytes payload);

#endif
