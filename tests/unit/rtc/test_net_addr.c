/* SPDX-License-Identifier: Apache-2.0 */
#include "rtc/net_addr.h"

#include "cmocka_all.h"

static struct net_addr parse(const char *ip, uint16_t port)
{
    struct net_addr a;
    assert_int_equal(net_addr_parse(bytes_of_str(ip), port, &a), OK);
    return a;
}

static void addresses_are_formatted_as_they_were_parsed(void **state)
{
    char text[NET_ADDR_TEXT_SIZE];
    struct net_addr four = parse("192.0.2.1", 5000), six = parse("2001:db8::1", 65535);
    assert_string_equal(net_addr_format(&four, text), "192.0.2.1:5000");
    assert_string_equal(net_addr_format_ip(&four, text), "192.0.2.1");
    assert_string_equal(net_addr_format(&six, text), "[2001:db8::1]:65535");
    assert_string_equal(net_addr_format_ip(&six, text), "2001:db8::1");
    struct net_addr none = { 0 };
    assert_string_equal(net_addr_format(&none, text), "none");
    assert_false(net_addr_is_set(&none));
}

static void longest_address_fits_its_text(void **state)
{
    char text[NET_ADDR_TEXT_SIZE];
    struct net_addr a = parse("1111:2222:3333:4444:5555:6666:7777:8888", 12345);
    assert_string_equal(net_addr_format(&a, text),
                        "[1111:2222:3333:4444:5555:6666:7777:8888]:12345");
}

static void mapped_ipv6_is_the_same_address_as_ipv4(void **state)
{
    struct net_addr mapped = parse("::ffff:192.0.2.1", 5000), four = parse("192.0.2.1", 5000);
    assert_true(net_addr_equal(&mapped, &four));
    assert_int_equal(net_addr_hash(&mapped, 7), net_addr_hash(&four, 7));
}

static void nonsense_is_malformed(void **state)
{
    static const char *const texts[] = {
        "",
        "1.2.3",
        "1.2.3.4:5",
        "[::1]",
        "host.example",
        "1.2.3.256",
        "12345::",
        "11111111111111111111111111111111111111111111111111111111111111",
    };
    struct net_addr a;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        assert_int_equal(net_addr_parse(bytes_of_str(texts[i]), 1, &a), ERR_MALFORMED);
}

static void every_part_distinguishes_addresses(void **state)
{
    struct net_addr a = parse("192.0.2.1", 5000), b = a;
    b.protocol = NET_TCP;
    assert_false(net_addr_equal(&a, &b));
    assert_int_not_equal(net_addr_hash(&a, 1), net_addr_hash(&b, 1));
    b = parse("192.0.2.1", 5001);
    assert_int_not_equal(net_addr_hash(&a, 1), net_addr_hash(&b, 1));
    b = parse("192.0.2.2", 5000);
    assert_int_not_equal(net_addr_hash(&a, 1), net_addr_hash(&b, 1));
    assert_int_not_equal(net_addr_hash(&a, 1), net_addr_hash(&a, 2));
    struct net_addr c = parse("2001:db8::1", 1), d = parse("2001:db8::2", 1);
    assert_int_not_equal(net_addr_hash(&c, 1), net_addr_hash(&d, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_formatted_as_they_were_parsed),
        cmocka_unit_test(longest_address_fits_its_text),
        cmocka_unit_test(mapped_ipv6_is_the_same_address_as_ipv4),
        cmocka_unit_test(nonsense_is_malformed),
        cmocka_unit_test(every_part_distinguishes_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
