/* SPDX-License-Identifier: Apache-2.0 */
#include "media_test.h"

#include "bwe_sim.h"

static struct sim s;

/* Runs and returns the least and greatest estimate seen on the way. */
static void watch(size_t flow, usec duration, uint64_t *ret_min, uint64_t *ret_max)
{
    *ret_min = UINT64_MAX;
    *ret_max = 0;
    for (usec end = s.now + duration; s.now < end;) {
        sim_run(&s, MILLIS(50));
        *ret_min = MIN(*ret_min, sim_estimate(&s, flow));
        *ret_max = MAX(*ret_max, sim_estimate(&s, flow));
    }
}

/* Runs until the estimate is above (or not above) bps; how long that took, or `limit`. */
static usec until(bool above, uint64_t bps, usec limit)
{
    usec began = s.now;
    while (s.now - began < limit && (sim_estimate(&s, 0) > bps) != above)
        sim_run(&s, MILLIS(10));
    return s.now - began;
}

static void show(const char *what)
{
    struct bwe_stats t;
    bwe_stats(&s.flows[0].bwe, &t);
    print_message("%s: estimate %llu acked %llu sent %llu loss %u queue %d ms, mean queue %lld max "
                  "%lld ms, drops %llu, probes %llu/%llu/%llu %llu bytes, overuse %llu loss cuts "
                  "%llu silence %llu\n",
                  what, (unsigned long long)t.estimate_bps, (unsigned long long)t.acked_bps,
                  (unsigned long long)t.sent_bps, t.loss_permille, t.queue_us / 1000,
                  (long long)(s.queue_delay_sum / (usec)MAX(s.queue_delay_count, 1u) / 1000),
                  (long long)(s.queue_delay_max / 1000), (unsigned long long)s.dropped,
                  (unsigned long long)t.probe_count, (unsigned long long)t.probe_reached_count,
                  (unsigned long long)t.probe_failed_count, (unsigned long long)t.probe_bytes,
                  (unsigned long long)t.overuse_count, (unsigned long long)t.loss_cut_count,
                  (unsigned long long)t.silence_count);
}

static void squeeze_and_release(usec queue_us, usec rtt_us, size_t slots, unsigned keyframes)
{
    sim_init(&s, 1, 3500000, queue_us, rtt_us);
    sim_start(&s, 0, 2600000, slots);
    s.flows[0].keyframe_every = keyframes;
    s.flows[0].keyframe_factor = 6;
    usec start = until(true, 2500000, SECONDS(20));
    sim_run(&s, SECONDS(5));
    show("before");
    s.rate_bps = 300000;
    usec down = until(false, 400000, SECONDS(20));
    uint64_t least, most;
    watch(0, SECONDS(10), &least, &most);
    show("squeezed");
    uint64_t squeezed_least, squeezed_most;
    sim_clear_figures(&s);
    watch(0, SECONDS(20), &squeezed_least, &squeezed_most);
    show("squeezed for long");
    s.rate_bps = 3500000;
    usec up = until(true, 2500000, SECONDS(20));
    show("released");
    print_message(
        "queue %lld ms rtt %lld ms slots %zu: start %lld ms, down %lld ms, then %llu..%llu "
        ", %llu..%llu, up %lld ms\n",
        (long long)queue_us / 1000, (long long)rtt_us / 1000, slots, (long long)start / 1000,
        (long long)down / 1000, (unsigned long long)least, (unsigned long long)most,
        (unsigned long long)squeezed_least, (unsigned long long)squeezed_most,
        (long long)up / 1000);
    assert_true(start < SECONDS(3));
    assert_true(down < MILLIS(1500));
    assert_true(up < SECONDS(7));
}

static void squeeze_is_followed_down_and_up(void **state)
{
    squeeze_and_release(MILLIS(200), MILLIS(40), 1, 0);
    squeeze_and_release(MILLIS(200), MILLIS(80), 9, 90);
    squeeze_and_release(MILLIS(500), MILLIS(40), 2, 0);
    squeeze_and_release(MILLIS(40), MILLIS(20), 3, 0);
    squeeze_and_release(MILLIS(3000), MILLIS(80), 1, 0);
}

static void random_loss_is_not_congestion(void **state)
{
    sim_init(&s, 2, 4000000, MILLIS(200), MILLIS(80));
    sim_start(&s, 0, 2600000, 4);
    s.loss_permille = 50;
    usec start = until(true, 2000000, SECONDS(20));
    uint64_t least, most;
    watch(0, SECONDS(60), &least, &most);
    show("5 % loss");
    print_message("start %lld ms, %llu..%llu\n", (long long)start / 1000, (unsigned long long)least,
                  (unsigned long long)most);
    assert_true(start < SECONDS(5));
    assert_true(least >= 2000000);
}

