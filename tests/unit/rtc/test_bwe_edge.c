/* SPDX-License-Identifier: Apache-2.0 */
#include "media_test.h"

#include <stdlib.h>

#include "bwe_sim.h"

/* What networks and receivers do to the estimator that is not plain congestion. */

static struct sim s;

static void common_start(uint64_t rate_bps)
{
    sim_init(&s, 11, rate_bps, MILLIS(200), MILLIS(50));
    sim_start(&s, 0, 2500000, 3);
    s.flows[0].keyframe_every = 150;
    s.flows[0].keyframe_factor = 5;
}

/* The estimates of 20 s with a squeeze in the middle, every 100 ms. */
static void record_estimates(usec start_at, usec receiver_ahead_us, uint64_t ret[200])
{
    common_start(3000000);
    s.jitter_us = MILLIS(5);
    s.loss_permille = 10;
    s.now = start_at;
    s.receiver_ahead_us = receiver_ahead_us;
    sim_start(&s, 0, 2500000, 3);
    for (size_t i = 0; i < 200; i++) {
        s.rate_bps = i >= 80 && i < 130 ? 500000 : 3000000;
        sim_run(&s, MILLIS(100));
        ret[i] = sim_estimate(&s, 0);
    }
}

static void clocks_and_their_wraps_make_no_difference(void **state)
{
    static uint64_t plain[200], other[200];
    record_estimates(SECONDS(5), SECONDS(1000), plain);
    assert_true(plain[79] > 2000000 && plain[120] < 600000);
    /* 32 bits of send time wrap after 4294.97 s */
    record_estimates(SECONDS(4285), SECONDS(1000), other);
    assert_memory_equal(plain, other, sizeof(plain));
    /* the 24 bits of reference time change sign after 536870.9 s and wrap after 1073741.8 s */
    record_estimates(SECONDS(5), SECONDS(536860), other);
    assert_memory_equal(plain, other, sizeof(plain));
    record_estimates(SECONDS(5), SECONDS(1073730) + MILLIS(824), other);
    assert_memory_equal(plain, other, sizeof(plain));
}

static void a_recorded_trace_replays_bit_for_bit(void **state)
{
    struct sim_trace trace = { .max = 1 << 18, .bytes_max = 1 << 22 };
    trace.calls = malloc(trace.max * sizeof(*trace.calls));
    trace.bytes = malloc(trace.bytes_max);
    assert_true(trace.calls != NULL && trace.bytes != NULL);
    common_start(2000000);
    s.trace = &trace;
    s.jitter_us = MILLIS(8);
    s.loss_permille = 20;
    sim_run(&s, SECONDS(10));
    s.rate_bps = 400000;
    sim_run(&s, SECONDS(10));
    s.rate_bps = 2000000;
    sim_run(&s, SECONDS(10));

    static struct bwe b;
    static struct bwe_memory sent;
    bwe_init(&b, &sent, SECONDS(5));
    for (size_t i = 0; i < trace.count; i++) {
        const struct sim_call *c = &trace.calls[i];
        sim_replay_call(&b, &trace, c);
        if (c->estimate != 0)
            assert_int_equal(bwe_estimate_bps(&b), c->estimate);
    }
    assert_memory_equal(&sent, &s.flows[0].sent, sizeof(sent));
    b.sent = s.flows[0].bwe.sent;
    b.delay.samples = s.flows[0].bwe.delay.samples;
    assert_memory_equal(&b, &s.flows[0].bwe, sizeof(b));
    print_message("%zu calls replayed, %zu bytes of feedback\n", trace.count, trace.bytes_len);
    free(trace.calls);
    free(trace.bytes);
}

static void silence_changes_nothing(void **state)
{
    common_start(3000000);
    sim_run(&s, SECONDS(20));
    uint64_t before = sim_estimate(&s, 0);
    s.flows[0].silent = true;
    s.flows[0].demand_bps = 0;
    for (unsigned i = 0; i < 60; i++) {
        sim_run(&s, SECONDS(1));
        assert_int_equal(sim_estimate(&s, 0), before);
    }
    s.flows[0].silent = false;
    s.flows[0].demand_bps = 2500000;
    sim_run(&s, SECONDS(10));
    print_message("before %llu, after %llu\n", (unsigned long long)before,
                  (unsigned long long)sim_estimate(&s, 0));
    assert_true(sim_estimate(&s, 0) > 2000000);
}

