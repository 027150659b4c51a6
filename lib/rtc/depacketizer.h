/* depacketizer.h - the RTP payloads of one video frame, in order and complete, put together again.
 *
 * The frame comes out as file formats want it: VP8 and VP9 raw (spatial layers of VP9 one after the
 * other), H.264 as Annex B with start codes of four bytes, AV1 as OBUs with sizes and without
 * temporal delimiters. Pure, no allocation: writes into the caller's buffer.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RTC_DEPACKETIZER_H
#define RTC_DEPACKETIZER_H

#include "rtc/codec.h"

struct depacketizer {
    enum codec codec;
    struct writer out;  /* the frame so far */
    size_t unit_at;     /* where the open NAL unit or OBU starts in it */
    bool has_open_unit; /* H.264, AV1: a fragmented unit waits for its end */
    bool started;
    enum err failure; /* sticky */
};

/* A new frame. buffer is the caller's until the frame was used. */
void depacketizer_begin(struct depacketizer *d, enum codec codec, void *buffer, size_t capacity);

/* The next payload of the frame (without RTP padding). OK, ERR_TRUNCATED, ERR_MALFORMED (breaks
 * its format, or does not continue what came before), ERR_UNSUPPORTED (not a video codec, or a
 * packet type of RFC 6184 that mode 1 does not have), ERR_FULL (the buffer). After a failure the
 * frame is lost: every call returns the same until depacketizer_begin(). */
MUST_USE enum err depacketizer_add(struct depacketizer *d, struct bytes payload);

/* That was the last one. *ret points into the buffer. ERR_TRUNCATED: a unit is not whole, or there
 * was no payload. */
MUST_USE enum err depacketizer_end(struct depacketizer *d, struct bytes *ret);

#endif
