/* tone.h - voices that can be told apart: each bot speaks a steady tone of its own, made and heard
 * with libopus.
 *
 * A voice bank has all tones encoded once (a loop of one second each, 48 kHz mono, 20 ms frames,
 * in-band FEC off), shared read-only by all threads. An ear decodes some frames of a stream and
 * says which tone they carry. Pure but for libopus' own memory.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_TONE_H
#define LOADTEST_TONE_H

#include "common/bytes.h"

enum {
    TONE_COUNT = 48,          /* bot i speaks tone i % TONE_COUNT */
    TONE_RATE = 48000,        /* samples a second, and the RTP clock */
    TONE_FRAME_SAMPLES = 960, /* 20 ms */
    TONE_LOOP_FRAMES = 50,    /* one second; seamless: whole periods */
    TONE_BITRATE = 32000,
};

/* Hz of a tone: 400, 450, …: far enough apart for a listener of 100 ms, within what a phone's
 * speaker plays. index < TONE_COUNT. */
unsigned tone_hz(unsigned index);

struct voice_bank; /* heap, immutable */
/* NULL if libopus or memory fails. Takes about 100 ms. */
struct voice_bank *voice_bank_new(void);
void voice_bank_free(struct voice_bank *b);
/* Opus frame `frame` (any number; loops) of a tone; lives as long as the bank. */
struct bytes voice_frame(const struct voice_bank *b, unsigned tone, uint64_t frame);
/* An Opus frame of silence (comfort noise level), for those who are unmuted and quiet. */
struct bytes voice_silence(const struct voice_bank *b);

/* Listens to one stream now and then. Heap: about 20 KiB of libopus state. */
struct ear;
struct ear *ear_new(void);
void ear_free(struct ear *e);
void ear_reset(struct ear *e);

enum ear_verdict {
    EAR_LISTENING, /* needs more frames (6: the decoder settles, then 100 ms count) */
    EAR_TONE,      /* heard: ret_tone */
    EAR_SILENCE,
    EAR_NOISE,  /* loud, but none of our tones stands out */
    EAR_BROKEN, /* libopus refused the packet */
};
/* One Opus packet, in order. After a verdict other than LISTENING the ear starts anew. The decision
 * (Goertzel per tone) wants the strongest tone to carry most of the energy. Cost: a decode; at a
 * verdict TONE_COUNT filters over 4800 samples. */
enum ear_verdict ear_hear(struct ear *e, struct bytes opus, unsigned *ret_tone);

#endif
