/* SPDX-License-Identifier: Apache-2.0 */
#include "media_test.h"

#include "rtc/seq.h"

static void newer_is_decided_by_the_shorter_way_round(void **state)
{
    static const struct {
        uint16_t a, b;
        int diff;
    } cases[] = { { 1, 0, 1 }, { 0, 1, -1 },        { 0, 65535, 1 },      { 65535, 0, -1 },
                  { 5, 5, 0 }, { 32767, 0, 32767 }, { 32768, 0, -32768 }, { 10, 65530, 16 } };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(seq16_diff(cases[i].a, cases[i].b), cases[i].diff);
        assert_int_equal(seq16_newer(cases[i].a, cases[i].b), cases[i].diff > 0);
    }
    assert_true(seq32_newer(5, 0xfffffff0u));
    assert_int_equal(seq32_diff(0xfffffff0u, 4), -20);
}

static void unwrapped_numbers_continue_over_the_wrap(void **state)
{
    struct seq_unwrapper u = { 0 };
    assert_int_equal(seq_unwrap16(&u, 65534), 65534);
    assert_int_equal(seq_unwrap16(&u, 1), 65537);
    assert_int_equal(seq_unwrap16(&u, 65535), 65535); /* late */
    assert_int_equal(u.highest, 65537);
    assert_int_equal(seq_peek16(&u, 3), 65539);
    assert_int_equal(u.highest, 65537);
}

static void numbers_before_the_first_may_be_negative(void **state)
{
    struct seq_unwrapper u = { 0 };
    assert_int_equal(seq_unwrap16(&u, 2), 2);
    assert_int_equal(seq_unwrap16(&u, 65535), -1);
}

static void random_walk_is_unwrapped_exactly(void **state)
{
    struct prng r = { 1 };
    for (int run = 0; run < 100; run++) {
        struct seq_unwrapper u16 = { 0 }, u32 = { 0 };
        int64_t seq = prng_below(&r, 65536), time = prng_below(&r, UINT32_MAX);
        (void)seq_unwrap16(&u16, (uint16_t)seq);
        (void)seq_unwrap32(&u32, (uint32_t)time);
        for (int i = 0; i < 1000; i++) {
            seq += prng_below(&r, 1000);
            time += prng_below(&r, 100000000);
            int64_t late = prng_below(&r, 500);
            assert_int_equal(seq_unwrap16(&u16, (uint16_t)seq), seq);
            assert_int_equal(seq_unwrap16(&u16, (uint16_t)(seq - late)), seq - late);
            assert_int_equal(seq_unwrap32(&u32, (uint32_t)time), time);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(newer_is_decided_by_the_shorter_way_round),
        cmocka_unit_test(unwrapped_numbers_continue_over_the_wrap),
        cmocka_unit_test(numbers_before_the_first_may_be_negative),
        cmocka_unit_test(random_walk_is_unwrapped_exactly),
    };
    return cmocka_run_group_tests_name("rtc/seq", tests, NULL, NULL);
}
