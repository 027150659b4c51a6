/* Pools, the hash index and the outbox.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/hash_index.h"
#include "core/outbox.h"
#include "limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void a_stale_handle_does_not_resolve(void **state)
{
    struct pool p;
    assert_int_equal(pool_init(&p, 2, 24), OK);
    handle a, b, c;
    void *first = pool_take(&p, &a);
    assert_non_null(first);
    assert_ptr_equal(pool_at(&p, a), first);
    assert_int_equal(pool_handle_of(&p, first), a);
    pool_give(&p, a);
    assert_null(pool_at(&p, a));
    assert_ptr_equal(pool_take(&p, &b), first);
    assert_int_not_equal(a, b);
    assert_null(pool_at(&p, a));
    assert_non_null(pool_take(&p, &c));
    assert_null(pool_take(&p, &c));
    assert_null(pool_at(&p, 0));
    pool_done(&p);
}

static void a_generation_is_never_zero(void **state)
{
    struct pool p;
    assert_int_equal(pool_init(&p, 1, 1), OK);
    for (int i = 0; i < 10000; i++) {
        handle h;
        assert_non_null(pool_take(&p, &h));
        assert_int_not_equal(h, 0);
        pool_give(&p, h);
    }
    pool_done(&p);
}

static void walking_visits_what_is_taken(void **state)
{
    struct pool p;
    assert_int_equal(pool_init(&p, 8, 8), OK);
    handle h[8];
    for (size_t i = 0; i < 8; i++)
        assert_non_null(pool_take(&p, &h[i]));
    pool_give(&p, h[0]);
    pool_give(&p, h[5]);
    uint32_t at = 0;
    size_t count = 0;
    for (void *o; (o = pool_walk(&p, &at)) != NULL; count++)
        pool_give(&p, pool_handle_of(&p, o));
    assert_int_equal(count, 6);
    assert_int_equal(p.live, 0);
    pool_done(&p);
}

static bool index_has(const struct hash_index *x, uint64_t hash, handle value)
{
    size_t at = HASH_INDEX_START;
    for (handle h; (h = hash_index_find(x, hash, &at)) != 0;) {
        if (h == value)
            return true;
    }
    return false;
}

/* Hashes that collide and wrap around the end, in every order of removal. */
static void an_index_finds_what_is_in_it_and_nothing_else(void **state)
{
    enum { COUNT = 64 };
    struct hash_index x;
    assert_int_equal(hash_index_init(&x, COUNT), OK);
    uint32_t random = 1;
    bool in[COUNT] = { false };
    for (int step = 0; step < 50000; step++) {
        random = random * 1664525u + 1013904223u;
        size_t i = (random >> 16) % COUNT;
        uint64_t hash = 120 + i % 11; /* few homes, near the end */
        if (in[i])
            hash_index_remove(&x, hash, (handle)i + 1);
        else
            assert_true(hash_index_insert(&x, hash, (handle)i + 1));
        in[i] = !in[i];
        if (step % 50 == 0) {
            for (size_t j = 0; j < COUNT; j++)
                assert_int_equal(index_has(&x, 120 + j % 11, (handle)j + 1), in[j]);
        }
    }
    hash_index_done(&x);
}

static void a_full_index_says_no(void **state)
{
    struct hash_index x;
    assert_int_equal(hash_index_init(&x, 3), OK);
    for (handle h = 1; h <= 3; h++)
        assert_true(hash_index_insert(&x, h, h));
    assert_false(hash_index_insert(&x, 9, 9));
    hash_index_done(&x);
}

struct box {
    struct outbox out;
    uint8_t scratch[OUTBOX_SCRATCH_BYTES_MIN * 2];
    struct outbox_send sends[8];
};

static void box_init(struct box *b)
{
    outbox_init(&b->out, b->scratch, sizeof b->scratch, b->sends, 8);
}

static bool put(struct box *b, const struct net_addr *to, size_t len)
{
    if (outbox_reserve(&b->out, len + 20) == NULL)
        return false;
    outbox_commit(&b->out, to, 0, 1, len);
    return true;
}

static void equal_sizes_join_and_a_shorter_one_ends_the_send(void **state)
{
    static struct box b;
    box_init(&b);
    struct net_addr to = net_addr_ipv4((const uint8_t[4]){ 192, 0, 2, 1 }, 5000);
    assert_true(put(&b, &to, 1000));
    assert_true(put(&b, &to, 1000));
    assert_true(put(&b, &to, 400));
    assert_true(put(&b, &to, 400));  /* after a shorter one nothing joins */
    assert_true(put(&b, &to, 1000)); /* longer than the segments before */
    assert_int_equal(b.out.send_count, 3);
    assert_int_equal(b.sends[0].len, 2400);
    assert_int_equal(b.sends[0].segment_size, 1000);
    assert_int_equal(outbox_send_segments(&b.sends[0]), 3);
    assert_int_equal(b.sends[1].len, 400);
    assert_int_equal(b.sends[2].offset, 2800);
}

static void different_receivers_do_not_join(void **state)
{
    static struct box b;
    box_init(&b);
    struct net_addr a = net_addr_ipv4((const uint8_t[4]){ 192, 0, 2, 1 }, 5000);
    struct net_addr c = net_addr_ipv4((const uint8_t[4]){ 192, 0, 2, 1 }, 5001);
    assert_true(put(&b, &a, 100));
    assert_true(put(&b, &c, 100));
    assert_true(put(&b, &a, 100));
    assert_int_equal(b.out.send_count, 3);
}

static void a_send_is_at_most_what_the_kernel_takes(void **state)
{
    static struct box b;
    box_init(&b);
    struct net_addr to = net_addr_ipv4((const uint8_t[4]){ 192, 0, 2, 1 }, 5000);
    for (int i = 0; i < 70; i++)
        assert_true(put(&b, &to, 100));
    assert_int_equal(outbox_send_segments(&b.sends[0]), OUTBOX_SEGMENTS_MAX);
    for (int i = 0; i < 70; i++)
        assert_true(put(&b, &to, 1200));
    for (size_t i = 0; i < b.out.send_count; i++)
        assert_true(b.sends[i].len <= OUTBOX_SEND_BYTES_MAX);
}

static void a_full_outbox_says_no(void **state)
{
    static struct box b;
    box_init(&b);
    for (uint16_t i = 0; i < 8; i++) {
        struct net_addr to = net_addr_ipv4((const uint8_t[4]){ 192, 0, 2, 1 }, i);
        assert_true(put(&b, &to, 100));
    }
    assert_null(outbox_reserve(&b.out, 100));
    outbox_clear(&b.out);
    assert_null(outbox_reserve(&b.out, sizeof b.scratch + 1));
    assert_non_null(outbox_reserve(&b.out, sizeof b.scratch));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stale_handle_does_not_resolve),
        cmocka_unit_test(a_generation_is_never_zero),
        cmocka_unit_test(walking_visits_what_is_taken),
        cmocka_unit_test(an_index_finds_what_is_in_it_and_nothing_else),
        cmocka_unit_test(a_full_index_says_no),
        cmocka_unit_test(equal_sizes_join_and_a_shorter_one_ends_the_send),
        cmocka_unit_test(different_receivers_do_not_join),
        cmocka_unit_test(a_send_is_at_most_what_the_kernel_takes),
        cmocka_unit_test(a_full_outbox_says_no),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
