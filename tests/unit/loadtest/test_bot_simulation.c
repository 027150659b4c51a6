/* Whole bots against the real media core of sfud and a scripted signaling server, on a virtual
 * clock: joined in memory, nothing else of the OS.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/bot_private.h"
#include "sim_world.h"

#include <stdio.h>
#include <stdlib.h>

/* Three who always talk and show, and see and hear each other. */
static const char meeting[] = "groups:\n"
                              "  people:\n"
                              "    bots: 3\n"
                              "    talk: always\n"
                              "    video: vp8\n"
                              "    layers: [180, 360, 720]\n"
                              "    audio-slots: 4\n"
                              "    video-slots: 3\n"
                              "    watch-size: 640x360\n"
                              "    listen: 100%\n";
/* Two who talk, nothing to see. */
static const char voices[] = "groups:\n"
                             "  people:\n"
                             "    bots: 2\n"
                             "    talk: always\n"
                             "    audio-slots: 2\n"
                             "    video-slots: 0\n"
                             "    listen: 100%\n";
static const char alone[] = "groups:\n"
                            "  people:\n"
                            "    bots: 1\n"
                            "    talk: always\n"
                            "    audio-slots: 1\n"
                            "    video-slots: 0\n";

static struct sim sim;

static int tear_down(void **state)
{
    sim_done(&sim);
    return 0;
}

static void assert_all(enum bot_state state)
{
    for (unsigned i = 0; i < sim.bot_count; i++) {
        const struct bot_failure *f = bot_failure(sim.bots[i].bot);
        if (bot_state(sim.bots[i].bot) != state)
            print_message("%s: %s: %s\n", bot_name(sim.bots[i].bot), f->error, f->message);
        assert_int_equal(bot_state(sim.bots[i].bot), state);
    }
}

static void assert_no_signal_errors(void)
{
    for (size_t i = 0; i < MEASURE_SIGNAL_ERRORS_MAX; i++) {
        if (sim.measure->signal_errors[i].count > 0)
            print_message("signal error: %s\n", sim.measure->signal_errors[i].error);
        assert_int_equal(sim.measure->signal_errors[i].count, 0);
    }
}

static void assert_pairs(enum media_kind kind, unsigned count)
{
    struct sim_pairs p = sim_pairs(&sim, kind);
    assert_int_equal(p.expected, count);
    assert_int_equal(p.seen, count);
    assert_int_equal(p.verified, count);
    assert_int_equal(p.unexpected, 0);
}

static void assert_tones_right(uint64_t at_least)
{
    unsigned speaker, hz;
    for (unsigned i = 0; i < sim.bot_count; i++)
        assert_false(bot_mistoned(sim.bots[i].bot, &speaker, &hz));
    assert_true(sim.measure->tones_right >= at_least);
    assert_int_equal(sim.measure->tones_right, sim.measure->tones_checked);
}

/* The plateau of a run that has settled. */
static void measure_for(usec duration)
{
    sim_begin_plateau(&sim);
    memset(sim.measure, 0, sizeof *sim.measure);
    sim_run(&sim, duration);
    sim_end_plateau(&sim);
}

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

/* --- a bad network --- */

static void what_is_lost_on_the_way_down_comes_back_by_rtx(void **state)
{
    sim_init(&sim, meeting, 7);
    sim_start(&sim);
    sim_run(&sim, SECONDS(5));
    sim.lose_down = 30;
    measure_for(SECONDS(10));
    const struct measure *m = sim.measure;
    assert_true(m->video.lost_before > m->video.expected * 2 / 100);
    assert_true(m->video.lost_before < m->video.expected * 4 / 100);
    assert_true(m->nack_sent > 0);
    assert_true(m->video.recovered <= m->video.lost_before);
    assert_true(m->video.recovered > m->video.lost_before * 9 / 10);
    assert_true(m->audio.lost_before > m->audio.expected * 2 / 100);
    assert_int_equal(m->audio.recovered, 0);
    assert_pairs(MEDIA_VIDEO, 6);
    assert_pairs(MEDIA_AUDIO, 6);
}

