/* vp9.c - VP9 payload descriptor.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "rtc/vp9.h"

enum {
    BIT_I = 0x80,
    BIT_P = 0x40,
    BIT_L = 0x20,
    BIT_F = 0x10,
    BIT_B = 0x08,
    BIT_E = 0x04,
    BIT_V = 0x02,
    BIT_Z = 0x01,
    PICTURE_ID_MASK = 0x7fff,
    STRUCTURE_Y = 0x10,
    STRUCTURE_G = 0x08,
};

static void read_picture_id(struct reader *r, struct vp9_descriptor *d)
{
    uint8_t first = reader_u8(r);
    d->picture_id_long = (first & 0x80) != 0;
    d->picture_id = first & 0x7f;
    if (d->picture_id_long)
        d->picture_id = (uint16_t)(d->picture_id << 8 | reader_u8(r));
}

static void read_layers(struct reader *r, struct vp9_descriptor *d)
{
    uint8_t v = reader_u8(r);
    d->temporal_id = v >> 5;
    d->switching_up = (v & 0x10) != 0;
    d->spatial_id = (v >> 1) & 7;
    d->inter_layer_predicted = (v & 1) != 0;
    if (!d->flexible)
        d->tl0_index = reader_u8(r);
}

/* False: more than three references. */
static bool read_references(struct reader *r, struct vp9_descriptor *d)
{
    bool more = true;
    while (more && d->reference_count < VP9_REFERENCES_MAX) {
        uint8_t v = reader_u8(r);
        d->references[d->reference_count++] = v >> 1;
        more = (v & 1) != 0;
    }
    return !more;
}

static void read_structure(struct reader *r, struct vp9_descriptor *d)
{
    uint8_t v = reader_u8(r);
    d->spatial_count = (uint8_t)((v >> 5) + 1);
    if ((v & STRUCTURE_Y) != 0) {
        d->width = reader_u16(r);
        d->height = reader_u16(r);
        for (unsigned i = 0; i + 1 < d->spatial_count; i++) {
            d->upper_width[i] = reader_u16(r);
            d->upper_height[i] = reader_u16(r);
        }
    }
    if ((v & STRUCTURE_G) == 0)
        return;
    for (unsigned left = reader_u8(r); left > 0 && !r->failed; left--)
        (void)reader_take(r, (reader_u8(r) >> 2) & 3);
}

enum err vp9_parse(struct bytes payload, struct vp9_descriptor *ret)
{
    struct reader r = reader_of(payload);
    uint8_t flags = reader_u8(&r);
    struct vp9_descriptor d = {
        .has_picture_id = (flags & BIT_I) != 0,
        .inter_predicted = (flags & BIT_P) != 0,
        .has_layers = (flags & BIT_L) != 0,
        .flexible = (flags & BIT_F) != 0,
        .frame_start = (flags & BIT_B) != 0,
        .frame_end = (flags & BIT_E) != 0,
        .has_structure = (flags & BIT_V) != 0,
        .not_for_upper = (flags & BIT_Z) != 0,
    };
    bool fits = true;
    if (d.has_picture_id)
        read_picture_id(&r, &d);
    if (d.has_layers)
        read_layers(&r, &d);
    if (d.flexible && d.inter_predicted)
        fits = read_references(&r, &d);
    if (d.has_structure)
        read_structure(&r, &d);
    if (r.failed)
        return ERR_TRUNCATED;
    if (!fits || reader_left(&r) == 0)
        return ERR_MALFORMED;
    d.len = payload.len - reader_left(&r);
    *ret = d;
    return OK;
}

