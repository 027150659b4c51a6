/* The forwarder: many inputs, one continuous stream.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/forwarder.h"

#include "rtc/seq.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

enum { CLOCK = 90000, FRAME_TICKS = 3000 };
#define FRAME_TIME MILLIS(33)

/* One simulcast layer: its own numbers, its own media clock. */
struct layer {
    uint32_t input;
    int64_t seq;
    uint32_t timestamp;
    struct payload_descriptor payload;
};

static struct layer layer_of(uint32_t input, int64_t seq, uint32_t timestamp, uint16_t picture_id)
{
    return (struct layer){ .input = input,
                           .seq = seq,
                           .timestamp = timestamp,
                           .payload = { .codec = CODEC_VP8,
                                        .vp8 = { .has_picture_id = true,
                                                 .picture_id_long = true,
                                                 .picture_id = picture_id,
                                                 .has_tl0_index = true,
                                                 .tl0_index = (uint8_t)picture_id,
                                                 .has_key_index = true } } };
}

static struct forwarder_packet packet_of(const struct layer *l, usec now)
{
    return (struct forwarder_packet){ .input = l->input,
                                      .seq = l->seq,
                                      .timestamp = l->timestamp,
                                      .clock_rate = CLOCK,
                                      .arrival = now,
                                      .payload = &l->payload };
}

static void next_frame(struct layer *l)
{
    l->seq++;
    l->timestamp += FRAME_TICKS;
    l->payload.vp8.picture_id = (l->payload.vp8.picture_id + 1) & 0x7fff;
    l->payload.vp8.tl0_index++;
}

/* What a viewer sees. */
struct viewer {
    bool started;
    struct forwarder_output last;
    size_t count;
};

static void expect_continuous(struct viewer *v, const struct forwarder_output *o)
{
    if (v->started) {
        assert_int_equal(o->seq, v->last.seq + 1);
        assert_true((int32_t)(o->timestamp - v->last.timestamp) > 0);
        assert_int_equal(o->payload.vp8.picture_id, (v->last.payload.vp8.picture_id + 1) & 0x7fff);
        assert_int_equal(o->payload.vp8.tl0_index, (uint8_t)(v->last.payload.vp8.tl0_index + 1));
    }
    v->started = true;
    v->last = *o;
    v->count++;
}

/* Those of the newest few forwarders. */
static struct forwarder_memory *fresh_memory(void)
{
    static struct forwarder_memory memory[4];
    static size_t next;
    return &memory[next++ % ARRAY_LEN(memory)];
}

static enum forwarder_verdict push_frame(struct forwarder *f, struct layer *l, bool keyframe,
                                         usec now, struct forwarder_output *o)
{
    struct forwarder_packet p = packet_of(l, now);
    p.keyframe_start = keyframe;
    enum forwarder_verdict v = forwarder_push(f, &p, o);
    next_frame(l);
    return v;
}

static void switching_between_three_layers_is_one_continuous_stream(void **state)
{
    struct forwarder f;
    forwarder_init(&f, fresh_memory(), true, 1000, 5000);
    struct layer layers[3] = { layer_of(1, 64000, 4000000000u, 32760), layer_of(2, 17, 99, 5),
                               layer_of(3, 30000, 1u << 31, 12345) };
    struct viewer v = { 0 };
    usec now = 0;
    size_t wanted = 0;
    forwarder_want(&f, 1);
    for (int frame = 0; frame < 6000; frame++, now += FRAME_TIME) {
        if (frame % 100 == 50) {
            wanted = (wanted + 1) % 3;
            forwarder_want(&f, layers[wanted].input);
        }
        for (size_t i = 0; i < 3; i++) {
            struct forwarder_output o;
            enum forwarder_verdict verdict =
                push_frame(&f, &layers[i], frame % 100 == 60 || frame == 0, now + (usec)i, &o);
            if (verdict == FORWARDER_SEND || verdict == FORWARDER_SWITCHED)
                expect_continuous(&v, &o);
        }
    }
    /* Each frame once; and where the old layer's frame came first, the new one's keyframe too. */
    assert_int_equal(v.count, 6000 + 40);
    assert_int_equal(f.switch_count, 61);
}

