/* SPDX-License-Identifier: Apache-2.0 */
#include "media_test.h"

#include "rtc/rtp.h"

static void fixed_header_fields_are_read(void **state)
{
    struct bytes packet =
        BYTES(0x80, 0xe0, 0x12, 0x34, 0x01, 0x02, 0x03, 0x04, 0xca, 0xfe, 0xba, 0xbe, 'x', 'y');
    struct rtp_packet p;
    assert_int_equal(rtp_parse(packet, &p), OK);
    assert_true(p.marker);
    assert_int_equal(p.payload_type, 96);
    assert_int_equal(p.seq, 0x1234);
    assert_int_equal(p.timestamp, 0x01020304);
    assert_int_equal(p.ssrc, 0xcafebabe);
    assert_false(p.has_ext);
    assert_bytes(p.payload, "xy", 2);
}

static void every_cut_of_a_packet_is_truncated_or_whole(void **state)
{
    /* CC = 1, X, P: the last byte is the padding count */
    uint8_t raw[] = { 0xb1, 111, 0,    1,    0, 0, 0,    2,    0, 0, 0,   3, 0, 0,
                      0,    9,   0xbe, 0xde, 0, 1, 0x10, 0xaa, 0, 0, 'p', 0, 0, 3 };
    struct rtp_packet p;
    assert_int_equal(rtp_parse(bytes_of(raw, sizeof(raw)), &p), OK);
    assert_int_equal(p.csrcs.len, 4);
    assert_int_equal(p.ext.len, 4);
    assert_int_equal(p.padding_len, 3);
    assert_bytes(p.payload, "p", 1);
    for (size_t len = 0; len <= 24; len++)
        assert_int_equal(rtp_parse(bytes_of(raw, len), &p), ERR_TRUNCATED);
}

static void wrong_version_and_padding_are_malformed(void **state)
{
    uint8_t raw[14] = { 0x40, 0, 0, 1 };
    struct rtp_packet p;
    assert_int_equal(rtp_parse(bytes_of(raw, sizeof(raw)), &p), ERR_MALFORMED);
    raw[0] = 0xa0;
    assert_int_equal(rtp_parse(bytes_of(raw, sizeof(raw)), &p), ERR_MALFORMED); /* count 0 */
    raw[13] = 3;
    assert_int_equal(rtp_parse(bytes_of(raw, sizeof(raw)), &p), ERR_MALFORMED); /* 3 of 2 */
    raw[13] = 2;
    assert_int_equal(rtp_parse(bytes_of(raw, sizeof(raw)), &p), OK);
    assert_int_equal(p.payload.len, 0); /* padding only */
}

static struct rtp_packet with_ext(uint16_t profile, struct bytes ext)
{
    return (struct rtp_packet){ .has_ext = true, .ext_profile = profile, .ext = ext };
}

static void one_byte_elements_are_iterated_over_padding(void **state)
{
    /* RFC 8285 §4.2: elements, padding anywhere, id 15 stops */
    struct rtp_packet p =
        with_ext(RTP_EXT_ONE_BYTE, BYTES(0x10, 0xaa, 0, 0, 0x32, 1, 2, 3, 0xf0, 0x10, 0xbb, 0));
    struct rtp_ext_iter it = rtp_ext_iter_of(&p);
    uint8_t id;
    struct bytes value;
    assert_true(rtp_ext_next(&it, &id, &value));
    assert_int_equal(id, 1);
    assert_bytes(value, "\xaa", 1);
    assert_true(rtp_ext_next(&it, &id, &value));
    assert_int_equal(id, 3);
    assert_bytes(value, "\1\2\3", 3);
    assert_false(rtp_ext_next(&it, &id, &value));
    assert_false(rtp_ext_next(&it, &id, &value));
}

