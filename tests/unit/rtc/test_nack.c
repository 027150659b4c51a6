/* SPDX-License-Identifier: Apache-2.0 */
#include "media_test.h"

#include "rtc/nack.h"

static struct nack_generator g;
static uint16_t seqs[NACK_BATCH_MAX];

/* Packets first..last arrive, all at `now`. */
static void arrive(uint16_t first, uint16_t last, usec now)
{
    for (uint16_t s = first; s != (uint16_t)(last + 1); s++)
        (void)nack_on_packet(&g, s, false, now);
}

static int setup(void **state)
{
    nack_init(&g);
    nack_set_rtt(&g, MILLIS(50));
    return 0;
}

static void nothing_is_asked_while_all_arrives(void **state)
{
    arrive(65000, 500, 0);
    assert_int_equal(nack_take(&g, SECONDS(1), seqs), 0);
    assert_true(nack_next_deadline(&g) == USEC_NEVER);
    assert_false(nack_take_keyframe_wanted(&g));
}

static void nack_is_not_sent_for_late_packet(void **state)
{
    arrive(1, 2, 0);
    arrive(4, 4, 0);
    assert_int_equal(nack_take(&g, 0, seqs), 0);
    arrive(3, 3, MILLIS(5));
    assert_int_equal(nack_take(&g, SECONDS(1), seqs), 0);
    assert_int_equal(g.recovered_count, 0);
}

static void nack_is_sent_once_two_newer_packets_came(void **state)
{
    arrive(1, 2, 0);
    arrive(4, 5, 0);
    assert_true(nack_next_deadline(&g) <= 0);
    assert_int_equal(nack_take(&g, 0, seqs), 1);
    assert_int_equal(seqs[0], 3);
}

static void nack_is_sent_after_the_reorder_time(void **state)
{
    arrive(1, 2, 0);
    arrive(4, 4, 0);
    assert_true(nack_next_deadline(&g) == NACK_REORDER_US);
    assert_int_equal(nack_take(&g, NACK_REORDER_US - 1, seqs), 0);
    assert_int_equal(nack_take(&g, NACK_REORDER_US, seqs), 1);
}

static void a_lost_end_of_a_frame_is_asked_for_before_the_next_frame(void **state)
{
    arrive(1, 2, 0);
    nack_suspect_tail(&g, 2, 0);
    assert_true(nack_next_deadline(&g) == NACK_REORDER_US);
    assert_int_equal(nack_take(&g, NACK_REORDER_US, seqs), 2);
    assert_int_equal(seqs[0], 3);
    assert_int_equal(seqs[1], 4);
    arrive(3, 3, MILLIS(50)); /* by RTX */
    assert_int_equal(g.recovered_count, 1);
    /* the next frame shows that the other is missing indeed: its requests are paced as before */
    arrive(5, 6, MILLIS(51));
    assert_true(nack_next_deadline(&g) == NACK_REORDER_US + NACK_ECHO_US);
    assert_int_equal(nack_take(&g, MILLIS(51), seqs), 1);
    assert_int_equal(nack_take(&g, MILLIS(52), seqs), 0);
    arrive(4, 4, MILLIS(60));
    assert_int_equal(g.recovered_count, 2);
    assert_true(nack_next_deadline(&g) == USEC_NEVER);
}

static void a_tail_that_never_was_is_forgotten(void **state)
{
    nack_suspect_tail(&g, 1, 0);
    assert_true(nack_next_deadline(&g) == USEC_NEVER); /* nothing came yet */
    arrive(1, 2, 0);
    nack_suspect_tail(&g, 100, 0);
    size_t asked = 0;
    for (usec now = 0; now < SECONDS(2); now += MILLIS(5))
        asked += nack_take(&g, now, seqs);
    assert_int_equal(asked, NACK_TAIL_MAX * NACK_TAIL_TRIES_MAX);
    assert_true(nack_next_deadline(&g) == USEC_NEVER);
    assert_int_equal(g.lost_count, 0);
    assert_false(nack_take_keyframe_wanted(&g));
}

static void repeats_are_paced_by_the_round_trip(void **state)
{
    arrive(1, 1, 0);
    arrive(3, 5, 0);
    assert_int_equal(nack_take(&g, 0, seqs), 1);
    assert_int_equal(nack_take(&g, MILLIS(9), seqs), 0);
    assert_int_equal(nack_take(&g, MILLIS(10), seqs), 1); /* the first may be lost itself */
    assert_int_equal(nack_take(&g, MILLIS(59), seqs), 0);
    assert_true(nack_next_deadline(&g) == MILLIS(60));
    assert_int_equal(nack_take(&g, MILLIS(60), seqs), 1);
    assert_int_equal(nack_take(&g, MILLIS(70), seqs), 1);
    nack_set_rtt(&g, MILLIS(1));
    assert_int_equal(nack_take(&g, MILLIS(89), seqs), 0); /* not faster than the minimum */
    assert_int_equal(nack_take(&g, MILLIS(90), seqs), 1);
}

