/* svc_sender.h - the frames that an encoder makes of each picture in a layer pattern, and what they
 * refer to: for senders of SVC (bots, tests).
 *
 * Layers can be left out from above, as a browser does whose server says that nobody watches them:
 * at once on the way down; up at the next picture of the lowest temporal layer, where the new layer
 * refers to the one below only, or, if the layers are independent but for keyframes (_KEY), with a
 * keyframe. Numbers count the frames that are sent, so distances differ from the templates then;
 * and the mask of active targets goes with every frame until each chain has carried it.
 *
 * Pure, a plain value. SPDX-License-Identifier: Apache-2.0 */
#ifndef RTC_SVC_SENDER_H
#define RTC_SVC_SENDER_H

#include "rtc/depdesc_pattern.h"

enum { SVC_SPATIAL_MAX = 3, SVC_MEMORY = 16 };

/* One frame of a picture: a spatial layer of it. */
struct svc_frame {
    uint16_t number;
    uint8_t template_index, spatial, temporal;
    bool starts_all;    /* the structure goes with it, and it refers to nothing */
    bool is_key;        /* of a picture that refers to nothing before it */
    bool ends_picture;  /* the highest layer that is sent of it */
    bool inter_layer;   /* it refers to the layer below */
    bool for_upper;     /* the layer above refers to it */
    bool counts_layers; /* lowest layer of a picture with more or fewer layers than the one before,
                         * or of a keyframe */
    uint8_t layers;     /* that its picture has */
    bool switching_up;  /* higher temporal layers refer to nothing before it */
    uint8_t back;       /* pictures back to the frame of its own layer that it refers to; 0: none */
    uint8_t told_layers; /* depdesc_pattern_packet.active_layers */
    struct depdesc_pattern_custom custom;
};

struct svc_sender {
    const struct depdesc_pattern *pattern;
    bool started;
    uint32_t picture; /* since the keyframe, of the next one */
    uint16_t next_number;
    uint8_t layers; /* that the newest picture had */
    uint8_t untold; /* bit per chain: has not carried the mask yet */
    bool has_chain[SVC_SPATIAL_MAX];
    uint16_t chain[SVC_SPATIAL_MAX]; /* number of the newest frame of each */
    struct {
        bool was_sent;
        uint16_t number;
    } memory[SVC_MEMORY]; /* by place in the pattern, all layers counted */
};

/* pattern: not of simulcast within one stream (S3T3). number: of the first frame. */
void svc_sender_init(struct svc_sender *s, const struct depdesc_pattern *pattern, uint16_t number);

/* The next picture: ret_frames from the lowest layer up. Returns how many, at least 1.
 *
 * wants_key  it is to be a keyframe; the first one is in any case
 * layers     spatial layers wanted, at least 1 */
unsigned svc_sender_picture(struct svc_sender *s, bool wants_key, unsigned layers,
                            struct svc_frame ret_frames[SVC_SPATIAL_MAX]);

/* Appends the dependency descriptor of a packet of the frame. width, height: of the highest layer
 * of the pattern. */
void svc_frame_write_depdesc(struct writer *w, const struct depdesc_pattern *pattern,
                             const struct svc_frame *f, bool is_first, bool is_last, uint16_t width,
                             uint16_t height);

#endif
