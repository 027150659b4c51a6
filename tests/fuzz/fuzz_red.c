/* fuzz_red.c - bytes as a redundant payload; what was taken apart and written again says the same.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "fuzz_input.h"

#include "rtc/red.h"

static void check_again(const struct red_packet *p)
{
    static uint8_t memory[65536 + RED_OVERHEAD_MAX];
    struct red_history h = { 0 };
    const struct red_block *primary = &p->blocks[p->block_count - 1];
    for (size_t i = 0; i + 1 < p->block_count; i++)
        red_history_put(&h, (int64_t)i, 50000u - p->blocks[i].timestamp_offset, p->blocks[i].data);
    struct writer w = writer_of(memory, sizeof(memory));
    const struct red_order order = { primary->payload_type, RED_REPEATS_MAX, 0 };
    red_write(&w, &h, (int64_t)p->block_count - 1, 50000, &order, primary->data);
    struct red_packet again;
    check(!w.failed && red_parse(bytes_of(memory, writer_len(&w)), &again) == OK);
    check(again.block_count <= RED_REPEATS_MAX + 1 && again.block_count <= p->block_count);
    for (size_t i = 1; i <= again.block_count; i++) {
        const struct red_block *a = &again.blocks[again.block_count - i];
        const struct red_block *b = &p->blocks[p->block_count - i];
        check(bytes_equal(a->data, b->data) && a->timestamp_offset == b->timestamp_offset);
    }
}

/* Only names change. */
static void check_renamed(struct bytes payload, const struct red_packet *p)
{
    static uint8_t memory[65536];
    if (payload.len > sizeof(memory))
        return;
    memcpy(memory, payload.data, payload.len);
    red_rename(memory, p->blocks[0].payload_type, 127);
    struct red_packet again;
    check(red_parse(bytes_of(memory, payload.len), &again) == OK);
    check(again.block_count == p->block_count);
    for (size_t i = 0; i < p->block_count; i++) {
        const struct red_block *a = &p->blocks[i], *b = &again.blocks[i];
        bool renamed = a->payload_type == p->blocks[0].payload_type;
        check(b->payload_type == (renamed ? 127 : a->payload_type));
        check(bytes_equal(a->data, b->data) && a->timestamp_offset == b->timestamp_offset);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct red_packet p;
    if (red_parse(bytes_of(data, size), &p) == OK) {
        check(p.block_count >= 1 && p.block_count <= RED_BLOCKS_MAX);
        size_t sum = 0;
        for (size_t i = 0; i < p.block_count; i++)
            sum += p.blocks[i].data.len;
        check(sum + 4 * p.block_count - 3 == size);
        check_again(&p);
        check_renamed(bytes_of(data, size), &p);
    }
    return 0;
}
