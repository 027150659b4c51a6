/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/frame_tracker.h"

static struct frame_tracker t;
static usec now;

static int set_up(void **state)
{
    now = SECONDS(100);
    frame_tracker_init(&t);
    return 0;
}

enum part { MIDDLE, END, KEY, KEY_ALONE }; /* KEY: a keyframe of more than one packet begins */

static unsigned packet(int64_t seq, enum part part)
{
    bool key = part == KEY || part == KEY_ALONE;
    return frame_tracker_on_packet(&t, seq, key, part == END || part == KEY_ALONE, now);
}

static void nothing_is_shown_before_the_first_keyframe(void **state)
{
    for (int64_t seq = 10; seq < 20; seq++)
        assert_int_equal(packet(seq, END), 0);
    assert_int_equal(packet(20, KEY), 0);
    assert_int_equal(packet(21, END), 1);
    assert_int_equal(packet(22, END), 1);
}

static void a_frame_is_shown_with_its_last_packet(void **state)
{
    assert_int_equal(packet(1, KEY), 0);
    assert_int_equal(packet(2, MIDDLE), 0);
    assert_int_equal(packet(3, END), 1);
    assert_int_equal(packet(4, MIDDLE), 0);
    assert_int_equal(packet(5, END), 1);
}

static void a_late_packet_frees_the_frames_behind_it(void **state)
{
    assert_int_equal(packet(1, KEY_ALONE), 1);
    assert_int_equal(packet(3, END), 0);
    assert_int_equal(packet(4, END), 0);
    now += FRAME_TRACKER_PATIENCE_US - 1;
    assert_int_equal(frame_tracker_tick(&t, now), 0);
    assert_int_equal(packet(2, END), 3);
    assert_false(t.broken);
    assert_int_equal(t.hole_at, USEC_NEVER);
}

static void a_hole_that_stays_needs_a_keyframe(void **state)
{
    assert_int_equal(packet(1, KEY_ALONE), 1);
    assert_int_equal(packet(3, END), 0);
    now += FRAME_TRACKER_PATIENCE_US;
    assert_int_equal(frame_tracker_tick(&t, now), 0);
    assert_true(t.broken);
    assert_int_equal(packet(4, END), 0);
    assert_int_equal(packet(2, END), 0); /* too late */
    assert_int_equal(packet(5, KEY_ALONE), 1);
    assert_int_equal(packet(6, END), 1);
}

static void a_whole_keyframe_waits_for_no_hole_before_it(void **state)
{
    assert_int_equal(packet(1, KEY_ALONE), 1);
    for (int64_t seq = 3; seq < 40; seq += 2)
        assert_int_equal(packet(seq, END), 0);
    assert_int_equal(packet(41, KEY), 0);
    assert_int_equal(packet(42, END), 1);
    assert_int_equal(packet(43, END), 1);
    assert_int_equal(packet(39, END), 0);
}

static void a_keyframe_with_a_hole_waits_for_what_is_missing_of_it(void **state)
{
    assert_int_equal(packet(1, KEY_ALONE), 1);
    assert_int_equal(packet(3, KEY), 0);
    assert_int_equal(packet(5, END), 0);
    assert_int_equal(packet(6, END), 0);
    assert_int_equal(packet(4, MIDDLE), 2);
}

/* Patience is for what can still be shown, not for each hole anew. */
static void a_keyframe_behind_many_holes_waits_for_the_first_one_only(void **state)
{
    assert_int_equal(packet(1, KEY_ALONE), 1);
    for (int64_t seq = 3; seq < 40; seq += 2)
        assert_int_equal(packet(seq, END), 0);
    assert_int_equal(packet(41, KEY), 0);
    now += FRAME_TRACKER_PATIENCE_US;
    assert_int_equal(frame_tracker_tick(&t, now), 0);
    assert_int_equal(packet(42, END), 1);
}

static void while_broken_holes_before_a_keyframe_are_not_waited_for(void **state)
{
    assert_int_equal(packet(1, END), 0);
    assert_int_equal(packet(5, END), 0);
    assert_int_equal(packet(9, KEY_ALONE), 1);
    assert_int_equal(packet(10, END), 1);
}

static void more_holes_than_it_remembers_need_a_keyframe(void **state)
{
    assert_int_equal(packet(1, KEY_ALONE), 1);
    assert_int_equal(packet(3, END), 0);
    assert_int_equal(packet(2 + FRAME_TRACKER_PACKETS, END), 0);
    assert_true(t.broken);
    assert_int_equal(packet(2, END), 0);
    assert_int_equal(packet(3 + FRAME_TRACKER_PACKETS, KEY_ALONE), 1);
}