static void little_media_neither_grows_nor_shrinks_the_estimate(void **state)
{
    common_start(3000000);
    s.jitter_us = MILLIS(10);
    sim_run(&s, SECONDS(20));
    uint64_t before = sim_estimate(&s, 0);
    s.flows[0].demand_bps = 200000;
    sim_run(&s, SECONDS(60));
    print_message("before %llu, after %llu\n", (unsigned long long)before,
                  (unsigned long long)sim_estimate(&s, 0));
    assert_true(sim_estimate(&s, 0) <= before && sim_estimate(&s, 0) > before / 2);
}

static void a_squeeze_is_seen_by_little_media_too(void **state)
{
    common_start(3000000);
    sim_run(&s, SECONDS(20));
    s.flows[0].demand_bps = 700000;
    sim_run(&s, SECONDS(10));
    s.rate_bps = 300000;
    sim_run(&s, MILLIS(1500));
    print_message("700 kbit/s into 300: %llu\n", (unsigned long long)sim_estimate(&s, 0));
    assert_true(sim_estimate(&s, 0) < 400000);
}

static void feedback_that_stops_backs_off(void **state)
{
    common_start(3000000);
    sim_run(&s, SECONDS(10));
    s.feedback_loss_permille = 1000;
    sim_run(&s, MILLIS(100)); /* what was on its way */
    uint64_t before = sim_estimate(&s, 0);
    sim_run(&s, MILLIS(1800));
    assert_int_equal(sim_estimate(&s, 0), before);
    sim_run(&s, SECONDS(2));
    assert_true(sim_estimate(&s, 0) < before * 3 / 4);
    sim_run(&s, SECONDS(30));
    assert_int_equal(sim_estimate(&s, 0), BWE_MIN_BPS);
    s.feedback_loss_permille = 0;
    sim_run(&s, SECONDS(10));
    print_message("10 s after feedback came back: %llu\n", (unsigned long long)sim_estimate(&s, 0));
    assert_true(sim_estimate(&s, 0) > 1000000);
}

static void lost_feedback_is_not_lost_media(void **state)
{
    common_start(3000000);
    s.feedback_loss_permille = 200;
    sim_run(&s, SECONDS(10));
    for (unsigned i = 0; i < 300; i++) {
        sim_run(&s, MILLIS(100));
        assert_true(sim_estimate(&s, 0) > 2000000);
    }
}

static void rare_feedback_is_enough(void **state)
{
    common_start(3000000);
    s.no_marker = true; /* every 100 ms */
    sim_run(&s, SECONDS(10));
    print_message("rare feedback: %llu", (unsigned long long)sim_estimate(&s, 0));
    assert_true(sim_estimate(&s, 0) > 2500000);
    s.rate_bps = 300000;
    sim_run(&s, MILLIS(1500));
    print_message(", squeezed %llu", (unsigned long long)sim_estimate(&s, 0));
    assert_true(sim_estimate(&s, 0) < 400000);
    sim_run(&s, SECONDS(20));
    s.rate_bps = 3000000;
    sim_run(&s, SECONDS(7));
    print_message(", released %llu\n", (unsigned long long)sim_estimate(&s, 0));
    assert_true(sim_estimate(&s, 0) > 2500000);
}

static void much_random_loss_does_not_starve(void **state)
{
    for (unsigned loss = 100; loss <= 250; loss += 50) {
        common_start(4000000);
        s.loss_permille = loss;
        sim_run(&s, SECONDS(60));
        struct bwe_stats t;
        bwe_stats(&s.flows[0].bwe, &t);
        print_message("%u per mille of random loss: %llu, cuts %llu\n", loss,
                      (unsigned long long)sim_estimate(&s, 0),
                      (unsigned long long)t.loss_cut_count);
        assert_true(sim_estimate(&s, 0) > 500000);
    }
}

