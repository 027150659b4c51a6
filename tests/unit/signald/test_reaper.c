/* test_reaper.c - when somebody is left behind. SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/signald/core/reaper.h"

#define WALL ((wall_usec)1790000000000000)

static enum reap judge(struct reaper *r, const json_t *owner, const char *epoch, usec now)
{
    json_t *live = epoch == NULL ? json_object() : json_pack("{s:s}", "s2", epoch);
    enum reap verdict = reaper_judge(r, owner, live, now, WALL + now);
    json_decref(live);
    return verdict;
}

static json_t *connected(void)
{
    return json_pack("{s:s,s:s,s:s,s:b}", "id", "p", "signald", "s2", "signald_epoch", "e1",
                     "connected", 1);
}

static void the_absence_of_an_owner_is_watched_for_a_while(void **state)
{
    struct reaper r;
    reaper_init(&r);
    json_t *p = connected();
    assert_int_equal(judge(&r, p, NULL, 0), REAP_LEAVE_ALONE); /* Redis is not there */
    reaper_on_redis(&r, true, 0, WALL);
    assert_int_equal(judge(&r, p, "e1", SECONDS(1)), REAP_LEAVE_ALONE);
    assert_int_equal(judge(&r, p, NULL, SECONDS(5)), REAP_LEAVE_ALONE);
    assert_int_equal(judge(&r, p, NULL, SECONDS(10)), REAP_LEAVE_ALONE);
    assert_int_equal(judge(&r, p, NULL, SECONDS(11)), REAP_DETACH);
    assert_int_equal(judge(&r, p, "e1", SECONDS(12)), REAP_LEAVE_ALONE); /* it is back */
    assert_int_equal(judge(&r, p, NULL, SECONDS(13)), REAP_LEAVE_ALONE);
    json_decref(p);
    reaper_done(&r);
}

static void a_restarted_owner_is_gone(void **state)
{
    struct reaper r;
    reaper_init(&r);
    reaper_on_redis(&r, true, 0, WALL);
    json_t *p = connected();
    assert_int_equal(judge(&r, p, "e2", 0), REAP_LEAVE_ALONE);
    assert_int_equal(judge(&r, p, "e2", SECONDS(6)), REAP_DETACH);
    json_decref(p);
    reaper_done(&r);
}

static void an_outage_of_redis_starts_the_watch_again(void **state)
{
    struct reaper r;
    reaper_init(&r);
    reaper_on_redis(&r, true, 0, WALL);
    json_t *p = connected();
    judge(&r, p, NULL, 0);
    reaper_on_redis(&r, false, SECONDS(3), WALL + SECONDS(3));
    assert_int_equal(judge(&r, p, NULL, SECONDS(20)), REAP_LEAVE_ALONE);
    reaper_on_redis(&r, true, SECONDS(30), WALL + SECONDS(30));
    assert_int_equal(judge(&r, p, NULL, SECONDS(31)), REAP_LEAVE_ALONE);
    assert_int_equal(judge(&r, p, NULL, SECONDS(37)), REAP_DETACH);
    json_decref(p);
    reaper_done(&r);
}

static void a_detached_participant_is_removed_after_window_and_grace(void **state)
{
    struct reaper r;
    reaper_init(&r);
    reaper_on_redis(&r, true, 0, WALL);
    json_t *p = connected();
    json_object_set_new(p, "connected", json_false());
    assert_int_equal(judge(&r, p, NULL, SECONDS(90)), REAP_LEAVE_ALONE); /* no time: not ours */
    json_object_set_new(p, "detached_at", json_integer((WALL + SECONDS(10)) / 1000));
    assert_int_equal(judge(&r, p, NULL, SECONDS(44)), REAP_LEAVE_ALONE);
    assert_int_equal(judge(&r, p, NULL, SECONDS(45)), REAP_REMOVE);
    reaper_on_redis(&r, true, SECONDS(50), WALL + SECONDS(50));
    assert_int_equal(judge(&r, p, NULL, SECONDS(84)), REAP_LEAVE_ALONE);
    assert_int_equal(judge(&r, p, NULL, SECONDS(85)), REAP_REMOVE);
    json_decref(p);
    reaper_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_absence_of_an_owner_is_watched_for_a_while),
        cmocka_unit_test(a_restarted_owner_is_gone),
        cmocka_unit_test(an_outage_of_redis_starts_the_watch_again),
        cmocka_unit_test(a_detached_participant_is_removed_after_window_and_grace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
