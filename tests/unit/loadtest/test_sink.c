/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/sink.h"

#include <stdlib.h>
#include <string.h>

enum { SSRC = 1000, RTX_SSRC = 1001, OUR_SSRC = 7, PUBLISHER = 5, FRAME_US = 40000 };
#define WALL_MINUS_NOW SECONDS(1790000000)

static struct sink *video, *audio;
static struct measure *m;
static usec now;

static int set_up(void **state)
{
    now = SECONDS(100);
    m = calloc(1, sizeof *m);
    video = sink_new(MEDIA_VIDEO, SSRC, RTX_SSRC, "9", now);
    audio = sink_new(MEDIA_AUDIO, SSRC, 0, "5", now);
    return m == NULL || video == NULL || audio == NULL;
}

static int tear_down(void **state)
{
    sink_free(video);
    sink_free(audio);
    sink_free(NULL);
    free(m);
    return 0;
}

/* What a packet has besides its number. */
struct like {
    bool key, rtx, no_stamp, not_end;
    uint16_t sender; /* 0: PUBLISHER */
    usec age;
};

static struct interruption noted;

static bool receive(struct sink *s, uint16_t seq, struct like like)
{
    struct rtp_packet rtp = {
        .seq = seq, .timestamp = (uint32_t)(now / 1000 * 90), .ssrc = SSRC, .marker = !like.not_end
    };
    static const uint8_t bytes[100];
    static const struct rtp_ext_values ext;
    struct sink_packet p = { .rtp = &rtp,
                             .ext = &ext,
                             .payload = bytes_of(bytes, sizeof bytes),
                             .codec = s->kind == MEDIA_VIDEO ? CODEC_VP8 : CODEC_OPUS,
                             .keyframe_start = like.key,
                             .is_rtx = like.rtx,
                             .has_stamp = !like.no_stamp,
                             .wall = now + WALL_MINUS_NOW };
    p.stamp = (struct stamp){ .sent_at = p.wall - like.age,
                              .sender = like.sender == 0 ? PUBLISHER : like.sender,
                              .layer = 2 };
    return sink_on_packet(s, &p, now, m, &noted);
}

/* Feedback as the other side reads it. */
struct asked {
    unsigned nacks, plis;
    uint16_t seqs[64];
    size_t seq_count;
};

static struct asked feedback(struct sink *s)
{
    struct asked ret = { 0 };
    uint8_t buffer[1400];
    struct writer w = writer_of(buffer, sizeof buffer);
    sink_write_feedback(s, OUR_SSRC, now, &w, m);
    assert_false(w.failed);
    struct rtcp_iter it = rtcp_iter_of(bytes_of(buffer, writer_len(&w)));
    struct rtcp_message message;
    while (rtcp_next(&it, &message) == OK) {
        assert_int_equal(message.sender_ssrc, OUR_SSRC);
        assert_int_equal(message.media_ssrc, SSRC);
        ret.plis += message.kind == RTCP_PLI;
        ret.nacks += message.kind == RTCP_NACK;
        if (message.kind != RTCP_NACK)
            continue;
        struct rtcp_nack_iter seqs = rtcp_nack_iter_of(message.fci);
        while (rtcp_nack_next(&seqs, &ret.seqs[ret.seq_count]))
            ret.seq_count++;
    }
    return ret;
}

/* A stream of whole frames, one packet each, FRAME_US apart. Returns the next number. */
static uint16_t play(struct sink *s, uint16_t seq, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        (void)receive(s, seq, (struct like){ .key = i == 0 });
        seq++;
        now += s->kind == MEDIA_VIDEO ? FRAME_US : 20000;
    }
    return seq;
}

/* --- loss --- */

