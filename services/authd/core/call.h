/* call.h - one HTTP request on its way through authd.
 *
 * Pure. A call is a chain of steps. Each step either completes the response or asks for one store
 * operation and names the step that continues with its reply:
 *
 *     auth_start(auth, call);
 *     while (call->next != NULL)            // io does this asynchronously
 *         perform(&call->op, &call->reply), auth_resume(auth, call);
 *     emit(call->notes), send(call->response);
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTHD_CORE_CALL_H
#define AUTHD_CORE_CALL_H

#include "common/base.h"
#include "common/http.h"
#include "common/token.h"
#include "core/directory.h"
#include "core/grant.h"
#include "core/session.h"
#include "core/srp.h"
#include "core/store.h"
#include "limits.h"

/* What every call of this instance shares. Owned by the io shell, which keeps keys and secret up to
 * date; only read here. */
struct auth {
    /* given */
    const char *issuer;
    usec access_ttl;
    usec refresh_ttl; /* of users' sessions */
    usec guest_ttl;   /* of guests' sessions */
    usec turn_ttl;
    const char *const *turn_urls;
    size_t turn_url_count;
    struct bytes turn_secret; /* empty: no TURN credentials are made */
    const char *const *allowed_origins;
    size_t allowed_origin_count;
    bool has_guests;
    unsigned throttle_scale; /* 0 = off */
    struct grant_policy policy;
    /* own signing key */
    EVP_PKEY *key;
    char kid[TOKEN_THUMBPRINT_CAPACITY];
    /* shared by all instances; absent until the store has been reached once */
    struct token_keys *keys;
    uint8_t secret[DIRECTORY_SECRET_LEN];
    bool has_secret;
};

/* What the audit log should say about a call. A plain value; type and reason are constant texts. */
struct audit_note {
    const char *type; /* "session.login" */
    const char *actor_kind;
    char actor_id[ID_CAPACITY];
    char actor_name[DISPLAY_NAME_BYTES_MAX + 1];
    char org[ORG_NAME_BYTES_MAX + 1];
    char sid[ID_CAPACITY]; /* "" = none */
    const char *reason;    /* NULL = none */
};

#define CALL_RANDOM_LEN 128
#define CALL_NOTES_MAX  2

struct call;
typedef void call_step(struct auth *auth, struct call *call);

struct call {
    /* given, borrowed */
    struct http_request *request;
    struct http_response *response;
    /* given: fresh random bytes; each is used once */
    uint8_t random[CALL_RANDOM_LEN];
    size_t random_used;
    /* out */
    call_step *next; /* NULL: the response is complete */
    struct store_op op;
    struct audit_note notes[CALL_NOTES_MAX];
    size_t note_count;
    /* in, for auth_resume() */
    struct store_reply reply;
    /* between steps */
    json_t *body;
    bool is_elsewhere; /* a page of another, allowed origin: cookies are none of its business */
    bool wants_cookie;
    struct user user;
    struct session session;
    struct refresh_token refresh;
    struct refresh_token refresh_next;
    struct srp_proofs proofs;
    uint8_t client_public[SRP_GROUP_BYTES_MAX];
    size_t client_public_len;
    const char *problem; /* decided before a last store operation */
};

/* random is copied. call_done() wipes and frees what the call owns (not the response). */
void call_init(struct call *call, struct http_request *request, struct http_response *response,
               const uint8_t random[CALL_RANDOM_LEN]);
void call_done(struct call *call);

/* The next unused random bytes of this call. */
const uint8_t *call_random(struct call *call, size_t len);
void call_id(struct call *call, const char *prefix, char ret[ID_CAPACITY]);

/* Asks for a store operation; `next` continues with call->reply. value is taken over (malloc). */
struct store_op *call_want(struct call *call, enum store_op_kind kind, const char *key,
                           call_step *next);
/* Ends the call with a problem (RFC 9457) of one of the stable identifiers in docs/api.md. */
void call_refuse(struct call *call, int status, const char *error, const char *detail);
void call_refuse_unavailable(struct call *call);
void call_refuse_throttled(struct call *call, usec retry_after);

/* Charges an action, then goes on with `next`; refuses with 429 by itself. */
void call_throttle(struct auth *auth, struct call *call, enum throttle_action action,
                   const char *username, call_step *next);

/* "cookie": true, of a page that may have one. */
bool call_wants_cookie(const struct call *call);
/* A string member of the body, no longer than max bytes and without NULs, or NULL. */
const char *call_text(const struct call *call, const char *key, size_t max);

/* Stores a new session and its first refresh token, then goes on with `next`. */
void call_open_session(struct auth *auth, struct call *call, call_step *next);
/* Adds access_token, expires_in and the refresh token (or its cookie) to an answer.
 * False without memory. */
bool call_put_tokens(struct auth *auth, struct call *call, const struct refresh_token *refresh,
                     json_t *answer);
/* The session of the request's refresh token (body or cookie; sets wants_cookie for the latter)
 * into call->refresh. ERR_NOT_FOUND, ERR_MALFORMED, ERR_AUTH. */
MUST_USE enum err call_refresh_token(struct auth *auth, struct call *call);
/* The claims of the request's access token, or refuses. */
MUST_USE bool call_claims(struct auth *auth, struct call *call, struct token_claims *ret);
void call_set_cookie(struct call *call, const char *token, usec max_age);

/* { id, username, display_name, roles } */
json_t *call_user_json(struct auth *auth, const struct session *session);

void call_note(struct call *call, const char *type, const struct session *session,
               const char *reason);

#endif
