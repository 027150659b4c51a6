/* depdesc_pattern.c - template structures of the usual patterns (AV1 RTP §A.6, WebRTC-SVC), with
 * the templates, their order and numbers as libwebrtc has them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "rtc/depdesc_pattern.h"

enum { LAYER_SAME, LAYER_NEXT_TEMPORAL, LAYER_NEXT_SPATIAL, LAYER_END };

/* A template is: spatial id, temporal id, DTIs, references, chains. Decode targets are ordered by
 * spatial, then by temporal layer. */
/* clang-format off */
static const struct depdesc_pattern patterns[] = {
    {
        .name = "L1T1",
        .spatial_count = 1,
        .temporal_count = 1,
        .chain_count = 1,
        .template_count = 2,
        .key = { 0 },
        .turn_length = 1,
        .turn = { 1 },
        .templates = {
        { 0, 0, "S", { 0 }, { 0 } },
        { 0, 0, "S", { 1 }, { 1 } },
        },
    },
    {
        .name = "L1T2",
        .spatial_count = 1,
        .temporal_count = 2,
        .chain_count = 1,
        .template_count = 3,
        .key = { 0 },
        .turn_length = 2,
        .turn = { 2, 1 },
        .templates = {
        { 0, 0, "SS", { 0 }, { 0 } },
        { 0, 0, "SS", { 2 }, { 2 } },
        { 0, 1, "-D", { 1 }, { 1 } },
        },
    },
    {
        .name = "L1T3",
        .spatial_count = 1,
        .temporal_count = 3,
        .chain_count = 1,
        .template_count = 5,
        .key = { 0 },
        .turn_length = 4,
        .turn = { 3, 2, 4, 1 },
        .templates = {
        { 0, 0, "SSS", { 0 }, { 0 } },
        { 0, 0, "SSS", { 4 }, { 4 } },
        { 0, 1, "-DS", { 2 }, { 2 } },
        { 0, 2, "--D", { 1 }, { 1 } },
        { 0, 2, "--D", { 1 }, { 3 } },
        },
    },
    {
        .name = "L2T1",
        .spatial_count = 2,
        .temporal_count = 1,
        .chain_count = 2,
        .template_count = 4,
        .key = { 1, 3 },
        .turn_length = 2,
        .turn = { 0, 2 },
        .templates = {
        { 0, 0, "SR", { 2 }, { 2, 1 } },
        { 0, 0, "SS", { 0 }, { 0, 0 } },
        { 1, 0, "-S", { 2, 1 }, { 1, 1 } },
        { 1, 0, "-S", { 1 }, { 1, 1 } },
        },
    },
    {
        .name = "L2T3",
        .spatial_count = 2,
        .temporal_count = 3,
        .chain_count = 2,
        .template_count = 10,
        .key = { 0, 5 },
        .turn_length = 8,
        .turn = { 3, 8, 2, 7, 4, 9, 1, 6 },
        .templates = {
        { 0, 0, "SSSSSS", { 0 }, { 0, 0 } },
        { 0, 0, "SSSRRR", { 8 }, { 8, 7 } },
        { 0, 1, "-DS-RR", { 4 }, { 4, 3 } },
        { 0, 2, "--D--R", { 2 }, { 2, 1 } },
        { 0, 2, "--D--R", { 2 }, { 6, 5 } },
        { 1, 0, "---SSS", { 1 }, { 1, 1 } },
        { 1, 0, "---SSS", { 8, 1 }, { 1, 1 } },
        { 1, 1, "----DS", { 4, 1 }, { 5, 4 } },
        { 1, 2, "-----D", { 2, 1 }, { 3, 2 } },
        { 1, 2, "-----D", { 2, 1 }, { 7, 6 } },
        },
    },
    {
        .name = "L2T3_KEY",
        .spatial_count = 2,
        .temporal_count = 3,
        .chain_count = 2,
        .template_count = 10,
        .key = { 0, 5 },
        .turn_length = 8,
        .turn = { 3, 8, 2, 7, 4, 9, 1, 6 },
        .templates = {
        { 0, 0, "SSSSSS", { 0 }, { 0, 0 } },
        { 0, 0, "SSS---", { 8 }, { 8, 7 } },
        { 0, 1, "-DS---", { 4 }, { 4, 3 } },
        { 0, 2, "--D---", { 2 }, { 2, 1 } },
        { 0, 2, "--D---", { 2 }, { 6, 5 } },
        { 1, 0, "---SSS", { 1 }, { 1, 1 } },
        { 1, 0, "---SSS", { 8 }, { 1, 8 } },
        { 1, 1, "----DS", { 4 }, { 5, 4 } },
        { 1, 2, "-----D", { 2 }, { 3, 2 } },
        { 1, 2, "-----D", { 2 }, { 7, 6 } },
        },
    },
    {
        .name = "L3T1",
        .spatial_count = 3,
        .temporal_count = 1,
        .chain_count = 3,
        .template_count = 6,
        .key = { 1, 3, 5 },
        .turn_length = 3,
        .turn = { 0, 2, 4 },
        .templates = {
        { 0, 0, "SRR", { 3 }, { 3, 2, 1 } },
        { 0, 0, "SSS", { 0 }, { 0, 0, 0 } },
        { 1, 0, "-SR", { 3, 1 }, { 1, 1, 1 } },
        { 1, 0, "-SS", { 1 }, { 1, 1, 1 } },
        { 2, 0, "--S", { 3, 1 }, { 2, 1, 1 } },
        { 2, 0, "--S", { 1 }, { 2, 1, 1 } },
        },
    },
    {
        .name = "L3T3",
        .spatial_count = 3,
        .temporal_count = 3,
        .chain_count = 3,
        .template_count = 15,
        .key = { 1, 6, 11 },
        .turn_length = 12,
        .turn = { 3, 8, 13, 2, 7, 12, 4, 9, 14, 0, 5, 10 },
        .templates = {
        { 0, 0, "SSSRRRRRR", { 12 }, { 12, 11, 10 } },
        { 0, 0, "SSSSSSSSS", { 0 }, { 0, 0, 0 } },
        { 0, 1, "-DS-RR-RR", { 6 }, { 6, 5, 4 } },
        { 0, 2, "--D--R--R", { 3 }, { 3, 2, 1 } },
        { 0, 2, "--D--R--R", { 3 }, { 9, 8, 7 } },
        { 1, 0, "---SSSRRR", { 12, 1 }, { 1, 1, 1 } },
        { 1, 0, "---SSSSSS", { 1 }, { 1, 1, 1 } },
        { 1, 1, "----DS-RR", { 6, 1 }, { 7, 6, 5 } },
        { 1, 2, "-----D--R", { 3, 1 }, { 4, 3, 2 } },
        { 1, 2, "-----D--R", { 3, 1 }, { 10, 9, 8 } },
        { 2, 0, "------SSS", { 12, 1 }, { 2, 1, 1 } },
        { 2, 0, "------SSS", { 1 }, { 2, 1, 1 } },
        { 2, 1, "-------DS", { 6, 1 }, { 8, 7, 6 } },
        { 2, 2, "--------D", { 3, 1 }, { 5, 4, 3 } },
        { 2, 2, "--------D", { 3, 1 }, { 11, 10, 9 } },
        },
    },
    {
        .name = "L3T3_KEY",
        .spatial_count = 3,
        .temporal_count = 3,
        .chain_count = 3,
        .template_count = 15,
        .key = { 0, 5, 10 },
        .turn_length = 12,
        .turn = { 3, 8, 13, 2, 7, 12, 4, 9, 14, 1, 6, 11 },
        .templates = {
        { 0, 0, "SSSSSSSSS", { 0 }, { 0, 0, 0 } },
        { 0, 0, "SSS------", { 12 }, { 12, 11, 10 } },
        { 0, 1, "-DS------", { 6 }, { 6, 5, 4 } },
        { 0, 2, "--D------", { 3 }, { 3, 2, 1 } },
        { 0, 2, "--D------", { 3 }, { 9, 8, 7 } },
        { 1, 0, "---SSSSSS", { 1 }, { 1, 1, 1 } },
        { 1, 0, "---SSS---", { 12 }, { 1, 12, 11 } },
        { 1, 1, "----DS---", { 6 }, { 7, 6, 5 } },
        { 1, 2, "-----D---", { 3 }, { 4, 3, 2 } },
        { 1, 2, "-----D---", { 3 }, { 10, 9, 8 } },
        { 2, 0, "------SSS", { 1 }, { 2, 1, 1 } },
        { 2, 0, "------SSS", { 12 }, { 2, 1, 12 } },
        { 2, 1, "-------DS", { 6 }, { 8, 7, 6 } },
        { 2, 2, "--------D", { 3 }, { 5, 4, 3 } },
        { 2, 2, "--------D", { 3 }, { 11, 10, 9 } },
        },
    },
    {
        .name = "S3T3",
        .spatial_count = 3,
        .temporal_count = 3,
        .chain_count = 3,
        .template_count = 15,
        .key = { 1, 6, 11 },
        .turn_length = 12,
        .turn = { 3, 8, 13, 2, 7, 12, 4, 9, 14, 0, 5, 10 },
        .templates = {
        { 0, 0, "SSS------", { 12 }, { 12, 11, 10 } },
        { 0, 0, "SSS------", { 0 }, { 0, 0, 0 } },
        { 0, 1, "-DS------", { 6 }, { 6, 5, 4 } },
        { 0, 2, "--D------", { 3 }, { 3, 2, 1 } },
        { 0, 2, "--D------", { 3 }, { 9, 8, 7 } },
        { 1, 0, "---SSS---", { 12 }, { 1, 12, 11 } },
        { 1, 0, "---SSS---", { 0 }, { 1, 0, 0 } },
        { 1, 1, "----DS---", { 6 }, { 7, 6, 5 } },
        { 1, 2, "-----D---", { 3 }, { 4, 3, 2 } },
        { 1, 2, "-----D---", { 3 }, { 10, 9, 8 } },
        { 2, 0, "------SSS", { 12 }, { 2, 1, 12 } },
        { 2, 0, "------SSS", { 0 }, { 2, 1, 0 } },
        { 2, 1, "-------DS", { 6 }, { 8, 7, 6 } },
        { 2, 2, "--------D", { 3 }, { 5, 4, 3 } },
        { 2, 2, "--------D", { 3 }, { 11, 10, 9 } },
        },
    },
};
/* clang-format on */

