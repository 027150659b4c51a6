/* The last packets' headers, and the file they become.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/pcap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static struct packet_ring ring;
static const struct net_addr local = { .family = NET_IPV4, .port = 3478, .ip = { 192, 0, 2, 1 } };
static const struct net_addr remote = { .family = NET_IPV4,
                                        .port = 50000,
                                        .ip = { 198, 51, 100, 7 } };

/* Version 2, one contributing source, an extension of two words; then 100 bytes of payload. */
static const uint8_t rtp[128] = { 0x91, 96,   0,    1, 0, 0, 0, 2, 0, 0, 0, 3, 9, 9,   9,
                                  9,    0xbe, 0xde, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8, 0xaa };

static void of_rtp_the_header_is_kept_and_no_payload(void **state)
{
    assert_int_equal(packet_header_len(PACKET_RTP, bytes_of(rtp, sizeof rtp)), 28);
    uint8_t plain[40] = { 0x80 };
    assert_int_equal(packet_header_len(PACKET_RTP, bytes_of(plain, sizeof plain)), 12);
    assert_int_equal(packet_header_len(PACKET_RTP, bytes_of(plain, 11)), 0);
    /* an extension that says it is longer than the packet, and one that is not there */
    uint8_t liar[64] = { 0x90, [14] = 0xff, [15] = 0xff };
    assert_int_equal(packet_header_len(PACKET_RTP, bytes_of(liar, sizeof liar)),
                     PACKET_RECORD_BYTES);
    assert_int_equal(packet_header_len(PACKET_RTP, bytes_of(liar, 14)), 12);
}

static void of_dtls_only_the_handshake_shows_more_than_the_record_header(void **state)
{
    uint8_t handshake[100] = { 22, 0xfe, 0xfd }, application[100] = { 23, 0xfe, 0xfd };
    assert_int_equal(packet_header_len(PACKET_DTLS, bytes_of(handshake, 100)), 48);
    assert_int_equal(packet_header_len(PACKET_DTLS, bytes_of(application, 100)), 13);
    assert_int_equal(packet_header_len(PACKET_DTLS, bytes_of(NULL, 0)), 0);
    assert_int_equal(packet_header_len(PACKET_STUN, bytes_of(handshake, 100)), 48);
    assert_int_equal(packet_header_len(PACKET_RTCP, bytes_of(handshake, 20)), 20);
}

static void the_newest_stay(void **state)
{
    packet_ring_init(&ring);
    assert_int_equal(packet_ring_len(&ring), 0);
    for (unsigned i = 0; i < 1000; i++) {
        uint8_t header[12] = { (uint8_t)i };
        packet_ring_add(&ring, i % 2 ? PACKET_OUT : PACKET_IN, &remote, bytes_of(header, 12), i,
                        5000 + i);
        assert_int_equal(packet_ring_len(&ring), MIN(i + 1, (unsigned)PACKET_RING_COUNT));
    }
    for (unsigned i = 0; i < PACKET_RING_COUNT; i++) {
        const struct packet_record *p = packet_ring_at(&ring, i);
        unsigned n = 1000 - PACKET_RING_COUNT + i;
        assert_int_equal(p->at, 5000 + n);
        assert_int_equal(p->len, n);
        assert_int_equal(p->kept, 12);
        assert_int_equal(p->data[0], (uint8_t)n);
        assert_int_equal(packet_record_direction(p), n % 2 ? PACKET_OUT : PACKET_IN);
        assert_true(net_addr_equal(packet_ring_address_of(&ring, p), &remote));
    }
}

static void each_record_knows_its_address(void **state)
{
    packet_ring_init(&ring);
    struct net_addr other = remote;
    for (uint16_t i = 0; i < 60; i++) {
        other.port = (uint16_t)(1000 + i / 20 % 3);
        packet_ring_add(&ring, PACKET_IN, &other, bytes_of(rtp, 28), 100, i);
    }
    for (size_t i = 0; i < 60; i++)
        assert_int_equal(packet_ring_address_of(&ring, packet_ring_at(&ring, i))->port,
                         1000 + i / 20);
    for (uint16_t i = 0; i < 300; i++) { /* more of them than there is room for */
        other.port = i;
        packet_ring_add(&ring, PACKET_IN, &other, bytes_of(rtp, 28), 100, i);
    }
    const struct packet_record *last = packet_ring_at(&ring, PACKET_RING_COUNT - 1);
    assert_int_equal(packet_ring_address_of(&ring, last)->port, 299);
}

