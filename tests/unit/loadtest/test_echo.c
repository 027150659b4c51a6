/* Echoes of virtual streams, with loss, reordering and changes of origin.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/echo.h"
#include "rtc/seq.h"

enum { T0 = 5000000, PACKET_US = 20000, TICKS = 960 };

static const uint8_t content[64] = "payload";

static struct echo new_echo(enum media_kind kind)
{
    struct echo given = {
        .kind = kind, .ssrc = 0x1234, .rtx_ssrc = kind == MEDIA_VIDEO ? 0x1235 : 0, .mid = "1"
    };
    struct echo e;
    echo_init(&e, &given, UINT64_C(0xfffffe0012343fff)); /* both wrap soon */
    return e;
}

/* Packet `i` of an origin whose numbers begin at `seq` and `timestamp`. */
static struct echo_input packet(uint64_t origin, uint16_t seq, uint32_t timestamp, unsigned i)
{
    return (struct echo_input){ .origin = origin,
                                .seq = (uint16_t)(seq + i),
                                .timestamp = timestamp + i * TICKS,
                                .marker = true,
                                .codec = CODEC_OPUS,
                                .payload = bytes_of(content, 1 + i % sizeof content) };
}

static usec at(unsigned i)
{
    return T0 + (usec)i * PACKET_US;
}

static void payloads_go_back_with_numbers_of_our_own(void **state)
{
    struct echo e = new_echo(MEDIA_AUDIO);
    struct echo_packet first, p;
    for (unsigned i = 0; i < 70000; i++) { /* both wrap */
        struct echo_input in = packet(1, 65000, 0xffff0000, i);
        assert_true(echo_take(&e, &in, at(i), &p));
        if (i == 0)
            first = p;
        assert_int_equal(p.seq, (uint16_t)(first.seq + i));
        assert_int_equal(p.timestamp, first.timestamp + i * TICKS);
        assert_true(bytes_equal(p.payload, in.payload));
        assert_true(p.marker);
        assert_int_equal(p.codec, CODEC_OPUS);
    }
    assert_int_equal(first.seq, 0x4000);
    assert_int_equal(e.packet_count, 70000);
    echo_done(&e);
}

static void the_first_packets_say_whose_they_are_and_others_do_not(void **state)
{
    struct echo e = new_echo(MEDIA_AUDIO);
    struct echo_packet p;
    unsigned named = 0;
    for (unsigned i = 0; i < 1000; i++) {
        struct echo_input in = packet(1, 0, 0, i);
        assert_true(echo_take(&e, &in, at(i), &p));
        assert_true(i > 10 || p.named);
        named += p.named;
    }
    assert_true(named < 200);
    assert_false(p.named);
    echo_done(&e);
}

static void what_is_late_or_missing_of_the_origin_keeps_its_place(void **state)
{
    struct echo e = new_echo(MEDIA_AUDIO);
    struct echo_packet first, p;
    static const unsigned order[] = { 0, 1, 3, 2, 4, 6, 7, 8, 5, 12 };
    for (unsigned k = 0; k < ARRAY_LEN(order); k++) {
        struct echo_input in = packet(1, 65534, 100, order[k]);
        assert_true(echo_take(&e, &in, at(k), &p));
        if (k == 0)
            first = p;
        assert_int_equal((uint16_t)(p.seq - first.seq), order[k]);
        assert_int_equal(p.timestamp - first.timestamp, order[k] * TICKS);
    }
    echo_done(&e);
}

static void packets_before_the_first_are_not_sent(void **state)
{
    struct echo e = new_echo(MEDIA_AUDIO);
    struct echo_packet p;
    struct echo_input in = packet(1, 100, 0, 5);
    assert_true(echo_take(&e, &in, at(0), &p));
    in = packet(1, 100, 0, 4);
    assert_false(echo_take(&e, &in, at(0), &p)); /* its number was never ours to give */
    in = packet(1, 100, 0, 6);
    assert_true(echo_take(&e, &in, at(0), &p));
    echo_done(&e);
}

