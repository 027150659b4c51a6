/* clip.c - reads IVF and Annex B into frames.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/clip.h"

#include "core/clip_data.h"
#include "rtc/nal.h"
#include "rtc/obu.h"

#include <stdlib.h>

enum {
    FPS_DEFAULT = 30,
    PAYLOAD_SIZE_TRIED = 1000,
};

static bool is_vp9_keyframe(struct bytes frame)
{
    /* uncompressed header (VP9 §6.2): marker 10, profile in two bits, reserved in profile 3, then
     * show_existing_frame, frame_type (0: keyframe) */
    uint8_t first = frame.data[0];
    unsigned is_profile_3 = (first & 0x30) == 0x30;
    return (first >> 6) == 2 && ((first >> (2 - is_profile_3)) & 3) == 0;
}

/* A sequence header, and the first frame header says KEY_FRAME (AV1 §5.9.2). */
static bool is_av1_keyframe(struct bytes frame)
{
    struct reader r = reader_of(frame);
    struct obu o;
    bool has_sequence = false;
    while (reader_left(&r) > 0 && obu_read(&r, &o) == OK) {
        has_sequence |= o.type == OBU_SEQUENCE;
        if (o.type == OBU_FRAME || o.type == OBU_FRAME_HEADER)
            return has_sequence && o.payload.len > 0 && (o.payload.data[0] & 0xe0) == 0;
    }
    return false;
}

static bool is_h264_keyframe(struct bytes frame)
{
    size_t at = 0;
    struct bytes nal;
    bool has_sps = false;
    while (nal_next(frame, &at, &nal)) {
        has_sps |= nal_type_of(nal) == NAL_SPS;
        if (nal_type_of(nal) == NAL_IDR)
            return has_sps;
    }
    return false;
}

static bool is_keyframe(enum codec codec, struct bytes frame)
{
    switch (codec) {
    case CODEC_VP8:
        return (frame.data[0] & 1) == 0;
    case CODEC_VP9:
        return is_vp9_keyframe(frame);
    case CODEC_AV1:
        return is_av1_keyframe(frame);
    default:
        return is_h264_keyframe(frame);
    }
}

/* Appends a frame, if it can be sent; those before the first keyframe are left out. Its timestamp
 * is for the caller to set: the newest is c->frames[c->frame_count - 1]. */
static enum err add_frame(struct clip *c, struct bytes data)
{
    if (data.len == 0)
        return ERR_MALFORMED;
    struct clip_frame f = { .data = data, .keyframe = is_keyframe(c->codec, data) };
    if (c->frame_count == 0 && !f.keyframe)
        return OK;
    f.reference = f.keyframe ? 0 : 1;
    struct packetizer_frame to_send = { .codec = c->codec, .data = data, .keyframe = f.keyframe };
    struct packetizer p;
    if (packetizer_init(&p, &to_send, PAYLOAD_SIZE_TRIED) != OK)
        return ERR_MALFORMED;
    if (c->frame_count == CLIP_FRAMES_MAX)
        return ERR_FULL;
    if ((c->frame_count & (c->frame_count - 1)) == 0) { /* a power of two: all room is used */
        size_t capacity = MAX(c->frame_count * 2, 1);
        struct clip_frame *grown = realloc(c->frames, capacity * sizeof(*grown));
        if (grown == NULL)
            return ERR_FULL;
        c->frames = grown;
    }
    c->frames[c->frame_count++] = f;
    return OK;
}

/* The loop ends one mean interval after its last frame. */
static enum err finish(struct clip *c, unsigned fps)
{
    if (c->frame_count == 0)
        return ERR_NOT_FOUND;
    uint32_t interval = CLIP_CLOCK_RATE / fps;
    uint32_t last = c->frames[c->frame_count - 1].timestamp;
    if (c->frame_count > 1)
        interval = last / (uint32_t)(c->frame_count - 1);
    if (interval < CLIP_CLOCK_RATE / CLIP_FPS_MAX || last > UINT32_MAX - interval)
        return ERR_MALFORMED;
    c->duration = last + interval;
    uint32_t rounded = (CLIP_CLOCK_RATE + interval / 2) / interval;
    c->fps = (uint16_t)MAX(rounded, 1u);
    c->temporal_count = 1;
    return OK;
}

static uint32_t read_le32(struct reader *r)
{
    return __builtin_bswap32(reader_u32(r));
}

