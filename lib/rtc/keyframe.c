/* keyframe.c - frame starts and keyframes of each video codec.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "rtc/keyframe.h"

#include "rtc/depdesc.h"
#include "rtc/vp8.h"

static enum err inspect_vp8(struct bytes payload, struct frame_info *info)
{
    struct vp8_descriptor d;
    enum err e = vp8_parse(payload, &d);
    if (e != OK)
        return e;
    info->frame_start = d.frame_start;
    info->keyframe_start = d.keyframe;
    if (d.has_temporal_id)
        info->temporal_id = (int8_t)d.temporal_id;
    info->width = d.width;
    info->height = d.height;
    return OK;
}

/* RFC 9628 §4.2: |I|P|L|F|B|E|V|Z| then picture id, layer indices. A keyframe is a first packet
 * (B) of the base spatial layer, not inter-predicted (P = 0). */
static enum err inspect_vp9(struct bytes payload, struct frame_info *info)
{
    struct reader r = reader_of(payload);
    uint8_t flags = reader_u8(&r);
    if ((flags & 0x80) != 0 && (reader_u8(&r) & 0x80) != 0)
        (void)reader_u8(&r);
    if ((flags & 0x20) != 0) {
        uint8_t layer = reader_u8(&r); /* TID U SID D */
        info->temporal_id = (int8_t)(layer >> 5);
        info->spatial_id = (int8_t)((layer >> 1) & 7);
        if ((flags & 0x10) == 0)
            (void)reader_u8(&r); /* TL0PICIDX in non-flexible mode */
    }
    if (r.failed)
        return ERR_TRUNCATED;
    info->frame_start = (flags & 0x08) != 0;
    info->keyframe_start = info->frame_start && (flags & 0x40) == 0 && info->spatial_id <= 0;
    return OK;
}

enum {
    H264_SLICE = 1,
    H264_IDR = 5,
    H264_SEI = 6,
    H264_SPS = 7,
    H264_PPS = 8,
    H264_AUD = 9,
    H264_STAP_A = 24,
    H264_FU_A = 28,
};

/* What one NAL unit, or its first fragment, says about the packet. first_mb_in_slice is the first
 * Exp-Golomb value of a slice header: a leading 1 bit means 0, the first slice of a picture. */
static void note_nal(uint8_t type, struct bytes slice, struct frame_info *info)
{
    bool first_slice = slice.len > 0 && (slice.data[0] & 0x80) != 0;
    switch (type) {
    case H264_SPS:
        info->parameter_sets = true;
        info->frame_start = true;
        info->keyframe_start = true;
        break;
    case H264_AUD:
    case H264_SEI:
    case H264_PPS:
        info->frame_start = true;
        break;
    case H264_IDR:
        info->frame_start |= first_slice;
        info->keyframe_start |= first_slice;
        break;
    case H264_SLICE:
    case 2: /* data partition A */
        info->frame_start |= first_slice;
        break;
    default:
        break;
    }
}

static enum err inspect_stap_a(struct reader r, struct frame_info *info)
{
    while (reader_left(&r) > 0) {
        struct reader nal = reader_of(reader_take(&r, reader_u16(&r)));
        uint8_t type = reader_u8(&nal) & 0x1f;
        if (r.failed || nal.failed)
            return ERR_MALFORMED;
        note_nal(type, reader_take(&nal, reader_left(&nal)), info);
    }
    return OK;
}

static enum err inspect_h264(struct bytes payload, struct frame_info *info)
{
    struct reader r = reader_of(payload);
    uint8_t type = reader_u8(&r) & 0x1f;
    if (r.failed)
        return ERR_TRUNCATED;
    if (type == H264_STAP_A)
        return inspect_stap_a(r, info);
    if (type == H264_FU_A) {
        uint8_t header = reader_u8(&r);
        if (r.failed)
            return ERR_TRUNCATED;
        if ((header & 0x80) != 0) /* the first fragment */
            note_nal(header & 0x1f, reader_take(&r, reader_left(&r)), info);
        return OK;
    }
    note_nal(type, reader_take(&r, reader_left(&r)), info);
    return OK;
}

enum { OBU_SEQUENCE_HEADER = 1 };

/* AV1 RTP §4.4: |Z|Y|W W|N|-|-|-|. N: first packet of a coded video sequence, i.e. of a keyframe
 * with its sequence header. Z: continues an OBU of the previous packet. */
static enum err inspect_av1(struct bytes payload, struct frame_info *info)
{
    struct reader r = reader_of(payload);
    uint8_t aggregation = reader_u8(&r);
    uint8_t count = (aggregation >> 4) & 3;
    /* With W = 1 the only element has no length field. leb128 otherwise. */
    if (count != 1)
        for (unsigned i = 0; i < 8 && (reader_u8(&r) & 0x80) != 0; i++)
            continue;
    uint8_t obu = reader_u8(&r);
    if (r.failed)
        return ERR_TRUNCATED;
    bool continued = (aggregation & 0x80) != 0;
    bool sequence = (aggregation & 0x08) != 0;
    if (continued && sequence)
        return ERR_MALFORMED;
    uint8_t type = (obu >> 3) & 0x0f;
    info->frame_start = !continued;
    info->keyframe_start = sequence || (!continued && type == OBU_SEQUENCE_HEADER);
    if (!continued && (obu & 0x04) != 0 && reader_left(&r) > 0) {
        uint8_t extension = reader_u8(&r);
        info->temporal_id = (int8_t)(extension >> 5);
        info->spatial_id = (int8_t)((extension >> 3) & 3);
    }
    return OK;
}

enum err frame_inspect(enum codec codec, struct bytes payload, struct frame_info *ret)
{
    struct frame_info info = { .spatial_id = -1, .temporal_id = -1 };
    enum err e = OK;
    switch (codec) {
    case CODEC_VP8:
        e = inspect_vp8(payload, &info);
        break;
    case CODEC_VP9:
        e = inspect_vp9(payload, &info);
        break;
    case CODEC_H264:
        e = inspect_h264(payload, &info);
        break;
    case CODEC_AV1:
        e = inspect_av1(payload, &info);
        break;
    default:
        info.frame_start = true;
        break;
    }
    if (e == OK)
        *ret = info;
    return e;
}

enum err frame_inspect_depdesc(struct bytes depdesc, struct frame_info *ret)
{
    struct depdesc d;
    enum err e = depdesc_parse(depdesc, &d);
    if (e != OK)
        return e;
    *ret = (struct frame_info){
        .frame_start = d.start_of_frame,
        .keyframe_start = d.start_of_frame && d.structure_present,
        .spatial_id = -1,
        .temporal_id = -1,
    };
    return OK;
}
