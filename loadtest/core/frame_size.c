/* SPDX-License-Identifier: Apache-2.0 */
#include "core/frame_size.h"

#include "rtc/nal.h"
#include "rtc/obu.h"

struct bit_reader {
    struct bytes data;
    size_t at; /* bit */
    bool failed;
};

/* Up to 32 bits; 0 and failed beyond the end. */
static uint32_t bits(struct bit_reader *r, unsigned count)
{
    uint32_t v = 0;
    for (unsigned i = 0; i < count; i++, r->at++) {
        if (r->at / 8 >= r->data.len) {
            r->failed = true;
            return 0;
        }
        v = v << 1 | (r->data.data[r->at / 8] >> (7 - r->at % 8) & 1);
    }
    return v;
}

static bool found(uint32_t width, uint32_t height, uint16_t *ret_width, uint16_t *ret_height)
{
    if (width == 0 || height == 0 || width > UINT16_MAX || height > UINT16_MAX)
        return false;
    *ret_width = (uint16_t)width;
    *ret_height = (uint16_t)height;
    return true;
}

/* | frame tag (3), bit 0: not a keyframe | 9d 01 2a | scale (2) width (14) | … height (14) | */
static bool vp8_size(struct bytes f, uint16_t *ret_width, uint16_t *ret_height)
{
    if (f.len < 10 || (f.data[0] & 1) != 0 || memcmp(f.data + 3, "\x9d\x01\x2a", 3) != 0)
        return false;
    return found((uint32_t)(f.data[6] | f.data[7] << 8) & 0x3fff,
                 (uint32_t)(f.data[8] | f.data[9] << 8) & 0x3fff, ret_width, ret_height);
}

static bool vp9_size(struct bytes f, uint16_t *ret_width, uint16_t *ret_height)
{
    struct bit_reader r = { .data = f };
    if (bits(&r, 2) != 2 || bits(&r, 2) != 0) /* frame marker, profile 0 */
        return false;
    if (bits(&r, 1) != 0 || bits(&r, 1) != 0) /* shows an existing frame; not a keyframe */
        return false;
    (void)bits(&r, 2);            /* shown, error resilient */
    if (bits(&r, 24) != 0x498342) /* sync code */
        return false;
    if (bits(&r, 3) == 7) /* colour space: sRGB is of another profile */
        return false;
    (void)bits(&r, 1);
    uint32_t width = bits(&r, 16) + 1, height = bits(&r, 16) + 1;
    return !r.failed && found(width, height, ret_width, ret_height);
}

static bool h264_size(struct bytes f, uint16_t *ret_width, uint16_t *ret_height)
{
    struct bytes nal;
    struct nal_sps sps;
    for (size_t at = 0; nal_next(f, &at, &nal);) {
        if (nal_type_of(nal) == NAL_SPS && nal_parse_sps(nal, &sps) == OK)
            return found(sps.width, sps.height, ret_width, ret_height);
    }
    return false;
}

/* Timing and decoder model; true: a decoder model is there, *ret_delay_bits of its delays. */
static bool skip_timing(struct bit_reader *r, unsigned *ret_delay_bits)
{
    if (bits(r, 1) == 0)
        return false;
    (void)bits(r, 32);
    (void)bits(r, 32);
    if (bits(r, 1) == 1) { /* ticks per picture, uvlc() */
        unsigned zeros = 0;
        while (!r->failed && bits(r, 1) == 0)
            zeros++;
        (void)bits(r, MIN(zeros, 32u));
    }
    if (bits(r, 1) == 0)
        return false;
    *ret_delay_bits = bits(r, 5) + 1;
    (void)bits(r, 32);
    (void)bits(r, 10);
    return true;
}

static void skip_operating_points(struct bit_reader *r)
{
    unsigned delay_bits = 0;
    bool has_model = skip_timing(r, &delay_bits);
    bool has_display_delay = bits(r, 1) == 1;
    unsigned count = bits(r, 5) + 1;
    for (unsigned i = 0; i < count && !r->failed; i++) {
        (void)bits(r, 12);
        if (bits(r, 5) > 7)
            (void)bits(r, 1);
        if (has_model && bits(r, 1) == 1) {
            (void)bits(r, delay_bits);
            (void)bits(r, delay_bits);
            (void)bits(r, 1);
        }
        if (has_display_delay && bits(r, 1) == 1)
            (void)bits(r, 4);
    }
}

static bool sequence_size(struct bytes sequence, uint16_t *ret_width, uint16_t *ret_height)
{
    struct bit_reader r = { .data = sequence };
    (void)bits(&r, 4); /* profile, still picture */
    if (bits(&r, 1) == 1)
        (void)bits(&r, 5); /* reduced header: the level alone */
    else
        skip_operating_points(&r);
    unsigned width_bits = bits(&r, 4) + 1, height_bits = bits(&r, 4) + 1;
    uint32_t width = bits(&r, width_bits) + 1, height = bits(&r, height_bits) + 1;
    return !r.failed && found(width, height, ret_width, ret_height);
}

static bool av1_size(struct bytes f, uint16_t *ret_width, uint16_t *ret_height)
{
    struct reader r = reader_of(f);
    struct obu o;
    while (reader_left(&r) > 0 && obu_read(&r, &o) == OK) {
        if (o.type == OBU_SEQUENCE)
            return sequence_size(o.payload, ret_width, ret_height);
    }
    return false;
}

bool frame_size(enum codec codec, struct bytes frame, uint16_t *ret_width, uint16_t *ret_height)
{
    switch (codec) {
    case CODEC_VP8:
        return vp8_size(frame, ret_width, ret_height);
    case CODEC_VP9:
        return vp9_size(frame, ret_width, ret_height);
    case CODEC_H264:
        return h264_size(frame, ret_width, ret_height);
    case CODEC_AV1:
        return av1_size(frame, ret_width, ret_height);
    default:
        return false;
    }
}
