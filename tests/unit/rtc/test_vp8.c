/* SPDX-License-Identifier: Apache-2.0 */
#include "media_test.h"

#include "rtc/vp8.h"

static void keyframe_with_dimensions_is_recognised(void **state)
{
    /* X S, I L T K; picture id 0x123 in 15 bits; then the frame tag, start code, 1280 x 720 */
    struct bytes payload = BYTES(0x90, 0xf0, 0x81, 0x23, 0x05, 0xa3, 0x50, 0x01, 0x00, 0x9d, 0x01,
                                 0x2a, 0x00, 0x05, 0xd0, 0x02, 0x00);
    struct vp8_descriptor d;
    assert_int_equal(vp8_parse(payload, &d), OK);
    assert_int_equal(d.len, 6);
    assert_true(d.frame_start && d.keyframe && d.picture_id_long && d.layer_sync);
    assert_int_equal(d.picture_id, 0x123);
    assert_int_equal(d.tl0_index, 5);
    assert_int_equal(d.temporal_id, 2);
    assert_int_equal(d.key_index, 3);
    assert_int_equal(d.width, 1280);
    assert_int_equal(d.height, 720);
}

static void delta_frames_and_continuations_are_not_keyframes(void **state)
{
    struct vp8_descriptor d;
    assert_int_equal(vp8_parse(BYTES(0x10, 0x31), &d), OK);
    assert_true(d.frame_start);
    assert_false(d.keyframe);
    assert_int_equal(vp8_parse(BYTES(0x00, 0x30), &d), OK);
    assert_false(d.frame_start || d.keyframe);
    assert_int_equal(vp8_parse(BYTES(0x11, 0x30), &d), OK); /* partition 1 starts */
    assert_false(d.frame_start || d.keyframe);
}

static void descriptors_without_payload_are_refused(void **state)
{
    struct vp8_descriptor d;
    static const uint8_t raw[] = { 0x90, 0xf0, 0x81, 0x23, 0x05, 0xa3 };
    for (size_t len = 0; len < sizeof(raw); len++)
        assert_int_equal(vp8_parse(bytes_of(raw, len), &d), ERR_TRUNCATED);
    assert_int_equal(vp8_parse(bytes_of(raw, sizeof(raw)), &d), ERR_MALFORMED);
}

static void parse_of_write_is_the_descriptor(void **state)
{
    struct prng r = { 10 };
    for (int i = 0; i < 5000; i++) {
        struct vp8_descriptor in = {
            .non_reference = prng_below(&r, 2), .partition_start = prng_below(&r, 2),
            .partition = (uint8_t)prng_below(&r, 8), .has_picture_id = prng_below(&r, 2),
            .has_tl0_index = prng_below(&r, 2), .has_temporal_id = prng_below(&r, 2),
            .has_key_index = prng_below(&r, 2),
        }, out;
        in.picture_id = in.has_picture_id ? (uint16_t)prng_below(&r, 1 << 15) : 0;
        in.tl0_index = in.has_tl0_index ? (uint8_t)prng_next(&r) : 0;
        bool last = in.has_temporal_id || in.has_key_index;
        in.temporal_id = last ? (uint8_t)prng_below(&r, 4) : 0;
        in.key_index = last ? (uint8_t)prng_below(&r, 32) : 0;
        uint8_t buffer[16];
        struct writer w = writer_of(buffer, sizeof(buffer));
        vp8_write(&w, &in);
        assert_in_range(writer_len(&w), 1, VP8_DESCRIPTOR_SIZE_MAX);
        writer_u8(&w, 1);
        assert_int_equal(vp8_parse(written(&w), &out), OK);
        assert_int_equal(out.len, writer_len(&w) - 1);
        assert_int_equal(out.picture_id, in.picture_id);
        assert_int_equal(out.tl0_index, in.tl0_index);
        assert_int_equal(out.temporal_id, in.temporal_id);
        assert_int_equal(out.key_index, in.key_index);
        assert_int_equal(out.non_reference, in.non_reference);
        assert_int_equal(out.partition, in.partition);
    }
}

static struct vp8_descriptor picture(uint16_t id, uint8_t tl0)
{
    return (struct vp8_descriptor){ .has_picture_id = true,
                                    .picture_id_long = true,
                                    .picture_id = id,
                                    .has_tl0_index = true,
                                    .tl0_index = tl0,
                                    .has_key_index = true,
                                    .key_index = 4 };
}