static void video_takes_over_only_at_a_keyframe(void **state)
{
    struct forwarder f;
    forwarder_init(&f, fresh_memory(), true, 0, 0);
    struct layer a = layer_of(1, 10, 10, 10);
    struct forwarder_output o;
    forwarder_want(&f, 1);
    assert_int_equal(push_frame(&f, &a, false, 0, &o), FORWARDER_WAITING);
    assert_true(forwarder_is_waiting(&f));
    assert_int_equal(push_frame(&f, &a, true, 1000, &o), FORWARDER_SWITCHED);
    assert_int_equal(o.seq, 0);
    assert_false(forwarder_is_waiting(&f));
    struct layer b = layer_of(2, 500, 500, 500);
    forwarder_want(&f, 2);
    assert_int_equal(push_frame(&f, &b, false, 2000, &o), FORWARDER_WAITING);
    assert_int_equal(push_frame(&f, &a, false, 2000, &o), FORWARDER_SEND); /* goes on meanwhile */
    assert_int_equal(push_frame(&f, &b, true, 3000, &o), FORWARDER_SWITCHED);
    assert_int_equal(push_frame(&f, &a, false, 3000, &o), FORWARDER_NOT_INPUT);
}

static void audio_takes_over_at_once(void **state)
{
    struct forwarder f;
    forwarder_init(&f, fresh_memory(), false, 7, 70);
    struct forwarder_output o;
    struct forwarder_packet p = { .input = 1, .seq = 900, .timestamp = 5, .clock_rate = 48000 };
    forwarder_want(&f, 1);
    assert_int_equal(forwarder_push(&f, &p, &o), FORWARDER_SWITCHED);
    assert_int_equal(o.seq, 7);
    assert_int_equal(o.timestamp, 70);
    struct forwarder_packet q = {
        .input = 2, .seq = 3, .timestamp = 1u << 30, .clock_rate = 48000, .arrival = MILLIS(20)
    };
    forwarder_want(&f, 2);
    assert_int_equal(forwarder_push(&f, &q, &o), FORWARDER_SWITCHED);
    assert_int_equal(o.seq, 8);
    assert_int_equal(o.timestamp, 70 + 960); /* 20 ms of wall time */
}

static struct forwarder_output push_seq(struct forwarder *f, int64_t seq, bool padding,
                                        enum forwarder_verdict expected)
{
    struct forwarder_output o = { 0 };
    struct forwarder_packet p = { .input = 1,
                                  .seq = seq,
                                  .timestamp = (uint32_t)seq * 100,
                                  .clock_rate = CLOCK,
                                  .arrival = seq * 1000,
                                  .keyframe_start = true,
                                  .is_unwanted = padding };
    assert_int_equal(forwarder_push(f, &p, &o), expected);
    return o;
}

static struct forwarder started_at(int64_t seq)
{
    struct forwarder f;
    forwarder_init(&f, fresh_memory(), true, 100, 0);
    forwarder_want(&f, 1);
    assert_int_equal(push_seq(&f, seq, false, FORWARDER_SWITCHED).seq, 100);
    return f;
}

static void a_loss_stays_a_loss_and_a_late_packet_fills_it(void **state)
{
    struct forwarder f = started_at(1);
    assert_int_equal(push_seq(&f, 4, false, FORWARDER_SEND).seq, 103);
    assert_int_equal(push_seq(&f, 3, false, FORWARDER_SEND).seq, 102);
    assert_int_equal(push_seq(&f, 5, false, FORWARDER_SEND).seq, 104);
    assert_int_equal(push_seq(&f, 2, false, FORWARDER_SEND).seq, 101);
}

static void padding_is_swallowed_without_a_gap(void **state)
{
    struct forwarder f = started_at(1);
    push_seq(&f, 2, true, FORWARDER_SWALLOWED);
    push_seq(&f, 3, true, FORWARDER_SWALLOWED);
    assert_int_equal(push_seq(&f, 4, false, FORWARDER_SEND).seq, 101);
    push_seq(&f, 5, true, FORWARDER_SWALLOWED);
    assert_int_equal(push_seq(&f, 6, false, FORWARDER_SEND).seq, 102);
    assert_int_equal(push_seq(&f, 7, false, FORWARDER_SEND).seq, 103);
}

