/* Rooms on workers, and answers kept for repeats.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "io/members.h"
#include "io/reply_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const uint8_t hash_key[16] = { 7 };

static void a_room_stays_on_the_worker_of_its_first_participant(void **state)
{
    (void)state;
    struct members m;
    members_init(&m, 3, hash_key);
    struct member *a = members_add(&m, "o/a", "p_1");
    for (int i = 2; i < 20; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "p_%d", i);
        assert_ptr_equal(members_add(&m, "o/a", name)->room, a->room);
    }
    assert_int_equal(m.worker_members[a->room->worker], 19);
    assert_int_equal(members_count(&m), 19);
    members_done(&m);
}

static void a_new_room_goes_where_the_fewest_are(void **state)
{
    (void)state;
    struct members m;
    members_init(&m, 2, hash_key);
    struct member *a = members_add(&m, "o/a", "p_1");
    struct member *b = members_add(&m, "o/b", "p_1");
    assert_int_not_equal(a->room->worker, b->room->worker);
    (void)members_add(&m, "o/b", "p_2");
    assert_int_equal(members_add(&m, "o/c", "p_1")->room->worker, a->room->worker);
    members_done(&m);
}

static void a_room_ends_with_its_last_participant(void **state)
{
    (void)state;
    struct members m;
    members_init(&m, 2, hash_key);
    struct member *one = members_add(&m, "o/a", "p_1"), *two = members_add(&m, "o/a", "p_2");
    members_remove(&m, one);
    assert_true(members_has_room(&m, "o/a"));
    assert_null(members_find(&m, "o/a", "p_1"));
    assert_ptr_equal(members_find(&m, "o/a", "p_2"), two);
    members_remove(&m, two);
    assert_false(members_has_room(&m, "o/a"));
    assert_int_equal(m.worker_members[0] + m.worker_members[1], 0);
    members_done(&m);
}

static void the_same_name_in_two_rooms_is_two_participants(void **state)
{
    (void)state;
    struct members m;
    members_init(&m, 1, hash_key);
    struct member *a = members_add(&m, "o/a", "p_1"), *b = members_add(&m, "o/b", "p_1");
    assert_ptr_not_equal(a, b);
    assert_ptr_equal(members_find(&m, "o/b", "p_1"), b);
    members_done(&m);
}

static void a_repeat_gets_the_answer_of_the_first(void **state)
{
    (void)state;
    struct reply_memory m;
    const char *reply;
    reply_memory_init(&m, hash_key);
    assert_int_equal(reply_memory_see(&m, "r_1", 0, &reply), REPLY_NEW);
    assert_int_equal(reply_memory_see(&m, "r_1", 1, &reply), REPLY_PENDING);
    reply_memory_answer(&m, "r_1", "yes");
    reply_memory_answer(&m, "r_2", "never seen");
    assert_int_equal(reply_memory_see(&m, "r_1", 2, &reply), REPLY_ANSWERED);
    assert_string_equal(reply, "yes");
    assert_int_equal(reply_memory_see(&m, "r_2", 2, &reply), REPLY_NEW);
    reply_memory_done(&m);
}

static void answers_are_forgotten_after_ten_seconds(void **state)
{
    (void)state;
    struct reply_memory m;
    const char *reply;
    reply_memory_init(&m, hash_key);
    assert_int_equal(reply_memory_see(&m, "r_1", 0, &reply), REPLY_NEW);
    reply_memory_answer(&m, "r_1", "yes");
    assert_int_equal(reply_memory_see(&m, "r_1", SECONDS(10) - 1, &reply), REPLY_ANSWERED);
    assert_int_equal(reply_memory_see(&m, "r_1", SECONDS(10), &reply), REPLY_NEW);
    reply_memory_done(&m);
}

static void the_memory_is_bounded(void **state)
{
    (void)state;
    struct reply_memory m;
    const char *reply;
    reply_memory_init(&m, hash_key);
    for (int i = 0; i < REPLY_MEMORY_MAX + 500; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "r_%d", i);
        assert_int_equal(reply_memory_see(&m, id, 0, &reply), REPLY_NEW);
    }
    assert_in_range(m.by_id.len, REPLY_MEMORY_MAX, REPLY_MEMORY_MAX + 1);
    assert_int_equal(reply_memory_see(&m, "r_0", 0, &reply), REPLY_NEW);
    reply_memory_done(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_room_stays_on_the_worker_of_its_first_participant),
        cmocka_unit_test(a_new_room_goes_where_the_fewest_are),
        cmocka_unit_test(a_room_ends_with_its_last_participant),
        cmocka_unit_test(the_same_name_in_two_rooms_is_two_participants),
        cmocka_unit_test(a_repeat_gets_the_answer_of_the_first),
        cmocka_unit_test(answers_are_forgotten_after_ten_seconds),
        cmocka_unit_test(the_memory_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
