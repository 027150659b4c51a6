/* test_srp.c - RFC 5054 appendix B, refusals, and padding.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/base64url.h"
#include "core/srp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* RFC 5054 appendix B: I = "alice", P = "password123", SHA-1, the 1024-bit group. */
static const char rfc_salt[] = "BEB25379D1A8581EB5A727673A2441EE";
static const char rfc_verifier[] =
    "7E273DE8696FFC4F4E337D05B4B375BEB0DDE1569E8FA00A9886D8129BADA1F1"
    "822223CA1A605B530E379BA4729FDC59F105B4787E5186F5C671085A1447B52A"
    "48CF1970B4FB6F8400BBF4CEBFBB168152E08AB5EA53D15C1AFF87B2B9DA6E04"
    "E058AD51CC72BFC9033B564E26480D78E955A5E29E7AB245DB2BE315E2099AFB";
static const char rfc_b[] = "E487CB59D31AC550471E81F00F6928E01DDA08E974A004F49E61F5D105284D20";
static const char rfc_client_public[] =
    "61D5E490F6F1B79547B0704C436F523DD0E560F0C64115BB72557EC44352E890"
    "3211C04692272D8B2D1A5358A2CF1B6E0BFCF99F921530EC8E39356179EAE45E"
    "42BA92AEACED825171E1E8B9AF6D9C03E1327F44BE087EF06530E69F66615261"
    "EEF54073CA11CF5858F0EDFDFE15EFEAB349EF5D76988A3672FAC47B0769447B";
static const char rfc_server_public[] =
    "BD0C61512C692C0CB6D041FA01BB152D4916A1E77AF46AE105393011BAF38964"
    "DC46A0670DD125B95A981652236F99D9B681CBF87837EC996C6DA04453728610"
    "D0C6DDB58B318885D7D82C7F8DEB75CE7BD4FBAA37089E6F9C6059F388838E7A"
    "00030B331EB76840910440B1B27AAEAEEB4012B7D7665238A8E3FB004B117B58";
static const char rfc_scramble[] = "CE38B9593487DA98554ED47D70A7AE5F462EF019";
static const char rfc_premaster[] =
    "B0DC82BABCF30674AE450C0287745E7990A3381F63B387AAF271A10D233861E3"
    "59B48220F7C4693C9AE12B0A6F67809F0876E2D013800D6C41BB59B6D5979B5C"
    "00A172B4A2A5903A0BDCAF8A709585EB2AFAFA8F3499B200210DCC1F10EB3394"
    "3CD67FC88A2F39A4BE5BEC4EC0A3212DC346D7E474B29EDE8A469FFECA686E5A";

static const struct srp_suite rfc_suite = { SRP_GROUP_1024, SRP_HASH_SHA1 };
static const struct srp_suite our_suite = { SRP_GROUP_3072, SRP_HASH_SHA256 };

static struct bytes hex(const char *text, uint8_t *buffer)
{
    size_t len = strlen(text) / 2;
    assert_int_equal(hex_parse(bytes_of_str(text), buffer, len), OK);
    return bytes_of(buffer, len);
}

static void assert_hex(const uint8_t *data, size_t len, const char *expected)
{
    uint8_t buffer[SRP_GROUP_BYTES_MAX];
    struct bytes want = hex(expected, buffer);
    assert_int_equal(len, want.len);
    assert_memory_equal(data, want.data, len);
}

static void rfc_5054_vectors_come_out(void **state)
{
    uint8_t v[128], a[128], b[32];
    struct srp_exchange ex;
    assert_int_equal(srp_exchange_run(rfc_suite, hex(rfc_verifier, v), hex(rfc_client_public, a),
                                      hex(rfc_b, b).data, &ex),
                     OK);
    assert_hex(ex.server_public, ex.len, rfc_server_public);
    assert_hex(ex.scramble, srp_hash_len(SRP_HASH_SHA1), rfc_scramble);
    assert_hex(ex.secret, ex.len, rfc_premaster);
}

static void proofs_depend_on_every_input(void **state)
{
    uint8_t v[128], a[128], b[32], salt[16];
    struct srp_exchange ex;
    struct bytes client = hex(rfc_client_public, a), s = hex(rfc_salt, salt);
    assert_int_equal(
        srp_exchange_run(rfc_suite, hex(rfc_verifier, v), client, hex(rfc_b, b).data, &ex), OK);
    struct srp_proofs right, other;
    struct bytes name = bytes_of_str("alice");
    assert_int_equal(srp_proofs_write(rfc_suite, name, s, client, &ex, &right), OK);

    assert_int_equal(srp_proofs_write(rfc_suite, bytes_of_str("alicf"), s, client, &ex, &other),
                     OK);
    assert_memory_not_equal(right.client, other.client, right.len);
    assert_int_equal(srp_proofs_write(rfc_suite, name, bytes_of(salt, 15), client, &ex, &other),
                     OK);
    assert_memory_not_equal(right.client, other.client, right.len);
    a[127] ^= 1;
    assert_int_equal(srp_proofs_write(rfc_suite, name, s, client, &ex, &other), OK);
    assert_memory_not_equal(right.client, other.client, right.len);
    a[127] ^= 1;
    ex.secret[0] ^= 1;
    assert_int_equal(srp_proofs_write(rfc_suite, name, s, client, &ex, &other), OK);
    assert_memory_not_equal(right.client, other.client, right.len);
    assert_memory_not_equal(right.server, other.server, right.len);
}

