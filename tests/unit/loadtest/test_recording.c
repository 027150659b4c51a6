/* Recordings of virtual streams: the built-in clips cut into packets, which are lost and reordered.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/clip.h"
#include "core/recording.h"
#include "core/tone.h"

#include <stdlib.h>

enum { FRAME_US = 33333, FRAMES = 40, PACKETS_MAX = 8192, T0 = 1000000 };

struct sent {
    struct ordered_packet packet;
    uint8_t *payload; /* owned */
    unsigned frame;
    usec at;
};

struct stream {
    struct clip clip;
    struct sent sent[PACKETS_MAX];
    size_t count;
};

/* FRAMES of a clip as packets; `keyframe_every` > 0: the clip starts again. */
static struct stream *stream_new(enum codec codec, unsigned height, unsigned keyframe_every,
                                 uint16_t seq, uint32_t timestamp)
{
    struct stream *s = calloc(1, sizeof *s);
    assert_int_equal(clip_builtin(codec, height, &s->clip), OK);
    for (unsigned i = 0; i < FRAMES; i++) {
        size_t index = (keyframe_every > 0 ? i % keyframe_every : i) % s->clip.frame_count;
        struct packetizer_frame f = clip_to_send(&s->clip, index, (uint16_t)(100 + i), (uint8_t)i);
        struct packetizer p;
        assert_int_equal(packetizer_init(&p, &f, 1100), OK);
        for (bool first = true; !packetizer_is_done(&p); first = false) {
            struct sent *x = &s->sent[s->count++];
            assert_true(s->count < PACKETS_MAX);
            x->payload = malloc(1200);
            struct writer w = writer_of(x->payload, 1200);
            assert_true(packetizer_next(&p, &w));
            x->frame = i;
            x->at = T0 + (usec)i * FRAME_US;
            x->packet = (struct ordered_packet){ .seq = seq++,
                                                 .timestamp = timestamp + i * 3000,
                                                 .marker = packetizer_is_done(&p),
                                                 .keyframe_start = first && f.keyframe,
                                                 .payload = bytes_of(x->payload, writer_len(&w)) };
        }
    }
    return s;
}

static void stream_free(struct stream *s)
{
    for (size_t i = 0; i < s->count; i++)
        free(s->sent[i].payload);
    clip_done(&s->clip);
    free(s);
}

static size_t first_of(const struct stream *s, unsigned frame)
{
    size_t i = 0;
    while (s->sent[i].frame != frame)
        i++;
    return i;
}

static void put(struct recording *r, const struct stream *s, size_t i, usec now)
{
    recording_tick(r, now);
    recording_on_packet(r, &s->sent[i].packet, now);
}

/* What was written, read again. */
struct played {
    uint8_t *file;
    struct clip clip;
};

static struct played play(struct recording *r)
{
    struct played p = { 0 };
    size_t len;
    p.file = recording_take_output(r, &len);
    assert_non_null(p.file);
    assert_int_equal(clip_parse(bytes_of(p.file, len), 30, &p.clip), OK);
    return p;
}

static void played_done(struct played *p)
{
    clip_done(&p->clip);
    free(p->file);
}

/* Start codes of Annex B have three bytes or four: three here. */
static struct bytes shortened(struct bytes frame, uint8_t *buffer)
{
    size_t len = 0;
    for (size_t i = 0; i < frame.len; i++) {
        bool is_long = i + 3 < frame.len && memcmp(frame.data + i, "\0\0\0\1", 4) == 0;
        if (!is_long)
            buffer[len++] = frame.data[i];
    }
    return bytes_of(buffer, len);
}

static void assert_frame(const struct played *p, size_t at, const struct clip *clip, size_t index)
{
    static uint8_t buffers[2][1 << 17];
    assert_true(at < p->clip.frame_count);
    struct bytes a = p->clip.frames[at].data, b = clip->frames[index % clip->frame_count].data;
    if (clip->codec == CODEC_H264) {
        a = shortened(a, buffers[0]);
        b = shortened(b, buffers[1]);
    }
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.data, b.data, a.len);
}

static const enum codec codecs[] = { CODEC_VP8, CODEC_VP9, CODEC_H264, CODEC_AV1 };

static void what_is_received_in_order_is_in_the_file_byte_for_byte(void **state)
{
    for (size_t c = 0; c < ARRAY_LEN(codecs); c++) {
        struct stream *s = stream_new(codecs[c], 360, 0, 65500, 0xfffff000);
        struct recording *r = recording_new(codecs[c], 1);
        for (size_t i = 0; i < s->count; i++)
            put(r, s, i, s->sent[i].at);
        struct played p = play(r);
        assert_int_equal(p.clip.codec, codecs[c]);
        assert_int_equal(p.clip.frame_count, FRAMES);
        for (size_t i = 0; i < FRAMES; i++)
            assert_frame(&p, i, &s->clip, i);
        assert_int_equal(recording_stats_of(r)->frames, FRAMES);
        assert_int_equal(recording_stats_of(r)->keyframes, 1);
        assert_int_equal(recording_stats_of(r)->lost, 0);
        played_done(&p);
        recording_free(r);
        stream_free(s);
    }
}