static void switched_input_continues_the_numbers(void **state)
{
    struct vp8_munger m = { 0 };
    struct vp8_descriptor d = picture(32766, 254), e;
    vp8_munger_switch(&m, &d);
    for (uint16_t i = 0; i < 4; i++) {
        e = picture((uint16_t)((32766 + i) & 0x7fff), (uint8_t)(254 + i));
        vp8_munger_apply(&m, &e);
        assert_int_equal(e.picture_id, (32766 + i) & 0x7fff);
    }
    d = picture(5000, 77); /* another layer */
    vp8_munger_switch(&m, &d);
    e = picture(5000, 77);
    vp8_munger_apply(&m, &e);
    assert_int_equal(e.picture_id, 2);
    assert_int_equal(e.tl0_index, 2);
    assert_int_equal(e.key_index, 5);
    e = picture(5000, 77); /* second packet of the same picture */
    vp8_munger_apply(&m, &e);
    assert_int_equal(e.picture_id, 2);
    e = picture(5002, 78); /* a lost picture stays a gap */
    vp8_munger_apply(&m, &e);
    assert_int_equal(e.picture_id, 4);
}

static void dropped_picture_leaves_no_gap(void **state)
{
    struct vp8_munger m = { 0 };
    struct vp8_descriptor d = picture(10, 1);
    vp8_munger_switch(&m, &d);
    vp8_munger_apply(&m, &d);
    d = picture(11, 1);
    vp8_munger_skip_picture(&m, &d);
    vp8_munger_skip_picture(&m, &d); /* its second packet */
    d = picture(12, 2);
    vp8_munger_apply(&m, &d);
    assert_int_equal(d.picture_id, 11);
}

/* 0 2 1 2 with the upper layer dropped, each picture in two packets, the second one late. */
static void late_packets_stay_with_their_picture(void **state)
{
    struct vp8_munger m = { 0 };
    struct vp8_descriptor d = picture(32760, 1), late;
    vp8_munger_switch(&m, &d);
    uint16_t sent = 32760;
    for (unsigned i = 0; i < 100; i++) {
        uint16_t id = (uint16_t)((32760 + 2 * i) & 0x7fff);
        d = picture(id, (uint8_t)i);
        vp8_munger_apply(&m, &d);
        assert_int_equal(d.picture_id, sent);
        d = picture((uint16_t)((id + 1) & 0x7fff), (uint8_t)i);
        vp8_munger_skip_picture(&m, &d);
        late = picture(id, (uint8_t)i);
        vp8_munger_apply(&m, &late);
        assert_int_equal(late.picture_id, sent);
        if (i >= 10) {
            late = picture((uint16_t)((id - 20) & 0x7fff), (uint8_t)(i - 10));
            vp8_munger_apply(&m, &late);
            assert_int_equal(late.picture_id, (sent - 10) & 0x7fff);
        }
        sent = (sent + 1) & 0x7fff;
    }
}

static void an_offset_outlives_the_wrap_of_the_ids(void **state)
{
    struct vp8_munger m = { 0 };
    struct vp8_descriptor d = picture(0, 0);
    vp8_munger_switch(&m, &d);
    vp8_munger_apply(&m, &d);
    d = picture(1, 0);
    vp8_munger_skip_picture(&m, &d);
    for (uint32_t i = 2; i < 100000; i++) {
        d = picture(i & 0x7fff, (uint8_t)i);
        vp8_munger_apply(&m, &d);
        assert_int_equal(d.picture_id, (i - 1) & 0x7fff);
    }
}

static void seven_bit_ids_become_a_continuous_long_id(void **state)
{
    struct vp8_munger m = { 0 };
    struct vp8_descriptor d = picture(120, 0);
    d.picture_id_long = false;
    vp8_munger_switch(&m, &d);
    for (uint16_t i = 0; i < 1000; i++) {
        d = picture((120 + i) & 0x7f, (uint8_t)i);
        d.picture_id_long = false;
        vp8_munger_apply(&m, &d);
        assert_true(d.picture_id_long);
        assert_int_equal(d.picture_id, 120 + i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keyframe_with_dimensions_is_recognised),
        cmocka_unit_test(delta_frames_and_continuations_are_not_keyframes),
        cmocka_unit_test(descriptors_without_payload_are_refused),
        cmocka_unit_test(parse_of_write_is_the_descriptor),
        cmocka_unit_test(switched_input_continues_the_numbers),
        cmocka_unit_test(dropped_picture_leaves_no_gap),
        cmocka_unit_test(late_packets_stay_with_their_picture),
        cmocka_unit_test(an_offset_outlives_the_wrap_of_the_ids),
        cmocka_unit_test(seven_bit_ids_become_a_continuous_long_id),
    };
    return cmocka_run_group_tests_name("rtc/vp8", tests, NULL, NULL);
}
