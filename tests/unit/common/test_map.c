/* SPDX-License-Identifier: Apache-2.0 */
#include "common/list.h"
#include "common/map.h"

#include "fail_alloc.h"
#include "unit.h"

#include <stdio.h>

struct thing {
    struct map_node node;
    char key[16];
};

/* The first and last vectors of the reference implementation: key 00..0f, message 00..n-1. */
static void siphash_matches_reference_vectors(void **state)
{
    (void)state;
    uint8_t key[16], message[64];
    for (uint8_t i = 0; i < 16; i++)
        key[i] = i;
    for (uint8_t i = 0; i < 64; i++)
        message[i] = i;
    assert_true(siphash(key, bytes_of(message, 0)) == 0x726fdb47dd0e0e31u);
    assert_true(siphash(key, bytes_of(message, 15)) == 0xa129ca6149be45e5u);
    assert_true(siphash(key, bytes_of(message, 63)) == 0x958a324ceb064572u);
}

static void map_finds_what_was_inserted_until_removed(void **state)
{
    (void)state;
    static struct thing things[1000];
    struct map m;
    map_init(&m, NULL);
    assert_null(map_find(&m, "nothing"));
    for (size_t i = 0; i < ARRAY_LEN(things); i++) {
        (void)snprintf(things[i].key, sizeof things[i].key, "key-%zu", i);
        assert_int_equal(map_insert(&m, &things[i].node, things[i].key), OK);
    }
    assert_int_equal(m.len, 1000);
    struct map_node twin;
    assert_int_equal(map_insert(&m, &twin, "key-7"), ERR_BAD_STATE);
    for (size_t i = 0; i < ARRAY_LEN(things); i += 2)
        assert_ptr_equal(map_remove(&m, things[i].key), &things[i].node);
    for (size_t i = 0; i < ARRAY_LEN(things); i++)
        assert_ptr_equal(map_find(&m, things[i].key), i % 2 == 0 ? NULL : &things[i].node);
    assert_ptr_equal(map_find_bytes(&m, bytes_of("key-77777", 6)), &things[77].node);
    size_t seen = 0;
    struct map_node *next;
    for (struct map_node *n = map_first(&m); n != NULL; n = next) {
        next = map_next(&m, n);
        assert_ptr_equal(map_remove(&m, n->key), n);
        seen++;
    }
    assert_int_equal(seen, 500);
    assert_int_equal(m.len, 0);
    map_done(&m);
}

static void insert_many(void *data)
{
    struct thing *things = data;
    struct map m;
    map_init(&m, NULL);
    size_t inserted = 0;
    for (size_t i = 0; i < 100; i++) {
        (void)snprintf(things[i].key, sizeof things[i].key, "%zu", i);
        enum err e = map_insert(&m, &things[i].node, things[i].key);
        assert_true(e == OK || (e == ERR_SYSTEM && m.bucket_count == 0));
        inserted += e == OK ? 1 : 0;
    }
    assert_int_equal(m.len, inserted);
    assert_true(inserted >= 99);
    map_done(&m);
}

static void map_works_on_when_it_cannot_grow(void **state)
{
    (void)state;
    static struct thing things[100];
    assert_int_equal(fail_alloc_each(insert_many, things), 4); /* 16, 32, 64, 128 buckets */
}

static void list_keeps_order_and_allows_removal_while_walking(void **state)
{
    (void)state;
    struct item {
        struct list_link link;
        int value;
    } items[5];
    struct list l;
    list_init(&l);
    assert_null(list_first(&l));
    for (int i = 0; i < 5; i++) {
        items[i].value = i;
        list_push_back(&l, &items[i].link);
    }
    int expected = 0;
    list_for_each(at, &l)
    {
        struct item *item = list_entry(at, struct item, link);
        assert_int_equal(item->value, expected++);
        if (item->value % 2 == 1)
            list_remove(at);
    }
    list_remove(&items[1].link); /* twice is harmless */
    list_push_front(&l, &items[3].link);
    static const int order[] = { 3, 0, 2, 4 };
    for (size_t i = 0; i < ARRAY_LEN(order); i++)
        assert_int_equal(list_entry(list_pop_front(&l), struct item, link)->value, order[i]);
    assert_true(list_is_empty(&l));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(siphash_matches_reference_vectors),
        cmocka_unit_test(map_finds_what_was_inserted_until_removed),
        cmocka_unit_test(map_works_on_when_it_cannot_grow),
        cmocka_unit_test(list_keeps_order_and_allows_removal_while_walking),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