const struct depdesc_pattern *depdesc_pattern_at(size_t n)
{
    return n < ARRAY_LEN(patterns) ? &patterns[n] : NULL;
}

const struct depdesc_pattern *depdesc_pattern_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(patterns); i++)
        if (strcmp(patterns[i].name, name) == 0)
            return &patterns[i];
    return NULL;
}

uint8_t depdesc_pattern_frame(const struct depdesc_pattern *p, uint32_t n)
{
    return n < p->spatial_count ? p->key[n] : p->turn[(n - p->spatial_count) % p->turn_length];
}

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

static unsigned next_layer(const struct depdesc_pattern *p, unsigned i)
{
    if (i + 1 == p->template_count)
        return LAYER_END;
    if (p->templates[i + 1].spatial != p->templates[i].spatial)
        return LAYER_NEXT_SPATIAL;
    return p->templates[i + 1].temporal == p->templates[i].temporal ? LAYER_SAME
                                                                    : LAYER_NEXT_TEMPORAL;
}

static void put_templates(struct bit_writer *b, const struct depdesc_pattern *p)
{
    static const char dtis[] = "-DSR";
    for (unsigned i = 0; i < p->template_count; i++)
        put(b, next_layer(p, i), 2);
    for (unsigned i = 0; i < p->template_count; i++)
        for (const char *d = p->templates[i].dtis; *d != '\0'; d++)
            put(b, (unsigned)(strchr(dtis, *d) - dtis), 2);
    for (unsigned i = 0; i < p->template_count; i++) {
        for (unsigned r = 0; r < 2 && p->templates[i].references[r] > 0; r++) {
            put(b, 1, 1);
            put(b, p->templates[i].references[r] - 1u, 4);
        }
        put(b, 0, 1);
    }
}

