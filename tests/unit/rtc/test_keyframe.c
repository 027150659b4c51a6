/* SPDX-License-Identifier: Apache-2.0 */
#include "media_test.h"

#include "rtc/depdesc.h"
#include "rtc/keyframe.h"

static const struct {
    const char *what;
    enum codec codec;
    uint8_t payload[16];
    size_t len;
    bool frame_start, keyframe_start;
    int spatial_id, temporal_id;
} cases[] = {
    { "VP8 keyframe", CODEC_VP8, { 0x10, 0x50, 1, 0 }, 4, true, true, -1, -1 },
    { "VP8 delta, T 1", CODEC_VP8, { 0x90, 0x20, 0x40, 0x51 }, 4, true, false, -1, 1 },
    { "VP8 continuation", CODEC_VP8, { 0x00, 0x50, 1, 0 }, 4, false, false, -1, -1 },
    { "VP9 keyframe", CODEC_VP9, { 0x88, 0x01, 0x82 }, 3, true, true, -1, -1 },
    { "VP9 keyframe, 15-bit id", CODEC_VP9, { 0x88, 0x81, 0x23, 0x82 }, 4, true, true, -1, -1 },
    { "VP9 delta", CODEC_VP9, { 0xc8, 0x01, 0x82 }, 3, true, false, -1, -1 },
    { "VP9 middle of a keyframe", CODEC_VP9, { 0x80, 0x01, 0x82 }, 3, false, false, -1, -1 },
    { "VP9 keyframe S 0", CODEC_VP9, { 0xa8, 0x01, 0x00, 0x07, 0 }, 5, true, true, 0, 0 },
    { "VP9 keyframe S 1", CODEC_VP9, { 0xa8, 0x01, 0x03, 0x07, 0 }, 5, true, false, 1, 0 },
    { "VP9 flexible T 2", CODEC_VP9, { 0xf8, 0x01, 0x40, 0 }, 4, true, false, 0, 2 },
    { "H264 SPS", CODEC_H264, { 0x67, 0x42, 0, 0x1f }, 4, true, true, -1, -1 },
    { "H264 IDR", CODEC_H264, { 0x65, 0x88 }, 2, true, true, -1, -1 },
    { "H264 IDR, second slice", CODEC_H264, { 0x65, 0x08 }, 2, false, false, -1, -1 },
    { "H264 delta", CODEC_H264, { 0x41, 0x9a }, 2, true, false, -1, -1 },
    { "H264 delta, second slice", CODEC_H264, { 0x41, 0x1a }, 2, false, false, -1, -1 },
    { "H264 STAP-A, SPS and PPS",
      CODEC_H264,
      { 0x78, 0, 2, 0x67, 0x42, 0, 2, 0x68, 0xce },
      9,
      true,
      true,
      -1,
      -1 },
    { "H264 STAP-A, SEI and delta",
      CODEC_H264,
      { 0x78, 0, 2, 0x06, 0x05, 0, 2, 0x41, 0x9a },
      9,
      true,
      false,
      -1,
      -1 },
    { "H264 FU-A, IDR first", CODEC_H264, { 0x7c, 0x85, 0x88 }, 3, true, true, -1, -1 },
    { "H264 FU-A, IDR later", CODEC_H264, { 0x7c, 0x05, 0x88 }, 3, false, false, -1, -1 },
    { "H264 FU-A, delta first", CODEC_H264, { 0x5c, 0x81, 0x9a }, 3, true, false, -1, -1 },
    { "AV1 new sequence", CODEC_AV1, { 0x18, 0x08, 0 }, 3, true, true, -1, -1 },
    { "AV1 sequence header with length",
      CODEC_AV1,
      { 0x20, 0x02, 0x08, 0, 0x30 },
      5,
      true,
      true,
      -1,
      -1 },
    { "AV1 frame", CODEC_AV1, { 0x10, 0x30, 0 }, 3, true, false, -1, -1 },
    { "AV1 frame T 1 S 1", CODEC_AV1, { 0x10, 0x34, 0x28, 0 }, 4, true, false, 1, 1 },
    { "AV1 continuation", CODEC_AV1, { 0x90, 0x08, 0 }, 3, false, false, -1, -1 },
    { "opus", CODEC_OPUS, { 0xfc }, 1, true, false, -1, -1 },
};

