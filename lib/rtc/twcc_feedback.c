/* twcc_feedback.c - reading transport-wide feedback.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "rtc/twcc.h"

enum { TICKS_PER_REFERENCE = 256 };

/* The next packet status symbol: 0 lost, 1 small delta, 2 large delta, 3 reserved; -1 if the chunks
 * are used up. */
static int next_symbol(struct twcc_feedback *f)
{
    if (f->chunk_left_run == 0 && f->chunk_left_symbols == 0) {
        f->chunk = reader_u16(&f->chunks);
        if (f->chunks.failed)
            return -1;
        if ((f->chunk & 0x8000) == 0)
            f->chunk_left_run = f->chunk & 0x1fff;
        else
            f->chunk_left_symbols = (f->chunk & 0x4000) != 0 ? 7 : 14;
        if (f->chunk_left_run == 0 && f->chunk_left_symbols == 0)
            return -1; /* a run of nothing */
    }
    if (f->chunk_left_run > 0) {
        f->chunk_left_run--;
        return (f->chunk >> 13) & 3;
    }
    f->chunk_left_symbols--;
    if ((f->chunk & 0x4000) != 0)
        return (f->chunk >> (2 * f->chunk_left_symbols)) & 3;
    return (f->chunk >> f->chunk_left_symbols) & 1;
}

enum err twcc_feedback_parse(struct bytes fci, struct twcc_feedback *ret)
{
    struct reader r = reader_of(fci);
    struct twcc_feedback f = { .base_seq = reader_u16(&r) };
    f.status_count = reader_u16(&r);
    f.reference_time = (int32_t)(reader_u24(&r) << 8) >> 8;
    f.feedback_count = reader_u8(&r);
    if (r.failed)
        return ERR_TRUNCATED;
    if (f.status_count == 0)
        return ERR_MALFORMED;
    f.chunks = r;
    f.ticks = (int64_t)f.reference_time * TICKS_PER_REFERENCE;

    struct twcc_feedback scan = f;
    size_t deltas_len = 0;
    for (unsigned i = 0; i < f.status_count; i++) {
        int symbol = next_symbol(&scan);
        if (symbol < 0)
            return scan.chunks.failed ? ERR_TRUNCATED : ERR_MALFORMED;
        if (symbol == 3)
            return ERR_MALFORMED;
        deltas_len += (size_t)symbol;
    }
    if (reader_left(&scan.chunks) < deltas_len)
        return ERR_TRUNCATED;
    f.deltas = scan.chunks;
    *ret = f;
    return OK;
}

bool twcc_feedback_next(struct twcc_feedback *f, struct twcc_result *ret)
{
    if (f->index == f->status_count)
        return false;
    int symbol = next_symbol(f);
    check(symbol >= 0 && symbol <= 2);
    *ret =
        (struct twcc_result){ .seq = (uint16_t)(f->base_seq + f->index), .received = symbol > 0 };
    f->index++;
    if (symbol == 0)
        return true;
    int32_t delta = symbol == 1 ? reader_u8(&f->deltas) : (int16_t)reader_u16(&f->deltas);
    f->ticks += delta;
    ret->delta_us = delta * TWCC_TICK_US;
    ret->arrival_us = f->ticks * TWCC_TICK_US;
    return true;
}
