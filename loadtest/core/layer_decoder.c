/* SPDX-License-Identifier: Apache-2.0 */
#include "core/layer_decoder.h"

#include "rtc/seq.h"

_Static_assert(65536 % LAYER_DECODER_WINDOW == 0, "a frame number has one place");

void layer_decoder_init(struct layer_decoder *d)
{
    *d = (struct layer_decoder){ .best = LAYER_DECODER_NONE, .shown = LAYER_DECODER_NONE };
}

struct layer_frame layer_frame_of(const struct frame_layers *fl)
{
    struct layer_frame f = { .number = fl->frame_number,
                             .is_known = fl->has_layers,
                             .starts = fl->keyframe_start,
                             .frame_end = fl->frame_end,
                             .spatial = fl->spatial,
                             .reference_count = fl->reference_count };
    memcpy(f.references, fl->references, sizeof f.references);
    return f;
}

static void write_bit(struct layer_decoder *d, uint16_t number, bool value)
{
    unsigned at = number % LAYER_DECODER_WINDOW;
    uint64_t bit = (uint64_t)1 << at % 64;
    d->decoded[at / 64] = value ? d->decoded[at / 64] | bit : d->decoded[at / 64] & ~bit;
}

static bool is_decoded(const struct layer_decoder *d, uint16_t number)
{
    unsigned at = number % LAYER_DECODER_WINDOW;
    int back = -seq16_diff(number, d->newest);
    return back >= 0 && back < LAYER_DECODER_WINDOW && (d->decoded[at / 64] >> at % 64 & 1) != 0;
}

/* Whatever is between was not sent, or is lost. */
static void move_to(struct layer_decoder *d, uint16_t number)
{
    int ahead = seq16_diff(number, d->newest);
    if (!d->started || ahead <= 0 || ahead >= LAYER_DECODER_WINDOW)
        memset(d->decoded, 0, sizeof d->decoded);
    else
        while (ahead-- > 0)
            write_bit(d, ++d->newest, false);
    d->started = true;
    d->newest = number;
}

static bool can_decode(const struct layer_decoder *d, const struct layer_frame *f)
{
    for (unsigned i = 0; i < f->reference_count; i++)
        if (!is_decoded(d, (uint16_t)(f->number - f->references[i])))
            return false;
    return true;
}

void layer_decoder_on_frame(struct layer_decoder *d, const struct layer_frame *f)
{
    if (f->starts)
        d->started = false; /* nothing before it counts */
    move_to(d, f->number);
    bool is_good = can_decode(d, f);
    write_bit(d, f->number, is_good);
    if (!is_good)
        d->is_missing = true;
    else if (f->is_known && (d->best == LAYER_DECODER_NONE || f->spatial > d->best))
        d->best = f->spatial;
}

bool layer_decoder_end_picture(struct layer_decoder *d)
{
    bool is_good = !d->is_missing;
    if (d->best != LAYER_DECODER_NONE)
        d->shown = d->best;
    d->best = LAYER_DECODER_NONE;
    d->is_missing = false;
    return is_good;
}
