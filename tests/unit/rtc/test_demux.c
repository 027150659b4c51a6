/* SPDX-License-Identifier: Apache-2.0 */
#include "rtc/demux.h"

#include "cmocka_all.h"

static enum demux_kind classify(uint8_t first, uint8_t second)
{
    uint8_t packet[2] = { first, second };
    return demux_classify(bytes_of(packet, sizeof packet));
}

static void first_byte_ranges_are_those_of_rfc7983(void **state)
{
    for (unsigned first = 0; first < 256; first++) {
        enum demux_kind expected = first <= 3     ? DEMUX_STUN
                                   : first < 20   ? DEMUX_OTHER
                                   : first <= 63  ? DEMUX_DTLS
                                   : first <= 79  ? DEMUX_TURN_CHANNEL
                                   : first < 128  ? DEMUX_OTHER
                                   : first <= 191 ? DEMUX_RTP
                                                  : DEMUX_OTHER;
        assert_int_equal(classify((uint8_t)first, 0), expected);
    }
}

static void rtcp_types_are_told_from_rtp_payload_types(void **state)
{
    assert_int_equal(classify(0x80, 200), DEMUX_RTCP); /* SR */
    assert_int_equal(classify(0x81, 206), DEMUX_RTCP); /* PSFB */
    assert_int_equal(classify(0x80, 192), DEMUX_RTCP);
    assert_int_equal(classify(0x80, 223), DEMUX_RTCP);
    assert_int_equal(classify(0x80, 63), DEMUX_RTP);
    assert_int_equal(classify(0x80, 96), DEMUX_RTP);
    assert_int_equal(classify(0x80, 0x80 | 96), DEMUX_RTP); /* marker set */
    assert_int_equal(classify(0x90, 111), DEMUX_RTP);
}

static void packets_too_short_to_tell_are_other(void **state)
{
    uint8_t byte = 0;
    assert_int_equal(demux_classify(bytes_of(&byte, 1)), DEMUX_OTHER);
    assert_int_equal(demux_classify((struct bytes){ 0 }), DEMUX_OTHER);
    assert_string_equal(demux_name(DEMUX_OTHER), "other");
    assert_string_equal(demux_name(DEMUX_RTCP), "rtcp");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_byte_ranges_are_those_of_rfc7983),
        cmocka_unit_test(rtcp_types_are_told_from_rtp_payload_types),
        cmocka_unit_test(packets_too_short_to_tell_are_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