static void a_late_packet_keeps_the_offset_of_its_neighbours(void **state)
{
    struct forwarder f = started_at(1);
    assert_int_equal(push_seq(&f, 2, false, FORWARDER_SEND).seq, 101);
    /* 3 is late, 4 is padding */
    push_seq(&f, 4, true, FORWARDER_SWALLOWED);
    assert_int_equal(push_seq(&f, 5, false, FORWARDER_SEND).seq, 103);
    assert_int_equal(push_seq(&f, 3, false, FORWARDER_SEND).seq, 102);
    push_seq(&f, 4, false, FORWARDER_STALE); /* was swallowed: its number is somebody else's now */
}

static void an_unwanted_packet_that_comes_late_fills_the_gap_it_left(void **state)
{
    struct forwarder f = started_at(1);
    assert_int_equal(push_seq(&f, 3, false, FORWARDER_SEND).seq, 102);
    assert_int_equal(push_seq(&f, 2, true, FORWARDER_FILL).seq, 101);
}

static void a_number_that_was_filled_is_not_used_again_after_a_switch(void **state)
{
    struct forwarder f = started_at(1);
    push_seq(&f, 4, true, FORWARDER_SWALLOWED);
    assert_int_equal(push_seq(&f, 2, true, FORWARDER_FILL).seq, 101);
    assert_int_equal(push_seq(&f, 3, true, FORWARDER_FILL).seq, 102);
    forwarder_stop(&f);
    forwarder_want(&f, 1);
    assert_int_equal(push_seq(&f, 9, false, FORWARDER_SWITCHED).seq, 103);
}

static void the_clock_goes_on_from_a_number_that_was_filled(void **state)
{
    struct forwarder f = started_at(1);
    assert_int_equal(push_seq(&f, 4, false, FORWARDER_SEND).seq, 103);
    forwarder_want(&f, 2);
    const struct forwarder_packet late = { .input = 1,
                                           .seq = 3,
                                           .timestamp = f.out_timestamp - f.timestamp_offset + 1500,
                                           .clock_rate = CLOCK,
                                           .arrival = f.out_at + 1,
                                           .is_unwanted = true };
    struct forwarder_output filled, next;
    assert_int_equal(forwarder_push(&f, &late, &filled), FORWARDER_FILL);
    const struct forwarder_packet other = { .input = 2,
                                            .seq = 70,
                                            .timestamp = 123456,
                                            .clock_rate = CLOCK,
                                            .arrival = late.arrival + 1,
                                            .keyframe_start = true };
    assert_int_equal(forwarder_push(&f, &other, &next), FORWARDER_SWITCHED);
    assert_true(seq32_newer(next.timestamp, filled.timestamp));
}

static struct forwarder_output push_described(struct forwarder *f, uint32_t input, int64_t seq,
                                              uint8_t template_count)
{
    struct forwarder_output o = { 0 };
    struct forwarder_packet p = { .input = input,
                                  .seq = seq,
                                  .timestamp = (uint32_t)seq * 100,
                                  .clock_rate = CLOCK,
                                  .arrival = seq * 1000,
                                  .keyframe_start = true,
                                  .has_frame_number = true,
                                  .frame_number = (uint16_t)seq,
                                  .template_count = template_count };
    forwarder_want(f, input);
    (void)forwarder_push(f, &p, &o);
    return o;
}

/* A packet of the new input that overtakes its keyframe is not read by the old structure. */
static void templates_of_inputs_in_a_row_have_different_ids(void **state)
{
    struct forwarder f;
    forwarder_init(&f, fresh_memory(), true, 100, 0);
    assert_int_equal(push_described(&f, 1, 1, 15).depdesc.templates, 0);
    assert_int_equal(push_described(&f, 1, 2, 15).depdesc.templates, 0);
    assert_int_equal(push_described(&f, 2, 1, 5).depdesc.templates, 15);
    assert_int_equal(push_described(&f, 1, 3, 15).depdesc.templates, 20);
    assert_int_equal(push_described(&f, 2, 2, 5).depdesc.templates, 35);
}

static void what_is_older_than_the_switch_is_stale(void **state)
{
    struct forwarder f = started_at(50);
    push_seq(&f, 49, false, FORWARDER_STALE);
    assert_int_equal(push_seq(&f, 51, false, FORWARDER_SEND).seq, 101);
}

