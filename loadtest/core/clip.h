/* clip.h - pre-encoded video: the built-in clips, and files of users (IVF, Annex B).
 *
 * A clip is a loop that starts with a keyframe. Its frames are views of the file's bytes, which
 * the caller keeps as long as the clip. Pure: parsing allocates one array, nothing else.
 *
 * The built-in clips (loadtest/clips/make.sh) have one keyframe, the first, and no hidden frames.
 * VP8 has three temporal layers in the pattern 0 2 1 2; the others have one.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_CLIP_H
#define LOADTEST_CLIP_H

#include "rtc/packetizer.h"

enum {
    CLIP_CLOCK_RATE = 90000,  /* Hz of timestamps */
    CLIP_FRAMES_MAX = 100000, /* of one file */
    CLIP_FPS_MAX = 240,
};

struct clip_frame {
    struct bytes data; /* as packetizer_frame wants it */
    bool keyframe;
    uint8_t temporal_id; /* 0 if the clip has one temporal layer */
    bool layer_sync;     /* depends on temporal layer 0 only */
    uint8_t reference;   /* how many frames back the newest one it needs is; 0: keyframe */
    uint32_t timestamp;  /* CLIP_CLOCK_RATE, from the clip's start */
};

struct clip {
    enum codec codec;
    uint16_t width, height;
    uint8_t temporal_count;    /* 1 or 3 */
    uint16_t fps;              /* rounded, at least 1; the timestamps are exact */
    uint32_t duration;         /* CLIP_CLOCK_RATE: where the loop starts again */
    struct clip_frame *frames; /* owned */
    size_t frame_count;        /* at least 1; the first is a keyframe */
    uint64_t byte_count;       /* of all frames */
};

/* A file in memory, which must outlive the clip: IVF (VP8, VP9, AV1) or H.264 Annex B, told apart
 * by its first bytes. fps is used for Annex B without timing in its SPS; frames before the first
 * keyframe are left out.
 *
 * OK, ERR_TRUNCATED (the file ends within a frame), ERR_MALFORMED, ERR_UNSUPPORTED (neither format,
 * or another codec), ERR_NOT_FOUND (no keyframe), ERR_FULL (too many frames, or no memory). */
MUST_USE enum err clip_parse(struct bytes file, unsigned fps, struct clip *ret);
void clip_done(struct clip *c); /* a zeroed one is fine */

/* The built-in clip of that codec whose height (180, 360, 720) is nearest. ERR_NOT_FOUND: no such
 * codec. */
MUST_USE enum err clip_builtin(enum codec codec, unsigned height, struct clip *ret);

/* What so much time of it weighs, on average. */
uint64_t clip_bytes_of_time(const struct clip *c, usec time);

/* Frame `index` as the packetizer takes it. */
struct packetizer_frame clip_to_send(const struct clip *c, size_t index, uint16_t picture_id,
                                     uint8_t tl0_index);

#endif
