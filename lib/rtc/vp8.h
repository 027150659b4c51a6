/* vp8.h - the VP8 payload descriptor (RFC 7741 §4.2): parse, write, keep continuous.
 *
 * Pure.
 *
 *   |X|R|N|S|R| PID |  X: |I|L|T|K| RSV |  I: |M| PictureID (7 or 15) |
 *   L: | TL0PICIDX |  T/K: |TID|Y| KEYIDX |  then the VP8 frame header
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RTC_VP8_H
#define RTC_VP8_H

#include "common/bytes.h"

enum { VP8_DESCRIPTOR_SIZE_MAX = 6 };

struct vp8_descriptor {
    uint8_t len;          /* bytes the descriptor takes in the packet parsed */
    bool non_reference;   /* N */
    bool partition_start; /* S */
    uint8_t partition;    /* PID */
    bool has_picture_id;
    bool picture_id_long; /* M: 15 bits on the wire */
    uint16_t picture_id;  /* 15 bits, or 7 if !picture_id_long */
    bool has_tl0_index;
    uint8_t tl0_index;
    bool has_temporal_id;
    uint8_t temporal_id;
    bool layer_sync; /* Y */
    bool has_key_index;
    uint8_t key_index; /* 5 bits */
    /* derived from the frame header behind it */
    bool frame_start;       /* S and partition 0 */
    bool keyframe;          /* frame_start and the P bit is 0 */
    uint16_t width, height; /* of a keyframe; 0 if unknown */
};

/* OK, ERR_TRUNCATED or ERR_MALFORMED. payload is the RTP payload. */
MUST_USE enum err vp8_parse(struct bytes payload, struct vp8_descriptor *ret);

/* Writes the descriptor; a picture id is always written with 15 bits, so that rewriting it never
 * changes the length again. */
void vp8_write(struct writer *w, const struct vp8_descriptor *d);

enum { VP8_MUNGER_RANGES = 16 };

/* Keeps picture id, TL0PICIDX and KEYIDX continuous over inputs that each have their own, and the
 * picture ids also over pictures that are dropped on purpose: a receiver takes a gap in them for a
 * loss and holds back what might depend on it.
 * Zero-initialised is ready. A plain value: copy it to move a slot. */
struct vp8_munger {
    bool started;
    uint8_t range_count;
    /* Pictures of this input from `from` on, 15 bits: out = in + offset. Older ones keep the offset
     * that they had, so that late packets stay with their picture. */
    struct {
        uint16_t from;
        uint16_t offset;
    } ranges[VP8_MUNGER_RANGES]; /* oldest first */
    uint8_t tl0_offset;
    uint8_t key_offset;
    uint16_t last_picture_id; /* newest sent */
    uint16_t last_input_id;   /* newest taken from this input, 15 bits: widens 7-bit ids */
    bool has_input;
    uint8_t last_tl0;
    uint8_t last_key;
};

/* The next packet comes from a new input and starts a keyframe: continue after what was sent. */
void vp8_munger_switch(struct vp8_munger *m, const struct vp8_descriptor *first);

/* This packet's picture is not sent, on purpose (temporal layer): the pictures that follow close
 * the gap. Call it for every dropped packet of the input, as vp8_parse() gave it. A picture that
 * comes after a newer one leaves its gap: what was sent stays. */
void vp8_munger_skip_picture(struct vp8_munger *m, const struct vp8_descriptor *dropped);

/* Rewrites d in place for sending (7-bit ids are widened). */
void vp8_munger_apply(struct vp8_munger *m, struct vp8_descriptor *d);

#endif
