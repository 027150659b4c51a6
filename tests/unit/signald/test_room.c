/* test_room.c - events in seq order, gaps, snapshots. SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/signald/core/room.h"

#include <stdio.h>

static json_t *record(const char *id, int64_t joined_at)
{
    return json_pack("{s:s,s:s,s:s,s:s,s:b,s:b,s:[],s:I,s:s,s:s}", "id", id, "name", id, "kind",
                     "guest", "role", "member", "hand", 0, "connected", 1, "tracks", "joined_at",
                     (json_int_t)joined_at, "signald", "s1", "resume", "secret");
}

static enum room_result apply(struct room *r, int64_t seq, const char *op, json_t *participant)
{
    json_t *event = json_pack("{s:I,s:s,s:o,s:O}", "seq", (json_int_t)seq, "op", op, "participant",
                              participant, "private", participant);
    enum room_result result = room_apply(r, event);
    json_decref(event);
    return result;
}

static enum room_result load(struct room *r, int64_t seq, json_t *participants)
{
    json_t *snapshot = json_pack("{s:I,s:o}", "seq", (json_int_t)seq, "participants", participants);
    enum room_result result = room_load(r, snapshot);
    json_decref(snapshot);
    return result;
}

static void events_are_applied_in_order_and_old_ones_are_stale(void **state)
{
    struct room r;
    room_init(&r);
    assert_int_equal(load(&r, 5, json_array()), ROOM_APPLIED);
    assert_int_equal(apply(&r, 5, "participant-joined", record("a", 1)), ROOM_STALE);
    assert_int_equal(apply(&r, 6, "participant-joined", record("a", 1)), ROOM_APPLIED);
    assert_non_null(room_find(&r, "a"));
    assert_int_equal(apply(&r, 6, "participant-left", json_string("a")), ROOM_STALE);
    assert_int_equal(apply(&r, 7, "participant-left", json_string("a")), ROOM_APPLIED);
    assert_null(room_find(&r, "a"));
    room_done(&r);
}

static void a_missing_event_is_a_gap(void **state)
{
    struct room r;
    room_init(&r);
    assert_int_equal(load(&r, 5, json_array()), ROOM_APPLIED);
    assert_int_equal(apply(&r, 7, "participant-joined", record("a", 1)), ROOM_GAP);
    assert_null(room_find(&r, "a"));
    assert_int_equal(r.seq, 5);
    room_done(&r);
}

static void events_before_the_snapshot_wait_for_it(void **state)
{
    struct room r;
    room_init(&r);
    assert_int_equal(apply(&r, 4, "participant-joined", record("a", 1)), ROOM_WAITING);
    assert_int_equal(apply(&r, 5, "participant-joined", record("b", 2)), ROOM_WAITING);
    assert_int_equal(load(&r, 4, json_pack("[o]", record("a", 1))), ROOM_APPLIED);
    assert_int_equal(r.seq, 5);
    assert_int_equal(r.member_count, 2);
    room_unload(&r);
    assert_int_equal(apply(&r, 8, "participant-joined", record("c", 3)), ROOM_WAITING);
    assert_int_equal(load(&r, 6, json_pack("[o]", record("a", 1))), ROOM_GAP);
    room_done(&r);
}

static void too_many_waiting_events_need_another_snapshot(void **state)
{
    struct room r;
    room_init(&r);
    for (int i = 1; i <= ROOM_WAITING_MAX + 1; i++)
        assert_int_equal(apply(&r, i, "participant-left", json_string("x")), ROOM_WAITING);
    assert_int_equal(load(&r, 0, json_array()), ROOM_GAP);
    room_done(&r);
}

static void members_are_in_joining_order_whatever_the_snapshot_order(void **state)
{
    struct room r;
    room_init(&r);
    load(&r, 1, json_pack("[o,o,o]", record("late", 30), record("b", 10), record("a", 10)));
    assert_string_equal(r.members[0]->id, "a");
    assert_string_equal(r.members[1]->id, "b");
    assert_string_equal(r.members[2]->id, "late");
    room_done(&r);
}

static void clients_never_see_private_fields(void **state)
{
    struct room r;
    room_init(&r);
    load(&r, 1, json_pack("[o]", record("a", 1)));
    json_t *list = room_participants(&r);
    json_t *p = json_array_get(list, 0);
    assert_int_equal(json_object_size(p), 7);
    assert_null(json_object_get(p, "resume"));
    assert_null(json_object_get(p, "signald"));
    json_decref(list);
    room_done(&r);
}

static void what_nodes_told_is_kept_across_a_snapshot(void **state)
{
    struct room r;
    room_init(&r);
    load(&r, 1, json_pack("[o]", record("a", 1)));
    json_t *speakers = json_pack("[{s:s,s:i},{s:s,s:i}]", "participant", "nobody", "level", 3,
                                 "participant", "a", "level", 3);
    assert_true(room_on_speakers(&r, speakers, 77));
    json_decref(speakers);
    json_t *score = json_pack("{s:s,s:i}", "participant", "a", "score", 4);
    assert_true(room_on_score(&r, score));
    assert_false(room_on_score(&r, score));
    json_decref(score);
    load(&r, 9, json_pack("[oo]", record("a", 1), record("b", 2)));
    assert_int_equal(room_find(&r, "a")->spoke_at, 77);
    assert_int_equal(room_find(&r, "a")->score, 4);
    assert_int_equal(room_find(&r, "b")->score, SCORE_UNKNOWN);
    room_done(&r);
}

static void nonsense_is_not_applied(void **state)
{
    struct room r;
    room_init(&r);
    load(&r, 1, json_array());
    assert_int_equal(apply(&r, 2, "participant-joined", json_string("a")), ROOM_BAD);
    assert_int_equal(apply(&r, 2, "else", record("a", 1)), ROOM_BAD);
    assert_int_equal(apply(&r, 2, "participant-joined", json_object()), ROOM_BAD);
    assert_int_equal(r.seq, 1);
    room_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_are_applied_in_order_and_old_ones_are_stale),
        cmocka_unit_test(a_missing_event_is_a_gap),
        cmocka_unit_test(events_before_the_snapshot_wait_for_it),
        cmocka_unit_test(too_many_waiting_events_need_another_snapshot),
        cmocka_unit_test(members_are_in_joining_order_whatever_the_snapshot_order),
        cmocka_unit_test(clients_never_see_private_fields),
        cmocka_unit_test(what_nodes_told_is_kept_across_a_snapshot),
        cmocka_unit_test(nonsense_is_not_applied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
