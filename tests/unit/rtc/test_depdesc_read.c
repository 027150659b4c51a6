/* SPDX-License-Identifier: Apache-2.0 */
#include "media_test.h"

#include <stdlib.h>

#include "rtc/depdesc_pattern.h"
#include "rtc/depdesc_read.h"

static const struct depdesc_structure no_structure;

static struct bytes write_packet(uint8_t *memory, const struct depdesc_pattern *p, uint8_t index,
                                 bool with_structure, uint16_t frame)
{
    struct writer w = writer_of(memory, DEPDESC_PATTERN_SIZE_MAX);
    depdesc_pattern_write(&w, &(struct depdesc_pattern_packet){ .pattern = p,
                                                                .template_index = index,
                                                                .start_of_frame = true,
                                                                .with_structure = with_structure,
                                                                .frame_number = frame,
                                                                .width = 1280,
                                                                .height = 720 });
    assert_false(w.failed);
    return written(&w);
}

/* Bytes of Chromium 156 (AV1, L1T3, 320 x 180), and what they say by AV1 RTP §A.8.2:
 *
 *   80 0001       start, template 0, frame 1
 *   80 02 14 ea   structure: id offset 0, 3 targets, layers same, next, next, same, end
 *   a8 60 41      DTIs SSS SSS -DS --D --D
 *   4d 14 10 20   references -, 4, 2, 1, 1; one chain for all; its distances 0 4 2 1 3
 *   84 27 01 3f 00 b3   320 x 180 */
static void chromium_l1t3_is_read_to_the_last_bit(void **state)
{
    static const uint8_t l1t3[] = { 0x80, 0x00, 0x01, 0x80, 0x02, 0x14, 0xea, 0xa8, 0x60, 0x41,
                                    0x4d, 0x14, 0x10, 0x20, 0x84, 0x27, 0x01, 0x3f, 0x00, 0xb3 };
    static const struct {
        uint8_t temporal;
        uint32_t present, switchable;
        uint8_t reference;
    } expected[] = {
        { 0, 7, 7, 0 }, { 0, 7, 7, 4 }, { 1, 6, 4, 2 }, { 2, 4, 0, 1 }, { 2, 4, 0, 1 }
    };
    struct depdesc_info d;
    struct depdesc_structure s;
    assert_int_equal(depdesc_read(bytes_of(l1t3, sizeof l1t3), &no_structure, &d, &s), OK);
    assert_int_equal(s.template_count, 5);
    assert_int_equal(s.target_count, 3);
    assert_int_equal(s.chain_count, 1);
    assert_int_equal(s.spatial_count, 1);
    assert_int_equal(s.temporal_count, 3);
    assert_int_equal(s.width[0], 320);
    assert_int_equal(s.height[0], 180);
    for (unsigned i = 0; i < 5; i++) {
        const struct depdesc_template *t = &s.templates[i];
        assert_int_equal(t->spatial, 0);
        assert_int_equal(t->temporal, expected[i].temporal);
        assert_int_equal(t->present, expected[i].present);
        assert_int_equal(t->switchable, expected[i].switchable);
        assert_int_equal(t->reference_count, expected[i].reference > 0);
        assert_int_equal(t->references[0], expected[i].reference);
    }
    assert_int_equal(d.present, 7);
    assert_int_equal(d.active_targets, 7);
    assert_int_equal(d.layout.bit_count, sizeof l1t3 * 8);
    assert_int_equal(d.layout.targets_at, sizeof l1t3 * 8);
    assert_int_equal(d.layout.target_count, 3);
}

static uint32_t mask_of(const char *dtis, const char *which)
{
    uint32_t mask = 0;
    for (unsigned i = 0; dtis[i] != '\0'; i++)
        if (strchr(which, dtis[i]) != NULL)
            mask |= 1u << i;
    return mask;
}

static void every_pattern_is_read_as_written(void **state)
{
    for (size_t n = 0; depdesc_pattern_at(n) != NULL; n++) {
        const struct depdesc_pattern *p = depdesc_pattern_at(n);
        uint8_t memory[DEPDESC_PATTERN_SIZE_MAX];
        struct depdesc_structure s = no_structure;
        struct depdesc_info d;
        assert_int_equal(depdesc_read(write_packet(memory, p, p->key[0], true, 9), &s, &d, &s), OK);
        assert_int_equal(s.template_count, p->template_count);
        assert_int_equal(s.spatial_count, p->spatial_count);
        assert_int_equal(s.temporal_count, p->temporal_count);
        assert_int_equal(s.chain_count, p->chain_count);
        assert_int_equal(s.width[s.spatial_count - 1], 1280);
        assert_int_equal(s.height[0], 720 >> (p->spatial_count - 1));
        for (uint8_t i = 0; i < p->template_count; i++) {
            const struct depdesc_pattern_template *t = &p->templates[i];
            assert_int_equal(depdesc_read(write_packet(memory, p, i, false, 10), &s, &d, &s), OK);
            assert_int_equal(d.spatial, t->spatial);
            assert_int_equal(d.temporal, t->temporal);
            assert_int_equal(d.present, mask_of(t->dtis, "DSR"));
            assert_int_equal(d.switchable, mask_of(t->dtis, "S"));
            for (unsigned r = 0; r < 2; r++)
                assert_int_equal(r < d.reference_count ? d.references[r] : 0, t->references[r]);
        }
        assert_int_equal(depdesc_read(write_packet(memory, p, 0, false, 11), &no_structure, &d, &s),
                         ERR_BAD_STATE);
    }
}

