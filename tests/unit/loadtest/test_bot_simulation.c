/* Whole bots against the real media core of sfud and a scripted signaling server, on a virtual
 * clock: joined in memory, nothing else of the OS. What a healthy cluster looks like, and how bots
 * notice that it is not.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim_case.h"

#include <stdio.h>
#include <stdlib.h>

/* --- everything is right --- */

static void everybody_joins_hears_and_sees(void **state)
{
    sim_init(&sim, meeting, 1);
    sim_start(&sim);
    sim_run(&sim, SECONDS(5));
    assert_all(BOT_CONNECTED);
    const struct measure *m = sim.measure;
    assert_int_equal(m->join_started, 3);
    assert_int_equal(m->join_done, 3);
    assert_int_equal(m->join_failed, 0);
    for (enum join_stage stage = STAGE_TOKEN; stage <= STAGE_FIRST_KEYFRAME; stage++) {
        bool is_tls = stage == STAGE_TLS; /* may be left out of a plain connection */
        assert_in_range(m->stages[stage].count, is_tls ? 0 : 3, 3);
    }
    assert_int_equal(m->stages[STAGE_TOKEN].max, 2 * SIM_DELAY);
    assert_int_equal(m->stages[STAGE_WEBSOCKET].max, 2 * SIM_DELAY);
    assert_int_equal(m->stages[STAGE_JOIN].max, 2 * SIM_DELAY);
    assert_int_equal(m->stages[STAGE_ICE].max, 2 * SIM_DELAY);
    assert_int_equal(sim.server.publishes, 6);
    assert_no_signal_errors();
    measure_for(SECONDS(10));
    assert_pairs(MEDIA_AUDIO, 6);
    assert_pairs(MEDIA_VIDEO, 6);
    assert_tones_right(20);
    assert_no_signal_errors();
}

static void a_clean_network_shows_in_every_figure(void **state)
{
    sim_init(&sim, meeting, 2);
    sim_start(&sim);
    sim_run(&sim, SECONDS(5));
    measure_for(SECONDS(10));
    const struct measure *m = sim.measure;
    const struct measure_media *kinds[] = { &m->audio, &m->video };
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        const struct measure_media *mm = kinds[i];
        assert_int_equal(mm->lost_before + mm->reordered + mm->duplicated + mm->recovered, 0);
        assert_int_equal(mm->expected, mm->received_packets);
        assert_int_equal(mm->latency.count, mm->received_packets);
        /* two hops, and the stamp's steps of 4 us; the worker adds no time of its own */
        assert_in_range(mm->latency.min, 2 * SIM_DELAY - 10, 2 * SIM_DELAY + 10);
        assert_in_range(mm->latency.max, 2 * SIM_DELAY - 10, 2 * SIM_DELAY + 10);
        assert_int_equal(mm->gap_count, 0);
        /* six streams of 10 s, all of which was watched */
        assert_in_range(mm->watched_us, SECONDS(59), SECONDS(61));
        assert_true(mm->jitter.count > 40 && mm->jitter.max < 2000);
    }
    assert_in_range(m->audio.received_packets, 6 * 499, 6 * 501);
    assert_in_range(m->audio.sent_packets, 3 * 499, 3 * 501);
    assert_int_equal(m->wrong_audio + m->wrong_video, 0);
    assert_int_equal(m->srtp_authentication + m->srtp_replay + m->malformed, 0);
    assert_int_equal(m->nack_sent + m->nack_received, 0);
    assert_true(m->receiver_reports_sent > 0 && m->transport_cc_sent > 0);
    assert_true(m->transport_cc_received > 0);
    /* 640x360 was asked for: the middle layer, and nothing else */
    uint64_t all = 0;
    for (unsigned a = 0; a < MEASURE_LAYERS_MAX; a++) {
        for (unsigned b = 0; b < MEASURE_LAYERS_MAX; b++)
            all += m->layer_us[a][b];
    }
    assert_int_equal(m->layer_us[1][1], all);
    assert_in_range(all, SECONDS(54), SECONDS(66));
    for (unsigned i = 0; i < sim.bot_count; i++) {
        size_t count;
        (void)bot_interruptions(sim.bots[i].bot, &count);
        assert_int_equal(count, 0);
        assert_int_equal(bot_stream_count(sim.bots[i].bot, MEDIA_VIDEO), 2);
    }
}