static void loss_is_counted_before_and_after_rtx(void **state)
{
    (void)receive(video, 65530, (struct like){ .key = true });
    for (uint16_t seq = 65531; seq != 10; seq++) { /* over the wrap */
        if (seq != 65535 && seq != 3 && seq != 4)
            (void)receive(video, seq, (struct like){ 0 });
    }
    assert_int_equal(m->video.expected, 16);
    assert_int_equal(m->video.received_packets, 13);
    assert_int_equal(m->video.lost_before, 3);
    struct asked asked = feedback(video);
    assert_int_equal(asked.nacks, 1);
    assert_int_equal(asked.seq_count, 3);
    assert_int_equal(asked.seqs[0], 65535);
    assert_int_equal(asked.seqs[1], 3);
    assert_int_equal(asked.seqs[2], 4);
    assert_int_equal(m->nack_sent, 1);
    (void)receive(video, 65535, (struct like){ .rtx = true });
    (void)receive(video, 3, (struct like){ .rtx = true });
    assert_int_equal(m->video.rtx_received, 2);
    assert_int_equal(m->video.recovered, 2);
    (void)receive(video, 3, (struct like){ .rtx = true }); /* once more: nothing new */
    assert_int_equal(m->video.rtx_received, 3);
    assert_int_equal(m->video.recovered, 2);
    assert_int_equal(m->video.lost_before, 3);
    assert_int_equal(m->video.received_packets, 13); /* retransmissions are not among them */
}

static void a_reordered_packet_was_not_lost(void **state)
{
    (void)receive(audio, 1, (struct like){ 0 });
    (void)receive(audio, 4, (struct like){ 0 });
    assert_int_equal(m->audio.lost_before, 2);
    (void)receive(audio, 2, (struct like){ 0 });
    assert_int_equal(m->audio.lost_before, 1);
    assert_int_equal(m->audio.reordered, 1);
    assert_int_equal(m->audio.expected, 4);
    assert_int_equal(m->audio.received_packets, 3);
}

static void a_stream_that_starts_over_has_lost_nothing(void **state)
{
    (void)receive(audio, 1, (struct like){ 0 });
    (void)receive(audio, 20000, (struct like){ 0 });
    (void)receive(audio, 20001, (struct like){ 0 });
    assert_int_equal(m->audio.lost_before, 0);
    assert_int_equal(m->audio.expected, 3);
}

/* --- latency --- */

static void latency_is_from_stamp_to_arrival(void **state)
{
    (void)receive(video, 1, (struct like){ .key = true, .age = 12345 });
    (void)receive(video, 2, (struct like){ .age = 400 });
    (void)receive(video, 3, (struct like){ .no_stamp = true });
    (void)receive(video, 3, (struct like){ .rtx = true, .age = SECONDS(1) });
    assert_int_equal(m->video.latency.count, 2);
    assert_int_equal(m->video.latency.max, 12345);
    assert_int_equal(m->video.latency.min, 400);
    assert_int_equal(video->last_layer, 2);
    assert_int_equal(m->codec_packets[CODEC_VP8], 3);
    assert_int_equal(m->codec_keyframes[CODEC_VP8], 1);
}

/* --- freezes and gaps --- */

static void a_freeze_is_a_frame_later_than_webrtc_stats_allows(void **state)
{
    sink_map(video, PUBLISHER, false, now);
    uint16_t seq = play(video, 1, 50);
    assert_int_equal(m->video.received_frames, 50);
    assert_int_equal(m->video.gap_count, 0);
    /* an interval of 40 ms: max(3 * 40, 40 + 150) = 190 ms */
    now += 185000 - FRAME_US;
    (void)receive(video, seq++, (struct like){ 0 });
    assert_int_equal(m->video.gap_count, 0);
    now += FRAME_US;
    seq = play(video, seq, 100); /* the mean settles again */
    now += 205000 - FRAME_US;
    (void)receive(video, seq++, (struct like){ 0 });
    assert_int_equal(m->video.gap_count, 1);
    assert_int_equal(m->video.gap_us, 205000);
    assert_int_equal(m->video.gaps.max, 205);
    /* all of it was watched, and nothing twice */
    usec watched = now - SECONDS(100);
    assert_in_range(m->video.watched_us, watched - 2 * FRAME_US, watched);
}

