/* Who speaks: meters and the list of a room. Keyframe requests and layers, the other small
 * decisions, are here too.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/keyframe_request.h"
#include "core/layer.h"
#include "core/speaker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#define PACKET_TIME MILLIS(20)

static usec push_for(struct speaker_meter *m, uint8_t level, usec from, usec duration)
{
    usec t = from;
    for (; t < from + duration; t += PACKET_TIME)
        speaker_meter_push(m, level, t);
    return t;
}

static void a_voice_is_heard_within_a_tenth_of_a_second(void **state)
{
    struct speaker_meter m = { 0 };
    usec t = push_for(&m, 127, 0, SECONDS(1));
    assert_false(m.speaks);
    push_for(&m, 30, t, MILLIS(60));
    assert_true(m.speaks);
}

static void a_soft_voice_is_heard_soon_too(void **state)
{
    struct speaker_meter m = { 0 };
    usec t = push_for(&m, 127, 0, SECONDS(1));
    push_for(&m, 45, t, MILLIS(100));
    assert_true(m.speaks);
}

static void a_click_is_no_voice(void **state)
{
    struct speaker_meter m = { 0 };
    usec t = push_for(&m, 127, 0, SECONDS(1));
    t = push_for(&m, 15, t, 2 * PACKET_TIME);
    assert_false(m.speaks);
    for (int i = 0; i < 20; i++) { /* and a keyboard is many clicks */
        t = push_for(&m, 75, t, 5 * PACKET_TIME);
        t = push_for(&m, 15, t, 2 * PACKET_TIME);
        assert_false(m.speaks);
    }
}

static void a_pause_between_words_does_not_end_a_voice(void **state)
{
    struct speaker_meter m = { 0 };
    usec t = push_for(&m, 30, 0, SECONDS(1));
    t = push_for(&m, 127, t, MILLIS(400));
    assert_true(m.speaks);
    push_for(&m, 127, t, SECONDS(2));
    assert_false(m.speaks);
}

static void comfort_noise_ends_a_voice_as_silence_does(void **state)
{
    struct speaker_meter m = { 0 };
    usec t = push_for(&m, 20, 0, SECONDS(1));
    for (int i = 0; i < 3; i++, t += MILLIS(400))
        speaker_meter_push(&m, 127, t);
    assert_false(m.speaks); /* 0.8 s after the last word */
}

static void a_microphone_that_stops_sending_is_silent(void **state)
{
    struct speaker_meter m = { 0 };
    usec t = push_for(&m, 30, 0, SECONDS(1));
    speaker_meter_tick(&m, t + SECONDS(2));
    assert_false(m.speaks);
    assert_int_equal(speaker_meter_level(&m), SPEAKER_SILENCE);
}

static void a_list_keeps_the_loudest(void **state)
{
    struct speaker_list l = { .count = 0 };
    for (uint8_t i = 0; i < 20; i++)
        speaker_list_add(&l, i + 1u, (uint8_t)(60 - i));
    assert_int_equal(l.count, SPEAKERS_MAX);
    for (size_t i = 0; i < l.count; i++)
        assert_int_equal(l.speakers[i].who, 20 - i);
}

static struct speaker_list list_of(handle a, uint8_t level_a, handle b, uint8_t level_b)
{
    struct speaker_list l = { .count = 0 };
    speaker_list_add(&l, a, level_a);
    speaker_list_add(&l, b, level_b);
    return l;
}

static void places_change_only_when_one_is_clearly_louder(void **state)
{
    struct speaker_list told = { .count = 0 };
    struct speaker_list next = list_of(1, 30, 2, 32);
    assert_true(speaker_list_update(&told, &next));
    next = list_of(1, 34, 2, 31);
    assert_false(speaker_list_update(&told, &next));
    next = list_of(1, 40, 2, 31);
    assert_true(speaker_list_update(&told, &next));
    assert_int_equal(told.speakers[0].who, 2);
}

