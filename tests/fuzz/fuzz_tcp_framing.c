/* fuzz_tcp_framing.c - a TCP stream, cut as the first bytes say, is taken apart; what comes out is
 * framed again through a queue that drains at its own pace, and must read back the same.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "fuzz_input.h"

#include "rtc/tcp_framing.h"

enum { FRAME_MAX = 1500, QUEUE_SIZE = 4096 };

struct model {
    uint8_t frames[1 << 20]; /* what was queued and is not sent, framed by us */
    size_t at, len;
};

static struct model model;

static void drain(struct frame_queue *q, size_t most)
{
    struct bytes out = frame_queue_waiting(q);
    size_t n = MIN(out.len, most);
    check(out.len == model.len - model.at);
    check(n == 0 || memcmp(out.data, model.frames + model.at, n) == 0);
    model.at += n;
    frame_queue_sent(q, n);
}

static void queue(struct frame_queue *q, struct bytes frame)
{
    enum err e = frame_queue_put(q, frame);
    bool fits = model.len - model.at + TCP_FRAME_HEADER_LEN + frame.len <= QUEUE_SIZE;
    check(e == (fits ? OK : ERR_FULL));
    if (e != OK || model.len + TCP_FRAME_HEADER_LEN + frame.len > sizeof model.frames)
        return;
    store_be16(model.frames + model.len, (uint16_t)frame.len);
    memcpy(model.frames + model.len + TCP_FRAME_HEADER_LEN, frame.data, frame.len);
    model.len += TCP_FRAME_HEADER_LEN + frame.len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static uint8_t received[4 * FRAME_MAX], waiting[QUEUE_SIZE];
    struct frame_reader r = { .data = received, .capacity = sizeof received, .frame_max = 1500 };
    struct frame_queue q = { .data = waiting, .capacity = sizeof waiting };
    struct reader in = reader_of(bytes_of(data, len));
    size_t step = 1 + (size_t)reader_u16(&in) % 2000, pace = reader_u16(&in);
    model.at = model.len = 0;
    if (in.failed || len > sizeof model.frames / 2)
        return 0;
    enum err e = ERR_TRUNCATED;
    while (e == ERR_TRUNCATED && reader_left(&in) > 0) {
        size_t room, frame_len;
        uint8_t *at = frame_reader_room(&r, &room), *frame;
        check(room > 0);
        struct bytes part = reader_take(&in, MIN(MIN(step, room), reader_left(&in)));
        memcpy(at, part.data, part.len);
        frame_reader_added(&r, part.len);
        while ((e = frame_reader_next(&r, &frame, &frame_len)) == OK) {
            check(frame_len > 0 && frame_len <= FRAME_MAX);
            check(frame >= received && frame + frame_len <= received + sizeof received);
            queue(&q, bytes_of(frame, frame_len));
        }
        drain(&q, pace);
    }
    drain(&q, SIZE_MAX);
    return 0;
}