static uint16_t read_le16(struct reader *r)
{
    return __builtin_bswap16(reader_u16(r));
}

static enum codec codec_of_fourcc(struct bytes fourcc)
{
    static const struct {
        char name[5];
        enum codec codec;
    } known[] = { { "VP80", CODEC_VP8 }, { "VP90", CODEC_VP9 }, { "AV01", CODEC_AV1 } };
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (bytes_equal(fourcc, bytes_of_str(known[i].name)))
            return known[i].codec;
    return CODEC_NONE;
}

struct time_base {
    uint32_t rate, scale; /* a tick is scale / rate seconds */
    uint64_t first;
};

/* Ticks since the first frame in CLIP_CLOCK_RATE. Must grow from frame to frame. */
static enum err set_timestamp(struct clip *c, struct time_base *base, uint64_t ticks)
{
    struct clip_frame *f = &c->frames[c->frame_count - 1];
    if (c->frame_count == 1)
        base->first = ticks;
    if (ticks < base->first || ticks - base->first > UINT32_MAX)
        return ERR_MALFORMED;
    unsigned __int128 clock = (unsigned __int128)(ticks - base->first) * base->scale;
    clock = clock * CLIP_CLOCK_RATE / base->rate;
    if (clock > UINT32_MAX || (c->frame_count > 1 && clock <= f[-1].timestamp))
        return ERR_MALFORMED;
    f->timestamp = (uint32_t)clock;
    return OK;
}

/*  "DKIF" | version | header length | fourcc | width | height | rate | scale | frames | unused
 *  frame: | length (32) | ticks (64) | data          little endian */
static enum err parse_ivf(struct reader r, struct clip *c)
{
    struct bytes start = reader_take(&r, 6);
    uint16_t header_len = read_le16(&r);
    c->codec = codec_of_fourcc(reader_take(&r, 4));
    c->width = read_le16(&r);
    c->height = read_le16(&r);
    struct time_base base = { .rate = read_le32(&r), .scale = read_le32(&r) };
    (void)reader_take(&r, 8);
    if (r.failed || start.len != 6)
        return ERR_TRUNCATED;
    if (c->codec == CODEC_NONE)
        return ERR_UNSUPPORTED;
    if (header_len < 32 || base.rate == 0 || base.scale == 0 || c->width == 0 || c->height == 0)
        return ERR_MALFORMED;
    (void)reader_take(&r, (size_t)header_len - 32);
    while (reader_left(&r) > 0) {
        uint32_t len = read_le32(&r);
        uint64_t ticks = __builtin_bswap64(reader_u64(&r));
        struct bytes data = reader_take(&r, len);
        if (r.failed)
            return ERR_TRUNCATED;
        size_t before = c->frame_count;
        enum err e = add_frame(c, data);
        if (e == OK && c->frame_count > before)
            e = set_timestamp(c, &base, ticks);
        if (e != OK)
            return e;
    }
    return finish(c, FPS_DEFAULT);
}

/* H.264 §7.4.1.2.3, for streams without data partitioning or redundant pictures: where an access
 * unit that already has a slice ends. */
static bool starts_access_unit(struct bytes nal)
{
    switch (nal_type_of(nal)) {
    case NAL_SLICE:
    case NAL_IDR:
        return nal.len > 1 && (nal.data[1] & 0x80) != 0; /* first_mb_in_slice is 0 */
    case NAL_SEI:
    case NAL_SPS:
    case NAL_PPS:
    case NAL_AUD:
        return true;
    default:
        return false;
    }
}

static enum err read_sps(struct bytes file, struct clip *c, unsigned *fps)
{
    struct nal_sps sps;
    struct bytes nal;
    size_t at = 0;
    while (nal_next(file, &at, &nal)) {
        if (nal_type_of(nal) != NAL_SPS)
            continue;
        enum err e = nal_parse_sps(nal, &sps);
        if (e != OK)
            return e;
        c->width = sps.width;
        c->height = sps.height;
        uint32_t said = sps.fps_numerator == 0 ? 0 : sps.fps_numerator / sps.fps_denominator;
        if (said > 0 && said <= CLIP_FPS_MAX)
            *fps = said;
        return OK;
    }
    return ERR_NOT_FOUND;
}

/* The access unit [from, end) is whole. Equidistant in time. */
static enum err add_access_unit(struct clip *c, const uint8_t *from, const uint8_t *end,
                                unsigned fps)
{
    size_t before = c->frame_count;
    enum err e = add_frame(c, bytes_of(from, (size_t)(end - from)));
    if (e == OK && c->frame_count > before)
        c->frames[before].timestamp = (uint32_t)(before * CLIP_CLOCK_RATE / fps);
    return e;
}