/* By hand: flags 0 1 1 1 1 (mask, DTIs, references, chains are the frame's own), mask 011,
 * DTIs S - D (10 00 01), references 01 0010 (3), 10 00001111 (16), 11 100000000000 (2049), 00,
 * chain 00000101. */
static void fields_of_the_frame_replace_the_template(void **state)
{
    uint8_t memory[DEPDESC_PATTERN_SIZE_MAX];
    struct depdesc_structure s = no_structure;
    struct depdesc_info d;
    const struct depdesc_pattern *p = depdesc_pattern_find("L1T3");
    assert_int_equal(depdesc_read(write_packet(memory, p, 0, true, 9), &s, &d, &s), OK);
    /* 01111 011 | 100001 01 | 0010 10 00 | 001111 11 | 10000000 | 0000 00 00 | 000101 00 */
    static const uint8_t value[] = { 0xc4, 0x12, 0x34, 0x7b, 0x85, 0x28, 0x3f, 0x80, 0x00, 0x14 };
    assert_int_equal(depdesc_read(bytes_of(value, sizeof value), &s, &d, &s), OK);
    assert_true(d.head.start_of_frame && d.head.end_of_frame);
    assert_int_equal(d.head.frame_number, 0x1234);
    assert_int_equal(d.temporal, 2);
    assert_int_equal(d.active_targets, 3);
    assert_int_equal(d.present, 5);
    assert_int_equal(d.switchable, 1);
    assert_int_equal(d.reference_count, 3);
    assert_int_equal(d.references[0], 3);
    assert_int_equal(d.references[1], 16);
    assert_int_equal(d.references[2], 2049);
    assert_int_equal(d.layout.targets_at, 29);
    assert_int_equal(d.layout.bit_count, 78);
    for (size_t len = 4; len < sizeof value; len++)
        assert_int_equal(depdesc_read(bytes_of(value, len), &s, &d, &s), ERR_TRUNCATED);
}

static void truncated_structures_are_refused_and_change_nothing(void **state)
{
    for (size_t n = 0; depdesc_pattern_at(n) != NULL; n++) {
        const struct depdesc_pattern *p = depdesc_pattern_at(n);
        uint8_t memory[DEPDESC_PATTERN_SIZE_MAX];
        struct bytes value = write_packet(memory, p, p->key[0], true, 9);
        for (size_t len = 0; len < value.len; len++) {
            struct depdesc_structure s = { .template_count = 77 };
            struct depdesc_info d = { .spatial = 9 };
            uint8_t *exact = malloc(len + 1); /* the sanitizer watches its end */
            memcpy(exact, memory, len);
            enum err e = depdesc_read(bytes_of(exact, len), &s, &d, &s);
            if (len == 3)
                assert_int_equal(e, OK); /* a packet without structure, by the one that we have */
            else
                assert_true(e == ERR_TRUNCATED || e == ERR_MALFORMED);
            assert_int_equal(s.template_count, 77);
            free(exact);
        }
    }
}

static void rewriting_shifts_frame_numbers(void **state)
{
    struct depdesc_layout none = { 0 };
    uint8_t out[16];
    struct writer w = writer_of(out, sizeof out);
    depdesc_rewrite(&w, BYTES(0xc1, 0xff, 0xfe, 0x20, 0x55), &none, (struct depdesc_shift){ 5, 0 },
                    &(uint32_t){ 1 });
    assert_bytes(written(&w), ((uint8_t[]){ 0xc1, 0x00, 0x03, 0x20, 0x55 }), 5);
    w = writer_of(out, sizeof out);
    depdesc_rewrite(&w, BYTES(0xc1, 0xff), &none, (struct depdesc_shift){ 5, 0 }, NULL);
    assert_bytes(written(&w), ((uint8_t[]){ 0xc1, 0xff }), 2);
}

