/* Redundant audio: how much of it, and what viewers of either kind get.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "call.h"

#include "core/worker_state.h"
#include "rtc/red.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

/* --- how much --- */

static usec tell_for(struct redundancy *r, unsigned permille, usec from, usec duration)
{
    usec t = from;
    for (; t < from + duration; t += MILLIS(100))
        redundancy_on_loss(r, permille, t);
    return t;
}

static void loss_is_answered_at_once_and_as_much_as_it_needs(void **state)
{
    struct redundancy r = { 0 };
    usec t = tell_for(&r, REDUNDANCY_ON, SECONDS(1), SECONDS(30));
    assert_int_equal(r.depth, 0);
    redundancy_on_loss(&r, REDUNDANCY_ON + 1, t);
    assert_int_equal(r.depth, 1);
    redundancy_on_loss(&r, REDUNDANCY_MORE + 1, t);
    assert_int_equal(r.depth, 2);
}

static void redundancy_ends_step_by_step_when_it_has_been_calm(void **state)
{
    struct redundancy r = { 0 };
    usec t = tell_for(&r, 200, SECONDS(1), SECONDS(1));
    t = tell_for(&r, 0, t, REDUNDANCY_CALM_TIME - MILLIS(200));
    assert_int_equal(r.depth, 2);
    t = tell_for(&r, 0, t, MILLIS(500));
    assert_int_equal(r.depth, 1);
    t = tell_for(&r, 0, t, REDUNDANCY_CALM_TIME + MILLIS(200));
    assert_int_equal(r.depth, 0);
}

static void a_little_loss_keeps_what_there_is(void **state)
{
    struct redundancy r = { 0 };
    usec t = tell_for(&r, 50, SECONDS(1), SECONDS(1));
    for (int i = 0; i < 20; i++) {
        t = tell_for(&r, 0, t, SECONDS(8));
        t = tell_for(&r, REDUNDANCY_OFF, t, MILLIS(100));
    }
    assert_int_equal(r.depth, 1);
}

static void silence_is_not_calm(void **state)
{
    struct redundancy r = { 0 };
    redundancy_on_loss(&r, 50, SECONDS(1));
    redundancy_on_loss(&r, 0, SECONDS(100));
    assert_int_equal(r.depth, 1);
}

/* --- who gets what --- */

enum { AUDIO_SSRC = 9000, OTHER_SSRC = 9100 };

static struct call call;

static struct {
    struct client *a, *b, *c;
    struct stream audio, other; /* of a and c */
} scene;

static int start(void **state)
{
    call_init(&call);
    scene.a = call_join(&call, 0, "p_a", SOURCES_ALL);
    scene.b = call_join(&call, 1, "p_b", SOURCES_ALL);
    scene.c = call_join(&call, 2, "p_c", SOURCES_ALL);
    stream_audio(&scene.audio, scene.a, AUDIO_SSRC);
    stream_audio(&scene.other, scene.c, OTHER_SSRC);
    call_view_nothing(scene.a);
    call_view_nothing(scene.b);
    call_view_nothing(scene.c);
    call_view(scene.b, 0, scene.a, SOURCE_MICROPHONE, 0);
    return 0;
}

static int stop(void **state)
{
    call_done(&call);
    return 0;
}

static uint8_t type_of(const struct client *c, enum codec codec)
{
    const struct transport_params *p = &c->negotiated->params;
    for (unsigned i = 0; i < 128; i++) {
        if (p->formats[i].codec == codec)
            return (uint8_t)i;
    }
    fail();
    return 0;
}

static uint32_t ssrc_of(const struct client *c)
{
    return client_slot_ssrc(c, MEDIA_AUDIO, 0, false);
}

static void speak(struct stream *s, size_t packets)
{
    for (size_t i = 0; i < packets; i++) {
        stream_send_audio(s);
        call_flush(&call);
        call_wait(&call, MILLIS(20));
    }
}

/* The viewer reports that share of 256 lost. */
static void report_loss(struct client *c, uint8_t fraction)
{
    uint8_t packet[128];
    struct writer w = writer_of(packet, sizeof packet);
    struct rtcp_report report = { .ssrc = ssrc_of(c), .fraction_lost = fraction };
    rtcp_write_rr(&w, 1, &report, 1);
    client_send_rtcp(c, bytes_of(packet, writer_len(&w)));
    call_flush(&call);
}

/* The number that stream_send_audio() writes into each payload. */
static uint32_t frame_of(struct bytes payload)
{
    assert_int_equal(payload.len, 60);
    return load_be32(payload.data + 4);
}

