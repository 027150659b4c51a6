/* obu.h - the open bitstream units of AV1 (AV1 §5.3).
 *
 * Pure.
 *
 *   |F| type (4) |X|S|R|  X: | TID | SID | RRR |  S: leb128 size
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RTC_OBU_H
#define RTC_OBU_H

#include "common/bytes.h"

enum obu_type {
    OBU_SEQUENCE = 1,
    OBU_TEMPORAL_DELIMITER = 2,
    OBU_FRAME_HEADER = 3,
    OBU_FRAME = 6,
};

enum { LEB128_SIZE_MAX = 5 }; /* of 32 bits */

/* Numbers beyond 32 bits are ERR_MALFORMED: a failed reader. */
uint32_t leb128_read(struct reader *r);
void leb128_write(struct writer *w, uint32_t v);
size_t leb128_size(uint32_t v);

struct obu {
    uint8_t type;
    bool has_extension;
    uint8_t temporal_id, spatial_id;
    uint8_t header[2];    /* without the size bit */
    uint8_t header_len;   /* 1 or 2 */
    struct bytes payload; /* view */
};

/* Reads one OBU; without a size it takes all that is left. OK, ERR_TRUNCATED, ERR_MALFORMED. */
MUST_USE enum err obu_read(struct reader *r, struct obu *ret);

#endif
