/* SPDX-License-Identifier: Apache-2.0 */
#include "media_test.h"

#include "rtc/vp9.h"

static struct vp9_descriptor parse(struct bytes payload)
{
    struct vp9_descriptor d;
    assert_int_equal(vp9_parse(payload, &d), OK);
    return d;
}

static void structures_give_the_size_of_each_layer(void **state)
{
    /* I L B E V Z, picture 5, layer 0, TL0PICIDX 1; two layers with sizes, no group */
    struct vp9_descriptor d = parse(
        BYTES(0xaf, 0x05, 0x00, 0x01, 0x30, 0x02, 0x80, 0x01, 0x68, 0x05, 0x00, 0x02, 0xd0, 0x99));
    assert_int_equal(d.spatial_count, 2);
    assert_int_equal(d.width, 640);
    assert_int_equal(d.height, 360);
    assert_int_equal(d.upper_width[0], 1280);
    assert_int_equal(d.upper_height[0], 720);
    assert_true(d.not_for_upper && d.has_structure);
    assert_int_equal(d.len, 13);
}

static struct bytes patched(const struct vp9_descriptor *d, struct bytes payload, uint8_t *memory,
                            size_t size)
{
    struct writer w = writer_of(memory, size);
    size_t skip = vp9_write_patch(&w, d, payload);
    assert_in_range(writer_len(&w), 1, VP9_PATCH_SIZE_MAX);
    writer_put(&w, bytes_of(payload.data + skip, payload.len - skip));
    return written(&w);
}

static void a_patch_changes_the_numbers_only(void **state)
{
    uint8_t memory[32];
    /* non-flexible, 7-bit id: one byte longer */
    struct bytes payload = BYTES(0xee, 0x05, 0x52, 0x07, 0x00, 0x99, 0x98);
    struct vp9_descriptor d = parse(payload);
    d.picture_id = 0x1234;
    d.tl0_index = 9;
    assert_bytes(patched(&d, payload, memory, sizeof memory),
                 ((uint8_t[]){ 0xee, 0x92, 0x34, 0x52, 0x09, 0x00, 0x99, 0x98 }), 8);
    /* flexible, 15-bit id: the references stay */
    payload = BYTES(0xf8, 0x80, 0x05, 0x21, 0x03, 0x04, 0x99);
    d = parse(payload);
    d.picture_id = 0x7fff;
    assert_bytes(patched(&d, payload, memory, sizeof memory),
                 ((uint8_t[]){ 0xf8, 0xff, 0xff, 0x21, 0x03, 0x04, 0x99 }), 7);
    /* nothing to patch */
    payload = BYTES(0x08, 0x99);
    d = parse(payload);
    assert_bytes(patched(&d, payload, memory, sizeof memory), ((uint8_t[]){ 0x08, 0x99 }), 2);
}

static struct vp9_descriptor picture(uint16_t id, uint8_t tl0)
{
    return (struct vp9_descriptor){ .has_picture_id = true,
                                    .picture_id_long = true,
                                    .picture_id = id,
                                    .has_layers = true,
                                    .tl0_index = tl0 };
}

static void switched_input_continues_the_numbers(void **state)
{
    struct vp9_munger m = { 0 };
    struct vp9_descriptor d = picture(32766, 254);
    vp9_munger_switch(&m, &d);
    for (uint16_t i = 0; i < 4; i++) {
        d = picture((uint16_t)((32766 + i) & 0x7fff), (uint8_t)(254 + i));
        vp9_munger_apply(&m, &d);
        assert_int_equal(d.picture_id, (32766 + i) & 0x7fff);
        assert_int_equal(d.tl0_index, (uint8_t)(254 + i));
    }
    d = picture(5000, 77);
    vp9_munger_switch(&m, &d);
    vp9_munger_apply(&m, &d);
    assert_int_equal(d.picture_id, 2);
    assert_int_equal(d.tl0_index, 2);
    d = picture(5003, 78); /* dropped or lost pictures: references count in ids */
    vp9_munger_apply(&m, &d);
    assert_int_equal(d.picture_id, 5);
    d = picture(5001, 77); /* late */
    vp9_munger_apply(&m, &d);
    assert_int_equal(d.picture_id, 3);
    d = picture(90, 7);
    vp9_munger_switch(&m, &d);
    vp9_munger_apply(&m, &d);
    assert_int_equal(d.picture_id, 6);
    assert_int_equal(d.tl0_index, 4);
}

static void seven_bit_ids_become_a_continuous_long_id(void **state)
{
    struct vp9_munger m = { 0 };
    for (uint16_t i = 0; i < 1000; i++) {
        struct vp9_descriptor d = picture((120 + i) & 0x7f, (uint8_t)i);
        d.picture_id_long = false;
        if (i == 0)
            vp9_munger_switch(&m, &d);
        vp9_munger_apply(&m, &d);
        assert_true(d.picture_id_long);
        assert_int_equal(d.picture_id, 120 + i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(structures_give_the_size_of_each_layer),
        cmocka_unit_test(a_patch_changes_the_numbers_only),
        cmocka_unit_test(switched_input_continues_the_numbers),
        cmocka_unit_test(seven_bit_ids_become_a_continuous_long_id),
    };
    return cmocka_run_group_tests_name("rtc/vp9", tests, NULL, NULL);
}
