/* stamp.h - when a packet was sent and by whom, carried by the packet itself.
 *
 *    63                                32 31                  14 13        2 1      0
 *   | seconds since 1900 (NTP)           | fraction, ~4 us steps | sender    | layer  |
 *
 * Servers that forward abs-capture-time carry it there (the lowest bits are far below what any
 * receiver looks at, so browsers see an ordinary capture time). Through others it is the last
 * STAMP_TRAILER_SIZE bytes of the payload, which only bots understand.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_STAMP_H
#define LOADTEST_STAMP_H

#include "common/bytes.h"

enum {
    STAMP_SENDER_BITS = 12,
    STAMP_LAYER_BITS = 2,
    STAMP_TRAILER_SIZE = 12, /* "cstp" and the stamp */
};

struct stamp {
    wall_usec sent_at;
    uint16_t sender; /* bot index modulo 4096 */
    uint8_t layer;   /* index of the simulcast layer, 0 is the smallest */
};

uint64_t stamp_pack(const struct stamp *s);
struct stamp stamp_unpack(uint64_t word);

void stamp_write_trailer(struct writer *w, uint64_t word);
/* Cuts the trailer off a payload that has one. False: it has none, nothing is changed. */
bool stamp_take_trailer(struct bytes *payload, uint64_t *ret_word);

#endif