static void two_byte_elements_may_be_empty(void **state)
{
    struct rtp_packet p = with_ext(0x1005, BYTES(15, 0, 0, 200, 2, 7, 8, 0));
    struct rtp_ext_iter it = rtp_ext_iter_of(&p);
    uint8_t id;
    struct bytes value;
    assert_true(rtp_ext_next(&it, &id, &value));
    assert_int_equal(id, 15);
    assert_int_equal(value.len, 0);
    assert_true(rtp_ext_next(&it, &id, &value));
    assert_int_equal(id, 200);
    assert_bytes(value, "\7\10", 2);
    assert_false(rtp_ext_next(&it, &id, &value));
}

static void element_longer_than_the_block_ends_the_iteration(void **state)
{
    struct rtp_packet p = with_ext(RTP_EXT_ONE_BYTE, BYTES(0x1f, 1, 2, 3));
    struct rtp_ext_iter it = rtp_ext_iter_of(&p);
    uint8_t id;
    struct bytes value;
    assert_false(rtp_ext_next(&it, &id, &value));
    p = with_ext(0x4321, BYTES(0x10, 1, 0, 0)); /* unknown profile */
    it = rtp_ext_iter_of(&p);
    assert_false(rtp_ext_next(&it, &id, &value));
}

static void parse_of_write_is_the_packet(void **state)
{
    struct prng r = { 2 };
    for (int i = 0; i < 5000; i++) {
        uint8_t csrcs[60], ext[64], payload[200], packet[512];
        prng_fill(&r, csrcs, sizeof(csrcs));
        prng_fill(&r, ext, sizeof(ext));
        prng_fill(&r, payload, sizeof(payload));
        struct rtp_packet in = {
            .payload_type = (uint8_t)prng_below(&r, 128),
            .marker = prng_below(&r, 2),
            .seq = (uint16_t)prng_next(&r),
            .timestamp = (uint32_t)prng_next(&r),
            .ssrc = (uint32_t)prng_next(&r),
            .csrcs = bytes_of(csrcs, (size_t)prng_below(&r, 16) * 4),
            .has_ext = prng_below(&r, 2),
            .padding_len = (uint8_t)prng_below(&r, 100),
            .payload = bytes_of(payload, prng_below(&r, 200)),
        };
        if (in.has_ext) {
            in.ext_profile = (uint16_t)prng_next(&r);
            in.ext = bytes_of(ext, (size_t)prng_below(&r, 17) * 4);
        }
        struct writer w = writer_of(packet, sizeof(packet));
        rtp_write(&w, &in);
        struct rtp_packet out;
        assert_int_equal(rtp_parse(written(&w), &out), OK);
        assert_int_equal(out.payload_type, in.payload_type);
        assert_int_equal(out.marker, in.marker);
        assert_int_equal(out.seq, in.seq);
        assert_int_equal(out.timestamp, in.timestamp);
        assert_int_equal(out.ssrc, in.ssrc);
        assert_int_equal(out.has_ext, in.has_ext);
        assert_int_equal(out.ext_profile, in.ext_profile);
        assert_int_equal(out.padding_len, in.padding_len);
        assert_true(bytes_equal(out.csrcs, in.csrcs));
        assert_true(bytes_equal(out.ext, in.ext));
        assert_true(bytes_equal(out.payload, in.payload));
    }
}

static void write_into_too_little_room_fails(void **state)
{
    uint8_t small[11];
    struct writer w = writer_of(small, sizeof(small));
    struct rtp_packet p = { 0 };
    rtp_write_header(&w, &p);
    assert_true(w.failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fixed_header_fields_are_read),
        cmocka_unit_test(every_cut_of_a_packet_is_truncated_or_whole),
        cmocka_unit_test(wrong_version_and_padding_are_malformed),
        cmocka_unit_test(one_byte_elements_are_iterated_over_padding),
        cmocka_unit_test(two_byte_elements_may_be_empty),
        cmocka_unit_test(element_longer_than_the_block_ends_the_iteration),
        cmocka_unit_test(parse_of_write_is_the_packet),
        cmocka_unit_test(write_into_too_little_room_fails),
    };
    return cmocka_run_group_tests_name("rtc/rtp", tests, NULL, NULL);
}
