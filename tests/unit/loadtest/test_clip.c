/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/clip.h"
#include "core/clip_data.h"
#include "rtc/depacketizer.h"
#include "rtc/keyframe.h"
#include "rtc/nal.h"

#include <stdlib.h>

static const struct {
    enum codec codec;
    uint16_t width, height, fps;
} builtin[] = {
    { CODEC_VP8, 320, 180, 15 },  { CODEC_VP8, 640, 360, 30 },  { CODEC_VP8, 1280, 720, 30 },
    { CODEC_VP9, 320, 180, 15 },  { CODEC_VP9, 640, 360, 30 },  { CODEC_VP9, 1280, 720, 30 },
    { CODEC_H264, 320, 180, 15 }, { CODEC_H264, 640, 360, 30 }, { CODEC_H264, 1280, 720, 30 },
    { CODEC_AV1, 320, 180, 15 },  { CODEC_AV1, 640, 360, 30 },  { CODEC_AV1, 1280, 720, 30 },
};

static uint8_t frame_memory[1 << 18];

static void builtin_clips_are_two_seconds_with_one_keyframe(void **state)
{
    assert_int_equal(clip_data_count, ARRAY_LEN(builtin));
    for (size_t i = 0; i < ARRAY_LEN(builtin); i++) {
        struct clip c;
        assert_int_equal(clip_builtin(builtin[i].codec, builtin[i].height, &c), OK);
        assert_int_equal(c.codec, builtin[i].codec);
        assert_int_equal(c.width, builtin[i].width);
        assert_int_equal(c.height, builtin[i].height);
        assert_int_equal(c.fps, builtin[i].fps);
        assert_int_equal(c.frame_count, 2 * builtin[i].fps);
        assert_int_equal(c.duration, 2 * CLIP_CLOCK_RATE);
        for (size_t f = 0; f < c.frame_count; f++) {
            assert_int_equal(c.frames[f].keyframe, f == 0);
            assert_int_equal(c.frames[f].timestamp, f * CLIP_CLOCK_RATE / c.fps);
        }
        clip_done(&c);
    }
}

static void builtin_clips_are_found_by_the_nearest_height(void **state)
{
    static const struct {
        unsigned asked, expected;
    } cases[] = {
        { 0, 180 }, { 240, 180 }, { 300, 360 }, { 480, 360 }, { 600, 720 }, { 2160, 720 }
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct clip c;
        assert_int_equal(clip_builtin(CODEC_AV1, cases[i].asked, &c), OK);
        assert_int_equal(c.height, cases[i].expected);
        clip_done(&c);
    }
    struct clip c;
    assert_int_equal(clip_builtin(CODEC_OPUS, 180, &c), ERR_NOT_FOUND);
}

static void vp8_has_three_temporal_layers_and_the_others_one(void **state)
{
    static const uint8_t pattern[] = { 0, 2, 1, 2 };
    static const uint8_t references[] = { 4, 1, 2, 1 };
    struct clip c;
    assert_int_equal(clip_builtin(CODEC_VP8, 360, &c), OK);
    assert_int_equal(c.temporal_count, 3);
    for (size_t f = 0; f < c.frame_count; f++) {
        struct packetizer_frame to_send = clip_to_send(&c, f, 7, 9);
        assert_int_equal(to_send.temporal_id, pattern[f % 4]);
        assert_int_equal(to_send.reference, f == 0 ? 0 : references[f % 4]);
        assert_int_equal(to_send.layer_sync, f % 4 == 1 || f % 4 == 2);
        assert_int_equal(to_send.picture_id, 7);
        assert_int_equal(to_send.tl0_index, 9);
    }
    clip_done(&c);
    assert_int_equal(clip_builtin(CODEC_VP9, 360, &c), OK);
    assert_int_equal(c.temporal_count, 1);
    assert_int_equal(clip_to_send(&c, 5, 0, 0).temporal_id, -1);
    assert_int_equal(clip_to_send(&c, 5, 0, 0).reference, 1);
    clip_done(&c);
}

/* What the frame is behind the network: H.264 with start codes of four bytes, AV1 without its
 * delimiter. */
static struct bytes normalised(enum codec codec, struct bytes frame)
{
    static uint8_t memory[1 << 18];
    struct writer w = writer_of(memory, sizeof(memory));
    if (codec == CODEC_H264) {
        struct bytes nal;
        for (size_t at = 0; nal_next(frame, &at, &nal);) {
            writer_u32(&w, 1);
            writer_put(&w, nal);
        }
    } else {
        size_t skipped = codec == CODEC_AV1 ? 2 : 0;
        assert_true(skipped == 0 || frame.data[0] == 0x12);
        writer_put(&w, bytes_of(frame.data + skipped, frame.len - skipped));
    }
    assert_false(w.failed);
    return bytes_of(memory, writer_len(&w));
}

/* One packet: what the server will think of it. The H.264 detector knows no packet but its own:
 * the first slice behind an SPS looks like another start of the same keyframe. */
