/* SPDX-License-Identifier: Apache-2.0 */
#include "common/token.h"

#include "common/base64url.h"

#include "fail_alloc.h"
#include "unit.h"

#include <openssl/ec.h>
#include <stdio.h>
#include <stdlib.h>

#define NOW ((wall_usec)1790000000 * USEC_PER_SEC)

/* RFC 7515 appendix A.3: the key, the signing input and the signature. */
static const char rfc_keys[] = "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"a3\","
                               "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
                               "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}";
static const char rfc_input[] =
    "eyJhbGciOiJFUzI1NiJ9"
    ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVl"
    "fQ";
static const char rfc_signature[] =
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

static EVP_PKEY *key, *other_key;
static struct token_keys *keys;

static int set_up(void **state)
{
    (void)state;
    key = EVP_EC_gen("P-256");
    other_key = EVP_EC_gen("P-256");
    return token_keys_of(key, "k1", &keys) == OK ? 0 : 1;
}

static int tear_down(void **state)
{
    (void)state;
    token_keys_free(keys);
    EVP_PKEY_free(key);
    EVP_PKEY_free(other_key);
    return 0;
}

static struct token_claims claims_of_ada(void)
{
    return (struct token_claims){ .iss = "conclave",
                                  .sub = "u_1",
                                  .name = "Ada \xe2\x82\xac",
                                  .org = "default",
                                  .kind = TOKEN_KIND_GUEST,
                                  .sid = "s_1",
                                  .jti = "j_1",
                                  .iat = NOW,
                                  .exp = NOW + SECONDS(900),
                                  .grant = { .room = "standup",
                                             .publish = TOKEN_PUBLISH_MICROPHONE |
                                                        TOKEN_PUBLISH_SCREEN_AUDIO,
                                             .subscribe = true,
                                             .moderate = true } };
}

static enum err verify_at(const char *token, wall_usec now, struct token_claims *ret)
{
    const struct token_expect expect = { .issuer = "conclave", .now = now, .leeway = SECONDS(30) };
    return token_verify(keys, bytes_of_str(token), &expect, ret);
}

static enum err verify(const char *token)
{
    struct token_claims ignored;
    return verify_at(token, NOW, &ignored);
}

/* A token with any header and payload, rightly signed. */
static char *forge(const char *header, const char *payload, EVP_PKEY *with)
{
    static char text[8192];
    size_t n = base64url_write(text, bytes_of_str(header));
    text[n++] = '.';
    n += base64url_write(text + n, bytes_of_str(payload));
    uint8_t signature[ES256_SIGNATURE_LEN];
    assert_int_equal(es256_sign(with, bytes_of(text, n), signature), OK);
    text[n++] = '.';
    (void)base64url_write(text + n, bytes_of(signature, sizeof signature));
    return text;
}

static void es256_verifies_the_rfc_vector_and_nothing_else(void **state)
{
    (void)state;
    struct token_keys *set;
    uint8_t signature[ES256_SIGNATURE_LEN];
    size_t len;
    assert_int_equal(token_keys_parse(bytes_of_str(rfc_keys), &set), OK);
    EVP_PKEY *rfc_key = token_keys_find(set, "a3");
    assert_non_null(rfc_key);
    assert_int_equal(base64url_parse(bytes_of_str(rfc_signature), signature, 64, &len), OK);
    struct bytes input = bytes_of_str(rfc_input);
    assert_int_equal(es256_verify(rfc_key, input, bytes_of(signature, 64)), OK);
    assert_int_equal(
        es256_verify(rfc_key, bytes_of(input.data, input.len - 1), bytes_of(signature, 64)),
        ERR_AUTH);
    assert_int_equal(es256_verify(rfc_key, input, bytes_of(signature, 63)), ERR_AUTH);
    signature[5] ^= 1;
    assert_int_equal(es256_verify(rfc_key, input, bytes_of(signature, 64)), ERR_AUTH);
    memset(signature, 0, sizeof signature);
    assert_int_equal(es256_verify(rfc_key, input, bytes_of(signature, 64)), ERR_AUTH);
    token_keys_free(set);
}

static void signed_claims_come_back(void **state)
{
    (void)state;
    struct token_claims claims = claims_of_ada(), back;
    char *token;
    assert_int_equal(token_sign(&claims, key, "k1", &token), OK);
    assert_int_equal(verify_at(token, NOW + SECONDS(1), &back), OK);
    assert_string_equal(back.sub, claims.sub);
    assert_string_equal(back.name, claims.name);
    assert_string_equal(back.sid, claims.sid);
    assert_int_equal(back.kind, TOKEN_KIND_GUEST);
    assert_true(back.iat == claims.iat && back.exp == claims.exp);
    assert_string_equal(back.grant.room, "standup");
    assert_int_equal(back.grant.publish, claims.grant.publish);
    assert_true(back.grant.subscribe && back.grant.moderate && !back.grant.admin);
    assert_true(token_grant_covers_room(&back.grant, "standup"));
    assert_false(token_grant_covers_room(&back.grant, "other"));
    free(token);
}

