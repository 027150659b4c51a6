/* rtp.c - fixed header, CSRCs, extension block, padding.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "rtc/rtp.h"

enum {
    BIT_PADDING = 0x20,
    BIT_EXTENSION = 0x10,
    BIT_MARKER = 0x80,
    ONE_BYTE_ID_STOP = 15, /* RFC 8285 §4.2: ends the block */
};

/* Cuts the padding off the rest of the packet (RFC 3550 §5.1). */
static enum err take_payload(struct rtp_packet *p, struct bytes rest, bool padded)
{
    p->padding_len = 0;
    if (padded) {
        if (rest.len == 0)
            return ERR_TRUNCATED;
        p->padding_len = rest.data[rest.len - 1];
        if (p->padding_len == 0 || p->padding_len > rest.len)
            return ERR_MALFORMED;
    }
    p->payload = bytes_of(rest.data, rest.len - p->padding_len);
    return OK;
}

enum err rtp_parse(struct bytes packet, struct rtp_packet *ret)
{
    struct reader r = reader_of(packet);
    uint8_t first = reader_u8(&r);
    uint8_t second = reader_u8(&r);
    struct rtp_packet p = {
        .payload_type = second & 0x7f,
        .marker = (second & BIT_MARKER) != 0,
        .seq = reader_u16(&r),
    };
    p.timestamp = reader_u32(&r);
    p.ssrc = reader_u32(&r);
    if (r.failed)
        return ERR_TRUNCATED;
    if (first >> 6 != 2)
        return ERR_MALFORMED;
    p.csrcs = reader_take(&r, (size_t)(first & 0x0f) * 4);
    p.has_ext = (first & BIT_EXTENSION) != 0;
    if (p.has_ext) {
        p.ext_profile = reader_u16(&r);
        p.ext = reader_take(&r, (size_t)reader_u16(&r) * 4);
    }
    if (r.failed)
        return ERR_TRUNCATED;
    enum err e = take_payload(&p, reader_take(&r, reader_left(&r)), (first & BIT_PADDING) != 0);
    if (e == OK)
        *ret = p;
    return e;
}

void rtp_write_header(struct writer *w, const struct rtp_packet *p)
{
    check(p->csrcs.len % 4 == 0 && p->csrcs.len <= 15 * 4);
    check(p->ext.len % 4 == 0 && p->ext.len / 4 <= UINT16_MAX);
    writer_u8(w, (uint8_t)(0x80 | (p->padding_len > 0 ? BIT_PADDING : 0) |
                           (p->has_ext ? BIT_EXTENSION : 0) | (p->csrcs.len / 4)));
    writer_u8(w, (uint8_t)((p->marker ? BIT_MARKER : 0) | (p->payload_type & 0x7f)));
    writer_u16(w, p->seq);
    writer_u32(w, p->timestamp);
    writer_u32(w, p->ssrc);
    writer_put(w, p->csrcs);
    if (p->has_ext) {
        writer_u16(w, p->ext_profile);
        writer_u16(w, (uint16_t)(p->ext.len / 4));
        writer_put(w, p->ext);
    }
}

void rtp_write(struct writer *w, const struct rtp_packet *p)
{
    rtp_write_header(w, p);
    writer_put(w, p->payload);
    if (p->padding_len > 0) {
        uint8_t *padding = writer_reserve(w, p->padding_len);
        if (padding != NULL) {
            memset(padding, 0, p->padding_len);
            padding[p->padding_len - 1] = p->padding_len;
        }
    }
}

struct rtp_ext_iter rtp_ext_iter_of(const struct rtp_packet *p)
{
    bool one_byte = p->has_ext && p->ext_profile == RTP_EXT_ONE_BYTE;
    bool two_byte = p->has_ext && (p->ext_profile & 0xfff0) == RTP_EXT_TWO_BYTE;
    return (struct rtp_ext_iter){
        .at = reader_of(one_byte || two_byte ? p->ext : (struct bytes){ 0 }),
        .two_byte = two_byte,
    };
}

bool rtp_ext_next(struct rtp_ext_iter *it, uint8_t *ret_id, struct bytes *ret_value)
{
    struct reader *r = &it->at;
    while (!r->failed && reader_left(r) > 0) {
        uint8_t head = reader_u8(r);
        uint8_t id = it->two_byte ? head : head >> 4;
        if (id == 0) {
            /* padding; a one-byte element with id 0 but a length is skipped whole (§4.2) */
            if (!it->two_byte && (head & 0x0f) != 0)
                (void)reader_take(r, (size_t)(head & 0x0f) + 1);
            continue;
        }
        if (!it->two_byte && id == ONE_BYTE_ID_STOP)
            break;
        size_t len = it->two_byte ? reader_u8(r) : (size_t)(head & 0x0f) + 1;
        struct bytes value = reader_take(r, len);
        if (r->failed)
            break;
        *ret_id = id;
        *ret_value = value;
        return true;
    }
    r->failed = true;
    return false;
}
