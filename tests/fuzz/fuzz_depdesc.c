/* fuzz_depdesc.c - bytes as packets of a layered stream: descriptors are read, rewritten and read
 * again; a viewer's filter and mungers follow whatever comes.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "fuzz_input.h"

#include "core/layer_filter.h"
#include "rtc/seq.h"

enum { OPS_MAX = 4096 };

struct viewer {
    struct layer_reader reader;
    struct layer_filter filter;
    struct layer_window window;
    struct vp8_munger vp8;
    struct vp9_munger vp9;
};

static void check_info(const struct depdesc_info *d, const struct depdesc_structure *s,
                       struct bytes value)
{
    uint32_t all = UINT32_MAX >> (32 - s->target_count);
    check(s->template_count >= 1 && s->template_count <= DEPDESC_TEMPLATES_MAX);
    check(s->spatial_count <= DEPDESC_SPATIAL_MAX && s->temporal_count <= DEPDESC_TEMPORAL_MAX);
    check(s->chain_count <= s->target_count);
    check((d->present & ~all) == 0 && (d->switchable & ~d->present) == 0);
    check((d->active_targets & ~all) == 0);
    check(d->reference_count <= DEPDESC_REFERENCES_MAX);
    for (unsigned i = 0; i < d->reference_count; i++)
        check(d->references[i] >= 1 && d->references[i] <= 4096);
    check(d->layout.bit_count <= value.len * 8);
}

/* With a mask put in, everything else stays as it was. */
static void rewrite_and_read(struct bytes value, struct depdesc_structure *known)
{
    struct depdesc_info d, again;
    struct depdesc_structure s = *known, same;
    uint8_t buffer[DEPDESC_SIZE_MAX + 8];
    struct writer w = writer_of(buffer, sizeof buffer);
    if (depdesc_read(value, known, &d, &s) != OK) {
        depdesc_rewrite(&w, value, &(struct depdesc_layout){ 0 }, (struct depdesc_shift){ 7, 3 },
                        &(uint32_t){ 1 });
        check(w.failed || writer_len(&w) == value.len);
        return;
    }
    check_info(&d, &s, value);
    uint32_t mask = d.present & 0x5555;
    depdesc_rewrite(&w, value, &d.layout, (struct depdesc_shift){ 7, 0 }, &mask);
    check(w.failed || writer_len(&w) <= value.len + 5);
    same = *known;
    if (!w.failed) {
        check(depdesc_read(bytes_of(buffer, writer_len(&w)), known, &again, &same) == OK);
        check(again.active_targets == mask && again.present == d.present);
        check(again.switchable == d.switchable && again.reference_count == d.reference_count);
        check(again.head.frame_number == (uint16_t)(d.head.frame_number + 7));
        check(memcmp(&same, &s, sizeof s) == 0);
    }
}

static bool was_withheld(const struct layer_filter *f, uint16_t frame)
{
    unsigned at = frame % LAYER_FILTER_WINDOW;
    int back = -seq16_diff(frame, f->newest);
    return f->started && back >= 0 && back < LAYER_FILTER_WINDOW &&
           (f->window->known[at / 64] >> at % 64 & 1) != 0 &&
           (f->window->sent[at / 64] >> at % 64 & 1) == 0;
}

static bool is_known(const struct layer_filter *f, uint16_t frame)
{
    unsigned at = frame % LAYER_FILTER_WINDOW;
    int back = -seq16_diff(frame, f->newest);
    return f->started && back >= 0 && back < LAYER_FILTER_WINDOW &&
           (f->window->known[at / 64] >> at % 64 & 1) != 0;
}

static enum layer_verdict filter(struct viewer *v, const struct frame_layers *fl)
{
    bool marker, decided = is_known(&v->filter, fl->frame_number);
    enum layer_verdict verdict = layer_filter_push(&v->filter, &v->reader.structure, fl, &marker);
    check(!marker || verdict == LAYER_SEND);
    if (verdict == LAYER_SEND && fl->has_layers && !decided)
        for (unsigned i = 0; i < fl->reference_count; i++)
            check(!was_withheld(&v->filter, (uint16_t)(fl->frame_number - fl->references[i])));
    if (v->filter.target != LAYER_NONE)
        check(!fl->has_layers || v->filter.target < v->reader.structure.target_count);
    const uint32_t *mask = layer_filter_active_targets(&v->filter);
    check(mask == NULL || (*mask & ~v->filter.all) == 0);
    /* said once, it holds */
    if (fl->numbered && is_known(&v->filter, fl->frame_number))
        check(layer_filter_push(&v->filter, &v->reader.structure, fl, &marker) == verdict);
    return verdict;
}

static void munge(struct viewer *v, struct bytes payload, struct payload_descriptor *d,
                  const struct frame_layers *fl, enum layer_verdict verdict)
{
    uint8_t buffer[16];
    struct writer w = writer_of(buffer, sizeof buffer);
    if (d->codec == CODEC_VP8) {
        if (fl->keyframe_start)
            vp8_munger_switch(&v->vp8, &d->vp8);
        if (verdict == LAYER_DROP)
            vp8_munger_skip_picture(&v->vp8, &d->vp8);
        else
            vp8_munger_apply(&v->vp8, &d->vp8);
        check(v->vp8.range_count <= VP8_MUNGER_RANGES);
    } else if (d->codec == CODEC_VP9) {
        if (fl->keyframe_start)
            vp9_munger_switch(&v->vp9, &d->vp9);
        vp9_munger_apply(&v->vp9, &d->vp9);
        size_t skip = vp9_write_patch(&w, &d->vp9, payload);
        check(!w.failed && writer_len(&w) <= VP9_PATCH_SIZE_MAX && skip <= d->vp9.len);
        check(skip <= writer_len(&w) && writer_len(&w) <= skip + 1);
    }
}

static void push(struct viewer *v, enum codec codec, struct bytes payload, struct bytes depdesc)
{
    struct frame_layers fl;
    struct payload_descriptor d;
    if (layer_reader_read(&v->reader, codec, payload, depdesc, &fl, &d) != OK)
        return;
    check(v->reader.structure.target_count <= LAYER_TARGETS_MAX);
    check(fl.reference_count <= LAYER_REFERENCES_MAX);
    for (unsigned i = 0; i < fl.reference_count; i++)
        check(fl.references[i] > 0);
    munge(v, payload, &d, &fl, filter(v, &fl));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const uint8_t av1[] = { 0x10 };
    struct reader in = reader_of(bytes_of(data, len));
    static struct viewer v;
    v = (struct viewer){ 0 };
    layer_filter_init(&v.filter, &v.window);
    for (unsigned i = 0; i < OPS_MAX && reader_left(&in) >= 2; i++) {
        uint8_t op = reader_u8(&in);
        size_t size = reader_u8(&in);
        struct bytes chunk = reader_take(&in, MIN(size, reader_left(&in)));
        switch (op & 7) {
        case 0:
            layer_filter_want(&v.filter, op >> 3 & 3, op >> 5);
            break;
        case 1:
            layer_filter_reset(&v.filter);
            break;
        case 2:
            push(&v, CODEC_VP8, chunk, bytes_of(NULL, 0));
            break;
        case 3:
            push(&v, CODEC_VP9, chunk, bytes_of(NULL, 0));
            break;
        case 4:
            push(&v, CODEC_AV1, chunk, bytes_of(NULL, 0));
            break;
        default:
            rewrite_and_read(chunk, &v.reader.depdesc);
            push(&v, CODEC_AV1, bytes_of(av1, sizeof av1), chunk);
            break;
        }
    }
    return 0;
}