static void who_begins_or_ends_is_told(void **state)
{
    struct speaker_list told = { .count = 0 }, empty = { .count = 0 };
    assert_false(speaker_list_update(&told, &empty));
    struct speaker_list next = list_of(1, 30, 2, 32);
    assert_true(speaker_list_update(&told, &next));
    next = list_of(1, 30, 3, 32);
    assert_true(speaker_list_update(&told, &next));
    next = empty;
    assert_true(speaker_list_update(&told, &next));
    assert_int_equal(told.count, 0);
}

static void a_viewer_gets_the_highest_layer_it_asked_for(void **state)
{
    assert_int_equal(layer_choose(0x7, 2), 2);
    assert_int_equal(layer_choose(0x7, 1), 1);
    assert_int_equal(layer_choose(0x7, 0), 0);
    assert_int_equal(layer_choose(0x7, 200), 2);
}

static void layers_that_are_not_there_are_stood_in_for(void **state)
{
    assert_int_equal(layer_choose(0x3, 2), 1);
    assert_int_equal(layer_choose(0x5, 1), 0);
    assert_int_equal(layer_choose(0x6, 0), 1); /* none as low: the lowest there is */
    assert_int_equal(layer_choose(0x4, 0), 2);
    assert_int_equal(layer_choose(0, 2), -1);
}

static void the_first_request_goes_out_at_once_and_the_next_waits(void **state)
{
    struct keyframe_request k = { 0 };
    assert_int_equal(keyframe_request_deadline(&k), USEC_NEVER);
    assert_false(keyframe_request_take(&k, 0));
    keyframe_request_want(&k);
    assert_true(keyframe_request_take(&k, 1000));
    keyframe_request_want(&k); /* another viewer */
    assert_false(keyframe_request_take(&k, 1000 + KEYFRAME_INTERVAL_MIN - 1));
    assert_true(keyframe_request_take(&k, 1000 + KEYFRAME_INTERVAL_MIN));
}

static void requests_are_repeated_until_a_keyframe_comes(void **state)
{
    struct keyframe_request k = { 0 };
    keyframe_request_want(&k);
    assert_true(keyframe_request_take(&k, 0));
    assert_false(keyframe_request_take(&k, KEYFRAME_RETRY_TIME - 1));
    assert_true(keyframe_request_take(&k, KEYFRAME_RETRY_TIME));
    keyframe_request_done(&k);
    assert_int_equal(keyframe_request_deadline(&k), USEC_NEVER);
}

static void requests_end_when_nothing_helps(void **state)
{
    struct keyframe_request k = { 0 };
    keyframe_request_want(&k);
    size_t count = 0;
    for (usec t = 0; t < SECONDS(60); t += MILLIS(10))
        count += keyframe_request_take(&k, t);
    assert_int_equal(count, KEYFRAME_RETRIES_MAX + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_voice_is_heard_within_a_tenth_of_a_second),
        cmocka_unit_test(a_soft_voice_is_heard_soon_too),
        cmocka_unit_test(a_click_is_no_voice),
        cmocka_unit_test(a_pause_between_words_does_not_end_a_voice),
        cmocka_unit_test(comfort_noise_ends_a_voice_as_silence_does),
        cmocka_unit_test(a_microphone_that_stops_sending_is_silent),
        cmocka_unit_test(a_list_keeps_the_loudest),
        cmocka_unit_test(places_change_only_when_one_is_clearly_louder),
        cmocka_unit_test(who_begins_or_ends_is_told),
        cmocka_unit_test(a_viewer_gets_the_highest_layer_it_asked_for),
        cmocka_unit_test(layers_that_are_not_there_are_stood_in_for),
        cmocka_unit_test(the_first_request_goes_out_at_once_and_the_next_waits),
        cmocka_unit_test(requests_are_repeated_until_a_keyframe_comes),
        cmocka_unit_test(requests_end_when_nothing_helps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
