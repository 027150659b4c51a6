/* Vectors: RFC 5769 §2.1-2.3. SPDX-License-Identifier: Apache-2.0 */
#include "rtc/stun.h"

#include "cmocka_all.h"
#include "hex.h"

#define PASSWORD "VOkJxbRl1RmTxUk/WvJxBt"
#define SAMPLE_REQUEST                                                                             \
    "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74"             \
    "002400046e0001ff80290008932ff9b151263b36000600096576746a3a683676592020200008"                 \
    "00149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf"
#define SAMPLE_RESPONSE_IPV4                                                                       \
    "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220"                     \
    "002000080001a147e112a643000800142b91f599fd9e90c38c7489f92af9ba53f06be7d7"                     \
    "80280004c07d4c96"
#define SAMPLE_RESPONSE_IPV6                                                                       \
    "010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220"                     \
    "002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9"                                             \
    "00080014a382954e4be67bf11784c97c8292c275bfe3ed4180280004c8fb0b4c"

static struct stun_message parse(struct bytes packet)
{
    struct stun_message m;
    assert_int_equal(stun_parse(packet, &m), OK);
    return m;
}

static void sample_request_of_rfc5769_is_understood(void **state)
{
    struct bytes packet = HEX(SAMPLE_REQUEST);
    struct stun_message m = parse(packet);
    assert_int_equal(m.class, STUN_REQUEST);
    assert_int_equal(m.method, STUN_METHOD_BINDING);
    assert_bytes_equal(m.username, bytes_of_str("evtj:h6vY"));
    assert_bytes_equal(stun_username_local(m.username), bytes_of_str("evtj"));
    assert_bytes_equal(stun_username_remote(m.username), bytes_of_str("h6vY"));
    assert_bytes_equal(m.software, bytes_of_str("STUN test client"));
    assert_int_equal(m.priority, 0x6e0001ff);
    assert_true(m.ice_controlled);
    assert_false(m.ice_controlling);
    assert_int_equal(m.tie_breaker, 0x932ff9b151263b36);
    assert_true(m.has_fingerprint);
    assert_false(m.use_candidate);
    assert_int_equal(stun_check_integrity(&m, bytes_of_str(PASSWORD)), OK);
    assert_int_equal(stun_check_integrity(&m, bytes_of_str("another password")), ERR_AUTH);
}

static void check_response(struct bytes packet, const char *expected)
{
    char text[NET_ADDR_TEXT_SIZE];
    struct stun_message m = parse(packet);
    assert_int_equal(m.class, STUN_SUCCESS);
    assert_string_equal(net_addr_format(&m.mapped, text), expected);
    assert_int_equal(stun_check_integrity(&m, bytes_of_str(PASSWORD)), OK);
}

static void sample_responses_of_rfc5769_are_understood(void **state)
{
    check_response(HEX(SAMPLE_RESPONSE_IPV4), "192.0.2.1:32853");
    check_response(HEX(SAMPLE_RESPONSE_IPV6), "[2001:db8:1234:5678:11:2233:4455:6677]:32853");
}

static void any_changed_bit_is_noticed_by_the_fingerprint(void **state)
{
    struct bytes packet = HEX(SAMPLE_REQUEST);
    uint8_t changed[256];
    size_t refused_count = 0;
    for (size_t bit = 0; bit < 8 * packet.len; bit++) {
        memcpy(changed, packet.data, packet.len);
        changed[bit / 8] ^= (uint8_t)(1 << bit % 8);
        struct stun_message m;
        if (stun_parse(bytes_of(changed, packet.len), &m) == OK)
            assert_false(m.has_fingerprint); /* a changed type or length hides the attribute */
        else
            refused_count++;
    }
    assert_true(refused_count > 8 * (packet.len - 8));
}

static void integrity_covers_what_fingerprint_does_not_vouch_for(void **state)
{
    /* Without FINGERPRINT a changed message parses, and only the HMAC tells. */
    struct bytes packet = HEX(SAMPLE_REQUEST);
    uint8_t changed[256];
    size_t len = packet.len - 8;
    for (size_t i = STUN_HEADER_LEN + 4; i < STUN_HEADER_LEN + 20; i++) {
        memcpy(changed, packet.data, len);
        store_be16(changed + 2, (uint16_t)(len - STUN_HEADER_LEN));
        struct stun_message m = parse(bytes_of(changed, len));
        assert_int_equal(stun_check_integrity(&m, bytes_of_str(PASSWORD)), OK);
        changed[i] ^= 1;
        m = parse(bytes_of(changed, len));
        assert_int_equal(stun_check_integrity(&m, bytes_of_str(PASSWORD)), ERR_AUTH);
    }
}