static void the_size_of_a_keyframe_and_the_time_of_frames_are_in_the_file(void **state)
{
    for (size_t c = 0; c < ARRAY_LEN(codecs); c++) {
        struct stream *s = stream_new(codecs[c], 360, 0, 1, 77);
        struct recording *r = recording_new(codecs[c], 1);
        for (size_t i = 0; i < s->count; i++)
            put(r, s, i, s->sent[i].at);
        struct played p = play(r);
        assert_int_equal(p.clip.width, 640);
        assert_int_equal(p.clip.height, 360);
        assert_int_equal(recording_stats_of(r)->width, 640);
        assert_int_equal(recording_stats_of(r)->height, 360);
        if (codecs[c] != CODEC_H264) /* which has no times */
            assert_int_equal(p.clip.frames[FRAMES - 1].timestamp, (FRAMES - 1) * 3000);
        played_done(&p);
        recording_free(r);
        stream_free(s);
    }
}

static void packets_that_swap_places_do_no_harm(void **state)
{
    for (size_t c = 0; c < ARRAY_LEN(codecs); c++) {
        struct stream *s = stream_new(codecs[c], 180, 0, 10, 0);
        struct recording *r = recording_new(codecs[c], 1);
        size_t i = 1;
        put(r, s, 0, T0);
        for (; i + 3 < s->count; i += 4) {
            put(r, s, i + 2, s->sent[i].at);
            put(r, s, i, s->sent[i].at);
            put(r, s, i + 3, s->sent[i].at);
            put(r, s, i + 1, s->sent[i].at);
            put(r, s, i + 1, s->sent[i].at); /* and once more */
        }
        for (; i < s->count; i++)
            put(r, s, i, s->sent[i].at);
        struct played p = play(r);
        assert_int_equal(p.clip.frame_count, FRAMES);
        for (size_t k = 0; k < FRAMES; k++)
            assert_frame(&p, k, &s->clip, k);
        played_done(&p);
        recording_free(r);
        stream_free(s);
    }
}

static void a_packet_that_comes_back_in_time_leaves_no_hole(void **state)
{
    struct stream *s = stream_new(CODEC_VP9, 360, 0, 10, 0);
    struct recording *r = recording_new(CODEC_VP9, 1);
    size_t lost = first_of(s, 10);
    for (size_t i = 0; i < s->count; i++) {
        if (i == first_of(s, 15)) /* 166 ms later, by RTX */
            put(r, s, lost, s->sent[i].at);
        if (i != lost)
            put(r, s, i, s->sent[i].at);
    }
    struct played p = play(r);
    assert_int_equal(p.clip.frame_count, FRAMES);
    assert_frame(&p, 10, &s->clip, 10);
    assert_int_equal(recording_stats_of(r)->lost, 0);
    played_done(&p);
    recording_free(r);
    stream_free(s);
}

static void after_a_lost_packet_nothing_is_written_until_a_keyframe(void **state)
{
    for (size_t c = 0; c < ARRAY_LEN(codecs); c++) {
        struct stream *s = stream_new(codecs[c], 360, 20, 10, 0);
        struct recording *r = recording_new(codecs[c], 1);
        size_t lost = first_of(s, 6) - 1; /* the last of frame 5 */
        for (size_t i = 0; i < s->count; i++) {
            if (i != lost)
                put(r, s, i, s->sent[i].at);
        }
        struct played p = play(r);
        assert_int_equal(p.clip.frame_count, 5 + 20);
        for (size_t k = 0; k < 25; k++)
            assert_frame(&p, k, &s->clip, k < 5 ? k : k - 5);
        assert_int_equal(recording_stats_of(r)->lost, 1);
        assert_int_equal(recording_stats_of(r)->keyframes, 2);
        if (codecs[c] != CODEC_H264) /* which has no times */
            assert_int_equal(p.clip.frames[5].timestamp, 20 * 3000);
        played_done(&p);
        recording_free(r);
        stream_free(s);
    }
}

