/* fuzz_recording.c - any packets at any time, recorded and echoed: nothing breaks, files can be
 * read, numbers of an echo are its own.
 *
 * Input: codec, then packets: | flags | seq delta | time delta (16) | clock (10 ms) | length |
 * payload |. Flags: 1 marker, 2 keyframe, 4 another origin, 8 the timestamp jumps.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "fuzz_input.h"

#include "core/clip.h"
#include "core/echo.h"
#include "core/recording.h"

#include <stdlib.h>

static const enum codec codecs[] = { CODEC_VP8, CODEC_VP9, CODEC_H264, CODEC_AV1, CODEC_OPUS };

struct state {
    struct recording *recording;
    struct echo echo;
    struct ordered_packet packet;
    uint64_t origin;
    usec now;
};

static void step(struct state *s, struct reader *r, enum codec codec)
{
    uint8_t flags = reader_u8(r);
    s->packet.seq = (uint16_t)(s->packet.seq + (int8_t)reader_u8(r));
    s->packet.timestamp += reader_u16(r);
    s->now += reader_u8(r) * 10000;
    size_t len = reader_u8(r) * 4u;
    s->packet.payload = reader_take(r, MIN(len, reader_left(r)));
    s->packet.marker = flags & 1;
    s->packet.keyframe_start = flags & 2;
    if (flags & 4) {
        s->origin++;
        recording_switch(s->recording, s->now);
    }
    if (flags & 8)
        s->packet.timestamp ^= 0x80000000;
    recording_tick(s->recording, s->now);
    recording_on_packet(s->recording, &s->packet, s->now);
    check(recording_deadline(s->recording) >= s->now ||
          recording_deadline(s->recording) == USEC_NEVER);
    (void)recording_take_keyframe_wanted(s->recording, s->now);
    struct echo_input in = { .origin = s->origin,
                             .seq = s->packet.seq,
                             .timestamp = s->packet.timestamp,
                             .marker = s->packet.marker,
                             .keyframe_start = s->packet.keyframe_start,
                             .codec = codec,
                             .payload = s->packet.payload };
    struct echo_packet out, again;
    if (echo_take(&s->echo, &in, s->now, &out) && echo_find_sent(&s->echo, out.seq, &again))
        check(bytes_equal(again.payload, in.payload) && again.timestamp == out.timestamp);
}

/* An Ogg file is whole at every moment, whatever was in the packets. */
static void check_ogg(struct bytes file)
{
    static struct ogg_opus_reader reader;
    struct bytes packet;
    check(ogg_opus_open(&reader, file) == OK);
    enum err err;
    while ((err = ogg_opus_next(&reader, &packet)) == OK)
        ;
    check(err == ERR_NOT_FOUND);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct reader r = reader_of(bytes_of(data, len));
    enum codec codec = codecs[reader_u8(&r) % ARRAY_LEN(codecs)];
    struct state s = { .recording = recording_new(codec, 1), .now = SECONDS(1) };
    check(s.recording != NULL);
    struct echo given = { .kind = codec == CODEC_OPUS ? MEDIA_AUDIO : MEDIA_VIDEO,
                          .ssrc = 1,
                          .rtx_ssrc = 2 };
    echo_init(&s.echo, &given, 0);
    while (reader_left(&r) > 0 && !r.failed)
        step(&s, &r, codec);
    recording_end(s.recording, s.now);
    size_t file_len;
    uint8_t *file = recording_take_output(s.recording, &file_len);
    if (codec == CODEC_OPUS && file != NULL)
        check_ogg(bytes_of(file, file_len));
    struct clip clip;
    if (codec != CODEC_OPUS && file != NULL &&
        clip_parse(bytes_of(file, file_len), 30, &clip) == OK)
        clip_done(&clip);
    free(file);
    recording_free(s.recording);
    echo_done(&s.echo);
    return 0;
}
