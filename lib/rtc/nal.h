/* nal.h - the NAL units of an H.264 byte stream (ITU-T H.264 annex B).
 *
 * Pure.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RTC_NAL_H
#define RTC_NAL_H

#include "common/bytes.h"

enum nal_type {
    NAL_SLICE = 1,
    NAL_IDR = 5,
    NAL_SEI = 6,
    NAL_SPS = 7,
    NAL_PPS = 8,
    NAL_AUD = 9,
    NAL_STAP_A = 24, /* RFC 6184 */
    NAL_FU_A = 28,   /* RFC 6184 */
};

/* The NAL unit that starts at or after *at: without start code and without zeros behind it, never
 * empty. Moves *at to the start code after it, or the end. False: there is none. Bytes before the
 * first start code are skipped. */
bool nal_next(struct bytes stream, size_t *at, struct bytes *ret);

static inline enum nal_type nal_type_of(struct bytes nal)
{
    return (enum nal_type)(nal.data[0] & 0x1f);
}

/* What an SPS says about the picture. */
struct nal_sps {
    uint16_t width, height; /* after cropping */
    uint32_t fps_numerator; /* 0: no timing in it */
    uint32_t fps_denominator;
};

/* OK, ERR_TRUNCATED, ERR_MALFORMED. */
MUST_USE enum err nal_parse_sps(struct bytes nal, struct nal_sps *ret);

#endif
