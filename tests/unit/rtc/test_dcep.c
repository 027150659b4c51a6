/* SPDX-License-Identifier: Apache-2.0 */
#include "rtc/dcep.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

/* As Chromium sends it for createDataChannel("chat"). */
static const uint8_t reliable[] = { 3, 0, 1, 0, 0, 0, 0, 0, 0, 4, 0, 0, 'c', 'h', 'a', 't' };
/* … ("pos", { ordered: false, maxRetransmits: 0, protocol: "p" }) */
static const uint8_t lossy[] = { 3, 0x81, 0, 128, 0, 0, 0, 0, 0, 3, 0, 1, 'p', 'o', 's', 'p' };

static void a_reliable_channel_is_read(void **state)
{
    struct dcep_message m;
    assert_int_equal(dcep_parse(bytes_of(reliable, sizeof reliable), &m), OK);
    assert_int_equal(m.kind, DCEP_OPEN);
    assert_int_equal(m.open.reliability, DCEP_RELIABLE);
    assert_true(m.open.ordered);
    assert_int_equal(m.open.priority, 256);
    assert_true(bytes_equal(m.open.label, bytes_of_str("chat")));
    assert_int_equal(m.open.protocol.len, 0);
}

static void an_unordered_channel_with_limit_is_read(void **state)
{
    struct dcep_message m;
    uint8_t timed[sizeof lossy];
    assert_int_equal(dcep_parse(bytes_of(lossy, sizeof lossy), &m), OK);
    assert_int_equal(m.open.reliability, DCEP_RETRANSMITS);
    assert_false(m.open.ordered);
    assert_int_equal(m.open.limit, 0);
    assert_true(bytes_equal(m.open.protocol, bytes_of_str("p")));
    memcpy(timed, lossy, sizeof timed);
    timed[1] = 0x02;
    timed[6] = 1;
    assert_int_equal(dcep_parse(bytes_of(timed, sizeof timed), &m), OK);
    assert_int_equal(m.open.reliability, DCEP_LIFETIME);
    assert_int_equal(m.open.limit, 256);
    assert_true(m.open.ordered);
}

static void what_is_written_is_read_back(void **state)
{
    uint8_t out[64];
    struct writer w = writer_of(out, sizeof out);
    struct dcep_message m;
    assert_int_equal(dcep_parse(bytes_of(lossy, sizeof lossy), &m), OK);
    assert_int_equal(dcep_write_open(&m.open, &w), OK);
    assert_int_equal(writer_len(&w), sizeof lossy);
    assert_memory_equal(out, lossy, sizeof lossy);
    w = writer_of(out, sizeof out);
    assert_int_equal(dcep_write_ack(&w), OK);
    assert_int_equal(dcep_parse(bytes_of(out, writer_len(&w)), &m), OK);
    assert_int_equal(m.kind, DCEP_ACK);
}

static void what_does_not_add_up_is_refused(void **state)
{
    struct dcep_message m;
    uint8_t b[sizeof reliable + 1];
    memcpy(b, reliable, sizeof reliable);
    for (size_t len = 0; len < sizeof reliable; len++)
        assert_int_not_equal(dcep_parse(bytes_of(b, len), &m), OK);
    assert_int_equal(dcep_parse(bytes_of(b, sizeof b), &m), ERR_MALFORMED);
    b[1] = 3;
    assert_int_equal(dcep_parse(bytes_of(b, sizeof reliable), &m), ERR_UNSUPPORTED);
    b[0] = 9;
    assert_int_equal(dcep_parse(bytes_of(b, sizeof reliable), &m), ERR_UNSUPPORTED);
    b[0] = 2;
    assert_int_equal(dcep_parse(bytes_of(b, 2), &m), ERR_MALFORMED);
}

static void a_writer_without_room_says_so(void **state)
{
    uint8_t out[8];
    struct writer w = writer_of(out, sizeof out);
    const struct dcep_open open = { .label = bytes_of_str("label") };
    assert_int_equal(dcep_write_open(&open, &w), ERR_FULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reliable_channel_is_read),
        cmocka_unit_test(an_unordered_channel_with_limit_is_read),
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(what_does_not_add_up_is_refused),
        cmocka_unit_test(a_writer_without_room_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