static void after_ten_tries_a_keyframe_is_wanted(void **state)
{
    arrive(1, 1, 0);
    arrive(3, 5, 0);
    usec now = 0;
    for (int i = 0; i < NACK_TRIES_MAX; i++, now += MILLIS(60)) {
        assert_int_equal(nack_take(&g, now, seqs), 1);
        assert_false(nack_take_keyframe_wanted(&g));
    }
    assert_int_equal(nack_take(&g, now, seqs), 0);
    assert_true(nack_take_keyframe_wanted(&g));
    assert_false(nack_take_keyframe_wanted(&g));
    assert_int_equal(g.lost_count, 1);
    assert_true(nack_next_deadline(&g) == USEC_NEVER);
}

static void recovered_packet_is_not_asked_again(void **state)
{
    arrive(1, 1, 0);
    arrive(4, 6, 0);
    assert_int_equal(nack_take(&g, 0, seqs), 2);
    assert_int_equal(nack_on_packet(&g, 2, false, MILLIS(20)), 2);
    assert_int_equal(nack_take(&g, MILLIS(100), seqs), 1);
    assert_int_equal(seqs[0], 3);
    assert_int_equal(g.recovered_count, 1);
}

static void gap_over_the_wrap_is_asked_in_order(void **state)
{
    arrive(65533, 65533, 0);
    arrive(3, 5, 0);
    assert_int_equal(nack_take(&g, 0, seqs), 5);
    static const uint16_t expected[] = { 65534, 65535, 0, 1, 2 };
    assert_memory_equal(seqs, expected, sizeof(expected));
}

static void too_wide_a_gap_asks_for_a_keyframe_instead(void **state)
{
    arrive(1, 1, 0);
    arrive(3, 3, 0);
    arrive(400, 402, 0);
    assert_int_equal(nack_take(&g, SECONDS(1), seqs), 0);
    assert_true(nack_take_keyframe_wanted(&g));
    assert_int_equal(g.lost_count, 1 + 396);
}

static void overflow_first_forgets_what_a_keyframe_made_superfluous(void **state)
{
    arrive(1, 1, 0);
    arrive(202, 202, 0); /* 200 missing */
    (void)nack_on_packet(&g, 203, true, 0);
    arrive(304, 304, 0); /* 100 more */
    assert_false(nack_take_keyframe_wanted(&g));
    assert_int_equal(g.missing_count, 100);
    assert_int_equal(g.missing[0].seq, 204);
}

static void a_big_batch_is_taken_in_parts(void **state)
{
    arrive(1, 1, 0);
    arrive(202, 204, 0);
    assert_int_equal(nack_take(&g, 0, seqs), NACK_BATCH_MAX);
    assert_true(nack_next_deadline(&g) <= 0);
    assert_int_equal(nack_take(&g, 0, seqs), 200 - NACK_BATCH_MAX);
    assert_int_equal(seqs[0], 2 + NACK_BATCH_MAX);
}

static void a_restarted_stream_is_not_loss(void **state)
{
    arrive(1, 10, 0);
    assert_int_equal(nack_on_packet(&g, 30000, false, 0), 30000);
    assert_int_equal(nack_take(&g, SECONDS(1), seqs), 0);
    assert_true(nack_take_keyframe_wanted(&g));
    /* back to a smaller number: the extended one still grows */
    assert_int_equal(nack_on_packet(&g, 20000, true, 0), 65536 + 20000);
    assert_false(nack_take_keyframe_wanted(&g));
}

static void what_is_far_behind_is_given_up(void **state)
{
    arrive(1, 1, 0);
    arrive(3, 2004, 0);
    assert_int_equal(g.missing_count, 0);
    assert_int_equal(g.lost_count, 1);
    assert_true(nack_take_keyframe_wanted(&g));
}

/* --- receive statistics --- */

static void report_before_the_first_packet_is_refused(void **state)
{
    struct receive_stats s;
    struct rtcp_report r;
    receive_stats_init(&s, 90000);
    assert_false(receive_stats_report(&s, 1, 0, &r));
}

static void fraction_lost_is_of_the_interval(void **state)
{
    struct receive_stats s;
    struct rtcp_report r;
    receive_stats_init(&s, 90000);
    for (uint16_t seq = 65530; seq != 74; seq++) /* 80 numbers, every 4th lost */
        if (seq % 4 != 1)
            receive_stats_on_packet(&s, seq, 0, 100, 0);
    assert_true(receive_stats_report(&s, 7, 0, &r));
    assert_int_equal(r.ssrc, 7);
    assert_int_equal(r.highest_seq, 65536 + 73 - 1 + (73 % 4 != 1));
    int expected = (int)r.highest_seq - 65530 + 1;
    assert_int_equal(r.cumulative_lost, expected - (int)s.received);
    assert_in_range(r.fraction_lost, 60, 66);
    for (uint16_t seq = 74; seq < 100; seq++)
        receive_stats_on_packet(&s, seq, 0, 100, 0);
    int32_t before = r.cumulative_lost;
    assert_true(receive_stats_report(&s, 7, 0, &r));
    assert_in_range(r.cumulative_lost, before, before + 1);
    assert_in_range(r.fraction_lost, 0, 256 / 26 + 1);
    assert_true(receive_stats_report(&s, 7, 0, &r)); /* an empty interval loses nothing */
    assert_int_equal(r.fraction_lost, 0);
}

