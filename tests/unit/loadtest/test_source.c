/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/source.h"

#include <stdlib.h>
#include <string.h>

enum { SSRC = 4242, PAYLOAD_MAX = SOURCE_PAYLOAD_MAX };
#define WALL_MINUS_NOW SECONDS(1790000000)

static struct voice_bank *voices;
static struct clip clip, large;
static struct source *s;
static usec now;

/* What left, in order. */
struct sent {
    struct source_packet p;
    usec at;
    size_t len;
    uint8_t payload[PAYLOAD_MAX];
};
static struct sent *sent;
static size_t sent_count;
enum { SENT_MAX = 20000 };

static int make(void **state)
{
    voices = voice_bank_new();
    sent = malloc(SENT_MAX * sizeof *sent);
    assert_int_equal(clip_builtin(CODEC_VP8, 180, &clip), OK);
    assert_int_equal(clip_builtin(CODEC_VP8, 720, &large), OK);
    return voices == NULL || sent == NULL;
}

static int unmake(void **state)
{
    voice_bank_free(voices);
    free(sent);
    clip_done(&clip);
    clip_done(&large);
    return 0;
}

static int set_up(void **state)
{
    now = SECONDS(50);
    sent_count = 0;
    return 0;
}

static int tear_down(void **state)
{
    source_free(s);
    source_free(NULL);
    s = NULL;
    return 0;
}

static void new_audio(void)
{
    struct source given = {
        .kind = MEDIA_AUDIO, .ssrc = SSRC, .payload_type = 111, .voices = voices, .tone = 3
    };
    s = source_new(&given, UINT64_C(0x123456789abcdef0), now);
    assert_non_null(s);
}

static void new_video(const struct clip *c)
{
    struct source given = { .kind = MEDIA_VIDEO,
                            .ssrc = SSRC,
                            .rtx_ssrc = SSRC + 1,
                            .payload_type = 96,
                            .rtx_payload_type = 97,
                            .clip = c };
    s = source_new(&given, UINT64_C(0xfedcba9876543210), now);
    assert_non_null(s);
}

/* As a leg does it: what is due leaves. */
static void send_due(void)
{
    struct source_packet p;
    while (source_next(s, now, &p)) {
        assert_true(sent_count < SENT_MAX);
        struct sent *t = &sent[sent_count++];
        *t = (struct sent){ .p = p, .at = now };
        struct writer w = writer_of(t->payload, sizeof t->payload);
        t->len = source_write_payload(s, &p, &w);
        assert_true(t->len > 0 && t->len == writer_len(&w));
        s->packet_count++;
        s->octet_count += (uint32_t)t->len;
    }
}

/* Lets time pass as the source's deadlines want it. */
static void run(usec duration)
{
    for (usec end = now + duration; now < end;) {
        send_due();
        usec next = source_next_deadline(s);
        assert_true(next > now); /* no busy loop */
        now = MIN(next, end);
    }
}

/* --- audio --- */

static void a_voice_is_a_frame_each_20_ms(void **state)
{
    new_audio();
    s->speaks = true;
    assert_int_equal(source_next_deadline(s), USEC_NEVER);
    source_set_active(s, true, now);
    run(SECONDS(2));
    assert_in_range(sent_count, 99, 100);
    for (size_t i = 0; i < sent_count; i++) {
        assert_true(sent[i].p.voice);
        assert_int_equal(sent[i].p.marker, i == 0); /* the talkspurt begins */
        if (i == 0)
            continue;
        assert_int_equal(sent[i].at - sent[i - 1].at, SOURCE_AUDIO_US);
        assert_int_equal(sent[i].p.timestamp - sent[i - 1].p.timestamp, TONE_FRAME_SAMPLES);
        assert_int_equal(sent[i].p.seq, (uint16_t)(sent[i - 1].p.seq + 1));
        struct bytes frame = voice_frame(voices, 3, sent[i].p.frame);
        assert_int_equal(sent[i].len, frame.len);
        assert_memory_equal(sent[i].payload, frame.data, frame.len);
    }
}

static void who_is_quiet_sends_comfort_noise_now_and_then(void **state)
{
    new_audio();
    source_set_active(s, true, now);
    run(SECONDS(4));
    assert_in_range(sent_count, 9, 11);
    for (size_t i = 0; i < sent_count; i++) {
        assert_false(sent[i].p.voice || sent[i].p.marker);
        struct bytes silence = voice_silence(voices);
        assert_int_equal(sent[i].len, silence.len);
        assert_memory_equal(sent[i].payload, silence.data, silence.len);
        if (i > 0)
            assert_int_equal(sent[i].p.timestamp - sent[i - 1].p.timestamp,
                             SOURCE_QUIET_US / 1000 * TONE_RATE / 1000);
    }
}

