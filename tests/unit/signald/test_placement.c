/* test_placement.c - which node takes a room. SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/signald/core/placement.h"

static json_t *node(const char *id, const char *epoch, double load, bool is_draining)
{
    return json_pack("{s:s,s:s,s:f,s:i,s:b}", "id", id, "epoch", epoch, "load", load,
                     "participants", 1, "draining", is_draining ? 1 : 0);
}

static void look(struct placement *p, usec now, json_t *nodes)
{
    placement_on_nodes(p, nodes, now);
    json_decref(nodes);
}

static void the_least_loaded_node_that_is_not_draining_is_chosen(void **state)
{
    struct placement p;
    placement_init(&p);
    assert_null(placement_choose(&p, 0));
    look(&p, 1,
         json_pack("[o,o,o]", node("a", "1", 0.5, false), node("b", "1", 0.2, false),
                   node("c", "1", 0.1, true)));
    assert_string_equal(placement_choose(&p, 0)->id, "b");
    look(&p, 2, json_pack("[o,o]", node("a", "1", 0.5, false), node("c", "1", 0.1, true)));
    assert_string_equal(placement_choose(&p, 0)->id, "a");
    look(&p, 3, json_pack("[o]", node("c", "1", 0.1, true)));
    assert_null(placement_choose(&p, 0));
}

static void a_node_is_lost_when_it_restarted(void **state)
{
    struct placement p;
    placement_init(&p);
    look(&p, 1, json_pack("[o]", node("a", "1", 0, false)));
    assert_false(placement_is_lost(&p, "a", "1", 1));
    look(&p, 2, json_pack("[o]", node("a", "2", 0, false)));
    assert_string_equal(placement_loss(&p, "a", "1", 2), "restarted");
}

static void a_node_is_lost_after_four_seconds_that_we_could_see(void **state)
{
    struct placement p;
    placement_init(&p);
    look(&p, SECONDS(1), json_pack("[o]", node("a", "1", 0, false)));
    look(&p, SECONDS(2), json_array());
    assert_false(placement_is_lost(&p, "a", "1", SECONDS(5) - 1));
    assert_true(placement_is_lost(&p, "a", "1", SECONDS(5)));
    placement_on_blind(&p);
    assert_false(placement_is_lost(&p, "a", "1", SECONDS(60)));
    look(&p, SECONDS(61), json_array());
    assert_false(placement_is_lost(&p, "a", "1", SECONDS(71) - 1)); /* it may need longer than we */
    assert_true(placement_is_lost(&p, "a", "1", SECONDS(71)));
    assert_true(placement_is_lost(&p, "never-seen", "1", SECONDS(71)));
    look(&p, SECONDS(72), json_pack("[o]", node("a", "1", 0, false)));
    look(&p, SECONDS(73), json_array());
    assert_string_equal(placement_loss(&p, "a", "1", SECONDS(76)), "away");
}

/* One look at a node of that heartbeat; listening: 0, 1 or -1 for unknown. */
static void look_at(struct placement *p, usec now, int64_t beat, int listening)
{
    json_t *n = node("a", "1", 0, false);
    json_object_set_new(n, "updated", json_integer(beat));
    if (listening >= 0)
        json_object_set_new(n, "listening", json_boolean(listening));
    look(p, now, json_pack("[o,o]", n, node("b", "1", 0.5, false)));
}

static void
a_node_that_nobody_hears_from_and_that_does_not_listen_is_lost_after_two_looks(void **state)
{
    struct placement p;
    placement_init(&p);
    look_at(&p, SECONDS(1), 1, 1);
    look_at(&p, SECONDS(2), 1, 0);
    assert_string_equal(placement_choose(&p, SECONDS(2))->id, "b"); /* rather not that one */
    placement_on_doubt(&p, "a", "1", SECONDS(2));
    assert_false(placement_is_lost(&p, "a", "1", SECONDS(2)));
    look_at(&p, SECONDS(3), 1, 0);
    assert_string_equal(placement_loss(&p, "a", "1", SECONDS(3)), "deaf");
    assert_false(placement_is_lost(&p, "b", "1", SECONDS(3)));
    look_at(&p, SECONDS(4), 4, 1); /* it was only its link */
    assert_false(placement_is_lost(&p, "a", "1", SECONDS(4)));
    assert_string_equal(placement_choose(&p, SECONDS(4))->id, "a");
}