static void cut_messages_are_truncated(void **state)
{
    struct bytes packet = HEX(SAMPLE_REQUEST);
    struct stun_message m;
    for (size_t len = 0; len < packet.len; len++)
        assert_int_equal(stun_parse(bytes_of(packet.data, len), &m), ERR_TRUNCATED);
}

static void format_errors_are_malformed(void **state)
{
    static const char *const cases[] = {
        "000100012112a442000000000000000000000000 00",       /* length not a multiple of 4 */
        "400100002112a442000000000000000000000000",          /* first bits not 00 */
        "000100002112a442000000000000000000000000 00000000", /* longer than it says */
        "000100042112a442000000000000000000000000 00060008", /* attribute beyond the end */
        "000100082112a442000000000000000000000000 00240003 01020300",         /* PRIORITY of 3 */
        "000100082112a442000000000000000000000000 80290004 00000000",         /* role of 4 */
        "0101000c2112a442000000000000000000000000 00200008 0003a147e112a643", /* family 3 */
        "011100082112a442000000000000000000000000 00090004 00000700",         /* code 700 */
        "0001000c2112a442000000000000000000000000 8028000400000000 80220000", /* not last */
    };
    uint8_t buffer[128];
    struct stun_message m;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        memset(buffer, 0, sizeof buffer);
        struct bytes packet = hex(cases[i], buffer, sizeof buffer);
        assert_int_equal(stun_parse(packet, &m), ERR_MALFORMED);
    }
}

static void messages_without_the_cookie_are_unsupported(void **state)
{
    struct stun_message m;
    assert_int_equal(stun_parse(HEX("0001000000000000000000000000000000000000"), &m),
                     ERR_UNSUPPORTED);
}

static void written_request_is_read_back(void **state)
{
    struct stun_binding b = {
        .transaction = { "abcdefghijkl" },
        .username = bytes_of_str("their:ours"),
        .password = bytes_of_str(PASSWORD),
        .priority = 0x6e7f00ff,
        .tie_breaker = 0x0123456789abcdef,
        .use_candidate = true,
    };
    uint8_t buffer[STUN_MESSAGE_MAX];
    struct writer w = writer_of(buffer, sizeof buffer);
    assert_int_equal(stun_write_request(&b, &w), OK);
    struct stun_message m = parse(bytes_of(buffer, writer_len(&w)));
    assert_int_equal(m.class, STUN_REQUEST);
    assert_memory_equal(m.transaction.id, "abcdefghijkl", STUN_TRANSACTION_LEN);
    assert_bytes_equal(m.username, b.username);
    assert_int_equal(m.priority, b.priority);
    assert_true(m.use_candidate && m.ice_controlling && m.has_fingerprint);
    assert_int_equal(m.tie_breaker, b.tie_breaker);
    assert_int_equal(stun_check_integrity(&m, b.password), OK);
    assert_int_equal(m.unknown_required_count, 0);
}

static void written_success_equals_the_sample_but_for_software(void **state)
{
    static const char *const ips[] = { "192.0.2.1", "2001:db8:1234:5678:11:2233:4455:6677" };
    for (size_t i = 0; i < ARRAY_LEN(ips); i++) {
        struct net_addr mapped;
        assert_int_equal(net_addr_parse(bytes_of_str(ips[i]), 32853, &mapped), OK);
        struct stun_transaction t;
        memcpy(t.id, HEX("b7e7a701bc34d686fa87dfae").data, sizeof t.id);
        uint8_t buffer[STUN_MESSAGE_MAX];
        struct writer w = writer_of(buffer, sizeof buffer);
        assert_int_equal(stun_write_success(&t, &mapped, bytes_of_str(PASSWORD), &w), OK);
        struct bytes sample = i == 0 ? HEX(SAMPLE_RESPONSE_IPV4) : HEX(SAMPLE_RESPONSE_IPV6);
        size_t attribute_len = i == 0 ? 12 : 24;
        assert_memory_equal(buffer + 20, sample.data + 36, attribute_len);
        check_response(bytes_of(buffer, writer_len(&w)),
                       i == 0 ? "192.0.2.1:32853" : "[2001:db8:1234:5678:11:2233:4455:6677]:32853");
    }
}

