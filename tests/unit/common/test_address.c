/* Addresses of clients: what proxies write, and what limits count.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void one_host_has_one_text(void **state)
{
    static const char *const pairs[][2] = {
        { "192.0.2.7", "192.0.2.7" },
        { " 192.0.2.7\t", "192.0.2.7" },
        { "192.0.2.7:4711", "192.0.2.7" },
        { "::ffff:192.0.2.7", "192.0.2.7" },
        { "::FFFF:c000:207", "192.0.2.7" },
        { "0:0:0:0:0:ffff:192.0.2.7", "192.0.2.7" },
        { "[::ffff:192.0.2.7]", "192.0.2.7" },
        { "[::ffff:192.0.2.7]:443", "192.0.2.7" },
        { "2001:DB8:0::1", "2001:db8::1" },
        { "[2001:db8::1]", "2001:db8::1" },
        { "[2001:db8::1]:4711", "2001:db8::1" },
        { "::1", "::1" },
    };
    char text[ADDRESS_CAPACITY];
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        assert_int_equal(address_parse(bytes_of_str(pairs[i][0]), text), OK);
        assert_string_equal(text, pairs[i][1]);
    }
}

static void what_is_no_address_is_refused(void **state)
{
    static const char *const bad[] = { "",
                                       " ",
                                       "unknown",
                                       "192.0.2",
                                       "192.0.2.7:",
                                       "192.0.2.7:x",
                                       "192.0.2.7:123456",
                                       "192.0.2.7/24",
                                       "2001:db8::/32",
                                       "[2001:db8::1",
                                       "[2001:db8::1]4711",
                                       "[2001:db8::1]:",
                                       "[192.0.2.7]:80",
                                       "192.0.2.7 192.0.2.8",
                                       "fe80::1%eth0" };
    char text[ADDRESS_CAPACITY] = "untouched";
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(address_parse(bytes_of_str(bad[i]), text), ERR_MALFORMED);
    assert_int_equal(address_parse(bytes_of("192.0.2.7\0x", 11), text), ERR_MALFORMED);
    assert_string_equal(text, "untouched");
}

static void an_ipv6_network_is_one_client_and_an_ipv4_address_is_one_however_written(void **state)
{
    static const char *const pairs[][2] = {
        { "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64" },
        { "[2001:db8:1:2::9]:80", "2001:db8:1:2::/64" },
        { "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff::/64" },
        { "192.0.2.7", "192.0.2.7" },
        { "::ffff:192.0.2.7", "192.0.2.7" },
        { "::ffff:192.0.2.8", "192.0.2.8" },
        { "elsewhere", "elsewhere" },
    };
    char text[ADDRESS_CAPACITY];
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        address_subscriber(pairs[i][0], text);
        assert_string_equal(text, pairs[i][1]);
    }
}

static bool is_private(const void *context, const char *address)
{
    return strncmp(address, context, strlen(context)) == 0;
}

static const char *client(const char *peer, const char *header)
{
    static char address[ADDRESS_CAPACITY];
    memset(address, 0, sizeof address);
    memcpy(address, peer, strlen(peer));
    address_behind_proxies(header, is_private, "10.", address);
    return address;
}

static void the_client_is_whom_the_nearest_trusted_proxy_saw(void **state)
{
    assert_string_equal(client("10.0.0.1", "192.0.2.7"), "192.0.2.7");
    assert_string_equal(client("10.0.0.1", "::ffff:192.0.2.7"), "192.0.2.7");
    assert_string_equal(client("10.0.0.1", "1.1.1.1, 192.0.2.7,::ffff:10.0.0.2"), "192.0.2.7");
    assert_string_equal(client("10.0.0.1", "1.1.1.1, [2001:db8::1]:99"), "2001:db8::1");
    assert_string_equal(client("192.0.2.9", "1.1.1.1"), "192.0.2.9"); /* may be invented */
    assert_string_equal(client("10.0.0.1", "1.1.1.1, unknown"), "10.0.0.1");
    assert_string_equal(client("10.0.0.1", "1.1.1.1,"), "10.0.0.1");
    assert_string_equal(client("10.0.0.1", ""), "10.0.0.1");
    assert_string_equal(client("10.0.0.1", "10.0.0.3, 10.0.0.2"), "10.0.0.3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_host_has_one_text),
        cmocka_unit_test(what_is_no_address_is_refused),
        cmocka_unit_test(an_ipv6_network_is_one_client_and_an_ipv4_address_is_one_however_written),
        cmocka_unit_test(the_client_is_whom_the_nearest_trusted_proxy_saw),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