static void a_longer_path_is_not_a_queue_for_ever(void **state)
{
    common_start(3000000);
    sim_run(&s, SECONDS(10));
    s.propagation_us += MILLIS(100);
    sim_run(&s, SECONDS(15));
    print_message("path 100 ms longer: %llu\n", (unsigned long long)sim_estimate(&s, 0));
    assert_true(sim_estimate(&s, 0) > 2000000);
}

static const uint64_t layers[] = { 150000, 500000, 1500000, 2500000, 0 };

/* A queue is seen to stand, and 5 % are lost: were it ours, both would go with a lower rate. */
static void a_longer_path_that_loses_is_no_queue(void **state)
{
    static const usec longer[] = { MILLIS(25), MILLIS(40), MILLIS(100) };
    for (size_t i = 0; i < ARRAY_LEN(longer); i++) {
        for (int squeezed = 0; squeezed < 2; squeezed++) {
            common_start(3000000);
            s.flows[0].layers = layers;
            sim_run(&s, SECONDS(5));
            s.rate_bps = squeezed ? 300000 : s.rate_bps;
            sim_run(&s, SECONDS(5));
            s.rate_bps = 3000000;
            sim_run(&s, SECONDS(10));
            s.propagation_us += longer[i];
            s.loss_permille = 50;
            uint64_t least = UINT64_MAX;
            for (usec end = s.now + SECONDS(15); s.now < end;) {
                sim_run(&s, MILLIS(50));
                least = MIN(least, sim_estimate(&s, 0));
            }
            print_message("path %lld ms longer with 5 %% loss%s: least %llu, in the end %llu\n",
                          (long long)longer[i] / 1000, squeezed ? " after a squeeze" : "",
                          (unsigned long long)least, (unsigned long long)sim_estimate(&s, 0));
            assert_true(sim_estimate(&s, 0) > 1500000);
            assert_true(least > 300000);
        }
    }
}

/* … but a short queue that is full loses, too, and is as long at any rate above what it carries. */
static void a_short_full_queue_is_a_queue(void **state)
{
    for (usec queue = MILLIS(30); queue <= MILLIS(90); queue += MILLIS(30)) {
        common_start(3000000);
        s.queue_us = queue;
        sim_run(&s, SECONDS(5));
        s.rate_bps = 500000;
        s.dropped = 0;
        uint64_t most = 0, sent = s.flows[0].sent_bytes;
        sim_run(&s, SECONDS(3));
        for (usec end = s.now + SECONDS(20); s.now < end;) {
            sim_run(&s, MILLIS(50));
            most = MAX(most, sim_estimate(&s, 0));
        }
        sent = (s.flows[0].sent_bytes - sent) / SIM_PACKET;
        print_message("queue of %lld ms: at most %llu, %llu of %llu packets lost\n",
                      (long long)queue / 1000, (unsigned long long)most,
                      (unsigned long long)s.dropped, (unsigned long long)sent);
        assert_true(most < 800000);
        assert_true(s.dropped < sent / 4);
    }
}

static void steps_of_layers_are_climbed(void **state)
{
    common_start(4000000);
    s.flows[0].layers = layers;
    sim_run(&s, SECONDS(5));
    assert_true(sim_estimate(&s, 0) > 2600000);
    s.rate_bps = 300000;
    sim_run(&s, MILLIS(1500));
    assert_true(sim_estimate(&s, 0) < 400000);
    sim_run(&s, SECONDS(20));
    s.rate_bps = 4000000;
    usec began = s.now;
    while (s.now - began < SECONDS(20) && sim_estimate(&s, 0) < 2600000)
        sim_run(&s, MILLIS(10));
    print_message("layers: up again after %lld ms\n", (long long)(s.now - began) / 1000);
    assert_true(s.now - began < SECONDS(7));
}