static unsigned target_count(const struct depdesc_pattern *p)
{
    return (unsigned)p->spatial_count * p->temporal_count;
}

static void put_chains(struct bit_writer *b, const struct depdesc_pattern *p)
{
    unsigned targets = target_count(p);
    put_non_symmetric(b, p->chain_count, targets + 1);
    for (unsigned t = 0; t < targets; t++)
        put_non_symmetric(b, t / p->temporal_count, p->chain_count);
    for (unsigned i = 0; i < p->template_count; i++)
        for (unsigned c = 0; c < p->chain_count; c++)
            put(b, p->templates[i].chains[c], 4);
}

static void put_sizes(struct bit_writer *b, const struct depdesc_pattern_packet *p)
{
    bool has_size = p->width > 0 && p->height > 0;
    put(b, has_size, 1);
    for (unsigned left = p->pattern->spatial_count; has_size && left-- > 0;) {
        put(b, (unsigned)MAX(p->width >> left, 1) - 1, 16);
        put(b, (unsigned)MAX(p->height >> left, 1) - 1, 16);
    }
}

/* Frames back, each after its size in steps of four bits. */
static void put_references(struct bit_writer *b, const struct depdesc_pattern_custom *c)
{
    for (unsigned i = 0; i < c->reference_count; i++) {
        unsigned minus_one = c->references[i] - 1u;
        unsigned size = minus_one < 16 ? 1 : minus_one < 256 ? 2 : 3;
        put(b, size, 2);
        put(b, minus_one, 4 * size);
    }
    put(b, 0, 2);
}

