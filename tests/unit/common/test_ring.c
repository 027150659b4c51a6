/* SPDX-License-Identifier: Apache-2.0 */
#include "common/ring.h"

#include "unit.h"

#include <pthread.h>
#include <sched.h>

static void ring_gives_back_in_order_and_refuses_when_full(void **state)
{
    (void)state;
    uint32_t memory[4], value;
    struct ring r;
    ring_init(&r, memory, 4, sizeof *memory);
    for (uint32_t round = 0; round < 10; round++) {
        for (uint32_t i = 0; i < 4; i++)
            assert_true(ring_push(&r, &(uint32_t){ round * 4 + i }));
        assert_false(ring_push(&r, &(uint32_t){ 99 }));
        assert_int_equal(ring_len(&r), 4);
        for (uint32_t i = 0; i < 4; i++) {
            assert_true(ring_pop(&r, &value));
            assert_int_equal(value, round * 4 + i);
        }
        value = 7;
        assert_false(ring_pop(&r, &value));
        assert_int_equal(value, 7);
    }
}

#define COUNT 200000

static void *pusher(void *data)
{
    struct ring *r = data;
    for (uint64_t i = 1; i <= COUNT; i++) {
        uint64_t element[2] = { i, ~i };
        while (!ring_push(r, element))
            (void)sched_yield();
    }
    return NULL;
}

static void nothing_is_lost_or_torn_between_two_threads(void **state)
{
    (void)state;
    static uint64_t memory[64 * 2];
    struct ring r;
    pthread_t thread;
    ring_init(&r, memory, 64, 2 * sizeof *memory);
    assert_int_equal(pthread_create(&thread, NULL, pusher, &r), 0);
    for (uint64_t i = 1; i <= COUNT; i++) {
        uint64_t element[2];
        while (!ring_pop(&r, element))
            (void)sched_yield();
        assert_true(element[0] == i && element[1] == ~i);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(ring_len(&r), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ring_gives_back_in_order_and_refuses_when_full),
        cmocka_unit_test(nothing_is_lost_or_torn_between_two_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
