/* SPDX-License-Identifier: Apache-2.0 */
#include "media_test.h"

#include "layer_stream.h"

static struct layer_reader reader;

static struct frame_layers read_packet(enum codec codec, struct bytes payload, struct bytes depdesc)
{
    struct frame_layers fl;
    struct payload_descriptor d;
    assert_int_equal(layer_reader_read(&reader, codec, payload, depdesc, &fl, &d), OK);
    assert_int_equal(d.codec, codec == CODEC_VP8 || codec == CODEC_VP9 ? codec : CODEC_NONE);
    return fl;
}

static int reset(void **state)
{
    reader = (struct layer_reader){ 0 };
    return 0;
}

static const struct bytes none;

static void descriptors_give_targets_and_their_parts(void **state)
{
    struct prng r = { 1 };
    struct layer_stream s = { .pattern = depdesc_pattern_find("L3T3") };
    struct stream_packet p[STREAM_PACKETS_MAX];
    stream_next(&s, &r, p);
    struct frame_layers fl =
        read_packet(CODEC_VP8, BYTES(0x10, 0x01), bytes_of(p[0].value, p[0].len));
    assert_true(fl.has_layers && fl.numbered && fl.keyframe_start && fl.frame_start);
    assert_int_equal(reader.structure.target_count, 9);
    assert_int_equal(reader.structure.spatial_count, 3);
    assert_int_equal(reader.structure.temporal_count, 3);
    for (unsigned i = 0; i < 9; i++) {
        assert_int_equal(reader.structure.targets[i].spatial, i / 3);
        assert_int_equal(reader.structure.targets[i].temporal, i % 3);
    }
    assert_int_equal(reader.structure.parts[8], 0x1ff);
    assert_int_equal(reader.structure.parts[4], 0x01b);
    assert_int_equal(reader.structure.parts[0], 0x001);
    assert_int_equal(reader.structure.width[0], 320);
    assert_int_equal(reader.structure.height[2], 720);
}

static void targets_of_key_svc_are_no_parts_of_each_other(void **state)
{
    struct prng r = { 1 };
    struct layer_stream s = { .pattern = depdesc_pattern_find("L3T3_KEY") };
    struct stream_packet p[STREAM_PACKETS_MAX];
    stream_next(&s, &r, p);
    read_packet(CODEC_AV1, BYTES(0x10), bytes_of(p[0].value, p[0].len));
    assert_int_equal(reader.structure.parts[8], 0x1c0);
    assert_int_equal(reader.structure.parts[4], 0x018);
}

static void a_missing_structure_leaves_a_numbered_frame(void **state)
{
    struct frame_layers fl = read_packet(CODEC_AV1, BYTES(0x10), BYTES(0x81, 0x00, 0x07));
    assert_true(fl.numbered && fl.frame_start);
    assert_false(fl.has_layers || fl.keyframe_start || fl.frame_end);
    assert_int_equal(fl.frame_number, 7);
}

static void a_repeated_old_keyframe_does_not_bring_its_structure_back(void **state)
{
    struct prng r = { 1 };
    struct layer_stream old = { .pattern = depdesc_pattern_find("L1T3"), .first_number = 0xfff0 };
    struct layer_stream now = { .pattern = depdesc_pattern_find("L2T1"), .first_number = 0x0010 };
    struct stream_packet p[STREAM_PACKETS_MAX], q[STREAM_PACKETS_MAX];
    stream_next(&old, &r, p);
    stream_next(&now, &r, q);
    read_packet(CODEC_AV1, BYTES(0x10), bytes_of(p[0].value, p[0].len));
    read_packet(CODEC_AV1, BYTES(0x10), bytes_of(q[0].value, q[0].len));
    struct frame_layers fl = read_packet(CODEC_AV1, BYTES(0x10), bytes_of(p[0].value, p[0].len));
    assert_true(fl.keyframe_start);
    assert_int_equal(fl.present, 7); /* read by what it brings itself */
    assert_int_equal(reader.structure.target_count, 2);
    assert_int_equal(reader.depdesc.target_count, 2);
}

