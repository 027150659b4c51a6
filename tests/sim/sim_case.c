/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim_case.h"

/* Three who always talk and show, and see and hear each other. */
const char meeting[] = "groups:\n"
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
const char voices[] = "groups:\n"
                      "  people:\n"
                      "    bots: 2\n"
                      "    talk: always\n"
                      "    audio-slots: 2\n"
                      "    video-slots: 0\n"
                      "    listen: 100%\n";
const char alone[] = "groups:\n"
                     "  people:\n"
                     "    bots: 1\n"
                     "    talk: always\n"
                     "    audio-slots: 1\n"
                     "    video-slots: 0\n";
const char churn[] = "groups:\n"
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

struct sim sim;

int sim_case_done(void **state)
{
    sim_done(&sim);
    return 0;
}

void assert_all(enum bot_state state)
{
    for (unsigned i = 0; i < sim.bot_count; i++) {
        const struct bot_failure *f = bot_failure(sim.bots[i].bot);
        if (bot_state(sim.bots[i].bot) != state)
            print_message("%s: %s: %s\n", bot_name(sim.bots[i].bot), f->error, f->message);
        assert_int_equal(bot_state(sim.bots[i].bot), state);
    }
}

void assert_no_signal_errors(void)
{
    for (size_t i = 0; i < MEASURE_SIGNAL_ERRORS_MAX; i++) {
        if (sim.measure->signal_errors[i].count > 0)
            print_message("signal error: %s\n", sim.measure->signal_errors[i].error);
        assert_int_equal(sim.measure->signal_errors[i].count, 0);
    }
}

void assert_pairs(enum media_kind kind, unsigned count)
{
    struct sim_pairs p = sim_pairs(&sim, kind);
    assert_int_equal(p.expected, count);
    assert_int_equal(p.seen, count);
    assert_int_equal(p.verified, count);
    assert_int_equal(p.unexpected, 0);
}

void assert_tones_right(uint64_t at_least)
{
    unsigned speaker, hz;
    for (unsigned i = 0; i < sim.bot_count; i++)
        assert_false(bot_mistoned(sim.bots[i].bot, &speaker, &hz));
    assert_true(sim.measure->tones_right >= at_least);
    assert_int_equal(sim.measure->tones_right, sim.measure->tones_checked);
}

/* The plateau of a run that has settled. */
void measure_for(usec duration)
{
    sim_begin_plateau(&sim);
    memset(sim.measure, 0, sizeof *sim.measure);
    sim_run(&sim, duration);
    sim_end_plateau(&sim);
}