/* Whoever begins to speak does not wait for the next comfort noise; the clock of the stream agrees
 * with that of the wall all the time. */
static void a_talkspurt_begins_at_once_and_with_a_marker(void **state)
{
    new_audio();
    source_set_active(s, true, now);
    run(SECONDS(1));
    size_t quiet = sent_count;
    s->speaks = true;
    usec began = now;
    for (unsigned i = 0; i < 100; i++, now += MILLIS(10)) /* a bot that ticks all the time */
        send_due();
    assert_true(sent_count > quiet + 45);
    assert_true(sent[quiet].p.marker && sent[quiet].p.voice);
    assert_true(sent[quiet].at - began <= SOURCE_AUDIO_US + MILLIS(10));
    s->speaks = false;
    run(SECONDS(1));
    s->speaks = true;
    for (unsigned i = 0; i < 100; i++, now += MILLIS(10))
        send_due();
    size_t markers = 0;
    for (size_t i = 0; i < sent_count; i++) {
        markers += sent[i].p.marker;
        usec wall = sent[i].at - sent[0].at;
        usec media = (usec)(sent[i].p.timestamp - sent[0].p.timestamp) * 1000 / 48;
        assert_in_range(wall - media + MILLIS(20), 0, MILLIS(40));
    }
    assert_int_equal(markers, 2);
}

/* --- video --- */

static size_t frames_sent(void)
{
    size_t frames = 0;
    for (size_t i = 0; i < sent_count; i++)
        frames += sent[i].p.frame_start;
    return frames;
}

static void a_clip_plays_at_its_own_speed_and_loops(void **state)
{
    new_video(&clip);
    source_set_active(s, true, now);
    usec loop = (usec)clip.duration * USEC_PER_SEC / CLIP_CLOCK_RATE;
    run(loop * 2 + MILLIS(500));
    size_t frames = frames_sent();
    assert_in_range(frames, 2 * clip.frame_count, 3 * clip.frame_count);
    for (size_t i = 1; i < sent_count; i++) {
        const struct source_packet *p = &sent[i].p, *before = &sent[i - 1].p;
        assert_int_equal(p->seq, (uint16_t)(before->seq + 1));
        assert_int_equal(p->frame_start, before->marker);
        if (!p->frame_start) {
            assert_int_equal(p->timestamp, before->timestamp);
            continue;
        }
        assert_int_equal(p->frame, (before->frame + 1) % clip.frame_count);
        assert_int_equal(p->picture_id, (before->picture_id + 1) & 0x7fff);
        assert_int_equal(p->keyframe, clip.frames[p->frame].keyframe);
        uint32_t from_start = p->timestamp - sent[0].p.timestamp;
        usec media = (usec)((uint64_t)from_start * USEC_PER_SEC / CLIP_CLOCK_RATE);
        assert_in_range(sent[i].at - sent[0].at - media + 1000, 0, 2000);
    }
}

static void a_large_frame_leaves_in_bursts(void **state)
{
    new_video(&large);
    source_set_active(s, true, now);
    run(SECONDS(1));
    size_t first = 0;
    while (!sent[first].p.marker)
        first++;
    assert_true(first + 1 > SOURCE_BURST); /* the keyframe */
    for (size_t i = 0; i <= first; i++) {
        assert_int_equal(sent[i].p.part, i);
        assert_true(sent[i].p.keyframe);
        assert_int_equal(sent[i].at - sent[0].at, (usec)(i / SOURCE_BURST) * SOURCE_PACE_US);
    }
}

static void a_keyframe_request_restarts_the_clip(void **state)
{
    new_video(&clip);
    source_set_active(s, true, now);
    run(SECONDS(1));
    size_t before = sent_count;
    assert_false(sent[before - 1].p.keyframe);
    source_ask_keyframe(s, now);
    run(MILLIS(100));
    assert_true(sent[before].p.keyframe && sent[before].p.frame_start);
    assert_int_equal(sent[before].p.frame, 0);
    assert_int_equal(sent[before].p.seq, (uint16_t)(sent[before - 1].p.seq + 1));
    assert_true(sent[before].p.timestamp != sent[before - 1].p.timestamp);
    assert_int_equal(sent[before].p.picture_id, (sent[before - 1].p.picture_id + 1) & 0x7fff);
}