static void a_hole_is_given_up_after_its_patience_even_if_nothing_else_comes(void **state)
{
    struct stream *s = stream_new(CODEC_VP8, 360, 1, 10, 0); /* keyframes only */
    struct recording *r = recording_new(CODEC_VP8, 1);
    size_t second = first_of(s, 1), third = first_of(s, 2), fourth = first_of(s, 3);
    for (size_t i = 0; i < fourth; i++) {
        if (i != second)
            put(r, s, i, T0);
    }
    assert_int_equal(recording_stats_of(r)->frames, 1);
    assert_int_equal(recording_deadline(r), T0 + PACKET_ORDER_PATIENCE_US);
    recording_tick(r, T0 + PACKET_ORDER_PATIENCE_US - 1);
    assert_int_equal(recording_stats_of(r)->frames, 1);
    recording_tick(r, T0 + PACKET_ORDER_PATIENCE_US);
    assert_int_equal(recording_stats_of(r)->frames, 2);
    assert_int_equal(recording_deadline(r), USEC_NEVER);
    put(r, s, second, T0 + PACKET_ORDER_PATIENCE_US + 1); /* too late */
    assert_int_equal(recording_stats_of(r)->frames, 2);
    assert_int_equal(recording_stats_of(r)->lost, 1);
    assert_true(third < fourth);
    recording_free(r);
    stream_free(s);
}

static void a_keyframe_is_wished_for_once_a_second_while_one_is_needed(void **state)
{
    struct stream *s = stream_new(CODEC_AV1, 180, 30, 10, 0);
    struct recording *r = recording_new(CODEC_AV1, 1);
    put(r, s, first_of(s, 3), T0);
    assert_true(recording_take_keyframe_wanted(r, T0));
    assert_false(recording_take_keyframe_wanted(r, T0 + RECORDING_ASK_US - 1));
    assert_true(recording_take_keyframe_wanted(r, T0 + RECORDING_ASK_US));
    for (size_t i = first_of(s, 3) + 1; i < s->count; i++)
        put(r, s, i, s->sent[i].at);
    assert_false(recording_take_keyframe_wanted(r, T0 + SECONDS(10)));
    assert_int_equal(recording_stats_of(r)->frames, 10); /* from frame 30 on */
    recording_free(r);
    stream_free(s);
}

static void another_origin_begins_with_a_keyframe_and_time_goes_on_by_the_clock(void **state)
{
    struct stream *a = stream_new(CODEC_VP8, 360, 0, 10, 5000);
    struct stream *b = stream_new(CODEC_VP8, 360, 0, 40000, 0x80000000);
    struct recording *r = recording_new(CODEC_VP8, 1);
    for (size_t i = 0; i < a->count; i++)
        put(r, a, i, a->sent[i].at);
    usec later = a->sent[a->count - 1].at + SECONDS(2);
    recording_switch(r, later);
    put(r, b, first_of(b, 0) + 1, later); /* its first packet is late */
    put(r, b, first_of(b, 0), later);
    for (size_t i = 2; i < b->count; i++)
        put(r, b, i, later + b->sent[i].at - T0);
    struct played p = play(r);
    assert_int_equal(recording_stats_of(r)->keyframes, 1); /* b began in its middle: no keyframe */
    assert_int_equal(p.clip.frame_count, FRAMES);
    played_done(&p);

    recording_switch(r, later + SECONDS(3));
    for (size_t i = 0; i < a->count; i++)
        put(r, a, i, later + SECONDS(3) + a->sent[i].at - T0);
    assert_int_equal(recording_stats_of(r)->keyframes, 2);
    size_t len;
    uint8_t *rest = recording_take_output(r, &len);
    /* frame header of IVF: size, then 64 bits of time, little endian; 90 kHz since the start */
    uint64_t time = 0;
    for (int i = 7; i >= 0; i--)
        time = time << 8 | rest[4 + i];
    assert_true(time >= (FRAMES - 1) * 3000 + 5 * 90000 - 90);
    assert_true(time <= (FRAMES - 1) * 3000 + 5 * 90000 + 90);
    free(rest);
    recording_free(r);
    stream_free(a);
    stream_free(b);
}

static void more_missing_than_is_remembered_is_a_gap_and_no_more(void **state)
{
    struct recording *r = recording_new(CODEC_OPUS, 1);
    uint8_t silence[] = { 0xf8, 0xff, 0xfe };
    struct ordered_packet p = { .payload = bytes_of(silence, sizeof silence) };
    recording_on_packet(r, &p, T0);
    p.seq = 20000;
    p.timestamp = 20000 * 960;
    recording_on_packet(r, &p, T0 + SECONDS(400));
    p.seq = 60000; /* far behind: a stream that began anew */
    recording_on_packet(r, &p, T0 + SECONDS(401));
    assert_int_equal(recording_stats_of(r)->packets, 3);
    assert_int_equal(recording_deadline(r), USEC_NEVER);
    recording_free(r);
}

/* --- audio --- */

