/* SPDX-License-Identifier: Apache-2.0 */
#include "media_test.h"

#include "rtc/depacketizer.h"
#include "rtc/keyframe.h"
#include "rtc/nal.h"
#include "rtc/obu.h"
#include "rtc/packetizer.h"
#include "rtc/vp8.h"
#include "rtc/vp9.h"

static uint8_t frame_memory[1 << 17];
static uint8_t expected_memory[1 << 17];
static uint8_t result_memory[1 << 17];
static uint8_t payload_memory[2048];

/* The next payload, of at most payload_max bytes. */
static struct bytes next_payload(struct packetizer *p)
{
    struct writer w = writer_of(payload_memory, sizeof(payload_memory));
    assert_true(packetizer_next(p, &w));
    struct bytes payload = written(&w);
    assert_in_range(payload.len, 1, p->payload_max);
    return payload;
}

/* Frame starts are seen in the first packet only. The detector knows no packet but its own, so
 * that one more H.264 packet counts: the one in which the first slice starts behind an SPS. */
static void assert_detected(const struct packetizer_frame *f, struct bytes payload, unsigned index)
{
    struct frame_info info;
    assert_int_equal(frame_inspect(f->codec, payload, &info), OK);
    if (index == 0) {
        assert_true(info.frame_start);
        assert_int_equal(info.keyframe_start, f->keyframe);
    } else if (f->codec != CODEC_H264) {
        assert_false(info.frame_start || info.keyframe_start);
    }
}

/* Cuts the frame, puts it together again, and returns that. */
static struct bytes there_and_back(const struct packetizer_frame *f, size_t payload_max,
                                   bool is_detectable)
{
    struct packetizer p;
    struct depacketizer d;
    struct bytes ret;
    assert_int_equal(packetizer_init(&p, f, payload_max), OK);
    depacketizer_begin(&d, f->codec, result_memory, sizeof(result_memory));
    unsigned count = 0;
    while (!packetizer_is_done(&p)) {
        struct bytes payload = next_payload(&p);
        if (is_detectable)
            assert_detected(f, payload, count);
        assert_int_equal(depacketizer_add(&d, payload), OK);
        count++;
    }
    assert_int_equal(count, p.count);
    struct writer w = writer_of(payload_memory, sizeof(payload_memory));
    assert_false(packetizer_next(&p, &w));
    assert_int_equal(writer_len(&w), 0);
    assert_int_equal(depacketizer_end(&d, &ret), OK);
    return ret;
}

static struct bytes random_bytes(struct prng *r, size_t len)
{
    for (size_t i = 0; i < len; i++)
        frame_memory[i] = (uint8_t)prng_next(r);
    return bytes_of(frame_memory, len);
}

static void vp8_frames_survive_and_every_descriptor_says_the_same(void **state)
{
    struct prng r = { 1 };
    for (int i = 0; i < 300; i++) {
        struct packetizer_frame f = { .codec = CODEC_VP8,
                                      .data = random_bytes(&r, 1 + prng_below(&r, 20000)),
                                      .temporal_id = (int8_t)((int)prng_below(&r, 4) - 1),
                                      .layer_sync = prng_below(&r, 2),
                                      .picture_id = (uint16_t)prng_below(&r, 1 << 15),
                                      .tl0_index = (uint8_t)prng_next(&r) };
        f.keyframe = (f.data.data[0] & 1) == 0;
        size_t payload_max = 64 + prng_below(&r, 1200);
        struct bytes back = there_and_back(&f, payload_max, true);
        assert_bytes(back, f.data.data, f.data.len);
        struct packetizer p;
        assert_int_equal(packetizer_init(&p, &f, payload_max), OK);
        for (unsigned part = 0; !packetizer_is_done(&p); part++) {
            struct vp8_descriptor d;
            assert_int_equal(vp8_parse(next_payload(&p), &d), OK);
            assert_int_equal(d.frame_start, part == 0);
            assert_true(d.has_picture_id && d.picture_id_long);
            assert_int_equal(d.picture_id, f.picture_id);
            assert_int_equal(d.has_temporal_id, f.temporal_id >= 0);
            assert_int_equal(d.has_tl0_index, f.temporal_id >= 0);
            if (f.temporal_id >= 0) {
                assert_int_equal(d.temporal_id, f.temporal_id);
                assert_int_equal(d.tl0_index, f.tl0_index);
                assert_int_equal(d.layer_sync, f.layer_sync);
            }
        }
    }
}