void vp9_write(struct writer *w, const struct vp9_descriptor *d)
{
    check(d->reference_count <= VP9_REFERENCES_MAX);
    check(d->inter_predicted == (d->reference_count > 0));
    writer_u8(w, (uint8_t)((d->has_picture_id ? BIT_I : 0) | (d->inter_predicted ? BIT_P : 0) |
                           (d->has_layers ? BIT_L : 0) | BIT_F | (d->frame_start ? BIT_B : 0) |
                           (d->frame_end ? BIT_E : 0) | (d->has_structure ? BIT_V : 0) |
                           (d->not_for_upper ? BIT_Z : 0)));
    if (d->has_picture_id)
        writer_u16(w, (uint16_t)(0x8000 | (d->picture_id & 0x7fff)));
    if (d->has_layers)
        writer_u8(w, (uint8_t)((d->temporal_id & 7) << 5 | (d->switching_up ? 0x10 : 0) |
                               (d->spatial_id & 7) << 1 | (d->inter_layer_predicted ? 1 : 0)));
    for (unsigned i = 0; i < d->reference_count; i++)
        writer_u8(w, (uint8_t)(d->references[i] << 1 | (i + 1 < d->reference_count ? 1 : 0)));
    if (!d->has_structure)
        return;
    bool has_size = d->width > 0 && d->height > 0;
    unsigned upper_count = d->spatial_count > 1 ? d->spatial_count - 1u : 0;
    writer_u8(w, (uint8_t)(upper_count << 5 | (has_size ? STRUCTURE_Y : 0)));
    if (!has_size)
        return;
    writer_u16(w, d->width);
    writer_u16(w, d->height);
    for (unsigned i = 0; i < upper_count; i++) {
        writer_u16(w, d->upper_width[i]);
        writer_u16(w, d->upper_height[i]);
    }
}

void vp9_munger_switch(struct vp9_munger *m, const struct vp9_descriptor *first)
{
    m->last_input_id = first->picture_id;
    m->has_input = true;
    if (!m->started)
        return; /* the first input defines the numbers */
    m->picture_id_offset = (uint16_t)(m->last_picture_id + 1 - first->picture_id);
    m->tl0_offset = (uint8_t)(m->last_tl0 + 1 - first->tl0_index);
}

static bool picture_newer(uint16_t a, uint16_t b)
{
    unsigned distance = (unsigned)(a - b) & PICTURE_ID_MASK;
    return distance != 0 && distance < 0x4000;
}

/* The input's picture id in 15 bits: a 7-bit id is taken as the nearest to the newest one. */
static uint16_t widen(struct vp9_munger *m, const struct vp9_descriptor *d)
{
    uint16_t id = d->picture_id & PICTURE_ID_MASK;
    if (!d->picture_id_long && m->has_input) {
        int distance = (int)((unsigned)(id - m->last_input_id) & 0x7f);
        if (distance >= 64)
            distance -= 128;
        id = (uint16_t)((m->last_input_id + distance) & PICTURE_ID_MASK);
    }
    if (!m->has_input || picture_newer(id, m->last_input_id))
        m->last_input_id = id;
    m->has_input = true;
    return id;
}

void vp9_munger_apply(struct vp9_munger *m, struct vp9_descriptor *d)
{
    bool has_tl0 = d->has_layers && !d->flexible;
    if (d->has_picture_id) {
        d->picture_id = (uint16_t)((widen(m, d) + m->picture_id_offset) & PICTURE_ID_MASK);
        d->picture_id_long = true;
    }
    if (has_tl0)
        d->tl0_index = (uint8_t)(d->tl0_index + m->tl0_offset);
    if (m->started && (d->has_picture_id ? !picture_newer(d->picture_id, m->last_picture_id)
                                         : (int8_t)(d->tl0_index - m->last_tl0) <= 0))
        return;
    m->started = true;
    if (d->has_picture_id)
        m->last_picture_id = d->picture_id;
    if (has_tl0)
        m->last_tl0 = d->tl0_index;
}

size_t vp9_write_patch(struct writer *w, const struct vp9_descriptor *d, struct bytes payload)
{
    check(d->len < payload.len);
    struct reader r = reader_of(payload);
    writer_u8(w, reader_u8(&r));
    if (d->has_picture_id) {
        if ((reader_u8(&r) & 0x80) != 0)
            (void)reader_u8(&r);
        writer_u16(w, (uint16_t)(0x8000 | (d->picture_id & PICTURE_ID_MASK)));
    }
    if (d->has_layers) {
        writer_u8(w, reader_u8(&r));
        if (!d->flexible) {
            (void)reader_u8(&r);
            writer_u8(w, d->tl0_index);
        }
    }
    return payload.len - reader_left(&r);
}
