/* fuzz_depacketizer.c - the payloads of a frame put together, and frames cut and put together: what
 * came out once comes out again.
 *
 * Input: codec, payload size, then either chunks (payloads) or one frame.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "fuzz_input.h"

#include "rtc/depacketizer.h"
#include "rtc/keyframe.h"
#include "rtc/packetizer.h"

enum { CAPACITY = 1 << 17 };

static uint8_t buffers[3][CAPACITY];
static uint8_t payload_buffer[4096];

/* depacketize(packetize(frame)) into `buffer`. False: the frame cannot be sent. */
static bool there_and_back(enum codec codec, struct bytes frame, size_t payload_max,
                           uint8_t *buffer, struct bytes *ret)
{
    struct packetizer_frame f = { .codec = codec, .data = frame, .temporal_id = -1 };
    struct packetizer p;
    struct depacketizer d;
    if (packetizer_init(&p, &f, payload_max) != OK)
        return false;
    depacketizer_begin(&d, codec, buffer, CAPACITY);
    unsigned count = 0;
    while (!packetizer_is_done(&p)) {
        struct writer w = writer_of(payload_buffer, payload_max);
        struct frame_info info;
        check(packetizer_next(&p, &w) && !w.failed);
        struct bytes payload = bytes_of(payload_buffer, writer_len(&w));
        enum err e = depacketizer_add(&d, payload);
        check(e == OK);
        if (codec == CODEC_VP8 || codec == CODEC_VP9) {
            check(frame_inspect(codec, payload, &info) == OK);
            check(info.frame_start == (count == 0));
        }
        count++;
    }
    check(count == p.count);
    check(depacketizer_end(&d, ret) == OK);
    return true;
}

static void check_round_trip(enum codec codec, struct bytes frame, size_t payload_max)
{
    struct bytes once, again;
    if (!there_and_back(codec, frame, payload_max, buffers[1], &once))
        return;
    if (codec == CODEC_VP8 || codec == CODEC_VP9)
        check(bytes_equal(once, frame));
    check(there_and_back(codec, once, payload_max, buffers[2], &again));
    check(bytes_equal(once, again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct reader r = reader_of(bytes_of(data, len));
    uint8_t choice = reader_u8(&r);
    enum codec codec = (enum codec)(CODEC_VP8 + (choice & 3));
    size_t payload_max = PACKETIZER_PAYLOAD_MIN + reader_u8(&r) * 4u;
    if (len > CAPACITY / 16) /* start codes of three bytes and sizes of five must fit */
        return 0;
    if ((choice & 4) != 0) {
        check_round_trip(codec, reader_take(&r, reader_left(&r)), payload_max);
        return 0;
    }
    struct depacketizer d;
    struct bytes frame;
    depacketizer_begin(&d, codec, buffers[0], (choice & 8) != 0 ? 100 : CAPACITY);
    while (reader_left(&r) > 0)
        if (depacketizer_add(&d, fuzz_take_chunk(&r)) != OK)
            break;
    if (depacketizer_end(&d, &frame) == OK)
        check_round_trip(codec, frame, payload_max);
    return 0;
}
