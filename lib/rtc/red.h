/* red.h - redundant audio: earlier packets repeated behind the header of a later one (RFC 2198).
 *
 * Pure; views point into the caller's memory.
 *
 *    0                   1                   2                   3
 *   |1|  block PT   |    timestamp offset     |   block length    |  each repeated packet,
 *   |1|  block PT   |    timestamp offset     |   block length    |  oldest first
 *   |0|  block PT   |  then the blocks in this order, the newest last: it is the primary
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RTC_RED_H
#define RTC_RED_H

#include "common/bytes.h"

enum {
    RED_BLOCKS_MAX = 8,             /* the primary included; senders repeat one to three */
    RED_REPEATS_MAX = 2,            /* packets that we repeat: covers two losses in a row */
    RED_HISTORY = 4,                /* packets remembered: some may be put before one is written */
    RED_OFFSET_MAX = (1 << 14) - 1, /* of the timestamp: 341 ms at 48 kHz */
    RED_BLOCK_SIZE_MAX = (1 << 10) - 1,
    RED_HISTORY_SIZE_MAX = 400, /* what is longer (160 kbit/s) is not repeated */
    RED_HEADER_SIZE_MAX = 4 * RED_REPEATS_MAX + 1,
    /* What red_write() may add to a payload. */
    RED_OVERHEAD_MAX = RED_HEADER_SIZE_MAX + RED_REPEATS_MAX * RED_HISTORY_SIZE_MAX,
};

struct red_block {
    uint8_t payload_type;
    uint16_t timestamp_offset; /* before the packet's timestamp; 0 for the primary */
    struct bytes data;         /* may be empty */
};

struct red_packet {
    struct red_block blocks[RED_BLOCKS_MAX]; /* the primary is the last */
    size_t block_count;                      /* at least 1 */
};

/* OK, ERR_TRUNCATED, or ERR_UNSUPPORTED: more than RED_BLOCKS_MAX blocks. ret is written on OK. */
MUST_USE enum err red_parse(struct bytes payload, struct red_packet *ret);

/* The last packets of one stream without redundancy, to be repeated. Zero-initialised is ready. */
struct red_history {
    struct red_kept {
        int64_t seq; /* extended */
        uint32_t timestamp;
        uint16_t len; /* 0: the place is empty */
        uint8_t data[RED_HISTORY_SIZE_MAX];
    } kept[RED_HISTORY]; /* by seq modulo RED_HISTORY */
};

/* Remembers a packet, by copy. */
void red_history_put(struct red_history *h, int64_t seq, uint32_t timestamp, struct bytes payload);

/* Names the payload types of blocks anew in a payload that red_parse() has taken: `from` becomes
 * `to`. */
void red_rename(uint8_t *payload, uint8_t from, uint8_t to);

/* What to write in front of a packet. */
struct red_order {
    uint8_t payload_type; /* of all blocks, 7 bits */
    uint8_t repeat_max;   /* packets before it, at most RED_REPEATS_MAX … */
    int64_t repeat_from;  /* … and none before this number */
};

/* Writes the payload of packet `seq` with those right before it repeated, as far as they are asked
 * for and known, the block header can name them, and w has room; always with the primary.
 *
 * Call it before red_history_put() of the same packet, or soon after. */
void red_write(struct writer *w, const struct red_history *h, int64_t seq, uint32_t timestamp,
               const struct red_order *order, struct bytes payload);

#endif
