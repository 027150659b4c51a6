/* SPDX-License-Identifier: Apache-2.0 */
#include "core/tone.h"

#include <assert.h>
#include <math.h>
#include <opus/opus.h>
#include <stdlib.h>

enum {
    FRAME_BYTES_MAX = 160,
    WARM_UP_FRAMES = 10, /* until the encoder's output repeats itself */
    LOW_HZ = 400,
    STEP_HZ = 50, /* whole periods in each frame: a frame that is left out cuts no wave */

    /* An ear decodes to a lower rate than the RTP clock: all tones are below 4 kHz. */
    EAR_RATE = 16000,
    EAR_TURN_SAMPLES = EAR_RATE / STEP_HZ, /* 20 ms: whole periods of every tone */
    EAR_SETTLE_SAMPLES = EAR_TURN_SAMPLES, /* the decoder's first frame carries what was before */
    EAR_WINDOW_SAMPLES = EAR_TURN_SAMPLES * 5,  /* 100 ms */
    EAR_PACKET_SAMPLES = EAR_RATE / 1000 * 120, /* the longest Opus packet, RFC 6716 §3.2.5 */
};

static_assert(LOW_HZ + STEP_HZ * (TONE_COUNT - 1) < EAR_RATE / 2, "tones an ear can tell");
static_assert(LOW_HZ % STEP_HZ == 0 && TONE_FRAME_SAMPLES * STEP_HZ == TONE_RATE,
              "whole periods in a frame");

static const double voice_amplitude = 0.3 * 32768;
static const double silence_amplitude = 6;         /* -75 dB of full scale */
static const double silence_below = 0.002 * 32768; /* root mean square, -54 dB */
static const double most = 0.7;                    /* share of the energy that makes a tone */

struct encoded {
    uint8_t data[FRAME_BYTES_MAX];
    uint8_t len;
};

struct voice_bank {
    struct encoded frames[TONE_COUNT][TONE_LOOP_FRAMES];
    struct encoded silence;
};

struct ear {
    OpusDecoder *decoder; /* owned */
    size_t settled;       /* samples after a start, at most EAR_SETTLE_SAMPLES */
    size_t heard;         /* samples of the window */
    int16_t window[EAR_WINDOW_SAMPLES];
    /* derived */
    double coefficients[TONE_COUNT]; /* 2 cos w of each tone's filter */
};

unsigned tone_hz(unsigned index)
{
    check(index < TONE_COUNT);
    return LOW_HZ + STEP_HZ * index;
}

static bool encode(OpusEncoder *encoder, const int16_t *samples, struct encoded *ret)
{
    int len = opus_encode(encoder, samples, TONE_FRAME_SAMPLES, ret->data, FRAME_BYTES_MAX);
    if (len <= 0)
        return false;
    ret->len = (uint8_t)len;
    return true;
}

static bool encode_tone(OpusEncoder *encoder, unsigned hz, struct encoded loop[TONE_LOOP_FRAMES])
{
    int16_t samples[TONE_FRAME_SAMPLES];
    for (size_t i = 0; i < TONE_FRAME_SAMPLES; i++)
        samples[i] = (int16_t)lround(voice_amplitude * sin(2 * M_PI * hz * (double)i / TONE_RATE));
    opus_encoder_ctl(encoder, OPUS_RESET_STATE);
    for (size_t i = 0; i < WARM_UP_FRAMES + TONE_LOOP_FRAMES; i++) {
        if (!encode(encoder, samples, &loop[i < WARM_UP_FRAMES ? 0 : i - WARM_UP_FRAMES]))
            return false;
    }
    return true;
}

/* Noise that nobody hears; the last of some frames is kept. */
static bool encode_silence(OpusEncoder *encoder, struct encoded *ret)
{
    opus_encoder_ctl(encoder, OPUS_RESET_STATE);
    uint32_t noise = 1;
    for (size_t frame = 0; frame < WARM_UP_FRAMES; frame++) {
        int16_t samples[TONE_FRAME_SAMPLES];
        for (size_t i = 0; i < TONE_FRAME_SAMPLES; i++) {
            noise = noise * 1664525 + 1013904223;
            samples[i] = (int16_t)lround(silence_amplitude * ((double)noise / UINT32_MAX * 2 - 1));
        }
        if (!encode(encoder, samples, ret))
            return false;
    }
    return true;
}

static bool fill_bank(OpusEncoder *encoder, struct voice_bank *b)
{
    opus_encoder_ctl(encoder, OPUS_SET_BITRATE(TONE_BITRATE));
    opus_encoder_ctl(encoder, OPUS_SET_VBR(0));
    opus_encoder_ctl(encoder, OPUS_SET_INBAND_FEC(0));
    /* Each frame stands alone: an ear that starts anywhere hears the tone at once. */
    opus_encoder_ctl(encoder, OPUS_SET_PREDICTION_DISABLED(1));
    for (unsigned tone = 0; tone < TONE_COUNT; tone++) {
        if (!encode_tone(encoder, tone_hz(tone), b->frames[tone]))
            return false;
    }
    return encode_silence(encoder, &b->silence);
}

