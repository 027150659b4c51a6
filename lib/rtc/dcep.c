/* SPDX-License-Identifier: Apache-2.0 */
#include "rtc/dcep.h"

enum {
    MESSAGE_ACK = 2,
    MESSAGE_OPEN = 3,
    OPEN_HEADER_LEN = 12,
    CHANNEL_UNORDERED = 0x80,
};

static enum err parse_open(struct bytes message, struct dcep_message *ret)
{
    if (message.len < OPEN_HEADER_LEN)
        return ERR_TRUNCATED;
    unsigned type = message.data[1];
    unsigned reliability = type & ~(unsigned)CHANNEL_UNORDERED;
    size_t label_len = load_be16(message.data + 8), protocol_len = load_be16(message.data + 10);
    if (reliability > DCEP_LIFETIME)
        return ERR_UNSUPPORTED;
    if (OPEN_HEADER_LEN + label_len + protocol_len != message.len)
        return ERR_MALFORMED;
    *ret = (struct dcep_message){
        .kind = DCEP_OPEN,
        .open = { .reliability = (enum dcep_reliability)reliability,
                  .ordered = (type & CHANNEL_UNORDERED) == 0,
                  .priority = load_be16(message.data + 2),
                  .limit = reliability == DCEP_RELIABLE ? 0 : load_be32(message.data + 4),
                  .label = bytes_of(message.data + OPEN_HEADER_LEN, label_len),
                  .protocol = bytes_of(message.data + OPEN_HEADER_LEN + label_len, protocol_len) }
    };
    return OK;
}

enum err dcep_parse(struct bytes message, struct dcep_message *ret)
{
    if (message.len == 0)
        return ERR_TRUNCATED;
    if (message.data[0] == MESSAGE_OPEN)
        return parse_open(message, ret);
    if (message.data[0] != MESSAGE_ACK)
        return ERR_UNSUPPORTED;
    if (message.len != 1)
        return ERR_MALFORMED;
    *ret = (struct dcep_message){ .kind = DCEP_ACK };
    return OK;
}

enum err dcep_write_open(const struct dcep_open *open, struct writer *w)
{
    if (open->label.len > UINT16_MAX || open->protocol.len > UINT16_MAX)
        return ERR_FULL;
    writer_u8(w, MESSAGE_OPEN);
    writer_u8(w, (uint8_t)(open->reliability | (open->ordered ? 0u : CHANNEL_UNORDERED)));
    writer_u16(w, open->priority);
    writer_u32(w, open->reliability == DCEP_RELIABLE ? 0 : open->limit);
    writer_u16(w, (uint16_t)open->label.len);
    writer_u16(w, (uint16_t)open->protocol.len);
    writer_put(w, open->label);
    writer_put(w, open->protocol);
    return w->failed ? ERR_FULL : OK;
}

enum err dcep_write_ack(struct writer *w)
{
    writer_u8(w, MESSAGE_ACK);
    return w->failed ? ERR_FULL : OK;
}
