/* SPDX-License-Identifier: Apache-2.0 */
#include "media_test.h"

#include "rtc/red.h"

static uint8_t memory[2048];

static struct bytes write(const struct red_history *h, int64_t seq, uint32_t timestamp,
                          struct bytes payload, size_t room)
{
    struct writer w = writer_of(memory, room);
    const struct red_order order = { 111, RED_REPEATS_MAX, 0 };
    red_write(&w, h, seq, timestamp, &order, payload);
    assert_false(w.failed);
    return bytes_of(memory, writer_len(&w));
}

static void packet_of_a_browser_is_taken_apart(void **state)
{
    /* two repeated blocks of 2 and 1 bytes, 1920 and 960 ticks old, then the primary */
    struct bytes payload = BYTES(0xef, 0x1e, 0x00, 0x02, 0xef, 0x0f, 0x00, 0x01, 0x6f, 0xa1, 0xa2,
                                 0xb1, 0xc1, 0xc2, 0xc3);
    struct red_packet p;
    assert_int_equal(red_parse(payload, &p), OK);
    assert_int_equal(p.block_count, 3);
    assert_int_equal(p.blocks[0].payload_type, 111);
    assert_int_equal(p.blocks[0].timestamp_offset, 1920);
    assert_int_equal(p.blocks[1].timestamp_offset, 960);
    assert_int_equal(p.blocks[2].timestamp_offset, 0);
    assert_true(bytes_equal(p.blocks[0].data, BYTES(0xa1, 0xa2)));
    assert_true(bytes_equal(p.blocks[1].data, BYTES(0xb1)));
    assert_true(bytes_equal(p.blocks[2].data, BYTES(0xc1, 0xc2, 0xc3)));
}

static void every_cut_of_the_headers_and_repeated_blocks_is_refused(void **state)
{
    static const uint8_t raw[] = { 0xef, 0x1e, 0x00, 0x02, 0x6f, 0xa1, 0xa2 };
    struct red_packet p;
    for (size_t len = 0; len < sizeof(raw); len++)
        assert_int_equal(red_parse(bytes_of(raw, len), &p), ERR_TRUNCATED);
    assert_int_equal(red_parse(bytes_of(raw, sizeof(raw)), &p), OK);
    assert_int_equal(p.blocks[1].data.len, 0);
}

static void more_blocks_than_anybody_sends_are_refused(void **state)
{
    uint8_t raw[4 * RED_BLOCKS_MAX + 1] = { 0 };
    struct red_packet p;
    for (size_t i = 0; i < RED_BLOCKS_MAX; i++)
        raw[4 * i] = 0x80 | 111;
    raw[4 * RED_BLOCKS_MAX] = 111;
    assert_int_equal(red_parse(bytes_of(raw, sizeof(raw)), &p), ERR_UNSUPPORTED);
    assert_int_equal(red_parse(bytes_of(raw + 4, sizeof(raw) - 4), &p), OK);
    assert_int_equal(p.block_count, RED_BLOCKS_MAX);
}

static void the_two_packets_before_are_repeated(void **state)
{
    struct red_history h = { 0 };
    struct red_packet p;
    for (int64_t seq = 10; seq < 15; seq++) {
        uint8_t payload[] = { (uint8_t)seq, 0x55 };
        struct bytes red =
            write(&h, seq, (uint32_t)seq * 960, bytes_of(payload, 2), sizeof(memory));
        red_history_put(&h, seq, (uint32_t)seq * 960, bytes_of(payload, 2));
        assert_int_equal(red_parse(red, &p), OK);
        assert_int_equal(p.block_count, MIN((size_t)(seq - 10), (size_t)RED_REPEATS_MAX) + 1);
        for (size_t i = 0; i < p.block_count; i++) {
            size_t age = p.block_count - 1 - i;
            assert_int_equal(p.blocks[i].data.data[0], seq - (int64_t)age);
            assert_int_equal(p.blocks[i].timestamp_offset, age * 960);
        }
    }
}

static void what_is_not_known_or_too_old_is_not_repeated(void **state)
{
    struct red_history h = { 0 };
    struct red_packet p;
    red_history_put(&h, 1, 0, BYTES(1));
    red_history_put(&h, 3, 1920, BYTES(3));
    assert_int_equal(red_parse(write(&h, 4, 2880, BYTES(4), sizeof(memory)), &p), OK);
    assert_int_equal(p.block_count, 2); /* 2 was lost */
    assert_int_equal(red_parse(write(&h, 4, 1920 + 16384, BYTES(4), sizeof(memory)), &p), OK);
    assert_int_equal(p.block_count, 1); /* after silence */
    assert_int_equal(red_parse(write(&h, 4, 1920 + 16383, BYTES(4), sizeof(memory)), &p), OK);
    assert_int_equal(p.block_count, 2);
    red_history_put(&h, 1, 0, BYTES(1)); /* comes again, late */
    assert_int_equal(red_parse(write(&h, 4, 2880, BYTES(4), sizeof(memory)), &p), OK);
    assert_int_equal(p.block_count, 2);
}