/* The packet repeats `repeated` frames before its own. */
static void assert_repeats(const struct client *c, const struct seen *s, size_t repeated)
{
    struct red_packet red;
    assert_int_equal(s->payload_type, type_of(c, CODEC_RED));
    assert_int_equal(red_parse(bytes_of(s->payload, s->len), &red), OK);
    assert_int_equal(red.block_count, repeated + 1);
    uint32_t frame = frame_of(red.blocks[repeated].data);
    for (size_t i = 0; i <= repeated; i++) {
        uint32_t age = (uint32_t)(repeated - i);
        assert_int_equal(red.blocks[i].payload_type, type_of(c, CODEC_OPUS));
        assert_int_equal(red.blocks[i].timestamp_offset, age * 960);
        assert_int_equal(frame_of(red.blocks[i].data), frame - age);
    }
}

static void assert_plain(const struct client *c, const struct seen *s)
{
    assert_int_equal(s->payload_type, type_of(c, CODEC_OPUS));
    (void)frame_of(bytes_of(s->payload, s->len));
}

static void a_viewer_with_loss_gets_what_they_may_have_lost_once_more(void **state)
{
    call_view(scene.c, 0, scene.a, SOURCE_MICROPHONE, 0);
    speak(&scene.audio, 5);
    report_loss(scene.b, 13); /* 5 % */
    speak(&scene.audio, 5);
    report_loss(scene.b, 38); /* 15 % */
    speak(&scene.audio, 5);
    for (size_t i = 0; i < 15; i++) {
        const struct seen *s = client_find(scene.b, ssrc_of(scene.b), i);
        assert_non_null(s);
        if (i < 5)
            assert_plain(scene.b, s);
        else
            assert_repeats(scene.b, s, i < 10 ? 1 : 2);
        assert_plain(scene.c, client_find(scene.c, ssrc_of(scene.c), i)); /* who loses nothing */
    }
    assert_int_equal(client_check_stream(scene.b, ssrc_of(scene.b)), 15);
}

static void after_ten_calm_seconds_for_each_step_it_is_plain_again(void **state)
{
    speak(&scene.audio, 2);
    report_loss(scene.b, 128);
    for (int i = 0; i < 22; i++) {
        speak(&scene.audio, 50);
        report_loss(scene.b, 0);
    }
    speak(&scene.audio, 1);
    size_t count = client_check_stream(scene.b, ssrc_of(scene.b));
    assert_plain(scene.b, client_find(scene.b, ssrc_of(scene.b), count - 1));
    assert_repeats(scene.b, client_find(scene.b, ssrc_of(scene.b), count - 200), 1);
}

static void nothing_is_repeated_over_a_silence(void **state)
{
    speak(&scene.audio, 2);
    report_loss(scene.b, 30);
    speak(&scene.audio, 1);
    scene.audio.timestamp += 48000; /* DTX: the numbers go on */
    speak(&scene.audio, 2);
    assert_repeats(scene.b, client_find(scene.b, ssrc_of(scene.b), 2), 2);
    assert_repeats(scene.b, client_find(scene.b, ssrc_of(scene.b), 3), 0);
    assert_repeats(scene.b, client_find(scene.b, ssrc_of(scene.b), 4), 1);
}

static void another_voice_in_the_slot_begins_without_what_it_said_before(void **state)
{
    call_view(scene.a, 0, scene.c, SOURCE_MICROPHONE, 0); /* its packets are remembered */
    speak(&scene.audio, 2);
    speak(&scene.other, 2);
    report_loss(scene.b, 13);
    call_view(scene.b, 0, scene.c, SOURCE_MICROPHONE, 0);
    speak(&scene.other, 2);
    assert_repeats(scene.b, client_find(scene.b, ssrc_of(scene.b), 2), 0);
    assert_repeats(scene.b, client_find(scene.b, ssrc_of(scene.b), 3), 1);
    assert_int_equal(client_check_stream(scene.b, ssrc_of(scene.b)), 4);
}

/* The viewer's answer has no RED. */
static void forget_red(const struct client *c)
{
    struct transport *t = transport_find(call.worker, "default/test", c->name);
    for (size_t i = 0; i < t->params.media_count; i++) {
        struct media_params *m = transport_media(t, i);
        uint8_t kept = 0;
        for (size_t j = 0; j < m->payload_type_count; j++) {
            if (t->params.formats[m->payload_types[j]].codec != CODEC_RED)
                m->payload_types[kept++] = m->payload_types[j];
        }
        m->payload_type_count = kept;
    }
}

static void a_viewer_with_loss_who_knows_no_red_gets_opus(void **state)
{
    forget_red(scene.b);
    report_loss(scene.b, 50);
    speak(&scene.audio, 3);
    for (size_t i = 0; i < 3; i++)
        assert_plain(scene.b, client_find(scene.b, ssrc_of(scene.b), i));
}

