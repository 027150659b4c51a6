/* ogg_opus.c - Opus in Ogg (RFC 3533, RFC 7845): media_file.h's other half.
 *
 * What is written has one packet in each page: a recording is complete at any moment.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/media_file.h"

enum {
    FLAG_CONTINUED = 1,
    FLAG_FIRST = 2,
    FLAG_LAST = 4,
    PAGE_HEADER_SIZE = 27,
    CHECKSUM_AT = 22,
    OPUS_SAMPLES_MAX = 5760, /* 120 ms */
    FILL_SAMPLES = 960,
    RESYNC_SAMPLES = 5 * 48000, /* this far back is another stream, not a late packet */
};

/* CRC-32 with polynomial 04c11db7, neither reflected nor inverted (RFC 3533 §6). */
static uint32_t checksum(uint32_t crc, struct bytes b)
{
    static const uint32_t table[16] = {
        0x00000000, 0x04c11db7, 0x09823b6e, 0x0d4326d9, 0x130476dc, 0x17c56b6b,
        0x1a864db2, 0x1e475005, 0x2608edb8, 0x22c9f00f, 0x2f8ad6d6, 0x2b4bcb61,
        0x350c9b64, 0x31cd86d3, 0x3c8ea00a, 0x384fbdbd,
    };
    for (size_t i = 0; i < b.len; i++) {
        crc = crc << 4 ^ table[crc >> 28 ^ b.data[i] >> 4];
        crc = crc << 4 ^ table[crc >> 28 ^ (b.data[i] & 15)];
    }
    return crc;
}

/* Of a whole page, whose own checksum counts as zero. */
static uint32_t page_checksum(struct bytes page)
{
    static const uint8_t zeros[4];
    size_t behind = CHECKSUM_AT + sizeof(zeros);
    uint32_t crc = checksum(0, bytes_of(page.data, CHECKSUM_AT));
    crc = checksum(crc, bytes_of(zeros, sizeof(zeros)));
    return checksum(crc, bytes_of(page.data + behind, page.len - behind));
}

static void write_le32(struct writer *w, uint32_t v)
{
    writer_u32(w, __builtin_bswap32(v));
}

/* A page with one packet, or none. */
static void write_page(struct ogg_opus_writer *o, uint8_t flags, struct bytes packet,
                       struct writer *w)
{
    uint8_t *page = w->at;
    bool is_empty = packet.len == 0;
    writer_put(w, bytes_of_str("OggS"));
    writer_u8(w, 0);
    writer_u8(w, flags);
    writer_u64(w, __builtin_bswap64(o->position));
    write_le32(w, o->serial);
    write_le32(w, o->page++);
    write_le32(w, 0);
    writer_u8(w, is_empty ? 0 : (uint8_t)(packet.len / 255 + 1));
    for (size_t left = packet.len; left >= 255; left -= 255)
        writer_u8(w, 255);
    if (!is_empty)
        writer_u8(w, (uint8_t)(packet.len % 255));
    writer_put(w, packet);
    if (w->failed)
        return;
    uint32_t crc = page_checksum(bytes_of(page, (size_t)(w->at - page)));
    store_be32(page + CHECKSUM_AT, __builtin_bswap32(crc));
}

static void write_headers(struct ogg_opus_writer *o, struct writer *w)
{
    static const char vendor[] = "conclave-bot";
    uint8_t buffer[64];
    struct writer head = writer_of(buffer, sizeof(buffer));
    writer_put(&head, bytes_of_str("OpusHead"));
    writer_u8(&head, 1);
    writer_u8(&head, o->channels);
    writer_u16(&head, 0); /* pre-skip */
    write_le32(&head, 48000);
    writer_u16(&head, 0); /* gain */
    writer_u8(&head, 0);  /* mapping family */
    write_page(o, FLAG_FIRST, bytes_of(buffer, writer_len(&head)), w);
    struct writer tags = writer_of(buffer, sizeof(buffer));
    writer_put(&tags, bytes_of_str("OpusTags"));
    write_le32(&tags, sizeof(vendor) - 1);
    writer_put(&tags, bytes_of_str(vendor));
    write_le32(&tags, 0);
    write_page(o, 0, bytes_of(buffer, writer_len(&tags)), w);
}

unsigned opus_packet_samples(struct bytes packet)
{
    static const uint16_t silk_samples[] = { 480, 960, 1920, 2880 };
    if (packet.len == 0)
        return 0;
    unsigned config = packet.data[0] >> 3, code = packet.data[0] & 3;
    unsigned samples = 120u << (config & 3); /* CELT */
    if (config < 12)
        samples = silk_samples[config & 3];
    else if (config < 16)
        samples = silk_samples[config & 1]; /* hybrid */
    unsigned frames = code == 0 ? 1 : 2;
    if (code == 3)
        frames = packet.len < 2 ? 0 : packet.data[1] & 0x3f;
    return samples * frames <= OPUS_SAMPLES_MAX ? samples * frames : 0;
}

static void write_packet(struct ogg_opus_writer *o, struct bytes packet, unsigned samples,
                         struct writer *w)
{
    o->position += samples;
    write_page(o, 0, packet, w);
}

