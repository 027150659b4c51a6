/* depacketizer_h264.c - RFC 6184 packetization-mode 1 into Annex B.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "rtc/nal.h"
#include "rtc/packetizer_codec.h"

static bool is_nal(uint8_t header)
{
    unsigned type = header & 0x1f;
    return type > 0 && type < NAL_STAP_A;
}

static enum err add_nal(struct depacketizer *d, struct bytes nal)
{
    if (nal.len == 0 || !is_nal(nal.data[0]))
        return ERR_MALFORMED;
    writer_u32(&d->out, 1);
    writer_put(&d->out, nal);
    return OK;
}

static enum err add_stap(struct depacketizer *d, struct reader r)
{
    if (reader_left(&r) == 0)
        return ERR_TRUNCATED;
    while (reader_left(&r) > 0) {
        struct bytes nal = reader_take(&r, reader_u16(&r));
        if (r.failed)
            return ERR_TRUNCATED;
        enum err e = add_nal(d, nal);
        if (e != OK)
            return e;
    }
    return OK;
}

static enum err add_fragment(struct depacketizer *d, uint8_t indicator, struct reader r)
{
    uint8_t header = reader_u8(&r);
    bool is_first = (header & 0x80) != 0, is_last = (header & 0x40) != 0;
    uint8_t nal_header = (indicator & 0xe0) | (header & 0x1f);
    if (r.failed || reader_left(&r) == 0)
        return ERR_TRUNCATED;
    if (!is_nal(nal_header) || (is_first && is_last) || is_first == d->has_open_unit)
        return ERR_MALFORMED;
    if (is_first) {
        writer_u32(&d->out, 1);
        d->unit_at = writer_len(&d->out);
        writer_u8(&d->out, nal_header);
    } else if ((d->out.start[d->unit_at] & 0x1f) != (header & 0x1f)) {
        return ERR_MALFORMED;
    }
    writer_put(&d->out, reader_take(&r, reader_left(&r)));
    d->has_open_unit = !is_last;
    return OK;
}

enum err depacketizer_add_h264(struct depacketizer *d, struct bytes payload)
{
    struct reader r = reader_of(payload);
    uint8_t header = reader_u8(&r);
    if (r.failed)
        return ERR_TRUNCATED;
    unsigned type = header & 0x1f;
    if (type == NAL_FU_A)
        return add_fragment(d, header, r);
    if (d->has_open_unit)
        return ERR_MALFORMED;
    if (type == NAL_STAP_A)
        return add_stap(d, r);
    if (type > NAL_STAP_A && type < 30) /* STAP-B, MTAP, FU-B: interleaved mode */
        return ERR_UNSUPPORTED;
    return add_nal(d, payload);
}