/* Packets may come: without whole frames nothing can be shown. */
static void packets_without_a_frame_are_a_freeze(void **state)
{
    sink_map(video, PUBLISHER, false, now);
    uint16_t seq = play(video, 1, 50);
    seq++; /* lost, and never comes */
    for (unsigned i = 0; i < 25; i++, now += FRAME_US) {
        (void)receive(video, seq++, (struct like){ 0 });
        (void)sink_tick(video, now, m, &noted);
    }
    assert_int_equal(m->video.received_frames, 50);
    (void)receive(video, seq++, (struct like){ .key = true });
    assert_int_equal(m->video.received_frames, 51);
    assert_int_equal(m->video.gap_count, 1);
    assert_int_equal(m->video.gap_us, SECONDS(1) + FRAME_US);
}

static void a_steady_voice_that_pauses_is_a_gap(void **state)
{
    sink_map(audio, PUBLISHER, true, now);
    uint16_t seq = play(audio, 1, 10);
    now += SINK_AUDIO_GAP_US - 20000;
    (void)receive(audio, seq++, (struct like){ 0 });
    assert_int_equal(m->audio.gap_count, 0);
    now += SINK_AUDIO_GAP_US + 1000;
    (void)receive(audio, seq++, (struct like){ 0 });
    assert_int_equal(m->audio.gap_count, 1);
    assert_int_equal(m->audio.gap_us, SINK_AUDIO_GAP_US + 1000);
    assert_int_equal(m->audio.gaps.max, 61);
}

static void who_takes_turns_may_pause(void **state)
{
    sink_map(audio, PUBLISHER, false, now);
    uint16_t seq = play(audio, 1, 10);
    now += SECONDS(3);
    assert_false(sink_tick(audio, now, m, &noted));
    assert_false(receive(audio, seq, (struct like){ 0 }));
    assert_int_equal(m->audio.gap_count, 0);
    assert_int_equal(m->audio.watched_us, 0);
}

static void what_is_still_frozen_at_the_end_counts(void **state)
{
    sink_map(video, PUBLISHER, false, now);
    (void)play(video, 1, 50);
    now += SECONDS(2) - FRAME_US;
    sink_end(video, now, m);
    assert_int_equal(m->video.gap_count, 1);
    assert_int_equal(m->video.gap_us, SECONDS(2));
    sink_end(video, now, m);
    assert_int_equal(m->video.gap_count, 1);
}

/* --- interruptions --- */

static void an_interruption_begins_once_and_ends_with_what_is_shown_again(void **state)
{
    sink_map(audio, PUBLISHER, true, now);
    uint16_t seq = play(audio, 1, 10);
    usec last = now - 20000;
    now = last + MILLIS(500);
    assert_false(sink_tick(audio, now, m, &noted));
    now += 1;
    assert_true(sink_tick(audio, now, m, &noted));
    assert_int_equal(noted.from, last);
    assert_int_equal(noted.to, USEC_NEVER);
    assert_int_equal(noted.publisher, PUBLISHER);
    assert_int_equal(noted.kind, MEDIA_AUDIO);
    now += MILLIS(20);
    assert_false(sink_tick(audio, now, m, &noted));
    now += SECONDS(4);
    assert_true(receive(audio, seq++, (struct like){ 0 }));
    assert_int_equal(noted.from, last);
    assert_int_equal(noted.to, now);
    assert_int_equal(m->audio.gap_count, 1);
    assert_int_equal(m->audio.gap_us, now - last);
    assert_false(receive(audio, seq, (struct like){ 0 }));
}

static void a_short_interruption_is_noted_when_it_is_over(void **state)
{
    sink_map(audio, PUBLISHER, true, now);
    uint16_t seq = play(audio, 1, 10);
    usec last = now - 20000;
    now = last + SINK_GAP_NOTED_US + 1;
    assert_true(receive(audio, seq, (struct like){ 0 }));
    assert_int_equal(noted.from, last);
    assert_int_equal(noted.to, now);
}

/* --- what flows in it changes --- */

