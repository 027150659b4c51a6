/* depdesc_read.c - dependency descriptors bit by bit (AV1 RTP §A.8.2).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "rtc/depdesc_read.h"

enum dti { NOT_PRESENT, DISCARDABLE, SWITCH, REQUIRED };
enum { LAYER_SAME, LAYER_NEXT_TEMPORAL, LAYER_NEXT_SPATIAL, LAYER_END };
enum { TEMPLATE_IDS = 64, HEAD_BITS = 24, FLAG_BITS = 5 };

/* Reads beyond the end give zero bits and `failed`, so loops over flags come to an end. */
struct bits {
    struct bytes of;
    size_t at;
    bool failed;
};

static unsigned take(struct bits *b, unsigned width)
{
    if (width > b->of.len * 8 - b->at) {
        b->at = b->of.len * 8;
        b->failed = true;
        return 0;
    }
    unsigned v = 0;
    for (; width > 0; width--, b->at++)
        v = v << 1 | ((unsigned)b->of.data[b->at / 8] >> (7 - b->at % 8) & 1);
    return v;
}

/* ns(n), AV1 §4.10.7: a number below n. */
static unsigned take_non_symmetric(struct bits *b, unsigned n)
{
    unsigned width = 0;
    while (n >> width != 0)
        width++;
    unsigned short_codes = (1u << width) - n;
    unsigned v = take(b, width - 1);
    return v < short_codes ? v : (v << 1) - short_codes + take(b, 1);
}

static enum err read_layers(struct bits *b, struct depdesc_structure *s)
{
    unsigned spatial = 0, temporal = 0, next = LAYER_SAME;
    while (next != LAYER_END) {
        if (s->template_count == DEPDESC_TEMPLATES_MAX || spatial >= DEPDESC_SPATIAL_MAX ||
            temporal >= DEPDESC_TEMPORAL_MAX)
            return ERR_MALFORMED;
        struct depdesc_template *t = &s->templates[s->template_count++];
        t->spatial = (uint8_t)spatial;
        t->temporal = (uint8_t)temporal;
        s->temporal_count = (uint8_t)MAX(s->temporal_count, temporal + 1);
        next = take(b, 2);
        if (b->failed)
            return ERR_TRUNCATED;
        if (next == LAYER_NEXT_TEMPORAL) {
            temporal++;
        } else if (next == LAYER_NEXT_SPATIAL) {
            temporal = 0;
            spatial++;
        }
    }
    s->spatial_count = (uint8_t)(spatial + 1);
    return OK;
}

static void read_dtis(struct bits *b, unsigned target_count, uint32_t *ret_present,
                      uint32_t *ret_switchable)
{
    *ret_present = *ret_switchable = 0;
    for (unsigned i = 0; i < target_count; i++) {
        unsigned dti = take(b, 2);
        if (dti != NOT_PRESENT)
            *ret_present |= 1u << i;
        if (dti == SWITCH)
            *ret_switchable |= 1u << i;
    }
}

static enum err read_template_references(struct bits *b, struct depdesc_template *t)
{
    while (take(b, 1) != 0) {
        if (t->reference_count == DEPDESC_REFERENCES_MAX)
            return ERR_MALFORMED;
        t->references[t->reference_count++] = (uint8_t)(take(b, 4) + 1);
    }
    return OK;
}

static enum err read_chains(struct bits *b, struct depdesc_structure *s)
{
    s->chain_count = (uint8_t)take_non_symmetric(b, s->target_count + 1u);
    if (s->chain_count == 0)
        return OK;
    for (unsigned i = 0; i < s->target_count; i++)
        s->protected_by[i] = (uint8_t)take_non_symmetric(b, s->chain_count);
    /* Distances within chains: a frame's references say all that forwarding needs. */
    for (unsigned i = 0; i < s->template_count; i++)
        for (unsigned c = 0; c < s->chain_count; c++)
            (void)take(b, 4);
    return OK;
}

/* max_render_width_minus_1 in 16 bits; 65536 does not fit ours. */
static uint16_t take_size(struct bits *b)
{
    unsigned minus_one = take(b, 16);
    return (uint16_t)MIN(minus_one + 1, (unsigned)UINT16_MAX);
}

static enum err read_structure(struct bits *b, struct depdesc_structure *s)
{
    *s = (struct depdesc_structure){ .template_id_offset = (uint8_t)take(b, 6) };
    s->target_count = (uint8_t)(take(b, 5) + 1);
    enum err e = read_layers(b, s);
    if (e != OK)
        return e;
    for (unsigned i = 0; i < s->template_count; i++)
        read_dtis(b, s->target_count, &s->templates[i].present, &s->templates[i].switchable);
    for (unsigned i = 0; i < s->template_count && e == OK; i++)
        e = read_template_references(b, &s->templates[i]);
    if (e == OK)
        e = read_chains(b, s);
    if (e != OK)
        return b->failed ? ERR_TRUNCATED : e;
    if (take(b, 1) != 0) {
        for (unsigned i = 0; i < s->spatial_count; i++) {
            s->width[i] = take_size(b);
            s->height[i] = take_size(b);
        }
    }
    return b->failed ? ERR_TRUNCATED : OK;
}

static enum err read_custom_references(struct bits *b, struct depdesc_info *d)
{
    d->reference_count = 0;
    for (unsigned size; (size = take(b, 2)) != 0;) {
        if (d->reference_count == DEPDESC_REFERENCES_MAX)
            return ERR_MALFORMED;
        d->references[d->reference_count++] = (uint16_t)(take(b, 4 * size) + 1);
    }
    return OK;
}

