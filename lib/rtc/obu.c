/* obu.c - AV1's units and their numbers.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "rtc/obu.h"

uint32_t leb128_read(struct reader *r)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < 8; i++) {
        uint8_t byte = reader_u8(r);
        v |= (uint64_t)(byte & 0x7f) << (7 * i);
        if ((byte & 0x80) != 0)
            continue;
        if (v > UINT32_MAX)
            break;
        return (uint32_t)v;
    }
    r->failed = true;
    return 0;
}

void leb128_write(struct writer *w, uint32_t v)
{
    for (; v >= 0x80; v >>= 7)
        writer_u8(w, (uint8_t)(v | 0x80));
    writer_u8(w, (uint8_t)v);
}

size_t leb128_size(uint32_t v)
{
    size_t size = 1;
    for (; v >= 0x80; v >>= 7)
        size++;
    return size;
}

enum err obu_read(struct reader *r, struct obu *ret)
{
    uint8_t first = reader_u8(r);
    struct obu o = {
        .type = (first >> 3) & 0x0f,
        .has_extension = (first & 0x04) != 0,
        .header = { (uint8_t)(first & ~0x02u) },
        .header_len = 1,
    };
    if (o.has_extension) {
        o.header[o.header_len++] = reader_u8(r);
        o.temporal_id = o.header[1] >> 5;
        o.spatial_id = (o.header[1] >> 3) & 3;
    }
    bool has_size = (first & 0x02) != 0;
    size_t size = has_size ? leb128_read(r) : reader_left(r);
    o.payload = reader_take(r, size);
    if (r->failed)
        return ERR_TRUNCATED;
    if ((first & 0x80) != 0) /* the forbidden bit */
        return ERR_MALFORMED;
    *ret = o;
    return OK;
}