static void what_is_lost_on_the_way_up_is_asked_for_by_the_server(void **state)
{
    sim_init(&sim, meeting, 8);
    sim_start(&sim);
    sim_run(&sim, SECONDS(5));
    sim.lose_up = 30;
    measure_for(SECONDS(10));
    const struct measure *m = sim.measure;
    assert_true(m->nack_received > 50);
    assert_true(m->video.rtx_sent > m->video.sent_packets * 2 / 100);
    /* the server repairs before it forwards: viewers lose little */
    assert_true(m->video.lost_before - MIN(m->video.lost_before, m->video.recovered) <
                m->video.expected / 100);
    assert_pairs(MEDIA_VIDEO, 6);
}

static void a_keyframe_lost_for_good_is_asked_for_and_sent(void **state)
{
    sim_init(&sim, meeting, 9);
    sim_start(&sim);
    sim_run(&sim, SECONDS(5));
    sim_begin_plateau(&sim);
    memset(sim.measure, 0, sizeof *sim.measure);
    for (unsigned i = 0; i < sim.bot_count; i++)
        sim.bots[i].deaf = i == 0;
    sim_run(&sim, SECONDS(8)); /* more than RTX remembers */
    sim.bots[0].deaf = false;
    sim_run(&sim, SECONDS(5));
    const struct measure *m = sim.measure;
    assert_true(m->pli_sent > 0);
    assert_true(m->pli_received + m->fir_received > 0);
    assert_true(m->keyframes_received > 0);
    assert_true(m->video.gap_count >= 2 && m->video.gap_us > SECONDS(16));
    size_t count;
    const struct interruption *i = bot_interruptions(sim.bots[0].bot, &count);
    assert_true(count >= 4); /* two voices, two cameras */
    for (size_t k = 0; k < count; k++) {
        assert_true(i[k].to != USEC_NEVER);
        assert_in_range(i[k].to - i[k].from, SECONDS(8) - 50000, SECONDS(9));
    }
    assert_all(BOT_CONNECTED);
    sim_end_plateau(&sim);
}

/* --- signaling breaks --- */

static void a_cut_socket_is_resumed_and_media_goes_on(void **state)
{
    sim_init(&sim, meeting, 10);
    sim_start(&sim);
    sim_run(&sim, SECONDS(5));
    sim_begin_plateau(&sim);
    memset(sim.measure, 0, sizeof *sim.measure);
    sim_cut(&sim, 1);
    assert_int_equal(bot_state(sim.bots[1].bot), BOT_RESUMING);
    sim_run(&sim, SECONDS(8));
    sim_end_plateau(&sim);
    assert_all(BOT_CONNECTED);
    size_t count;
    const struct outage *o = bot_outages(sim.bots[1].bot, &count);
    assert_int_equal(count, 1);
    assert_true(o->resumed && o->to - o->from < SECONDS(1));
    assert_string_equal(o->server, "signald-1");
    assert_int_equal(sim.server.resumes, 1);
    assert_int_equal(sim.server.joins, 3);
    assert_int_equal(sim.measure->join_started, 0);
    const struct measure *m = sim.measure;
    assert_int_equal(m->audio.gap_count + m->video.gap_count, 0);
    assert_int_equal(m->audio.lost_before + m->video.lost_before, 0);
    (void)bot_interruptions(sim.bots[1].bot, &count);
    assert_int_equal(count, 0);
    assert_pairs(MEDIA_VIDEO, 6);
    assert_no_signal_errors();
}