static uint32_t be32(const uint8_t *p)
{
    return load_be32(p);
}

static void the_file_is_what_analysers_expect(void **state)
{
    static uint8_t file[PCAP_SIZE_MAX];
    packet_ring_init(&ring);
    packet_ring_add(&ring, PACKET_IN, &remote, bytes_of(rtp, 28), 128, SECONDS(5) + 7);
    packet_ring_add(&ring, PACKET_OUT, &remote, bytes_of(rtp, 28), 128, SECONDS(6));
    struct writer w = writer_of(file, sizeof file);
    pcap_write(&w, &ring, &local, SECONDS(1700000000));
    assert_false(w.failed);
    assert_int_equal(writer_len(&w), 24 + 2 * (16 + 28 + 28));
    assert_int_equal(be32(file), 0xa1b2c3d4);
    assert_int_equal(be32(file + 16), 96);  /* snaplen */
    assert_int_equal(be32(file + 20), 101); /* raw IP */
    const uint8_t *r = file + 24;
    assert_int_equal(be32(r), 1700000005);
    assert_int_equal(be32(r + 4), 7);
    assert_int_equal(be32(r + 8), 56);
    assert_int_equal(be32(r + 12), 156);
    const uint8_t *ip = r + 16;
    uint32_t sum = 0;
    for (int i = 0; i < 20; i += 2)
        sum += load_be16(ip + i);
    assert_int_equal((sum & 0xffff) + (sum >> 16), 0xffff); /* RFC 791: a right checksum */
    assert_int_equal(load_be16(ip + 2), 156);
    assert_memory_equal(ip + 12, remote.ip, 4);
    assert_memory_equal(ip + 16, local.ip, 4);
    assert_int_equal(load_be16(ip + 20), 50000);
    assert_int_equal(load_be16(ip + 22), 3478);
    assert_int_equal(load_be16(ip + 24), 136);
    assert_memory_equal(ip + 28, rtp, 28);
    const uint8_t *back = ip + 56 + 16;
    assert_memory_equal(back + 12, local.ip, 4);
    assert_int_equal(load_be16(back + 22), 50000);
}

static void ipv6_and_a_full_ring_fit(void **state)
{
    static uint8_t file[PCAP_SIZE_MAX];
    struct net_addr six = { .family = NET_IPV6, .port = 9, .ip = { 0x20, 1, 0xd, 0xb8, [15] = 1 } };
    uint8_t header[PACKET_RECORD_BYTES] = { 0x80 };
    packet_ring_init(&ring);
    for (int i = 0; i < 200; i++)
        packet_ring_add(&ring, PACKET_OUT, &six, bytes_of(header, sizeof header), 1200, i);
    struct writer w = writer_of(file, sizeof file);
    pcap_write(&w, &ring, &local, 0);
    assert_false(w.failed);
    assert_int_equal(writer_len(&w), PCAP_SIZE_MAX);
    const uint8_t *ip = file + 24 + 16;
    assert_int_equal(ip[0] >> 4, 6);
    assert_int_equal(load_be16(ip + 4), 1208);
    assert_int_equal(load_be16(ip + 40), 3478); /* ours: of another family, but that port */
    assert_memory_equal(ip + 24, six.ip, 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_rtp_the_header_is_kept_and_no_payload),
        cmocka_unit_test(of_dtls_only_the_handshake_shows_more_than_the_record_header),
        cmocka_unit_test(the_newest_stay),
        cmocka_unit_test(each_record_knows_its_address),
        cmocka_unit_test(the_file_is_what_analysers_expect),
        cmocka_unit_test(ipv6_and_a_full_ring_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