static void active_targets_are_followed(void **state)
{
    struct prng r = { 1 };
    struct layer_stream s = { .pattern = depdesc_pattern_find("L1T3") };
    struct stream_packet p[STREAM_PACKETS_MAX];
    stream_next(&s, &r, p);
    read_packet(CODEC_AV1, BYTES(0x10), bytes_of(p[0].value, p[0].len));
    assert_int_equal(reader.structure.active, 7);
    read_packet(CODEC_AV1, BYTES(0x10), BYTES(0x81, 0x00, 0x04, 0x43)); /* mask 011 */
    assert_int_equal(reader.structure.active, 3);
    read_packet(CODEC_AV1, BYTES(0x10), BYTES(0x81, 0x00, 0x03, 0x41)); /* older */
    assert_int_equal(reader.structure.active, 3);
}

/* One packet of a VP8 frame with 15-bit picture id, TL0PICIDX and TID. */
static struct frame_layers vp8(uint16_t id, uint8_t temporal, bool sync, bool key)
{
    static uint8_t memory[32];
    struct vp8_descriptor d = { .partition_start = true,
                                .has_picture_id = true,
                                .picture_id = id,
                                .has_tl0_index = true,
                                .has_temporal_id = true,
                                .temporal_id = temporal,
                                .layer_sync = sync };
    struct writer w = writer_of(memory, sizeof memory);
    vp8_write(&w, &d);
    writer_u8(&w, key ? 0 : 1);
    return read_packet(CODEC_VP8, written(&w), none);
}

static void assert_references(const struct frame_layers *fl, size_t count, unsigned a, unsigned b)
{
    assert_int_equal(fl->reference_count, count);
    if (count > 0)
        assert_int_equal(fl->references[0], a);
    if (count > 1)
        assert_int_equal(fl->references[1], b);
}

static void vp8_refers_to_its_own_and_lower_layers(void **state)
{
    struct frame_layers fl = vp8(0x7ffe, 0, false, true);
    assert_true(fl.has_layers && fl.keyframe_start);
    assert_int_equal(fl.present, 0xf);
    assert_int_equal(fl.switchable, 0xf);
    assert_references(&fl, 0, 0, 0);
    uint16_t first = fl.frame_number;
    fl = vp8(0x7fff, 2, true, false);
    assert_int_equal((uint16_t)(fl.frame_number - first), 1);
    assert_int_equal(fl.present, 0xc);
    assert_int_equal(fl.switchable, 0x4);
    assert_references(&fl, 1, 1, 0);
    fl = vp8(0, 1, true, false); /* the id wraps, the frame number goes on */
    assert_int_equal((uint16_t)(fl.frame_number - first), 2);
    assert_int_equal(fl.switchable, 0x2);
    assert_references(&fl, 1, 2, 0);
    fl = vp8(1, 2, false, false);
    assert_int_equal(fl.switchable, 0);
    assert_int_equal(fl.reference_count, 3);
    fl = vp8(2, 0, false, false);
    assert_int_equal(fl.switchable, 0x1);
    assert_references(&fl, 1, 4, 0);
    fl = vp8(3, 2, true, false); /* the layers between have to flow */
    assert_references(&fl, 2, 1, 3);
    assert_int_equal(reader.structure.temporal_count, 3);
}

static void other_packets_of_a_vp8_frame_say_the_same(void **state)
{
    vp8(10, 0, false, true);
    vp8(11, 0, false, false);
    struct frame_layers first = vp8(12, 1, true, false);
    struct frame_layers second = vp8(12, 1, true, false);
    assert_int_equal(second.switchable, first.switchable);
    assert_references(&second, 1, first.references[0], 0);
    struct frame_layers late = vp8(11, 0, false, false);
    assert_int_equal(late.switchable, 0);
}

