/* fuzz_bwe.c - bytes as packets sent, feedback, reports and time; the estimate stays within its
 * bounds, padding within its step, deadlines make progress.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "fuzz_input.h"

#include "rtc/bwe.h"

static void send_some(struct bwe *b, struct reader *in, uint16_t *seq, usec now)
{
    unsigned count = reader_u8(in) & 63;
    size_t size = (size_t)reader_u8(in) * 6;
    uint8_t step = reader_u8(in);
    for (unsigned i = 0; i < count; i++) {
        *seq = (uint16_t)(*seq + (step > 250 ? (step - 250) * 700 : 1));
        bwe_on_sent(b, *seq, size, step & 1, now);
    }
}

/* Feedback as it is on the wire, or a plain run about the newest packets. */
static void feed(struct bwe *b, struct reader *in, uint16_t seq, bool plain, usec now)
{
    struct twcc_feedback f;
    struct bytes fci = fuzz_take_chunk(in);
    uint8_t run[10 + 255] = { 0 };
    if (plain && fci.len >= 3) {
        uint8_t count = (uint8_t)(fci.data[0] | 1);
        uint16_t base = (uint16_t)(seq - count + 1 - (fci.data[1] & 15));
        uint32_t reference = (uint32_t)(now / 64000) + fci.data[2];
        uint8_t head[10] = { (uint8_t)(base >> 8),
                             (uint8_t)base,
                             0,
                             count,
                             (uint8_t)(reference >> 16),
                             (uint8_t)(reference >> 8),
                             (uint8_t)reference,
                             0,
                             (fci.data[1] & 0x10) != 0 ? 0 : 0x20,
                             count };
        memcpy(run, head, sizeof(head));
        for (size_t i = 0; i < count; i++)
            run[10 + i] = i + 3 < fci.len ? fci.data[i + 3] : 4;
        fci = bytes_of(run, 10u + count);
    }
    if (twcc_feedback_parse(fci, &f) == OK)
        bwe_on_feedback(b, &f, now);
}

static void pass_time(struct bwe *b, uint16_t *seq, usec now)
{
    uint8_t cluster;
    size_t bytes = bwe_take_probe(b, now, &cluster);
    check(bytes <= BWE_PROBE_STEP_BYTES_MAX);
    check((bytes > 0) == (cluster != 0));
    check(bwe_next_deadline(b) > b->now);
    for (; bytes > 0; bytes -= MIN(bytes, (size_t)1200))
        bwe_on_sent(b, ++*seq, MIN(bytes, (size_t)1200), cluster, now);
}

static void check_bounds(const struct bwe *b)
{
    struct bwe_stats t;
    bwe_stats(b, &t);
    check(t.estimate_bps == bwe_estimate_bps(b));
    check(t.estimate_bps >= BWE_MIN_BPS && t.estimate_bps <= BWE_MAX_BPS);
    check(t.loss_permille <= 1000);
    check(t.usage < BWE_USAGE_COUNT);
    check(t.probe_reached_count + t.probe_failed_count <= t.probe_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct bwe b;
    static struct bwe_memory sent;
    struct reader in = reader_of(bytes_of(data, MIN(len, (size_t)1 << 14)));
    uint16_t seq = reader_u16(&in);
    usec now = (usec)reader_u32(&in) << 8;
    bwe_init(&b, &sent, now);
    while (!in.failed && reader_left(&in) > 0) {
        uint8_t op = reader_u8(&in);
        now += (usec)(op >> 3) * ((op & 7) == 7 ? 100000 : 300);
        switch (op & 7) {
        case 0:
        case 1:
            send_some(&b, &in, &seq, now);
            break;
        case 2:
        case 3:
            feed(&b, &in, seq, (op & 7) == 2, now);
            break;
        case 4:
            bwe_set_demand(&b, (uint64_t)reader_u32(&in) << (op >> 6), reader_u16(&in), now);
            break;
        case 5:
            bwe_on_remb(&b, (uint64_t)reader_u32(&in) << (op >> 3), now);
            break;
        case 6:
            bwe_on_report(&b, reader_u8(&in), now);
            bwe_set_rtt(&b, (usec)(int16_t)reader_u16(&in) * 1000);
            break;
        default:
            break;
        }
        pass_time(&b, &seq, now);
        check_bounds(&b);
    }
    return 0;
}
