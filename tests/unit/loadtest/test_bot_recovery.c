/* Whole bots in simulation: bad networks, lost sockets, lost media, coming and going.
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
    size_t long_count = 0;
    for (size_t k = 0; k < count; k++) {
        assert_true(i[k].to != USEC_NEVER);
        if (i[k].to - i[k].from < SECONDS(1))
            continue; /* then with fewer frames, until the line is trusted again */
        assert_in_range(i[k].to - i[k].from, SECONDS(8) - 50000, SECONDS(9));
        long_count++;
    }
    assert_true(long_count >= 4); /* two voices, two cameras */
    assert_all(BOT_CONNECTED);
    sim_end_plateau(&sim);
}

static void an_uplink_too_weak_for_all_layers_carries_fewer_until_it_is_better(void **state)
{
    sim_init(&sim, meeting, 17);
    sim_start(&sim);
    sim_run(&sim, SECONDS(5));
    assert_int_equal(sim.bots[0].bot->legs[0]->layers.active, 3);
    sim.lose_up = 300;
    sim_run(&sim, SECONDS(10));
    assert_int_equal(sim.bots[0].bot->legs[0]->layers.active, 1);
    sim.lose_up = 0;
    sim_run(&sim, SECONDS(120));
    assert_int_equal(sim.bots[0].bot->legs[0]->layers.active, 3);
    measure_for(SECONDS(5));
    assert_pairs(MEDIA_VIDEO, 6);
    assert_int_equal(sim.measure->video.gap_count, 0);
    assert_true(sim.measure->layer_us[1][1] > 0);
    assert_int_equal(sim.measure->layer_us[1][0] + sim.measure->layer_us[1][2], 0);
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

static void media_that_a_dead_connection_owed_is_missed_until_it_is_back(void **state)
{
    sim_init(&sim, voices, 23);
    sim_start(&sim);
    sim_run(&sim, SECONDS(4));
    bot_begin_plateau(sim.bots[0].bot, sim.now);
    sim_run(&sim, SECONDS(4));
    assert_int_equal(sim.measure->audio.gap_count, 0);
    sim.bots[0].deaf = true;
    sim_run(&sim, SECONDS(2));
    const struct sim_member *m = sim_server_named(&sim.server, bot_name(sim.bots[0].bot));
    sim.server.now = sim.now;
    sim_server_on_media(&sim.server, m->id, "failed");
    sim.bots[0].deaf = false;
    sim_run(&sim, SECONDS(5));
    assert_all(BOT_CONNECTED);
    assert_int_equal(sim.measure->audio.gap_count, 1);
    assert_in_range(sim.measure->audio.gap_us, SECONDS(2), SECONDS(4));
    size_t count;
    const struct interruption *i = bot_interruptions(sim.bots[0].bot, &count);
    assert_int_equal(count, 1);
    assert_in_range(i->to - i->from, SECONDS(2), SECONDS(4));
    bot_end_plateau(sim.bots[0].bot, sim.now);
    assert_int_equal(sim.measure->audio.gap_count, 1);
    assert_int_equal(bot_presence(sim.bots[0].bot, MEDIA_AUDIO).stalled, 0);
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

#define TEST(f) cmocka_unit_test_teardown(f, sim_case_done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_lost_on_the_way_down_comes_back_by_rtx),
        TEST(what_is_lost_on_the_way_up_is_asked_for_by_the_server),
        TEST(an_uplink_too_weak_for_all_layers_carries_fewer_until_it_is_better),
        TEST(a_keyframe_lost_for_good_is_asked_for_and_sent),
        TEST(a_cut_socket_is_resumed_and_media_goes_on),
        TEST(a_refused_resume_is_a_join_anew),
        TEST(a_server_that_stays_away_is_tried_until_the_window_is_over_and_then_joined),
        TEST(an_unanswered_resume_is_given_up),
        TEST(a_storm_of_rejoins_ends_with_everybody_there),
        TEST(a_bot_whose_media_dies_joins_again),
        TEST(a_server_that_says_media_failed_is_joined_again),
        TEST(media_that_a_dead_connection_owed_is_missed_until_it_is_back),
        TEST(a_transport_that_the_server_drops_is_joined_again_at_once),
        TEST(consent_that_is_not_renewed_is_noticed_without_signaling),
        TEST(a_bot_that_leaves_says_so_and_is_quiet),
        TEST(who_comes_and_goes_joins_again_and_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