static void vp9_frames_survive_and_say_what_they_need(void **state)
{
    struct prng r = { 2 };
    for (int i = 0; i < 300; i++) {
        struct packetizer_frame f = { .codec = CODEC_VP9,
                                      .data = random_bytes(&r, 1 + prng_below(&r, 20000)),
                                      .temporal_id = (int8_t)((int)prng_below(&r, 4) - 1),
                                      .picture_id = (uint16_t)prng_below(&r, 1 << 15),
                                      .reference = (uint8_t)prng_below(&r, 5),
                                      .keyframe = prng_below(&r, 2),
                                      .width = 640,
                                      .height = 360 };
        size_t payload_max = 64 + prng_below(&r, 1200);
        struct bytes back = there_and_back(&f, payload_max, true);
        assert_bytes(back, f.data.data, f.data.len);
        struct packetizer p;
        assert_int_equal(packetizer_init(&p, &f, payload_max), OK);
        for (unsigned part = 0; part < p.count; part++) {
            struct vp9_descriptor d;
            assert_int_equal(vp9_parse(next_payload(&p), &d), OK);
            assert_true(d.flexible && d.picture_id_long);
            assert_int_equal(d.picture_id, f.picture_id);
            assert_int_equal(d.frame_start, part == 0);
            assert_int_equal(d.frame_end, part + 1 == p.count);
            assert_int_equal(d.inter_predicted, !f.keyframe);
            assert_int_equal(d.reference_count, f.keyframe ? 0 : 1);
            if (!f.keyframe)
                assert_int_equal(d.references[0], f.reference == 0 ? 1 : f.reference);
            assert_int_equal(d.has_structure, f.keyframe && part == 0);
            assert_int_equal(d.width, d.has_structure ? 640 : 0);
            assert_int_equal(d.height, d.has_structure ? 360 : 0);
            if (f.temporal_id >= 0)
                assert_int_equal(d.temporal_id, f.temporal_id);
        }
    }
}

/* A NAL unit without anything that looks like a start code. */
static void put_nal(struct writer *w, struct prng *r, uint8_t header, size_t len)
{
    writer_u32(w, 1);
    writer_u8(w, header);
    for (size_t i = 1; i < len; i++)
        writer_u8(w, (uint8_t)(0x80 | prng_next(r)));
}

static void h264_frames_survive_in_all_packet_types(void **state)
{
    struct prng r = { 3 };
    bool seen[32] = { 0 };
    for (int i = 0; i < 300; i++) {
        struct writer w = writer_of(frame_memory, sizeof(frame_memory));
        bool keyframe = prng_below(&r, 2);
        if (keyframe) {
            put_nal(&w, &r, 0x67, 10 + prng_below(&r, 20));
            put_nal(&w, &r, 0x68, 4);
        }
        for (unsigned slices = 1 + prng_below(&r, 3); slices > 0; slices--)
            put_nal(&w, &r, keyframe ? 0x65 : 0x41, 2 + prng_below(&r, 6000));
        struct packetizer_frame f = { .codec = CODEC_H264,
                                      .data = written(&w),
                                      .keyframe = keyframe };
        size_t payload_max = 64 + prng_below(&r, 1200);
        struct bytes back = there_and_back(&f, payload_max, true);
        assert_bytes(back, f.data.data, f.data.len);
        struct packetizer p;
        assert_int_equal(packetizer_init(&p, &f, payload_max), OK);
        while (!packetizer_is_done(&p))
            seen[next_payload(&p).data[0] & 0x1f] = true;
    }
    assert_true(seen[NAL_STAP_A] && seen[NAL_FU_A] && seen[NAL_SLICE] && seen[NAL_IDR]);
}

