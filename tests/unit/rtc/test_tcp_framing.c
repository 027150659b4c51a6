/* SPDX-License-Identifier: Apache-2.0 */
#include "rtc/tcp_framing.h"

#include "cmocka_all.h"

enum { FRAME_MAX = 100 };

static void add(struct frame_reader *r, const void *data, size_t len)
{
    size_t room;
    uint8_t *at = frame_reader_room(r, &room);
    assert_true(len <= room);
    memcpy(at, data, len);
    frame_reader_added(r, len);
}

static void expect_frame(struct frame_reader *r, const char *text)
{
    uint8_t *frame;
    size_t len;
    assert_int_equal(frame_reader_next(r, &frame, &len), OK);
    assert_int_equal(len, strlen(text));
    assert_memory_equal(frame, text, len);
}

static void expect_end(struct frame_reader *r, enum err why)
{
    uint8_t *frame;
    size_t len;
    assert_int_equal(frame_reader_next(r, &frame, &len), why);
}

static void frames_come_out_however_the_stream_is_cut(void **state)
{
    static const char stream[] = "\0\5hello\0\0\0\1x\0\7goodbye";
    for (size_t cut = 0; cut < sizeof stream - 1; cut++) {
        uint8_t memory[FRAME_MAX + 2];
        struct frame_reader r = { .data = memory, .capacity = sizeof memory, .frame_max = 100 };
        unsigned count = 0;
        for (size_t part = 0; part < 2; part++) {
            size_t from = part == 0 ? 0 : cut, to = part == 0 ? cut : sizeof stream - 1;
            uint8_t *frame;
            size_t len;
            add(&r, stream + from, to - from);
            while (frame_reader_next(&r, &frame, &len) == OK) {
                static const char *const texts[] = { "hello", "x", "goodbye" };
                assert_true(count < 3);
                assert_int_equal(len, strlen(texts[count]));
                assert_memory_equal(frame, texts[count++], len);
            }
        }
        assert_int_equal(count, 3);
        expect_end(&r, ERR_TRUNCATED);
    }
}

static void a_frame_of_the_largest_size_fits_and_a_larger_one_is_malformed(void **state)
{
    uint8_t memory[FRAME_MAX + 2], frame[FRAME_MAX + 2] = { 0, FRAME_MAX };
    struct frame_reader r = { .data = memory, .capacity = sizeof memory, .frame_max = FRAME_MAX };
    uint8_t *got;
    size_t len;
    add(&r, frame, sizeof frame);
    assert_int_equal(frame_reader_next(&r, &got, &len), OK);
    assert_int_equal(len, FRAME_MAX);
    frame[1] = FRAME_MAX + 1;
    add(&r, frame, 2);
    expect_end(&r, ERR_MALFORMED);
    expect_end(&r, ERR_MALFORMED);
}

static void null_packets_are_passed_over(void **state)
{
    uint8_t memory[FRAME_MAX + 2];
    struct frame_reader r = { .data = memory, .capacity = sizeof memory, .frame_max = FRAME_MAX };
    add(&r, "\0\0\0\0\0\2ab\0\0", 10);
    expect_frame(&r, "ab");
    expect_end(&r, ERR_TRUNCATED);
    size_t room;
    (void)frame_reader_room(&r, &room);
    assert_int_equal(room, sizeof memory);
}

static void what_does_not_fit_the_queue_leaves_no_trace_in_it(void **state)
{
    uint8_t memory[16];
    struct frame_queue q = { .data = memory, .capacity = sizeof memory };
    assert_int_equal(frame_queue_put(&q, bytes_of_str("hello")), OK);
    assert_int_equal(frame_queue_put(&q, bytes_of_str("longer")), OK);
    assert_int_equal(frame_queue_put(&q, bytes_of_str("x")), ERR_FULL);
    assert_int_equal(frame_queue_put(&q, bytes_of(NULL, 0)), ERR_MALFORMED);
    struct bytes out = frame_queue_waiting(&q);
    assert_int_equal(out.len, 15);
    assert_memory_equal(out.data, "\0\5hello\0\6longer", 15);
    frame_queue_sent(&q, 3); /* in the middle of the first */
    assert_int_equal(frame_queue_put(&q, bytes_of_str("yz")), OK);
    out = frame_queue_waiting(&q);
    assert_int_equal(out.len, 16);
    assert_memory_equal(out.data, "ello\0\6longer\0\2yz", 16);
    frame_queue_sent(&q, 16);
    assert_int_equal(frame_queue_waiting(&q).len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_come_out_however_the_stream_is_cut),
        cmocka_unit_test(a_frame_of_the_largest_size_fits_and_a_larger_one_is_malformed),
        cmocka_unit_test(null_packets_are_passed_over),
        cmocka_unit_test(what_does_not_fit_the_queue_leaves_no_trace_in_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