static void assert_detected(const struct packetizer_frame *f, unsigned part, struct bytes payload)
{
    struct frame_info info;
    assert_int_equal(frame_inspect(f->codec, payload, &info), OK);
    assert_int_equal(info.temporal_id, f->codec == CODEC_VP8 ? f->temporal_id : -1);
    if (part == 0) {
        assert_true(info.frame_start);
        assert_int_equal(info.keyframe_start, f->keyframe);
        if (f->codec == CODEC_VP8 && f->keyframe) {
            assert_int_equal(info.width, f->width);
            assert_int_equal(info.height, f->height);
        }
        return;
    }
    bool is_first_slice = f->codec == CODEC_H264 && f->keyframe && payload.data[0] == 0x7c &&
                          payload.data[1] == (0x80 | NAL_IDR);
    assert_int_equal(info.frame_start, is_first_slice);
    assert_int_equal(info.keyframe_start, is_first_slice);
}

static void every_packet_of_every_clip_is_detected_and_every_frame_survives(void **state)
{
    static const size_t payload_sizes[] = { 200, 1100, 1200, 50000 };
    uint8_t payload_memory[50000];
    for (size_t i = 0; i < ARRAY_LEN(builtin) * ARRAY_LEN(payload_sizes); i++) {
        struct clip c;
        size_t payload_max = payload_sizes[i % ARRAY_LEN(payload_sizes)];
        size_t which = i / ARRAY_LEN(payload_sizes);
        assert_int_equal(clip_builtin(builtin[which].codec, builtin[which].height, &c), OK);
        for (size_t f = 0; f < c.frame_count; f++) {
            struct packetizer_frame to_send = clip_to_send(&c, f, (uint16_t)f, 0);
            struct packetizer p;
            struct depacketizer d;
            struct bytes back;
            assert_int_equal(packetizer_init(&p, &to_send, payload_max), OK);
            depacketizer_begin(&d, c.codec, frame_memory, sizeof(frame_memory));
            for (unsigned part = 0; part < p.count; part++) {
                struct writer w = writer_of(payload_memory, payload_max);
                assert_true(packetizer_next(&p, &w));
                assert_false(w.failed);
                struct bytes payload = bytes_of(payload_memory, writer_len(&w));
                assert_detected(&to_send, part, payload);
                assert_int_equal(depacketizer_add(&d, payload), OK);
            }
            assert_int_equal(depacketizer_end(&d, &back), OK);
            assert_true(bytes_equal(back, normalised(c.codec, c.frames[f].data)));
        }
        clip_done(&c);
    }
}

/* Exactly as long as it is, so that the sanitizer sees what is read behind it. */
static enum err parse_copy(struct bytes file, size_t len)
{
    struct clip c;
    uint8_t *copy = malloc(len + (len == 0));
    assert_non_null(copy);
    memcpy(copy, file.data, len);
    enum err e = clip_parse(bytes_of(copy, len), 30, &c);
    if (e == OK)
        clip_done(&c);
    free(copy);
    return e;
}

static void files_cut_anywhere_are_errors_or_shorter_clips(void **state)
{
    for (size_t i = 0; i < clip_data_count; i++) {
        struct bytes file = clip_data[i].file;
        size_t whole_frames = 0;
        for (size_t len = 0; len < MIN(file.len, 60000); len += 1 + len / 50) {
            enum err e = parse_copy(file, len);
            if (len < 4)
                assert_int_equal(e, ERR_UNSUPPORTED);
            else if (e != OK)
                assert_true(e == ERR_TRUNCATED || e == ERR_NOT_FOUND || e == ERR_MALFORMED);
            whole_frames += e == OK;
        }
        /* only Annex B has no lengths that tell */
        assert_true(clip_data[i].codec == CODEC_H264 ? whole_frames > 0 : whole_frames < 5);
    }
}

/* An IVF file of small VP8 frames: timestamps and first bytes as given. */
struct ivf {
    uint8_t data[4096];
    size_t len;
};

static void put_le(struct writer *w, uint64_t v, unsigned bytes)
{
    for (; bytes > 0; bytes--, v >>= 8)
        writer_u8(w, (uint8_t)v);
}

static struct writer begin_ivf(struct ivf *ivf, const char *fourcc, uint32_t rate, uint32_t scale)
{
    struct writer w = writer_of(ivf->data, sizeof(ivf->data));
    writer_put(&w, bytes_of_str("DKIF"));
    put_le(&w, 0, 2);
    put_le(&w, 32, 2);
    writer_put(&w, bytes_of_str(fourcc));
    put_le(&w, 320, 2);
    put_le(&w, 180, 2);
    put_le(&w, rate, 4);
    put_le(&w, scale, 4);
    put_le(&w, 0, 8);
    return w;
}

static void put_frame(struct writer *w, uint64_t ticks, uint8_t first_byte)
{
    put_le(w, 3, 4);
    put_le(w, ticks, 8);
    put_le(w, first_byte, 3);
}

static enum err parse_ivf(const struct ivf *ivf, const struct writer *w, struct clip *c)
{
    assert_false(w->failed);
    return clip_parse(bytes_of(ivf->data, writer_len(w)), 0, c);
}

