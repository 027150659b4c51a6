/* SPDX-License-Identifier: Apache-2.0 */
#include "media_test.h"

#include "rtc/rtp_ext.h"

static void every_kind_is_found_by_its_uri(void **state)
{
    for (unsigned k = RTP_EXT_NONE + 1; k < RTP_EXT_KIND_COUNT; k++)
        assert_int_equal(rtp_ext_kind_from_uri(bytes_of_str(rtp_ext_uri((enum rtp_ext_kind)k))), k);
    assert_int_equal(rtp_ext_kind_from_uri(bytes_of_str("urn:example")), RTP_EXT_NONE);
}

static void an_id_means_one_thing(void **state)
{
    struct rtp_ext_map m = { 0 };
    assert_int_equal(rtp_ext_map_add(&m, RTP_EXT_MID, 4), OK);
    assert_int_equal(rtp_ext_map_add(&m, RTP_EXT_MID, 4), OK);
    assert_int_equal(rtp_ext_map_add(&m, RTP_EXT_RID, 4), ERR_BAD_STATE);
    assert_int_equal(rtp_ext_map_add(&m, RTP_EXT_MID, 5), ERR_BAD_STATE);
    assert_int_equal(rtp_ext_map_add(&m, RTP_EXT_RID, 0), ERR_MALFORMED);
    assert_int_equal(rtp_ext_map_add(&m, RTP_EXT_RID, 15), ERR_MALFORMED);
    assert_int_equal(rtp_ext_map_add(&m, RTP_EXT_RID, 256), ERR_MALFORMED);
}

static void audio_level_and_transport_seq_are_read(void **state)
{
    struct rtp_ext_map m = { 0 };
    assert_int_equal(rtp_ext_map_add(&m, RTP_EXT_AUDIO_LEVEL, 1), OK);
    assert_int_equal(rtp_ext_map_add(&m, RTP_EXT_TRANSPORT_CC, 3), OK);
    struct rtp_packet p = { .has_ext = true,
                            .ext_profile = RTP_EXT_ONE_BYTE,
                            .ext = BYTES(0x10, 0x9e, 0x31, 0x01, 0x02, 0x90, 0xff, 0) };
    struct rtp_ext_values v;
    rtp_ext_read(&m, &p, &v);
    assert_int_equal(v.present,
                     RTP_EXT_BIT(RTP_EXT_AUDIO_LEVEL) | RTP_EXT_BIT(RTP_EXT_TRANSPORT_CC));
    assert_int_equal(v.audio_level, 30);
    assert_true(v.audio_voice);
    assert_int_equal(v.transport_seq, 0x0102);
}

static void element_of_wrong_size_is_left_out(void **state)
{
    struct rtp_ext_map m = { 0 };
    assert_int_equal(rtp_ext_map_add(&m, RTP_EXT_TRANSPORT_CC, 3), OK);
    assert_int_equal(rtp_ext_map_add(&m, RTP_EXT_ABS_CAPTURE_TIME, 4), OK);
    struct rtp_packet p = { .has_ext = true,
                            .ext_profile = RTP_EXT_ONE_BYTE,
                            .ext = BYTES(0x30, 1, 0x42, 1, 2, 3, 0, 0) };
    struct rtp_ext_values v;
    rtp_ext_read(&m, &p, &v);
    assert_int_equal(v.present, 0);
}

static void fill_values(struct prng *r, struct rtp_ext_values *v, const uint8_t *text)
{
    memset(v, 0, sizeof(*v));
    v->present = (uint32_t)prng_next(r) & ((1u << RTP_EXT_KIND_COUNT) - 2);
    v->mid = bytes_of(text, 1 + prng_below(r, 16));
    v->rid = bytes_of(text + 1, 1 + prng_below(r, 16));
    v->repaired_rid = bytes_of(text + 2, 1 + prng_below(r, 16));
    v->dependency_descriptor = bytes_of(text + 3, 1 + prng_below(r, 60));
    v->video_layers_allocation = bytes_of(text + 4, 1 + prng_below(r, 60));
    v->audio_level = (uint8_t)prng_below(r, 128);
    v->audio_voice = prng_below(r, 2);
    v->abs_send_time = prng_below(r, 1 << 24);
    v->transport_seq = (uint16_t)prng_next(r);
    v->abs_capture_time = prng_next(r);
    v->has_capture_offset = prng_below(r, 2);
    v->capture_offset = (int64_t)prng_next(r);
    v->toffset = (int32_t)prng_below(r, 1 << 24) - (1 << 23);
    v->video_orientation = (uint8_t)prng_below(r, 16);
    v->playout_delay_min = (uint16_t)prng_below(r, 4096);
    v->playout_delay_max = (uint16_t)prng_below(r, 4096);
}

