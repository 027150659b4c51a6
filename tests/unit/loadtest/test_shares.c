/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/live_json.h"
#include "core/shares.h"

#include <stdio.h>
#include <string.h>

static void every_bot_is_dealt_once_and_in_order(void **state)
{
    struct share shares[SHARES_MACHINES_MAX];
    for (unsigned machines = 1; machines <= 9; machines++) {
        for (unsigned per_room = 1; per_room < 40; per_room += 3) {
            for (unsigned rooms = 1; rooms < 60; rooms += 7) {
                unsigned next = 0;
                shares_deal(rooms * per_room, per_room, machines, shares);
                for (unsigned i = 0; i < machines; i++) {
                    assert_int_equal(shares[i].bot_first, next);
                    next += shares[i].bot_count;
                }
                assert_int_equal(next, rooms * per_room);
            }
        }
    }
}

static void rooms_stay_whole_when_that_is_balanced(void **state)
{
    struct share shares[3];
    shares_deal(100 * 7, 7, 3, shares);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(shares[i].bot_count % 7, 0);
        assert_in_range(shares[i].bot_count, 33 * 7, 34 * 7);
    }
}

static void a_large_room_is_split_evenly(void **state)
{
    struct share shares[3];
    shares_deal(300, 300, 3, shares);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(shares[i].bot_count, 100);
    shares_deal(4 * 50, 50, 3, shares); /* 2, 1 and 1 rooms would be half as much again for one */
    for (unsigned i = 0; i < 3; i++)
        assert_in_range(shares[i].bot_count, 66, 67);
}

static void with_fewer_bots_than_machines_the_last_have_none(void **state)
{
    struct share shares[4];
    shares_deal(2, 2, 4, shares);
    assert_int_equal(shares[0].bot_count, 1);
    assert_int_equal(shares[1].bot_count, 1);
    assert_int_equal(shares[2].bot_count, 0);
    assert_int_equal(shares[3].bot_count, 0);
}

static void live_figures_survive_the_way(void **state)
{
    static struct live_stats before, after;
    before = (struct live_stats){ .phase = LIVE_PLATEAU,
                                  .seconds = 12.5,
                                  .bots_wanted = 300,
                                  .bots_connected = 299,
                                  .sent = { 1u << 31, 7, 1.5, 2.5 },
                                  .latency_p99_us = 1234,
                                  .has_latency = true,
                                  .loss = 0.25,
                                  .tester_memory_bytes = UINT64_C(1) << 40,
                                  .server_count = 1 };
    memcpy(before.scenario, "meeting", 8);
    memcpy(before.chaos, "pause-redis: began", 19);
    before.servers[0] = (struct live_server){ "sfud-1", true, 0.5, 1000 };
    json_t *json = live_to_json(&before);
    live_from_json(json, &after);
    json_t *again = live_to_json(&after);
    assert_true(json_equal(json, again));
    assert_int_equal(after.bots_connected, 299);
    assert_true(after.tester_memory_bytes == UINT64_C(1) << 40);
    assert_string_equal(after.servers[0].name, "sfud-1");
    json_decref(again);
    json_decref(json);
}

static void live_figures_of_machines_add_up(void **state)
{
    static struct live_stats a, b;
    a = (struct live_stats){ .bots_connected = 10,
                             .latency_p99_us = 50,
                             .loss = 0.1,
                             .received = { .packets_per_second = 100 },
                             .phase = LIVE_PLATEAU,
                             .tester_thread_share = 0.5 };
    b = (struct live_stats){ .bots_connected = 20,
                             .latency_p99_us = 40,
                             .loss = 0.4,
                             .received = { .packets_per_second = 200 },
                             .phase = LIVE_RAMP,
                             .tester_thread_share = 0.7,
                             .tester_saturated = true };
    live_add(&a, &b);
    assert_int_equal(a.bots_connected, 30);
    assert_int_equal(a.latency_p99_us, 50);
    assert_true(a.loss > 0.2999 && a.loss < 0.3001);
    assert_true(a.received.packets_per_second == 300);
    assert_int_equal(a.phase, LIVE_PLATEAU);
    assert_true(a.tester_saturated && a.tester_thread_share == 0.7);
}

static void live_figures_without_sense_are_none(void **state)
{
    static struct live_stats s;
    json_t *json = json_pack("{ss sf ss s[s{si}]}", "phase", "?", "bots_joined", -7.0, "loss", "x",
                             "servers", "?", "name", 3);
    assert_non_null(json);
    live_from_json(json, &s);
    assert_int_equal(s.phase, LIVE_RAMP);
    assert_int_equal(s.bots_joined, 0);
    assert_int_equal(s.server_count, 2);
    live_from_json(NULL, &s);
    assert_int_equal(s.server_count, 0);
    json_decref(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_bot_is_dealt_once_and_in_order),
        cmocka_unit_test(rooms_stay_whole_when_that_is_balanced),
        cmocka_unit_test(a_large_room_is_split_evenly),
        cmocka_unit_test(with_fewer_bots_than_machines_the_last_have_none),
        cmocka_unit_test(live_figures_survive_the_way),
        cmocka_unit_test(live_figures_of_machines_add_up),
        cmocka_unit_test(live_figures_without_sense_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