static void keyframes_have_a_distance(void **state)
{
    new_video(&clip);
    source_set_active(s, true, now);
    run(SECONDS(1));
    size_t before = sent_count, keyframes = 0;
    for (unsigned i = 0; i < 300; i++) { /* 3 s of constant begging */
        source_ask_keyframe(s, now);
        run(MILLIS(10));
    }
    usec last = 0;
    for (size_t i = before; i < sent_count; i++) {
        if (!sent[i].p.keyframe || !sent[i].p.frame_start)
            continue;
        assert_true(last == 0 || sent[i].at - last >= SOURCE_KEYFRAME_SPACING_US);
        last = sent[i].at;
        keyframes++;
    }
    assert_in_range(keyframes, 7, 11);
}

static void rtx_repeats_the_same_bytes(void **state)
{
    static const enum codec codecs[] = { CODEC_VP8, CODEC_VP9, CODEC_H264, CODEC_AV1 };
    for (size_t c = 0; c < ARRAY_LEN(codecs); c++) {
        struct clip of_codec;
        assert_int_equal(clip_builtin(codecs[c], 360, &of_codec), OK);
        sent_count = 0;
        new_video(&of_codec);
        source_set_active(s, true, now);
        run(SECONDS(2) + MILLIS(3)); /* perhaps amid a frame */
        size_t found = 0;
        for (size_t i = sent_count; i-- > 0;) {
            struct source_packet p;
            bool kept = source_find_sent(s, sent[i].p.seq, &p);
            assert_int_equal(kept, sent_count - i <= SOURCE_SENT_MAX);
            if (!kept)
                continue;
            uint8_t again[PAYLOAD_MAX];
            struct writer w = writer_of(again, sizeof again);
            assert_int_equal(source_write_payload(s, &p, &w), sent[i].len);
            assert_memory_equal(again, sent[i].payload, sent[i].len);
            assert_int_equal(p.timestamp, sent[i].p.timestamp);
            found++;
        }
        assert_int_equal(found, MIN(sent_count, SOURCE_SENT_MAX));
        size_t before = sent_count; /* the live stream is not disturbed */
        run(MILLIS(500));
        assert_true(sent_count > before);
        assert_int_equal(sent[before].p.seq, (uint16_t)(sent[before - 1].p.seq + 1));
        tear_down(NULL);
        clip_done(&of_codec);
    }
}

static void what_was_not_sent_cannot_be_repeated(void **state)
{
    struct source_packet p;
    new_video(&clip);
    for (unsigned seq = 0; seq < 65536; seq++)
        assert_false(source_find_sent(s, (uint16_t)seq, &p));
    source_set_active(s, true, now);
    run(MILLIS(200));
    assert_true(source_find_sent(s, sent[0].p.seq, &p));
    assert_false(source_find_sent(s, (uint16_t)(sent[0].p.seq - 1), &p));
    assert_false(source_find_sent(s, (uint16_t)(sent[sent_count - 1].p.seq + 1), &p));
    tear_down(NULL);
    new_audio();
    source_set_active(s, true, now);
    run(MILLIS(200));
    assert_false(source_find_sent(s, s->seq, &p));
}

/* --- stalls --- */

static void a_short_stall_is_caught_up(void **state)
{
    new_audio();
    s->speaks = true;
    source_set_active(s, true, now);
    run(SECONDS(1));
    size_t before = sent_count;
    now += MILLIS(200);
    send_due();
    assert_in_range(sent_count - before, 10, 11);
    run(SECONDS(1));
    uint32_t ticks = sent[sent_count - 1].p.timestamp - sent[0].p.timestamp;
    assert_int_equal(ticks, (sent_count - 1) * TONE_FRAME_SAMPLES);
    assert_int_equal(sent[sent_count - 1].at - sent[0].at, (usec)(sent_count - 1) * 20000);
}

static void a_long_stall_is_skipped_with_the_clock_kept(void **state)
{
    new_audio();
    s->speaks = true;
    source_set_active(s, true, now);
    run(SECONDS(1));
    size_t before = sent_count;
    now += SECONDS(10);
    send_due();
    assert_true(sent_count - before <= 3); /* no flood */
    run(SECONDS(1));
    const struct sent *last = &sent[sent_count - 1];
    usec media = (usec)(last->p.timestamp - sent[0].p.timestamp) * 1000 / 48;
    assert_in_range(last->at - sent[0].at - media + 1000, 0, 2000);
    assert_int_equal(last->p.seq, (uint16_t)(sent[0].p.seq + sent_count - 1));
}