static void padding_cannot_start_an_input(void **state)
{
    struct forwarder f;
    forwarder_init(&f, fresh_memory(), true, 100, 0);
    forwarder_want(&f, 1);
    push_seq(&f, 1, true, FORWARDER_WAITING);
}

static void more_swallowed_runs_than_remembered_never_repeat_a_number(void **state)
{
    struct forwarder f = started_at(0);
    int64_t last = 100;
    for (int64_t seq = 1; seq < 400; seq += 2) {
        push_seq(&f, seq, true, FORWARDER_SWALLOWED);
        int64_t out = push_seq(&f, seq + 1, false, FORWARDER_SEND).seq;
        assert_int_equal(out, last + 1);
        last = out;
    }
    push_seq(&f, 3, false, FORWARDER_STALE); /* forgotten */
}

static void a_jump_of_the_numbering_leaves_one_number_free(void **state)
{
    struct forwarder f = started_at(1);
    assert_int_equal(push_seq(&f, 20000, false, FORWARDER_SEND).seq, 102);
    assert_int_equal(push_seq(&f, 20001, false, FORWARDER_SEND).seq, 103);
    push_seq(&f, 2, false, FORWARDER_STALE);
}

static void stopping_and_going_on_leaves_no_gap(void **state)
{
    struct forwarder f = started_at(1);
    uint32_t before = push_seq(&f, 2, false, FORWARDER_SEND).timestamp;
    forwarder_stop(&f);
    push_seq(&f, 3, false, FORWARDER_NOT_INPUT);
    forwarder_want(&f, 1);
    struct forwarder_output o = push_seq(&f, 2002, false, FORWARDER_SWITCHED);
    assert_int_equal(o.seq, 102);
    assert_int_equal(o.timestamp - before, 2000 * CLOCK / 1000); /* the pause was 2 s */
}

/* Two layers of one publisher whose reports tell the same wall clock: the capture time goes on. */
static void timestamps_follow_the_sender_reports(void **state)
{
    struct forwarder f;
    forwarder_init(&f, fresh_memory(), true, 0, 1000);
    struct media_clock clock_a = { .domain = 9, .ntp = SECONDS(100), .timestamp = 90000 };
    struct media_clock clock_b = { .domain = 9, .ntp = SECONDS(101), .timestamp = 500000 };
    struct forwarder_packet a = { .input = 1,
                                  .seq = 1,
                                  .timestamp = 90000 + 45000,
                                  .clock_rate = CLOCK,
                                  .arrival = SECONDS(1),
                                  .keyframe_start = true,
                                  .clock = &clock_a };
    struct forwarder_output o;
    forwarder_want(&f, 1);
    assert_int_equal(forwarder_push(&f, &a, &o), FORWARDER_SWITCHED); /* captured at 100.5 s */
    assert_int_equal(o.timestamp, 1000);
    /* captured at 101.1 s, 0.6 s later, although it arrives after 0.65 s */
    struct forwarder_packet b = { .input = 2,
                                  .seq = 77,
                                  .timestamp = 500000 + 9000,
                                  .clock_rate = CLOCK,
                                  .arrival = SECONDS(1) + MILLIS(650),
                                  .keyframe_start = true,
                                  .clock = &clock_b };
    forwarder_want(&f, 2);
    assert_int_equal(forwarder_push(&f, &b, &o), FORWARDER_SWITCHED);
    assert_int_equal(o.timestamp, 1000 + 54000);
}

static void timestamps_never_go_back_even_if_the_reports_say_so(void **state)
{
    struct forwarder f;
    forwarder_init(&f, fresh_memory(), true, 0, 1000);
    struct media_clock clock_a = { .domain = 9, .ntp = SECONDS(100), .timestamp = 0 };
    struct media_clock clock_b = { .domain = 9, .ntp = SECONDS(100), .timestamp = 0 };
    struct forwarder_packet a = { .input = 1,
                                  .seq = 1,
                                  .timestamp = 9000,
                                  .clock_rate = CLOCK,
                                  .keyframe_start = true,
                                  .clock = &clock_a };
    struct forwarder_packet b = { .input = 2,
                                  .seq = 1,
                                  .timestamp = 6000,
                                  .clock_rate = CLOCK,
                                  .keyframe_start = true,
                                  .clock = &clock_b };
    struct forwarder_output first, second;
    forwarder_want(&f, 1);
    assert_int_equal(forwarder_push(&f, &a, &first), FORWARDER_SWITCHED);
    forwarder_want(&f, 2);
    assert_int_equal(forwarder_push(&f, &b, &second), FORWARDER_SWITCHED);
    assert_int_equal(second.timestamp, first.timestamp + 1);
}

