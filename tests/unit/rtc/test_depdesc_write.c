/* SPDX-License-Identifier: Apache-2.0 */
#include "media_test.h"

#include "rtc/depdesc.h"
#include "rtc/keyframe.h"

static uint8_t memory[64];

static struct bytes write(const struct depdesc_frame *f)
{
    struct writer w = writer_of(memory, DEPDESC_WRITE_SIZE_MAX);
    depdesc_write(&w, f);
    return written(&w);
}

static void parse_of_write_is_the_descriptor(void **state)
{
    struct prng r = { 1 };
    for (int i = 0; i < 20000; i++) {
        struct depdesc_frame f = { .temporal_count = prng_below(&r, 2) ? 3 : 1,
                                   .start_of_frame = prng_below(&r, 2),
                                   .end_of_frame = prng_below(&r, 2),
                                   .keyframe = prng_below(&r, 2),
                                   .layer_sync = prng_below(&r, 2),
                                   .frame_number = (uint16_t)prng_next(&r),
                                   .width = (uint16_t)prng_next(&r),
                                   .height = (uint16_t)prng_next(&r) };
        if (!f.keyframe)
            f.temporal_id = (uint8_t)prng_below(&r, f.temporal_count);
        struct depdesc d;
        struct bytes value = write(&f);
        assert_int_equal(depdesc_parse(value, &d), OK);
        assert_int_equal(d.start_of_frame, f.start_of_frame);
        assert_int_equal(d.end_of_frame, f.end_of_frame);
        assert_int_equal(d.frame_number, f.frame_number);
        assert_int_equal(d.structure_present, f.keyframe && f.start_of_frame);
        assert_false(d.active_targets_present || d.custom_dtis || d.custom_fdiffs ||
                     d.custom_chains);
        if (d.structure_present) {
            assert_int_equal(d.template_id_offset, 0);
            assert_int_equal(d.decode_target_count, f.temporal_count);
        } else {
            assert_int_equal(value.len, 3);
        }
        struct frame_info info;
        assert_int_equal(frame_inspect_depdesc(value, &info), OK);
        assert_int_equal(info.frame_start, f.start_of_frame);
        assert_int_equal(info.keyframe_start, f.keyframe && f.start_of_frame);
    }
}

/* The rest of a descriptor as AV1 RTP §A.8 has it, for one spatial layer and at most one chain. */
struct bits {
    struct bytes of;
    size_t at;
};

static unsigned take(struct bits *b, unsigned width)
{
    unsigned v = 0;
    for (; width > 0; width--, b->at++) {
        assert_true(b->at < b->of.len * 8);
        v = v << 1 | ((unsigned)b->of.data[b->at / 8] >> (7 - b->at % 8) & 1);
    }
    return v;
}

/* ns(n) as AV1 §4.10.7 words it. */
static unsigned take_non_symmetric(struct bits *b, unsigned n)
{
    unsigned w = 0, x = n;
    while (x != 0) {
        x >>= 1;
        w++;
    }
    unsigned m = (1u << w) - n;
    unsigned v = take(b, w - 1);
    return v < m ? v : (v << 1) - m + take(b, 1);
}

struct structure {
    unsigned target_count, template_count, chain_count;
    unsigned temporal_id[8];
    char dtis[8][4];
    unsigned diffs[8][4], diff_count[8];
    unsigned chain_diff[8];
    unsigned width, height;
};

static struct structure read_structure(struct bits *b)
{
    struct structure s = { 0 };
    assert_int_equal(take(b, 6), 0);
    s.target_count = take(b, 5) + 1;
    unsigned temporal_id = 0, next;
    do {
        assert_true(s.template_count < 8);
        s.temporal_id[s.template_count++] = temporal_id;
        next = take(b, 2);
        assert_int_not_equal(next, 2); /* another spatial layer */
        temporal_id += next == 1;
    } while (next != 3);
    for (unsigned i = 0; i < s.template_count; i++)
        for (unsigned t = 0; t < s.target_count; t++)
            s.dtis[i][t] = "-DSR"[take(b, 2)];
    for (unsigned i = 0; i < s.template_count; i++)
        while (take(b, 1) != 0)
            s.diffs[i][s.diff_count[i]++] = take(b, 4) + 1;
    s.chain_count = take_non_symmetric(b, s.target_count + 1);
    assert_int_equal(s.chain_count, 1);
    for (unsigned t = 0; t < s.target_count; t++)
        assert_int_equal(take_non_symmetric(b, s.chain_count), 0);
    for (unsigned i = 0; i < s.template_count; i++)
        s.chain_diff[i] = take(b, 4);
    if (take(b, 1) != 0) {
        s.width = take(b, 16) + 1;
        s.height = take(b, 16) + 1;
    }
    return s;
}

