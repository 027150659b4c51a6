/* SPDX-License-Identifier: Apache-2.0 */
#include "media_test.h"

#include "rtc/packet_cache.h"

static struct cached_packet ring[8];
static struct packet_cache cache;
static struct send_record records[8];
static struct send_log send_log;
static int owner[64]; /* addresses stand for packet references */

static int setup(void **state)
{
    packet_cache_init(&cache, ring, ARRAY_LEN(ring));
    send_log_init(&send_log, records, ARRAY_LEN(records));
    return 0;
}

static void *put(int64_t seq, usec now)
{
    return packet_cache_put(
        &cache, &(struct cached_packet){ .seq = seq, .stored_at = now, .owner = &owner[seq & 63] });
}

static void stored_packet_is_found_until_its_place_is_taken(void **state)
{
    for (int64_t seq = 1; seq <= 8; seq++)
        assert_null(put(seq, 0));
    assert_ptr_equal(packet_cache_find(&cache, 1)->owner, &owner[1]);
    assert_ptr_equal(put(9, 0), &owner[1]);
    assert_null(packet_cache_find(&cache, 1));
    assert_ptr_equal(packet_cache_find(&cache, 9)->owner, &owner[9]);
    assert_null(packet_cache_find(&cache, 17));
}

static void late_packet_is_stored_and_too_late_one_handed_back(void **state)
{
    assert_null(put(20, 0));
    assert_null(put(13, 0));
    assert_non_null(packet_cache_find(&cache, 13));
    assert_ptr_equal(put(12, 0), &owner[12]);
}

static void duplicate_is_handed_back(void **state)
{
    static int other;
    assert_null(put(20, 0));
    assert_ptr_equal(
        packet_cache_put(&cache, &(struct cached_packet){ .seq = 20, .owner = &other }), &other);
    assert_ptr_equal(packet_cache_find(&cache, 20)->owner, &owner[20]);
}

static void old_packets_expire_in_order(void **state)
{
    for (int64_t seq = 1; seq <= 5; seq++)
        assert_null(put(seq, MILLIS(seq)));
    assert_ptr_equal(packet_cache_expire(&cache, MILLIS(2)), &owner[1]);
    assert_ptr_equal(packet_cache_expire(&cache, MILLIS(2)), &owner[2]);
    assert_null(packet_cache_expire(&cache, MILLIS(2)));
    assert_null(packet_cache_find(&cache, 2));
    assert_non_null(packet_cache_find(&cache, 3));
}

static void emptying_gives_back_every_packet_even_after_jumps(void **state)
{
    struct prng r = { 9 };
    for (int run = 0; run < 200; run++) {
        static int refs[256];
        (void)setup(state);
        memset(refs, 0, sizeof(refs));
        int64_t seq = 0;
        for (size_t i = 0; i < ARRAY_LEN(refs); i++) {
            seq += prng_below(&r, 20) == 0 ? (int64_t)prng_below(&r, 5000)
                                           : (int64_t)prng_below(&r, 5) - 1;
            refs[i]++;
            int *back =
                packet_cache_put(&cache, &(struct cached_packet){ .seq = seq, .owner = &refs[i] });
            if (back != NULL)
                --*back;
        }
        for (int *back; (back = packet_cache_expire(&cache, USEC_NEVER)) != NULL;)
            --*back;
        for (size_t i = 0; i < ARRAY_LEN(refs); i++)
            assert_int_equal(refs[i], 0);
    }
}

static void sent(int64_t out_seq)
{
    send_log_add(&send_log,
                 &(struct send_record){ .out_seq = out_seq, .source_seq = out_seq + 100 });
}

static void lost_packet_is_served_three_times_with_spacing(void **state)
{
    const struct send_record *r;
    sent(65536 + 5);
    assert_int_equal(send_log_serve(&send_log, 5, 0, MILLIS(50), &r), OK);
    assert_int_equal(r->source_seq, 65536 + 105);
    assert_int_equal(send_log_serve(&send_log, 5, MILLIS(35), MILLIS(48), &r), ERR_BAD_STATE);
    assert_int_equal(send_log_serve(&send_log, 5, MILLIS(36), MILLIS(48), &r), OK);
    assert_int_equal(send_log_serve(&send_log, 5, MILLIS(55), 0, &r), ERR_BAD_STATE);
    assert_int_equal(send_log_serve(&send_log, 5, MILLIS(56), 0, &r), OK);
    assert_int_equal(send_log_serve(&send_log, 5, SECONDS(9), 0, &r), ERR_FULL);
}