struct voice_bank *voice_bank_new(void)
{
    struct voice_bank *b = calloc(1, sizeof(*b));
    /* This application is CELT alone, which keeps a sine purer than SILK does, and decodes faster.
     */
    int application = OPUS_APPLICATION_RESTRICTED_LOWDELAY;
    OpusEncoder *encoder = opus_encoder_create(TONE_RATE, 1, application, NULL);
    bool filled = b != NULL && encoder != NULL && fill_bank(encoder, b);
    if (encoder != NULL)
        opus_encoder_destroy(encoder);
    if (!filled) {
        free(b);
        return NULL;
    }
    return b;
}

void voice_bank_free(struct voice_bank *b)
{
    free(b);
}

struct bytes voice_frame(const struct voice_bank *b, unsigned tone, uint64_t frame)
{
    check(tone < TONE_COUNT);
    const struct encoded *e = &b->frames[tone][frame % TONE_LOOP_FRAMES];
    return bytes_of(e->data, e->len);
}

struct bytes voice_silence(const struct voice_bank *b)
{
    return bytes_of(b->silence.data, b->silence.len);
}

struct ear *ear_new(void)
{
    struct ear *e = calloc(1, sizeof(*e));
    if (e == NULL)
        return NULL;
    e->decoder = opus_decoder_create(EAR_RATE, 1, NULL);
    if (e->decoder == NULL) {
        free(e);
        return NULL;
    }
    for (unsigned i = 0; i < TONE_COUNT; i++)
        e->coefficients[i] = 2 * cos(2 * M_PI * tone_hz(i) / EAR_RATE);
    return e;
}

void ear_free(struct ear *e)
{
    if (e == NULL)
        return;
    opus_decoder_destroy(e->decoder);
    free(e);
}

void ear_reset(struct ear *e)
{
    opus_decoder_ctl(e->decoder, OPUS_RESET_STATE);
    e->settled = 0;
    e->heard = 0;
}

/* Goertzel: the energy of a tone in the window of which `wave` is the sum of all turns. */
static double energy_of(const double wave[EAR_TURN_SAMPLES], double coefficient)
{
    double before = 0, last = 0;
    for (size_t i = 0; i < EAR_TURN_SAMPLES; i++) {
        double next = wave[i] + coefficient * last - before;
        before = last;
        last = next;
    }
    double power = last * last + before * before - coefficient * last * before;
    return power * 2 / EAR_WINDOW_SAMPLES;
}

/* All tones repeat themselves every 20 ms, so the window is first laid together to one such turn:
 * for them the filters' answer is the same as over the whole of it. */
static enum ear_verdict judge(const struct ear *e, unsigned *ret_tone)
{
    double total = 0, wave[EAR_TURN_SAMPLES] = { 0 };
    for (size_t i = 0; i < EAR_WINDOW_SAMPLES; i++) {
        total += (double)e->window[i] * e->window[i];
        wave[i % EAR_TURN_SAMPLES] += e->window[i];
    }
    if (total < silence_below * silence_below * EAR_WINDOW_SAMPLES)
        return EAR_SILENCE;
    for (unsigned i = 0; i < TONE_COUNT; i++) {
        if (energy_of(wave, e->coefficients[i]) > most * total) { /* true for one at most */
            *ret_tone = i;
            return EAR_TONE;
        }
    }
    return EAR_NOISE;
}

enum ear_verdict ear_hear(struct ear *e, struct bytes opus, unsigned *ret_tone)
{
    int16_t samples[EAR_PACKET_SAMPLES];
    /* Without bytes libopus would conceal a loss instead of refusing. */
    int decoded = opus.len == 0 || opus.len > INT32_MAX
                      ? OPUS_INVALID_PACKET
                      : opus_decode(e->decoder, opus.data, (opus_int32)opus.len, samples,
                                    EAR_PACKET_SAMPLES, 0);
    if (decoded <= 0) {
        ear_reset(e);
        return EAR_BROKEN;
    }
    size_t count = (size_t)decoded;
    size_t skip = MIN(count, EAR_SETTLE_SAMPLES - e->settled);
    e->settled += skip;
    size_t take = MIN(count - skip, EAR_WINDOW_SAMPLES - e->heard);
    memcpy(e->window + e->heard, samples + skip, take * sizeof(samples[0]));
    e->heard += take;
    if (e->heard < EAR_WINDOW_SAMPLES)
        return EAR_LISTENING;
    enum ear_verdict verdict = judge(e, ret_tone);
    ear_reset(e);
    return verdict;
}
