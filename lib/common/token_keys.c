/* The key set: JWK parsing and writing, lookup by kid. SPDX-License-Identifier: Apache-2.0 */
#include "common/base64url.h"
#include "common/token.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <stdio.h>
#include <stdlib.h>

#define COORDINATE_LEN 32
#define POINT_LEN      (1 + 2 * COORDINATE_LEN) /* 0x04 || x || y */

struct token_key {
    char kid[TOKEN_KID_MAX + 1];
    EVP_PKEY *key; /* a reference of ours */
};

struct token_keys {
    struct token_key keys[TOKEN_KEYS_MAX];
    size_t count;
};

size_t token_keys_count(const struct token_keys *keys)
{
    return keys->count;
}

void token_keys_free(struct token_keys *keys)
{
    if (keys == NULL)
        return;
    for (size_t i = 0; i < keys->count; i++)
        EVP_PKEY_free(keys->keys[i].key);
    free(keys);
}

EVP_PKEY *token_keys_find(const struct token_keys *keys, const char *kid)
{
    for (size_t i = 0; i < keys->count; i++)
        if (strcmp(keys->keys[i].kid, kid) == 0)
            return keys->keys[i].key;
    return NULL;
}

enum err token_keys_add(struct token_keys *keys, EVP_PKEY *key, const char *kid)
{
    if (strlen(kid) > TOKEN_KID_MAX || kid[0] == '\0')
        return ERR_MALFORMED;
    if (token_keys_find(keys, kid) != NULL)
        return ERR_BAD_STATE;
    if (keys->count == TOKEN_KEYS_MAX)
        return ERR_FULL;
    if (EVP_PKEY_up_ref(key) != 1)
        return ERR_SYSTEM;
    struct token_key *slot = &keys->keys[keys->count++];
    memcpy(slot->kid, kid, strlen(kid) + 1);
    slot->key = key;
    return OK;
}

enum err token_keys_of(EVP_PKEY *key, const char *kid, struct token_keys **ret)
{
    struct token_keys *keys = calloc(1, sizeof *keys);
    if (keys == NULL)
        return ERR_SYSTEM;
    enum err e = token_keys_add(keys, key, kid);
    if (e == OK)
        *ret = keys;
    else
        token_keys_free(keys);
    return e;
}

/* A public key from its uncompressed point; OpenSSL checks that it is on the curve. */
static enum err key_from_point(const uint8_t point[POINT_LEN], EVP_PKEY **ret)
{
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char[]){ "P-256" }, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, (void *)point, POINT_LEN),
        OSSL_PARAM_construct_end(),
    };
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    if (context == NULL)
        return ERR_SYSTEM;
    EVP_PKEY *key = NULL;
    enum err e = ERR_SYSTEM;
    if (EVP_PKEY_fromdata_init(context) == 1)
        e = EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params) == 1 ? OK : ERR_MALFORMED;
    EVP_PKEY_CTX_free(context);
    if (e == OK)
        *ret = key;
    return e;
}

static enum err coordinate_parse(const json_t *value, uint8_t ret[COORDINATE_LEN])
{
    if (!json_is_string(value))
        return ERR_MALFORMED;
    size_t len;
    struct bytes text = bytes_of(json_string_value(value), json_string_length(value));
    if (base64url_parse(text, ret, COORDINATE_LEN, &len) != OK || len != COORDINATE_LEN)
        return ERR_MALFORMED;
    return OK;
}

static bool is_absent_or(const json_t *value, const char *text)
{
    return value == NULL || (json_is_string(value) && strcmp(json_string_value(value), text) == 0);
}

static bool is_text(const json_t *value, const char *text)
{
    return value != NULL && is_absent_or(value, text);
}

/* ERR_UNSUPPORTED: some other kind of key, to be skipped. */
static enum err jwk_add(struct token_keys *keys, const json_t *jwk)
{
    const json_t *kid = json_object_get(jwk, "kid");
    if (!is_text(json_object_get(jwk, "kty"), "EC") ||
        !is_text(json_object_get(jwk, "crv"), "P-256") || !json_is_string(kid) ||
        json_string_length(kid) == 0 || json_string_length(kid) > TOKEN_KID_MAX ||
        !is_absent_or(json_object_get(jwk, "alg"), "ES256") ||
        !is_absent_or(json_object_get(jwk, "use"), "sig"))
        return ERR_UNSUPPORTED;
    uint8_t point[POINT_LEN] = { 0x04 };
    if (coordinate_parse(json_object_get(jwk, "x"), point + 1) != OK ||
        coordinate_parse(json_object_get(jwk, "y"), point + 1 + COORDINATE_LEN) != OK)
        return ERR_MALFORMED;
    EVP_PKEY *key;
    enum err e = key_from_point(point, &key);
    if (e != OK)
        return e;
    e = token_keys_add(keys, key, json_string_value(kid));
    EVP_PKEY_free(key);
    return e == ERR_BAD_STATE ? ERR_MALFORMED : e;
}