static void token_expires_after_the_leeway(void **state)
{
    (void)state;
    struct token_claims claims = claims_of_ada(), back;
    char *token;
    assert_int_equal(token_sign(&claims, key, "k1", &token), OK);
    assert_int_equal(verify_at(token, NOW + SECONDS(929), &back), OK);
    assert_int_equal(verify_at(token, NOW + SECONDS(930), &back), ERR_EXPIRED);
    assert_int_equal(verify_at(token, NOW - SECONDS(30), &back), OK);
    assert_int_equal(verify_at(token, NOW - SECONDS(31), &back), ERR_AUTH);
    free(token);
}

static void wrong_key_kid_issuer_and_audience_are_told_apart(void **state)
{
    (void)state;
    struct token_claims claims = claims_of_ada(), back;
    char *token;
    assert_int_equal(token_sign(&claims, other_key, "k1", &token), OK);
    assert_int_equal(verify(token), ERR_AUTH);
    free(token);
    assert_int_equal(token_sign(&claims, key, "k2", &token), OK);
    assert_int_equal(verify(token), ERR_NOT_FOUND);
    free(token);
    assert_int_equal(token_sign(&claims, key, "k1", &token), OK);
    struct token_expect expect = { .issuer = "somebody", .now = NOW };
    assert_int_equal(token_verify(keys, bytes_of_str(token), &expect, &back), ERR_AUTH);
    expect = (struct token_expect){ .audience = "here", .now = NOW };
    assert_int_equal(token_verify(keys, bytes_of_str(token), &expect, &back), ERR_AUTH);
    free(token);
}

#define PAYLOAD "{\"iss\":\"conclave\",\"sub\":\"u\",\"kind\":\"user\",\"exp\":1790000900}"

static void other_algorithms_and_critical_headers_are_refused(void **state)
{
    (void)state;
    assert_int_equal(verify(forge("{\"alg\":\"ES256\",\"kid\":\"k1\"}", PAYLOAD, key)), OK);
    static const char *const headers[] = {
        "{\"alg\":\"none\",\"kid\":\"k1\"}",
        "{\"alg\":\"HS256\",\"kid\":\"k1\"}",
        "{\"alg\":\"es256\",\"kid\":\"k1\"}",
        "{\"kid\":\"k1\"}",
        "{\"alg\":\"ES256\"}",
        "{\"alg\":\"ES256\",\"kid\":7}",
        "{\"alg\":\"ES256\",\"kid\":\"k1\",\"crit\":[]}",
        "{\"alg\":\"ES256\",\"kid\":\"k1\",\"b64\":false}",
        "{\"alg\":\"ES256\",\"alg\":\"none\",\"kid\":\"k1\"}",
        "[]",
        "not json",
    };
    for (size_t i = 0; i < ARRAY_LEN(headers); i++)
        assert_int_equal(verify(forge(headers[i], PAYLOAD, key)), ERR_MALFORMED);
}

static void claims_of_wrong_shape_are_refused(void **state)
{
    (void)state;
    static const char *const payloads[] = {
        "{}",
        "{\"sub\":\"u\",\"kind\":\"user\"}",
        "{\"sub\":\"\",\"kind\":\"user\",\"exp\":1790000900}",
        "{\"sub\":\"u\",\"kind\":\"root\",\"exp\":1790000900}",
        "{\"sub\":\"u\",\"kind\":\"user\",\"exp\":\"1790000900\"}",
        "{\"sub\":\"u\",\"kind\":\"user\",\"exp\":-1}",
        "{\"sub\":\"u\",\"kind\":\"user\",\"exp\":1e300}",
        "{\"sub\":\"u\",\"kind\":\"user\",\"exp\":1790000900,\"grant\":[]}",
        "{\"sub\":\"u\",\"kind\":\"user\",\"exp\":1790000900,\"grant\":{\"publish\":\"all\"}}",
        "{\"sub\":\"u\",\"kind\":\"user\",\"exp\":1790000900,\"grant\":{\"admin\":1}}",
        "{\"sub\":\"u\\u0000x\",\"kind\":\"user\",\"exp\":1790000900}",
    };
    for (size_t i = 0; i < ARRAY_LEN(payloads); i++)
        assert_int_equal(verify(forge("{\"alg\":\"ES256\",\"kid\":\"k1\"}", payloads[i], key)),
                         ERR_MALFORMED);
}

static void missing_grant_allows_nothing(void **state)
{
    (void)state;
    struct token_claims back;
    const char *token = forge("{\"alg\":\"ES256\",\"kid\":\"k1\"}", PAYLOAD, key);
    assert_int_equal(verify_at(token, NOW, &back), OK);
    assert_false(token_grant_covers_room(&back.grant, "standup"));
    assert_false(token_grant_covers_room(&back.grant, ""));
    assert_true(back.grant.publish == 0 && !back.grant.subscribe && !back.grant.admin);
    assert_false(back.grant.data);
}