static struct structure structure_of(const struct depdesc_frame *f)
{
    struct bits b = { .of = write(f), .at = 24 };
    assert_int_equal(take(&b, 5), 0x10);
    struct structure s = read_structure(&b);
    assert_in_range(b.of.len * 8 - b.at, 0, 7);
    while (b.at < b.of.len * 8)
        assert_int_equal(take(&b, 1), 0);
    return s;
}

static void one_layer_has_a_keyframe_and_a_delta_template(void **state)
{
    struct depdesc_frame f = {
        .temporal_count = 1, .start_of_frame = true, .keyframe = true, .width = 1280, .height = 720
    };
    struct structure s = structure_of(&f);
    assert_int_equal(s.target_count, 1);
    assert_int_equal(s.template_count, 2);
    assert_string_equal(s.dtis[0], "S");
    assert_string_equal(s.dtis[1], "S");
    assert_int_equal(s.diff_count[0], 0);
    assert_int_equal(s.diff_count[1], 1);
    assert_int_equal(s.diffs[1][0], 1);
    assert_int_equal(s.chain_diff[0], 0);
    assert_int_equal(s.chain_diff[1], 1);
    assert_int_equal(s.width, 1280);
    assert_int_equal(s.height, 720);
}

static void three_layers_have_the_five_templates_of_browsers(void **state)
{
    static const struct {
        unsigned temporal_id;
        const char *dtis;
        unsigned diff, chain;
    } expected[] = {
        { 0, "SSS", 0, 0 }, { 0, "SSS", 4, 4 }, { 1, "-DS", 2, 2 },
        { 2, "--D", 1, 1 }, { 2, "--D", 1, 3 },
    };
    struct depdesc_frame f = { .temporal_count = 3, .start_of_frame = true, .keyframe = true };
    struct structure s = structure_of(&f);
    assert_int_equal(s.target_count, 3);
    assert_int_equal(s.template_count, 5);
    assert_int_equal(s.width, 0);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(s.temporal_id[i], expected[i].temporal_id);
        assert_string_equal(s.dtis[i], expected[i].dtis);
        assert_int_equal(s.diff_count[i], expected[i].diff > 0);
        assert_int_equal(s.diffs[i][0], expected[i].diff);
        assert_int_equal(s.chain_diff[i], expected[i].chain);
    }
}

/* The first packet of a camera in AV1, 320 x 180, from Chromium 156. */
static void keyframes_have_the_bytes_of_chromium(void **state)
{
    static const uint8_t l1t1[] = { 0x80, 0x00, 0x01, 0x80, 0x00, 0x3a, 0x41,
                                    0x01, 0x80, 0x9f, 0x80, 0x59, 0x80 };
    static const uint8_t l1t3[] = { 0x80, 0x00, 0x01, 0x80, 0x02, 0x14, 0xea, 0xa8, 0x60, 0x41,
                                    0x4d, 0x14, 0x10, 0x20, 0x84, 0x27, 0x01, 0x3f, 0x00, 0xb3 };
    struct depdesc_frame f = { .temporal_count = 1,
                               .start_of_frame = true,
                               .keyframe = true,
                               .frame_number = 1,
                               .width = 320,
                               .height = 180 };
    assert_bytes(write(&f), l1t1, sizeof(l1t1));
    f.temporal_count = 3;
    assert_bytes(write(&f), l1t3, sizeof(l1t3));
}

/* 0 2 1 2, twice: what a template says about distances must be true of the frames. */
static void each_frame_names_the_template_that_is_true_of_it(void **state)
{
    static const struct {
        uint8_t temporal_id;
        bool layer_sync;
        uint8_t expected;
    } frames[] = { { 0, false, 0 }, { 2, true, 3 }, { 1, true, 2 }, { 2, false, 4 },
                   { 0, false, 1 }, { 2, true, 3 }, { 1, true, 2 }, { 2, false, 4 } };
    for (size_t i = 0; i < ARRAY_LEN(frames); i++) {
        struct depdesc d;
        struct depdesc_frame f = { .temporal_count = 3,
                                   .start_of_frame = true,
                                   .keyframe = i == 0,
                                   .temporal_id = frames[i].temporal_id,
                                   .layer_sync = frames[i].layer_sync };
        assert_int_equal(depdesc_parse(write(&f), &d), OK);
        assert_int_equal(d.template_id, frames[i].expected);
    }
    struct depdesc d;
    struct depdesc_frame f = { .temporal_count = 1, .start_of_frame = true };
    assert_int_equal(depdesc_parse(write(&f), &d), OK);
    assert_int_equal(d.template_id, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parse_of_write_is_the_descriptor),
        cmocka_unit_test(one_layer_has_a_keyframe_and_a_delta_template),
        cmocka_unit_test(three_layers_have_the_five_templates_of_browsers),
        cmocka_unit_test(keyframes_have_the_bytes_of_chromium),
        cmocka_unit_test(each_frame_names_the_template_that_is_true_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