static void frames_before_the_first_keyframe_are_left_out(void **state)
{
    struct ivf ivf;
    struct clip c;
    struct writer w = begin_ivf(&ivf, "VP80", 30000, 1001);
    put_frame(&w, 10, 1);
    put_frame(&w, 11, 0);
    put_frame(&w, 12, 1);
    put_frame(&w, 14, 0);
    assert_int_equal(parse_ivf(&ivf, &w, &c), OK);
    assert_int_equal(c.frame_count, 3);
    assert_int_equal(c.frames[0].timestamp, 0);
    assert_int_equal(c.frames[1].timestamp, 3003);
    assert_int_equal(c.frames[2].timestamp, 9009);
    assert_int_equal(c.duration, 9009 + 4504);
    assert_int_equal(c.fps, 20);
    assert_int_equal(c.temporal_count, 1);
    assert_true(c.frames[0].keyframe && !c.frames[1].keyframe && c.frames[2].keyframe);
    clip_done(&c);
}

static void files_that_are_no_clip_are_refused_with_the_reason(void **state)
{
    static const struct {
        const char *fourcc;
        uint32_t rate, scale;
        uint64_t ticks[3];
        uint8_t first_byte;
        enum err expected;
    } cases[] = {
        { "VP80", 30, 1, { 0, 1, 2 }, 0, OK },
        { "H265", 30, 1, { 0, 1, 2 }, 0, ERR_UNSUPPORTED },
        { "VP80", 0, 1, { 0, 1, 2 }, 0, ERR_MALFORMED },
        { "VP80", 30, 0, { 0, 1, 2 }, 0, ERR_MALFORMED },
        { "VP80", 30, 1, { 0, 1, 1 }, 0, ERR_MALFORMED },          /* time stands still */
        { "VP80", 30, 1, { 5, 4, 3 }, 0, ERR_MALFORMED },          /* runs backwards */
        { "VP80", 30, 1, { 0, 1, 1ull << 40 }, 0, ERR_MALFORMED }, /* jumps */
        { "VP80", 1, UINT32_MAX, { 0, 1, 2 }, 0, ERR_MALFORMED },
        { "VP80", 300, 1, { 0, 1, 2 }, 0, ERR_MALFORMED }, /* too fast */
        { "VP80", 30, 1, { 0, 1, 2 }, 1, ERR_NOT_FOUND },  /* no keyframe */
        { "VP90", 30, 1, { 0, 1, 2 }, 0x86, ERR_NOT_FOUND },
        { "VP90", 30, 1, { 0, 1, 2 }, 0x82, OK },
        { "AV01", 30, 1, { 0, 1, 2 }, 0x32, ERR_NOT_FOUND },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct ivf ivf;
        struct clip c;
        struct writer w = begin_ivf(&ivf, cases[i].fourcc, cases[i].rate, cases[i].scale);
        for (size_t f = 0; f < 3; f++)
            put_frame(&w, cases[i].ticks[f], cases[i].first_byte);
        enum err e = parse_ivf(&ivf, &w, &c);
        if (e != cases[i].expected)
            fail_msg("case %zu: %s", i, err_name(e));
        if (e == OK)
            clip_done(&c);
    }
    struct clip c;
    assert_int_equal(clip_parse(bytes_of(NULL, 0), 30, &c), ERR_UNSUPPORTED);
    assert_int_equal(clip_parse(bytes_of_str("RIFF...."), 30, &c), ERR_UNSUPPORTED);
    assert_int_equal(clip_parse(bytes_of("\0\0\0\1\x41\x9a\x80", 7), 30, &c), ERR_NOT_FOUND);
}

static void annex_b_takes_its_rate_from_the_sps_or_the_caller(void **state)
{
    /* 16 x 16, no VUI */
    static const uint8_t stream[] = { 0,    0,    1, 0x67, 0x42, 0xc0, 0x1f, 0xfb, 0xc8,
                                      0,    0,    1, 0x68, 0xce, 0,    0,    1,    0x65,
                                      0x88, 0x80, 0, 0,    1,    0x41, 0x9a, 0x80 };
    struct clip c;
    assert_int_equal(clip_parse(bytes_of(stream, sizeof(stream)), 25, &c), OK);
    assert_int_equal(c.width, 16);
    assert_int_equal(c.frame_count, 2);
    assert_int_equal(c.fps, 25);
    assert_int_equal(c.frames[1].timestamp, 3600);
    clip_done(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(builtin_clips_are_two_seconds_with_one_keyframe),
        cmocka_unit_test(builtin_clips_are_found_by_the_nearest_height),
        cmocka_unit_test(vp8_has_three_temporal_layers_and_the_others_one),
        cmocka_unit_test(every_packet_of_every_clip_is_detected_and_every_frame_survives),
        cmocka_unit_test(files_cut_anywhere_are_errors_or_shorter_clips),
        cmocka_unit_test(frames_before_the_first_keyframe_are_left_out),
        cmocka_unit_test(files_that_are_no_clip_are_refused_with_the_reason),
        cmocka_unit_test(annex_b_takes_its_rate_from_the_sps_or_the_caller),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