static void h264_start_codes_of_three_bytes_and_zeros_behind_are_normalised(void **state)
{
    struct packetizer_frame f = { .codec = CODEC_H264,
                                  .data = BYTES(0, 0, 1, 0x67, 0x42, 0, 0, 0, 0, 1, 0x68, 0xce, 0,
                                                0, 0, 1, 0x65, 0x88, 0x80, 0, 0),
                                  .keyframe = true };
    static const uint8_t expected[] = { 0,    0,    0, 1, 0x67, 0x42, 0,    0,    0,   1,
                                        0x68, 0xce, 0, 0, 0,    1,    0x65, 0x88, 0x80 };
    struct bytes back = there_and_back(&f, 1000, true);
    assert_bytes(back, expected, sizeof(expected));
    struct packetizer p;
    assert_int_equal(packetizer_init(&p, &f, 1000), OK);
    assert_int_equal(p.count, 1);
    /* F 0, NRI 3, STAP-A, and three units with their lengths */
    static const uint8_t stap[] = {
        0x78, 0, 2, 0x67, 0x42, 0, 2, 0x68, 0xce, 0, 3, 0x65, 0x88, 0x80
    };
    struct bytes payload = next_payload(&p);
    assert_bytes(payload, stap, sizeof(stap));
}

static void put_obu(struct writer *w, struct prng *r, uint8_t type, bool extension, size_t len)
{
    writer_u8(w, (uint8_t)(type << 3 | (extension ? 0x04 : 0) | 0x02));
    if (extension)
        writer_u8(w, 0x20);
    leb128_write(w, (uint32_t)len);
    for (size_t i = 0; i < len; i++)
        writer_u8(w, (uint8_t)prng_next(r));
}

static void av1_frames_survive_without_their_delimiter(void **state)
{
    struct prng r = { 4 };
    for (int i = 0; i < 1000; i++) {
        struct writer w = writer_of(frame_memory, sizeof(frame_memory));
        bool keyframe = prng_below(&r, 2);
        size_t delimiter = prng_below(&r, 2) * 2;
        if (delimiter > 0)
            put_obu(&w, &r, OBU_TEMPORAL_DELIMITER, false, 0);
        if (keyframe)
            put_obu(&w, &r, OBU_SEQUENCE, prng_below(&r, 2), 1 + prng_below(&r, 12));
        for (unsigned count = 1 + prng_below(&r, 20); count > 0; count--)
            put_obu(&w, &r, OBU_FRAME, prng_below(&r, 2),
                    2 + prng_below(&r, prng_below(&r, 2) ? 20 : 2000));
        struct packetizer_frame f = { .codec = CODEC_AV1,
                                      .data = written(&w),
                                      .keyframe = keyframe };
        struct bytes back = there_and_back(&f, 64 + prng_below(&r, 1200), true);
        assert_bytes(back, f.data.data + delimiter, f.data.len - delimiter);
    }
}

static void av1_payloads_have_the_bytes_of_the_specification(void **state)
{
    /* delimiter, sequence header of 3 bytes, frame of 2 bytes */
    struct packetizer_frame f = { .codec = CODEC_AV1,
                                  .data = BYTES(0x12, 0, 0x0a, 3, 1, 2, 3, 0x32, 2, 9, 8),
                                  .keyframe = true };
    struct packetizer p;
    assert_int_equal(packetizer_init(&p, &f, 100), OK);
    assert_int_equal(p.count, 1);
    /* W 2, N; 4 bytes of sequence header; the frame without length */
    static const uint8_t expected[] = { 0x28, 4, 0x08, 1, 2, 3, 0x30, 9, 8 };
    struct bytes payload = next_payload(&p);
    assert_bytes(payload, expected, sizeof(expected));
    f.keyframe = false;
    assert_int_equal(packetizer_init(&p, &f, 100), OK);
    assert_int_equal(next_payload(&p).data[0], 0x20);
}