static void a_refused_resume_is_a_join_anew(void **state)
{
    sim_init(&sim, voices, 11);
    sim_start(&sim);
    sim_run(&sim, SECONDS(4));
    sim_begin_plateau(&sim);
    snprintf(sim.server.refuse_resume, sizeof sim.server.refuse_resume, "resume-expired");
    sim_cut(&sim, 0);
    sim_run(&sim, SECONDS(3));
    assert_all(BOT_CONNECTED);
    size_t count;
    const struct outage *o = bot_outages(sim.bots[0].bot, &count);
    assert_int_equal(count, 1);
    assert_false(o->resumed);
    assert_true(o->to - o->from < SECONDS(2));
    assert_int_equal(sim.server.joins, 3);
    assert_int_equal(sim.measure->join_done, 2); /* the first time each */
    sim_run(&sim, SECONDS(6));
    assert_pairs(MEDIA_AUDIO, 2);
}

static void a_server_that_stays_away_is_tried_until_the_window_is_over_and_then_joined(void **state)
{
    sim_init(&sim, voices, 12);
    sim_start(&sim);
    sim_run(&sim, SECONDS(4));
    sim_cut(&sim, 0); /* a short one, before the measuring */
    sim_run(&sim, SECONDS(1));
    sim.refuse_open = "refused";
    usec cut = sim.now;
    sim_cut(&sim, 0);
    sim_run(&sim, SECONDS(29));
    assert_int_equal(bot_state(sim.bots[0].bot), BOT_RESUMING);
    assert_in_range(sim.socket_count, 3 + 5, 3 + 25); /* it neither sleeps nor storms */
    sim_begin_plateau(&sim);                          /* what is still on goes with it */
    sim_run(&sim, SECONDS(15));
    assert_int_equal(bot_state(sim.bots[0].bot), BOT_JOINING);
    sim.refuse_open = NULL;
    sim_run(&sim, SECONDS(10));
    assert_all(BOT_CONNECTED);
    size_t count;
    const struct outage *o = bot_outages(sim.bots[0].bot, &count);
    assert_int_equal(count, 1);
    assert_true(o->from == cut && o->to > cut + SECONDS(44) && !o->resumed);
}

static void an_unanswered_resume_is_given_up(void **state)
{
    sim_init(&sim, voices, 13);
    sim_start(&sim);
    sim_run(&sim, SECONDS(4));
    sim.server.silent = true;
    sim_cut(&sim, 0);
    sim_run(&sim, SECONDS(17));
    assert_int_equal(bot_state(sim.bots[0].bot), BOT_JOINING);
    sim.server.silent = false;
    sim_run(&sim, SECONDS(30));
    assert_all(BOT_CONNECTED);
}

static void a_storm_of_rejoins_ends_with_everybody_there(void **state)
{
    sim_init(&sim, voices, 14);
    sim_start(&sim);
    sim_run(&sim, SECONDS(4));
    for (unsigned i = 0; i < sim.bot_count; i++)
        sim_rejoin(&sim, i);
    sim_run(&sim, SECONDS(2));
    assert_all(BOT_CONNECTED);
    assert_int_equal(sim.server.leaves, 2);
    assert_int_equal(sim.server.joins, 4);
    assert_int_equal(sim.server.member_count, 2);
    sim_run(&sim, SECONDS(3));
    measure_for(SECONDS(5));
    assert_pairs(MEDIA_AUDIO, 2);
}

/* --- media breaks --- */

static void a_bot_whose_media_dies_joins_again(void **state)
{
    sim_init(&sim, voices, 15);
    sim_start(&sim);
    sim_run(&sim, SECONDS(4));
    sim_begin_plateau(&sim);
    sim.bots[0].deaf = true;
    sim_run(&sim, SECONDS(40)); /* ICE consent expires after 30 s, or the server says it is gone */
    assert_int_equal(bot_state(sim.bots[0].bot), BOT_JOINING);
    assert_int_equal(bot_state(sim.bots[1].bot), BOT_CONNECTED);
    sim.bots[0].deaf = false;
    sim_run(&sim, SECONDS(40)); /* the former participant is forgotten meanwhile */
    assert_all(BOT_CONNECTED);
    size_t count;
    const struct interruption *i = bot_interruptions(sim.bots[1].bot, &count);
    assert_true(count > 0);
    assert_int_equal(i->publisher, 0);
    assert_int_equal(i->kind, MEDIA_AUDIO);
    measure_for(SECONDS(5));
    assert_pairs(MEDIA_AUDIO, 2);
}