static void a_packet_counts_once(void **state)
{
    assert_int_equal(packet(1, KEY_ALONE), 1);
    assert_int_equal(packet(1, KEY_ALONE), 0);
    assert_int_equal(packet(0, KEY_ALONE), 0);
    assert_int_equal(packet(3, END), 0);
    assert_int_equal(packet(3, END), 0);
    assert_int_equal(packet(2, END), 2);
}

/* 100,000 packets with holes that all are filled: every frame is shown, each once. */
static void long_streams_wrap_the_ring_without_losing_frames(void **state)
{
    unsigned frames = packet(1, KEY_ALONE);
    for (int64_t seq = 2; seq < 100000; seq += 2) {
        frames += packet(seq + 1, END);
        frames += packet(seq, END);
        now += 1000;
        frames += frame_tracker_tick(&t, now);
    }
    assert_int_equal(frames, 99999);
}

/* A whole picture of one packet, of a layer, that refers to a frame so far back (0: to none). */
static unsigned layered(int64_t seq, uint16_t number, uint8_t spatial, uint16_t back, bool end)
{
    struct layer_frame f = { .number = number,
                             .is_known = true,
                             .starts = back == 0,
                             .frame_end = true,
                             .spatial = spatial,
                             .reference_count = back > 0,
                             .references = { back } };
    frame_tracker_on_layers(&t, seq, &f);
    return frame_tracker_on_packet(&t, seq, back == 0, end, now);
}

static void a_picture_is_shown_in_its_highest_layer(void **state)
{
    assert_int_equal(layered(1, 65535, 0, 0, false), 0);
    assert_int_equal(layered(2, 0, 1, 1, true), 1);
    assert_int_equal(frame_tracker_shown(&t), 1);
    assert_int_equal(layered(3, 1, 0, 2, true), 1);
    assert_int_equal(frame_tracker_shown(&t), 0);
    frame_tracker_done(&t);
}

static void a_reference_that_was_not_sent_breaks_the_stream(void **state)
{
    assert_int_equal(layered(1, 10, 0, 0, true), 1);
    assert_int_equal(layered(2, 12, 1, 1, true), 0); /* 11 was not sent, and no packet is missing */
    assert_int_equal(t.undecodable_count, 1);
    assert_true(t.broken);
    assert_int_equal(layered(3, 13, 0, 3, true), 0);
    assert_int_equal(layered(4, 20, 0, 0, true), 1);
    assert_int_equal(t.undecodable_count, 1);
    frame_tracker_done(&t);
}

static void a_lost_packet_is_no_reference_withheld(void **state)
{
    assert_int_equal(layered(1, 10, 0, 0, true), 1);
    assert_int_equal(layered(3, 12, 0, 1, true), 0);
    assert_int_equal(layered(2, 11, 0, 1, true), 2);
    assert_int_equal(layered(5, 14, 0, 1, true), 0);
    now += FRAME_TRACKER_PATIENCE_US;
    assert_int_equal(frame_tracker_tick(&t, now), 0);
    assert_true(t.broken);
    assert_int_equal(t.undecodable_count, 0);
    frame_tracker_done(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nothing_is_shown_before_the_first_keyframe, set_up),
        cmocka_unit_test_setup(a_frame_is_shown_with_its_last_packet, set_up),
        cmocka_unit_test_setup(a_picture_is_shown_in_its_highest_layer, set_up),
        cmocka_unit_test_setup(a_reference_that_was_not_sent_breaks_the_stream, set_up),
        cmocka_unit_test_setup(a_lost_packet_is_no_reference_withheld, set_up),
        cmocka_unit_test_setup(a_late_packet_frees_the_frames_behind_it, set_up),
        cmocka_unit_test_setup(a_hole_that_stays_needs_a_keyframe, set_up),
        cmocka_unit_test_setup(a_whole_keyframe_waits_for_no_hole_before_it, set_up),
        cmocka_unit_test_setup(a_keyframe_with_a_hole_waits_for_what_is_missing_of_it, set_up),
        cmocka_unit_test_setup(a_keyframe_behind_many_holes_waits_for_the_first_one_only, set_up),
        cmocka_unit_test_setup(while_broken_holes_before_a_keyframe_are_not_waited_for, set_up),
        cmocka_unit_test_setup(more_holes_than_it_remembers_need_a_keyframe, set_up),
        cmocka_unit_test_setup(a_packet_counts_once, set_up),
        cmocka_unit_test_setup(long_streams_wrap_the_ring_without_losing_frames, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
