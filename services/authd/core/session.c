/* session.c - session records, refresh rotation, claims.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/session.h"

#include "common/base64url.h"

#include <assert.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>

static_assert(REFRESH_TEXT_CAPACITY >=
                  ID_CAPACITY + BASE64URL_CAPACITY(REFRESH_SECRET_LEN + REFRESH_TAG_LEN),
              "a refresh token fits its text");

/* HMAC-SHA256(server secret, purpose | 0 | sid | 0 | secret) */
static void derive(const uint8_t server_secret[DIRECTORY_SECRET_LEN], const char *purpose,
                   const struct refresh_token *token, uint8_t ret[32])
{
    uint8_t text[16 + ID_CAPACITY + 2 + REFRESH_SECRET_LEN];
    struct writer w = writer_of(text, sizeof(text));
    writer_put(&w, bytes_of_str(purpose));
    writer_u8(&w, 0);
    writer_put(&w, bytes_of_str(token->sid));
    writer_u8(&w, 0);
    writer_put(&w, bytes_of(token->secret, sizeof(token->secret)));
    check(!w.failed);
    unsigned len = 0;
    check(HMAC(EVP_sha256(), server_secret, DIRECTORY_SECRET_LEN, text, writer_len(&w), ret,
               &len) != NULL);
    bytes_wipe(text, sizeof(text));
}

void refresh_token_write(const struct refresh_token *token,
                         const uint8_t server_secret[DIRECTORY_SECRET_LEN],
                         char ret[REFRESH_TEXT_CAPACITY])
{
    uint8_t tag[32], body[REFRESH_SECRET_LEN + REFRESH_TAG_LEN];
    derive(server_secret, "refresh-tag", token, tag);
    memcpy(body, token->secret, REFRESH_SECRET_LEN);
    memcpy(body + REFRESH_SECRET_LEN, tag, REFRESH_TAG_LEN);
    int len = snprintf(ret, REFRESH_TEXT_CAPACITY, "%s.", token->sid);
    check(len > 0 && len <= ID_CAPACITY);
    base64url_write(ret + len, bytes_of(body, sizeof(body)));
    bytes_wipe(body, sizeof(body));
}

enum err refresh_token_parse(struct bytes text, const uint8_t server_secret[DIRECTORY_SECRET_LEN],
                             struct refresh_token *ret)
{
    const uint8_t *dot = text.len == 0 ? NULL : memchr(text.data, '.', text.len);
    if (dot == NULL || (size_t)(dot - text.data) >= ID_CAPACITY)
        return ERR_MALFORMED;
    struct refresh_token token = { 0 };
    memcpy(token.sid, text.data, (size_t)(dot - text.data));
    uint8_t body[REFRESH_SECRET_LEN + REFRESH_TAG_LEN], tag[32];
    size_t len = 0;
    struct bytes rest = bytes_of(dot + 1, text.len - (size_t)(dot + 1 - text.data));
    if (!id_is_valid(token.sid, "s_") || base64url_parse(rest, body, sizeof(body), &len) != OK ||
        len != sizeof(body))
        return ERR_MALFORMED;
    memcpy(token.secret, body, REFRESH_SECRET_LEN);
    derive(server_secret, "refresh-tag", &token, tag);
    if (!bytes_equal_secret(bytes_of(tag, REFRESH_TAG_LEN),
                            bytes_of(body + REFRESH_SECRET_LEN, REFRESH_TAG_LEN)))
        return ERR_AUTH;
    *ret = token;
    return OK;
}

void refresh_token_next(const struct refresh_token *token,
                        const uint8_t server_secret[DIRECTORY_SECRET_LEN],
                        struct refresh_token *ret)
{
    struct refresh_token next = { 0 };
    memcpy(next.sid, token->sid, sizeof(next.sid));
    derive(server_secret, "refresh-next", token, next.secret);
    *ret = next;
}

