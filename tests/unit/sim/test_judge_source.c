/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "judge_private.h"

static struct judged_source source;

static int setup(void **state)
{
    source = (struct judged_source){ .ssrc = 1, .rtx_ssrc = 2 };
    judge_source_init(&source);
    return 0;
}

static int teardown(void **state)
{
    judge_source_free(&source);
    return 0;
}

static uint64_t stamp_at(wall_usec at)
{
    return stamp_pack(&(struct stamp){ .sent_at = 1795267123000000 + at });
}

static void expect_span(uint64_t stamp, int64_t low, int64_t high)
{
    int64_t l, h;
    assert_true(judge_source_span(&source, stamp, &l, &h));
    assert_int_equal(l, low);
    assert_int_equal(h, high);
}

static void a_stamp_spans_what_was_sent_with_it(void **state)
{
    for (uint16_t seq = 100; seq < 106; seq++)
        (void)judge_source_add(&source, seq, stamp_at(MILLIS(seq / 3)));
    expect_span(stamp_at(MILLIS(33)), 100, 101);
    expect_span(stamp_at(MILLIS(34)), 102, 104);
    int64_t low, high;
    assert_false(judge_source_span(&source, stamp_at(MILLIS(36)), &low, &high));
}

/* A judge that forgets the stamp of one of them would take the others' numbers for its place. */
static void a_packet_repeated_ever_so_often_is_known_by_each_of_its_stamps(void **state)
{
    (void)judge_source_add(&source, 100, stamp_at(0));
    (void)judge_source_add(&source, 101, stamp_at(0));
    uint16_t rtx_seq = 65000;
    for (int i = 1; i <= 40; i++) {
        judge_source_add_again(&source, rtx_seq++, 100, stamp_at(MILLIS(i)));
        if (i > 30) /* the same request asked for both */
            judge_source_add_again(&source, rtx_seq++, 101, stamp_at(MILLIS(i)));
    }
    expect_span(stamp_at(MILLIS(30)), 100, 100);
    expect_span(stamp_at(MILLIS(40)), 100, 101);
    const struct sent *p = judge_sent_at(&source, 100);
    for (int i = 1; i <= 40; i++)
        assert_true(
            judge_source_was_repeated_at(&source, p, stamp_unpack(stamp_at(MILLIS(i))).sent_at));
    p = judge_sent_at(&source, 101);
    assert_false(
        judge_source_was_repeated_at(&source, p, stamp_unpack(stamp_at(MILLIS(30))).sent_at));
    assert_ptr_equal(judge_source_repeated(&source, (uint16_t)(rtx_seq - 1)), p);
}

static void what_repeats_a_forgotten_packet_repeats_nothing(void **state)
{
    assert_null(judge_source_repeated(&source, 7));
    uint64_t early = stamp_at(MILLIS(1));
    (void)judge_source_add(&source, 100, stamp_at(0));
    judge_source_add_again(&source, 7, 100, early);
    expect_span(early, 100, 100);
    for (uint16_t i = 1; i <= SENT_RING; i++)
        (void)judge_source_add(&source, (uint16_t)(100 + i), stamp_at(SECONDS(1)));
    int64_t low, high;
    assert_null(judge_source_repeated(&source, 7));
    assert_false(judge_source_span(&source, early, &low, &high));
}

static void numbers_go_on_where_they_wrap(void **state)
{
    (void)judge_source_add(&source, 65535, stamp_at(0));
    (void)judge_source_add(&source, 0, stamp_at(MILLIS(1)));
    judge_source_add_again(&source, 1, 65535, stamp_at(MILLIS(2)));
    judge_source_add_again(&source, 2, 0, stamp_at(MILLIS(2)));
    expect_span(stamp_at(MILLIS(2)), 65535, 65536);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_stamp_spans_what_was_sent_with_it, setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_packet_repeated_ever_so_often_is_known_by_each_of_its_stamps, setup, teardown),
        cmocka_unit_test_setup_teardown(what_repeats_a_forgotten_packet_repeats_nothing, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(numbers_go_on_where_they_wrap, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