static void seven_bit_picture_ids_are_widened(void **state)
{
    uint16_t first = 0;
    for (unsigned i = 0; i < 1000; i++) {
        uint8_t raw[] = { 0x90, 0xa0, (uint8_t)((100 + i) & 0x7f), 0, (uint8_t)(i > 0) };
        struct frame_layers fl = read_packet(CODEC_VP8, bytes_of(raw, sizeof raw), none);
        if (i == 0)
            first = fl.frame_number;
        assert_int_equal((uint16_t)(fl.frame_number - first), i);
    }
}

static void vp8_without_temporal_layers_has_one_layer(void **state)
{
    struct frame_layers fl = read_packet(CODEC_VP8, BYTES(0x10, 0x00), none);
    assert_true(fl.keyframe_start && fl.frame_start);
    assert_false(fl.has_layers);
}

struct vp9_frame {
    uint16_t picture;
    uint8_t spatial, temporal;
    bool up, key, inter, not_for_upper;
};

static struct frame_layers vp9(const struct vp9_frame *f, uint8_t pdiff)
{
    uint8_t memory[64];
    struct writer w = writer_of(memory, sizeof memory);
    bool structure = f->key && f->spatial == 0;
    writer_u8(&w, (uint8_t)(0x80 | (f->key ? 0 : 0x40) | 0x20 | (pdiff > 0 ? 0x10 : 0) | 0x0c |
                            (structure ? 2 : 0) | (f->not_for_upper ? 1 : 0)));
    writer_u16(&w, (uint16_t)(0x8000 | f->picture));
    writer_u8(&w, (uint8_t)(f->temporal << 5 | (f->up ? 0x10 : 0) | f->spatial << 1 |
                            (f->inter ? 1 : 0)));
    if (pdiff == 0)
        writer_u8(&w, 0); /* TL0PICIDX */
    else if (!f->key)
        writer_u8(&w, (uint8_t)(pdiff << 1));
    if (structure) {
        writer_u8(&w, 0x30); /* two spatial layers with their sizes */
        writer_u16(&w, 640);
        writer_u16(&w, 360);
        writer_u16(&w, 1280);
        writer_u16(&w, 720);
    }
    writer_u8(&w, 1);
    return read_packet(CODEC_VP9, written(&w), none);
}

static void vp9_full_svc_has_parts_and_inter_layer_references(void **state)
{
    struct frame_layers fl = vp9(&(struct vp9_frame){ .picture = 0x7fff, .key = true }, 0);
    assert_true(fl.keyframe_start && fl.frame_start && fl.frame_end);
    assert_int_equal(fl.frame_number, (uint16_t)(0x7fff << 3));
    assert_int_equal(fl.present, 0xff);
    assert_int_equal(fl.switchable, 0xff);
    assert_int_equal(reader.structure.spatial_count, 2);
    assert_int_equal(reader.structure.width[0], 640);
    assert_int_equal(reader.structure.height[1], 720);
    assert_int_equal(reader.structure.parts[7], 0xff);
    assert_int_equal(reader.structure.parts[5], 0x33);
    fl = vp9(&(struct vp9_frame){ .picture = 0x7fff, .spatial = 1, .key = true, .inter = true }, 0);
    assert_false(fl.keyframe_start);
    assert_references(&fl, 1, 1, 0);
    assert_int_equal(fl.present, 0xf0);
    assert_int_equal(fl.switchable, 0xf0);
    fl = vp9(&(struct vp9_frame){ .picture = 0, .temporal = 1, .up = true }, 0);
    assert_references(&fl, 1, 8, 0);
    assert_int_equal(fl.present, 0xee);
    assert_int_equal(fl.switchable, 0x0e);
    fl = vp9(&(struct vp9_frame){ .picture = 0, .spatial = 1, .temporal = 1, .inter = true }, 0);
    assert_references(&fl, 2, 1, 8);
    assert_int_equal(fl.present, 0xe0);
    assert_int_equal(fl.switchable, 0);
}