static void without_padding_it_grows_slowly(void **state)
{
    common_start(4000000);
    s.flows[0].no_padding = true;
    sim_run(&s, SECONDS(30));
    print_message("without padding, after 30 s: %llu\n", (unsigned long long)sim_estimate(&s, 0));
    assert_true(sim_estimate(&s, 0) > 1500000);
}

static void there_is_no_probe_without_demand(void **state)
{
    common_start(4000000);
    s.flows[0].demand_bps = 300000;
    sim_run(&s, SECONDS(30));
    struct bwe_stats t;
    bwe_stats(&s.flows[0].bwe, &t);
    assert_int_equal(t.probe_count, 0);
    assert_int_equal(t.probe_bytes, 0);
    assert_int_equal(bwe_estimate_bps(&s.flows[0].bwe), BWE_START_BPS);
}

static void reports_and_remb_do_where_there_is_no_feedback(void **state)
{
    static struct bwe b;
    static struct bwe_memory sent;
    usec now = SECONDS(3);
    bwe_init(&b, &sent, now);
    assert_int_equal(bwe_next_deadline(&b), USEC_NEVER);
    uint16_t seq = 0;
    for (unsigned i = 0; i < 1000; i++, now += MILLIS(10)) {
        bwe_on_sent(&b, seq++, bwe_estimate_bps(&b) / 8 / 100, 0, now);
        if (i % 100 == 99)
            bwe_on_report(&b, 0, now);
    }
    uint64_t grown = bwe_estimate_bps(&b);
    assert_in_range(grown, BWE_START_BPS * 12 / 10, BWE_START_BPS * 3);
    bwe_on_report(&b, 64, now);
    assert_int_equal(bwe_estimate_bps(&b), grown * 448 / 512);
    bwe_on_report(&b, 64, now += MILLIS(100)); /* of the time before the cut */
    assert_int_equal(bwe_estimate_bps(&b), grown * 448 / 512);
    bwe_on_remb(&b, 300000, now += SECONDS(1));
    assert_int_equal(bwe_estimate_bps(&b), 300000);
    bwe_on_remb(&b, 2000000, now += SECONDS(5));
    assert_int_equal(bwe_estimate_bps(&b), 2000000);
    uint8_t cluster;
    bwe_set_demand(&b, 5000000, 2000000, now);
    assert_int_equal(bwe_take_probe(&b, now, &cluster), 0); /* nobody could tell its result */
}

static void remb_is_a_cap_for_a_while(void **state)
{
    common_start(3000000);
    sim_run(&s, SECONDS(10));
    uint64_t before = sim_estimate(&s, 0);
    bwe_on_remb(&s.flows[0].bwe, 400000, s.now);
    assert_int_equal(sim_estimate(&s, 0), 400000);
    sim_run(&s, BWE_REMB_TIMEOUT_US + SECONDS(1));
    assert_true(sim_estimate(&s, 0) > before / 2);
}

/* -- by hand -- */

struct hand {
    struct bwe bwe;
    usec now;
};

static void send(struct hand *h, uint16_t seq)
{
    bwe_on_sent(&h->bwe, seq, 1000, 0, h->now);
}

/* One run of `count` received (or lost) packets from base; all deltas are 1 ms. */
static void report(struct hand *h, uint16_t base, uint8_t count, bool received, int32_t reference)
{
    uint8_t fci[10 + 255] = { (uint8_t)(base >> 8),
                              (uint8_t)base,
                              0,
                              count,
                              (uint8_t)(reference >> 16),
                              (uint8_t)(reference >> 8),
                              (uint8_t)reference,
                              0,
                              received ? 0x20 : 0,
                              count };
    for (size_t i = 0; i < count; i++)
        fci[10 + i] = 4;
    struct twcc_feedback f;
    assert_int_equal(twcc_feedback_parse(bytes_of(fci, received ? 10u + count : 10u), &f), OK);
    bwe_on_feedback(&h->bwe, &f, h->now);
}

static struct hand hand_of(uint16_t first, uint16_t count)
{
    static struct hand h;
    static struct bwe_memory sent;
    h.now = SECONDS(1);
    bwe_init(&h.bwe, &sent, h.now);
    for (unsigned i = 0; i < count; i++, h.now += MILLIS(1))
        send(&h, (uint16_t)(first + i));
    return h;
}

