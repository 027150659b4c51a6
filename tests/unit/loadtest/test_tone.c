/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/tone.h"

#include <math.h>
#include <opus/opus.h>
#include <stdlib.h>

enum { FRAMES_TO_A_VERDICT = 6 };

static struct voice_bank *bank;

static int make_bank(void **state)
{
    bank = voice_bank_new();
    return bank == NULL;
}

static int free_bank(void **state)
{
    voice_bank_free(bank);
    return 0;
}

static enum ear_verdict hear_tone(struct ear *e, unsigned tone, uint64_t first, size_t count,
                                  unsigned *ret_tone)
{
    enum ear_verdict v = EAR_LISTENING;
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(v, EAR_LISTENING);
        v = ear_hear(e, voice_frame(bank, tone, first + i), ret_tone);
    }
    return v;
}

static void every_tone_is_heard_as_itself(void **state)
{
    struct ear *e = ear_new();
    for (unsigned tone = 0; tone < TONE_COUNT; tone++) {
        assert_int_equal(tone_hz(tone), 400 + 50 * tone);
        unsigned heard = TONE_COUNT;
        assert_int_equal(hear_tone(e, tone, tone, FRAMES_TO_A_VERDICT, &heard), EAR_TONE);
        assert_int_equal(heard, tone);
    }
    ear_free(e);
}

static void frames_have_the_size_of_the_bitrate(void **state)
{
    for (uint64_t frame = 0; frame < TONE_LOOP_FRAMES; frame++)
        assert_int_equal(voice_frame(bank, 7, frame).len, TONE_BITRATE / 8 / 50);
    struct bytes a = voice_frame(bank, 7, 3), b = voice_frame(bank, 7, 3 + TONE_LOOP_FRAMES);
    assert_ptr_equal(a.data, b.data);
}

/* The wave where frame 49 meets frame 0 departs from a sine as little as it does elsewhere. */
static void the_loop_has_no_seam(void **state)
{
    for (unsigned tone = 0; tone < TONE_COUNT; tone += 5) {
        OpusDecoder *decoder = opus_decoder_create(TONE_RATE, 1, NULL);
        double worst_at_seam = 0, worst_elsewhere = 0;
        double w = 2 * cos(2 * M_PI * tone_hz(tone) / TONE_RATE);
        int16_t s[TONE_FRAME_SAMPLES + 2] = { 0 };
        for (uint64_t frame = 0; frame < 4 * TONE_LOOP_FRAMES; frame++) {
            memmove(s, s + TONE_FRAME_SAMPLES, 2 * sizeof(s[0]));
            struct bytes opus = voice_frame(bank, tone, frame);
            assert_int_equal(
                opus_decode(decoder, opus.data, (opus_int32)opus.len, s + 2, TONE_FRAME_SAMPLES, 0),
                TONE_FRAME_SAMPLES);
            double worst = 0; /* of a sine, s[n] = 2 cos w s[n-1] - s[n-2] */
            for (size_t i = 2; frame > 10 && i < TONE_FRAME_SAMPLES + 2; i++)
                worst = fmax(worst, fabs(s[i] - w * s[i - 1] + s[i - 2]));
            if (frame % TONE_LOOP_FRAMES == 0)
                worst_at_seam = fmax(worst_at_seam, worst);
            else
                worst_elsewhere = fmax(worst_elsewhere, worst);
        }
        opus_decoder_destroy(decoder);
        assert_true(worst_elsewhere < 1000); /* of an amplitude of 9830 */
        assert_true(worst_at_seam <= 1.5 * worst_elsewhere);
    }
}

static void silence_is_told_from_tones(void **state)
{
    struct ear *e = ear_new();
    unsigned heard = 99;
    for (size_t i = 0; i < FRAMES_TO_A_VERDICT; i++)
        assert_int_equal(ear_hear(e, voice_silence(bank), &heard),
                         i < FRAMES_TO_A_VERDICT - 1 ? EAR_LISTENING : EAR_SILENCE);
    assert_int_equal(heard, 99);
    ear_free(e);
}

/* White noise, or a mixture, from an encoder of its own. */
static enum ear_verdict hear_samples(struct ear *e, int16_t (*sample)(size_t), int ms)
{
    OpusEncoder *encoder = opus_encoder_create(TONE_RATE, 1, OPUS_APPLICATION_VOIP, NULL);
    enum ear_verdict v = EAR_LISTENING;
    unsigned heard = 0;
    int count = TONE_RATE / 1000 * ms;
    for (size_t at = 0; v == EAR_LISTENING; at += (size_t)count) {
        int16_t samples[TONE_RATE / 1000 * 60];
        uint8_t packet[1500];
        for (size_t i = 0; i < (size_t)count; i++)
            samples[i] = sample(at + i);
        int len = opus_encode(encoder, samples, count, packet, sizeof packet);
        assert_true(len > 0);
        v = ear_hear(e, bytes_of(packet, (size_t)len), &heard);
    }
    opus_encoder_destroy(encoder);
    return v;
}

