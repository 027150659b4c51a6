/* Scores for people: what lowers them, how soon, and that they hold still.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/quality.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static const struct quality_input good = { .rtt_us = MILLIS(40),
                                           .has_downlink = true,
                                           .loss_out_permille = 1,
                                           .jitter_out_us = MILLIS(5),
                                           .wanted_bps = 2000000,
                                           .given_bps = 2000000,
                                           .has_uplink = true,
                                           .jitter_in_us = MILLIS(5),
                                           .layers_wanted = 3,
                                           .layers_active = 3 };

static struct quality settled(const struct quality_input *in)
{
    struct quality q;
    quality_init(&q);
    for (int i = 0; i < 30; i++)
        (void)quality_update(&q, in);
    return q;
}

static void a_good_line_is_perfect_and_told_once(void **state)
{
    struct quality q;
    quality_init(&q);
    assert_true(quality_update(&q, &good));
    assert_int_equal(q.score, QUALITY_PERFECT);
    for (int i = 0; i < 10; i++)
        assert_false(quality_update(&q, &good));
}

static void each_trouble_lowers_the_score(void **state)
{
    struct quality_input in = good;
    in.loss_out_permille = 100;
    assert_int_equal(settled(&in).score, 3);
    in.loss_out_permille = 250;
    assert_int_equal(settled(&in).score, 1);
    in = good;
    in.loss_in_permille = 60;
    assert_in_range(settled(&in).score, 3, 4);
    in = good;
    in.rtt_us = MILLIS(600);
    assert_int_equal(settled(&in).score, 3);
    in = good;
    in.jitter_in_us = MILLIS(120);
    assert_in_range(settled(&in).score, 3, 4);
    in = good;
    in.given_bps = 300000;
    assert_in_range(settled(&in).score, 2, 3);
    in.given_bps = 0;
    assert_int_equal(settled(&in).score, 2);
    in = good;
    in.layers_active = 1;
    assert_int_equal(settled(&in).score, 3);
}

static void worse_never_rates_better(void **state)
{
    struct quality_input in = good;
    int before = quality_rate(&in);
    for (in.loss_out_permille = 0; in.loss_out_permille <= 1000; in.loss_out_permille += 7) {
        assert_true(quality_rate(&in) <= before);
        before = quality_rate(&in);
    }
    assert_int_equal(before, 100);
    in = good;
    before = quality_rate(&in);
    for (in.rtt_us = 0; in.rtt_us < SECONDS(5); in.rtt_us += MILLIS(13)) {
        assert_true(quality_rate(&in) <= before);
        before = quality_rate(&in);
    }
    in = good;
    before = quality_rate(&in);
    for (int64_t left = 2000000; left >= 0; left -= 50000) {
        in.given_bps = (uint64_t)left;
        assert_true(quality_rate(&in) <= before);
        before = quality_rate(&in);
    }
}

static void the_worse_direction_counts_and_not_the_sum(void **state)
{
    struct quality_input down = good, up = good, both = good;
    down.loss_out_permille = both.loss_out_permille = 100;
    up.loss_in_permille = both.loss_in_permille = 50;
    assert_int_equal(quality_rate(&both), quality_rate(&down));
    assert_true(quality_rate(&up) > quality_rate(&down));
    up.has_uplink = false;
    assert_int_equal(quality_rate(&up), quality_rate(&good));
}

static void who_is_not_heard_is_lost_at_once_and_back_at_once(void **state)
{
    struct quality q = settled(&good);
    struct quality_input lost = good;
    lost.is_lost = true;
    assert_true(quality_update(&q, &lost));
    assert_int_equal(q.score, QUALITY_LOST);
    assert_false(quality_update(&q, &lost));
    assert_true(quality_update(&q, &good));
    assert_int_equal(q.score, QUALITY_PERFECT);
}

static void worse_shows_soon_and_better_after_a_while(void **state)
{
    struct quality q = settled(&good);
    struct quality_input bad = good;
    bad.loss_out_permille = 200;
    int down = 0, up = 0;
    while (q.score > 2 && down < 100)
        down += 1 + 0 * quality_update(&q, &bad);
    while (q.score < 5 && up < 100)
        up += 1 + 0 * quality_update(&q, &good);
    assert_in_range(down, 1, 3);
    assert_in_range(up, 4, 15);
}

static void a_value_between_two_scores_does_not_flicker(void **state)
{
    struct quality_input a = good, b = good;
    a.loss_out_permille = 28; /* rates around 4.3 to 4.6 */
    b.loss_out_permille = 18;
    struct quality q = settled(&a);
    int changes = 0;
    for (int i = 0; i < 200; i++)
        changes += quality_update(&q, i % 2 == 0 ? &b : &a);
    assert_in_range(changes, 0, 1);
}

static void nothing_flows_means_no_news(void **state)
{
    struct quality q;
    quality_init(&q);
    struct quality_input idle = { .rtt_us = -1 };
    assert_false(quality_update(&q, &idle));
    assert_int_equal(q.score, QUALITY_UNKNOWN);
    q = settled(&good);
    assert_false(quality_update(&q, &idle));
    assert_int_equal(q.score, QUALITY_PERFECT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_line_is_perfect_and_told_once),
        cmocka_unit_test(each_trouble_lowers_the_score),
        cmocka_unit_test(worse_never_rates_better),
        cmocka_unit_test(the_worse_direction_counts_and_not_the_sum),
        cmocka_unit_test(who_is_not_heard_is_lost_at_once_and_back_at_once),
        cmocka_unit_test(worse_shows_soon_and_better_after_a_while),
        cmocka_unit_test(a_value_between_two_scores_does_not_flicker),
        cmocka_unit_test(nothing_flows_means_no_news),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
