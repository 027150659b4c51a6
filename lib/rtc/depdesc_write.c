/* depdesc_write.c - dependency descriptors of L1T1 and L1T3 (AV1 RTP §A.8).
 *
 * The templates, their order and numbers are those of libwebrtc for these modes:
 *
 *   L1T1 0: keyframe          DTI S    chain 0     L1T3 0: T0 keyframe     DTI SSS  chain 0
 *        1: frame 1 back      DTI S    chain 1          1: T0, 4 back      DTI SSS  chain 4
 *                                                       2: T1, 2 back      DTI -DS  chain 2
 *                                                       3: T2, 1 back (T0) DTI --D  chain 1
 *                                                       4: T2, 1 back (T1) DTI --D  chain 3
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "rtc/depdesc.h"

enum dti { NOT_PRESENT, DISCARDABLE, SWITCH };
enum { LAYER_SAME = 0, LAYER_NEXT_TEMPORAL = 1, LAYER_END = 3 };

struct template
{
    uint8_t temporal_id;
    uint8_t dtis[3];
    uint8_t frame_back; /* 0: depends on nothing */
    uint8_t chain_back; /* to the newest frame of the only chain, T0; 0: none */
};

struct structure {
    uint8_t target_count;
    uint8_t template_count;
    struct template templates[5];
};

static const struct structure l1t1 = { 1, 2, { { 0, { SWITCH }, 0, 0 }, { 0, { SWITCH }, 1, 1 } } };

static const struct structure l1t3 = {
    3,
    5,
    {
        { 0, { SWITCH, SWITCH, SWITCH }, 0, 0 },
        { 0, { SWITCH, SWITCH, SWITCH }, 4, 4 },
        { 1, { NOT_PRESENT, DISCARDABLE, SWITCH }, 2, 2 },
        { 2, { NOT_PRESENT, NOT_PRESENT, DISCARDABLE }, 1, 1 },
        { 2, { NOT_PRESENT, NOT_PRESENT, DISCARDABLE }, 1, 3 },
    },
};

struct bit_writer {
    struct writer *out;
    unsigned pending, count; /* bits not yet written, count < 8 */
};

static void put(struct bit_writer *b, unsigned value, unsigned width)
{
    while (width-- > 0) {
        b->pending = b->pending << 1 | ((value >> width) & 1);
        if (++b->count == 8) {
            writer_u8(b->out, (uint8_t)b->pending);
            b->pending = b->count = 0;
        }
    }
}

/* ns(n), AV1 §4.10.7: a number below n. */
static void put_non_symmetric(struct bit_writer *b, unsigned value, unsigned n)
{
    unsigned width = 0;
    while (n >> width != 0)
        width++;
    unsigned short_codes = (1u << width) - n;
    if (value < short_codes)
        put(b, value, width - 1);
    else
        put(b, value + short_codes, width);
}

static void put_templates(struct bit_writer *b, const struct structure *s)
{
    for (unsigned i = 0; i < s->template_count; i++) {
        unsigned next = LAYER_END;
        if (i + 1 < s->template_count)
            next = s->templates[i + 1].temporal_id == s->templates[i].temporal_id
                       ? LAYER_SAME
                       : LAYER_NEXT_TEMPORAL;
        put(b, next, 2);
    }
    for (unsigned i = 0; i < s->template_count; i++)
        for (unsigned t = 0; t < s->target_count; t++)
            put(b, s->templates[i].dtis[t], 2);
    for (unsigned i = 0; i < s->template_count; i++) {
        if (s->templates[i].frame_back > 0) {
            put(b, 1, 1);
            put(b, s->templates[i].frame_back - 1u, 4);
        }
        put(b, 0, 1);
    }
}

/* One chain, which protects every target. */
static void put_chains(struct bit_writer *b, const struct structure *s)
{
    put_non_symmetric(b, 1, s->target_count + 1u);
    for (unsigned t = 0; t < s->target_count; t++)
        put_non_symmetric(b, 0, 1);
    for (unsigned i = 0; i < s->template_count; i++)
        put(b, s->templates[i].chain_back, 4);
}

static void put_structure(struct bit_writer *b, const struct structure *s, uint16_t width,
                          uint16_t height)
{
    put(b, 0, 6); /* template_id_offset: the structure of a stream never changes */
    put(b, s->target_count - 1u, 5);
    put_templates(b, s);
    put_chains(b, s);
    bool has_size = width > 0 && height > 0;
    put(b, has_size, 1);
    if (has_size) {
        put(b, width - 1u, 16);
        put(b, height - 1u, 16);
    }
}

static unsigned template_of(const struct depdesc_frame *f)
{
    if (f->keyframe)
        return 0;
    if (f->temporal_id < 2)
        return 1u + f->temporal_id;
    return f->layer_sync ? 3 : 4;
}

void depdesc_write(struct writer *w, const struct depdesc_frame *f)
{
    check(f->temporal_count == 1 || f->temporal_count == 3);
    check(f->temporal_id < f->temporal_count);
    writer_u8(w, (uint8_t)((f->start_of_frame ? 0x80 : 0) | (f->end_of_frame ? 0x40 : 0) |
                           template_of(f)));
    writer_u16(w, f->frame_number);
    if (!f->keyframe || !f->start_of_frame)
        return;
    struct bit_writer b = { .out = w };
    put(&b, 0x10, 5); /* the structure follows; no active targets, nothing custom */
    put_structure(&b, f->temporal_count == 1 ? &l1t1 : &l1t3, f->width, f->height);
    put(&b, 0, (8 - b.count) % 8);
}
