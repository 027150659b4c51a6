/* media_file.c - IVF and Annex B.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/media_file.h"

#include "rtc/obu.h"

const char *media_file_extension(enum codec codec)
{
    if (codec_kind(codec) == MEDIA_AUDIO)
        return "ogg";
    return codec == CODEC_H264 ? "h264" : "ivf";
}

static void write_le16(struct writer *w, uint16_t v)
{
    writer_u16(w, __builtin_bswap16(v));
}

static void write_le32(struct writer *w, uint32_t v)
{
    writer_u32(w, __builtin_bswap32(v));
}

/* One tick is one of the RTP clock. The number of frames stays 0: it is not known yet. */
static void write_ivf_header(enum codec codec, uint16_t width, uint16_t height, struct writer *w)
{
    const char *fourcc = codec == CODEC_VP8 ? "VP80" : codec == CODEC_VP9 ? "VP90" : "AV01";
    writer_put(w, bytes_of_str("DKIF"));
    write_le16(w, 0);
    write_le16(w, 32);
    writer_put(w, bytes_of_str(fourcc));
    write_le16(w, width);
    write_le16(w, height);
    write_le32(w, 90000);
    write_le32(w, 1);
    write_le32(w, 0);
    write_le32(w, 0);
}

static void write_ivf_frame(const struct video_file *f, struct bytes frame, struct writer *w)
{
    /* a temporal unit starts with its delimiter (AV1 §7.5), which RTP leaves out */
    static const uint8_t delimiter[] = { OBU_TEMPORAL_DELIMITER << 3 | 0x02, 0 };
    bool is_bare = f->codec == CODEC_AV1 &&
                   (frame.len == 0 || (frame.data[0] >> 3 & 0x0f) != OBU_TEMPORAL_DELIMITER);
    struct bytes before = bytes_of(delimiter, is_bare ? sizeof(delimiter) : 0);
    write_le32(w, (uint32_t)(before.len + frame.len));
    writer_u64(w, __builtin_bswap64(f->position));
    writer_put(w, before);
    writer_put(w, frame);
}

void video_file_write(struct video_file *f, struct bytes frame, uint16_t width, uint16_t height,
                      uint32_t timestamp, struct writer *w)
{
    check(codec_kind(f->codec) == MEDIA_VIDEO);
    int32_t step = (int32_t)(timestamp - f->last);
    if (!f->started && f->codec != CODEC_H264)
        write_ivf_header(f->codec, width, height, w);
    if (f->started)
        f->position += step > 0 ? (uint32_t)step : 1; /* the source changed: time goes on */
    f->started = true;
    f->last = timestamp;
    if (f->codec == CODEC_H264)
        writer_put(w, frame);
    else
        write_ivf_frame(f, frame, w);
}
