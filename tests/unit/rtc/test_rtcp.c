/* SPDX-License-Identifier: Apache-2.0 */
#include "media_test.h"

#include "rtc/rtcp.h"

static struct rtcp_message only_message(struct bytes packet)
{
    struct rtcp_iter it = rtcp_iter_of(packet);
    struct rtcp_message m, more;
    assert_int_equal(rtcp_next(&it, &m), OK);
    assert_int_equal(rtcp_next(&it, &more), ERR_NOT_FOUND);
    assert_int_equal(rtcp_next(&it, &more), ERR_NOT_FOUND);
    return m;
}

/* RFC 3550 §6.4.1: sender report with one block, cumulative loss -2 */
static const uint8_t sender_report[] = {
    0x81, 200, 0,    12,   0x11, 0x11, 0x11, 0x11, 0xe1, 0xe2, 0xe3, 0xe4, 0x80,
    0,    0,   0,    0,    0,    0x0b, 0xb8, 0,    0,    0,    100,  0,    0,
    0x10, 0,   0x22, 0x22, 0x22, 0x22, 64,   0xff, 0xff, 0xfe, 0,    1,    0,
    5,    0,   0,    0,    16,   0xe3, 0xe4, 0x80, 0,    0,    1,    0,    0,
};

static void sender_report_fields_are_read(void **state)
{
    struct rtcp_message m = only_message(bytes_of(sender_report, sizeof(sender_report)));
    assert_int_equal(m.kind, RTCP_SR);
    assert_int_equal(m.sender_ssrc, 0x11111111);
    assert_true(m.sender.ntp == 0xe1e2e3e480000000u);
    assert_int_equal(ntp_middle(m.sender.ntp), 0xe3e48000);
    assert_int_equal(m.sender.timestamp, 3000);
    assert_int_equal(m.sender.packet_count, 100);
    assert_int_equal(m.sender.octet_count, 4096);
    struct rtcp_report r;
    assert_true(rtcp_report_next(&m.reports, &r));
    assert_int_equal(r.ssrc, 0x22222222);
    assert_int_equal(r.fraction_lost, 64);
    assert_int_equal(r.cumulative_lost, -2);
    assert_int_equal(r.highest_seq, 65541);
    assert_int_equal(r.jitter, 16);
    assert_int_equal(r.last_sr, 0xe3e48000);
    assert_int_equal(r.delay_since_sr, 65536);
    assert_false(rtcp_report_next(&m.reports, &r));
}

static void written_sender_report_is_the_same_bytes(void **state)
{
    struct rtcp_message m = only_message(bytes_of(sender_report, sizeof(sender_report)));
    struct rtcp_report r;
    assert_true(rtcp_report_next(&m.reports, &r));
    uint8_t buffer[64];
    struct writer w = writer_of(buffer, sizeof(buffer));
    rtcp_write_sr(&w, &m.sender, &r, 1);
    assert_bytes(written(&w), sender_report, sizeof(sender_report));
}

static void cumulative_loss_is_clamped_to_24_bits(void **state)
{
    static const struct {
        int32_t in, out;
    } cases[] = { { 0x7fffff, 0x7fffff },
                  { 0x800000, 0x7fffff },
                  { -0x800000, -0x800000 },
                  { -0x800001, -0x800000 },
                  { -1, -1 } };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint8_t buffer[64];
        struct writer w = writer_of(buffer, sizeof(buffer));
        rtcp_write_rr(&w, 1, &(struct rtcp_report){ .cumulative_lost = cases[i].in }, 1);
        struct rtcp_message m = only_message(written(&w));
        struct rtcp_report r;
        assert_true(rtcp_report_next(&m.reports, &r));
        assert_int_equal(r.cumulative_lost, cases[i].out);
    }
}

static void compound_is_iterated_and_unknown_parts_are_skipped(void **state)
{
    uint8_t buffer[256];
    struct writer w = writer_of(buffer, sizeof(buffer));
    rtcp_write_rr(&w, 1, NULL, 0);
    rtcp_write_sdes(&w, 1, bytes_of_str("abc"));
    writer_put(&w, BYTES(0x80, 204, 0, 2, 0, 0, 0, 1, 'n', 'a', 'm', 'e')); /* APP */
    writer_put(&w, BYTES(0x80, 207, 0, 1, 0, 0, 0, 1));                     /* XR */
    writer_put(&w, BYTES(0x80, 250, 0, 0));                                 /* future */
    rtcp_write_pli(&w, 1, 2);
    rtcp_write_bye(&w, (const uint32_t[]){ 1 }, 1, bytes_of_str("hello"));
    struct rtcp_iter it = rtcp_iter_of(written(&w));
    struct rtcp_message m;
    static const enum rtcp_kind kinds[] = { RTCP_RR, RTCP_SDES, RTCP_PLI, RTCP_BYE };
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        assert_int_equal(rtcp_next(&it, &m), OK);
        assert_int_equal(m.kind, kinds[i]);
        assert_int_equal(m.sender_ssrc, 1);
        if (m.kind == RTCP_SDES)
            assert_bytes(m.cname, "abc", 3);
        if (m.kind == RTCP_PLI)
            assert_int_equal(m.media_ssrc, 2);
    }
    assert_int_equal(rtcp_next(&it, &m), ERR_NOT_FOUND);
}