static void a_server_that_says_media_failed_is_joined_again(void **state)
{
    sim_init(&sim, voices, 16);
    sim_start(&sim);
    sim_run(&sim, SECONDS(4));
    const struct sim_member *m = sim_server_named(&sim.server, bot_name(sim.bots[0].bot));
    sim.server.now = sim.now;
    sim_server_on_media(&sim.server, m->id, "failed");
    sim_run(&sim, SECONDS(3));
    assert_all(BOT_CONNECTED);
    assert_int_equal(sim.server.joins, 3);
    assert_string_equal(bot_failure(sim.bots[0].bot)->error, "media-failed");
}

static void a_transport_that_the_server_drops_is_joined_again_at_once(void **state)
{
    sim_init(&sim, voices, 19);
    sim_start(&sim);
    sim_run(&sim, SECONDS(4));
    const struct sim_member *m = sim_server_named(&sim.server, bot_name(sim.bots[0].bot));
    sim_node_leave(sim.node, m->room, m->id, sim.now);
    sim_run(&sim, SECONDS(2));
    assert_all(BOT_CONNECTED);
    assert_string_equal(bot_failure(sim.bots[0].bot)->error, "dtls-closed");
    assert_int_equal(sim.server.joins, 3);
}

static void consent_that_is_not_renewed_is_noticed_without_signaling(void **state)
{
    sim_init(&sim, alone, 18);
    sim_start(&sim);
    sim_run(&sim, SECONDS(4));
    sim.server.silent = true;
    sim.bots[0].deaf = true;
    sim_run(&sim, SECONDS(23));
    assert_int_equal(bot_state(sim.bots[0].bot), BOT_CONNECTED);
    sim_run(&sim, SECONDS(15));
    assert_int_equal(bot_state(sim.bots[0].bot), BOT_JOINING);
    assert_true(sim.measure->join_started >= 2);
    sim.server.silent = sim.bots[0].deaf = false;
    sim_run(&sim, SECONDS(30));
    assert_all(BOT_CONNECTED);
}

/* --- joins that fail --- */

static void assert_failed(const char *error, enum join_stage stage)
{
    const struct bot_failure *f = bot_failure(sim.bots[0].bot);
    assert_int_equal(bot_state(sim.bots[0].bot), BOT_FAILED);
    assert_string_equal(f->error, error);
    assert_int_equal(f->stage, stage);
    assert_true(f->message[0] != '\0');
    assert_int_equal(sim.measure->join_failed, 1);
    assert_int_equal(sim.measure->join_done, 0);
    assert_int_equal(bot_next_deadline(sim.bots[0].bot), USEC_NEVER);
    assert_int_equal(sim.bots[0].socket, 0); /* nothing stays open */
    assert_int_equal(sim.bots[0].ports[0], 0);
}

static void every_refusal_of_a_join_is_a_failure_with_its_name(void **state)
{
    static const char *const errors[] = { "bad-token",     "token-expired", "bad-room-name",
                                          "bad-name",      "bad-sdp",       "forbidden",
                                          "room-full",     "no-node",       "node-timeout",
                                          "unavailable",   "internal",      "rate-limited",
                                          "already-joined" };
    for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
        sim_init(&sim, alone, 20 + i);
        snprintf(sim.server.refuse_join, sizeof sim.server.refuse_join, "%s", errors[i]);
        sim_start(&sim);
        sim_run(&sim, SECONDS(1));
        assert_failed(errors[i], STAGE_JOIN);
        assert_string_equal(sim.measure->signal_errors[0].error, errors[i]);
        if (i + 1 < ARRAY_LEN(errors))
            sim_done(&sim);
    }
}

