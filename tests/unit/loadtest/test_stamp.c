/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/stamp.h"

#include <stdlib.h>

static void a_stamp_says_who_and_when_to_four_microseconds(void **state)
{
    for (unsigned i = 0; i < 4096; i += 7) {
        struct stamp s = { .sent_at = 1795267123000000 + i * 1001,
                           .sender = (uint16_t)i,
                           .layer = (uint8_t)(i % 3) };
        struct stamp back = stamp_unpack(stamp_pack(&s));
        assert_int_equal(back.sender, s.sender);
        assert_int_equal(back.layer, s.layer);
        assert_true(llabs(back.sent_at - s.sent_at) <= 4);
    }
}

static void a_trailer_is_cut_off_where_it_is(void **state)
{
    uint8_t buffer[64] = "payload";
    struct writer w = writer_of(buffer, sizeof buffer);
    writer_put(&w, bytes_of_str("payload"));
    stamp_write_trailer(&w, 0x0123456789abcdef);
    struct bytes payload = bytes_of(buffer, writer_len(&w));
    uint64_t word = 0;
    assert_true(stamp_take_trailer(&payload, &word));
    assert_int_equal(word, 0x0123456789abcdef);
    assert_int_equal(payload.len, 7);
    assert_false(stamp_take_trailer(&payload, &word));
    payload.len = 3;
    assert_false(stamp_take_trailer(&payload, &word));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stamp_says_who_and_when_to_four_microseconds),
        cmocka_unit_test(a_trailer_is_cut_off_where_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
