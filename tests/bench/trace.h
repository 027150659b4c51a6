/* trace.h - the frames of a recorded encoder: what a publisher sends, over and over.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_BENCH_TRACE_H
#define TESTS_BENCH_TRACE_H

#include "common/base.h"

enum { TRACE_FRAMES_MAX = 4096, TRACE_FPS = 30, TRACE_FRAME_SIZE_MAX = 256 * 1024 };

struct trace_frame {
    uint32_t size; /* bytes the encoder made */
    bool is_keyframe;
};

struct trace {
    struct trace_frame frames[TRACE_FRAMES_MAX]; /* the first is a keyframe */
    size_t count;
};

/* A file of trace.sh: "<bytes>" or "<bytes> K" on each line. ERR_SYSTEM: it can't be read;
 * ERR_MALFORMED, ERR_FULL. */
MUST_USE enum err trace_load(const char *path, struct trace *ret);

#endif
