/* fuzz_nack.c - bytes as arrivals and time on one stream: the NACK generator and the caches keep
 * their invariants.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "fuzz_input.h"

#include "rtc/nack.h"
#include "rtc/packet_cache.h"

static struct cached_packet cache_ring[64];
static struct send_record log_ring[64];
static int owners[4096]; /* 1 while the cache holds it */

static void release(void *owner)
{
    if (owner == NULL)
        return;
    check(*(int *)owner == 1);
    *(int *)owner = 0;
}

static void check_generator(const struct nack_generator *g)
{
    check(g->missing_count <= NACK_MISSING_MAX);
    for (size_t i = 0; i < g->missing_count; i++) {
        check(i == 0 || g->missing[i - 1].seq < g->missing[i].seq);
        check(g->missing[i].seq < g->unwrapper.highest);
        check(g->missing[i].seq >= g->unwrapper.highest - NACK_AGE_MAX);
        check(g->missing[i].tries <= NACK_TRIES_MAX);
    }
    check(g->tail_count <= NACK_TAIL_MAX);
    for (size_t i = 0; i < g->tail_count; i++)
        check(g->tail[i].seq == g->unwrapper.highest + 1 + (int64_t)i);
}

static void check_take(struct nack_generator *g, usec now)
{
    uint16_t seqs[NACK_BATCH_MAX];
    uint8_t buffer[12 + 4 * NACK_BATCH_MAX];
    size_t count = nack_take(g, now, seqs);
    check(count <= NACK_BATCH_MAX);
    if (count == 0)
        return;
    for (size_t i = 1; i < count; i++)
        check(seq16_newer(seqs[i], seqs[i - 1]));
    struct writer w = writer_of(buffer, sizeof(buffer));
    rtcp_write_nack(&w, 1, 2, seqs, count);
    check(!w.failed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct nack_generator g;
    struct receive_stats stats;
    struct packet_cache cache;
    struct send_log log;
    struct reader in = reader_of(bytes_of(data, len));
    nack_init(&g);
    receive_stats_init(&stats, 90000);
    packet_cache_init(&cache, cache_ring, ARRAY_LEN(cache_ring));
    send_log_init(&log, log_ring, ARRAY_LEN(log_ring));
    memset(owners, 0, sizeof(owners));
    uint16_t seq = reader_u16(&in);
    int64_t out_seq = 0;
    usec now = 0;
    for (size_t i = 0; i < ARRAY_LEN(owners) && reader_left(&in) >= 2; i++) {
        uint8_t op = reader_u8(&in), value = reader_u8(&in);
        seq = (uint16_t)(seq + ((op & 0x80) ? (uint16_t)((int8_t)value * 64) : (op & 7)));
        now += (usec)value * 100;
        int64_t extended = nack_on_packet(&g, seq, (op & 0x78) == 0x78, now);
        check((uint16_t)extended == seq);
        receive_stats_on_packet(&stats, seq, (uint32_t)i * 3000, value, now);
        check_generator(&g);
        owners[i] = 1;
        struct cached_packet p = { .seq = extended,
                                   .stored_at = now,
                                   .owner = &owners[i],
                                   .payload = bytes_of(data, MIN(len, (size_t)4)) };
        release(packet_cache_put(&cache, &p));
        if (owners[i] == 1)
            check(packet_cache_find(&cache, extended)->owner == &owners[i]);
        send_log_add(&log, &(struct send_record){ .out_seq = ++out_seq,
                                                  .source_seq = extended,
                                                  .patch_len = value % 8,
                                                  .patch_skip = op % 8 });
        const struct send_record *record;
        if (send_log_serve(&log, (uint16_t)(out_seq - value), now, 0, &record) == OK) {
            uint8_t buffer[64];
            struct writer w = writer_of(buffer, sizeof(buffer));
            check(record->out_seq == out_seq - value && record->resend_count <= RESEND_MAX);
            rtx_write_payload(&w, record, p.payload);
        }
        if ((op & 0x18) == 0x18)
            send_log_gate(&log, out_seq - 3);
        if ((op & 0x0c) == 0x0c)
            nack_suspect_tail(&g, value % 8, now);
        if ((op & 0x10) != 0)
            check_take(&g, now);
        if ((op & 0x20) != 0)
            for (void *o; (o = packet_cache_expire(&cache, now - 2000)) != NULL;)
                release(o);
        (void)nack_next_deadline(&g);
        (void)nack_take_keyframe_wanted(&g);
        struct rtcp_report report;
        check(receive_stats_report(&stats, 1, now, &report));
    }
    for (void *o; (o = packet_cache_expire(&cache, USEC_NEVER)) != NULL;)
        release(o);
    for (size_t i = 0; i < ARRAY_LEN(owners); i++)
        check(owners[i] == 0);
    return 0;
}