static void any_payload_can_be_made_again(void **state)
{
    struct prng r = { 5 };
    struct writer w = writer_of(frame_memory, sizeof(frame_memory));
    put_nal(&w, &r, 0x67, 12);
    put_nal(&w, &r, 0x68, 4);
    put_nal(&w, &r, 0x65, 5000);
    put_nal(&w, &r, 0x65, 200);
    struct bytes h264 = written(&w);
    put_obu(&w, &r, OBU_SEQUENCE, false, 11);
    put_obu(&w, &r, OBU_FRAME, false, 9000);
    struct bytes av1 = bytes_of(frame_memory + h264.len, writer_len(&w) - h264.len);
    struct packetizer_frame frames[] = {
        { .codec = CODEC_VP8, .data = h264, .temporal_id = 1 },
        { .codec = CODEC_VP9, .data = h264, .temporal_id = -1, .keyframe = true },
        { .codec = CODEC_H264, .data = h264, .keyframe = true },
        { .codec = CODEC_AV1, .data = av1, .keyframe = true },
    };
    for (size_t i = 0; i < ARRAY_LEN(frames); i++) {
        struct packetizer p, again;
        assert_int_equal(packetizer_init(&p, &frames[i], 300), OK);
        assert_in_range(p.count, 10, 50);
        for (unsigned part = 0; part < p.count; part++) {
            struct bytes payload = next_payload(&p);
            memcpy(expected_memory, payload.data, payload.len);
            size_t len = payload.len;
            assert_int_equal(packetizer_init(&again, &frames[i], 300), OK);
            packetizer_seek(&again, part);
            payload = next_payload(&again);
            assert_bytes(payload, expected_memory, len);
            assert_int_equal(packetizer_is_done(&again), part + 1 == p.count);
        }
    }
}

static void frames_that_cannot_be_sent_are_refused(void **state)
{
    static const struct {
        enum codec codec;
        uint8_t data[8];
        size_t len;
        enum err expected;
    } cases[] = {
        { CODEC_VP8, { 0 }, 0, ERR_MALFORMED },
        { CODEC_OPUS, { 1 }, 1, ERR_UNSUPPORTED },
        { CODEC_H264, { 1, 2, 3, 4 }, 4, ERR_MALFORMED },       /* no start code */
        { CODEC_H264, { 0, 0, 1 }, 3, ERR_MALFORMED },          /* nothing behind it */
        { CODEC_H264, { 0, 0, 1, 0x78, 1 }, 5, ERR_MALFORMED }, /* RFC 6184's own type */
        { CODEC_H264,
          { 0, 0, 1, 0x41, 0, 0, 1, 0x20 },
          8,
          ERR_MALFORMED },                               /* no type, behind a good one */
        { CODEC_AV1, { 0x12, 0 }, 2, ERR_MALFORMED },    /* only a delimiter */
        { CODEC_AV1, { 0x32, 5, 1 }, 3, ERR_MALFORMED }, /* ends too soon */
        { CODEC_AV1, { 0xb2, 1, 1 }, 3, ERR_MALFORMED }, /* the forbidden bit */
        { CODEC_AV1, { 0x32, 0xff, 0xff, 0xff }, 4, ERR_MALFORMED }, /* half a number */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct packetizer p;
        struct packetizer_frame f = { .codec = cases[i].codec,
                                      .data = bytes_of(cases[i].data, cases[i].len) };
        assert_int_equal(packetizer_init(&p, &f, 1000), cases[i].expected);
    }
    struct packetizer p;
    struct packetizer_frame f = { .codec = CODEC_VP8,
                                  .data = bytes_of(frame_memory, sizeof(frame_memory)) };
    assert_int_equal(packetizer_init(&p, &f, 1000), OK);
}

struct step {
    uint8_t payload[12];
    size_t len;
    enum err expected;
};

