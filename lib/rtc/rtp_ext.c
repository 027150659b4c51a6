/* rtp_ext.c - reading and writing header extensions by meaning.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "rtc/rtp_ext.h"

#define EXPERIMENT "http://www.webrtc.org/experiments/rtp-hdrext/"

static const char *const uris[RTP_EXT_KIND_COUNT] = {
    [RTP_EXT_MID] = "urn:ietf:params:rtp-hdrext:sdes:mid",
    [RTP_EXT_RID] = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
    [RTP_EXT_REPAIRED_RID] = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
    [RTP_EXT_AUDIO_LEVEL] = "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
    [RTP_EXT_ABS_SEND_TIME] = EXPERIMENT "abs-send-time",
    [RTP_EXT_TRANSPORT_CC] =
        "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
    [RTP_EXT_ABS_CAPTURE_TIME] = EXPERIMENT "abs-capture-time",
    [RTP_EXT_TOFFSET] = "urn:ietf:params:rtp-hdrext:toffset",
    [RTP_EXT_VIDEO_ORIENTATION] = "urn:3gpp:video-orientation",
    [RTP_EXT_PLAYOUT_DELAY] = EXPERIMENT "playout-delay",
    [RTP_EXT_DEPENDENCY_DESCRIPTOR] =
        "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension",
    [RTP_EXT_VIDEO_LAYERS_ALLOCATION] = EXPERIMENT "video-layers-allocation00",
};

const char *rtp_ext_uri(enum rtp_ext_kind kind)
{
    check((unsigned)kind < RTP_EXT_KIND_COUNT);
    return uris[kind];
}

enum rtp_ext_kind rtp_ext_kind_from_uri(struct bytes uri)
{
    for (unsigned k = RTP_EXT_NONE + 1; k < RTP_EXT_KIND_COUNT; k++)
        if (bytes_equal(uri, bytes_of_str(uris[k])))
            return (enum rtp_ext_kind)k;
    return RTP_EXT_NONE;
}

enum err rtp_ext_map_add(struct rtp_ext_map *m, enum rtp_ext_kind kind, unsigned id)
{
    check(kind > RTP_EXT_NONE && kind < RTP_EXT_KIND_COUNT);
    if (id == 0 || id == 15 || id > 255)
        return ERR_MALFORMED;
    if (m->kind_of[id] == kind && m->id_of[kind] == id)
        return OK;
    if (m->kind_of[id] != RTP_EXT_NONE || m->id_of[kind] != 0)
        return ERR_BAD_STATE;
    m->kind_of[id] = (uint8_t)kind;
    m->id_of[kind] = (uint8_t)id;
    return OK;
}

static uint32_t u24_of(const uint8_t *p)
{
    return (uint32_t)p[0] << 16 | load_be16(p + 1);
}

static int32_t s24_of(const uint8_t *p)
{
    return (int32_t)(u24_of(p) << 8) >> 8;
}

static bool take_text(struct bytes v, struct bytes *ret)
{
    if (v.len == 0)
        return false;
    *ret = v;
    return true;
}

static bool read_capture_time(struct bytes v, struct rtp_ext_values *ret)
{
    if (v.len != 8 && v.len != 16)
        return false;
    ret->abs_capture_time = load_be64(v.data);
    ret->has_capture_offset = v.len == 16;
    if (ret->has_capture_offset)
        ret->capture_offset = (int64_t)load_be64(v.data + 8);
    return true;
}

/* False: the element has a size its kind cannot have. */
static bool read_value(enum rtp_ext_kind kind, struct bytes v, struct rtp_ext_values *ret)
{
    switch (kind) {
    case RTP_EXT_MID:
        return take_text(v, &ret->mid);
    case RTP_EXT_RID:
        return take_text(v, &ret->rid);
    case RTP_EXT_REPAIRED_RID:
        return take_text(v, &ret->repaired_rid);
    case RTP_EXT_DEPENDENCY_DESCRIPTOR:
        return take_text(v, &ret->dependency_descriptor);
    case RTP_EXT_VIDEO_LAYERS_ALLOCATION:
        return take_text(v, &ret->video_layers_allocation);
    case RTP_EXT_ABS_CAPTURE_TIME:
        return read_capture_time(v, ret);
    case RTP_EXT_AUDIO_LEVEL:
        if (v.len < 1) /* the two-byte form of some senders has a pad byte */
            return false;
        ret->audio_level = v.data[0] & 0x7f;
        ret->audio_voice = (v.data[0] & 0x80) != 0;
        return true;
    case RTP_EXT_ABS_SEND_TIME:
        if (v.len != 3)
            return false;
        ret->abs_send_time = u24_of(v.data);
        return true;
    case RTP_EXT_TRANSPORT_CC:
        if (v.len != 2)
            return false;
        ret->transport_seq = load_be16(v.data);
        return true;
    case RTP_EXT_TOFFSET:
        if (v.len != 3)
            return false;
        ret->toffset = s24_of(v.data);
        return true;
    case RTP_EXT_VIDEO_ORIENTATION:
        if (v.len != 1)
            return false;
        ret->video_orientation = v.data[0];
        return true;
    case RTP_EXT_PLAYOUT_DELAY:
        if (v.len != 3)
            return false;
        ret->playout_delay_min = (uint16_t)(u24_of(v.data) >> 12);
        ret->playout_delay_max = (uint16_t)(u24_of(v.data) & 0xfff);
        return true;
    case RTP_EXT_NONE:
    case RTP_EXT_KIND_COUNT:
        break;
    }
    return false;
}

