/* SPDX-License-Identifier: Apache-2.0 */
#include "media_test.h"

#include "rtc/twcc.h"

static struct twcc_recorder r;
static uint32_t recorded[TWCC_WINDOW];
static uint8_t buffer[4096];

static int setup(void **state)
{
    twcc_recorder_init(&r, recorded);
    return 0;
}

/* The feedback a packet holds. */
static struct twcc_feedback feedback_of(struct bytes packet)
{
    struct rtcp_iter it = rtcp_iter_of(packet);
    struct rtcp_message m;
    struct twcc_feedback f;
    assert_int_equal(rtcp_next(&it, &m), OK);
    assert_int_equal(m.kind, RTCP_TWCC);
    assert_int_equal(m.sender_ssrc, 1);
    assert_int_equal(m.media_ssrc, 2);
    assert_int_equal(twcc_feedback_parse(m.fci, &f), OK);
    return f;
}

/* Writes the feedback due at `now`; false if none is. */
static bool take(usec now, struct twcc_feedback *ret)
{
    struct writer w = writer_of(buffer, sizeof(buffer));
    if (!twcc_recorder_write(&r, 1, 2, now, &w))
        return false;
    *ret = feedback_of(written(&w));
    return true;
}

static void assert_result(struct twcc_feedback *f, uint16_t seq, bool received, usec arrival)
{
    struct twcc_result result;
    assert_true(twcc_feedback_next(f, &result));
    assert_int_equal(result.seq, seq);
    assert_int_equal(result.received, received);
    if (received)
        assert_int_equal(result.arrival_us, arrival);
}

/* The vector of the draft's example: 7 packets by a vector chunk of two-bit symbols. */
static void handmade_feedback_is_read(void **state)
{
    /* base 5, 7 statuses, reference 3 x 64 ms; symbols 1 0 2 1 1 0 1 */
    struct bytes fci = BYTES(0, 5, 0, 7, 0, 0, 3, 9, 0xd2, 0x51, 4, 0xff, 0xfe, 0, 255, 8);
    struct twcc_feedback f;
    assert_int_equal(twcc_feedback_parse(fci, &f), OK);
    assert_int_equal(f.feedback_count, 9);
    usec base = 3 * 64000;
    assert_result(&f, 5, true, base + 1000);
    assert_result(&f, 6, false, 0);
    assert_result(&f, 7, true, base + 500);
    assert_result(&f, 8, true, base + 500);
    assert_result(&f, 9, true, base + 500 + 63750);
    assert_result(&f, 10, false, 0);
    assert_result(&f, 11, true, base + 66250);
    struct twcc_result result;
    assert_false(twcc_feedback_next(&f, &result));
}

static void reference_time_is_signed(void **state)
{
    struct bytes fci = BYTES(0, 1, 0, 1, 0xff, 0xff, 0xff, 0, 0x20, 0x01, 1);
    struct twcc_feedback f;
    assert_int_equal(twcc_feedback_parse(fci, &f), OK);
    assert_int_equal(f.reference_time, -1);
    assert_result(&f, 1, true, -64000 + 250);
}