static enum err jwks_add_all(struct token_keys *keys, const json_t *list)
{
    size_t i;
    const json_t *jwk;
    json_array_foreach(list, i, jwk)
    {
        enum err e = jwk_add(keys, jwk);
        if (e != OK && e != ERR_UNSUPPORTED)
            return e;
    }
    return OK;
}

enum err token_keys_parse(struct bytes json, struct token_keys **ret)
{
    json_error_t why;
    json_t *root = json_loadb((const char *)json.data, json.len, JSON_REJECT_DUPLICATES, &why);
    if (root == NULL)
        return json_error_code(&why) == json_error_out_of_memory ? ERR_SYSTEM : ERR_MALFORMED;
    const json_t *list = json_object_get(root, "keys");
    struct token_keys *keys = calloc(1, sizeof *keys);
    enum err e = keys == NULL ? ERR_SYSTEM : OK;
    if (e == OK)
        e = json_is_array(list) ? jwks_add_all(keys, list) : ERR_MALFORMED;
    json_decref(root);
    if (e == OK)
        *ret = keys;
    else
        token_keys_free(keys);
    return e;
}

/* The coordinates of a P-256 key as base64url. */
struct coordinates {
    char x[BASE64URL_CAPACITY(COORDINATE_LEN)];
    char y[BASE64URL_CAPACITY(COORDINATE_LEN)];
};

static enum err coordinates_write(EVP_PKEY *key, struct coordinates *ret)
{
    char group[32];
    if (EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group,
                                       NULL) != 1 ||
        strcmp(group, "prime256v1") != 0)
        return ERR_UNSUPPORTED;
    const char *const names[2] = { OSSL_PKEY_PARAM_EC_PUB_X, OSSL_PKEY_PARAM_EC_PUB_Y };
    char *const texts[2] = { ret->x, ret->y };
    for (size_t i = 0; i < 2; i++) {
        BIGNUM *number = NULL;
        uint8_t raw[COORDINATE_LEN];
        if (EVP_PKEY_get_bn_param(key, names[i], &number) != 1)
            return ERR_SYSTEM;
        int n = BN_bn2binpad(number, raw, sizeof raw);
        BN_free(number);
        if (n != COORDINATE_LEN)
            return ERR_SYSTEM;
        (void)base64url_write(texts[i], bytes_of(raw, sizeof raw));
    }
    return OK;
}

json_t *token_keys_to_json(const struct token_keys *keys)
{
    json_t *list = json_array();
    for (size_t i = 0; i < keys->count && list != NULL; i++) {
        struct coordinates at;
        json_t *jwk = NULL;
        if (coordinates_write(keys->keys[i].key, &at) == OK)
            jwk = json_pack("{ss ss ss ss ss ss ss}", "kty", "EC", "crv", "P-256", "alg", "ES256",
                            "use", "sig", "kid", keys->keys[i].kid, "x", at.x, "y", at.y);
        if (jwk == NULL || json_array_append_new(list, jwk) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list == NULL ? NULL : json_pack("{so}", "keys", list);
}

enum err token_kid_write(EVP_PKEY *key, char ret[TOKEN_THUMBPRINT_CAPACITY])
{
    struct coordinates at;
    enum err e = coordinates_write(key, &at);
    if (e != OK)
        return e;
    /* RFC 7638 §3.2: the required members, sorted, without white space. */
    char canonical[256];
    int n = snprintf(canonical, sizeof canonical,
                     "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"}", at.x, at.y);
    check(n > 0 && (size_t)n < sizeof canonical);
    uint8_t digest[32];
    if (EVP_Digest(canonical, (size_t)n, digest, NULL, EVP_sha256(), NULL) != 1)
        return ERR_SYSTEM;
    (void)base64url_write(ret, bytes_of(digest, sizeof digest));
    return OK;
}