static void duplicates_make_the_loss_negative(void **state)
{
    struct receive_stats s;
    struct rtcp_report r;
    receive_stats_init(&s, 90000);
    for (int i = 0; i < 3; i++)
        receive_stats_on_packet(&s, 5, 0, 1, 0);
    assert_true(receive_stats_report(&s, 7, 0, &r));
    assert_int_equal(r.cumulative_lost, -2);
    assert_int_equal(r.fraction_lost, 0);
}

/* RFC 3550 A.8: with |D| constant the estimate converges to it */
static void jitter_converges_to_the_transit_difference(void **state)
{
    struct receive_stats s;
    struct rtcp_report r;
    receive_stats_init(&s, 90000);
    for (uint16_t i = 0; i < 500; i++)
        receive_stats_on_packet(&s, i, (uint32_t)i * 1800, 1,
                                SECONDS(100) + i * MILLIS(20) + (i % 2) * MILLIS(2));
    assert_true(receive_stats_report(&s, 7, 0, &r));
    assert_in_range(r.jitter, 178, 181); /* 2 ms at 90 kHz */
    receive_stats_init(&s, 48000);
    for (uint16_t i = 0; i < 100; i++)
        receive_stats_on_packet(&s, i, (uint32_t)i * 960, 1, SECONDS(7) + i * MILLIS(20));
    assert_true(receive_stats_report(&s, 7, 0, &r));
    assert_int_equal(r.jitter, 0);
}

static void delay_since_the_sender_report_is_measured(void **state)
{
    struct receive_stats s;
    struct rtcp_report r;
    receive_stats_init(&s, 90000);
    receive_stats_on_packet(&s, 1, 0, 1, 0);
    assert_true(receive_stats_report(&s, 7, SECONDS(1), &r));
    assert_int_equal(r.last_sr, 0);
    assert_int_equal(r.delay_since_sr, 0);
    receive_stats_on_sr(&s, 0x0123456789abcdefu, SECONDS(2));
    assert_true(receive_stats_report(&s, 7, MILLIS(7250), &r));
    assert_int_equal(r.last_sr, 0x456789ab);
    assert_int_equal(r.delay_since_sr, 0x54000); /* 5.25 s */
}

static void a_restart_starts_the_counting_over(void **state)
{
    struct receive_stats s;
    struct rtcp_report r;
    receive_stats_init(&s, 90000);
    for (uint16_t i = 0; i < 100; i++)
        receive_stats_on_packet(&s, i, 0, 1, 0);
    receive_stats_on_packet(&s, 40000, 0, 1, 0);
    receive_stats_on_packet(&s, 40001, 0, 1, 0);
    assert_true(receive_stats_report(&s, 7, 0, &r));
    assert_int_equal(r.cumulative_lost, 0);
    assert_int_equal(r.fraction_lost, 0);
    assert_int_equal(r.highest_seq & 0xffff, 40001);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nothing_is_asked_while_all_arrives, setup),
        cmocka_unit_test_setup(nack_is_not_sent_for_late_packet, setup),
        cmocka_unit_test_setup(nack_is_sent_once_two_newer_packets_came, setup),
        cmocka_unit_test_setup(nack_is_sent_after_the_reorder_time, setup),
        cmocka_unit_test_setup(a_lost_end_of_a_frame_is_asked_for_before_the_next_frame, setup),
        cmocka_unit_test_setup(a_tail_that_never_was_is_forgotten, setup),
        cmocka_unit_test_setup(repeats_are_paced_by_the_round_trip, setup),
        cmocka_unit_test_setup(after_ten_tries_a_keyframe_is_wanted, setup),
        cmocka_unit_test_setup(recovered_packet_is_not_asked_again, setup),
        cmocka_unit_test_setup(gap_over_the_wrap_is_asked_in_order, setup),
        cmocka_unit_test_setup(too_wide_a_gap_asks_for_a_keyframe_instead, setup),
        cmocka_unit_test_setup(overflow_first_forgets_what_a_keyframe_made_superfluous, setup),
        cmocka_unit_test_setup(a_big_batch_is_taken_in_parts, setup),
        cmocka_unit_test_setup(a_restarted_stream_is_not_loss, setup),
        cmocka_unit_test_setup(what_is_far_behind_is_given_up, setup),
        cmocka_unit_test(report_before_the_first_packet_is_refused),
        cmocka_unit_test(fraction_lost_is_of_the_interval),
        cmocka_unit_test(duplicates_make_the_loss_negative),
        cmocka_unit_test(jitter_converges_to_the_transit_difference),
        cmocka_unit_test(delay_since_the_sender_report_is_measured),
        cmocka_unit_test(a_restart_starts_the_counting_over),
    };
    return cmocka_run_group_tests_name("rtc/nack", tests, NULL, NULL);
}