static void a_slot_that_shows_somebody_else_has_no_freeze(void **state)
{
    sink_map(video, PUBLISHER, false, now);
    uint16_t seq = play(video, 1, 50);
    sink_map(video, PUBLISHER + 1, false, now);
    assert_false(video->has_sender);
    now += SECONDS(1);
    assert_false(sink_tick(video, now, m, &noted));
    assert_false(receive(video, seq++, (struct like){ .key = true, .sender = PUBLISHER + 1 }));
    assert_int_equal(m->video.gap_count, 0);
    assert_int_equal(video->mapped_at, now - SECONDS(1));
    sink_map(video, -2, false, now);
    now += SECONDS(5);
    assert_false(sink_tick(video, now, m, &noted));
    sink_end(video, now, m);
    assert_int_equal(m->video.gap_count, 0);
}

static void the_same_mapping_again_changes_nothing(void **state)
{
    sink_map(audio, PUBLISHER, true, now);
    uint16_t seq = play(audio, 1, 10);
    sink_map(audio, PUBLISHER, true, now);
    now += SECONDS(1);
    assert_true(sink_tick(audio, now, m, &noted));
    sink_map(audio, PUBLISHER, true, now);
    assert_true(receive(audio, seq, (struct like){ 0 }));
    assert_int_equal(m->audio.gap_count, 1);
}

static void a_switch_is_measured_until_the_first_frame(void **state)
{
    sink_map(video, PUBLISHER, false, now);
    video->wanted_at = now;
    now += MILLIS(130);
    (void)receive(video, 1, (struct like){ 0 }); /* nothing to show yet */
    assert_int_equal(m->switch_ms.count, 0);
    now += MILLIS(120);
    (void)receive(video, 2, (struct like){ .key = true, .not_end = true });
    (void)receive(video, 3, (struct like){ 0 });
    assert_int_equal(m->switch_ms.count, 1);
    assert_int_equal(m->switch_ms.max, 250);
    now += SECONDS(1);
    (void)receive(video, 4, (struct like){ 0 });
    assert_int_equal(m->switch_ms.count, 1);
}

static void packets_of_a_wrong_sender_are_counted_once_things_have_settled(void **state)
{
    sink_map(video, PUBLISHER, false, now);
    sink_map(audio, PUBLISHER, true, now);
    now += SECONDS(1);
    (void)receive(video, 1, (struct like){ .sender = 9 });
    assert_int_equal(m->wrong_video, 0); /* the former one's, still under way */
    now += 1;
    (void)receive(video, 2, (struct like){ .sender = 9 });
    (void)receive(audio, 2, (struct like){ .sender = 9 });
    (void)receive(audio, 3, (struct like){ 0 });
    (void)receive(audio, 4, (struct like){ .sender = 9, .no_stamp = true });
    assert_int_equal(m->wrong_video, 1);
    assert_int_equal(m->wrong_audio, 1);
    sink_map(audio, -1, false, now); /* somebody who is not a bot: not known by a stamp */
    now += SECONDS(2);
    (void)receive(audio, 5, (struct like){ .sender = 9 });
    assert_int_equal(m->wrong_audio, 1);
}

/* --- feedback --- */

static void a_nack_waits_for_reordering_and_is_repeated_after_a_round_trip(void **state)
{
    (void)receive(video, 1, (struct like){ .key = true });
    (void)receive(video, 3, (struct like){ 0 });
    assert_int_equal(feedback(video).nacks, 0);
    now += NACK_REORDER_US - 1;
    assert_int_equal(feedback(video).nacks, 0);
    now += 1;
    assert_int_equal(feedback(video).nacks, 1);
    assert_int_equal(feedback(video).nacks, 0);
    now += NACK_ECHO_US;
    assert_int_equal(feedback(video).nacks, 1); /* the first may be lost itself */
    now += NACK_RTT_DEFAULT_US - 1;
    assert_int_equal(feedback(video).nacks, 0);
    now += 1;
    assert_int_equal(feedback(video).nacks, 1);
    (void)receive(video, 6, (struct like){ 0 });
    struct asked asked = feedback(video); /* two newer ones: at once */
    assert_int_equal(asked.seq_count, 1);
    assert_int_equal(asked.seqs[0], 4);
    assert_int_equal(m->nack_sent, 4);
    assert_int_equal(m->pli_sent, 0);
}

