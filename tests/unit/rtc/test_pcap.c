/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rtc/pcap.h"

static const uint8_t payload[] = { 0x80, 0x60, 1, 2 };

static void a_file_begins_as_tcpdump_expects(void **state)
{
    static const uint8_t expected[] = { 0xa1, 0xb2, 0xc3, 0xd4, 0, 2, 0,   4,   0, 0, 0, 0,
                                        0,    0,    0,    0,    0, 0, 255, 255, 0, 0, 0, 101 };
    uint8_t memory[PCAP_FILE_HEADER_BYTES];
    struct writer w = writer_of(memory, sizeof memory);
    pcap_write_header(&w);
    assert_false(w.failed);
    assert_int_equal(writer_left(&w), 0);
    assert_memory_equal(memory, expected, sizeof expected);
}

static void a_datagram_gets_the_headers_of_ipv4(void **state)
{
    /* its checksum and lengths as `tcpdump -vr` finds them right */
    static const uint8_t expected[] = {
        0,    0, 0, 7,  0,    0,    0,    9,    0,  0,  0,    32,   0,    0,    0, 34,
        0x45, 0, 0, 34, 0,    0,    64,   0,    64, 17, 0x3c, 0xc9, 127,  0,    0, 1,
        127,  0, 0, 1,  0x1f, 0x90, 0xc3, 0x50, 0,  14, 0,    0,    0x80, 0x60, 1, 2
    };
    uint8_t memory[PCAP_RECORD_OVERHEAD_MAX + sizeof payload];
    struct writer w = writer_of(memory, sizeof memory);
    const uint8_t ip[4] = { 127, 0, 0, 1 };
    pcap_write_udp(&w, &(struct pcap_datagram){ .from = net_addr_ipv4(ip, 8080),
                                                .to = net_addr_ipv4(ip, 50000),
                                                .captured = bytes_of(payload, sizeof payload),
                                                .len = 6,
                                                .at = SECONDS(7) + 9 });
    assert_false(w.failed);
    assert_int_equal(writer_len(&w), sizeof expected);
    assert_memory_equal(memory, expected, sizeof expected);
}

static void a_datagram_gets_the_headers_of_ipv6(void **state)
{
    uint8_t memory[PCAP_RECORD_OVERHEAD_MAX + sizeof payload];
    struct writer w = writer_of(memory, sizeof memory);
    const uint8_t from[16] = { 0x20, 1, [15] = 1 }, to[16] = { 0x20, 1, [15] = 2 };
    pcap_write_udp(&w, &(struct pcap_datagram){ .from = net_addr_ipv6(from, 1),
                                                .to = net_addr_ipv6(to, 2),
                                                .captured = bytes_of(payload, sizeof payload),
                                                .len = sizeof payload });
    assert_false(w.failed);
    assert_int_equal(writer_left(&w), 0); /* as long as it is said to be at most */
    assert_int_equal(memory[16] >> 4, 6);
    assert_int_equal(load_be16(memory + 20), 8 + sizeof payload);
    assert_memory_equal(memory + 24, from, 16);
    assert_memory_equal(memory + 40, to, 16);
    assert_memory_equal(memory + 64, payload, sizeof payload);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_begins_as_tcpdump_expects),
        cmocka_unit_test(a_datagram_gets_the_headers_of_ipv4),
        cmocka_unit_test(a_datagram_gets_the_headers_of_ipv6),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