static void unknown_required_attributes_are_listed_in_the_420(void **state)
{
    /* 0x0033 and 0x7ffe must be understood, 0xc057 need not be. */
    struct stun_message m = parse(HEX("000100102112a442000102030405060708090a0b"
                                      "00330000 c057000400010203 7ffe0000"));
    assert_int_equal(m.unknown_required_count, 2);
    uint8_t buffer[STUN_MESSAGE_MAX];
    struct writer w = writer_of(buffer, sizeof buffer);
    assert_int_equal(stun_write_error(&m, STUN_UNKNOWN_ATTRIBUTE, bytes_of_str("pwd"), &w), OK);
    struct stun_message answer = parse(bytes_of(buffer, writer_len(&w)));
    assert_int_equal(answer.class, STUN_ERROR);
    assert_int_equal(answer.error_code, 420);
    assert_bytes_equal(answer.reason, bytes_of_str("Unknown Attribute"));
    assert_int_equal(stun_check_integrity(&answer, bytes_of_str("pwd")), OK);
    size_t at = STUN_HEADER_LEN + 4 + 4 + 20; /* behind ERROR-CODE with its padding */
    assert_bytes_equal(bytes_of(buffer + at, 8), HEX("000a0004 00337ffe"));
}

static void attributes_behind_message_integrity_are_ignored(void **state)
{
    struct bytes packet = HEX(SAMPLE_REQUEST);
    uint8_t longer[256];
    size_t len = packet.len - 8; /* without FINGERPRINT */
    memcpy(longer, packet.data, len);
    memcpy(longer + len, HEX("00250000 00330000").data, 8); /* USE-CANDIDATE, unknown required */
    store_be16(longer + 2, (uint16_t)(len + 8 - STUN_HEADER_LEN));
    struct stun_message m = parse(bytes_of(longer, len + 8));
    assert_false(m.use_candidate);
    assert_int_equal(m.unknown_required_count, 0);
    assert_int_equal(stun_check_integrity(&m, bytes_of_str(PASSWORD)), OK);
}

static void messages_are_appended_and_full_writers_stay_as_they_were(void **state)
{
    struct stun_transaction t = { "abcdefghijkl" };
    uint8_t buffer[60];
    struct writer w = writer_of(buffer, sizeof buffer);
    assert_int_equal(stun_write_indication(&t, &w), OK);
    assert_int_equal(writer_len(&w), 28);
    assert_int_equal(stun_write_indication(&t, &w), OK);
    assert_int_equal(writer_len(&w), 56);
    struct stun_message m = parse(bytes_of(buffer + 28, 28));
    assert_int_equal(m.class, STUN_INDICATION);
    assert_false(m.has_integrity);
    assert_int_equal(stun_write_indication(&t, &w), ERR_FULL);
    assert_int_equal(writer_len(&w), 56);
}

static void username_without_colon_has_no_parts(void **state)
{
    assert_int_equal(stun_username_local(bytes_of_str("abcd")).len, 0);
    assert_int_equal(stun_username_remote(bytes_of_str("abcd")).len, 0);
    assert_int_equal(stun_username_local((struct bytes){ 0 }).len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sample_request_of_rfc5769_is_understood),
        cmocka_unit_test(sample_responses_of_rfc5769_are_understood),
        cmocka_unit_test(any_changed_bit_is_noticed_by_the_fingerprint),
        cmocka_unit_test(integrity_covers_what_fingerprint_does_not_vouch_for),
        cmocka_unit_test(cut_messages_are_truncated),
        cmocka_unit_test(format_errors_are_malformed),
        cmocka_unit_test(messages_without_the_cookie_are_unsupported),
        cmocka_unit_test(written_request_is_read_back),
        cmocka_unit_test(written_success_equals_the_sample_but_for_software),
        cmocka_unit_test(unknown_required_attributes_are_listed_in_the_420),
        cmocka_unit_test(attributes_behind_message_integrity_are_ignored),
        cmocka_unit_test(messages_are_appended_and_full_writers_stay_as_they_were),
        cmocka_unit_test(username_without_colon_has_no_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