static void a_keyframe_is_asked_for_after_a_while_and_then_each_second(void **state)
{
    assert_int_equal(feedback(video).plis, 0); /* nothing came at all: nobody to ask */
    uint16_t seq = 1;
    unsigned asked = 0;
    usec first = 0, second = 0;
    for (usec end = now + SECONDS(2); now < end; now += MILLIS(10)) {
        (void)receive(video, seq++, (struct like){ 0 });
        if (feedback(video).plis == 0)
            continue;
        asked++;
        second = asked == 2 ? now : second;
        first = asked == 1 ? now : first;
    }
    assert_int_equal(asked, 2);
    assert_int_equal(first, SECONDS(100) + SINK_PLI_PATIENCE_US);
    assert_int_equal(second, first + SINK_PLI_INTERVAL_US);
    assert_int_equal(m->pli_sent, 2);
    (void)receive(video, seq++, (struct like){ .key = true });
    for (unsigned i = 0; i < 300; i++, now += MILLIS(10)) {
        (void)receive(video, seq++, (struct like){ 0 });
        assert_int_equal(feedback(video).plis, 0);
    }
    assert_int_equal(m->keyframes_received, 1);
}

static void a_publisher_who_pauses_is_not_asked_for_keyframes(void **state)
{
    (void)receive(video, 1, (struct like){ 0 });
    now += SECONDS(2) + 1;
    assert_int_equal(feedback(video).plis, 0);
    (void)receive(video, 2, (struct like){ 0 });
    assert_int_equal(feedback(video).plis, 1);
}

static void what_rtx_does_not_bring_back_needs_a_keyframe(void **state)
{
    sink_map(video, PUBLISHER, false, now);
    uint16_t seq = play(video, 1, 50);
    seq++;
    unsigned plis = 0, nacks = 0;
    for (unsigned i = 0; i < 40; i++, now += FRAME_US) {
        (void)receive(video, seq++, (struct like){ 0 });
        (void)sink_tick(video, now, m, &noted);
        struct asked asked = feedback(video);
        plis += asked.plis;
        nacks += asked.nacks;
        if (asked.plis > 0)
            assert_true(i * FRAME_US >= FRAME_TRACKER_PATIENCE_US);
    }
    assert_in_range(nacks, 5, NACK_TRIES_MAX);
    assert_in_range(plis, 1, 2);
}

static void audio_asks_for_nothing(void **state)
{
    (void)receive(audio, 1, (struct like){ 0 });
    (void)receive(audio, 9, (struct like){ 0 });
    now += SECONDS(1);
    struct asked asked = feedback(audio);
    assert_int_equal(asked.nacks + asked.plis, 0);
}

/* --- jitter --- */

static void jitter_is_sampled_once_a_second_while_something_comes(void **state)
{
    for (unsigned i = 0; i < 250; i++, now += 20000) {
        (void)receive(audio, (uint16_t)(1 + i), (struct like){ 0 });
        (void)sink_tick(audio, now, m, &noted);
    }
    assert_in_range(m->audio.jitter.count, 4, 5);
    uint64_t before = m->audio.jitter.count;
    for (unsigned i = 0; i < 250; i++, now += 20000)
        (void)sink_tick(audio, now, m, &noted);
    assert_in_range(m->audio.jitter.count, before, before + 1);
}

/* --- what does not come --- */

static void a_camera_that_never_comes_is_a_freeze(void **state)
{
    sink_map(video, PUBLISHER, false, now);
    now += SECONDS(2);
    assert_false(sink_tick(video, now, m, &noted)); /* it may be on its way */
    now += SECONDS(2);
    assert_true(sink_tick(video, now, m, &noted));
    assert_int_equal(noted.to, USEC_NEVER);
    now += SECONDS(1);
    sink_end(video, now, m);
    assert_int_equal(m->video.gap_count, 1);
    assert_int_equal(m->video.gap_us, SECONDS(5));
}