static unsigned read_back(struct recording *r, struct bytes *first)
{
    static struct ogg_opus_reader reader;
    static uint8_t keep[OGG_OPUS_PACKET_MAX];
    size_t len;
    uint8_t *file = recording_take_output(r, &len);
    assert_non_null(file);
    assert_int_equal(ogg_opus_open(&reader, bytes_of(file, len)), OK);
    unsigned count = 0;
    struct bytes packet;
    enum err err;
    while ((err = ogg_opus_next(&reader, &packet)) == OK) {
        if (count++ == 0) {
            memcpy(keep, packet.data, packet.len);
            *first = bytes_of(keep, packet.len);
        }
    }
    assert_int_equal(err, ERR_NOT_FOUND);
    free(file);
    return count;
}

static void a_voice_is_written_in_order_with_its_losses_filled(void **state)
{
    struct voice_bank *voices = voice_bank_new();
    struct recording *r = recording_new(CODEC_OPUS, 7);
    for (unsigned i = 0; i < 100; i++) {
        unsigned k = i == 10 ? 11 : i == 11 ? 10 : i;
        if (k == 50 || k == 51)
            continue;
        struct ordered_packet p = { .seq = (uint16_t)(65530 + k),
                                    .timestamp = k * TONE_FRAME_SAMPLES,
                                    .payload = voice_frame(voices, 3, k) };
        recording_on_packet(r, &p, T0 + (usec)i * 20000);
    }
    recording_end(r, T0 + SECONDS(2));
    assert_int_equal(recording_stats_of(r)->frames, 98);
    assert_int_equal(recording_stats_of(r)->lost, 2);
    struct bytes first = { 0 };
    unsigned count = read_back(r, &first);
    assert_true(count >= 99 && count <= 100); /* what was lost is one empty packet or two */
    assert_true(bytes_equal(first, voice_frame(voices, 3, 0)));
    recording_free(r);
    voice_bank_free(voices);
}

static void only_what_has_a_file_format_is_recorded(void **state)
{
    assert_null(recording_new(CODEC_RED, 1));
    assert_null(recording_new(CODEC_NONE, 1));
    recording_free(NULL);
}

/* --- names --- */

static void a_file_name_says_who_what_and_when_and_harms_nobody(void **state)
{
    char name[RECORDING_FILE_NAME_SIZE];
    wall_usec began = (wall_usec)1795269792 * USEC_PER_SEC + 999999;
    recording_file_name("Ada Lovelace", "camera", CODEC_VP8, began, 0, name);
    assert_string_equal(name, "Ada_Lovelace-camera-vp8-20261121T140312Z.ivf");
    recording_file_name("../../etc/passwd\n", "microphone", CODEC_OPUS, began, 1, name);
    assert_string_equal(name, "_._.._etc_passwd-microphone-opus-20261121T140312Z-2.ogg");
    recording_file_name("", "screen", CODEC_H264, began, 0, name);
    assert_string_equal(name, "_-screen-h264-20261121T140312Z.h264");
    recording_file_name("Zoë", "camera", CODEC_AV1, began, 0, name);
    assert_string_equal(name, "Zoë-camera-av1-20261121T140312Z.ivf");
    char long_name[512];
    memset(long_name, 'x', sizeof long_name);
    for (size_t i = 0; i + 1 < sizeof long_name; i += 2)
        memcpy(long_name + i, "ë", 2);
    long_name[sizeof long_name - 1] = '\0';
    recording_file_name(long_name, "camera", CODEC_VP9, began, 0, name);
    assert_memory_equal(name + 94, "ë-camera", strlen("ë-camera")); /* cut between characters */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_received_in_order_is_in_the_file_byte_for_byte),
        cmocka_unit_test(the_size_of_a_keyframe_and_the_time_of_frames_are_in_the_file),
        cmocka_unit_test(packets_that_swap_places_do_no_harm),
        cmocka_unit_test(a_packet_that_comes_back_in_time_leaves_no_hole),
        cmocka_unit_test(after_a_lost_packet_nothing_is_written_until_a_keyframe),
        cmocka_unit_test(a_hole_is_given_up_after_its_patience_even_if_nothing_else_comes),
        cmocka_unit_test(a_keyframe_is_wished_for_once_a_second_while_one_is_needed),
        cmocka_unit_test(another_origin_begins_with_a_keyframe_and_time_goes_on_by_the_clock),
        cmocka_unit_test(more_missing_than_is_remembered_is_a_gap_and_no_more),
        cmocka_unit_test(a_voice_is_written_in_order_with_its_losses_filled),
        cmocka_unit_test(only_what_has_a_file_format_is_recorded),
        cmocka_unit_test(a_file_name_says_who_what_and_when_and_harms_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