/* A = 0, N, 2N: each would make S zero whatever the password is. */
static void multiples_of_the_prime_are_refused(void **state)
{
    uint8_t v[384] = { 0 }, b[32] = { 7 }, zero[384] = { 0 };
    v[383] = 9;
    struct bytes verifier = bytes_of(v, sizeof(v));
    struct srp_exchange ex;
    assert_int_equal(srp_exchange_run(our_suite, verifier, bytes_of(zero, 384), b, &ex),
                     ERR_MALFORMED);
    assert_int_equal(srp_exchange_run(our_suite, verifier, bytes_of(zero, 1), b, &ex),
                     ERR_MALFORMED);
    assert_int_equal(srp_exchange_run(our_suite, verifier, (struct bytes){ 0 }, b, &ex),
                     ERR_MALFORMED);
    uint8_t prime[128];
    struct bytes n = hex("EEAF0AB9ADB38DD69C33F80AFA8FC5E86072618775FF3C0B9EA2314C9C256576"
                         "D674DF7496EA81D3383B4813D692C6E0E0D5D8E250B98BE48E495C1D6089DAD1"
                         "5DC7D7B46154D6B6CE8EF4AD69B15D4982559B297BCF1885C529F566660E57EC"
                         "68EDBC3C05726CC02FD4CBF4976EAA9AFD5138FE8376435B9FC61D2FC0EB06E3",
                         prime);
    assert_int_equal(srp_exchange_run(rfc_suite, bytes_of(v + 380, 4), n, b, &ex), ERR_MALFORMED);
}

static void numbers_longer_than_the_prime_are_refused(void **state)
{
    uint8_t v[384] = { 1 }, b[32] = { 7 }, a[385] = { 1 };
    struct srp_exchange ex;
    assert_int_equal(
        srp_exchange_run(our_suite, bytes_of(v, sizeof(v)), bytes_of(a, sizeof(a)), b, &ex),
        ERR_MALFORMED);
    assert_int_equal(
        srp_exchange_run(our_suite, bytes_of(a, sizeof(a)), bytes_of(v, sizeof(v)), b, &ex),
        ERR_MALFORMED);
}

static void leading_zeros_of_a_change_nothing(void **state)
{
    uint8_t v[384] = { 1 }, b[32] = { 7 }, a[384] = { 0 };
    a[383] = 5;
    struct srp_exchange one, two;
    struct srp_proofs proofs_one, proofs_two;
    struct bytes shorter = bytes_of(a + 383, 1), padded = bytes_of(a, sizeof(a));
    struct bytes name = bytes_of_str("ada"), salt = bytes_of_str("0123456789abcdef");
    assert_int_equal(srp_exchange_run(our_suite, bytes_of(v, sizeof(v)), shorter, b, &one), OK);
    assert_int_equal(srp_exchange_run(our_suite, bytes_of(v, sizeof(v)), padded, b, &two), OK);
    assert_memory_equal(one.secret, two.secret, one.len);
    assert_int_equal(srp_proofs_write(our_suite, name, salt, shorter, &one, &proofs_one), OK);
    assert_int_equal(srp_proofs_write(our_suite, name, salt, padded, &two, &proofs_two), OK);
    assert_memory_equal(proofs_one.client, proofs_two.client, 32);
}

static void trivial_verifiers_are_refused(void **state)
{
    uint8_t v[385] = { 0 };
    assert_int_equal(srp_verifier_check(SRP_GROUP_3072, bytes_of(v, 384)), ERR_MALFORMED);
    v[383] = 1;
    assert_int_equal(srp_verifier_check(SRP_GROUP_3072, bytes_of(v, 384)), ERR_MALFORMED);
    v[383] = 2;
    assert_int_equal(srp_verifier_check(SRP_GROUP_3072, bytes_of(v, 384)), OK);
    assert_int_equal(srp_verifier_check(SRP_GROUP_3072, bytes_of(v, 385)), ERR_MALFORMED);
    memset(v, 0xff, sizeof(v));
    assert_int_equal(srp_verifier_check(SRP_GROUP_3072, bytes_of(v, 384)), ERR_MALFORMED);
}

static void only_the_offered_groups_have_names(void **state)
{
    enum srp_group group;
    assert_int_equal(srp_group_parse("3072", &group), OK);
    assert_int_equal(group, SRP_GROUP_3072);
    assert_int_equal(srp_group_parse("4096", &group), OK);
    assert_int_equal(srp_group_parse("1024", &group), ERR_UNSUPPORTED);
    assert_int_equal(srp_group_parse("", &group), ERR_UNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc_5054_vectors_come_out),
        cmocka_unit_test(proofs_depend_on_every_input),
        cmocka_unit_test(multiples_of_the_prime_are_refused),
        cmocka_unit_test(numbers_longer_than_the_prime_are_refused),
        cmocka_unit_test(leading_zeros_of_a_change_nothing),
        cmocka_unit_test(trivial_verifiers_are_refused),
        cmocka_unit_test(only_the_offered_groups_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