static const struct {
    const char *what;
    enum codec codec;
    struct step steps[3];
    enum err end;
} broken[] = {
    { "VP8 without a start", CODEC_VP8, { { { 0x00, 1 }, 2, ERR_MALFORMED } }, ERR_MALFORMED },
    { "VP8 with two starts",
      CODEC_VP8,
      { { { 0x10, 1 }, 2, OK }, { { 0x10, 1 }, 2, ERR_MALFORMED } },
      ERR_MALFORMED },
    { "VP8 without a frame", CODEC_VP8, { { { 0x10 }, 1, ERR_MALFORMED } }, ERR_MALFORMED },
    { "no payload", CODEC_VP8, { { { 0 }, 0, ERR_TRUNCATED } }, ERR_TRUNCATED },
    { "VP9 without an end", CODEC_VP9, { { { 0x08, 1 }, 2, OK } }, ERR_TRUNCATED },
    { "VP9 continues nothing", CODEC_VP9, { { { 0x04, 1 }, 2, ERR_MALFORMED } }, ERR_MALFORMED },
    { "VP9 with four references",
      CODEC_VP9,
      { { { 0x58, 3, 3, 3, 2, 1 }, 6, ERR_MALFORMED } },
      ERR_MALFORMED },
    { "two layers of VP9", CODEC_VP9, { { { 0x0c, 1 }, 2, OK }, { { 0x0c, 1 }, 2, OK } }, OK },
    { "FU-A without an end", CODEC_H264, { { { 0x7c, 0x85, 1 }, 3, OK } }, ERR_TRUNCATED },
    { "FU-A without a start",
      CODEC_H264,
      { { { 0x7c, 0x05, 1 }, 3, ERR_MALFORMED } },
      ERR_MALFORMED },
    { "FU-A of another type",
      CODEC_H264,
      { { { 0x7c, 0x85, 1 }, 3, OK }, { { 0x7c, 0x41, 1 }, 3, ERR_MALFORMED } },
      ERR_MALFORMED },
    { "FU-A interrupted",
      CODEC_H264,
      { { { 0x7c, 0x85, 1 }, 3, OK }, { { 0x41, 1 }, 2, ERR_MALFORMED } },
      ERR_MALFORMED },
    { "FU-A that starts and ends",
      CODEC_H264,
      { { { 0x7c, 0xc5, 1 }, 3, ERR_MALFORMED } },
      ERR_MALFORMED },
    { "FU-A of a FU-A", CODEC_H264, { { { 0x7c, 0x9c, 1 }, 3, ERR_MALFORMED } }, ERR_MALFORMED },
    { "STAP-A cut short",
      CODEC_H264,
      { { { 0x78, 0, 3, 0x67, 1 }, 5, ERR_TRUNCATED } },
      ERR_TRUNCATED },
    { "STAP-A with nothing", CODEC_H264, { { { 0x78, 0, 0 }, 3, ERR_MALFORMED } }, ERR_MALFORMED },
    { "interleaved", CODEC_H264, { { { 0x19, 0, 0, 0 }, 4, ERR_UNSUPPORTED } }, ERR_UNSUPPORTED },
    { "AV1 continues nothing",
      CODEC_AV1,
      { { { 0x90, 0x30, 1 }, 3, ERR_MALFORMED } },
      ERR_MALFORMED },
    { "AV1 without an end", CODEC_AV1, { { { 0x50, 0x30, 1 }, 3, OK } }, ERR_TRUNCATED },
    { "AV1 with fewer elements than it says",
      CODEC_AV1,
      { { { 0x30, 2, 0x30, 1 }, 4, ERR_MALFORMED } },
      ERR_MALFORMED },
    { "AV1 with an element beyond the end",
      CODEC_AV1,
      { { { 0x00, 9, 0x30, 1 }, 4, ERR_TRUNCATED } },
      ERR_TRUNCATED },
    { "AV1 with a wrong size",
      CODEC_AV1,
      { { { 0x10, 0x32, 1, 1, 1 }, 5, ERR_MALFORMED } },
      ERR_MALFORMED },
    { "AV1 with a right size", CODEC_AV1, { { { 0x10, 0x32, 2, 1, 1 }, 5, OK } }, OK },
    { "Opus", CODEC_OPUS, { { { 1 }, 1, ERR_UNSUPPORTED } }, ERR_UNSUPPORTED },
};

