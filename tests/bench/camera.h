/* camera.h - the RTP of one publisher: the frames of a trace as sealed packets.
 *
 * VP8 with the header extensions that browsers send: mid at first, transport-wide numbers, send
 * time, dependency descriptor. A frame is cut into parts that differ by one byte at most, the
 * larger ones last, as libwebrtc does it. What the encoder made is made up; forwarders do not look.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_BENCH_CAMERA_H
#define TESTS_BENCH_CAMERA_H

#include "trace.h"

#include "rtc/dtls.h"
#include "rtc/rtp_ext.h"

enum {
    CAMERA_PACKET_MAX = 1200,    /* before sealing, as browsers cut */
    CAMERA_DATAGRAM_SIZE = 1280, /* room of one sealed packet */
    CAMERA_FRAME_PACKETS_MAX = 256,
    CAMERA_KEYFRAME_SPACING = TRACE_FPS, /* frames between two that are asked for */
};

struct camera {
    /* given */
    const struct trace *trace;
    struct rtp_ext_map ext; /* all 0: packets without extensions */
    char mid[17];
    uint32_t ssrc;
    uint8_t payload_type;
    /* owned */
    struct sealer *sealer;
    struct opener *opener;
    /* derived */
    uint64_t index;       /* extended sequence number of the next packet */
    uint32_t frame;       /* number of the next … */
    size_t at;            /* … and its place in the trace */
    uint32_t keyframe_at; /* number of the last keyframe */
    uint16_t transport_seq;
};

struct camera_frame {
    uint8_t data[CAMERA_FRAME_PACKETS_MAX][CAMERA_DATAGRAM_SIZE];
    size_t lens[CAMERA_FRAME_PACKETS_MAX];
    size_t count;
};

/* c: given members are filled in. keys: as the server sees them. ERR_SYSTEM without memory. */
MUST_USE enum err camera_init(struct camera *c, const struct dtls_keys *keys);
void camera_done(struct camera *c);
/* The next frame, sealed. */
void camera_shoot(struct camera *c, usec now, struct camera_frame *ret);
/* A datagram from the server, overwritten: asked for a keyframe, the trace begins anew. */
void camera_hear(struct camera *c, uint8_t *datagram, size_t len);

#endif