static void another_origin_goes_on_where_the_last_one_was(void **state)
{
    struct echo e = new_echo(MEDIA_AUDIO);
    struct echo_packet last = { 0 }, p;
    for (unsigned i = 0; i < 10; i++) {
        struct echo_input in = packet(1, 10, 1000, i);
        assert_true(echo_take(&e, &in, at(i), &last));
    }
    struct echo_input in = packet(2, 40000, 0x80000000, 0);
    assert_true(echo_take(&e, &in, at(9) + SECONDS(3), &p));
    assert_int_equal(p.seq, (uint16_t)(last.seq + 1));
    assert_int_equal(p.timestamp - last.timestamp, 3 * 48000); /* as the clock says */
    assert_true(p.named);
    in = packet(2, 40000, 0x80000000, 1);
    assert_true(echo_take(&e, &in, at(10) + SECONDS(3), &p));
    assert_int_equal(p.timestamp - last.timestamp, 3 * 48000 + TICKS);
    echo_done(&e);
}

static void an_origin_that_begins_anew_is_another_one(void **state)
{
    struct echo e = new_echo(MEDIA_AUDIO);
    struct echo_packet last, p;
    struct echo_input in = packet(1, 10, 1000, 0);
    assert_true(echo_take(&e, &in, at(0), &last));
    in = packet(1, 30000, 1960, 0); /* numbers jump */
    assert_true(echo_take(&e, &in, at(1), &p));
    assert_int_equal(p.seq, (uint16_t)(last.seq + 1));
    assert_int_equal(p.timestamp - last.timestamp, TICKS);
    last = p;
    in = packet(1, 30001, 0x70000000, 0); /* time jumps */
    assert_true(echo_take(&e, &in, at(2), &p));
    assert_int_equal(p.seq, (uint16_t)(last.seq + 1));
    assert_int_equal(p.timestamp - last.timestamp, TICKS);
    echo_done(&e);
}

/* --- video --- */

static struct echo_input frame(uint64_t origin, uint16_t seq, unsigned i, bool keyframe)
{
    struct echo_input in = packet(origin, seq, 90000, i);
    in.timestamp = 90000 + i * 1800;
    in.codec = CODEC_VP8;
    in.keyframe_start = keyframe;
    return in;
}

static void video_begins_with_a_keyframe_and_asks_for_one(void **state)
{
    struct echo e = new_echo(MEDIA_VIDEO);
    struct echo_packet p;
    assert_false(echo_take_keyframe_wanted(&e, at(0)));
    for (unsigned i = 0; i < 3; i++) {
        struct echo_input in = frame(1, 7, i, false);
        assert_false(echo_take(&e, &in, at(i), &p));
    }
    assert_true(echo_take_keyframe_wanted(&e, at(2)));
    assert_false(echo_take_keyframe_wanted(&e, at(2) + ECHO_ASK_US - 1));
    assert_true(echo_take_keyframe_wanted(&e, at(2) + ECHO_ASK_US));
    struct echo_input in = frame(1, 7, 3, true);
    assert_true(echo_take(&e, &in, at(3), &p));
    assert_false(echo_take_keyframe_wanted(&e, at(3) + SECONDS(5)));
    in = frame(1, 7, 4, false);
    assert_true(echo_take(&e, &in, at(4), &p));
    in = frame(2, 50000, 0, false); /* somebody else: a keyframe again */
    assert_false(echo_take(&e, &in, at(5), &p));
    assert_true(echo_take_keyframe_wanted(&e, at(5) + SECONDS(5)));
    echo_done(&e);
}

static void a_pli_for_the_echo_becomes_one_for_the_origin(void **state)
{
    struct echo e = new_echo(MEDIA_VIDEO);
    struct echo_packet p;
    struct echo_input in = frame(1, 7, 0, true);
    assert_true(echo_take(&e, &in, at(0), &p));
    assert_false(echo_take_keyframe_wanted(&e, at(0)));
    echo_ask_keyframe(&e);
    echo_ask_keyframe(&e);
    assert_true(echo_take_keyframe_wanted(&e, at(1)));
    assert_false(echo_take_keyframe_wanted(&e, at(2)));
    echo_ask_keyframe(&e); /* again, at once: in a while */
    assert_false(echo_take_keyframe_wanted(&e, at(3)));
    assert_true(echo_take_keyframe_wanted(&e, at(1) + ECHO_ASK_US));
    echo_done(&e);
}