void rtp_ext_read(const struct rtp_ext_map *m, const struct rtp_packet *p,
                  struct rtp_ext_values *ret)
{
    ret->present = 0;
    struct rtp_ext_iter it = rtp_ext_iter_of(p);
    uint8_t id;
    struct bytes value;
    while (rtp_ext_next(&it, &id, &value)) {
        enum rtp_ext_kind kind = (enum rtp_ext_kind)m->kind_of[id];
        if (kind != RTP_EXT_NONE && read_value(kind, value, ret))
            ret->present |= RTP_EXT_BIT(kind);
    }
}

/* The wire value of one kind: a view of the value's own bytes, or of `scratch`. */
static struct bytes value_of(enum rtp_ext_kind kind, const struct rtp_ext_values *v,
                             uint8_t scratch[16])
{
    struct writer w = writer_of(scratch, 16);
    switch (kind) {
    case RTP_EXT_MID:
        return v->mid;
    case RTP_EXT_RID:
        return v->rid;
    case RTP_EXT_REPAIRED_RID:
        return v->repaired_rid;
    case RTP_EXT_DEPENDENCY_DESCRIPTOR:
        return v->dependency_descriptor;
    case RTP_EXT_VIDEO_LAYERS_ALLOCATION:
        return v->video_layers_allocation;
    case RTP_EXT_AUDIO_LEVEL:
        writer_u8(&w, (uint8_t)((v->audio_voice ? 0x80 : 0) | (v->audio_level & 0x7f)));
        break;
    case RTP_EXT_ABS_SEND_TIME:
        writer_u24(&w, v->abs_send_time & 0xffffff);
        break;
    case RTP_EXT_TRANSPORT_CC:
        writer_u16(&w, v->transport_seq);
        break;
    case RTP_EXT_ABS_CAPTURE_TIME:
        writer_u64(&w, v->abs_capture_time);
        if (v->has_capture_offset)
            writer_u64(&w, (uint64_t)v->capture_offset);
        break;
    case RTP_EXT_TOFFSET:
        writer_u24(&w, (uint32_t)v->toffset & 0xffffff);
        break;
    case RTP_EXT_VIDEO_ORIENTATION:
        writer_u8(&w, v->video_orientation);
        break;
    case RTP_EXT_PLAYOUT_DELAY:
        writer_u24(&w, (uint32_t)(v->playout_delay_min & 0xfff) << 12 |
                           (uint32_t)(v->playout_delay_max & 0xfff));
        break;
    case RTP_EXT_NONE:
    case RTP_EXT_KIND_COUNT:
        break;
    }
    return bytes_of(scratch, writer_len(&w));
}

static bool fits_one_byte(unsigned id, size_t len)
{
    return id <= 14 && len >= 1 && len <= 16;
}

static void note_offset(enum rtp_ext_kind kind, size_t offset, struct rtp_ext_offsets *ret)
{
    if (kind == RTP_EXT_TRANSPORT_CC)
        ret->transport_seq = (uint16_t)offset;
    else if (kind == RTP_EXT_ABS_SEND_TIME)
        ret->abs_send_time = (uint16_t)offset;
}

/* Whether any value asks for the two-byte form. */
static bool needs_two_byte(const struct rtp_ext_map *m, const struct rtp_ext_values *v)
{
    uint8_t scratch[16];
    for (unsigned k = 1; k < RTP_EXT_KIND_COUNT; k++) {
        if ((v->present & RTP_EXT_BIT(k)) == 0 || m->id_of[k] == 0)
            continue;
        size_t len = value_of((enum rtp_ext_kind)k, v, scratch).len;
        if (len <= 255 && !fits_one_byte(m->id_of[k], len))
            return true;
    }
    return false;
}

void rtp_ext_write(const struct rtp_ext_map *m, const struct rtp_ext_values *v, struct writer *w,
                   uint16_t *ret_profile, struct rtp_ext_offsets *ret_offsets)
{
    struct rtp_ext_offsets offsets = { 0 };
    uint8_t scratch[16];
    size_t start = writer_len(w);
    bool two_byte = m->allow_mixed && needs_two_byte(m, v);
    for (unsigned k = 1; k < RTP_EXT_KIND_COUNT; k++) {
        uint8_t id = m->id_of[k];
        if ((v->present & RTP_EXT_BIT(k)) == 0 || id == 0)
            continue;
        struct bytes value = value_of((enum rtp_ext_kind)k, v, scratch);
        if (value.len > 255 || (!two_byte && !fits_one_byte(id, value.len)))
            continue;
        if (two_byte) {
            writer_u8(w, id);
            writer_u8(w, (uint8_t)value.len);
        } else {
            writer_u8(w, (uint8_t)((unsigned)id << 4 | (value.len - 1)));
        }
        note_offset((enum rtp_ext_kind)k, writer_len(w) - start, &offsets);
        writer_put(w, value);
    }
    while (!w->failed && (writer_len(w) - start) % 4 != 0)
        writer_u8(w, 0);
    *ret_profile = two_byte ? RTP_EXT_TWO_BYTE : RTP_EXT_ONE_BYTE;
    if (ret_offsets != NULL)
        *ret_offsets = offsets;
}

void rtp_ext_patch_transport_seq(uint8_t *body, uint16_t offset, uint16_t seq)
{
    check(offset != 0);
    store_be16(body + offset, seq);
}

void rtp_ext_patch_abs_send_time(uint8_t *body, uint16_t offset, usec now)
{
    check(offset != 0);
    uint32_t t = abs_send_time_of(now);
    body[offset] = (uint8_t)(t >> 16);
    store_be16(body + offset + 1, (uint16_t)t);
}

uint32_t abs_send_time_of(usec now)
{
    /* Seconds wrap at 64, so only the remainder matters and nothing overflows. */
    uint64_t us = (uint64_t)now % (64 * (uint64_t)USEC_PER_SEC);
    return (uint32_t)((us << 18) / (uint64_t)USEC_PER_SEC) & 0xffffff;
}