static void a_node_whose_people_get_their_media_may_be_deaf_for_long(void **state)
{
    struct placement p;
    placement_init(&p);
    look_at(&p, SECONDS(1), 1, 1);
    placement_on_doubt(&p, "a", "other epoch", SECONDS(1));
    for (int i = 2; i < 6; i++)
        look_at(&p, SECONDS(i), 1, 0);
    assert_false(placement_is_lost(&p, "a", "1", SECONDS(5)));
    placement_on_doubt(&p, "a", "1", SECONDS(5));
    assert_true(placement_is_lost(&p, "a", "1", SECONDS(5)));
    assert_false(placement_is_lost(&p, "a", "1", SECONDS(5) + NODE_DOUBT)); /* that was long ago */
}

static void a_doubted_node_whose_heart_stands_still_is_lost(void **state)
{
    struct placement p;
    placement_init(&p);
    look_at(&p, SECONDS(1), 1, 1);
    placement_on_doubt(&p, "a", "1", SECONDS(1));
    look_at(&p, SECONDS(2), 1, 1); /* that happens: both look and write each second */
    look_at(&p, SECONDS(3), 2, 1);
    look_at(&p, SECONDS(4), 2, 1);
    look_at(&p, SECONDS(5), 2, 1);
    assert_false(placement_is_lost(&p, "a", "1", SECONDS(5)));
    look(&p, SECONDS(6), json_array()); /* nor is its key there any more */
    assert_string_equal(placement_loss(&p, "a", "1", SECONDS(6)), "silent");
}

static void what_was_not_seen_to_listen_is_not_called_deaf(void **state)
{
    struct placement p;
    placement_init(&p);
    for (int i = 1; i < 9; i++)
        look_at(&p, SECONDS(i), i, 0); /* Redis Cluster: it listens at another server */
    placement_on_doubt(&p, "a", "1", SECONDS(8));
    assert_false(placement_is_lost(&p, "a", "1", SECONDS(8)));
    look_at(&p, SECONDS(9), 9, 1);
    look_at(&p, SECONDS(10), 10, 0);
    placement_on_blind(&p); /* our own outage is no sign of theirs */
    for (int i = 11; i < 15; i++)
        look_at(&p, SECONDS(i), i, 0);
    placement_on_doubt(&p, "a", "1", SECONDS(14));
    assert_false(placement_is_lost(&p, "a", "1", SECONDS(14)));
}

static void a_node_that_is_leaving_is_left_until_it_has_started_again(void **state)
{
    struct placement p;
    placement_init(&p);
    look_at(&p, SECONDS(1), 1, 1);
    placement_on_leaving(&p, "a", "1");
    assert_string_equal(placement_loss(&p, "a", "1", SECONDS(1)), "leaving");
    assert_string_equal(placement_choose(&p, SECONDS(1))->id, "b");
    look(&p, SECONDS(2), json_pack("[o]", node("a", "2", 0, false)));
    assert_string_equal(placement_choose(&p, SECONDS(2))->id, "a");
    assert_false(placement_is_lost(&p, "a", "2", SECONDS(2)));
}

static void malformed_nodes_are_skipped(void **state)
{
    struct placement p;
    placement_init(&p);
    look(&p, 1, json_pack("[i,{},{s:s},o]", 7, "id", "x", node("a", "1", 0, false)));
    assert_int_equal(p.count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_least_loaded_node_that_is_not_draining_is_chosen),
        cmocka_unit_test(a_node_is_lost_when_it_restarted),
        cmocka_unit_test(a_node_is_lost_after_four_seconds_that_we_could_see),
        cmocka_unit_test(
            a_node_that_nobody_hears_from_and_that_does_not_listen_is_lost_after_two_looks),
        cmocka_unit_test(a_node_whose_people_get_their_media_may_be_deaf_for_long),
        cmocka_unit_test(a_doubted_node_whose_heart_stands_still_is_lost),
        cmocka_unit_test(what_was_not_seen_to_listen_is_not_called_deaf),
        cmocka_unit_test(a_node_that_is_leaving_is_left_until_it_has_started_again),
        cmocka_unit_test(malformed_nodes_are_skipped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