static void broken_payloads_are_refused_and_the_refusal_stays(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
        struct depacketizer d;
        struct bytes ret = bytes_of("untouched", 9);
        depacketizer_begin(&d, broken[i].codec, result_memory, sizeof(result_memory));
        for (size_t s = 0; s < ARRAY_LEN(broken[i].steps); s++) {
            const struct step *step = &broken[i].steps[s];
            if (step->len == 0 && step->expected == OK)
                break;
            enum err e = depacketizer_add(&d, bytes_of(step->payload, step->len));
            if (e != step->expected)
                fail_msg("%s: %s at %zu", broken[i].what, err_name(e), s);
        }
        enum err e = depacketizer_end(&d, &ret);
        if (e != broken[i].end)
            fail_msg("%s: ends with %s", broken[i].what, err_name(e));
        if (e != OK) {
            assert_int_equal(ret.len, 9);
        }
    }
}

static void a_buffer_too_small_is_an_error_for_every_codec(void **state)
{
    struct prng r = { 6 };
    struct writer w = writer_of(frame_memory, sizeof(frame_memory));
    put_nal(&w, &r, 0x65, 900);
    struct bytes h264 = written(&w);
    put_obu(&w, &r, OBU_FRAME, false, 900);
    struct bytes av1 = bytes_of(frame_memory + h264.len, writer_len(&w) - h264.len);
    static const enum codec codecs[] = { CODEC_VP8, CODEC_VP9, CODEC_H264, CODEC_AV1 };
    for (size_t i = 0; i < ARRAY_LEN(codecs); i++) {
        struct bytes data = codecs[i] == CODEC_AV1 ? av1 : h264;
        struct packetizer_frame f = { .codec = codecs[i], .data = data, .temporal_id = -1 };
        for (size_t capacity = 0; capacity <= data.len; capacity++) {
            struct packetizer p;
            struct depacketizer d;
            enum err e = OK;
            assert_int_equal(packetizer_init(&p, &f, 300), OK);
            depacketizer_begin(&d, codecs[i], result_memory, capacity);
            while (!packetizer_is_done(&p))
                e = depacketizer_add(&d, next_payload(&p));
            assert_int_equal(e, capacity < data.len ? ERR_FULL : OK);
        }
    }
}

static void an_sps_tells_size_and_rate(void **state)
{
    struct nal_sps s;
    /* constrained baseline 3.1, 1280 x 720 (45 macroblock rows), 30 frames a second */
    struct bytes sps = BYTES(0x67, 0x42, 0xc0, 0x1f, 0xda, 0x01, 0x40, 0x16, 0xec, 0x04, 0x40, 0x00,
                             0x00, 0x03, 0x00, 0x40, 0x00, 0x00, 0x0f, 0x23, 0xc6, 0x0c, 0xa8);
    assert_int_equal(nal_parse_sps(sps, &s), OK);
    assert_int_equal(s.width, 1280);
    assert_int_equal(s.height, 720);
    assert_int_equal(s.fps_numerator, s.fps_denominator * 30);
    for (size_t len = 0; len < 9; len++)
        assert_int_equal(nal_parse_sps(bytes_of(sps.data, len), &s), ERR_TRUNCATED);
    assert_int_equal(nal_parse_sps(BYTES(0x68, 0x42, 0xc0, 0x1f, 0xda), &s), ERR_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vp8_frames_survive_and_every_descriptor_says_the_same),
        cmocka_unit_test(vp9_frames_survive_and_say_what_they_need),
        cmocka_unit_test(h264_frames_survive_in_all_packet_types),
        cmocka_unit_test(h264_start_codes_of_three_bytes_and_zeros_behind_are_normalised),
        cmocka_unit_test(av1_frames_survive_without_their_delimiter),
        cmocka_unit_test(av1_payloads_have_the_bytes_of_the_specification),
        cmocka_unit_test(any_payload_can_be_made_again),
        cmocka_unit_test(frames_that_cannot_be_sent_are_refused),
        cmocka_unit_test(broken_payloads_are_refused_and_the_refusal_stays),
        cmocka_unit_test(a_buffer_too_small_is_an_error_for_every_codec),
        cmocka_unit_test(an_sps_tells_size_and_rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
