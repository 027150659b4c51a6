/* vp8.c - VP8 payload descriptor.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "rtc/vp8.h"

enum {
    BIT_X = 0x80,
    BIT_N = 0x20,
    BIT_S = 0x10,
    BIT_I = 0x80,
    BIT_L = 0x40,
    BIT_T = 0x20,
    BIT_K = 0x10,
    BIT_M = 0x80,
    BIT_Y = 0x20,
    PICTURE_ID_MASK = 0x7fff,
};

static void read_extension(struct reader *r, struct vp8_descriptor *d)
{
    uint8_t flags = reader_u8(r);
    d->has_picture_id = (flags & BIT_I) != 0;
    d->has_tl0_index = (flags & BIT_L) != 0;
    d->has_temporal_id = (flags & BIT_T) != 0;
    d->has_key_index = (flags & BIT_K) != 0;
    if (d->has_picture_id) {
        uint8_t first = reader_u8(r);
        d->picture_id_long = (first & BIT_M) != 0;
        d->picture_id = first & 0x7f;
        if (d->picture_id_long)
            d->picture_id = (uint16_t)(d->picture_id << 8 | reader_u8(r));
    }
    if (d->has_tl0_index)
        d->tl0_index = reader_u8(r);
    if (d->has_temporal_id || d->has_key_index) {
        uint8_t last = reader_u8(r);
        d->temporal_id = last >> 6;
        d->layer_sync = (last & BIT_Y) != 0;
        d->key_index = last & 0x1f;
    }
}

/* RFC 6386 §9.1: 3 bytes of frame tag; a keyframe continues with start code and dimensions. */
static void read_frame_header(struct reader r, struct vp8_descriptor *d)
{
    d->frame_start = d->partition_start && d->partition == 0;
    if (!d->frame_start || reader_left(&r) == 0)
        return;
    struct bytes tag = reader_take(&r, MIN(reader_left(&r), (size_t)10));
    d->keyframe = (tag.data[0] & 1) == 0;
    if (!d->keyframe || tag.len < 10 ||
        !bytes_equal(bytes_of(tag.data + 3, 3), bytes_of_str("\x9d\x01\x2a")))
        return;
    d->width = (uint16_t)((tag.data[6] | tag.data[7] << 8) & 0x3fff);
    d->height = (uint16_t)((tag.data[8] | tag.data[9] << 8) & 0x3fff);
}

enum err vp8_parse(struct bytes payload, struct vp8_descriptor *ret)
{
    struct reader r = reader_of(payload);
    uint8_t first = reader_u8(&r);
    struct vp8_descriptor d = {
        .non_reference = (first & BIT_N) != 0,
        .partition_start = (first & BIT_S) != 0,
        .partition = first & 0x07,
    };
    if ((first & BIT_X) != 0)
        read_extension(&r, &d);
    if (r.failed)
        return ERR_TRUNCATED;
    d.len = (uint8_t)(payload.len - reader_left(&r));
    if (reader_left(&r) == 0)
        return ERR_MALFORMED; /* RFC 7741 §4.1: a payload has at least one byte of VP8 */
    read_frame_header(r, &d);
    *ret = d;
    return OK;
}

void vp8_write(struct writer *w, const struct vp8_descriptor *d)
{
    bool extended = d->has_picture_id || d->has_tl0_index || d->has_temporal_id || d->has_key_index;
    writer_u8(w, (uint8_t)((extended ? BIT_X : 0) | (d->non_reference ? BIT_N : 0) |
                           (d->partition_start ? BIT_S : 0) | (d->partition & 0x07)));
    if (!extended)
        return;
    writer_u8(w, (uint8_t)((d->has_picture_id ? BIT_I : 0) | (d->has_tl0_index ? BIT_L : 0) |
                           (d->has_temporal_id ? BIT_T : 0) | (d->has_key_index ? BIT_K : 0)));
    if (d->has_picture_id)
        writer_u16(w, (uint16_t)(0x8000 | (d->picture_id & PICTURE_ID_MASK)));
    if (d->has_tl0_index)
        writer_u8(w, d->tl0_index);
    if (d->has_temporal_id || d->has_key_index)
        writer_u8(w, (uint8_t)((d->temporal_id & 3) << 6 | (d->layer_sync ? BIT_Y : 0) |
                               (d->key_index & 0x1f)));
}

static void start_ranges(struct vp8_munger *m, uint16_t from, uint16_t offset)
{
    m->ranges[0].from = from;
    m->ranges[0].offset = offset;
    m->range_count = 1;
}