static void estimate_is_steady_at_a_bottleneck(void **state)
{
    for (size_t slots = 1; slots <= 9; slots += 4) {
        sim_init(&s, 3 + slots, 1000000, MILLIS(200), MILLIS(50));
        sim_start(&s, 0, 2500000, slots);
        sim_run(&s, SECONDS(10));
        sim_clear_figures(&s);
        uint64_t least, most;
        watch(0, SECONDS(60), &least, &most);
        show("1 Mbit/s");
        print_message("%zu slots: %llu..%llu, utilisation %llu %%\n", slots,
                      (unsigned long long)least, (unsigned long long)most,
                      (unsigned long long)s.flows[0].received_bytes * 8 / 600000);
        assert_true(least >= 800000 && most <= 1200000);
        assert_true(s.queue_delay_sum / (usec)s.queue_delay_count < MILLIS(100));
    }
}

static void jitter_is_not_congestion(void **state)
{
    sim_init(&s, 4, 5000000, MILLIS(200), MILLIS(50));
    sim_start(&s, 0, 2000000, 3);
    s.jitter_us = MILLIS(20);
    sim_run(&s, SECONDS(10));
    uint64_t least, most;
    watch(0, SECONDS(60), &least, &most);
    show("jitter 20 ms");
    print_message("%llu..%llu\n", (unsigned long long)least, (unsigned long long)most);
    assert_true(least >= 1500000);
}

static void keyframe_bursts_are_not_congestion(void **state)
{
    sim_init(&s, 5, 2500000, MILLIS(500), MILLIS(50));
    sim_start(&s, 0, 1200000, 9);
    s.flows[0].keyframe_every = 60;
    s.flows[0].keyframe_factor = 12;
    sim_run(&s, SECONDS(10));
    uint64_t least, most;
    watch(0, SECONDS(60), &least, &most);
    show("keyframes");
    print_message("%llu..%llu\n", (unsigned long long)least, (unsigned long long)most);
    assert_true(least >= 1000000);
}

/* A layer of half the line's rate, and from time to time a keyframe that takes 230 ms of it. The
 * queue that it makes says what the line carries: not what was sent before it. */
static void keyframes_on_a_narrow_line_do_not_cost_half_of_it(void **state)
{
    static const uint64_t layers[] = { 200000, 0 };
    for (uint64_t seed = 1; seed <= 5; seed++) {
        sim_init(&s, seed, 600000, MILLIS(300), MILLIS(40));
        sim_start(&s, 0, 900000, 1);
        s.flows[0].layers = layers;
        s.flows[0].keyframe_every = 150;
        s.flows[0].keyframe_factor = 15;
        sim_run(&s, SECONDS(10));
        uint64_t least, most;
        watch(0, SECONDS(60), &least, &most);
        show("keyframes on 600 kbit/s");
        print_message("%llu..%llu\n", (unsigned long long)least, (unsigned long long)most);
        assert_true(least >= 450000);
    }
}

static void two_flows_share(void **state)
{
    sim_init(&s, 6, 2000000, MILLIS(200), MILLIS(50));
    sim_start(&s, 0, 2500000, 2);
    sim_run(&s, SECONDS(20));
    sim_start(&s, 1, 2500000, 2);
    sim_run(&s, SECONDS(40));
    sim_clear_figures(&s);
    sim_run(&s, SECONDS(60));
    show("two flows");
    uint64_t a = s.flows[0].received_bytes, b = s.flows[1].received_bytes;
    print_message("first %llu, second %llu kbit/s\n", (unsigned long long)a * 8 / 60000,
                  (unsigned long long)b * 8 / 60000);
    assert_true(a < 2 * b && b < 2 * a);
    assert_true((a + b) * 8 / 60 > 1500000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(squeeze_is_followed_down_and_up),
        cmocka_unit_test(random_loss_is_not_congestion),
        cmocka_unit_test(estimate_is_steady_at_a_bottleneck),
        cmocka_unit_test(jitter_is_not_congestion),
        cmocka_unit_test(keyframe_bursts_are_not_congestion),
        cmocka_unit_test(keyframes_on_a_narrow_line_do_not_cost_half_of_it),
        cmocka_unit_test(two_flows_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
