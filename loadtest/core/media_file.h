/* media_file.h - files of recorded and published media: IVF, Annex B, Ogg Opus (RFC 7845).
 *
 * Pure: bytes go into a `struct writer` whose contents the caller appends to the file; nothing
 * that was written needs to be changed later, so a recording is complete at any moment.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_MEDIA_FILE_H
#define LOADTEST_MEDIA_FILE_H

#include "rtc/codec.h"

/* Video: VP8, VP9, AV1 in IVF; H.264 as Annex B, which has no header. "ivf", "h264"; audio: "ogg".
 */
const char *media_file_extension(enum codec codec);

enum {
    VIDEO_FILE_OVERHEAD_MAX = 46, /* header and frame header: what a frame grows by */
    OGG_OPUS_PACKET_MAX = 8000,   /* 120 ms of stereo at the highest rate, and some */
    OGG_OPUS_OVERHEAD_MAX = 256,  /* headers and page header */
    OGG_OPUS_FILL_MAX = 50,       /* frames of 20 ms that replace lost packets */
    OGG_OPUS_FILL_SIZE = OGG_OPUS_FILL_MAX * 29,
};

/* Zero-initialise, then set codec. */
struct video_file {
    enum codec codec;
    bool started;
    uint32_t last;     /* RTP timestamp of the newest frame */
    uint64_t position; /* 90 kHz since the first */
};

/* One frame in the shape that depacketizer_end() gives. width and height are for the header and
 * matter the first time only; timestamp is the frame's RTP timestamp. */
void video_file_write(struct video_file *f, struct bytes frame, uint16_t width, uint16_t height,
                      uint32_t timestamp, struct writer *w);

/* Zero-initialise, then set serial and channels. */
struct ogg_opus_writer {
    uint32_t serial;  /* of the logical stream: any number */
    uint8_t channels; /* 1 or 2 */
    bool started;
    uint32_t page;
    uint32_t next;     /* RTP timestamp that the next packet should have */
    uint64_t position; /* samples of 48 kHz written */
};

/* One Opus packet, in order. Gaps are filled with up to OGG_OPUS_FILL_MAX empty frames (which a
 * decoder conceals), and cut short beyond; packets older than what was written are left out, and so
 * are those that are not Opus. */
void ogg_opus_write(struct ogg_opus_writer *o, struct bytes packet, uint32_t timestamp,
                    struct writer *w);
/* The last page. Optional. */
void ogg_opus_write_end(struct ogg_opus_writer *o, struct writer *w);

/* Samples of 48 kHz that an Opus packet decodes to (RFC 6716 §3.1), 0 if it is none. */
unsigned opus_packet_samples(struct bytes packet);

/* Reads the packets of the first logical stream. */
struct ogg_opus_reader {
    uint8_t channels; /* of OpusHead */
    uint16_t pre_skip;
    /* derived */
    struct reader in;
    struct reader lacing, body; /* what is left of the page */
    uint32_t serial;
    bool is_joining; /* the packet goes on in the next page */
    size_t joined_len;
    uint8_t joined[OGG_OPUS_PACKET_MAX];
};

/* file is borrowed. OK, ERR_TRUNCATED, ERR_MALFORMED (also a wrong checksum), ERR_UNSUPPORTED
 * (Ogg without Opus first, more than two channels). */
MUST_USE enum err ogg_opus_open(struct ogg_opus_reader *r, struct bytes file);
/* The next packet, valid until the next call. ERR_NOT_FOUND at the end, else as above; ERR_FULL:
 * longer than OGG_OPUS_PACKET_MAX. */
MUST_USE enum err ogg_opus_next(struct ogg_opus_reader *r, struct bytes *ret);

#endif