static void incomplete_or_wrong_feedback_is_refused(void **state)
{
    struct twcc_feedback f;
    static const struct {
        uint8_t raw[12];
        size_t len;
        enum err expected;
    } cases[] = {
        { { 0, 1, 0, 1, 0, 0, 0 }, 7, ERR_TRUNCATED },
        { { 0, 1, 0, 0, 0, 0, 0, 0 }, 8, ERR_MALFORMED },              /* no statuses */
        { { 0, 1, 0, 1, 0, 0, 0, 0 }, 8, ERR_TRUNCATED },              /* no chunk */
        { { 0, 1, 0, 1, 0, 0, 0, 0, 0x20, 0x01 }, 10, ERR_TRUNCATED }, /* no delta */
        { { 0, 1, 0, 1, 0, 0, 0, 0, 0x40, 0x01, 1 }, 11, ERR_TRUNCATED },
        { { 0, 1, 0, 1, 0, 0, 0, 0, 0x20, 0x00, 1 }, 11, ERR_MALFORMED }, /* run of nothing */
        { { 0, 1, 0, 1, 0, 0, 0, 0, 0x60, 0x01, 1 }, 11, ERR_MALFORMED }, /* reserved symbol */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(twcc_feedback_parse(bytes_of(cases[i].raw, cases[i].len), &f),
                         cases[i].expected);
}

static void feedback_is_due_after_100_ms(void **state)
{
    struct twcc_feedback f;
    assert_true(twcc_recorder_next_deadline(&r) == USEC_NEVER);
    twcc_recorder_on_packet(&r, 10, false, SECONDS(1));
    assert_true(twcc_recorder_next_deadline(&r) == SECONDS(1) + TWCC_INTERVAL_US);
    assert_false(take(SECONDS(1) + TWCC_INTERVAL_US - 1, &f));
    assert_true(take(SECONDS(1) + TWCC_INTERVAL_US, &f));
    assert_result(&f, 10, true, SECONDS(1));
    assert_true(twcc_recorder_next_deadline(&r) == USEC_NEVER);
    assert_false(take(SECONDS(9), &f));
}

static void end_of_a_frame_sends_earlier(void **state)
{
    struct twcc_feedback f;
    twcc_recorder_on_packet(&r, 10, true, SECONDS(1));
    assert_false(take(SECONDS(1) + MILLIS(19), &f));
    assert_true(take(SECONDS(1) + MILLIS(20), &f));
}

static void loss_before_the_next_feedback_is_reported(void **state)
{
    struct twcc_feedback f;
    twcc_recorder_on_packet(&r, 10, false, 0);
    assert_true(take(SECONDS(1), &f));
    assert_int_equal(f.feedback_count, 0);
    twcc_recorder_on_packet(&r, 13, false, SECONDS(2));
    assert_true(take(SECONDS(3), &f));
    assert_int_equal(f.feedback_count, 1);
    assert_int_equal(f.status_count, 3);
    assert_result(&f, 11, false, 0);
    assert_result(&f, 12, false, 0);
    assert_result(&f, 13, true, SECONDS(2));
}

static void late_packet_corrects_a_reported_loss(void **state)
{
    struct twcc_feedback f;
    twcc_recorder_on_packet(&r, 10, false, 0);
    twcc_recorder_on_packet(&r, 12, false, MILLIS(10));
    assert_true(take(SECONDS(1), &f));
    twcc_recorder_on_packet(&r, 11, false, SECONDS(1) + MILLIS(1));
    assert_true(take(SECONDS(2), &f));
    assert_int_equal(f.base_seq, 11);
    assert_result(&f, 11, true, SECONDS(1) + MILLIS(1));
    assert_result(&f, 12, true, MILLIS(10));
}

static void first_arrival_wins(void **state)
{
    struct twcc_feedback f;
    twcc_recorder_on_packet(&r, 10, false, MILLIS(1));
    twcc_recorder_on_packet(&r, 10, false, MILLIS(30));
    assert_true(take(SECONDS(1), &f));
    assert_int_equal(f.status_count, 1);
    assert_result(&f, 10, true, MILLIS(1));
}

static void long_pause_splits_the_feedback(void **state)
{
    struct twcc_feedback f;
    twcc_recorder_on_packet(&r, 10, false, 0);
    twcc_recorder_on_packet(&r, 12, false, SECONDS(9)); /* a delta of 16 bits reaches 8.19 s */
    assert_true(take(SECONDS(9), &f));
    assert_int_equal(f.status_count, 1);
    assert_true(take(SECONDS(9), &f));
    assert_result(&f, 11, false, 0);
    assert_result(&f, 12, true, SECONDS(9));
    assert_false(take(SECONDS(9), &f));
}

static void many_packets_are_due_at_once_and_split(void **state)
{
    struct twcc_feedback f;
    for (uint16_t i = 0; i < 1000; i++)
        twcc_recorder_on_packet(&r, i, false, i * 10);
    assert_true(take(MILLIS(10), &f));
    assert_int_equal(f.status_count, TWCC_PACKETS_PER_FEEDBACK);
    assert_true(take(MILLIS(10), &f));
    assert_int_equal(f.base_seq, TWCC_PACKETS_PER_FEEDBACK);
    assert_false(take(MILLIS(10), &f)); /* the last 200 wait for their time */
    assert_true(take(MILLIS(100), &f));
    assert_int_equal(f.status_count, 200);
}

static void jump_beyond_the_window_starts_over(void **state)
{
    struct twcc_feedback f;
    twcc_recorder_on_packet(&r, 10, false, 0);
    twcc_recorder_on_packet(&r, 5000, false, MILLIS(1));
    assert_true(take(SECONDS(1), &f));
    assert_int_equal(f.base_seq, 5000);
    assert_int_equal(f.status_count, 1);
}

static void too_little_room_writes_nothing_and_loses_nothing(void **state)
{
    struct twcc_feedback f;
    twcc_recorder_on_packet(&r, 10, false, 0);
    struct writer w = writer_of(buffer, 20);
    assert_false(twcc_recorder_write(&r, 1, 2, SECONDS(1), &w));
    assert_false(w.failed);
    assert_int_equal(writer_len(&w), 0);
    assert_true(take(SECONDS(1), &f));
}

/* What is written says exactly what arrived: random loss, order, pauses, sequence and clock wraps.
 */
static void random_arrivals_read_back_exactly(void **state)
{
    struct prng p = { 8 };
    for (int run = 0; run < 300; run++) {
        twcc_recorder_init(&r, recorded);
        uint16_t first = (uint16_t)prng_next(&p);
        /* near the wrap of the 24-bit reference time in some runs: 2^32 ticks of 250 µs */
        usec start = run % 3 == 0 ? ((usec)1 << 32) * TWCC_TICK_US - MILLIS(prng_below(&p, 500))
                                  : (usec)prng_below(&p, UINT32_MAX) * 16;
        usec now = start;
        uint32_t loss = prng_below(&p, 60), pause = prng_below(&p, 60000);
        usec arrivals[300];
        for (unsigned i = 0; i < 300; i++) {
            now += prng_below(&p, 1 + pause);
            arrivals[i] = i > 0 && i < 299 && prng_below(&p, 100) < loss ? -1 : now;
        }
        for (unsigned i = 0; i < 300; i++) { /* neighbours may swap */
            unsigned j = i % 2 == 0 && prng_below(&p, 4) == 0 && i < 298 ? i + 1 : i;
            if (arrivals[j] >= 0)
                twcc_recorder_on_packet(&r, (uint16_t)(first + j), false, arrivals[j]);
            if (j != i && arrivals[i] >= 0)
                twcc_recorder_on_packet(&r, (uint16_t)(first + i), false, arrivals[i]);
            if (j != i)
                i++;
        }
        struct twcc_feedback f;
        struct twcc_result result;
        unsigned next = 0;
        uint8_t counter = 0;
        while (take(now + SECONDS(1), &f)) {
            assert_int_equal(f.base_seq, (uint16_t)(first + next));
            assert_int_equal(f.feedback_count, counter++);
            while (twcc_feedback_next(&f, &result)) {
                assert_int_equal(result.seq, (uint16_t)(first + next));
                assert_int_equal(result.received, arrivals[next] >= 0);
                if (result.received)
                    assert_int_equal((uint32_t)(result.arrival_us / TWCC_TICK_US),
                                     (uint32_t)(arrivals[next] / TWCC_TICK_US));
                next++;
            }
        }
        assert_int_equal(next, 300);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handmade_feedback_is_read),
        cmocka_unit_test(reference_time_is_signed),
        cmocka_unit_test(incomplete_or_wrong_feedback_is_refused),
        cmocka_unit_test_setup(feedback_is_due_after_100_ms, setup),
        cmocka_unit_test_setup(end_of_a_frame_sends_earlier, setup),
        cmocka_unit_test_setup(loss_before_the_next_feedback_is_reported, setup),
        cmocka_unit_test_setup(late_packet_corrects_a_reported_loss, setup),
        cmocka_unit_test_setup(first_arrival_wins, setup),
        cmocka_unit_test_setup(long_pause_splits_the_feedback, setup),
        cmocka_unit_test_setup(many_packets_are_due_at_once_and_split, setup),
        cmocka_unit_test_setup(jump_beyond_the_window_starts_over, setup),
        cmocka_unit_test_setup(too_little_room_writes_nothing_and_loses_nothing, setup),
        cmocka_unit_test(random_arrivals_read_back_exactly),
    };
    return cmocka_run_group_tests_name("rtc/twcc", tests, NULL, NULL);
}