void vp8_munger_switch(struct vp8_munger *m, const struct vp8_descriptor *first)
{
    uint16_t id = first->picture_id & PICTURE_ID_MASK;
    m->last_input_id = id;
    m->has_input = true;
    start_ranges(m, id, m->started ? (uint16_t)(m->last_picture_id + 1 - id) : 0);
    if (!m->started)
        return; /* the first input defines the numbers */
    m->tl0_offset = (uint8_t)(m->last_tl0 + 1 - first->tl0_index);
    m->key_offset = (uint8_t)(m->last_key + 1 - first->key_index);
}

static bool picture_newer(uint16_t a, uint16_t b)
{
    unsigned distance = (unsigned)(a - b) & PICTURE_ID_MASK;
    return distance != 0 && distance < 0x4000;
}

/* The input's picture id in 15 bits: a 7-bit id is taken as the nearest to the newest one. */
static uint16_t widen(const struct vp8_munger *m, const struct vp8_descriptor *d)
{
    uint16_t id = d->picture_id & PICTURE_ID_MASK;
    if (d->picture_id_long || !m->has_input)
        return id;
    int distance = (int)((unsigned)(id - m->last_input_id) & 0x7f);
    if (distance >= 64)
        distance -= 128;
    return (uint16_t)((m->last_input_id + distance) & PICTURE_ID_MASK);
}

static void learn(struct vp8_munger *m, uint16_t id)
{
    if (!m->has_input || picture_newer(id, m->last_input_id))
        m->last_input_id = id;
    m->has_input = true;
    if (m->range_count == 0)
        return;
    /* The start of the newest range must not fall so far behind that it looks newer again. */
    uint16_t from = m->ranges[m->range_count - 1].from;
    if (((unsigned)(m->last_input_id - from) & PICTURE_ID_MASK) >= 0x2000 &&
        !picture_newer(from, m->last_input_id))
        start_ranges(m, (uint16_t)((m->last_input_id - 0x1000) & PICTURE_ID_MASK),
                     m->ranges[m->range_count - 1].offset);
}

void vp8_munger_skip_picture(struct vp8_munger *m, const struct vp8_descriptor *dropped)
{
    if (!dropped->has_picture_id || !m->has_input)
        return;
    uint16_t id = widen(m, dropped);
    if (!picture_newer(id, m->last_input_id))
        return; /* another packet of it was skipped before, or it is late */
    learn(m, id);
    uint16_t offset = m->range_count == 0 ? 0 : m->ranges[m->range_count - 1].offset;
    if (m->range_count == VP8_MUNGER_RANGES) {
        memmove(m->ranges, m->ranges + 1, sizeof m->ranges - sizeof m->ranges[0]);
        m->range_count--;
    }
    m->ranges[m->range_count].from = (uint16_t)((id + 1) & PICTURE_ID_MASK);
    m->ranges[m->range_count++].offset = (uint16_t)(offset - 1);
}

static uint16_t offset_of(const struct vp8_munger *m, uint16_t id)
{
    if (m->range_count == 0)
        return 0;
    size_t i = m->range_count - 1u;
    while (i > 0 && picture_newer(m->ranges[i].from, id))
        i--;
    return m->ranges[i].offset;
}

static bool is_newest(const struct vp8_munger *m, const struct vp8_descriptor *d)
{
    if (!m->started)
        return true;
    if (d->has_picture_id)
        return picture_newer(d->picture_id, m->last_picture_id);
    return (int8_t)(d->tl0_index - m->last_tl0) > 0;
}

void vp8_munger_apply(struct vp8_munger *m, struct vp8_descriptor *d)
{
    if (d->has_picture_id) {
        uint16_t id = widen(m, d);
        learn(m, id);
        d->picture_id = (uint16_t)((id + offset_of(m, id)) & PICTURE_ID_MASK);
        d->picture_id_long = true;
    }
    if (d->has_tl0_index)
        d->tl0_index = (uint8_t)(d->tl0_index + m->tl0_offset);
    if (d->has_key_index)
        d->key_index = (uint8_t)((d->key_index + m->key_offset) & 0x1f);
    if (!is_newest(m, d))
        return;
    m->started = true;
    if (d->has_picture_id)
        m->last_picture_id = d->picture_id;
    if (d->has_tl0_index)
        m->last_tl0 = d->tl0_index;
    if (d->has_key_index)
        m->last_key = d->key_index;
}
