/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/outbound.h"

#include <stdlib.h>
#include <string.h>

static struct outbound out;
static const uint8_t host[4] = { 192, 0, 2, 1 };

static int set_up(void **state)
{
    outbound_init(&out, malloc(OUTBOUND_ARENA_SIZE));
    return out.arena == NULL;
}

static int tear_down(void **state)
{
    outbound_clear(&out);
    free(out.arena);
    return 0;
}

static bool put(unsigned leg, uint16_t port, uint8_t fill, size_t len)
{
    struct net_addr to = net_addr_ipv4(host, port);
    uint8_t *at = outbound_reserve(&out, len);
    if (at == NULL)
        return false;
    memset(at, fill, len);
    outbound_commit(&out, leg, &to, len);
    return true;
}

static void datagrams_keep_their_order_place_and_bytes(void **state)
{
    assert_true(put(0, 1000, 1, 100));
    assert_true(put(1, 2000, 2, 1));
    assert_true(put(0, 3000, 3, 1200));
    assert_int_equal(out.datagram_count, 3);
    for (size_t i = 0; i < 3; i++) {
        const struct outbound_datagram *d = &out.datagrams[i];
        struct net_addr to = net_addr_ipv4(host, (uint16_t)(1000 * (i + 1)));
        assert_true(net_addr_equal(&d->to, &to));
        assert_int_equal(d->leg, i == 1);
        for (uint32_t k = 0; k < d->len; k++)
            assert_int_equal(out.arena[d->offset + k], i + 1);
    }
    assert_int_equal(out.datagrams[2].len, 1200);
}

static void what_is_reserved_and_not_committed_is_not_sent(void **state)
{
    uint8_t *first = outbound_reserve(&out, 500);
    assert_ptr_equal(outbound_reserve(&out, 500), first);
    assert_int_equal(out.datagram_count, 0);
    assert_int_equal(out.dropped, 0);
}

static void datagrams_beyond_the_count_are_dropped_and_counted(void **state)
{
    for (unsigned i = 0; i < OUTBOUND_DATAGRAMS_MAX; i++)
        assert_true(put(0, 1, 0, 10));
    assert_false(put(0, 1, 0, 10));
    assert_false(put(0, 1, 0, 1));
    assert_int_equal(out.dropped, 2);
    outbound_clear(&out);
    assert_true(put(0, 1, 0, 10));
    assert_int_equal(out.dropped, 2); /* what happened stays known */
}

static void bytes_beyond_the_arena_are_dropped_and_counted(void **state)
{
    for (size_t used = 0; used + 60000 <= OUTBOUND_ARENA_SIZE; used += 60000)
        assert_true(put(0, 1, 0, 60000));
    assert_false(put(0, 1, 0, 60000));
    assert_int_equal(out.dropped, 1);
    assert_true(put(0, 1, 0, OUTBOUND_ARENA_SIZE % 60000));
}

static void actions_own_their_texts(void **state)
{
    for (unsigned round = 0; round < 2; round++) {
        struct action *a = outbound_action(&out, ACTION_FETCH);
        assert_null(a->url);
        assert_null(a->text);
        assert_null(a->token);
        a->url = strdup("http://192.0.2.1/v1/guests");
        a->text = strdup("{}");
        a->token = strdup("secret");
        outbound_action(&out, ACTION_OPEN_MEDIA)->leg = 1;
        assert_int_equal(out.action_count, 2);
        assert_int_equal(out.actions[0].kind, ACTION_FETCH);
        assert_int_equal(out.actions[1].leg, 1);
        outbound_clear(&out); /* ASan sees what it forgets */
        assert_int_equal(out.action_count, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(datagrams_keep_their_order_place_and_bytes, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_is_reserved_and_not_committed_is_not_sent, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(datagrams_beyond_the_count_are_dropped_and_counted, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(bytes_beyond_the_arena_are_dropped_and_counted, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(actions_own_their_texts, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
