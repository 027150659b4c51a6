/* SPDX-License-Identifier: Apache-2.0 */
#include "core/layer_control.h"
#include "rtc/twcc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* A path that loses every nth packet (0: none), seen by the real recorder. */
struct path {
    struct twcc_recorder recorder;
    uint32_t arrival[TWCC_WINDOW];
    struct layer_control control;
    uint16_t seq;
    usec now;
    unsigned changes;
};

static void path_init(struct path *p)
{
    *p = (struct path){ .now = SECONDS(100) };
    twcc_recorder_init(&p->recorder, p->arrival);
    layer_control_init(&p->control, 3, p->now);
}

static void feed(struct path *p)
{
    uint8_t buffer[TWCC_FEEDBACK_SIZE_MAX];
    struct writer w = writer_of(buffer, sizeof buffer);
    struct rtcp_message m;
    while (twcc_recorder_write(&p->recorder, 1, 2, p->now, &w)) {
        struct rtcp_iter it = rtcp_iter_of(bytes_of(buffer, writer_len(&w)));
        assert_int_equal(rtcp_next(&it, &m), OK);
        p->changes += layer_control_on_feedback(&p->control, m.fci, p->now);
        w = writer_of(buffer, sizeof buffer);
    }
}

/* 100 packets a second, feedback every 100 ms. */
static void run(struct path *p, usec duration, unsigned lose_nth)
{
    for (usec end = p->now + duration; p->now < end; p->now += MILLIS(10)) {
        p->seq++;
        if (lose_nth == 0 || p->seq % lose_nth != 0)
            twcc_recorder_on_packet(&p->recorder, p->seq, false, p->now);
        if (p->seq % 10 == 0)
            feed(p);
    }
}

static void a_good_path_keeps_all_layers(void **state)
{
    struct path p;
    path_init(&p);
    run(&p, SECONDS(60), 0);
    assert_int_equal(p.control.active, 3);
    assert_int_equal(p.changes, 0);
}

static void much_loss_drops_layers_one_after_the_other_down_to_one(void **state)
{
    struct path p;
    path_init(&p);
    run(&p, MILLIS(1200), 4);
    assert_int_equal(p.control.active, 2);
    run(&p, SECONDS(10), 4);
    assert_int_equal(p.control.active, 1);
}

static void a_calm_path_gets_its_layers_back_and_waits_longer_each_time(void **state)
{
    struct path p;
    path_init(&p);
    run(&p, MILLIS(1200), 4);
    run(&p, SECONDS(7), 0);
    assert_int_equal(p.control.active, 2);
    run(&p, SECONDS(3), 0);
    assert_int_equal(p.control.active, 3);
    run(&p, MILLIS(2200), 4);
    assert_true(p.control.active < 3);
    unsigned active = p.control.active;
    run(&p, SECONDS(10), 0);
    assert_int_equal(p.control.active, active); /* sixteen seconds this time */
    run(&p, SECONDS(8), 0);
    assert_int_equal(p.control.active, active + 1);
}

static void a_little_loss_neither_drops_nor_adds(void **state)
{
    struct path p;
    path_init(&p);
    run(&p, MILLIS(1200), 4);
    run(&p, SECONDS(40), 20); /* 5 % */
    assert_int_equal(p.control.active, 2);
}

static void what_nobody_watches_is_spared_whatever_the_path_carries(void **state)
{
    struct path p;
    path_init(&p);
    assert_true(layer_control_sends(&p.control, 2));
    assert_true(layer_control_on_demand(&p.control, 0));
    assert_false(layer_control_on_demand(&p.control, 0));
    assert_true(layer_control_sends(&p.control, 0));
    assert_false(layer_control_sends(&p.control, 1));
    assert_true(layer_control_is_spared(&p.control, 1));
    assert_true(layer_control_on_demand(&p.control, -1));
    assert_false(layer_control_sends(&p.control, 0));
    run(&p, MILLIS(1200), 4); /* the top layer is gone for its own reason now */
    assert_false(layer_control_is_spared(&p.control, 2));
    assert_true(layer_control_on_demand(&p.control, 2));
    assert_true(layer_control_sends(&p.control, 1));
    assert_false(layer_control_sends(&p.control, 2));
}

static void garbage_is_ignored(void **state)
{
    struct layer_control c;
    layer_control_init(&c, 3, 0);
    assert_false(layer_control_on_feedback(&c, bytes_of("garbage", 7), SECONDS(5)));
    assert_int_equal(c.active, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_path_keeps_all_layers),
        cmocka_unit_test(much_loss_drops_layers_one_after_the_other_down_to_one),
        cmocka_unit_test(a_calm_path_gets_its_layers_back_and_waits_longer_each_time),
        cmocka_unit_test(a_little_loss_neither_drops_nor_adds),
        cmocka_unit_test(what_nobody_watches_is_spared_whatever_the_path_carries),
        cmocka_unit_test(garbage_is_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
