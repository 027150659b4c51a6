/* Claims to and from JSON, signing and verifying. SPDX-License-Identifier: Apache-2.0 */
#include "common/token.h"

#include "common/base64url.h"

#include <math.h>
#include <stdlib.h>

static const char *const source_names[] = { "microphone", "camera", "screen", "screen-audio" };

unsigned token_publish_parse(const char *source)
{
    for (unsigned i = 0; i < ARRAY_LEN(source_names); i++)
        if (strcmp(source, source_names[i]) == 0)
            return 1u << i;
    return 0;
}

const char *token_publish_name(unsigned source)
{
    unsigned i = 0;
    while (i < ARRAY_LEN(source_names) && source != 1u << i)
        i++;
    check(i < ARRAY_LEN(source_names)); /* exactly one source */
    return source_names[i];
}

bool token_grant_covers_room(const struct token_grant *grant, const char *room)
{
    return strcmp(grant->room, "*") == 0 || (room[0] != '\0' && strcmp(grant->room, room) == 0);
}

static json_t *publish_to_json(unsigned publish)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < ARRAY_LEN(source_names) && list != NULL; i++) {
        if ((publish & (1u << i)) == 0)
            continue;
        if (json_array_append_new(list, json_string(source_names[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *grant_to_json(const struct token_grant *grant)
{
    json_t *publish = publish_to_json(grant->publish);
    if (publish == NULL)
        return NULL;
    return json_pack("{ss so sb sb sb sb}", "room", grant->room, "publish", publish, "subscribe",
                     (int)grant->subscribe, "data", (int)grant->data, "moderate",
                     (int)grant->moderate, "admin", (int)grant->admin);
}

json_t *token_claims_to_json(const struct token_claims *claims)
{
    json_t *grant = grant_to_json(&claims->grant);
    if (grant == NULL)
        return NULL;
    json_t *json =
        json_pack("{ss ss ss ss ss ss ss sI sI so}", "iss", claims->iss, "sub", claims->sub, "name",
                  claims->name, "org", claims->org, "kind",
                  claims->kind == TOKEN_KIND_GUEST ? "guest" : "user", "sid", claims->sid, "jti",
                  claims->jti, "iat", (json_int_t)(claims->iat / USEC_PER_SEC), "exp",
                  (json_int_t)(claims->exp / USEC_PER_SEC), "grant", grant);
    if (json != NULL && claims->aud[0] != '\0' &&
        json_object_set_new(json, "aud", json_string(claims->aud)) != 0) {
        json_decref(json);
        return NULL;
    }
    return json;
}

/* Copies a text member. Absent is "" if it is optional. */
static bool take_text(const json_t *json, const char *name, bool is_optional, char *ret,
                      size_t capacity)
{
    const json_t *value = json_object_get(json, name);
    ret[0] = '\0';
    if (value == NULL)
        return is_optional;
    size_t len = json_string_length(value);
    if (!json_is_string(value) || len >= capacity ||
        memchr(json_string_value(value), '\0', len) != NULL)
        return false;
    memcpy(ret, json_string_value(value), len + 1);
    return true;
}

/* A NumericDate (RFC 7519 §2); real numbers are allowed there. */
static bool take_time(const json_t *json, const char *name, bool is_optional, wall_usec *ret)
{
    const json_t *value = json_object_get(json, name);
    *ret = 0;
    if (value == NULL)
        return is_optional;
    double seconds = json_number_value(value);
    if (!json_is_number(value) || !(seconds >= 0 && seconds < 1e11))
        return false;
    *ret = json_is_integer(value) ? (wall_usec)json_integer_value(value) * USEC_PER_SEC
                                  : (wall_usec)(seconds * 1e6);
    return true;
}

static bool take_bool(const json_t *json, const char *name, bool *ret)
{
    const json_t *value = json_object_get(json, name);
    *ret = json_is_true(value);
    return value == NULL || json_is_boolean(value);
}

static bool take_publish(const json_t *list, unsigned *ret)
{
    *ret = 0;
    if (list == NULL)
        return true;
    if (!json_is_array(list))
        return false;
    size_t i;
    const json_t *value;
    json_array_foreach(list, i, value)
    {
        if (!json_is_string(value))
            return false;
        *ret |= token_publish_parse(json_string_value(value)); /* unknown sources grant nothing */
    }
    return true;
}

static bool take_grant(const json_t *json, struct token_grant *ret)
{
    *ret = (struct token_grant){ 0 };
    if (json == NULL)
        return true;
    bool ok = json_is_object(json) && take_text(json, "room", true, ret->room, sizeof ret->room) &&
              take_publish(json_object_get(json, "publish"), &ret->publish) &&
              take_bool(json, "subscribe", &ret->subscribe) &&
              take_bool(json, "data", &ret->data) && take_bool(json, "moderate", &ret->moderate) &&
              take_bool(json, "admin", &ret->admin);
    /* Tokens of issuers that do not know of it. */
    if (ok && json_object_get(json, "data") == NULL)
        ret->data = ret->publish != 0;
    return ok;
}

static bool take_kind(const json_t *json, enum token_kind *ret)
{
    char text[8];
    if (!take_text(json, "kind", false, text, sizeof text))
        return false;
    *ret = strcmp(text, "guest") == 0 ? TOKEN_KIND_GUEST : TOKEN_KIND_USER;
    return *ret == TOKEN_KIND_GUEST || strcmp(text, "user") == 0;
}

enum err token_claims_from_json(const json_t *json, struct token_claims *ret)
{
    struct token_claims c = { 0 };
    bool ok = json_is_object(json) && take_text(json, "iss", true, c.iss, sizeof c.iss) &&
              take_text(json, "aud", true, c.aud, sizeof c.aud) &&
              take_text(json, "sub", false, c.sub, sizeof c.sub) &&
              take_text(json, "name", true, c.name, sizeof c.name) &&
              take_text(json, "org", true, c.org, sizeof c.org) && take_kind(json, &c.kind) &&
              take_text(json, "sid", true, c.sid, sizeof c.sid) &&
              take_text(json, "jti", true, c.jti, sizeof c.jti) &&
              take_time(json, "iat", true, &c.iat) && take_time(json, "exp", false, &c.exp) &&
              take_grant(json_object_get(json, "grant"), &c.grant);
    if (!ok || c.sub[0] == '\0')
        return ERR_MALFORMED;
    *ret = c;
    return OK;
}

/* base64url(header) "." base64url(payload), with room for "." and the signature. Caller free()s. */
static char *signing_input_new(const char *header, const char *payload, size_t *ret_len)
{
    struct bytes h = bytes_of_str(header), p = bytes_of_str(payload);
    char *text = malloc(BASE64URL_CAPACITY(h.len) + BASE64URL_CAPACITY(p.len) + 1 +
                        BASE64URL_CAPACITY(ES256_SIGNATURE_LEN));
    if (text == NULL)
        return NULL;
    size_t n = base64url_write(text, h);
    text[n++] = '.';
    n += base64url_write(text + n, p);
    *ret_len = n;
    return text;
}

static enum err sign_texts(const char *header, const char *payload, EVP_PKEY *key, char **ret)
{
    size_t len;
    char *text = signing_input_new(header, payload, &len);
    if (text == NULL)
        return ERR_SYSTEM;
    uint8_t signature[ES256_SIGNATURE_LEN];
    enum err e = es256_sign(key, bytes_of(text, len), signature);
    if (e != OK) {
        free(text);
        return e;
    }
    text[len++] = '.';
    (void)base64url_write(text + len, bytes_of(signature, sizeof signature));
    *ret = text;
    return OK;
}

static char *dump_new(json_t *stolen)
{
    char *text = stolen == NULL ? NULL : json_dumps(stolen, JSON_COMPACT);
    json_decref(stolen);
    return text;
}

enum err token_sign(const struct token_claims *claims, EVP_PKEY *key, const char *kid, char **ret)
{
    char *header = dump_new(json_pack("{ss ss ss}", "alg", "ES256", "typ", "JWT", "kid", kid));
    char *payload = dump_new(token_claims_to_json(claims));
    enum err e = ERR_SYSTEM;
    if (header != NULL && payload != NULL)
        e = sign_texts(header, payload, key, ret);
    free(header);
    free(payload);
    return e;
}

/* One part up to the next dot (or the end); the view moves behind it. */
static struct bytes take_part(struct bytes *left)
{
    const uint8_t *dot = left->len == 0 ? NULL : memchr(left->data, '.', left->len);
    size_t n = dot == NULL ? left->len : (size_t)(dot - left->data);
    struct bytes part = bytes_of(left->data, n);
    size_t skip = dot == NULL ? n : n + 1;
    *left = bytes_of(left->data + skip, left->len - skip);
    return part;
}

/* A base64url part as a JSON object (caller json_decref()s). */
static enum err part_to_json(struct bytes part, json_t **ret)
{
    uint8_t raw[BASE64URL_DECODED(TOKEN_TEXT_MAX) + 1];
    size_t len;
    if (base64url_parse(part, raw, sizeof raw, &len) != OK)
        return ERR_MALFORMED;
    json_error_t why;
    json_t *json = json_loadb((const char *)raw, len, JSON_REJECT_DUPLICATES, &why);
    if (json == NULL)
        return json_error_code(&why) == json_error_out_of_memory ? ERR_SYSTEM : ERR_MALFORMED;
    if (!json_is_object(json)) {
        json_decref(json);
        return ERR_MALFORMED;
    }
    *ret = json;
    return OK;
}

/* The header decides nothing but the key: alg must be ES256, crit must not be there. */
static enum err header_check(struct bytes part, char ret_kid[TOKEN_KID_MAX + 1])
{
    json_t *header;
    enum err e = part_to_json(part, &header);
    if (e != OK)
        return e;
    char alg[16], typ[16];
    bool ok = take_text(header, "alg", false, alg, sizeof alg) && strcmp(alg, "ES256") == 0 &&
              json_object_get(header, "crit") == NULL && json_object_get(header, "b64") == NULL &&
              take_text(header, "typ", true, typ, sizeof typ) &&
              (typ[0] == '\0' || strcasecmp(typ, "JWT") == 0) &&
              take_text(header, "kid", false, ret_kid, TOKEN_KID_MAX + 1);
    json_decref(header);
    return ok ? OK : ERR_MALFORMED;
}

static enum err signature_check(const struct token_keys *keys, const char *kid, struct bytes input,
                                struct bytes part)
{
    uint8_t signature[ES256_SIGNATURE_LEN];
    size_t len;
    if (base64url_parse(part, signature, sizeof signature, &len) != OK || len != sizeof signature)
        return ERR_MALFORMED;
    EVP_PKEY *key = token_keys_find(keys, kid);
    if (key == NULL)
        return ERR_NOT_FOUND;
    return es256_verify(key, input, bytes_of(signature, len));
}

static enum err expectations_check(const struct token_claims *claims, wall_usec not_before,
                                   const struct token_expect *expect)
{
    if (expect->issuer != NULL && strcmp(claims->iss, expect->issuer) != 0)
        return ERR_AUTH;
    if (expect->audience != NULL && strcmp(claims->aud, expect->audience) != 0)
        return ERR_AUTH;
    if (MAX(claims->iat, not_before) > expect->now + expect->leeway)
        return ERR_AUTH;
    return claims->exp + expect->leeway <= expect->now ? ERR_EXPIRED : OK;
}

static enum err payload_check(struct bytes part, const struct token_expect *expect,
                              struct token_claims *ret)
{
    json_t *payload;
    enum err e = part_to_json(part, &payload);
    if (e != OK)
        return e;
    struct token_claims claims;
    wall_usec not_before;
    e = token_claims_from_json(payload, &claims);
    if (e == OK && !take_time(payload, "nbf", true, &not_before))
        e = ERR_MALFORMED;
    json_decref(payload);
    if (e == OK)
        e = expectations_check(&claims, not_before, expect);
    if (e == OK)
        *ret = claims;
    return e;
}

enum err token_verify(const struct token_keys *keys, struct bytes token,
                      const struct token_expect *expect, struct token_claims *ret)
{
    if (token.len == 0 || token.len > TOKEN_TEXT_MAX)
        return ERR_MALFORMED;
    struct bytes left = token;
    struct bytes header = take_part(&left);
    struct bytes payload = take_part(&left);
    struct bytes signature = take_part(&left);
    /* Exactly two dots: nothing is left and the signature did not end with one. */
    if (left.len != 0 || signature.data + signature.len != token.data + token.len)
        return ERR_MALFORMED;
    char kid[TOKEN_KID_MAX + 1];
    enum err e = header_check(header, kid);
    if (e != OK)
        return e;
    e = signature_check(keys, kid, bytes_of(token.data, header.len + 1 + payload.len), signature);
    return e == OK ? payload_check(payload, expect, ret) : e;
}