static void what_was_sent_can_be_sent_again(void **state)
{
    struct echo e = new_echo(MEDIA_VIDEO);
    struct echo_packet sent[400], again;
    for (unsigned i = 0; i < ARRAY_LEN(sent); i++) {
        struct echo_input in = frame(1, 65400, i, i == 0);
        assert_true(echo_take(&e, &in, at(i), &sent[i]));
    }
    for (unsigned i = 0; i < ARRAY_LEN(sent); i++) {
        bool kept = i >= ARRAY_LEN(sent) - ECHO_KEPT;
        assert_int_equal(echo_find_sent(&e, sent[i].seq, &again), kept);
        if (!kept)
            continue;
        assert_int_equal(again.timestamp, sent[i].timestamp);
        assert_int_equal(again.payload.len, 1 + i % sizeof content);
        assert_memory_equal(again.payload.data, content, again.payload.len);
    }
    assert_false(echo_find_sent(&e, (uint16_t)(sent[399].seq + 1), &again));
    echo_done(&e);
}

static void voices_are_not_kept(void **state)
{
    struct echo e = new_echo(MEDIA_AUDIO);
    struct echo_packet p;
    struct echo_input in = packet(1, 0, 0, 0);
    assert_true(echo_take(&e, &in, at(0), &p));
    assert_false(echo_find_sent(&e, p.seq, &p));
    echo_done(&e);
}

static void a_report_tells_the_time_of_the_echo_while_it_sends(void **state)
{
    struct echo e = new_echo(MEDIA_AUDIO);
    struct echo_packet p;
    struct rtcp_sender_info info;
    assert_false(echo_sender_info(&e, at(0), 0, &info));
    for (unsigned i = 0; i < 3; i++) {
        struct echo_input in = packet(1, 0, 0, i);
        assert_true(echo_take(&e, &in, at(i), &p));
    }
    assert_true(echo_sender_info(&e, at(2) + SECONDS(1), SECONDS(100), &info));
    assert_int_equal(info.ssrc, 0x1234);
    assert_int_equal(info.packet_count, 3);
    assert_int_equal(info.octet_count, 1 + 2 + 3);
    assert_int_equal(info.timestamp, p.timestamp + 48000);
    assert_int_equal(info.ntp, ntp_of(at(2) + SECONDS(101)));
    assert_false(echo_sender_info(&e, at(2) + SECONDS(60), 0, &info));
    echo_done(&e);
}

static void numbers_stay_unique_over_loss_reordering_and_changes(void **state)
{
    struct echo e = new_echo(MEDIA_AUDIO);
    static uint8_t seen[65536];
    memset(seen, 0, sizeof seen);
    uint32_t dice = 1;
    unsigned sent = 0, base = 0;
    uint16_t newest = 0;
    for (unsigned i = 0; i < 30000; i++) {
        dice = dice * 1664525 + 1013904223;
        if (i % 5000 == 0)
            base = dice >> 16; /* another origin */
        if ((dice >> 24) < 25)
            continue;                            /* lost */
        unsigned k = i / 2 % 3 == 0 ? i ^ 1 : i; /* every third pair comes the wrong way round */
        struct echo_input in = packet(i / 5000, (uint16_t)base, base * 77, k);
        struct echo_packet p;
        if (!echo_take(&e, &in, at(i), &p))
            continue;
        seen[p.seq]++;
        assert_true(sent == 0 || seq16_diff(p.seq, newest) > -3);
        newest = sent == 0 || seq16_newer(p.seq, newest) ? p.seq : newest;
        sent++;
    }
    assert_true(sent > 25000);
    for (size_t i = 0; i < ARRAY_LEN(seen); i++)
        assert_true(seen[i] <= 1);
    echo_done(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(payloads_go_back_with_numbers_of_our_own),
        cmocka_unit_test(the_first_packets_say_whose_they_are_and_others_do_not),
        cmocka_unit_test(what_is_late_or_missing_of_the_origin_keeps_its_place),
        cmocka_unit_test(packets_before_the_first_are_not_sent),
        cmocka_unit_test(another_origin_goes_on_where_the_last_one_was),
        cmocka_unit_test(an_origin_that_begins_anew_is_another_one),
        cmocka_unit_test(video_begins_with_a_keyframe_and_asks_for_one),
        cmocka_unit_test(a_pli_for_the_echo_becomes_one_for_the_origin),
        cmocka_unit_test(what_was_sent_can_be_sent_again),
        cmocka_unit_test(voices_are_not_kept),
        cmocka_unit_test(a_report_tells_the_time_of_the_echo_while_it_sends),
        cmocka_unit_test(numbers_stay_unique_over_loss_reordering_and_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