static void a_reported_loss_is_corrected_by_its_arrival(void **state)
{
    static struct hand h;
    h = hand_of(65500, 100);
    report(&h, 65500, 92, true, 100);
    report(&h, (uint16_t)(65500 + 92), 8, false, 0);
    assert_int_equal(bwe_loss_fraction(&h.bwe.loss), 80);
    h.now += MILLIS(20);
    report(&h, (uint16_t)(65500 + 92), 6, true, 101);
    assert_int_equal(bwe_loss_fraction(&h.bwe.loss), 20);
    assert_int_equal(h.bwe.loss.total, 100);
}

static void duplicate_and_foreign_feedback_changes_nothing(void **state)
{
    static struct hand h, before;
    h = hand_of(100, 50);
    report(&h, 100, 50, true, 100);
    before = h;
    report(&h, 100, 50, true, 100);
    report(&h, 100, 50, false, 100);
    assert_memory_equal(&h.bwe.acked, &before.bwe.acked, sizeof(h.bwe.acked));
    assert_memory_equal(&h.bwe.loss, &before.bwe.loss, sizeof(h.bwe.loss));
    report(&h, 30000, 200, true, 100);
    report(&h, 60000, 200, false, 100);
    assert_memory_equal(&h.bwe.acked, &before.bwe.acked, sizeof(h.bwe.acked));
    assert_memory_equal(&h.bwe.loss, &before.bwe.loss, sizeof(h.bwe.loss));
    assert_int_equal(bwe_estimate_bps(&h.bwe), bwe_estimate_bps(&before.bwe));
}

static void numbers_left_out_are_nobodys_loss(void **state)
{
    static struct hand h;
    h = hand_of(0, 50);
    send(&h, 150); /* 50..149 never left */
    report(&h, 0, 151, true, 100);
    assert_int_equal(h.bwe.loss.total, 51);
}

static void a_jump_of_the_receivers_clock_is_survived(void **state)
{
    static struct hand h;
    h = hand_of(0, 100);
    report(&h, 0, 50, true, 100);
    report(&h, 50, 50, true, 100 + 100000);
    assert_int_equal(h.bwe.delay.usage, BWE_NORMAL);
    assert_true(h.bwe.delay.queue_us < 1000000);
    assert_int_equal(bwe_estimate_bps(&h.bwe), BWE_START_BPS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clocks_and_their_wraps_make_no_difference),
        cmocka_unit_test(a_recorded_trace_replays_bit_for_bit),
        cmocka_unit_test(silence_changes_nothing),
        cmocka_unit_test(little_media_neither_grows_nor_shrinks_the_estimate),
        cmocka_unit_test(a_squeeze_is_seen_by_little_media_too),
        cmocka_unit_test(feedback_that_stops_backs_off),
        cmocka_unit_test(lost_feedback_is_not_lost_media),
        cmocka_unit_test(rare_feedback_is_enough),
        cmocka_unit_test(much_random_loss_does_not_starve),
        cmocka_unit_test(a_longer_path_is_not_a_queue_for_ever),
        cmocka_unit_test(a_longer_path_that_loses_is_no_queue),
        cmocka_unit_test(a_short_full_queue_is_a_queue),
        cmocka_unit_test(steps_of_layers_are_climbed),
        cmocka_unit_test(without_padding_it_grows_slowly),
        cmocka_unit_test(there_is_no_probe_without_demand),
        cmocka_unit_test(reports_and_remb_do_where_there_is_no_feedback),
        cmocka_unit_test(remb_is_a_cap_for_a_while),
        cmocka_unit_test(a_reported_loss_is_corrected_by_its_arrival),
        cmocka_unit_test(duplicate_and_foreign_feedback_changes_nothing),
        cmocka_unit_test(numbers_left_out_are_nobodys_loss),
        cmocka_unit_test(a_jump_of_the_receivers_clock_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