static void starts_and_keyframes_of_each_codec_are_recognised(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct frame_info info;
        enum err e = frame_inspect(cases[i].codec, bytes_of(cases[i].payload, cases[i].len), &info);
        if (e != OK || info.frame_start != cases[i].frame_start ||
            info.keyframe_start != cases[i].keyframe_start ||
            info.spatial_id != cases[i].spatial_id || info.temporal_id != cases[i].temporal_id)
            fail_msg("%s: %s, start %d, keyframe %d, S %d, T %d", cases[i].what, err_name(e),
                     info.frame_start, info.keyframe_start, info.spatial_id, info.temporal_id);
    }
}

static void broken_payloads_are_refused(void **state)
{
    static const struct {
        enum codec codec;
        uint8_t payload[8];
        size_t len;
        enum err expected;
    } broken[] = {
        { CODEC_VP8, { 0 }, 0, ERR_TRUNCATED },
        { CODEC_VP9, { 0 }, 0, ERR_TRUNCATED },
        { CODEC_VP9, { 0x80, 0x81 }, 2, ERR_TRUNCATED },
        { CODEC_H264, { 0 }, 0, ERR_TRUNCATED },
        { CODEC_H264, { 0x7c }, 1, ERR_TRUNCATED },
        { CODEC_H264, { 0x78, 0, 9, 0x67 }, 4, ERR_MALFORMED },
        { CODEC_H264, { 0x78, 0, 0 }, 3, ERR_MALFORMED },
        { CODEC_AV1, { 0x10 }, 1, ERR_TRUNCATED },
        { CODEC_AV1, { 0x98, 0x08, 0 }, 3, ERR_MALFORMED }, /* new sequence, yet continued */
    };
    for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
        struct frame_info info;
        assert_int_equal(
            frame_inspect(broken[i].codec, bytes_of(broken[i].payload, broken[i].len), &info),
            broken[i].expected);
    }
}

static void dependency_descriptor_tells_starts_and_keyframes(void **state)
{
    struct frame_info info;
    /* start, template 5, frame 0x1234, no extended fields */
    assert_int_equal(frame_inspect_depdesc(BYTES(0x85, 0x12, 0x34), &info), OK);
    assert_true(info.frame_start);
    assert_false(info.keyframe_start);
    /* the same with a structure: id offset 0b101010, 3 decode targets */
    struct bytes with_structure = BYTES(0xc5, 0x12, 0x34, 0x85, 0x42, 0);
    assert_int_equal(frame_inspect_depdesc(with_structure, &info), OK);
    assert_true(info.keyframe_start);
    struct depdesc d;
    assert_int_equal(depdesc_parse(with_structure, &d), OK);
    assert_true(d.start_of_frame && d.end_of_frame && d.structure_present);
    assert_int_equal(d.template_id, 5);
    assert_int_equal(d.frame_number, 0x1234);
    assert_int_equal(d.template_id_offset, 0x2a);
    assert_int_equal(d.decode_target_count, 3);
    assert_int_equal(depdesc_parse(BYTES(0xc5, 0x12), &d), ERR_TRUNCATED);
    assert_int_equal(depdesc_parse(BYTES(0xc5, 0x12, 0x34, 0x80), &d), ERR_TRUNCATED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_and_keyframes_of_each_codec_are_recognised),
        cmocka_unit_test(broken_payloads_are_refused),
        cmocka_unit_test(dependency_descriptor_tells_starts_and_keyframes),
    };
    return cmocka_run_group_tests_name("rtc/keyframe", tests, NULL, NULL);
}
