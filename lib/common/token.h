/* token.h - the tokens of Conclave: JWT (RFC 7519) signed with ES256 (RFC 7515, RFC 7518 §3.4), and
 * the key set that verifies them (JWKS, RFC 7517).
 *
 * Pure: keys, text and `now` in; claims out. Only ES256 over P-256 exists here: "none", HS256 and
 * every other algorithm, and any "crit" header, are refused before a key is looked at.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_TOKEN_H
#define COMMON_TOKEN_H

#include "common/base.h"
#include "common/bytes.h"
#include "common/ids.h"

#include <jansson.h>
#include <openssl/evp.h>

/* A source that a participant may publish; publish grants are masks of these. */
enum token_publish {
    TOKEN_PUBLISH_MICROPHONE = 1 << 0,
    TOKEN_PUBLISH_CAMERA = 1 << 1,
    TOKEN_PUBLISH_SCREEN = 1 << 2,
    TOKEN_PUBLISH_SCREEN_AUDIO = 1 << 3,
    TOKEN_PUBLISH_ALL = 0xf,
};

/* "microphone" → TOKEN_PUBLISH_MICROPHONE, …; 0 if unknown. And back (exactly one bit set). */
unsigned token_publish_parse(const char *source);
const char *token_publish_name(unsigned source);

enum token_kind { TOKEN_KIND_USER, TOKEN_KIND_GUEST };

struct token_grant {
    char room[ROOM_NAME_BYTES_MAX + 1]; /* a room name, or "*" */
    unsigned publish;                   /* mask of enum token_publish */
    bool subscribe;
    bool data; /* to send in data channels */
    bool moderate;
    bool admin;
};

#define TOKEN_ID_MAX     63
#define TOKEN_ISSUER_MAX 255
/* The longest token that is looked at. */
#define TOKEN_TEXT_MAX 4096

/* A plain value: copy it, keep it; nothing to free.
 * On the wire: {"iss","sub","name","org","kind":"user"|"guest","sid","jti","iat","exp",
 * "aud" (only if set),"grant":{"room":"*","publish":["microphone",…],"subscribe":true,
 * "data":true,"moderate":false,"admin":false}}. iat and exp are whole seconds there. */
struct token_claims {
    char iss[TOKEN_ISSUER_MAX + 1];
    char aud[TOKEN_ISSUER_MAX + 1]; /* "" = none */
    char sub[TOKEN_ID_MAX + 1];
    char name[DISPLAY_NAME_BYTES_MAX + 1];
    char org[ORG_NAME_BYTES_MAX + 1];
    enum token_kind kind;
    char sid[TOKEN_ID_MAX + 1];
    char jti[TOKEN_ID_MAX + 1];
    wall_usec iat;
    wall_usec exp;
    struct token_grant grant;
};

/* Whether the grant covers a room of that name ("*" covers all). */
bool token_grant_covers_room(const struct token_grant *grant, const char *room);

/* The claims as a new JSON object (caller json_decref()s), or NULL without memory. */
MUST_USE json_t *token_claims_to_json(const struct token_claims *claims);
/* Every member is checked for type, length and UTF-8; unknown members are ignored, a missing grant
 * member is the weakest (no room, nothing published, false), but who may publish anything may send
 * data unless it says no. ERR_MALFORMED. */
MUST_USE enum err token_claims_from_json(const json_t *json, struct token_claims *ret);

/* Signs.
 *
 * key  a P-256 private key, borrowed
 * kid  named in the header; token_kid_write() makes the canonical one
 * ret  a new zero-terminated text, the caller free()s it
 *
 * OK, or ERR_SYSTEM (memory, OpenSSL), ERR_UNSUPPORTED (not a P-256 key). */
MUST_USE enum err token_sign(const struct token_claims *claims, EVP_PKEY *key, const char *kid,
                             char **ret);

/* Public keys by kid. Heap object; immutable after parsing, so any thread may verify with it. */
struct token_keys;
#define TOKEN_KEYS_MAX 32
#define TOKEN_KID_MAX  63

/* Parses a JWK set: {"keys":[{"kty":"EC","crv":"P-256","x","y","kid","alg"?,"use"?}]}. Keys of
 * other kinds, with another alg or use, or without a kid are skipped. ERR_MALFORMED (not a set, or
 * a P-256 point that is not on the curve), ERR_FULL, ERR_SYSTEM. */
MUST_USE enum err token_keys_parse(struct bytes json, struct token_keys **ret);
/* One key, for tests and for authd verifying its own tokens. The key is referenced, not taken. */
MUST_USE enum err token_keys_of(EVP_PKEY *key, const char *kid, struct token_keys **ret);
/* Adds another one. ERR_FULL, ERR_BAD_STATE (that kid is there), ERR_SYSTEM. */
MUST_USE enum err token_keys_add(struct token_keys *keys, EVP_PKEY *key, const char *kid);
void token_keys_free(struct token_keys *keys);
size_t token_keys_count(const struct token_keys *keys);
/* Borrowed from the set, or NULL. */
EVP_PKEY *token_keys_find(const struct token_keys *keys, const char *kid);
/* The set as a JWKS object (public parts only; caller json_decref()s), or NULL without memory. */
MUST_USE json_t *token_keys_to_json(const struct token_keys *keys);

/* The JWK thumbprint (RFC 7638) of a P-256 key, base64url: the canonical kid. */
#define TOKEN_THUMBPRINT_CAPACITY 44
MUST_USE enum err token_kid_write(EVP_PKEY *key, char ret[TOKEN_THUMBPRINT_CAPACITY]);

struct token_expect {
    const char *issuer;   /* must equal iss; NULL = any */
    const char *audience; /* must equal aud; NULL = any */
    wall_usec now;
    usec leeway; /* clock difference tolerated for exp, iat and nbf */
};

/* Verifies signature, then times, issuer and audience.
 *
 * token   the compact serialisation, not kept
 * ret     written only on OK
 *
 * ERR_MALFORMED   not a JWT of ours: shape, encoding, algorithm other than ES256, crit, claim types
 * ERR_NOT_FOUND   the kid is not in the set: the caller may refresh the set and try again
 * ERR_AUTH        wrong signature, issuer or audience, or not valid yet
 * ERR_EXPIRED     was right once
 * ERR_SYSTEM      memory, OpenSSL
 * Cost: one ECDSA P-256 verification (about 100 us). Thread-safe. */
MUST_USE enum err token_verify(const struct token_keys *keys, struct bytes token,
                               const struct token_expect *expect, struct token_claims *ret);

/* ES256 over bytes: 64 bytes r || s. For token.c, its tests, and signed requests between daemons.
 */
#define ES256_SIGNATURE_LEN 64
MUST_USE enum err es256_sign(EVP_PKEY *key, struct bytes data, uint8_t ret[ES256_SIGNATURE_LEN]);
MUST_USE enum err es256_verify(EVP_PKEY *key, struct bytes data, struct bytes signature);

#endif
