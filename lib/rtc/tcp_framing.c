/* SPDX-License-Identifier: Apache-2.0 */
#include "rtc/tcp_framing.h"

uint8_t *frame_reader_room(struct frame_reader *r, size_t *ret_capacity)
{
    check(r->capacity >= TCP_FRAME_HEADER_LEN + r->frame_max);
    if (r->at > 0)
        memmove(r->data, r->data + r->at, r->len - r->at);
    r->len -= r->at;
    r->at = 0;
    *ret_capacity = r->capacity - r->len;
    return r->data + r->len;
}

void frame_reader_added(struct frame_reader *r, size_t len)
{
    check(len <= r->capacity - r->len);
    r->len += len;
}

enum err frame_reader_next(struct frame_reader *r, uint8_t **ret, size_t *ret_len)
{
    while (r->len - r->at >= TCP_FRAME_HEADER_LEN) {
        size_t len = load_be16(r->data + r->at);
        if (len > r->frame_max)
            return ERR_MALFORMED;
        if (r->len - r->at < TCP_FRAME_HEADER_LEN + len)
            return ERR_TRUNCATED;
        uint8_t *frame = r->data + r->at + TCP_FRAME_HEADER_LEN;
        r->at += TCP_FRAME_HEADER_LEN + len;
        if (len == 0)
            continue;
        *ret = frame;
        *ret_len = len;
        return OK;
    }
    return ERR_TRUNCATED;
}

enum err frame_queue_put(struct frame_queue *q, struct bytes datagram)
{
    if (datagram.len == 0 || datagram.len > TCP_FRAME_LEN_MAX)
        return ERR_MALFORMED;
    size_t need = TCP_FRAME_HEADER_LEN + datagram.len;
    if (need > q->capacity - (q->len - q->at))
        return ERR_FULL;
    if (need > q->capacity - q->len) {
        memmove(q->data, q->data + q->at, q->len - q->at);
        q->len -= q->at;
        q->at = 0;
    }
    store_be16(q->data + q->len, (uint16_t)datagram.len);
    memcpy(q->data + q->len + TCP_FRAME_HEADER_LEN, datagram.data, datagram.len);
    q->len += need;
    return OK;
}

void frame_queue_sent(struct frame_queue *q, size_t len)
{
    check(len <= q->len - q->at);
    q->at += len;
    if (q->at == q->len)
        q->at = q->len = 0;
}
