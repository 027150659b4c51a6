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
    assert_null(placement_choose(&p));
    look(&p, 1,
         json_pack("[o,o,o]", node("a", "1", 0.5, false), node("b", "1", 0.2, false),
                   node("c", "1", 0.1, true)));
    assert_string_equal(placement_choose(&p)->id, "b");
    look(&p, 2, json_pack("[o,o]", node("a", "1", 0.5, false), node("c", "1", 0.1, true)));
    assert_string_equal(placement_choose(&p)->id, "a");
    look(&p, 3, json_pack("[o]", node("c", "1", 0.1, true)));
    assert_null(placement_choose(&p));
}

static void a_node_is_lost_when_it_restarted(void **state)
{
    struct placement p;
    placement_init(&p);
    look(&p, 1, json_pack("[o]", node("a", "1", 0, false)));
    assert_false(placement_is_lost(&p, "a", "1", 1));
    look(&p, 2, json_pack("[o]", node("a", "2", 0, false)));
    assert_true(placement_is_lost(&p, "a", "1", 2));
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
    assert_true(placement_is_lost(&p, "a", "1", SECONDS(76)));
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
        cmocka_unit_test(malformed_nodes_are_skipped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
