/* SPDX-License-Identifier: Apache-2.0 */
#include "io/deadline_heap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { COUNT = 200, ROUNDS = 20000 };

static uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

static usec earliest(const struct deadline *all)
{
    usec at = USEC_NEVER;
    for (int i = 0; i < COUNT; i++)
        at = MIN(at, all[i].at);
    return at;
}

static void first_is_always_the_earliest(void **state)
{
    struct deadline all[COUNT];
    struct deadline_heap heap;
    uint64_t random = 7;
    (void)state;
    assert_int_equal(deadline_heap_init(&heap, COUNT), OK);
    for (int i = 0; i < COUNT; i++)
        deadline_init(&all[i]);
    for (int round = 0; round < ROUNDS; round++) {
        struct deadline *d = &all[next_random(&random) % COUNT];
        uint64_t what = next_random(&random);
        deadline_heap_set(&heap, d, what % 5 == 0 ? USEC_NEVER : (usec)(what % 1000));
        struct deadline *first = deadline_heap_first(&heap);
        assert_int_equal(first == NULL ? USEC_NEVER : first->at, earliest(all));
    }
    deadline_heap_done(&heap);
}

static void taking_the_first_again_and_again_sorts(void **state)
{
    struct deadline all[COUNT];
    struct deadline_heap heap;
    uint64_t random = 11;
    usec before = -1;
    (void)state;
    assert_int_equal(deadline_heap_init(&heap, COUNT), OK);
    for (int i = 0; i < COUNT; i++) {
        deadline_init(&all[i]);
        deadline_heap_set(&heap, &all[i], (usec)(next_random(&random) % 500));
    }
    for (int i = 0; i < COUNT; i++) {
        struct deadline *d = deadline_heap_first(&heap);
        assert_true(d->at >= before);
        before = d->at;
        deadline_heap_set(&heap, d, USEC_NEVER);
        assert_int_equal(d->index, SIZE_MAX);
    }
    assert_null(deadline_heap_first(&heap));
    deadline_heap_done(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_is_always_the_earliest),
        cmocka_unit_test(taking_the_first_again_and_again_sorts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