static void a_refused_token_is_a_failure_of_that_stage(void **state)
{
    static const struct {
        int status;
        const char *body, *error;
    } cases[] = { { 401, "{\"error\":\"bad-password\"}", "bad-password" },
                  { 429, "{\"error\":\"rate-limited\",\"message\":\"wait\"}", "rate-limited" },
                  { 404, "<html>", "http-404" },
                  { 500, "", "http-500" },
                  { 0, "", "refused" },
                  { 200, "{}", "bad-token-answer" },
                  { 200, "nonsense", "bad-token-answer" },
                  { 200, "{\"access_token\":7}", "bad-token-answer" } };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        sim_init(&sim, alone, 30 + i);
        sim.token_status = cases[i].status;
        sim.token_body = cases[i].body;
        sim_start(&sim);
        sim_run(&sim, SECONDS(1));
        assert_failed(cases[i].error, STAGE_TOKEN);
        assert_int_equal(sim.socket_count, 0);
        if (i + 1 < ARRAY_LEN(cases))
            sim_done(&sim);
    }
}

static void a_refused_socket_is_a_failure_of_that_stage(void **state)
{
    sim_init(&sim, alone, 40);
    sim.refuse_open = "refused";
    sim_start(&sim);
    sim_run(&sim, SECONDS(1));
    assert_failed("refused", STAGE_TCP);
}

static void a_server_that_never_answers_the_join_is_given_up(void **state)
{
    sim_init(&sim, alone, 41);
    sim.server.silent = true;
    sim_start(&sim);
    sim_run(&sim, SECONDS(14));
    assert_int_equal(bot_state(sim.bots[0].bot), BOT_JOINING);
    sim_run(&sim, SECONDS(2));
    assert_failed("no-answer", STAGE_JOIN);
}

static void an_answer_to_something_else_is_no_join(void **state)
{
    sim_init(&sim, alone, 46);
    sim.server.odd = true;
    sim_start(&sim);
    sim_run(&sim, SECONDS(1));
    assert_failed("bad-answer", STAGE_JOIN);
}

static void a_websocket_that_never_opens_is_given_up(void **state)
{
    sim_init(&sim, alone, 42);
    sim.never_open = true;
    sim_start(&sim);
    sim_run(&sim, SECONDS(21));
    assert_failed("timeout", STAGE_TLS);
    assert_non_null(strstr(bot_failure(sim.bots[0].bot)->message, "20000 ms"));
}

static void an_unreachable_media_port_is_named(void **state)
{
    sim_init(&sim, alone, 43);
    sim.bots[0].deaf = true;
    sim_start(&sim);
    sim_run(&sim, SECONDS(12));
    assert_failed("no-answer", STAGE_ICE);
    assert_non_null(strstr(bot_failure(sim.bots[0].bot)->message, "198.51.100.1:40000"));
}

static void dtls_that_does_not_pass_is_given_up(void **state)
{
    sim_init(&sim, alone, 44);
    sim.no_dtls = true;
    sim_start(&sim);
    sim_run(&sim, SECONDS(21));
    assert_failed("timeout", STAGE_DTLS);
}

/* The server gives a transport up before the bot does. It was never in the room: it does not fight
 * on for ever. */
static void media_that_fails_during_the_first_join_is_a_failed_join(void **state)
{
    sim_init(&sim, alone, 45);
    sim.bots[0].deaf = true;
    sim_start(&sim);
    sim_run(&sim, SECONDS(1));
    sim.server.now = sim.now;
    sim_server_on_media(&sim.server, sim.server.members[0].id, "failed");
    sim_run(&sim, SECONDS(1));
    assert_failed("media-failed", STAGE_ICE);
}

/* --- coming and going --- */

static void a_bot_that_leaves_says_so_and_is_quiet(void **state)
{
    sim_init(&sim, voices, 50);
    sim_start(&sim);
    sim_run(&sim, SECONDS(4));
    sim_leave(&sim, 0);
    assert_int_equal(bot_state(sim.bots[0].bot), BOT_LEFT);
    assert_int_equal(bot_next_deadline(sim.bots[0].bot), USEC_NEVER);
    assert_int_equal(sim.bots[0].socket, 0);
    assert_int_equal(sim.bots[0].ports[0], 0);
    sim_run(&sim, SECONDS(1));
    assert_int_equal(sim.server.leaves, 1);
    assert_int_equal(sim.server.member_count, 1);
    assert_int_equal(bot_state(sim.bots[1].bot), BOT_CONNECTED);
    assert_int_equal(sim.measure->srtp_authentication, 0);
    sim_leave(&sim, 0); /* again: nothing */
    sim_leave(&sim, 1);
    sim_run(&sim, SECONDS(1));
    assert_int_equal(sim.server.leaves, 2);
    assert_int_equal(sim.server.member_count, 0);
}

