/* SPDX-License-Identifier: Apache-2.0 */
#include "core/outbox.h"

#include "limits.h"

uint8_t *outbox_reserve(struct outbox *o, size_t size)
{
    if (o->send_count == o->sends_max || size > o->scratch_size - o->scratch_used)
        return NULL;
    return o->scratch + o->scratch_used;
}

/* A GSO send is equal segments of which only the last may be shorter. */
static bool can_join(const struct outbox_send *s, const struct net_addr *to, uint16_t path,
                     uint32_t transport, size_t len)
{
    return s->transport == transport && s->path == path && len <= s->segment_size &&
           s->len % s->segment_size == 0 && s->len + len <= OUTBOX_SEND_BYTES_MAX &&
           outbox_send_segments(s) < OUTBOX_SEGMENTS_MAX && net_addr_equal(&s->to, to);
}

void outbox_commit(struct outbox *o, const struct net_addr *to, uint16_t path, uint32_t transport,
                   size_t len)
{
    check(len > 0 && len <= UINT16_MAX && len <= o->scratch_size - o->scratch_used);
    size_t offset = o->scratch_used;
    o->scratch_used += len;
    if (o->send_count > 0) {
        struct outbox_send *last = &o->sends[o->send_count - 1];
        if (can_join(last, to, path, transport, len)) {
            last->len += (uint32_t)len;
            return;
        }
    }
    check(o->send_count < o->sends_max);
    o->sends[o->send_count++] = (struct outbox_send){ .to = *to,
                                                      .path = path,
                                                      .segment_size = (uint16_t)len,
                                                      .offset = (uint32_t)offset,
                                                      .len = (uint32_t)len,
                                                      .transport = transport };
}
