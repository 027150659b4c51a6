/* session.h - who is signed in: the session record, its refresh tokens and its access tokens.
 *
 * Pure: the server secret, randomness and time are parameters.
 *
 * A refresh token is `<sid>.<base64url(secret | tag)>`. The tag (HMAC under the server secret) says
 * that we made it, so a stranger who learns a sid cannot provoke a revocation. The store keeps the
 * SHA-256 of the current token and of the one before, never a token.
 *
 * Rotation: the next secret is an HMAC of the one that was shown, so the same token always leads to
 * the same next one. A client whose answer was lost asks again within REFRESH_GRACE and gets the
 * same answer; two tabs that refresh at once end up with the same token. Any other old token means
 * that two parties hold the session: it is revoked, for both.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTHD_CORE_SESSION_H
#define AUTHD_CORE_SESSION_H

#include "common/base.h"
#include "common/bytes.h"
#include "common/ids.h"
#include "common/token.h"
#include "core/directory.h"
#include "core/grant.h"

#define REFRESH_SECRET_LEN    32
#define REFRESH_TAG_LEN       16
#define REFRESH_TEXT_CAPACITY (ID_CAPACITY + 1 + 64 + 1)
#define REFRESH_HASH_CAPACITY 65 /* SHA-256 as hex */

struct refresh_token {
    char sid[ID_CAPACITY]; /* "s_…" */
    uint8_t secret[REFRESH_SECRET_LEN];
};

void refresh_token_write(const struct refresh_token *token,
                         const uint8_t server_secret[DIRECTORY_SECRET_LEN],
                         char ret[REFRESH_TEXT_CAPACITY]);
/* ERR_MALFORMED, or ERR_AUTH: not made by us. */
MUST_USE enum err refresh_token_parse(struct bytes text,
                                      const uint8_t server_secret[DIRECTORY_SECRET_LEN],
                                      struct refresh_token *ret);
void refresh_token_next(const struct refresh_token *token,
                        const uint8_t server_secret[DIRECTORY_SECRET_LEN],
                        struct refresh_token *ret);
/* What the store keeps of a token. */
void refresh_token_hash(const struct refresh_token *token, char ret[REFRESH_HASH_CAPACITY]);

/* The decision that the store's script takes, for tests and as its specification. */
enum session_rotation {
    SESSION_ROTATED,  /* the current token was shown: the next one is current now */
    SESSION_REPEATED, /* the previous one, within the grace: same answer again */
    SESSION_REUSED,   /* any other: the session has been revoked */
};
enum session_rotation session_rotation_decide(const char *current, const char *previous,
                                              usec since_rotation, const char *shown,
                                              const char *next);

/* A plain value; nothing in it is secret. */
struct session {
    char sid[ID_CAPACITY];
    enum token_kind kind;
    char sub[ID_CAPACITY];               /* "u_…" or "g_…" */
    char username[USERNAME_LEN_MAX + 1]; /* "" for guests */
    char name[DISPLAY_NAME_BYTES_MAX + 1];
    char org[ORG_NAME_BYTES_MAX + 1];
    wall_usec created;
};

json_t *session_to_json(const struct session *session);
MUST_USE enum err session_from_json(const json_t *json, struct session *ret);

struct session session_of_user(const struct user *user, const char *sid, wall_usec now);
struct session session_of_guest(const char *id, const char *name, const char *sid, wall_usec now);

/* What the access token of this session says. jti and times are filled in by the caller's values.
 */
struct token_claims session_claims(const struct session *session, const struct grant_policy *policy,
                                   const char *issuer, const char *jti, wall_usec now, usec ttl);

#endif