/* frame_dependency_definition(): from the template, then what is different for this frame. */
static enum err read_frame(struct bits *b, const struct depdesc_structure *s,
                           struct depdesc_info *d)
{
    unsigned index = (d->head.template_id + (unsigned)TEMPLATE_IDS - s->template_id_offset) %
                     (unsigned)TEMPLATE_IDS;
    if (index >= s->template_count)
        return ERR_BAD_STATE;
    const struct depdesc_template *t = &s->templates[index];
    d->spatial = t->spatial;
    d->temporal = t->temporal;
    d->present = t->present;
    d->switchable = t->switchable;
    d->reference_count = t->reference_count;
    for (unsigned i = 0; i < t->reference_count; i++)
        d->references[i] = t->references[i];
    if (d->head.custom_dtis)
        read_dtis(b, s->target_count, &d->present, &d->switchable);
    if (d->head.custom_fdiffs) {
        enum err e = read_custom_references(b, d);
        if (e != OK)
            return e;
    }
    if (d->head.custom_chains)
        for (unsigned i = 0; i < s->chain_count; i++)
            (void)take(b, 8);
    return b->failed ? ERR_TRUNCATED : OK;
}

enum err depdesc_read(struct bytes value, const struct depdesc_structure *structure,
                      struct depdesc_info *ret, struct depdesc_structure *ret_structure)
{
    struct depdesc_info d = { 0 };
    struct depdesc_structure own;
    enum err e = depdesc_parse(value, &d.head);
    if (e != OK)
        return e;
    bool extended = value.len > HEAD_BITS / 8;
    struct bits b = { .of = value, .at = HEAD_BITS + (extended ? FLAG_BITS : 0) };
    if (d.head.structure_present) {
        e = read_structure(&b, &own);
        if (e != OK)
            return e;
        structure = &own;
        d.active_targets = UINT32_MAX >> (32 - own.target_count);
    } else if (structure->template_count == 0) {
        return ERR_BAD_STATE;
    }
    d.layout.targets_at = (uint16_t)(extended ? b.at : HEAD_BITS + FLAG_BITS);
    d.layout.target_count = structure->target_count;
    if (d.head.active_targets_present)
        d.active_targets = take(&b, structure->target_count);
    e = b.failed ? ERR_TRUNCATED : read_frame(&b, structure, &d);
    if (e != OK)
        return e;
    d.layout.bit_count = (uint16_t)b.at;
    *ret = d;
    if (d.head.structure_present)
        *ret_structure = own;
    return OK;
}

struct bit_writer {
    struct writer *out;
    unsigned pending, count; /* bits not yet written, count < 8 */
};

static void put(struct bit_writer *w, unsigned value, unsigned width)
{
    while (width-- > 0) {
        w->pending = w->pending << 1 | ((value >> width) & 1);
        if (++w->count == 8) {
            writer_u8(w->out, (uint8_t)w->pending);
            w->pending = w->count = 0;
        }
    }
}

static void copy_bits(struct bit_writer *w, struct bits *from, size_t to)
{
    while (from->at < MIN(to, from->of.len * 8))
        put(w, take(from, 1), 1);
}

/* All from the flags on, with the mask. */
static void rewrite_extended(struct writer *w, struct bytes value,
                             const struct depdesc_layout *layout, uint32_t active_targets)
{
    struct bit_writer out = { .out = w };
    struct bits in = { .of = value, .at = HEAD_BITS };
    unsigned flags = value.len > HEAD_BITS / 8 ? take(&in, FLAG_BITS) : 0;
    put(&out, flags | 0x08, FLAG_BITS);
    copy_bits(&out, &in, layout->targets_at);
    put(&out, active_targets, layout->target_count);
    if ((flags & 0x08) != 0)
        (void)take(&in, layout->target_count);
    copy_bits(&out, &in, layout->bit_count);
    put(&out, 0, (8 - out.count) % 8);
}

static uint8_t shift_id(unsigned id, struct depdesc_shift shift)
{
    return (uint8_t)((id + shift.templates) % TEMPLATE_IDS);
}

/* The structure's template_id_offset is in the three bits behind the flags and the three after. */
static void shift_structure(uint8_t *value, struct depdesc_shift shift)
{
    unsigned id = shift_id((value[3] & 7u) << 3 | value[4] >> 5, shift);
    value[3] = (uint8_t)((value[3] & ~7u) | id >> 3);
    value[4] = (uint8_t)((value[4] & 0x1fu) | (id & 7) << 5);
}

void depdesc_rewrite(struct writer *w, struct bytes value, const struct depdesc_layout *layout,
                     struct depdesc_shift shift, const uint32_t *active_targets)
{
    struct reader r = reader_of(value);
    uint8_t *start = w->at;
    if (value.len >= HEAD_BITS / 8) {
        uint8_t first = reader_u8(&r);
        writer_u8(w, (uint8_t)((first & 0xc0) | shift_id(first & 0x3f, shift)));
        writer_u16(w, (uint16_t)(reader_u16(&r) + shift.frames));
    }
    if (active_targets != NULL && layout->bit_count != 0 && value.len >= HEAD_BITS / 8)
        rewrite_extended(w, value, layout, *active_targets);
    else
        writer_put(w, reader_take(&r, reader_left(&r)));
    bool has_structure = value.len > HEAD_BITS / 8 + 1 && (value.data[HEAD_BITS / 8] & 0x80) != 0;
    if (has_structure && !w->failed)
        shift_structure(start, shift);
}
