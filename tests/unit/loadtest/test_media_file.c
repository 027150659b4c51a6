/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/clip.h"
#include "core/media_file.h"

#include <stdlib.h>

static uint8_t file_memory[1 << 20];
static struct ogg_opus_reader reader;

static struct bytes file_of(const struct writer *w)
{
    assert_false(w->failed);
    return bytes_of(w->start, writer_len(w));
}

static void recorded_clips_read_back_as_the_clips(void **state)
{
    static const enum codec codecs[] = { CODEC_VP8, CODEC_VP9, CODEC_H264, CODEC_AV1 };
    for (size_t i = 0; i < ARRAY_LEN(codecs); i++) {
        struct clip c, again;
        struct writer w = writer_of(file_memory, sizeof(file_memory));
        struct video_file file = { .codec = codecs[i] };
        assert_int_equal(clip_builtin(codecs[i], 360, &c), OK);
        uint32_t start = UINT32_MAX - 50000; /* timestamps wrap */
        for (size_t f = 0; f < c.frame_count; f++) {
            size_t before = writer_len(&w);
            struct bytes data = c.frames[f].data;
            if (codecs[i] == CODEC_AV1) /* as it comes from the network */
                data = bytes_of(data.data + 2, data.len - 2);
            video_file_write(&file, data, c.width, c.height, start + c.frames[f].timestamp, &w);
            assert_true(writer_len(&w) - before <= data.len + VIDEO_FILE_OVERHEAD_MAX);
            if (codecs[i] == CODEC_H264) /* its frames end with their last unit */
                writer_u8(&w, 0);
        }
        assert_int_equal(clip_parse(file_of(&w), c.fps, &again), OK);
        assert_int_equal(again.codec, c.codec);
        assert_int_equal(again.width, c.width);
        assert_int_equal(again.height, c.height);
        assert_int_equal(again.duration, c.duration);
        assert_int_equal(again.frame_count, c.frame_count);
        for (size_t f = 0; f < c.frame_count; f++) {
            assert_true(bytes_equal(again.frames[f].data, c.frames[f].data));
            assert_int_equal(again.frames[f].timestamp, c.frames[f].timestamp);
        }
        clip_done(&again);
        clip_done(&c);
    }
}

static void time_in_a_recording_never_goes_back(void **state)
{
    struct writer w = writer_of(file_memory, sizeof(file_memory));
    struct video_file file = { .codec = CODEC_VP8 };
    struct clip c;
    struct bytes frame = bytes_of("\0\0\0", 3);
    video_file_write(&file, frame, 320, 180, 90000, &w);
    video_file_write(&file, frame, 320, 180, 93000, &w);
    video_file_write(&file, frame, 640, 360, 10, &w);
    video_file_write(&file, frame, 640, 360, 9010, &w);
    assert_int_equal(clip_parse(file_of(&w), 30, &c), OK);
    assert_int_equal(c.frame_count, 4);
    assert_int_equal(c.frames[1].timestamp, 3000);
    assert_int_equal(c.frames[2].timestamp, 3001);
    assert_int_equal(c.frames[3].timestamp, 12001);
    assert_int_equal(c.width, 320);
    clip_done(&c);
}

static void extensions_follow_the_codec(void **state)
{
    assert_string_equal(media_file_extension(CODEC_OPUS), "ogg");
    assert_string_equal(media_file_extension(CODEC_H264), "h264");
    assert_string_equal(media_file_extension(CODEC_VP8), "ivf");
    assert_string_equal(media_file_extension(CODEC_AV1), "ivf");
}