static bool may_send_data(const char *grant)
{
    char payload[256];
    struct token_claims back;
    snprintf(
        payload, sizeof payload,
        "{\"iss\":\"conclave\",\"sub\":\"u\",\"kind\":\"user\",\"exp\":1790000900,\"grant\":%s}",
        grant);
    assert_int_equal(
        verify_at(forge("{\"alg\":\"ES256\",\"kid\":\"k1\"}", payload, key), NOW, &back), OK);
    return back.grant.data;
}

static void who_may_publish_may_send_data_unless_the_grant_says_no(void **state)
{
    (void)state;
    assert_true(may_send_data("{\"publish\":[\"camera\"]}"));
    assert_false(may_send_data("{\"publish\":[]}"));
    assert_false(may_send_data("{\"publish\":[\"camera\"],\"data\":false}"));
    assert_true(may_send_data("{\"data\":true}"));
}

static void texts_that_are_no_tokens_are_malformed(void **state)
{
    (void)state;
    static const char *const texts[] = { "", ".", "..", "...", "a.b.c", "a", "!!.!!.!!" };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        assert_int_equal(verify(texts[i]), ERR_MALFORMED);
    struct token_claims claims = claims_of_ada();
    char *token, longer[4096];
    assert_int_equal(token_sign(&claims, key, "k1", &token), OK);
    (void)snprintf(longer, sizeof longer, "%s.", token);
    assert_int_equal(verify(longer), ERR_MALFORMED);
    (void)snprintf(longer, sizeof longer, "%s=", token);
    assert_int_equal(verify(longer), ERR_MALFORMED);
    token[strlen(token) - 2] = '\0';
    assert_int_equal(verify(token), ERR_MALFORMED);
    free(token);
}

static void key_sets_round_trip_and_skip_what_is_not_ours(void **state)
{
    (void)state;
    struct token_keys *back;
    json_t *json = token_keys_to_json(keys);
    json_t *list = json_object_get(json, "keys");
    assert_int_equal(json_array_append_new(list, json_pack("{ss ss}", "kty", "RSA", "kid", "r")),
                     0);
    assert_null(json_object_get(json_array_get(list, 0), "d"));
    char *text = json_dumps(json, 0);
    json_decref(json);
    assert_int_equal(token_keys_parse(bytes_of_str(text), &back), OK);
    assert_int_equal(token_keys_count(back), 1);
    assert_int_equal(EVP_PKEY_eq(token_keys_find(back, "k1"), key), 1);
    token_keys_free(back);
    free(text);
    static const char *const bad[] = {
        "",
        "[]",
        "{}",
        "{\"keys\":{}}",
        /* x is right, y is not: the point is not on the curve */
        "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"a\","
        "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
        "\"y\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}]}",
        "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"a\",\"x\":\"AA\",\"y\":\"AA\"}]}",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(token_keys_parse(bytes_of_str(bad[i]), &back), ERR_MALFORMED);
}

/* {"crv":"P-256","kty":"EC","x":…,"y":…} of appendix A.3, hashed by another implementation. */
static void kid_is_the_thumbprint(void **state)
{
    (void)state;
    struct token_keys *set;
    char kid[TOKEN_THUMBPRINT_CAPACITY];
    assert_int_equal(token_keys_parse(bytes_of_str(rfc_keys), &set), OK);
    assert_int_equal(token_kid_write(token_keys_find(set, "a3"), kid), OK);
    assert_string_equal(kid, "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U");
    token_keys_free(set);
}

static void sign_and_verify(void *data)
{
    (void)data;
    struct token_claims claims = claims_of_ada(), back;
    struct token_keys *set = NULL;
    char *token = NULL;
    if (token_sign(&claims, key, "k1", &token) != OK)
        return;
    json_t *json = token_keys_to_json(keys);
    char *text = json == NULL ? NULL : json_dumps(json, 0);
    json_decref(json);
    if (text != NULL && token_keys_parse(bytes_of_str(text), &set) == OK) {
        const struct token_expect expect = { .now = NOW };
        enum err e = token_verify(set, bytes_of_str(token), &expect, &back);
        assert_true(e == OK || e == ERR_SYSTEM || e == ERR_MALFORMED);
    }
    token_keys_free(set);
    free(text);
    free(token);
}

static void failing_allocations_leak_nothing(void **state)
{
    (void)state;
    assert_in_range(fail_alloc_each(sign_and_verify, NULL), 50, 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(es256_verifies_the_rfc_vector_and_nothing_else),
        cmocka_unit_test(signed_claims_come_back),
        cmocka_unit_test(token_expires_after_the_leeway),
        cmocka_unit_test(wrong_key_kid_issuer_and_audience_are_told_apart),
        cmocka_unit_test(other_algorithms_and_critical_headers_are_refused),
        cmocka_unit_test(claims_of_wrong_shape_are_refused),
        cmocka_unit_test(missing_grant_allows_nothing),
        cmocka_unit_test(who_may_publish_may_send_data_unless_the_grant_says_no),
        cmocka_unit_test(texts_that_are_no_tokens_are_malformed),
        cmocka_unit_test(key_sets_round_trip_and_skip_what_is_not_ours),
        cmocka_unit_test(kid_is_the_thumbprint),
        cmocka_unit_test(failing_allocations_leak_nothing),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
