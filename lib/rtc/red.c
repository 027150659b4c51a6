/* red.c - see red.h. SPDX-License-Identifier: Apache-2.0 */
#include "rtc/red.h"

enum { MORE = 0x80, BLOCK_HEADER_SIZE = 4 };

enum err red_parse(struct bytes payload, struct red_packet *ret)
{
    struct red_packet p = { 0 };
    size_t lengths[RED_BLOCKS_MAX] = { 0 };
    struct reader r = reader_of(payload);
    for (bool more = true; more; p.block_count++) {
        if (p.block_count == RED_BLOCKS_MAX)
            return ERR_UNSUPPORTED;
        uint8_t first = reader_u8(&r);
        struct red_block *b = &p.blocks[p.block_count];
        b->payload_type = first & 0x7f;
        more = (first & MORE) != 0;
        if (more) {
            uint32_t rest = reader_u24(&r);
            b->timestamp_offset = (uint16_t)(rest >> 10);
            lengths[p.block_count] = rest & RED_BLOCK_SIZE_MAX;
        }
        if (r.failed)
            return ERR_TRUNCATED;
    }
    for (size_t i = 0; i + 1 < p.block_count; i++)
        p.blocks[i].data = reader_take(&r, lengths[i]);
    p.blocks[p.block_count - 1].data = reader_take(&r, reader_left(&r));
    if (r.failed)
        return ERR_TRUNCATED;
    *ret = p;
    return OK;
}

static size_t place_of(int64_t seq)
{
    return (uint64_t)seq % RED_HISTORY;
}

void red_history_put(struct red_history *h, int64_t seq, uint32_t timestamp, struct bytes payload)
{
    struct red_kept *k = &h->kept[place_of(seq)];
    if (k->len > 0 && k->seq > seq)
        return; /* late: a newer one is here */
    k->seq = seq;
    k->timestamp = timestamp;
    k->len = payload.len <= RED_HISTORY_SIZE_MAX ? (uint16_t)payload.len : 0;
    if (k->len > 0)
        memcpy(k->data, payload.data, k->len);
}

/* NULL if the packet is not known or the header cannot say how old it is. */
static const struct red_kept *repeatable(const struct red_history *h, int64_t seq,
                                         uint32_t timestamp)
{
    const struct red_kept *k = &h->kept[place_of(seq)];
    bool is_it = k->len > 0 && k->seq == seq;
    return is_it && timestamp - k->timestamp <= RED_OFFSET_MAX ? k : NULL;
}

void red_rename(uint8_t *payload, uint8_t from, uint8_t to)
{
    bool more = true;
    for (; more; payload += BLOCK_HEADER_SIZE) {
        more = (payload[0] & MORE) != 0;
        if ((payload[0] & 0x7f) == from)
            payload[0] = (uint8_t)((payload[0] & MORE) | (to & 0x7f));
    }
}

void red_write(struct writer *w, const struct red_history *h, int64_t seq, uint32_t timestamp,
               const struct red_order *order, struct bytes payload)
{
    check(order->repeat_max <= RED_REPEATS_MAX);
    const struct red_kept *repeated[RED_REPEATS_MAX];
    size_t count = 0;
    size_t size = 1 + payload.len;
    /* The newest are worth most. */
    for (int64_t at = seq - 1; count < order->repeat_max && at >= order->repeat_from; at--) {
        const struct red_kept *k = repeatable(h, at, timestamp);
        if (k == NULL || size + BLOCK_HEADER_SIZE + k->len > writer_left(w))
            break;
        size += BLOCK_HEADER_SIZE + k->len;
        repeated[count++] = k;
    }
    uint8_t type = order->payload_type & 0x7f;
    for (size_t i = count; i-- > 0;) {
        writer_u8(w, (uint8_t)(MORE | type));
        writer_u24(w, (timestamp - repeated[i]->timestamp) << 10 | repeated[i]->len);
    }
    writer_u8(w, type);
    for (size_t i = count; i-- > 0;)
        writer_put(w, bytes_of(repeated[i]->data, repeated[i]->len));
    writer_put(w, payload);
}