static const char churn[] = "groups:\n"
                            "  staying:\n"
                            "    bots: 2\n"
                            "    talk: always\n"
                            "    video: vp8\n"
                            "    layers: [180, 360]\n"
                            "    audio-slots: 4\n"
                            "    video-slots: 4\n"
                            "    watch-size: 640x360\n"
                            "    listen: 50%\n"
                            "  coming:\n"
                            "    bots: 3\n"
                            "    talk: always\n"
                            "    video: vp8\n"
                            "    layers: [180]\n"
                            "    audio-slots: 4\n"
                            "    video-slots: 4\n"
                            "    watch-size: 640x360\n"
                            "    stay: 4s\n"
                            "    away: 1s\n";

static void who_comes_and_goes_joins_again_and_again(void **state)
{
    sim_init(&sim, churn, 51);
    sim_start(&sim);
    sim_run(&sim, SECONDS(5));
    measure_for(SECONDS(30));
    assert_true(sim.server.leaves > 6);
    assert_true(sim.server.joins >= sim.server.leaves + 2);
    assert_int_equal(sim.measure->join_failed, 0);
    assert_no_signal_errors();
    struct sim_pairs audio = sim_pairs(&sim, MEDIA_AUDIO), video = sim_pairs(&sim, MEDIA_VIDEO);
    assert_true(audio.expected >= 2 && audio.seen == audio.expected);
    assert_true(video.expected >= 2 && video.seen == video.expected);
    assert_int_equal(audio.unexpected + video.unexpected, 0);
    assert_int_equal(sim.measure->wrong_audio + sim.measure->wrong_video, 0);
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

#define TEST(f) cmocka_unit_test_teardown(f, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(everybody_joins_hears_and_sees),
        TEST(a_clean_network_shows_in_every_figure),
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
        TEST(what_is_lost_on_the_way_down_comes_back_by_rtx),
        TEST(what_is_lost_on_the_way_up_is_asked_for_by_the_server),
        TEST(a_keyframe_lost_for_good_is_asked_for_and_sent),
        TEST(a_cut_socket_is_resumed_and_media_goes_on),
        TEST(a_refused_resume_is_a_join_anew),
        TEST(a_server_that_stays_away_is_tried_until_the_window_is_over_and_then_joined),
        TEST(an_unanswered_resume_is_given_up),
        TEST(a_storm_of_rejoins_ends_with_everybody_there),
        TEST(a_bot_whose_media_dies_joins_again),
        TEST(a_server_that_says_media_failed_is_joined_again),
        TEST(a_transport_that_the_server_drops_is_joined_again_at_once),
        TEST(consent_that_is_not_renewed_is_noticed_without_signaling),
        TEST(every_refusal_of_a_join_is_a_failure_with_its_name),
        TEST(a_refused_token_is_a_failure_of_that_stage),
        TEST(a_refused_socket_is_a_failure_of_that_stage),
        TEST(a_server_that_never_answers_the_join_is_given_up),
        TEST(an_answer_to_something_else_is_no_join),
        TEST(a_websocket_that_never_opens_is_given_up),
        TEST(an_unreachable_media_port_is_named),
        TEST(dtls_that_does_not_pass_is_given_up),
        TEST(media_that_fails_during_the_first_join_is_a_failed_join),
        TEST(a_bot_that_leaves_says_so_and_is_quiet),
        TEST(who_comes_and_goes_joins_again_and_again),
        TEST(the_same_seed_is_the_same_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
