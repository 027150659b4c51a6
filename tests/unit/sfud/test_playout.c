/* SPDX-License-Identifier: Apache-2.0 */
#include "core/playout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static struct playout p;
static usec now, max;

static void look_for(usec duration, uint8_t up_loss, uint8_t down_loss, bool is_congested)
{
    const struct playout_path up = { up_loss, MILLIS(80) }, down = { down_loss, MILLIS(40) };
    for (usec end = now + duration; now < end; now += MILLIS(20))
        playout_look(&p, &up, &down, is_congested, max, now);
}

static unsigned told(void)
{
    struct rtp_ext_values v = { 0 };
    playout_write(&p, &v);
    return v.present == 0 ? UINT32_MAX : v.playout_delay_min * 10u;
}

static int start(void **state)
{
    p = (struct playout){ 0 };
    now = SECONDS(100);
    max = MILLIS(250);
    return 0;
}

static void who_loses_nothing_is_told_nothing(void **state)
{
    look_for(SECONDS(60), PLAYOUT_LOSS - 1, PLAYOUT_LOSS - 1, false);
    assert_int_equal(told(), UINT32_MAX);
}

static void lasting_loss_of_either_way_delays(void **state)
{
    look_for(SECONDS(1), 0, 20, false);
    assert_int_equal(told(), UINT32_MAX);
    look_for(SECONDS(2), 0, 20, false);
    assert_int_equal(told(), 80);
    look_for(SECONDS(1), 20, 0, false);
    assert_int_equal(told(), 120);
    look_for(SECONDS(5), 0, 20, false);
    assert_int_equal(told(), 120); /* not to and fro */
}

static void the_delay_has_a_bound(void **state)
{
    max = MILLIS(100);
    look_for(SECONDS(3), 20, 0, false);
    assert_int_equal(told(), 100);
    assert_int_equal(playout_delay(&p), MILLIS(100));
}

static void it_can_be_off(void **state)
{
    max = 0;
    look_for(SECONDS(60), 80, 80, false);
    assert_int_equal(told(), UINT32_MAX);
    assert_int_equal(playout_delay(&p), 0);
}

static void the_end_is_told_too(void **state)
{
    look_for(SECONDS(3), 20, 0, false);
    look_for(PLAYOUT_KEPT * PLAYOUT_LOOK_INTERVAL - SECONDS(1), 0, 0, false);
    assert_int_equal(told(), 120);
    look_for(SECONDS(2), 0, 0, false);
    assert_int_equal(told(), 0);
}

static void another_publisher_begins_without(void **state)
{
    look_for(SECONDS(3), 20, 0, false);
    assert_int_equal(told(), 120);
    playout_restart(&p);
    assert_int_equal(told(), 0);
    look_for(SECONDS(1), 20, 0, false);
    assert_int_equal(told(), 0);
}

static void loss_of_congestion_does_not_delay(void **state)
{
    look_for(SECONDS(30), 0, 80, true);
    assert_int_equal(told(), UINT32_MAX);
    for (int i = 0; i < 10; i++) {
        look_for(SECONDS(1), 0, 80, false);
        look_for(SECONDS(1), 0, 80, true);
    }
    assert_int_equal(told(), UINT32_MAX);
}

static void on_a_full_path_pictures_are_shown_as_they_come(void **state)
{
    struct rtp_ext_values v = { 0 };
    playout_set_full(&p, true);
    playout_write(&p, &v);
    assert_int_equal(v.playout_delay_min, 0);
    assert_int_equal(v.playout_delay_max, 50);
    playout_set_full(&p, false);
    v = (struct rtp_ext_values){ 0 };
    playout_write(&p, &v);
    assert_true(v.present != 0); /* the end is told */
    assert_int_equal(v.playout_delay_min, 0);
    assert_int_equal(v.playout_delay_max, 1000);
    look_for(SECONDS(3), 20, 0, false); /* who loses packets waits for them all the same */
    playout_set_full(&p, true);
    assert_int_equal(told(), 120);
}

static void a_publishers_own_word_holds_if_it_is_more(void **state)
{
    struct rtp_ext_values v = { .present = RTP_EXT_BIT(RTP_EXT_PLAYOUT_DELAY),
                                .playout_delay_min = 40,
                                .playout_delay_max = 50 };
    playout_write(&p, &v);
    assert_int_equal(v.playout_delay_min, 40);
    look_for(SECONDS(3), 20, 0, false);
    playout_write(&p, &v);
    assert_int_equal(v.playout_delay_min, 40);
    v.playout_delay_min = v.playout_delay_max = 0; /* a game: as soon as can be */
    playout_write(&p, &v);
    assert_int_equal(v.playout_delay_min, 12);
    assert_int_equal(v.playout_delay_max, 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(who_loses_nothing_is_told_nothing, start),
        cmocka_unit_test_setup(lasting_loss_of_either_way_delays, start),
        cmocka_unit_test_setup(the_delay_has_a_bound, start),
        cmocka_unit_test_setup(it_can_be_off, start),
        cmocka_unit_test_setup(the_end_is_told_too, start),
        cmocka_unit_test_setup(another_publisher_begins_without, start),
        cmocka_unit_test_setup(loss_of_congestion_does_not_delay, start),
        cmocka_unit_test_setup(on_a_full_path_pictures_are_shown_as_they_come, start),
        cmocka_unit_test_setup(a_publishers_own_word_holds_if_it_is_more, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
