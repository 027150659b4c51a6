/* depacketizer.c - frames from payloads: VP8, VP9 and what all codecs share.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "rtc/depacketizer.h"

#include "rtc/packetizer_codec.h"
#include "rtc/vp8.h"
#include "rtc/vp9.h"

void depacketizer_begin(struct depacketizer *d, enum codec codec, void *buffer, size_t capacity)
{
    *d = (struct depacketizer){ .codec = codec, .out = writer_of(buffer, capacity) };
}

static enum err add_vp8(struct depacketizer *d, struct bytes payload)
{
    struct vp8_descriptor v;
    enum err e = vp8_parse(payload, &v);
    if (e != OK)
        return e;
    if (v.frame_start == d->started)
        return ERR_MALFORMED; /* the first starts the frame, the others do not */
    writer_put(&d->out, bytes_of(payload.data + v.len, payload.len - v.len));
    return OK;
}

/* The open unit is a layer frame. */
static enum err add_vp9(struct depacketizer *d, struct bytes payload)
{
    struct vp9_descriptor v;
    enum err e = vp9_parse(payload, &v);
    if (e != OK)
        return e;
    if (v.frame_start == d->has_open_unit)
        return ERR_MALFORMED;
    d->has_open_unit = !v.frame_end;
    writer_put(&d->out, bytes_of(payload.data + v.len, payload.len - v.len));
    return OK;
}

static enum err add(struct depacketizer *d, struct bytes payload)
{
    switch (d->codec) {
    case CODEC_VP8:
        return add_vp8(d, payload);
    case CODEC_VP9:
        return add_vp9(d, payload);
    case CODEC_H264:
        return depacketizer_add_h264(d, payload);
    case CODEC_AV1:
        return depacketizer_add_av1(d, payload);
    default:
        return ERR_UNSUPPORTED;
    }
}

enum err depacketizer_add(struct depacketizer *d, struct bytes payload)
{
    if (d->failure != OK)
        return d->failure;
    d->failure = add(d, payload);
    if (d->failure == OK && d->out.failed)
        d->failure = ERR_FULL;
    d->started = true;
    return d->failure;
}

enum err depacketizer_end(struct depacketizer *d, struct bytes *ret)
{
    if (d->failure != OK)
        return d->failure;
    if (!d->started || d->has_open_unit)
        return ERR_TRUNCATED;
    *ret = bytes_of(d->out.start, writer_len(&d->out));
    return OK;
}
