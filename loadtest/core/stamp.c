/* SPDX-License-Identifier: Apache-2.0 */
#include "core/stamp.h"

#include "rtc/rtcp.h"

enum { TAG_BITS = STAMP_SENDER_BITS + STAMP_LAYER_BITS, MAGIC = 0x63737470 };

static const uint64_t tag_mask = (UINT64_C(1) << TAG_BITS) - 1;

uint64_t stamp_pack(const struct stamp *s)
{
    uint64_t tag = ((uint64_t)(s->sender & ((1u << STAMP_SENDER_BITS) - 1)) << STAMP_LAYER_BITS) |
                   (s->layer & ((1u << STAMP_LAYER_BITS) - 1));
    return (ntp_of(s->sent_at) & ~tag_mask) | tag;
}

struct stamp stamp_unpack(uint64_t word)
{
    uint64_t tag = word & tag_mask;
    /* half a step up: the middle of what the cut bits may have been */
    return (struct stamp){ .sent_at = ntp_to_wall((word & ~tag_mask) + (tag_mask >> 1)),
                           .sender = (uint16_t)(tag >> STAMP_LAYER_BITS),
                           .layer = (uint8_t)(tag & ((1u << STAMP_LAYER_BITS) - 1)) };
}

void stamp_write_trailer(struct writer *w, uint64_t word)
{
    writer_u32(w, MAGIC);
    writer_u64(w, word);
}

bool stamp_take_trailer(struct bytes *payload, uint64_t *ret_word)
{
    if (payload->len < STAMP_TRAILER_SIZE)
        return false;
    const uint8_t *at = payload->data + payload->len - STAMP_TRAILER_SIZE;
    if (load_be32(at) != MAGIC)
        return false;
    *ret_word = load_be64(at + 4);
    payload->len -= STAMP_TRAILER_SIZE;
    return true;
}
