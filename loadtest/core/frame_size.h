/* frame_size.h - how large the picture of a keyframe is: VP8 (RFC 6386 §9.1), VP9 (uncompressed
 * header, profile 0), H.264 (SPS), AV1 (sequence header, AV1 §5.5).
 *
 * Pure. SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_FRAME_SIZE_H
#define LOADTEST_FRAME_SIZE_H

#include "rtc/codec.h"

/* frame: as depacketizer_end() gives it. False: it does not say, or is no keyframe. */
bool frame_size(enum codec codec, struct bytes frame, uint16_t *ret_width, uint16_t *ret_height);

#endif