/* The same frames by ids of their own. */
static void templates_are_shifted_with_their_structure(void **state)
{
    for (size_t n = 0; depdesc_pattern_at(n) != NULL; n++) {
        const struct depdesc_pattern *p = depdesc_pattern_at(n);
        for (unsigned shift = 0; shift < 64; shift += 7) {
            struct depdesc_structure s = no_structure, shifted = no_structure, old;
            struct depdesc_info d, again;
            for (unsigned i = 0; i < p->template_count; i++) {
                uint8_t memory[DEPDESC_PATTERN_SIZE_MAX], out[DEPDESC_SIZE_MAX];
                struct bytes value = write_packet(memory, p, (uint8_t)i, i == 0, 9);
                assert_int_equal(depdesc_read(value, &s, &d, &s), OK);
                struct writer w = writer_of(out, sizeof out);
                depdesc_rewrite(&w, value, &d.layout, (struct depdesc_shift){ 0, (uint8_t)shift },
                                i == 0 ? &(uint32_t){ 1 } : NULL);
                assert_int_equal(depdesc_read(written(&w), &shifted, &again, &shifted), OK);
                assert_int_equal(shifted.template_id_offset, shift);
                assert_int_equal(again.present, d.present);
                assert_int_equal(again.spatial, d.spatial);
                assert_memory_equal(again.references, d.references, sizeof d.references);
                old = s;
                if (i > 0 && shift >= p->template_count && shift + p->template_count <= 64)
                    assert_int_equal(depdesc_read(written(&w), &old, &again, &old), ERR_BAD_STATE);
            }
        }
    }
}

/* 1 1 000001 | 0001 | then 01000 (only the mask) 011 */
static void a_mask_goes_into_a_short_descriptor(void **state)
{
    uint8_t memory[DEPDESC_PATTERN_SIZE_MAX], out[16];
    struct depdesc_structure s = no_structure;
    struct depdesc_info d;
    const struct depdesc_pattern *p = depdesc_pattern_find("L1T3");
    assert_int_equal(depdesc_read(write_packet(memory, p, 0, true, 9), &s, &d, &s), OK);
    struct bytes value = BYTES(0xc1, 0x00, 0x01);
    assert_int_equal(depdesc_read(value, &s, &d, &s), OK);
    struct writer w = writer_of(out, sizeof out);
    depdesc_rewrite(&w, value, &d.layout, (struct depdesc_shift){ 1, 0 }, &(uint32_t){ 3 });
    assert_bytes(written(&w), ((uint8_t[]){ 0xc1, 0x00, 0x02, 0x43 }), 4);
}

/* Random flags and custom fields behind a head, as a sender may write them. */
static struct bytes random_value(struct prng *r, uint8_t *memory, const struct depdesc_pattern *p)
{
    struct bytes value = write_packet(memory, p, (uint8_t)prng_below(r, p->template_count),
                                      prng_below(r, 4) == 0, (uint16_t)prng_next(r));
    if (value.len > 3 || prng_below(r, 3) == 0)
        return value;
    size_t len = 4 + prng_below(r, 30);
    prng_fill(r, memory + 3, len - 3);
    memory[3] &= 0x7f;
    return bytes_of(memory, len);
}

static void a_mask_changes_nothing_else(void **state)
{
    struct prng r = { 3 };
    unsigned understood = 0;
    for (size_t n = 0; depdesc_pattern_at(n) != NULL; n++) {
        const struct depdesc_pattern *p = depdesc_pattern_at(n);
        uint8_t memory[DEPDESC_PATTERN_SIZE_MAX], out[DEPDESC_SIZE_MAX];
        struct depdesc_structure s = no_structure, again_s = no_structure;
        struct depdesc_info d, again;
        assert_int_equal(depdesc_read(write_packet(memory, p, p->key[0], true, 9), &s, &d, &s), OK);
        for (unsigned i = 0; i < 4000; i++) {
            struct bytes value = random_value(&r, memory, p);
            if (depdesc_read(value, &s, &d, &s) != OK)
                continue;
            understood++;
            uint32_t mask = (uint32_t)prng_next(&r) & (UINT32_MAX >> (32 - s.target_count));
            struct writer w = writer_of(out, sizeof out);
            depdesc_rewrite(&w, value, &d.layout, (struct depdesc_shift){ 0x1111, 0 }, &mask);
            assert_false(w.failed);
            assert_in_range(writer_len(&w), 4, value.len + 5);
            again_s = s;
            assert_int_equal(depdesc_read(written(&w), &again_s, &again, &again_s), OK);
            assert_memory_equal(&again_s, &s, sizeof s);
            assert_int_equal(again.active_targets, mask);
            assert_int_equal(again.head.frame_number, (uint16_t)(d.head.frame_number + 0x1111));
            assert_int_equal(again.head.template_id, d.head.template_id);
            assert_int_equal(again.head.structure_present, d.head.structure_present);
            assert_int_equal(again.present, d.present);
            assert_int_equal(again.switchable, d.switchable);
            assert_int_equal(again.reference_count, d.reference_count);
            assert_memory_equal(again.references, d.references, sizeof d.references);
        }
    }
    assert_true(understood > 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chromium_l1t3_is_read_to_the_last_bit),
        cmocka_unit_test(every_pattern_is_read_as_written),
        cmocka_unit_test(fields_of_the_frame_replace_the_template),
        cmocka_unit_test(truncated_structures_are_refused_and_change_nothing),
        cmocka_unit_test(rewriting_shifts_frame_numbers),
        cmocka_unit_test(templates_are_shifted_with_their_structure),
        cmocka_unit_test(a_mask_goes_into_a_short_descriptor),
        cmocka_unit_test(a_mask_changes_nothing_else),
    };
    return cmocka_run_group_tests_name("rtc/depdesc_read", tests, NULL, NULL);
}