static void vp9_key_svc_layers_go_apart(void **state)
{
    vp9(&(struct vp9_frame){ .picture = 5, .key = true }, 1);
    vp9(&(struct vp9_frame){ .picture = 5, .spatial = 1, .key = true, .inter = true }, 1);
    struct frame_layers fl = vp9(&(struct vp9_frame){ .picture = 6, .not_for_upper = true }, 1);
    assert_int_equal(fl.present, 0x0f);
    assert_references(&fl, 1, 8, 0);
    assert_int_equal(reader.structure.parts[7], 0xf0);
}

/* Of a layer that is not known yet: the keyframe that tells of it was lost. The numbers that follow
 * are old ones to somebody who counts from zero. */
static void vp9_that_begins_with_an_upper_layer_is_not_late_for_ever(void **state)
{
    struct frame_layers fl = vp9(&(struct vp9_frame){ .picture = 0x1f00, .spatial = 1 }, 1);
    assert_int_equal(fl.present, 0);
    for (uint16_t picture = 0x1f01; picture < 0x1f05; picture++) {
        fl = vp9(&(struct vp9_frame){ .picture = picture, .key = true }, 1);
        assert_true(fl.keyframe_start);
        assert_int_equal(fl.present, 0xff);
        assert_int_equal(fl.switchable, 0xff);
        fl = vp9(
            &(struct vp9_frame){ .picture = picture, .spatial = 1, .key = true, .inter = true }, 1);
        assert_references(&fl, 1, 1, 0);
        assert_int_equal(fl.present, 0xf0);
        assert_int_equal(fl.switchable, 0xf0);
    }
}

static void one_layer_codecs_find_their_keyframes(void **state)
{
    struct frame_layers fl = read_packet(CODEC_H264, BYTES(0x67, 0x42, 0x00, 0x1f), none);
    assert_true(fl.keyframe_start && fl.frame_start);
    assert_false(fl.has_layers || fl.numbered);
    fl = read_packet(CODEC_AV1, BYTES(0x18, 0x0a, 0x01, 0x00), none);
    assert_true(fl.keyframe_start);
    fl = read_packet(CODEC_AV1, none, none); /* probing */
    assert_false(fl.keyframe_start || fl.frame_start);
}

static void broken_packets_are_errors(void **state)
{
    struct frame_layers fl;
    struct payload_descriptor d;
    assert_int_equal(layer_reader_read(&reader, CODEC_VP8, BYTES(0x90), none, &fl, &d),
                     ERR_TRUNCATED);
    assert_int_equal(layer_reader_read(&reader, CODEC_AV1, BYTES(0x10), BYTES(0x80, 0), &fl, &d),
                     ERR_TRUNCATED);
    assert_int_equal(
        layer_reader_read(&reader, CODEC_AV1, BYTES(0x10), BYTES(0x80, 0, 0, 0x80, 0), &fl, &d),
        ERR_TRUNCATED);
}

#define unit(name) cmocka_unit_test_setup(name, reset)

int main(void)
{
    const struct CMUnitTest tests[] = {
        unit(descriptors_give_targets_and_their_parts),
        unit(targets_of_key_svc_are_no_parts_of_each_other),
        unit(a_missing_structure_leaves_a_numbered_frame),
        unit(a_repeated_old_keyframe_does_not_bring_its_structure_back),
        unit(active_targets_are_followed),
        unit(vp8_refers_to_its_own_and_lower_layers),
        unit(other_packets_of_a_vp8_frame_say_the_same),
        unit(seven_bit_picture_ids_are_widened),
        unit(vp8_without_temporal_layers_has_one_layer),
        unit(vp9_full_svc_has_parts_and_inter_layer_references),
        unit(vp9_key_svc_layers_go_apart),
        unit(vp9_that_begins_with_an_upper_layer_is_not_late_for_ever),
        unit(one_layer_codecs_find_their_keyframes),
        unit(broken_packets_are_errors),
    };
    return cmocka_run_group_tests_name("rtc/frame_layers", tests, NULL, NULL);
}
