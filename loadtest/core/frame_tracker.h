/* frame_tracker.h - which frames of one received video stream a decoder could have shown, and when.
 *
 * No decoding: a frame is whole if all its packets are there, and can be shown if nothing between
 * it and the last keyframe is missing. Packets may come late (reordered, or again by RTX): then the
 * frames behind the hole become whole together. A hole that stays is given up, and nothing can be
 * shown until the next keyframe; a whole keyframe waits for no hole before it, as in browsers.
 * Where packets tell what their frames refer to, pictures are shown only if all of that was
 * decoded. Pure, but for memory that layers take when they first come.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_FRAME_TRACKER_H
#define LOADTEST_FRAME_TRACKER_H

#include "core/layer_decoder.h"

enum {
    FRAME_TRACKER_PACKETS = 512,        /* a power of two */
    FRAME_TRACKER_PATIENCE_US = 500000, /* a hole older than this is given up */
};

struct frame_tracker_layers {
    struct layer_decoder decoder;
    bool is_start; /* the frame that is coming needs nothing before it */
    struct {
        int64_t seq; /* -1: empty */
        struct layer_frame frame;
    } ring[FRAME_TRACKER_PACKETS];
};

struct frame_tracker {
    int64_t head; /* extended sequence number of the next packet in order */
    int64_t newest;
    int64_t keyframe; /* where the newest one begins; -1: none */
    bool started;
    bool broken;  /* waits for a keyframe */
    usec hole_at; /* when the hole at head was first seen; USEC_NEVER: no hole */
    struct frame_tracker_layers *layers; /* owned; NULL: no packet told of any */
    uint64_t
        undecodable_count; /* pictures with no packet missing since a keyframe, of which a frame
                            * refers to something that was not sent: the server's fault */
    struct {
        int64_t seq; /* -1: empty */
        bool frame_end, keyframe_start;
    } ring[FRAME_TRACKER_PACKETS];
};

void frame_tracker_init(struct frame_tracker *t);
void frame_tracker_done(struct frame_tracker *t);

/* Before frame_tracker_on_packet(): what the packet tells of its frame. */
void frame_tracker_on_layers(struct frame_tracker *t, int64_t seq, const struct layer_frame *f);
/* The spatial layer that is shown, or LAYER_DECODER_NONE. */
uint8_t frame_tracker_shown(const struct frame_tracker *t);

/* One packet; frame_end: of the picture. Returns how many frames became showable by it. */
unsigned frame_tracker_on_packet(struct frame_tracker *t, int64_t seq, bool keyframe_start,
                                 bool frame_end, usec now);
/* Gives up old holes. Returns how many frames became showable by that (a keyframe was behind). */
unsigned frame_tracker_tick(struct frame_tracker *t, usec now);

#endif