static void reports_of_different_publishers_are_not_compared(void **state)
{
    struct forwarder f;
    forwarder_init(&f, fresh_memory(), true, 0, 0);
    struct media_clock clock_a = { .domain = 9, .ntp = SECONDS(100), .timestamp = 0 };
    struct media_clock clock_b = { .domain = 8, .ntp = SECONDS(100), .timestamp = 0 };
    struct forwarder_packet a = { .input = 1,
                                  .seq = 1,
                                  .timestamp = 0,
                                  .clock_rate = CLOCK,
                                  .keyframe_start = true,
                                  .clock = &clock_a };
    struct forwarder_packet b = { .input = 2,
                                  .seq = 1,
                                  .timestamp = 45000,
                                  .clock_rate = CLOCK,
                                  .arrival = MILLIS(100),
                                  .keyframe_start = true,
                                  .clock = &clock_b };
    struct forwarder_output o;
    forwarder_want(&f, 1);
    assert_int_equal(forwarder_push(&f, &a, &o), FORWARDER_SWITCHED);
    forwarder_want(&f, 2);
    assert_int_equal(forwarder_push(&f, &b, &o), FORWARDER_SWITCHED);
    assert_int_equal(o.timestamp, 9000);
}

static void numbers_and_timestamps_wrap(void **state)
{
    struct forwarder f;
    forwarder_init(&f, fresh_memory(), true, 0x7fff, UINT32_MAX - 1000);
    struct layer l = layer_of(1, 65500, UINT32_MAX - 5000, 0x7ff0);
    struct viewer v = { 0 };
    forwarder_want(&f, 1);
    for (int i = 0; i < 40000; i++) {
        struct forwarder_output o;
        assert_true(push_frame(&f, &l, i == 0, i * FRAME_TIME, &o) <= FORWARDER_SWITCHED);
        expect_continuous(&v, &o);
    }
    assert_true(v.last.seq > 0xffff);
}

static void a_copy_goes_on_where_the_original_was(void **state)
{
    struct forwarder f = started_at(1);
    push_seq(&f, 2, true, FORWARDER_SWALLOWED);
    struct forwarder moved = f;
    moved.memory = fresh_memory();
    *moved.memory = *f.memory;
    assert_int_equal(push_seq(&moved, 3, false, FORWARDER_SEND).seq,
                     push_seq(&f, 3, false, FORWARDER_SEND).seq);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(switching_between_three_layers_is_one_continuous_stream),
        cmocka_unit_test(video_takes_over_only_at_a_keyframe),
        cmocka_unit_test(audio_takes_over_at_once),
        cmocka_unit_test(a_loss_stays_a_loss_and_a_late_packet_fills_it),
        cmocka_unit_test(padding_is_swallowed_without_a_gap),
        cmocka_unit_test(a_late_packet_keeps_the_offset_of_its_neighbours),
        cmocka_unit_test(an_unwanted_packet_that_comes_late_fills_the_gap_it_left),
        cmocka_unit_test(a_number_that_was_filled_is_not_used_again_after_a_switch),
        cmocka_unit_test(the_clock_goes_on_from_a_number_that_was_filled),
        cmocka_unit_test(templates_of_inputs_in_a_row_have_different_ids),
        cmocka_unit_test(what_is_older_than_the_switch_is_stale),
        cmocka_unit_test(padding_cannot_start_an_input),
        cmocka_unit_test(more_swallowed_runs_than_remembered_never_repeat_a_number),
        cmocka_unit_test(a_jump_of_the_numbering_leaves_one_number_free),
        cmocka_unit_test(stopping_and_going_on_leaves_no_gap),
        cmocka_unit_test(timestamps_follow_the_sender_reports),
        cmocka_unit_test(timestamps_never_go_back_even_if_the_reports_say_so),
        cmocka_unit_test(reports_of_different_publishers_are_not_compared),
        cmocka_unit_test(numbers_and_timestamps_wrap),
        cmocka_unit_test(a_copy_goes_on_where_the_original_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