static void packets_that_came_together_are_repeated_too(void **state)
{
    struct red_history h = { 0 };
    struct red_packet p;
    for (uint8_t seq = 1; seq <= 4; seq++)
        red_history_put(&h, seq, seq * 960u, bytes_of(&seq, 1));
    assert_int_equal(red_parse(write(&h, 3, 2880, BYTES(3), sizeof(memory)), &p), OK);
    assert_int_equal(p.block_count, 3);
    assert_int_equal(p.blocks[0].data.data[0], 1);
    assert_int_equal(p.blocks[1].data.data[0], 2);
}

static void no_more_is_repeated_than_is_asked_for(void **state)
{
    struct red_history h = { 0 };
    struct red_packet p;
    for (uint8_t seq = 1; seq <= 3; seq++)
        red_history_put(&h, seq, seq * 960u, bytes_of(&seq, 1));
    static const struct {
        struct red_order order;
        size_t blocks;
    } cases[] = { { { 111, 0, 0 }, 1 },
                  { { 111, 1, 0 }, 2 },
                  { { 111, 2, 0 }, 3 },
                  { { 111, 2, 3 }, 2 },
                  { { 111, 2, 4 }, 1 } };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct writer w = writer_of(memory, sizeof(memory));
        red_write(&w, &h, 4, 3840, &cases[i].order, BYTES(4));
        assert_int_equal(red_parse(bytes_of(memory, writer_len(&w)), &p), OK);
        assert_int_equal(p.block_count, cases[i].blocks);
    }
}

static void blocks_get_the_receivers_name(void **state)
{
    uint8_t raw[] = { 0xef, 0x1e, 0x00, 0x02, 0x8d, 0x0f, 0x00, 0x01, 0x6f, 0xef, 0x6f, 0x6f };
    struct red_packet p;
    red_rename(raw, 111, 109);
    assert_int_equal(red_parse(bytes_of(raw, sizeof(raw)), &p), OK);
    assert_int_equal(p.blocks[0].payload_type, 109);
    assert_int_equal(p.blocks[0].timestamp_offset, 1920);
    assert_int_equal(p.blocks[1].payload_type, 13); /* another codec's */
    assert_int_equal(p.blocks[2].payload_type, 109);
    assert_true(bytes_equal(p.blocks[0].data, BYTES(0xef, 0x6f)));
}

static void timestamps_may_wrap(void **state)
{
    struct red_history h = { 0 };
    struct red_packet p;
    red_history_put(&h, 1, UINT32_MAX - 99, BYTES(1));
    assert_int_equal(red_parse(write(&h, 2, 860, BYTES(2), sizeof(memory)), &p), OK);
    assert_int_equal(p.blocks[0].timestamp_offset, 960);
}

static void the_primary_has_the_first_claim_on_room(void **state)
{
    struct red_history h = { 0 };
    struct red_packet p;
    static const uint8_t long_one[RED_HISTORY_SIZE_MAX + 1] = { 7 };
    red_history_put(&h, 1, 0, bytes_of(long_one, 100));
    red_history_put(&h, 2, 960, bytes_of(long_one, 100));
    assert_int_equal(red_parse(write(&h, 3, 1920, bytes_of(long_one, 50), 51), &p), OK);
    assert_int_equal(p.block_count, 1);
    assert_int_equal(red_parse(write(&h, 3, 1920, bytes_of(long_one, 50), 155), &p), OK);
    assert_int_equal(p.block_count, 2);
    assert_int_equal(p.blocks[0].timestamp_offset, 960); /* the newer of the two */
    red_history_put(&h, 2, 960, bytes_of(long_one, sizeof(long_one)));
    assert_int_equal(red_parse(write(&h, 3, 1920, bytes_of(long_one, 1), sizeof(memory)), &p), OK);
    assert_int_equal(p.block_count, 1); /* too long to repeat */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packet_of_a_browser_is_taken_apart),
        cmocka_unit_test(every_cut_of_the_headers_and_repeated_blocks_is_refused),
        cmocka_unit_test(more_blocks_than_anybody_sends_are_refused),
        cmocka_unit_test(the_two_packets_before_are_repeated),
        cmocka_unit_test(what_is_not_known_or_too_old_is_not_repeated),
        cmocka_unit_test(packets_that_came_together_are_repeated_too),
        cmocka_unit_test(no_more_is_repeated_than_is_asked_for),
        cmocka_unit_test(blocks_get_the_receivers_name),
        cmocka_unit_test(timestamps_may_wrap),
        cmocka_unit_test(the_primary_has_the_first_claim_on_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
