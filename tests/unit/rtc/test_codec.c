/* SPDX-License-Identifier: Apache-2.0 */
#include "media_test.h"

#include "rtc/codec.h"

static void names_are_found_whatever_their_case(void **state)
{
    assert_int_equal(codec_from_name(bytes_of_str("vp8")), CODEC_VP8);
    assert_int_equal(codec_from_name(bytes_of_str("OPUS")), CODEC_OPUS);
    assert_int_equal(codec_from_name(bytes_of_str("h264")), CODEC_H264);
    assert_int_equal(codec_from_name(bytes_of_str("H265")), CODEC_NONE);
    assert_int_equal(codec_from_name(bytes_of_str("")), CODEC_NONE);
    assert_int_equal(codec_from_name(bytes_of_str("none")), CODEC_NONE);
}

static void profile_level_ids_are_classified(void **state)
{
    static const struct {
        const char *hex;
        enum h264_profile profile;
        uint8_t level;
    } cases[] = {
        { "42e01f", H264_PROFILE_CONSTRAINED_BASELINE, 0x1f },
        { "42E01F", H264_PROFILE_CONSTRAINED_BASELINE, 0x1f },
        { "42001f", H264_PROFILE_BASELINE, 0x1f },
        { "4d0032", H264_PROFILE_MAIN, 0x32 },
        { "640c1f", H264_PROFILE_CONSTRAINED_HIGH, 0x1f },
        { "640028", H264_PROFILE_HIGH, 0x28 },
        { "f4001f", H264_PROFILE_HIGH_444, 0x1f },
        { "580020", H264_PROFILE_UNKNOWN, 0x20 },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        enum h264_profile profile;
        uint8_t level;
        assert_int_equal(h264_profile_level_parse(bytes_of_str(cases[i].hex), &profile, &level),
                         OK);
        assert_int_equal(profile, cases[i].profile);
        assert_int_equal(level, cases[i].level);
    }
    static const char *const wrong[] = { "", "42e01", "42e01f0", "42e01g", "42 01f" };
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        enum h264_profile profile;
        uint8_t level;
        assert_int_equal(h264_profile_level_parse(bytes_of_str(wrong[i]), &profile, &level),
                         ERR_MALFORMED);
    }
}

static void formats_match_by_what_a_decoder_needs(void **state)
{
    const struct format a = { .codec = CODEC_H264,
                              .payload_type = 102,
                              .channels = 1,
                              .profile = H264_PROFILE_CONSTRAINED_BASELINE,
                              .level = 31,
                              .packetization_mode = 1,
                              .clock_rate = 90000 };
    struct format b = a;
    b.payload_type = 126;
    b.level = 40;
    b.feedback = RTCP_FB_NACK;
    assert_true(format_matches(&a, &b));
    b.packetization_mode = 0;
    assert_false(format_matches(&a, &b));
    struct format list[2] = { b, a };
    assert_ptr_equal(format_find(list, 2, &a), &list[1]);
    assert_null(format_find(list, 1, &a));
    const struct format nothing = { 0 };
    assert_false(format_matches(&nothing, &nothing));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_found_whatever_their_case),
        cmocka_unit_test(profile_level_ids_are_classified),
        cmocka_unit_test(formats_match_by_what_a_decoder_needs),
    };
    return cmocka_run_group_tests_name("rtc/codec", tests, NULL, NULL);
}
