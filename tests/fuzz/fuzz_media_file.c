/* fuzz_media_file.c - files that people publish: IVF, Annex B, Ogg Opus. Each frame of a clip can
 * be sent, and what is read is written and read again.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "fuzz_input.h"

#include "core/clip.h"
#include "core/media_file.h"

enum { CAPACITY = 1 << 22 };

static uint8_t buffer[CAPACITY];

static void check_clip(struct bytes file)
{
    struct clip c, again;
    if (clip_parse(file, 30, &c) != OK)
        return;
    struct writer w = writer_of(buffer, CAPACITY);
    struct video_file out = { .codec = c.codec };
    check(c.frame_count > 0 && c.frames[0].keyframe && c.duration > 0 && c.fps > 0);
    for (size_t i = 0; i < c.frame_count; i++) {
        struct packetizer_frame f = clip_to_send(&c, i, 0, 0);
        struct packetizer p;
        check(packetizer_init(&p, &f, 1100) == OK);
        check(i == 0 || c.frames[i].timestamp > c.frames[i - 1].timestamp);
        video_file_write(&out, f.data, c.width, c.height, c.frames[i].timestamp, &w);
    }
    if (c.codec != CODEC_H264 && !w.failed) {
        check(clip_parse(bytes_of(buffer, writer_len(&w)), 30, &again) == OK);
        check(again.frame_count == c.frame_count && again.duration == c.duration);
        clip_done(&again);
    }
    clip_done(&c);
}

static void check_opus(struct bytes file)
{
    static struct ogg_opus_reader reader, again;
    struct bytes packet, same;
    if (ogg_opus_open(&reader, file) != OK)
        return;
    struct writer w = writer_of(buffer, CAPACITY);
    struct ogg_opus_writer out = { .channels = reader.channels };
    size_t count = 0;
    uint32_t timestamp = 0;
    while (ogg_opus_next(&reader, &packet) == OK) {
        ogg_opus_write(&out, packet, timestamp, &w);
        timestamp += opus_packet_samples(packet);
        count += opus_packet_samples(packet) > 0;
    }
    if (count == 0 || w.failed)
        return;
    check(ogg_opus_open(&again, bytes_of(buffer, writer_len(&w))) == OK);
    for (; count > 0; count--)
        check(ogg_opus_next(&again, &same) == OK);
    check(ogg_opus_next(&again, &same) == ERR_NOT_FOUND);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    check_clip(bytes_of(data, len));
    check_opus(bytes_of(data, len));
    return 0;
}