/* The first in the room asks for the second's camera, that high. */
static void ask_for_height(unsigned height)
{
    char text[200];
    snprintf(text, sizeof text,
             "{\"op\":\"view\",\"id\":9999,\"video\":[{\"participant\":\"%s\","
             "\"source\":\"camera\",\"width\":1280,\"height\":%u}]}",
             sim.server.members[1].id, height);
    sim_server_on_text(&sim.server, sim.server.members[0].socket, text);
}

static void what_nobody_watches_is_not_sent(void **state)
{
    sim_init(&sim, meeting, 3);
    sim_start(&sim);
    sim_run(&sim, SECONDS(15)); /* 640x360 is watched, of 1280x720 */
    const struct measure *m = sim.measure;
    assert_in_range(m->layers_changed, 3, 9);
    measure_for(SECONDS(10));
    assert_in_range(m->spared_us, SECONDS(29), SECONDS(31)); /* the top layers of three */
    assert_true(m->spared_bytes > m->video.sent_bytes);
    assert_int_equal(m->video.gap_count, 0);
    assert_no_signal_errors();
}

static void a_layer_that_is_watched_again_is_sent_at_once(void **state)
{
    sim_init(&sim, meeting, 4);
    sim_start(&sim);
    sim_run(&sim, SECONDS(15));
    const struct measure *m = sim.measure;
    ask_for_height(720);
    measure_for(SECONDS(3));
    assert_int_equal(m->layers_changed, 1);
    assert_in_range(m->layer_us[1][2], SECONDS(2), SECONDS(4)); /* looked at each second */
    ask_for_height(360);
    measure_for(SECONDS(15));
    assert_int_equal(m->layers_changed, 1);
    assert_true(m->spared_us > 0);
    assert_no_signal_errors();
}

static void every_codec_passes_from_bot_to_bot(void **state)
{
    sim_init(&sim,
             "groups:\n"
             "  people:\n"
             "    bots: 4\n"
             "    video: mixed\n"
             "    layers: [180, 360]\n"
             "    audio-slots: 0\n"
             "    video-slots: 3\n"
             "    watch-size: 320x180\n",
             3);
    sim_start(&sim);
    sim_run(&sim, SECONDS(5));
    assert_all(BOT_CONNECTED);
    measure_for(SECONDS(8));
    assert_pairs(MEDIA_VIDEO, 12);
    const struct measure *m = sim.measure;
    static const enum codec codecs[] = { CODEC_VP8, CODEC_VP9, CODEC_H264, CODEC_AV1 };
    for (size_t i = 0; i < ARRAY_LEN(codecs); i++)
        assert_true(m->codec_packets[codecs[i]] >= 3 * 8 * 15);
    assert_int_equal(m->video.gap_count, 0);
    assert_true(m->layer_us[0][0] > SECONDS(80));
    /* twelve streams of 15 frames a second, each of which could be shown */
    assert_in_range(m->video.received_frames, 12 * 8 * 15 - 12, 12 * 8 * 15 + 12);
}

static void who_takes_turns_is_heard_by_turns(void **state)
{
    sim_init(&sim,
             "groups:\n"
             "  people:\n"
             "    bots: 4\n"
             "    talk: turns\n"
             "    talkers: 1\n"
             "    turn: 4s\n"
             "    audio-slots: 3\n"
             "    video-slots: 0\n"
             "    listen: 100%\n",
             4);
    sim_start(&sim);
    sim_run(&sim, SECONDS(5));
    measure_for(SECONDS(20));
    assert_pairs(MEDIA_AUDIO, 12); /* after five turns everybody has spoken to everybody */
    assert_tones_right(20);
    assert_int_equal(sim.measure->audio.gap_count, 0); /* pauses are none */
}

static void who_is_muted_is_not_expected(void **state)
{
    sim_init(&sim,
             "groups:\n"
             "  muted:\n"
             "    bots: 2\n"
             "    talk: muted\n"
             "    audio-slots: 2\n"
             "    video-slots: 0\n"
             "  listeners:\n"
             "    bots: 1\n"
             "    audio-slots: 2\n"
             "    video-slots: 0\n",
             5);
    sim_start(&sim);
    sim_run(&sim, SECONDS(3));
    assert_all(BOT_CONNECTED);
    assert_int_equal(sim.server.publishes, 2);
    measure_for(SECONDS(5));
    assert_pairs(MEDIA_AUDIO, 0);
    assert_int_equal(sim.measure->audio.received_packets, 0);
}