static void a_freeze_does_not_make_the_next_ones_look_normal(void **state)
{
    sink_map(video, PUBLISHER, false, now);
    uint16_t seq = play(video, 100, 50);
    now += SECONDS(5);
    seq = play(video, seq, 10);
    assert_int_equal(m->video.gap_count, 1);
    now += MILLIS(400);
    (void)play(video, seq, 10);
    assert_int_equal(m->video.gap_count, 2);
}

static void what_a_given_up_connection_owed_is_one_gap_until_it_is_back(void **state)
{
    sink_map(audio, PUBLISHER, true, now);
    (void)play(audio, 100, 50);
    now += SECONDS(1);
    usec from;
    assert_true(sink_waits_since(audio, &from));
    struct sink *next = sink_new(MEDIA_AUDIO, SSRC, 0, "5", now);
    assert_false(sink_waits_since(next, &from));
    sink_map(next, PUBLISHER, true, now);
    assert_true(sink_waits_since(audio, &from));
    sink_expect_since(next, from);
    now += SECONDS(3);
    assert_true(receive(next, 7, (struct like){ 0 }));
    assert_int_equal(noted.from, from);
    assert_int_equal(noted.to, now);
    assert_int_equal(m->audio.gap_count, 1);
    assert_int_equal(m->audio.gap_us, now - from);
    sink_free(next);
}

static void a_voice_is_missed_only_while_its_turn_lasts(void **state)
{
    sink_map(audio, PUBLISHER, false, now);
    uint16_t seq = play(audio, 100, 50);
    now += SECONDS(1); /* a pause */
    seq = play(audio, seq, 1);
    assert_int_equal(m->audio.gap_count, 0);
    sink_set_steady(audio, true, now, m);
    now += MILLIS(700);
    assert_true(sink_tick(audio, now, m, &noted));
    sink_set_steady(audio, false, now, m);
    assert_int_equal(m->audio.gap_count, 1);
    assert_in_range(m->audio.gap_us, MILLIS(690), MILLIS(730));
    now += SECONDS(2);
    (void)play(audio, seq, 1);
    assert_int_equal(m->audio.gap_count, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(loss_is_counted_before_and_after_rtx),
        TEST(a_reordered_packet_was_not_lost),
        TEST(a_stream_that_starts_over_has_lost_nothing),
        TEST(latency_is_from_stamp_to_arrival),
        TEST(a_freeze_is_a_frame_later_than_webrtc_stats_allows),
        TEST(packets_without_a_frame_are_a_freeze),
        TEST(a_steady_voice_that_pauses_is_a_gap),
        TEST(who_takes_turns_may_pause),
        TEST(what_is_still_frozen_at_the_end_counts),
        TEST(an_interruption_begins_once_and_ends_with_what_is_shown_again),
        TEST(a_short_interruption_is_noted_when_it_is_over),
        TEST(a_slot_that_shows_somebody_else_has_no_freeze),
        TEST(the_same_mapping_again_changes_nothing),
        TEST(a_switch_is_measured_until_the_first_frame),
        TEST(packets_of_a_wrong_sender_are_counted_once_things_have_settled),
        TEST(a_nack_waits_for_reordering_and_is_repeated_after_a_round_trip),
        TEST(a_keyframe_is_asked_for_after_a_while_and_then_each_second),
        TEST(a_publisher_who_pauses_is_not_asked_for_keyframes),
        TEST(what_rtx_does_not_bring_back_needs_a_keyframe),
        TEST(audio_asks_for_nothing),
        TEST(jitter_is_sampled_once_a_second_while_something_comes),
        TEST(a_camera_that_never_comes_is_a_freeze),
        TEST(a_freeze_does_not_make_the_next_ones_look_normal),
        TEST(what_a_given_up_connection_owed_is_one_gap_until_it_is_back),
        TEST(a_voice_is_missed_only_while_its_turn_lasts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