static void put_custom(struct bit_writer *b, const struct depdesc_pattern_packet *p)
{
    const struct depdesc_pattern_custom *c = p->custom;
    if (c == NULL)
        return;
    if (c->has_references)
        put_references(b, c);
    for (unsigned i = 0; c->has_chains && i < p->pattern->chain_count; i++)
        put(b, c->chains[i], 8);
}

/* Targets are ordered by spatial layer, and the lowest bit of the mask is the first. */
static unsigned active_targets(const struct depdesc_pattern_packet *p)
{
    return (1u << (p->active_layers * p->pattern->temporal_count)) - 1;
}

void depdesc_pattern_write(struct writer *w, const struct depdesc_pattern_packet *p)
{
    check(p->template_index < p->pattern->template_count);
    check(p->active_layers <= p->pattern->spatial_count);
    const struct depdesc_pattern_custom *c = p->custom;
    bool has_references = c != NULL && c->has_references, has_chains = c != NULL && c->has_chains;
    writer_u8(w, (uint8_t)((p->start_of_frame ? 0x80 : 0) | (p->end_of_frame ? 0x40 : 0) |
                           p->template_index));
    writer_u16(w, p->frame_number);
    if (!p->with_structure && p->active_layers == 0 && !has_references && !has_chains)
        return;
    struct bit_writer b = { .out = w };
    put(&b, p->with_structure, 1);
    put(&b, p->active_layers > 0, 1);
    put(&b, 0, 1); /* DTIs are always those of a template */
    put(&b, has_references, 1);
    put(&b, has_chains, 1);
    if (p->with_structure) {
        put(&b, 0, 6); /* template_id_offset: the structure of a stream never changes */
        put(&b, target_count(p->pattern) - 1, 5);
        put_templates(&b, p->pattern);
        put_chains(&b, p->pattern);
        put_sizes(&b, p);
    }
    if (p->active_layers > 0)
        put(&b, active_targets(p), target_count(p->pattern));
    put_custom(&b, p);
    put(&b, 0, (8 - b.count) % 8);
}
