/* Whole bots in simulation: a line becomes slow, and good again; or it loses packets. What people
 * see meanwhile.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "sim_case.h"

static const char broadcast[] = "groups:\n"
                                "  camera:\n"
                                "    bots: 1\n"
                                "    talk: always\n"
                                "    video: vp8\n"
                                "    layers: [180, 360, 720]\n"
                                "    audio-slots: 1\n"
                                "    video-slots: 0\n"
                                "  viewers:\n"
                                "    bots: 2\n"
                                "    audio-slots: 1\n"
                                "    video-slots: 1\n"
                                "    watch-size: 640x360\n";

struct line {
    uint32_t queue_us;
    usec delay;
    uint64_t rate_bps;
};

/* The second bot's way down; there is room again if rate_bps is 0. */
static void set_line(const struct line *l, uint64_t rate_bps)
{
    struct network n = {
        .up = { .delay_us = l->delay },
        .down = { .delay_us = l->delay, .rate_bps = rate_bps, .queue_us_max = l->queue_us }
    };
    sim_set_network(&sim, 1, &n);
}

static usec longest_freeze(void)
{
    const struct histogram *gaps = &sim.measure->video.gaps;
    return gaps->count == 0 ? 0 : MILLIS((usec)gaps->max);
}

static void show(const char *when)
{
    const struct measure *m = sim.measure;
    print_message("%s: longest freeze %lld ms of %llu, lost %llu, NACK %llu, PLI %llu\n", when,
                  (long long)longest_freeze() / 1000, (unsigned long long)m->video.gap_count,
                  (unsigned long long)m->video.lost_before, (unsigned long long)m->nack_sent,
                  (unsigned long long)m->pli_sent);
}

/* Seconds in which the second viewer, who has a good line, sees the layer that both asked for; the
 * first one's seconds are in the same figures. */
static uint64_t seconds_of_layer(unsigned layer)
{
    return sim.measure->layer_us[1][layer] / USEC_PER_SEC;
}

static void squeeze(const struct line *l, usec freeze_max, uint64_t seed)
{
    sim_init(&sim, broadcast, seed);
    sim_start(&sim);
    set_line(l, 0);
    sim_run(&sim, SECONDS(8));
    measure_for(SECONDS(3));
    assert_int_equal(longest_freeze(), 0);
    set_line(l, l->rate_bps);
    measure_for(SECONDS(12));
    print_message("%llu kbit/s, queue %u ms, round trip %lld ms\n",
                  (unsigned long long)l->rate_bps / 1000, l->queue_us / 1000,
                  (long long)l->delay * 2 / 1000);
    show("  squeezed");
    assert_true(longest_freeze() <= freeze_max);
    assert_in_range(seconds_of_layer(1), 12, 15);
    assert_in_range(seconds_of_layer(0), 10, 12);
    set_line(l, 0);
    measure_for(SECONDS(10));
    show("  released");
    assert_int_equal(longest_freeze(), 0);
    assert_in_range(seconds_of_layer(1), 15, 21);
    sim_done(&sim);
}

static void a_squeezed_viewer_sees_on(void **state)
{
    static const struct line lines[] = {
        { MILLIS(300), MILLIS(20), 300000 },  { MILLIS(300), MILLIS(5), 300000 },
        { MILLIS(300), MILLIS(50), 300000 },  { MILLIS(500), MILLIS(20), 300000 },
        { MILLIS(1000), MILLIS(20), 300000 },
    };
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        for (uint64_t seed = 1; seed <= 3; seed++)
            squeeze(&lines[i], MILLIS(250), seed);
    }
}

/* The keyframe of the smaller layer does not fit the queue as a whole, and is sent in pieces. */
static void a_short_queue_is_enough(void **state)
{
    const struct line line = { MILLIS(100), MILLIS(20), 300000 };
    for (uint64_t seed = 1; seed <= 5; seed++)
        squeeze(&line, MILLIS(300), seed);
}

/* All layers of a camera in one stream, watched in the largest. */
static void begin_layers(const char *mode, uint64_t seed)
{
    char yaml[512];
    (void)snprintf(yaml, sizeof yaml,
                   "groups:\n"
                   "  camera:\n"
                   "    bots: 1\n"
                   "    talk: always\n"
                   "    video: vp9\n"
                   "    layers: [180, 360, 720]\n"
                   "    scalability: %s\n"
                   "    audio-slots: 1\n"
                   "    video-slots: 0\n"
                   "  viewers:\n"
                   "    bots: 1\n"
                   "    audio-slots: 1\n"
                   "    video-slots: 1\n"
                   "    watch-size: 1280x720\n",
                   mode);
    sim_init(&sim, yaml, seed);
    sim_start(&sim);
}

/* The viewer's line carries the middle layer now. */
static void squeeze_layers(const char *mode, const struct line *l, usec duration, uint64_t seed)
{
    begin_layers(mode, seed);
    set_line(l, 0);
    sim_run(&sim, SECONDS(8));
    set_line(l, l->rate_bps);
    measure_for(duration);
    print_message("%s, %llu kbit/s, queue %u ms\n", mode, (unsigned long long)l->rate_bps / 1000,
                  l->queue_us / 1000);
    show("  squeezed");
}

