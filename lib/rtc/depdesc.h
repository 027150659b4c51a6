/* depdesc.h - the AV1 dependency descriptor extension (AV1 RTP appendix A), as far as it says where
 * frames start, end and can be decoded from. Works on encrypted payloads of any codec.
 *
 * Pure.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RTC_DEPDESC_H
#define RTC_DEPDESC_H

#include "common/bytes.h"

struct depdesc {
    bool start_of_frame;
    bool end_of_frame;
    uint8_t template_id; /* frame_dependency_template_id, 6 bits */
    uint16_t frame_number;
    bool structure_present; /* a template structure follows: the frame is a keyframe */
    bool active_targets_present;
    bool custom_dtis, custom_fdiffs, custom_chains;
    /* if structure_present */
    uint8_t template_id_offset;
    uint8_t decode_target_count; /* 1..32 */
};

/* OK, ERR_TRUNCATED. */
MUST_USE enum err depdesc_parse(struct bytes value, struct depdesc *ret);

enum { DEPDESC_WRITE_SIZE_MAX = 32 };

/* One packet of a stream with one spatial layer and one or three temporal layers (L1T1, L1T3 with
 * the pattern 0 2 1 2), in the templates that libwebrtc uses for them. */
struct depdesc_frame {
    uint8_t temporal_count; /* 1 or 3; the same for the whole stream */
    bool start_of_frame, end_of_frame;
    bool keyframe;          /* structure and resolution go with its first packet */
    uint8_t temporal_id;    /* < temporal_count */
    bool layer_sync;        /* temporal id 2: the first of the two in a pattern */
    uint16_t frame_number;  /* one more for each frame of the stream */
    uint16_t width, height; /* of keyframes; 0: not said */
};

/* Appends the extension's value. */
void depdesc_write(struct writer *w, const struct depdesc_frame *f);

#endif