/* --- sender reports --- */

/* Two reports and the packets lie on one line: what an SFU maps layers to each other by. */
static void reports_agree_with_packets(const struct source *source, uint32_t rate)
{
    struct rtcp_sender_info info;
    assert_true(source_sender_info(source, now, WALL_MINUS_NOW, &info));
    assert_int_equal(info.ssrc, SSRC);
    assert_int_equal(info.ntp, ntp_of(now + WALL_MINUS_NOW));
    assert_int_equal(info.packet_count, sent_count);
    const struct sent *last = &sent[sent_count - 1];
    int64_t ticks = (int32_t)(info.timestamp - last->p.timestamp);
    int64_t expected = (now - last->p.captured_at) * rate / USEC_PER_SEC;
    assert_in_range(ticks - expected + 2, 0, 4);
}

static void sender_reports_are_on_the_line_of_the_packets(void **state)
{
    struct rtcp_sender_info info;
    new_audio();
    s->speaks = true;
    assert_false(source_sender_info(s, now, WALL_MINUS_NOW, &info));
    source_set_active(s, true, now);
    assert_false(source_sender_info(s, now, WALL_MINUS_NOW, &info));
    for (unsigned i = 0; i < 20; i++) {
        run(MILLIS(333));
        reports_agree_with_packets(s, TONE_RATE);
    }
    now += SECONDS(3); /* a stall */
    send_due();
    run(MILLIS(100));
    reports_agree_with_packets(s, TONE_RATE);
    tear_down(NULL);
    sent_count = 0;
    new_video(&large);
    source_set_active(s, true, now);
    for (unsigned i = 0; i < 50; i++) {
        run(MILLIS(37) + 777); /* also amid bursts */
        if (s->packet_count > 0)
            reports_agree_with_packets(s, CLIP_CLOCK_RATE);
    }
}

/* --- pauses --- */

static void a_pause_keeps_the_clock_and_ends_with_a_keyframe(void **state)
{
    for (unsigned length = 0; length < 4; length++) {
        sent_count = 0;
        new_video(&large);
        source_set_active(s, true, now);
        run(SECONDS(1) + MILLIS(1)); /* perhaps amid a frame */
        source_set_active(s, false, now);
        assert_int_equal(source_next_deadline(s), USEC_NEVER);
        size_t before = sent_count;
        now += (usec[]){ 0, MILLIS(5), MILLIS(700), SECONDS(100) }[length];
        send_due();
        assert_int_equal(sent_count, before);
        source_set_active(s, true, now);
        run(MILLIS(500));
        assert_true(sent[before].p.keyframe && sent[before].p.frame_start);
        assert_int_equal(sent[before].p.seq, (uint16_t)(sent[before - 1].p.seq + 1));
        assert_true((int32_t)(sent[before].p.timestamp - sent[before - 1].p.timestamp) >= 0);
        reports_agree_with_packets(s, CLIP_CLOCK_RATE);
        usec wall = sent[before].p.captured_at - sent[0].p.captured_at;
        usec media = (usec)(sent[before].p.timestamp - sent[0].p.timestamp) * 1000 / 90;
        assert_in_range(wall - media + 1000, 0, 2000);
        tear_down(NULL);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_voice_is_a_frame_each_20_ms),
        TEST(who_is_quiet_sends_comfort_noise_now_and_then),
        TEST(a_talkspurt_begins_at_once_and_with_a_marker),
        TEST(a_clip_plays_at_its_own_speed_and_loops),
        TEST(a_large_frame_leaves_in_bursts),
        TEST(a_keyframe_request_restarts_the_clip),
        TEST(keyframes_have_a_distance),
        TEST(rtx_repeats_the_same_bytes),
        TEST(what_was_not_sent_cannot_be_repeated),
        TEST(a_short_stall_is_caught_up),
        TEST(a_long_stall_is_skipped_with_the_clock_kept),
        TEST(sender_reports_are_on_the_line_of_the_packets),
        TEST(a_pause_keeps_the_clock_and_ends_with_a_keyframe),
    };
    return cmocka_run_group_tests(tests, make, unmake);
}