void ogg_opus_write(struct ogg_opus_writer *o, struct bytes packet, uint32_t timestamp,
                    struct writer *w)
{
    static const uint8_t nothing = 31 << 3; /* CELT, 20 ms, one frame of no bytes */
    unsigned samples = opus_packet_samples(packet);
    if (samples == 0 || packet.len > OGG_OPUS_PACKET_MAX)
        return;
    if (!o->started) {
        write_headers(o, w);
        o->started = true;
        o->next = timestamp;
    }
    int32_t gap = (int32_t)(timestamp - o->next);
    if (gap < 0 && gap > -RESYNC_SAMPLES)
        return;
    for (int i = 0; i < OGG_OPUS_FILL_MAX && gap >= FILL_SAMPLES; i++, gap -= FILL_SAMPLES)
        write_packet(o, bytes_of(&nothing, 1), FILL_SAMPLES, w);
    write_packet(o, packet, samples, w);
    o->next = timestamp + samples;
}

void ogg_opus_write_end(struct ogg_opus_writer *o, struct writer *w)
{
    if (o->started)
        write_page(o, FLAG_LAST, bytes_of(NULL, 0), w);
}

/* A page of any stream. ret_flags, ret_serial, its lacing values and what they measure. */
struct page {
    uint8_t flags;
    uint32_t serial;
    struct bytes lacing, body;
};

static enum err read_page(struct reader *r, struct page *ret)
{
    const uint8_t *start = r->at;
    struct bytes capture = reader_take(r, 4);
    uint8_t version = reader_u8(r);
    struct page p = { .flags = reader_u8(r) };
    (void)reader_take(r, 8);
    p.serial = __builtin_bswap32(reader_u32(r));
    (void)reader_take(r, 4);
    uint32_t crc = __builtin_bswap32(reader_u32(r));
    p.lacing = reader_take(r, reader_u8(r));
    size_t len = 0;
    for (size_t i = 0; i < p.lacing.len; i++)
        len += p.lacing.data[i];
    p.body = reader_take(r, len);
    if (r->failed)
        return ERR_TRUNCATED;
    if (!bytes_equal(capture, bytes_of_str("OggS")) || version != 0 ||
        page_checksum(bytes_of(start, (size_t)(r->at - start))) != crc)
        return ERR_MALFORMED;
    *ret = p;
    return OK;
}

/* What is left of one packet in the page. False: it goes on in the next page. */
static bool take_part(struct ogg_opus_reader *r, struct bytes *ret)
{
    size_t len = 0;
    uint8_t value = 255;
    while (value == 255 && reader_left(&r->lacing) > 0) {
        value = reader_u8(&r->lacing);
        len += value;
    }
    *ret = reader_take(&r->body, len);
    return value < 255;
}

static enum err next_page(struct ogg_opus_reader *r)
{
    struct page p;
    do {
        if (reader_left(&r->in) == 0)
            return ERR_NOT_FOUND;
        enum err e = read_page(&r->in, &p);
        if (e != OK)
            return e;
    } while (p.serial != r->serial);
    r->lacing = reader_of(p.lacing);
    r->body = reader_of(p.body);
    bool is_continued = (p.flags & FLAG_CONTINUED) != 0;
    struct bytes rest;
    if (is_continued && !r->is_joining) /* its start is missing */
        (void)take_part(r, &rest);
    if (!is_continued)
        r->is_joining = false; /* its end is missing */
    return OK;
}

static enum err join(struct ogg_opus_reader *r, struct bytes part, bool is_kept)
{
    if (!r->is_joining)
        r->joined_len = 0;
    r->is_joining = true;
    if (!is_kept)
        return OK;
    if (part.len > sizeof(r->joined) - r->joined_len)
        return ERR_FULL;
    if (part.len > 0)
        memcpy(r->joined + r->joined_len, part.data, part.len);
    r->joined_len += part.len;
    return OK;
}

/* is_kept: false skips a packet of any length. */
static enum err next_packet(struct ogg_opus_reader *r, bool is_kept, struct bytes *ret)
{
    for (;;) {
        if (reader_left(&r->lacing) == 0) {
            enum err e = next_page(r);
            if (e != OK)
                return e;
            continue;
        }
        struct bytes part;
        bool is_whole = take_part(r, &part);
        bool is_alone = is_whole && !r->is_joining;
        enum err e = is_alone ? OK : join(r, part, is_kept);
        if (e != OK)
            return e;
        if (!is_whole)
            continue;
        r->is_joining = false;
        *ret = is_alone ? part : bytes_of(r->joined, r->joined_len);
        return OK;
    }
}

enum err ogg_opus_open(struct ogg_opus_reader *r, struct bytes file)
{
    struct page first;
    struct bytes packet;
    *r = (struct ogg_opus_reader){ .in = reader_of(file) };
    enum err e = read_page(&r->in, &first);
    if (e != OK)
        return e;
    r->in = reader_of(file);
    r->serial = first.serial;
    e = next_packet(r, true, &packet);
    if (e != OK)
        return e == ERR_NOT_FOUND ? ERR_TRUNCATED : e;
    if (packet.len < 19 || !bytes_equal(bytes_of(packet.data, 8), bytes_of_str("OpusHead")))
        return ERR_UNSUPPORTED;
    r->channels = packet.data[9];
    r->pre_skip = (uint16_t)(packet.data[10] | packet.data[11] << 8);
    if (packet.data[8] >> 4 != 0 || r->channels < 1 || r->channels > 2 || packet.data[18] != 0)
        return ERR_UNSUPPORTED;
    e = next_packet(r, false, &packet); /* OpusTags */
    return e == ERR_NOT_FOUND ? ERR_TRUNCATED : e;
}

enum err ogg_opus_next(struct ogg_opus_reader *r, struct bytes *ret)
{
    struct bytes packet = { 0 };
    while (packet.len == 0) {
        enum err e = next_packet(r, true, &packet);
        if (e != OK)
            return e;
    }
    *ret = packet;
    return OK;
}