static void cut_or_wrong_packets_stop_the_iteration(void **state)
{
    struct rtcp_message m;
    for (size_t len = 1; len < sizeof(sender_report); len++) {
        struct rtcp_iter it = rtcp_iter_of(bytes_of(sender_report, len));
        assert_int_equal(rtcp_next(&it, &m), ERR_TRUNCATED);
    }
    static const struct {
        uint8_t raw[8];
        enum err expected;
    } cases[] = {
        { { 0x40, 201, 0, 1, 0, 0, 0, 1 }, ERR_MALFORMED }, /* version */
        { { 0xa0, 201, 0, 1, 0, 0, 0, 0 }, ERR_MALFORMED }, /* padding of 0 */
        { { 0xa0, 201, 0, 1, 0, 0, 0, 5 }, ERR_MALFORMED }, /* padding longer than the body */
        { { 0x81, 201, 0, 1, 0, 0, 0, 1 }, ERR_TRUNCATED }, /* a report is promised */
        { { 0x82, 203, 0, 1, 0, 0, 0, 1 }, ERR_TRUNCATED }, /* two sources are promised */
        { { 0x81, 205, 0, 1, 0, 0, 0, 1 }, ERR_TRUNCATED }, /* no media SSRC */
        { { 0x81, 202, 0, 1, 0, 0, 0, 1 }, ERR_TRUNCATED }, /* chunk without its end */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct rtcp_iter it = rtcp_iter_of(bytes_of(cases[i].raw, 8));
        assert_int_equal(rtcp_next(&it, &m), cases[i].expected);
    }
}

/* RFC 4585 §6.2.1: PID and the 16 numbers after it */
static void nack_is_packed_into_pid_and_bitmask(void **state)
{
    static const uint16_t seqs[] = { 65534, 65535, 14, 15, 100 };
    uint8_t buffer[64];
    struct writer w = writer_of(buffer, sizeof(buffer));
    rtcp_write_nack(&w, 0x11111111, 0x22222222, seqs, ARRAY_LEN(seqs));
    static const uint8_t expected[] = { 0x81, 205,  0,    5,    0x11, 0x11, 0x11, 0x11,
                                        0x22, 0x22, 0x22, 0x22, 0xff, 0xfe, 0x80, 0x01,
                                        0,    15,   0,    0,    0,    100,  0,    0 };
    assert_bytes(written(&w), expected, sizeof(expected));
    struct rtcp_message m = only_message(written(&w));
    struct rtcp_nack_iter it = rtcp_nack_iter_of(m.fci);
    uint16_t seq;
    for (size_t i = 0; i < ARRAY_LEN(seqs); i++) {
        assert_true(rtcp_nack_next(&it, &seq));
        assert_int_equal(seq, seqs[i]);
    }
    assert_false(rtcp_nack_next(&it, &seq));
}

static void random_nacks_read_back_as_written(void **state)
{
    struct prng r = { 5 };
    for (int run = 0; run < 1000; run++) {
        uint16_t seqs[200], seq = (uint16_t)prng_next(&r), got;
        size_t count = 1 + prng_below(&r, 200);
        for (size_t i = 0; i < count; i++)
            seqs[i] = seq = (uint16_t)(seq + 1 + prng_below(&r, 1 + prng_below(&r, 30)));
        uint8_t buffer[1024];
        struct writer w = writer_of(buffer, sizeof(buffer));
        rtcp_write_nack(&w, 1, 2, seqs, count);
        struct rtcp_message m = only_message(written(&w));
        struct rtcp_nack_iter it = rtcp_nack_iter_of(m.fci);
        for (size_t i = 0; i < count; i++) {
            assert_true(rtcp_nack_next(&it, &got));
            assert_int_equal(got, seqs[i]);
        }
        assert_false(rtcp_nack_next(&it, &got));
    }
}

static void fir_names_its_target_in_the_fci(void **state)
{
    uint8_t buffer[32];
    struct writer w = writer_of(buffer, sizeof(buffer));
    rtcp_write_fir(&w, 1, 0x22222222, 7);
    static const uint8_t expected[] = { 0x84, 206, 0,    4,    0,    0,    0, 1, 0, 0,
                                        0,    0,   0x22, 0x22, 0x22, 0x22, 7, 0, 0, 0 };
    assert_bytes(written(&w), expected, sizeof(expected));
    struct rtcp_message m = only_message(written(&w));
    uint32_t ssrc;
    uint8_t command_seq;
    assert_true(rtcp_fir_next(&m.fci, &ssrc, &command_seq));
    assert_int_equal(ssrc, 0x22222222);
    assert_int_equal(command_seq, 7);
    assert_false(rtcp_fir_next(&m.fci, &ssrc, &command_seq));
}