static void assert_same(const struct rtp_ext_values *a, const struct rtp_ext_values *b,
                        uint32_t present)
{
    assert_int_equal(b->present, present);
    for (unsigned k = 1; k < RTP_EXT_KIND_COUNT; k++) {
        if ((present & RTP_EXT_BIT(k)) == 0)
            continue;
        switch ((enum rtp_ext_kind)k) {
        case RTP_EXT_MID:
            assert_true(bytes_equal(a->mid, b->mid));
            break;
        case RTP_EXT_RID:
            assert_true(bytes_equal(a->rid, b->rid));
            break;
        case RTP_EXT_REPAIRED_RID:
            assert_true(bytes_equal(a->repaired_rid, b->repaired_rid));
            break;
        case RTP_EXT_AUDIO_LEVEL:
            assert_int_equal(a->audio_level, b->audio_level);
            assert_int_equal(a->audio_voice, b->audio_voice);
            break;
        case RTP_EXT_ABS_SEND_TIME:
            assert_int_equal(a->abs_send_time, b->abs_send_time);
            break;
        case RTP_EXT_TRANSPORT_CC:
            assert_int_equal(a->transport_seq, b->transport_seq);
            break;
        case RTP_EXT_ABS_CAPTURE_TIME:
            assert_true(a->abs_capture_time == b->abs_capture_time);
            assert_int_equal(a->has_capture_offset, b->has_capture_offset);
            if (a->has_capture_offset)
                assert_true(a->capture_offset == b->capture_offset);
            break;
        case RTP_EXT_TOFFSET:
            assert_int_equal(a->toffset, b->toffset);
            break;
        case RTP_EXT_VIDEO_ORIENTATION:
            assert_int_equal(a->video_orientation, b->video_orientation);
            break;
        case RTP_EXT_PLAYOUT_DELAY:
            assert_int_equal(a->playout_delay_min, b->playout_delay_min);
            assert_int_equal(a->playout_delay_max, b->playout_delay_max);
            break;
        case RTP_EXT_DEPENDENCY_DESCRIPTOR:
            assert_true(bytes_equal(a->dependency_descriptor, b->dependency_descriptor));
            break;
        case RTP_EXT_VIDEO_LAYERS_ALLOCATION:
            assert_true(bytes_equal(a->video_layers_allocation, b->video_layers_allocation));
            break;
        case RTP_EXT_NONE:
        case RTP_EXT_KIND_COUNT:
            break;
        }
    }
}

static void read_of_write_is_the_values_of_negotiated_kinds(void **state)
{
    struct prng r = { 3 };
    for (int i = 0; i < 5000; i++) {
        struct rtp_ext_map m = { .allow_mixed = true };
        uint32_t negotiated = 0;
        bool wide = prng_below(&r, 2);
        for (unsigned k = 1; k < RTP_EXT_KIND_COUNT; k++) {
            if (prng_below(&r, 4) == 0)
                continue;
            assert_int_equal(rtp_ext_map_add(&m, (enum rtp_ext_kind)k, wide ? k + 20 : k), OK);
            negotiated |= RTP_EXT_BIT(k);
        }
        uint8_t text[80], body[512];
        prng_fill(&r, text, sizeof(text));
        struct rtp_ext_values in, out;
        fill_values(&r, &in, text);
        struct writer w = writer_of(body, sizeof(body));
        struct rtp_packet p = { .has_ext = true };
        rtp_ext_write(&m, &in, &w, &p.ext_profile, NULL);
        p.ext = written(&w);
        assert_int_equal(p.ext.len % 4, 0);
        rtp_ext_read(&m, &p, &out);
        assert_same(&in, &out, in.present & negotiated);
    }
}