static void pages_of_cameras_are_scrolled(void **state)
{
    sim_init(&sim,
             "groups:\n"
             "  people:\n"
             "    bots: 5\n"
             "    video: vp8\n"
             "    layers: [180]\n"
             "    audio-slots: 0\n"
             "    video-slots: 2\n"
             "    watch: 2\n"
             "    watch-size: 320x180\n"
             "    scroll: 4s\n",
             6);
    sim_start(&sim);
    sim_run(&sim, SECONDS(5));
    measure_for(SECONDS(16));
    struct sim_pairs p = sim_pairs(&sim, MEDIA_VIDEO);
    assert_int_equal(p.expected, 20); /* everybody has been on a page */
    assert_int_equal(p.seen, 20);
    assert_int_equal(p.unexpected, 0);
    assert_true(sim.measure->switch_ms.count >= 5 * 2 * 3);
    assert_true(sim.measure->switch_ms.max < 1000); /* others ask for keyframes, too */
    assert_int_equal(sim.measure->wrong_video, 0);
}

static void dependency_descriptors_say_where_keyframes_begin(void **state)
{
    sim_init(&sim,
             "groups:\n"
             "  people:\n"
             "    bots: 2\n"
             "    video: vp9\n"
             "    layers: [180, 360]\n"
             "    dependency-descriptor: true\n"
             "    audio-slots: 0\n"
             "    video-slots: 1\n"
             "    watch-size: 640x360\n",
             17);
    sim_start(&sim);
    sim_run(&sim, SECONDS(5));
    assert_all(BOT_CONNECTED);
    assert_true(sim.measure->codec_keyframes[CODEC_VP9] >= 2);
    measure_for(SECONDS(6));
    assert_pairs(MEDIA_VIDEO, 2);
    assert_int_equal(sim.measure->video.gap_count, 0);
}

static void what_is_received_is_recorded(void **state)
{
    sim_init(&sim,
             "groups:\n"
             "  people:\n"
             "    bots: 2\n"
             "    talk: always\n"
             "    video: vp8\n"
             "    layers: [180]\n"
             "    audio-slots: 1\n"
             "    video-slots: 1\n"
             "    record: /rec\n",
             18);
    sim_start(&sim);
    sim_run(&sim, SECONDS(8));
    sim_leave(&sim, 0);
    sim_leave(&sim, 1);
    assert_int_equal(sim.file_count, 4);
    for (size_t i = 0; i < sim.file_count; i++) {
        bool is_video = strstr(sim.files[i].path, ".ivf") != NULL;
        assert_memory_equal(sim.files[i].path, "/rec/", 5);
        assert_memory_equal(sim.files[i].start, is_video ? "DKIF" : "OggS", 4);
        assert_true(sim.files[i].len > 10000);
    }
}

/* --- what is wrong is noticed --- */

static void a_stream_of_somebody_else_is_noticed(void **state)
{
    sim_init(&sim, meeting, 80);
    sim.server.lies = true;
    sim_start(&sim);
    sim_run(&sim, SECONDS(5));
    assert_all(BOT_CONNECTED);
    measure_for(SECONDS(6));
    struct sim_pairs audio = sim_pairs(&sim, MEDIA_AUDIO), video = sim_pairs(&sim, MEDIA_VIDEO);
    assert_int_equal(audio.expected, 6);
    assert_int_equal(audio.seen + audio.verified, 0);
    assert_int_equal(video.expected, 6);
    assert_int_equal(video.seen, 0);
    assert_true(audio.unexpected > 20 && video.unexpected > 20);
    assert_int_equal(sim.measure->wrong_audio, sim.measure->audio.received_packets);
    assert_int_equal(sim.measure->wrong_video, sim.measure->video.received_packets);
    assert_int_equal(sim.measure->tones_right, 0);
}

static void a_stream_that_never_flows_is_noticed(void **state)
{
    sim_init(&sim, meeting, 81);
    sim.server.forgets = true;
    sim_start(&sim);
    sim_run(&sim, SECONDS(5));
    assert_all(BOT_CONNECTED);
    measure_for(SECONDS(6));
    struct sim_pairs audio = sim_pairs(&sim, MEDIA_AUDIO), video = sim_pairs(&sim, MEDIA_VIDEO);
    assert_true(audio.expected == 6 && audio.seen == 0 && audio.verified == 0);
    assert_true(video.expected == 6 && video.seen == 0);
}