static void remb_bitrate_keeps_18_significant_bits(void **state)
{
    static const uint64_t rates[] = { 0, 1, 0x3ffff, 0x40000, 2500000, 1000000000000u };
    for (size_t i = 0; i < ARRAY_LEN(rates); i++) {
        static const uint32_t ssrcs[] = { 5, 6 };
        uint8_t buffer[64];
        struct writer w = writer_of(buffer, sizeof(buffer));
        rtcp_write_remb(&w, 1, rates[i], ssrcs, 2);
        struct rtcp_message m = only_message(written(&w));
        assert_int_equal(m.kind, RTCP_REMB);
        assert_true(m.bitrate_bps <= rates[i]);
        assert_true(rates[i] - m.bitrate_bps <= rates[i] >> 17);
        uint32_t ssrc;
        assert_true(rtcp_ssrc_next(&m.ssrcs, &ssrc));
        assert_int_equal(ssrc, 5);
    }
}

static void application_feedback_that_is_not_remb_is_skipped(void **state)
{
    struct rtcp_iter it =
        rtcp_iter_of(BYTES(0x8f, 206, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, 'A', 'B', 'C', 'D'));
    struct rtcp_message m;
    assert_int_equal(rtcp_next(&it, &m), ERR_NOT_FOUND);
}

static void sdes_of_any_length_ends_on_a_word(void **state)
{
    char name[256];
    memset(name, 'n', sizeof(name));
    for (size_t len = 1; len <= 255; len++) {
        uint8_t buffer[300];
        struct writer w = writer_of(buffer, sizeof(buffer));
        rtcp_write_sdes(&w, 9, bytes_of(name, len));
        assert_int_equal(writer_len(&w) % 4, 0);
        struct rtcp_message m = only_message(written(&w));
        assert_int_equal(m.cname.len, len);
    }
}

static void writer_without_room_writes_nothing(void **state)
{
    uint8_t buffer[11];
    struct writer w = writer_of(buffer, sizeof(buffer));
    rtcp_write_pli(&w, 1, 2);
    assert_true(w.failed);
    assert_int_equal(writer_len(&w), 0);
}

static void ntp_time_converts_both_ways(void **state)
{
    /* 2000-01-01T00:00:00Z is 3155673600 s after 1900 */
    assert_true(ntp_of(946684800 * (wall_usec)1000000) == (uint64_t)3155673600u << 32);
    struct prng r = { 6 };
    for (int i = 0; i < 10000; i++) {
        wall_usec wall = (wall_usec)(prng_next(&r) % 2000000000000000u);
        assert_true(ntp_to_wall(ntp_of(wall)) == wall);
    }
}

/* RFC 3550 §6.4.1, figure 2: A = 0xb710:8000, LSR = 0xb705:2000, DLSR = 0x0005:4000 */
static void round_trip_is_the_example_of_the_rfc(void **state)
{
    struct rtcp_report r = { .last_sr = 0xb7052000, .delay_since_sr = 0x00054000 };
    assert_int_equal(rtcp_round_trip(&r, (uint64_t)0xb7108000u << 16), 6125000);
    r.last_sr = 0;
    assert_int_equal(rtcp_round_trip(&r, (uint64_t)0xb7108000u << 16), -1);
    r.last_sr = 0xb7108000;
    r.delay_since_sr = 10;
    assert_int_equal(rtcp_round_trip(&r, (uint64_t)0xb7108000u << 16), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sender_report_fields_are_read),
        cmocka_unit_test(written_sender_report_is_the_same_bytes),
        cmocka_unit_test(cumulative_loss_is_clamped_to_24_bits),
        cmocka_unit_test(compound_is_iterated_and_unknown_parts_are_skipped),
        cmocka_unit_test(cut_or_wrong_packets_stop_the_iteration),
        cmocka_unit_test(nack_is_packed_into_pid_and_bitmask),
        cmocka_unit_test(random_nacks_read_back_as_written),
        cmocka_unit_test(fir_names_its_target_in_the_fci),
        cmocka_unit_test(remb_bitrate_keeps_18_significant_bits),
        cmocka_unit_test(application_feedback_that_is_not_remb_is_skipped),
        cmocka_unit_test(sdes_of_any_length_ends_on_a_word),
        cmocka_unit_test(writer_without_room_writes_nothing),
        cmocka_unit_test(ntp_time_converts_both_ways),
        cmocka_unit_test(round_trip_is_the_example_of_the_rfc),
    };
    return cmocka_run_group_tests_name("rtc/rtcp", tests, NULL, NULL);
}