static void long_descriptor_is_left_out_without_mixed_extensions(void **state)
{
    struct rtp_ext_map m = { 0 };
    uint8_t body[64], text[20] = { 0 };
    assert_int_equal(rtp_ext_map_add(&m, RTP_EXT_MID, 1), OK);
    assert_int_equal(rtp_ext_map_add(&m, RTP_EXT_DEPENDENCY_DESCRIPTOR, 2), OK);
    struct rtp_ext_values v = {
        .present = RTP_EXT_BIT(RTP_EXT_MID) | RTP_EXT_BIT(RTP_EXT_DEPENDENCY_DESCRIPTOR),
        .mid = bytes_of_str("7"),
        .dependency_descriptor = bytes_of(text, sizeof(text)),
    };
    struct writer w = writer_of(body, sizeof(body));
    uint16_t profile;
    rtp_ext_write(&m, &v, &w, &profile, NULL);
    assert_int_equal(profile, RTP_EXT_ONE_BYTE);
    assert_bytes(written(&w),
                 "\x10"
                 "7\0\0",
                 4);
}

static void values_that_change_per_send_are_patched_in_place(void **state)
{
    struct rtp_ext_map m = { 0 };
    assert_int_equal(rtp_ext_map_add(&m, RTP_EXT_TRANSPORT_CC, 3), OK);
    assert_int_equal(rtp_ext_map_add(&m, RTP_EXT_ABS_SEND_TIME, 2), OK);
    struct rtp_ext_values v = { .present = RTP_EXT_BIT(RTP_EXT_TRANSPORT_CC) |
                                           RTP_EXT_BIT(RTP_EXT_ABS_SEND_TIME) };
    uint8_t buffer[40];
    struct writer w = writer_of(buffer, sizeof(buffer));
    writer_u32(&w, 0); /* the body does not start at the buffer's start */
    struct rtp_packet p = { .has_ext = true };
    struct rtp_ext_offsets offsets;
    rtp_ext_write(&m, &v, &w, &p.ext_profile, &offsets);
    rtp_ext_patch_transport_seq(buffer + 4, offsets.transport_seq, 0xabcd);
    rtp_ext_patch_abs_send_time(buffer + 4, offsets.abs_send_time, MILLIS(1500));
    p.ext = bytes_of(buffer + 4, writer_len(&w) - 4);
    rtp_ext_read(&m, &p, &v);
    assert_int_equal(v.transport_seq, 0xabcd);
    assert_int_equal(v.abs_send_time, 3 << 17); /* 1.5 in 6.18 */
}

static void abs_send_time_wraps_after_64_seconds(void **state)
{
    assert_int_equal(abs_send_time_of(0), 0);
    assert_int_equal(abs_send_time_of(SECONDS(1)), 1 << 18);
    assert_int_equal(abs_send_time_of(SECONDS(63)), 63 << 18);
    assert_int_equal(abs_send_time_of(SECONDS(64)), 0);
    assert_int_equal(abs_send_time_of(SECONDS(64) * 1000000 + SECONDS(2)), 2 << 18);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_is_found_by_its_uri),
        cmocka_unit_test(an_id_means_one_thing),
        cmocka_unit_test(audio_level_and_transport_seq_are_read),
        cmocka_unit_test(element_of_wrong_size_is_left_out),
        cmocka_unit_test(read_of_write_is_the_values_of_negotiated_kinds),
        cmocka_unit_test(long_descriptor_is_left_out_without_mixed_extensions),
        cmocka_unit_test(values_that_change_per_send_are_patched_in_place),
        cmocka_unit_test(abs_send_time_wraps_after_64_seconds),
    };
    return cmocka_run_group_tests_name("rtc/rtp_ext", tests, NULL, NULL);
}