static const struct line narrow[] = {
    { MILLIS(300), MILLIS(20), 600000 },
    { MILLIS(1000), MILLIS(20), 600000 },
};

/* On a line that carries one layer, and not quite the next, there is no end of trying: each time
 * the larger layer begins with a keyframe, and the smaller one with another. */
static void a_viewer_on_a_narrow_line_is_seldom_raised_in_vain(void **state)
{
    enum { RUNS = 4, DURATION = 40 };
    static const char *const modes[] = { "L3T3_KEY", "L3T3" };
    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        uint64_t frozen_us = 0, keyframes = 0;
        for (uint64_t seed = 1; seed <= RUNS; seed++) {
            begin_layers(modes[i], seed);
            set_line(&narrow[0], narrow[0].rate_bps);
            sim_run(&sim, SECONDS(15));
            measure_for(SECONDS(DURATION));
            frozen_us += sim.measure->video.gap_us;
            keyframes += sim.measure->keyframes_received;
            show("  narrow");
            sim_done(&sim);
        }
        print_message("%s: frozen %.2f %%, %llu keyframes\n", modes[i],
                      (double)frozen_us * 100 / (double)SECONDS(DURATION * RUNS),
                      (unsigned long long)keyframes);
        assert_true(frozen_us < SECONDS(DURATION * RUNS) / 100);
        assert_in_range(keyframes, 0, RUNS);
    }
}

/* Where upper layers refer to lower ones in keyframes only, another layer begins with one. Its
 * picture is of several large frames, which do not make the layers look dearer than they are. */
static void a_squeezed_viewer_of_svc_falls_once(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(narrow); i++) {
        for (uint64_t seed = 1; seed <= 5; seed++) {
            squeeze_layers("L3T3_KEY", &narrow[i], SECONDS(12), seed);
            assert_true(longest_freeze() <= MILLIS(550));
            assert_in_range(sim.measure->video.gap_count, 0, 2);
            assert_in_range(sim.measure->layer_us[2][1] / USEC_PER_SEC, 10, 12);
            sim_done(&sim);
        }
    }
}

/* Where they always do, the upper ones are left out at the next picture, and nothing is waited for.
 */
static void a_squeezed_viewer_of_full_svc_needs_no_keyframe(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(narrow); i++) {
        for (uint64_t seed = 1; seed <= 5; seed++) {
            squeeze_layers("L3T3", &narrow[i], SECONDS(2), seed);
            assert_int_equal(sim.measure->keyframes_received, 0);
            assert_in_range(sim.measure->layer_us[2][2] / USEC_PER_SEC, 0, 1);
            sim_done(&sim);
        }
    }
}

static const char pair[] = "groups:\n"
                           "  people:\n"
                           "    bots: 2\n"
                           "    talk: always\n"
                           "    video: vp8\n"
                           "    layers: [180, 360]\n"
                           "    audio-slots: 1\n"
                           "    video-slots: 1\n"
                           "    watch-size: 640x360\n";

/* What one of them did not see of the other. */
static usec frozen_time(unsigned bot)
{
    size_t count;
    const struct interruption *all = bot_interruptions(sim.bots[bot].bot, &count);
    usec sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += all[i].kind == MEDIA_VIDEO ? all[i].to - all[i].from : 0;
    return sum;
}

/* The second of two has a line that loses every twentieth packet each way, at 80 ms. What they
 * send, the media node asks for again; what they get, they do. */
static void loss_is_hardly_seen(void **state)
{
    enum { RUNS = 10 };
    static const struct network_path path = { .delay_us = MILLIS(40) - SIM_DELAY, .loss = 0.05 };
    const struct network bad = { .up = path, .down = path };
    usec frozen[2] = { 0 };
    for (uint64_t seed = 1; seed <= RUNS; seed++) {
        sim_init(&sim, pair, seed);
        sim_start(&sim);
        sim_set_network(&sim, 1, &bad);
        sim_run(&sim, SECONDS(5));
        measure_for(SECONDS(30));
        show("5 % loss");
        for (unsigned i = 0; i < 2; i++)
            frozen[i] += frozen_time(i);
        sim_done(&sim);
    }
    print_message("frozen %.2f %% on the way up, %.2f %% on the way down\n",
                  (double)frozen[0] * 100 / (double)SECONDS(30 * RUNS),
                  (double)frozen[1] * 100 / (double)SECONDS(30 * RUNS));
    assert_true(frozen[0] < SECONDS(30 * RUNS) * 2 / 100);
    assert_true(frozen[1] < SECONDS(30 * RUNS) / 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_squeezed_viewer_sees_on),
        cmocka_unit_test(a_squeezed_viewer_of_svc_falls_once),
        cmocka_unit_test(a_squeezed_viewer_of_full_svc_needs_no_keyframe),
        cmocka_unit_test(a_viewer_on_a_narrow_line_is_seldom_raised_in_vain),
        cmocka_unit_test(loss_is_hardly_seen),
        cmocka_unit_test(a_short_queue_is_enough),
    };
    sim_prepare();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