static enum err parse_annexb(struct bytes file, unsigned fps, struct clip *c)
{
    c->codec = CODEC_H264;
    enum err e = read_sps(file, c, &fps);
    const uint8_t *from = file.data, *end = file.data;
    bool has_slice = false;
    struct bytes nal;
    size_t at = 0;
    while (e == OK && nal_next(file, &at, &nal)) {
        if (has_slice && starts_access_unit(nal)) {
            e = add_access_unit(c, from, end, fps);
            from = nal.data - 3;
            has_slice = false;
        }
        has_slice |= nal_type_of(nal) == NAL_SLICE || nal_type_of(nal) == NAL_IDR;
        end = nal.data + nal.len;
    }
    if (e == OK && has_slice)
        e = add_access_unit(c, from, end, fps);
    return e == OK ? finish(c, fps) : e;
}

enum err clip_parse(struct bytes file, unsigned fps, struct clip *ret)
{
    struct clip c = { 0 };
    enum err e = ERR_UNSUPPORTED;
    struct bytes start = bytes_of(file.data, MIN(file.len, 4));
    if (fps == 0 || fps > CLIP_FPS_MAX)
        fps = FPS_DEFAULT;
    if (bytes_equal(start, bytes_of_str("DKIF")))
        e = parse_ivf(reader_of(file), &c);
    else if (start.len == 4 && (load_be32(start.data) == 1 || load_be32(start.data) >> 8 == 1))
        e = parse_annexb(file, fps, &c);
    if (e != OK) {
        clip_done(&c);
        return e;
    }
    for (size_t i = 0; i < c.frame_count; i++)
        c.byte_count += c.frames[i].data.len;
    *ret = c;
    return OK;
}

void clip_done(struct clip *c)
{
    free(c->frames);
    *c = (struct clip){ 0 };
}

/* The pattern that make.sh gives VP8: 0 2 1 2. */
static void set_temporal_layers(struct clip *c)
{
    static const struct {
        uint8_t temporal_id, reference;
        bool layer_sync;
    } pattern[] = { { 0, 4, false }, { 2, 1, true }, { 1, 2, true }, { 2, 1, false } };
    c->temporal_count = 3;
    for (size_t i = 0; i < c->frame_count; i++) {
        struct clip_frame *f = &c->frames[i];
        f->temporal_id = pattern[i % 4].temporal_id;
        f->layer_sync = pattern[i % 4].layer_sync;
        f->reference = f->keyframe ? 0 : pattern[i % 4].reference;
    }
}

enum err clip_builtin(enum codec codec, unsigned height, struct clip *ret)
{
    const struct clip_data *best = NULL;
    unsigned best_distance = UINT32_MAX;
    for (size_t i = 0; i < clip_data_count; i++) {
        const struct clip_data *d = &clip_data[i];
        unsigned distance = d->height > height ? d->height - height : height - d->height;
        if (d->codec != codec || distance >= best_distance)
            continue;
        best = d;
        best_distance = distance;
    }
    if (best == NULL)
        return ERR_NOT_FOUND;
    enum err e = clip_parse(best->file, FPS_DEFAULT, ret);
    if (e == OK && codec == CODEC_VP8)
        set_temporal_layers(ret);
    return e;
}

uint64_t clip_bytes_of_time(const struct clip *c, usec time)
{
    if (c->duration == 0 || time <= 0)
        return 0;
    double clips = (double)time * CLIP_CLOCK_RATE / USEC_PER_SEC / c->duration;
    return (uint64_t)(clips * (double)c->byte_count);
}

struct packetizer_frame clip_to_send(const struct clip *c, size_t index, uint16_t picture_id,
                                     uint8_t tl0_index)
{
    check(index < c->frame_count);
    const struct clip_frame *f = &c->frames[index];
    bool layered = c->temporal_count > 1;
    return (struct packetizer_frame){
        .codec = c->codec,
        .data = f->data,
        .keyframe = f->keyframe,
        .temporal_id = layered ? (int8_t)f->temporal_id : -1,
        .layer_sync = layered && f->layer_sync,
        .picture_id = picture_id,
        .tl0_index = tl0_index,
        .reference = f->reference,
        .width = c->width,
        .height = c->height,
    };
}