void refresh_token_hash(const struct refresh_token *token, char ret[REFRESH_HASH_CAPACITY])
{
    uint8_t digest[32];
    check(EVP_Digest(token->secret, sizeof(token->secret), digest, NULL, EVP_sha256(), NULL) == 1);
    hex_write(ret, bytes_of(digest, sizeof(digest)));
}

enum session_rotation session_rotation_decide(const char *current, const char *previous,
                                              usec since_rotation, const char *shown,
                                              const char *next)
{
    if (strcmp(shown, current) == 0)
        return SESSION_ROTATED;
    if (strcmp(shown, previous) == 0 && strcmp(next, current) == 0 &&
        since_rotation <= REFRESH_GRACE)
        return SESSION_REPEATED;
    return SESSION_REUSED;
}

static const char *kind_name(enum token_kind kind)
{
    return kind == TOKEN_KIND_USER ? "user" : "guest";
}

json_t *session_to_json(const struct session *s)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I}", "sid", s->sid, "kind",
                     kind_name(s->kind), "sub", s->sub, "username", s->username, "name", s->name,
                     "org", s->org, "created_ms", (json_int_t)(s->created / USEC_PER_MS));
}

static bool text_copy(const json_t *json, const char *key, char *ret, size_t capacity)
{
    const char *text = json_string_value(json_object_get(json, key));
    if (text == NULL || strlen(text) >= capacity)
        return false;
    memcpy(ret, text, strlen(text) + 1);
    return true;
}

enum err session_from_json(const json_t *json, struct session *ret)
{
    struct session s = { 0 };
    const char *kind = json_string_value(json_object_get(json, "kind"));
    if (kind == NULL || !text_copy(json, "sid", s.sid, sizeof(s.sid)) ||
        !text_copy(json, "sub", s.sub, sizeof(s.sub)) ||
        !text_copy(json, "username", s.username, sizeof(s.username)) ||
        !text_copy(json, "name", s.name, sizeof(s.name)) ||
        !text_copy(json, "org", s.org, sizeof(s.org)))
        return ERR_MALFORMED;
    s.kind = strcmp(kind, "user") == 0 ? TOKEN_KIND_USER : TOKEN_KIND_GUEST;
    s.created = json_integer_value(json_object_get(json, "created_ms")) * USEC_PER_MS;
    *ret = s;
    return OK;
}

struct session session_of_user(const struct user *user, const char *sid, wall_usec now)
{
    struct session s = { .kind = TOKEN_KIND_USER, .created = now };
    snprintf(s.sid, sizeof(s.sid), "%s", sid);
    snprintf(s.sub, sizeof(s.sub), "%s", user->id);
    snprintf(s.username, sizeof(s.username), "%s", user->username);
    snprintf(s.name, sizeof(s.name), "%s", user->display_name);
    snprintf(s.org, sizeof(s.org), "%s", user->org);
    return s;
}

struct session session_of_guest(const char *id, const char *name, const char *sid, wall_usec now)
{
    struct session s = { .kind = TOKEN_KIND_GUEST, .org = ORG_DEFAULT, .created = now };
    snprintf(s.sid, sizeof(s.sid), "%s", sid);
    snprintf(s.sub, sizeof(s.sub), "%s", id);
    snprintf(s.name, sizeof(s.name), "%s", name);
    return s;
}

struct token_claims session_claims(const struct session *s, const struct grant_policy *policy,
                                   const char *issuer, const char *jti, wall_usec now, usec ttl)
{
    struct token_claims c = { .kind = s->kind, .iat = now, .exp = now + ttl };
    c.grant = s->kind == TOKEN_KIND_USER ? grant_of_user(policy, s->username) : grant_of_guest();
    snprintf(c.iss, sizeof(c.iss), "%s", issuer);
    snprintf(c.sub, sizeof(c.sub), "%s", s->sub);
    snprintf(c.name, sizeof(c.name), "%s", s->name);
    snprintf(c.org, sizeof(c.org), "%s", s->org);
    snprintf(c.sid, sizeof(c.sid), "%s", s->sid);
    snprintf(c.jti, sizeof(c.jti), "%s", jti);
    return c;
}