static void opus_packets_tell_how_long_they_are(void **state)
{
    static const struct {
        uint8_t packet[2];
        size_t len;
        unsigned samples;
    } cases[] = {
        { { 0 }, 0, 0 },
        { { 0 << 3 }, 1, 480 },          /* SILK, 10 ms */
        { { 3 << 3 }, 1, 2880 },         /* SILK, 60 ms */
        { { 11 << 3 | 1 }, 1, 5760 },    /* two of 60 ms */
        { { 13 << 3 }, 1, 960 },         /* hybrid, 20 ms */
        { { 14 << 3 }, 1, 480 },         /* hybrid, 10 ms */
        { { 16 << 3 }, 1, 120 },         /* CELT, 2.5 ms */
        { { 31 << 3 }, 1, 960 },         /* CELT, 20 ms */
        { { 31 << 3 | 2 }, 1, 1920 },    /* two of them */
        { { 31 << 3 | 3, 6 }, 2, 5760 }, /* six of them */
        { { 31 << 3 | 3, 7 }, 2, 0 },    /* more than 120 ms */
        { { 31 << 3 | 3 }, 1, 0 },       /* no count */
        { { 31 << 3 | 3, 0x80 }, 2, 0 }, /* none */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(opus_packet_samples(bytes_of(cases[i].packet, cases[i].len)),
                         cases[i].samples);
}

/* A CELT packet of 20 ms, `len` bytes long, that can be told from others. */
static struct bytes opus_packet(uint8_t mark, size_t len)
{
    static uint8_t memory[OGG_OPUS_PACKET_MAX + 1];
    memset(memory, mark, sizeof(memory));
    memory[0] = 31 << 3;
    return bytes_of(memory, len);
}

static void opus_packets_of_any_length_read_back(void **state)
{
    static const size_t lengths[] = { 1, 2, 80, 254, 255, 256, 509, 510, 511, 1275, 8000 };
    struct writer w = writer_of(file_memory, sizeof(file_memory));
    struct ogg_opus_writer o = { .serial = 0x12345678, .channels = 2 };
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        size_t before = writer_len(&w);
        ogg_opus_write(&o, opus_packet((uint8_t)i, lengths[i]),
                       (uint32_t)(UINT32_MAX - 900 + i * 960), &w);
        assert_true(writer_len(&w) - before <= lengths[i] + OGG_OPUS_OVERHEAD_MAX);
    }
    ogg_opus_write_end(&o, &w);
    assert_int_equal(o.position, ARRAY_LEN(lengths) * 960);
    struct bytes packet;
    assert_int_equal(ogg_opus_open(&reader, file_of(&w)), OK);
    assert_int_equal(reader.channels, 2);
    assert_int_equal(reader.pre_skip, 0);
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        assert_int_equal(ogg_opus_next(&reader, &packet), OK);
        assert_true(bytes_equal(packet, opus_packet((uint8_t)i, lengths[i])));
    }
    assert_int_equal(ogg_opus_next(&reader, &packet), ERR_NOT_FOUND);
}

static size_t count_packets(struct bytes file)
{
    struct bytes packet;
    size_t count = 0;
    assert_int_equal(ogg_opus_open(&reader, file), OK);
    while (ogg_opus_next(&reader, &packet) == OK)
        count++;
    return count;
}

static void gaps_are_filled_and_late_packets_left_out(void **state)
{
    static const struct {
        uint32_t second; /* timestamp of the packet after the one at 0 */
        size_t packets;
        uint64_t position;
    } cases[] = {
        { 960, 2, 1920 },
        { 0, 1, 960 }, /* the same again */
        { UINT32_MAX - 960, 1, 960 },
        { 4 * 960, 5, 5 * 960 }, /* three are missing */
        { 4 * 960 + 17, 5, 5 * 960 },
        { 1 + 60 * 48000, 2 + OGG_OPUS_FILL_MAX, (2 + OGG_OPUS_FILL_MAX) * 960 },
        { UINT32_MAX - 3000000, 2, 1920 }, /* another stream */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct writer w = writer_of(file_memory, sizeof(file_memory));
        struct ogg_opus_writer o = { .channels = 1 };
        ogg_opus_write(&o, opus_packet(1, 50), 0, &w);
        size_t before = writer_len(&w);
        ogg_opus_write(&o, opus_packet(2, 50), cases[i].second, &w);
        assert_true(writer_len(&w) - before <= 50 + OGG_OPUS_OVERHEAD_MAX + OGG_OPUS_FILL_SIZE);
        assert_int_equal(o.position, cases[i].position);
        assert_int_equal(count_packets(file_of(&w)), cases[i].packets);
    }
}

/* A page as other programs write them: many packets, some over two pages. */
static void put_page(struct writer *w, uint8_t flags, uint32_t serial, struct bytes lacing,
                     struct bytes body)
{
    uint8_t *page = w->at;
    writer_put(w, bytes_of_str("OggS"));
    writer_u8(w, 0);
    writer_u8(w, flags);
    writer_u64(w, 0);
    writer_u32(w, serial);
    writer_u32(w, 0);
    writer_u32(w, 0);
    writer_u8(w, (uint8_t)lacing.len);
    writer_put(w, lacing);
    writer_put(w, body);
    uint32_t crc = 0; /* bit by bit, as RFC 3533 words it */
    for (const uint8_t *p = page; p < w->at; p++) {
        crc ^= (uint32_t)*p << 24;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc & 0x80000000u) != 0 ? crc << 1 ^ 0x04c11db7u : crc << 1;
    }
    store_be32(page + 22, __builtin_bswap32(crc));
}

