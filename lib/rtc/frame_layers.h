/* frame_layers.h - which layers a video packet's frame belongs to, and what the frame needs.
 *
 * From the dependency descriptor where there is one; else from the payload descriptor of VP8
 * (RFC 7741) and VP9 (RFC 9628); H.264, and AV1 without dependency descriptor, have one layer.
 *
 * Decode targets are what a viewer can be given: a spatial and a temporal layer with all that they
 * need. Frames are counted by a 16-bit frame number, in which references are distances back.
 *
 * Pure, no allocation. One reader per incoming stream, a plain value; zero-initialised is ready.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RTC_FRAME_LAYERS_H
#define RTC_FRAME_LAYERS_H

#include "rtc/codec.h"
#include "rtc/depdesc_read.h"
#include "rtc/vp8.h"
#include "rtc/vp9.h"

enum {
    LAYER_TARGETS_MAX = 32,
    LAYER_SPATIAL_MAX = 8,
    LAYER_REFERENCES_MAX = 8,
};

struct layer_structure {
    uint8_t target_count; /* 0: nothing known of layers */
    struct {
        uint8_t spatial, temporal;
    } targets[LAYER_TARGETS_MAX];      /* in no particular order */
    uint32_t parts[LAYER_TARGETS_MAX]; /* bit i: every frame of target i is in this target, too */
    uint32_t active;                   /* bit per target: the sender says that it produces it */
    uint8_t spatial_count, temporal_count; /* temporal without descriptor: those seen so far */
    uint16_t width[LAYER_SPATIAL_MAX], height[LAYER_SPATIAL_MAX]; /* 0: not said */
};

struct frame_layers {
    bool has_layers;     /* false: one layer, or not understood; every frame is wanted */
    bool numbered;       /* frame_number is valid */
    bool frame_start;    /* first packet of a (layer) frame */
    bool frame_end;      /* last packet of a (layer) frame; not known (false) for VP8 without DD */
    bool keyframe_start; /* first packet of a frame that needs nothing before and starts all layers
                          */
    uint16_t frame_number; /* DD frame number; VP8: picture id; VP9: picture id << 3 | spatial id */
    uint8_t spatial, temporal;
    uint8_t reference_count;
    uint16_t references[LAYER_REFERENCES_MAX]; /* frame numbers back */
    uint32_t present;                          /* bit per target: the frame belongs to it */
    uint32_t switchable;                       /* bit per target: it can be entered here */
    struct depdesc_layout layout;              /* for depdesc_rewrite() */
};

enum { LAYER_TEMPORAL_OF_PAYLOAD = 4 }; /* temporal layers told apart without descriptor */

/* What frames without a dependency descriptor can refer to. */
struct layer_history {
    bool started;
    bool spatial_apart;   /* VP9: frames that upper layers do not need were seen (K-SVC) */
    uint8_t temporal_max; /* seen */
    uint16_t picture;     /* newest picture id, widened to 16 bits */
    uint16_t key_picture;
    uint8_t known[LAYER_SPATIAL_MAX]; /* bit per temporal id: last[][] is valid */
    uint16_t last[LAYER_SPATIAL_MAX][LAYER_TEMPORAL_OF_PAYLOAD]; /* newest frame number of each */
    /* of the newest frame, for its other packets */
    bool has_newest; /* false: no frame of a known layer came yet */
    uint16_t newest;
    uint8_t reference_count;
    uint16_t references[LAYER_REFERENCES_MAX];
    uint32_t switchable;
};

struct layer_reader {
    struct layer_structure structure; /* for layer_filter_push() */
    struct depdesc_structure depdesc; /* of the newest keyframe */
    uint16_t depdesc_frame;           /* its frame number */
    uint16_t active_frame;            /* frame number that structure.active is from */
    enum codec codec;        /* whose payload descriptor `structure` is from; CODEC_NONE: depdesc */
    bool has_parameter_sets; /* H.264: they come with its keyframes */
    struct layer_history history;
};

/* The payload descriptor, if the codec has one; payload may be ciphertext behind it. */
struct payload_descriptor {
    enum codec codec; /* CODEC_VP8, CODEC_VP9: the field below is valid; else CODEC_NONE */
    union {
        struct vp8_descriptor vp8;
        struct vp9_descriptor vp9;
    };
};

/* Reads one packet, in the order of arrival (loss, reordering and repeats are expected).
 *
 * payload  RTP payload; empty: OK, no frame
 * depdesc  value of the dependency descriptor; empty: none
 *
 * OK, or ERR_TRUNCATED/ERR_MALFORMED for a packet that breaks its format: drop it. A descriptor
 * whose structure did not come yet is OK, without layers. */
MUST_USE enum err layer_reader_read(struct layer_reader *r, enum codec codec, struct bytes payload,
                                    struct bytes depdesc, struct frame_layers *ret,
                                    struct payload_descriptor *ret_payload);

#endif