/* A publisher that sends RED, as browsers do: one packet before each. */
static void speak_red(struct stream *s, size_t packets)
{
    struct red_history history = { 0 };
    uint8_t opus = s->payload_type;
    s->payload_type = type_of(s->client, CODEC_RED);
    for (size_t i = 0; i < packets; i++) {
        uint8_t plain[60] = { 0 }, payload[200];
        struct writer w = writer_of(payload, sizeof payload);
        const struct red_order order = { opus, 1, 0 };
        store_be32(plain + 4, s->frame++);
        red_write(&w, &history, s->seq, s->timestamp, &order, bytes_of(plain, sizeof plain));
        red_history_put(&history, s->seq, s->timestamp, bytes_of(plain, sizeof plain));
        stream_send(s, bytes_of(payload, writer_len(&w)), false);
        s->timestamp += 960;
        call_flush(&call);
        call_wait(&call, MILLIS(20));
    }
}

static void red_of_a_publisher_is_passed_on_or_taken_off(void **state)
{
    forget_red(scene.c);
    call_view(scene.c, 0, scene.a, SOURCE_MICROPHONE, 0);
    report_loss(scene.b, 50);
    speak_red(&scene.audio, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_repeats(scene.b, client_find(scene.b, ssrc_of(scene.b), i), i == 0 ? 0 : 1);
        const struct seen *s = client_find(scene.c, ssrc_of(scene.c), i);
        assert_plain(scene.c, s);
        assert_int_equal(frame_of(bytes_of(s->payload, s->len)), i);
    }
    assert_int_equal(client_check_stream(scene.c, ssrc_of(scene.c)), 4);
}

/* The estimate was cut, and nothing is lost: the place is for pictures. With loss RED is back. */
static void red_is_taken_off_where_the_path_is_full(void **state)
{
    struct transport *t = transport_find(call.worker, "default/test", "p_b");
    t->bandwidth.bwe.has_feedback = true;
    t->bandwidth.bwe.cut_at = t->bandwidth.bwe.now;
    speak_red(&scene.audio, 4);
    for (size_t i = 0; i < 4; i++) {
        const struct seen *s = client_find(scene.b, ssrc_of(scene.b), i);
        assert_plain(scene.b, s);
        assert_int_equal(frame_of(bytes_of(s->payload, s->len)), i);
    }
    t->redundancy.depth = 1;
    scene.audio.payload_type = type_of(scene.a, CODEC_OPUS);
    speak_red(&scene.audio, 2);
    assert_repeats(scene.b, client_find(scene.b, ssrc_of(scene.b), 5), 1);
}

static void blocks_are_called_what_the_viewer_calls_them(void **state)
{
    enum { THEIR_OPUS = 109 };
    struct transport *t = transport_find(call.worker, "default/test", "p_b");
    struct format *formats = t->params.formats, *theirs = &scene.b->negotiated->params.formats[0];
    uint8_t opus = type_of(scene.b, CODEC_OPUS), red = type_of(scene.b, CODEC_RED);
    formats[THEIR_OPUS] = theirs[THEIR_OPUS] = formats[opus];
    formats[opus].codec = theirs[opus].codec = CODEC_NONE;
    formats[red].apt = THEIR_OPUS;
    for (size_t i = 0; i < t->params.media_count; i++) {
        for (size_t j = 0; j < transport_media(t, i)->payload_type_count; j++) {
            uint8_t *type = &transport_media(t, i)->payload_types[j];
            *type = *type == opus ? THEIR_OPUS : *type;
        }
    }
    speak_red(&scene.audio, 3);
    assert_repeats(scene.b, client_find(scene.b, ssrc_of(scene.b), 2), 1);
}

static void red_that_is_cut_off_is_dropped(void **state)
{
    scene.audio.payload_type = type_of(scene.a, CODEC_RED);
    stream_send(&scene.audio, bytes_of("\xef\x0f\x00", 3), false);
    call_flush(&call);
    assert_int_equal(client_count(scene.b, ssrc_of(scene.b)), 0);
    assert_int_equal(stats_read(worker_stats(call.worker), STAT_DROP_MALFORMED), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loss_is_answered_at_once_and_as_much_as_it_needs),
        cmocka_unit_test(redundancy_ends_step_by_step_when_it_has_been_calm),
        cmocka_unit_test(a_little_loss_keeps_what_there_is),
        cmocka_unit_test(silence_is_not_calm),
        TEST(a_viewer_with_loss_gets_what_they_may_have_lost_once_more),
        TEST(after_ten_calm_seconds_for_each_step_it_is_plain_again),
        TEST(nothing_is_repeated_over_a_silence),
        TEST(another_voice_in_the_slot_begins_without_what_it_said_before),
        TEST(a_viewer_with_loss_who_knows_no_red_gets_opus),
        TEST(red_of_a_publisher_is_passed_on_or_taken_off),
        TEST(red_is_taken_off_where_the_path_is_full),
        TEST(blocks_are_called_what_the_viewer_calls_them),
        TEST(red_that_is_cut_off_is_dropped),
    };
    (void)srtp_init();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)srtp_shutdown();
    return failed;
}
