/* layer_decoder.h - a model of a decoder of layered video: which pictures of one received stream it
 * could show, and in which spatial layer. A frame can be decoded if all that it refers to was.
 *
 * Frames come in order and whole (frame_tracker.h sees to that). Pure, a plain value. Frames are
 * counted by a 16-bit number, in which references are distances back.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_LAYER_DECODER_H
#define LOADTEST_LAYER_DECODER_H

#include "rtc/frame_layers.h"

enum {
    LAYER_DECODER_WINDOW = 1024, /* frame numbers remembered; divides 65536 */
    LAYER_DECODER_NONE = 0xff,
};

/* What a packet says of its frame. */
struct layer_frame {
    uint16_t number;
    bool is_known; /* else only its number: its descriptor was not understood */
    bool starts;   /* a frame that needs nothing, where all layers begin */
    bool frame_end;
    uint8_t spatial;
    uint8_t reference_count;
    uint16_t references[LAYER_REFERENCES_MAX];
};

struct layer_decoder {
    bool started;
    uint16_t newest;
    uint64_t decoded[LAYER_DECODER_WINDOW / 64];
    uint8_t best;    /* of the picture that is coming: highest spatial layer decoded, or NONE */
    uint8_t shown;   /* of the newest picture; NONE: there was none yet */
    bool is_missing; /* a frame of the picture that is coming could not be decoded */
};

void layer_decoder_init(struct layer_decoder *d);

struct layer_frame layer_frame_of(const struct frame_layers *fl);

/* A whole frame. */
void layer_decoder_on_frame(struct layer_decoder *d, const struct layer_frame *f);

/* The picture is over. True: it can be shown, for everything of it was decoded; d->shown says in
 * which layer. */
bool layer_decoder_end_picture(struct layer_decoder *d);

#endif