static void unknown_and_forgotten_packets_are_not_served(void **state)
{
    const struct send_record *r;
    assert_int_equal(send_log_serve(&send_log, 5, 0, 0, &r), ERR_NOT_FOUND);
    for (int64_t seq = 1; seq <= 9; seq++)
        sent(seq);
    assert_int_equal(send_log_serve(&send_log, 1, 0, 0, &r), ERR_NOT_FOUND);
    assert_true(send_log_has_forgotten(&send_log, 1));
    assert_int_equal(send_log_serve(&send_log, 10, 0, 0, &r), ERR_NOT_FOUND);
    assert_false(send_log_has_forgotten(&send_log, 10));
    assert_int_equal(send_log_serve(&send_log, 2, 0, 0, &r), OK);
    assert_false(send_log_has_forgotten(&send_log, 2));
    send_log_gate(&send_log, 2);
    assert_false(send_log_has_forgotten(&send_log, 1)); /* a keyframe followed it */
    send_log_clear(&send_log);
    assert_int_equal(send_log_serve(&send_log, 2, 0, 0, &r), ERR_NOT_FOUND);
}

static void packet_sent_late_is_remembered_in_its_place(void **state)
{
    const struct send_record *r;
    sent(10);
    sent(12);
    sent(11);
    assert_int_equal(send_log_serve(&send_log, 11, 0, 0, &r), OK);
    assert_int_equal(r->source_seq, 111);
    assert_int_equal(send_log_serve(&send_log, 12, 0, 0, &r), OK);
    sent(4); /* 12 has its place */
    assert_int_equal(send_log_serve(&send_log, 4, 0, 0, &r), ERR_NOT_FOUND);
    assert_int_equal(send_log_serve(&send_log, 12, SECONDS(1), 0, &r), OK);
}

static void nothing_before_a_keyframe_is_served(void **state)
{
    const struct send_record *r;
    for (int64_t seq = 1; seq <= 6; seq++)
        sent(seq);
    send_log_gate(&send_log, 4);
    send_log_gate(&send_log, 2); /* never back */
    assert_int_equal(send_log_serve(&send_log, 3, 0, 0, &r), ERR_EXPIRED);
    assert_int_equal(send_log_serve(&send_log, 4, 0, 0, &r), OK);
}

static void rtx_payload_is_rebuilt_from_patch_and_source(void **state)
{
    struct send_record r = {
        .out_seq = 0x51234, .patch_skip = 3, .patch_len = 4, .patch = { 0xa, 0xb, 0xc, 0xd }
    };
    uint8_t buffer[32];
    struct writer w = writer_of(buffer, sizeof(buffer));
    rtx_write_payload(&w, &r, BYTES(1, 2, 3, 4, 5));
    static const uint8_t expected[] = { 0x12, 0x34, 0xa, 0xb, 0xc, 0xd, 4, 5 };
    assert_bytes(written(&w), expected, sizeof(expected));
    uint16_t original;
    struct bytes payload;
    assert_int_equal(rtx_parse_payload(written(&w), &original, &payload), OK);
    assert_int_equal(original, 0x1234);
    assert_bytes(payload, expected + 2, 6);
    assert_int_equal(rtx_parse_payload(BYTES(1), &original, &payload), ERR_TRUNCATED);
    w = writer_of(buffer, sizeof(buffer));
    send_record_write_payload(&w, &r, BYTES(1, 2));
    assert_true(w.failed);
}

/* Whoever sends nothing has no pages of it; and what was there before is not taken for a packet. */
static void a_log_touches_its_ring_with_the_first_packet(void **state)
{
    static struct send_record own[4], before[4];
    struct send_log log;
    memset(own, 0xa5, sizeof own);
    memcpy(before, own, sizeof own);
    send_log_init(&log, own, ARRAY_LEN(own));
    assert_memory_equal(own, before, sizeof own);
    const struct send_record *r;
    assert_int_equal(send_log_serve(&log, 5, 0, 0, &r), ERR_NOT_FOUND);
    send_log_add(&log, &(struct send_record){ .out_seq = 5 });
    assert_int_equal(send_log_serve(&log, 4, 0, 0, &r), ERR_NOT_FOUND);
    assert_int_equal(send_log_serve(&log, 5, 0, 0, &r), OK);
    send_log_clear(&log);
    send_log_add(&log, &(struct send_record){ .out_seq = 6 });
    assert_int_equal(send_log_serve(&log, 5, 0, 0, &r), ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(stored_packet_is_found_until_its_place_is_taken, setup),
        cmocka_unit_test_setup(late_packet_is_stored_and_too_late_one_handed_back, setup),
        cmocka_unit_test_setup(duplicate_is_handed_back, setup),
        cmocka_unit_test_setup(old_packets_expire_in_order, setup),
        cmocka_unit_test_setup(emptying_gives_back_every_packet_even_after_jumps, setup),
        cmocka_unit_test_setup(lost_packet_is_served_three_times_with_spacing, setup),
        cmocka_unit_test_setup(unknown_and_forgotten_packets_are_not_served, setup),
        cmocka_unit_test_setup(packet_sent_late_is_remembered_in_its_place, setup),
        cmocka_unit_test_setup(nothing_before_a_keyframe_is_served, setup),
        cmocka_unit_test(a_log_touches_its_ring_with_the_first_packet),
        cmocka_unit_test(rtx_payload_is_rebuilt_from_patch_and_source),
    };
    return cmocka_run_group_tests_name("rtc/packet_cache", tests, NULL, NULL);
}
