/* Which addresses are announced.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "io/candidates.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct interface_address address(const char *text, bool is_up, bool is_loopback)
{
    struct interface_address a = { .is_up = is_up, .is_loopback = is_loopback };
    assert_int_equal(net_addr_parse(bytes_of_str(text), 0, &a.ip), OK);
    return a;
}

static void expect(const struct interface_address *in, size_t count, const char *const *texts)
{
    struct net_addr out[CANDIDATES_MAX];
    size_t n = candidates_choose(in, count, out);
    for (size_t i = 0; i < n; i++) {
        char text[NET_ADDR_TEXT_SIZE];
        assert_non_null(texts[i]);
        assert_string_equal(net_addr_format_ip(&out[i], text), texts[i]);
    }
    assert_null(texts[n]);
}

static void ipv4_comes_first_and_link_local_not_at_all(void **state)
{
    (void)state;
    struct interface_address in[] = {
        address("127.0.0.1", true, true),     address("2001:db8::5", true, false),
        address("fe80::1", true, false),      address("192.0.2.1", true, false),
        address("198.51.100.1", true, false), address("203.0.113.9", false, false),
        address("192.0.2.1", true, false),    address("169.254.3.4", true, false),
        address("::1", true, true),
    };
    expect(in, ARRAY_LEN(in), (const char *[]){ "192.0.2.1", "198.51.100.1", "2001:db8::5", NULL });
}

static void loopback_is_announced_only_when_there_is_nothing_else(void **state)
{
    (void)state;
    struct interface_address in[] = { address("::1", true, true), address("fe80::1", true, false),
                                      address("127.0.0.1", true, true) };
    expect(in, ARRAY_LEN(in), (const char *[]){ "127.0.0.1", "::1", NULL });
    expect(in, 0, (const char *[]){ NULL });
}

static void there_are_never_too_many(void **state)
{
    (void)state;
    struct interface_address in[CANDIDATES_MAX + 4];
    struct net_addr out[CANDIDATES_MAX];
    for (size_t i = 0; i < ARRAY_LEN(in); i++) {
        in[i] = address("192.0.2.1", true, false);
        in[i].ip.ip[3] = (uint8_t)i;
    }
    assert_int_equal(candidates_choose(in, ARRAY_LEN(in), out), CANDIDATES_MAX);
}

static void public_addresses_replace_those_of_interfaces(void **state)
{
    (void)state;
    static const char *const ips[] = { "2001:db8::7", "203.0.113.5" };
    static const char *const bad[] = { "example.org" };
    struct candidates_config config = { .public_ips = ips, .public_ip_count = 2 };
    struct net_addr out[CANDIDATES_MAX];
    size_t count;
    char text[NET_ADDR_TEXT_SIZE];
    assert_int_equal(candidates_gather(&config, out, &count), OK);
    assert_int_equal(count, 2);
    assert_string_equal(net_addr_format_ip(&out[0], text), "203.0.113.5");
    config = (struct candidates_config){ .public_ips = bad, .public_ip_count = 1 };
    assert_int_equal(candidates_gather(&config, out, &count), ERR_MALFORMED);
}

static void a_listen_address_is_bound_and_announced(void **state)
{
    (void)state;
    struct candidates_config config = { .media_listen = "127.0.0.1" };
    struct net_addr out[CANDIDATES_MAX];
    size_t count;
    char text[NET_ADDR_TEXT_SIZE];
    assert_int_equal(candidates_gather(&config, out, &count), OK);
    assert_int_equal(count, 1);
    assert_string_equal(net_addr_format_ip(&out[0], text), "127.0.0.1");
    assert_int_equal(candidates_listen(&config, out, &count), OK);
    assert_int_equal(count, 1);
    assert_string_equal(net_addr_format_ip(&out[0], text), "127.0.0.1");
    config.media_listen = "localhost";
    assert_int_equal(candidates_listen(&config, out, &count), ERR_MALFORMED);
}

static void this_machine_has_an_address(void **state)
{
    (void)state;
    struct candidates_config config = { 0 };
    struct net_addr out[CANDIDATES_MAX];
    size_t count;
    assert_int_equal(candidates_gather(&config, out, &count), OK);
    assert_in_range(count, 1, CANDIDATES_MAX);
    assert_int_equal(candidates_listen(&config, out, &count), OK);
    assert_int_equal(out[0].family, NET_IPV4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ipv4_comes_first_and_link_local_not_at_all),
        cmocka_unit_test(loopback_is_announced_only_when_there_is_nothing_else),
        cmocka_unit_test(there_are_never_too_many),
        cmocka_unit_test(public_addresses_replace_those_of_interfaces),
        cmocka_unit_test(a_listen_address_is_bound_and_announced),
        cmocka_unit_test(this_machine_has_an_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
