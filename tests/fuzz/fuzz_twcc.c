/* fuzz_twcc.c - bytes as arrivals on a transport; the feedback written must say exactly what
 * arrived. Then the bytes themselves as feedback.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "fuzz_input.h"

#include "rtc/twcc.h"

static uint32_t arrived_at[65536]; /* ticks + 1; 0: not */

static void check_feedback(struct bytes packet)
{
    struct rtcp_iter it = rtcp_iter_of(packet);
    struct rtcp_message m;
    check(rtcp_next(&it, &m) == OK && m.kind == RTCP_TWCC);
    struct twcc_feedback f;
    struct twcc_result result;
    check(twcc_feedback_parse(m.fci, &f) == OK);
    unsigned received = 0;
    while (twcc_feedback_next(&f, &result)) {
        if (!result.received)
            continue;
        received++;
        uint32_t ticks = (uint32_t)(result.arrival_us / TWCC_TICK_US);
        check(arrived_at[result.seq] != 0);
        check((ticks & 0x7fffffff) == arrived_at[result.seq] - 1);
    }
    check(received > 0);
}

static void check_recorder(struct bytes input)
{
    static struct twcc_recorder r;
    static uint32_t arrival[TWCC_WINDOW];
    uint8_t buffer[TWCC_FEEDBACK_SIZE_MAX];
    struct reader in = reader_of(input);
    twcc_recorder_init(&r, arrival);
    memset(arrived_at, 0, sizeof(arrived_at));
    int64_t seq = reader_u16(&in);
    usec now = (usec)reader_u32(&in) << 12;
    while (!in.failed && reader_left(&in) >= 3) {
        uint8_t op = reader_u8(&in);
        uint16_t value = reader_u16(&in);
        seq += op < 0xe0 ? (int8_t)(op << 1) / 16 : (int16_t)value / 16;
        now += op < 0xc0 ? value : (usec)value << 8;
        /* what the recorder takes: not far behind, not twice, forgotten when it laps */
        int64_t ahead = r.started ? seq16_diff((uint16_t)seq, (uint16_t)r.unwrapper.highest) : 1;
        int64_t before = r.unwrapper.highest;
        twcc_recorder_on_packet(&r, (uint16_t)seq, (op & 1) != 0, now);
        if (ahead > 0)
            for (int64_t s = before + 1; s < before + ahead && ahead < 32768; s++)
                arrived_at[(uint16_t)s] = 0;
        if (ahead > 0 || (ahead > -TWCC_WINDOW / 2 && arrived_at[(uint16_t)seq] == 0))
            arrived_at[(uint16_t)seq] = (uint32_t)((uint64_t)now / TWCC_TICK_US & 0x7fffffff) + 1;
        struct writer w = writer_of(buffer, sizeof(buffer));
        check(twcc_recorder_next_deadline(&r) == USEC_NEVER || r.pending);
        while (twcc_recorder_write(&r, 1, 2, now, &w)) {
            check_feedback(bytes_of(buffer, writer_len(&w)));
            w = writer_of(buffer, sizeof(buffer));
        }
        check(twcc_recorder_next_deadline(&r) > now);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct twcc_feedback f;
    struct twcc_result result;
    unsigned results = 0;
    if (twcc_feedback_parse(bytes_of(data, len), &f) == OK) {
        while (twcc_feedback_next(&f, &result))
            results++;
        check(results == f.status_count);
    }
    if (len < 1 << 14)
        check_recorder(bytes_of(data, len));
    return 0;
}