static int16_t noise_at(size_t i)
{
    static uint32_t x = 7;
    x = x * 1664525 + 1013904223;
    return (int16_t)((int32_t)(x >> 16) % 20000 - 10000);
}

static int16_t two_voices_at(size_t i)
{
    return (int16_t)(6000 * (sin(2 * M_PI * 500 * (double)i / TONE_RATE) +
                             sin(2 * M_PI * 1250 * (double)i / TONE_RATE)));
}

static int16_t foreign_pitch_at(size_t i)
{
    return (int16_t)(9000 * sin(2 * M_PI * 525 * (double)i / TONE_RATE));
}

static int16_t own_pitch_at(size_t i)
{
    return (int16_t)(9000 * sin(2 * M_PI * 900 * (double)i / TONE_RATE));
}

static void what_is_no_tone_is_noise(void **state)
{
    struct ear *e = ear_new();
    assert_int_equal(hear_samples(e, noise_at, 20), EAR_NOISE);
    assert_int_equal(hear_samples(e, two_voices_at, 20), EAR_NOISE);
    assert_int_equal(hear_samples(e, foreign_pitch_at, 20), EAR_NOISE);
    ear_free(e);
}

static void packets_of_other_lengths_are_heard(void **state)
{
    struct ear *e = ear_new();
    assert_int_equal(hear_samples(e, own_pitch_at, 10), EAR_TONE);
    assert_int_equal(hear_samples(e, own_pitch_at, 60), EAR_TONE);
    ear_free(e);
}

static void a_stream_with_frames_missing_is_heard(void **state)
{
    struct ear *e = ear_new();
    unsigned heard = TONE_COUNT;
    assert_int_equal(hear_tone(e, 12, 0, 3, &heard), EAR_LISTENING);
    assert_int_equal(hear_tone(e, 12, 17, 3, &heard), EAR_TONE);
    assert_int_equal(heard, 12);
    ear_free(e);
}

static void one_tone_after_another_is_heard_anew(void **state)
{
    struct ear *e = ear_new();
    for (unsigned i = 0; i < 100; i++) {
        unsigned tone = i * 29 % TONE_COUNT, heard = TONE_COUNT;
        assert_int_equal(hear_tone(e, tone, i, FRAMES_TO_A_VERDICT, &heard), EAR_TONE);
        assert_int_equal(heard, tone);
    }
    ear_free(e);
}

static void a_change_in_the_middle_gives_no_third_tone(void **state)
{
    struct ear *e = ear_new();
    for (size_t cut = 1; cut < FRAMES_TO_A_VERDICT; cut++) {
        unsigned heard = TONE_COUNT;
        hear_tone(e, 3, 0, cut, &heard);
        enum ear_verdict v = hear_tone(e, 40, 0, FRAMES_TO_A_VERDICT - cut, &heard);
        assert_true(v == EAR_NOISE || (v == EAR_TONE && (heard == 3 || heard == 40)));
        hear_tone(e, 3, 0, cut, &heard);
        ear_reset(e);
        assert_int_equal(hear_tone(e, 40, 0, FRAMES_TO_A_VERDICT, &heard), EAR_TONE);
        assert_int_equal(heard, 40);
    }
    ear_free(e);
}

static void what_libopus_refuses_is_broken_and_forgotten(void **state)
{
    struct ear *e = ear_new();
    unsigned heard = TONE_COUNT;
    assert_int_equal(ear_hear(e, (struct bytes){ NULL, 0 }, &heard), EAR_BROKEN);
    const uint8_t bad[] = { 0xff, 0xff, 0xff, 0xff }; /* 63 frames of 20 ms */
    hear_tone(e, 5, 0, 4, &heard);
    assert_int_equal(ear_hear(e, bytes_of(bad, sizeof bad), &heard), EAR_BROKEN);
    assert_int_equal(hear_tone(e, 5, 0, FRAMES_TO_A_VERDICT, &heard), EAR_TONE);
    ear_free(e);
    ear_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_tone_is_heard_as_itself),
        cmocka_unit_test(frames_have_the_size_of_the_bitrate),
        cmocka_unit_test(the_loop_has_no_seam),
        cmocka_unit_test(silence_is_told_from_tones),
        cmocka_unit_test(what_is_no_tone_is_noise),
        cmocka_unit_test(packets_of_other_lengths_are_heard),
        cmocka_unit_test(a_stream_with_frames_missing_is_heard),
        cmocka_unit_test(one_tone_after_another_is_heard_anew),
        cmocka_unit_test(a_change_in_the_middle_gives_no_third_tone),
        cmocka_unit_test(what_libopus_refuses_is_broken_and_forgotten),
    };
    return cmocka_run_group_tests(tests, make_bank, free_bank);
}