static void a_wrong_tone_is_noticed(void **state)
{
    sim_init(&sim, voices, 82);
    sim_start(&sim);
    sim_run(&sim, SECONDS(4));
    sim.bots[0].bot->legs[0]->sources[0]->tone = 9;
    measure_for(SECONDS(5));
    unsigned speaker, hz;
    assert_false(bot_mistoned(sim.bots[0].bot, &speaker, &hz));
    assert_true(bot_mistoned(sim.bots[1].bot, &speaker, &hz));
    assert_int_equal(speaker, 0);
    assert_int_equal(hz, tone_hz(9));
    assert_true(sim.measure->tones_wrong > 0 && sim.measure->tones_right > 0);
    struct sim_pairs p = sim_pairs(&sim, MEDIA_AUDIO);
    assert_true(p.expected == 2 && p.seen == 2 && p.verified == 1);
}

static void a_voice_that_falls_silent_is_noticed(void **state)
{
    sim_init(&sim, voices, 83);
    sim_start(&sim);
    sim_run(&sim, SECONDS(4));
    sim_begin_plateau(&sim);
    memset(sim.measure, 0, sizeof *sim.measure);
    usec from = sim.now;
    leg_set_sending(sim.bots[0].bot->legs[0], false, sim.now);
    sim_run(&sim, SECONDS(2));
    leg_set_sending(sim.bots[0].bot->legs[0], true, sim.now);
    sim_run(&sim, SECONDS(2));
    sim_end_plateau(&sim);
    size_t count;
    const struct interruption *i = bot_interruptions(sim.bots[1].bot, &count);
    assert_int_equal(count, 1);
    assert_int_equal(i->publisher, 0);
    assert_in_range(i->from, from - MILLIS(20), from + 2 * SIM_DELAY);
    assert_in_range(i->to - i->from, SECONDS(2), SECONDS(2) + MILLIS(45));
    assert_int_equal(sim.measure->audio.gap_count, 1);
    (void)bot_interruptions(sim.bots[0].bot, &count);
    assert_int_equal(count, 0);
}

/* --- the same again --- */

static void play_everything(uint64_t seed, struct measure *ret)
{
    sim_init(&sim, churn, seed);
    sim_start(&sim);
    sim_run(&sim, SECONDS(2));
    sim_begin_plateau(&sim);
    sim.lose_down = 20;
    sim.lose_up = 10;
    sim_run(&sim, SECONDS(4));
    if (sim.bots[0].socket != 0)
        sim_cut(&sim, 0);
    sim_run(&sim, SECONDS(4));
    sim_end_plateau(&sim);
    *ret = *sim.measure;
}

static void the_same_seed_is_the_same_run(void **state)
{
    struct measure *runs = calloc(3, sizeof *runs);
    assert_non_null(runs);
    uint64_t datagrams[2], parcels[2];
    for (unsigned i = 0; i < 2; i++) {
        play_everything(60, &runs[i]);
        datagrams[i] = sim.datagrams_up + sim.datagrams_down;
        parcels[i] = sim.order;
        sim_done(&sim);
    }
    play_everything(61, &runs[2]);
    assert_memory_equal(&runs[0], &runs[1], sizeof runs[0]);
    assert_int_equal(datagrams[0], datagrams[1]);
    assert_int_equal(parcels[0], parcels[1]);
    assert_true(runs[0].video.lost_before > 0 && runs[0].video.recovered > 0);
    assert_true(memcmp(&runs[0], &runs[2], sizeof runs[0]) != 0);
    free(runs);
}

#define TEST(f) cmocka_unit_test_teardown(f, sim_case_done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(everybody_joins_hears_and_sees),
        TEST(a_clean_network_shows_in_every_figure),
        TEST(what_nobody_watches_is_not_sent),
        TEST(a_layer_that_is_watched_again_is_sent_at_once),
        TEST(every_codec_passes_from_bot_to_bot),
        TEST(who_takes_turns_is_heard_by_turns),
        TEST(who_is_muted_is_not_expected),
        TEST(pages_of_cameras_are_scrolled),
        TEST(dependency_descriptors_say_where_keyframes_begin),
        TEST(what_is_received_is_recorded),
        TEST(a_stream_of_somebody_else_is_noticed),
        TEST(a_stream_that_never_flows_is_noticed),
        TEST(a_wrong_tone_is_noticed),
        TEST(a_voice_that_falls_silent_is_noticed),
        TEST(the_same_seed_is_the_same_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