#define BYTES(...)                                                                                 \
    bytes_of((const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

static const uint8_t head[19] = "OpusHead\1\1\x38\1\x80\xbb";

static void packets_over_pages_and_other_streams_are_understood(void **state)
{
    struct writer w = writer_of(file_memory, sizeof(file_memory));
    struct bytes packet;
    static uint8_t zeros[510];
    put_page(&w, 2, 7, BYTES(19), bytes_of(head, 19));
    put_page(&w, 2, 8, BYTES(3), BYTES(1, 2, 3)); /* of another stream */
    put_page(&w, 0, 7, BYTES(255, 255), bytes_of(zeros, 510));
    put_page(&w, 1, 7, BYTES(0, 2, 255), bytes_of(zeros, 257)); /* tags end; one more; a third */
    put_page(&w, 0, 8, BYTES(1), BYTES(9));
    put_page(&w, 1, 7, BYTES(1, 3), BYTES(5, 6, 7, 8)); /* the third ends; a fourth */
    put_page(&w, 1, 7, BYTES(2, 1), BYTES(1, 2, 9));    /* continues nothing; a fifth */
    assert_int_equal(ogg_opus_open(&reader, file_of(&w)), OK);
    assert_int_equal(reader.channels, 1);
    assert_int_equal(reader.pre_skip, 312);
    static const size_t lengths[] = { 2, 256, 3, 1 };
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        assert_int_equal(ogg_opus_next(&reader, &packet), OK);
        assert_int_equal(packet.len, lengths[i]);
    }
    assert_int_equal(packet.data[0], 9);
    assert_int_equal(ogg_opus_next(&reader, &packet), ERR_NOT_FOUND);
}

static void packets_without_end_are_an_error(void **state)
{
    struct writer w = writer_of(file_memory, sizeof(file_memory));
    uint8_t lacing[255];
    memset(lacing, 255, sizeof(lacing));
    static const uint8_t zeros[255 * 255];
    struct bytes packet;
    put_page(&w, 2, 7, BYTES(19), bytes_of(head, 19));
    put_page(&w, 0, 7, BYTES(1), BYTES(0));
    put_page(&w, 0, 7, bytes_of(lacing, sizeof(lacing)), bytes_of(zeros, sizeof(zeros)));
    assert_int_equal(ogg_opus_open(&reader, file_of(&w)), OK);
    assert_int_equal(ogg_opus_next(&reader, &packet), ERR_FULL);
}

static void broken_files_are_refused(void **state)
{
    struct writer w = writer_of(file_memory, sizeof(file_memory));
    struct ogg_opus_writer o = { .channels = 1 };
    for (uint32_t i = 0; i < 5; i++)
        ogg_opus_write(&o, opus_packet(3, 40), i * 960, &w);
    struct bytes file = file_of(&w), packet;
    for (size_t len = 0; len < file.len; len++) {
        uint8_t *copy = malloc(len + (len == 0));
        memcpy(copy, file.data, len);
        enum err e = ogg_opus_open(&reader, bytes_of(copy, len));
        while (e == OK)
            e = ogg_opus_next(&reader, &packet);
        assert_true(e == ERR_TRUNCATED || e == ERR_NOT_FOUND);
        free(copy);
    }
    for (size_t i = 0; i < file.len; i++) { /* one bit is wrong */
        file_memory[i] ^= 0x10;
        enum err e = ogg_opus_open(&reader, file);
        while (e == OK)
            e = ogg_opus_next(&reader, &packet);
        assert_true(e == ERR_TRUNCATED || e == ERR_MALFORMED);
        file_memory[i] ^= 0x10;
    }
    w = writer_of(file_memory, sizeof(file_memory));
    put_page(&w, 2, 7, BYTES(8), bytes_of("\1vorbis", 8));
    assert_int_equal(ogg_opus_open(&reader, file_of(&w)), ERR_UNSUPPORTED);
    w = writer_of(file_memory, sizeof(file_memory));
    put_page(&w, 2, 7, BYTES(19), bytes_of("OpusHead\1\6\0\0\0\0\0\0\0\0", 19));
    assert_int_equal(ogg_opus_open(&reader, file_of(&w)), ERR_UNSUPPORTED);
    assert_int_equal(ogg_opus_open(&reader, bytes_of(NULL, 0)), ERR_TRUNCATED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recorded_clips_read_back_as_the_clips),
        cmocka_unit_test(time_in_a_recording_never_goes_back),
        cmocka_unit_test(extensions_follow_the_codec),
        cmocka_unit_test(opus_packets_tell_how_long_they_are),
        cmocka_unit_test(opus_packets_of_any_length_read_back),
        cmocka_unit_test(gaps_are_filled_and_late_packets_left_out),
        cmocka_unit_test(packets_over_pages_and_other_streams_are_understood),
        cmocka_unit_test(packets_without_end_are_an_error),
        cmocka_unit_test(broken_files_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
