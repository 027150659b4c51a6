/* depacketizer_av1.c - aggregation packets into OBUs with sizes (AV1 RTP §4).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "rtc/obu.h"
#include "rtc/packetizer_codec.h"

/* The unit at unit_at is whole: gives it a size field, or drops it if it is a temporal delimiter.
 * A size that it already has must be right. */
static enum err close_unit(struct depacketizer *d)
{
    struct obu o;
    uint8_t *unit = d->out.start + d->unit_at;
    struct reader r = reader_of(bytes_of(unit, (size_t)(d->out.at - unit)));
    enum err e = obu_read(&r, &o);
    if (e != OK || reader_left(&r) > 0 || o.payload.len > UINT32_MAX)
        return ERR_MALFORMED;
    d->out.at = unit;
    if (o.type == OBU_TEMPORAL_DELIMITER)
        return OK;
    uint32_t size = (uint32_t)o.payload.len;
    size_t head = o.header_len + leb128_size(size);
    if (writer_left(&d->out) < head + size)
        return ERR_FULL;
    memmove(unit + head, o.payload.data, size);
    o.header[0] |= 0x02;
    writer_put(&d->out, bytes_of(o.header, o.header_len));
    leb128_write(&d->out, size);
    check(writer_reserve(&d->out, size) != NULL || size == 0);
    return OK;
}

static enum err add_element(struct depacketizer *d, struct bytes element, bool is_continued)
{
    if (element.len == 0)
        return ERR_MALFORMED;
    if (!d->has_open_unit)
        d->unit_at = writer_len(&d->out);
    writer_put(&d->out, element);
    d->has_open_unit = is_continued;
    if (is_continued || d->out.failed)
        return OK;
    return close_unit(d);
}

enum err depacketizer_add_av1(struct depacketizer *d, struct bytes payload)
{
    struct reader r = reader_of(payload);
    uint8_t aggregation = reader_u8(&r);
    bool continues = (aggregation & 0x80) != 0, is_continued = (aggregation & 0x40) != 0;
    unsigned announced = (aggregation >> 4) & 3; /* W */
    if (r.failed || reader_left(&r) == 0)
        return ERR_TRUNCATED;
    if (continues != d->has_open_unit)
        return ERR_MALFORMED;
    unsigned count = 0;
    while (reader_left(&r) > 0) {
        count++;
        size_t len = count == announced ? reader_left(&r) : leb128_read(&r);
        struct bytes element = reader_take(&r, len);
        if (r.failed)
            return ERR_TRUNCATED;
        enum err e = add_element(d, element, is_continued && reader_left(&r) == 0);
        if (e != OK)
            return e;
    }
    return announced == 0 || count == announced ? OK : ERR_MALFORMED;
}
