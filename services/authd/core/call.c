/* call.c - what the steps of all routes have in common.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/call.h"

#include "core/routes.h"

#include <stdio.h>
#include <stdlib.h>

#define COOKIE_NAME "conclave_refresh"

void call_init(struct call *call, struct http_request *request, struct http_response *response,
               const uint8_t random[CALL_RANDOM_LEN])
{
    *call = (struct call){ .request = request, .response = response };
    response->request_id = request->request_id;
    memcpy(call->random, random, CALL_RANDOM_LEN);
}

static void op_clear(struct store_op *op)
{
    free(op->value);
    *op = (struct store_op){ 0 };
}

void call_done(struct call *call)
{
    op_clear(&call->op);
    json_decref(call->body);
    bytes_wipe(call, sizeof(*call));
}

const uint8_t *call_random(struct call *call, size_t len)
{
    check(len <= CALL_RANDOM_LEN - call->random_used);
    const uint8_t *at = call->random + call->random_used;
    call->random_used += len;
    return at;
}

void call_id(struct call *call, const char *prefix, char ret[ID_CAPACITY])
{
    id_write(ret, prefix, call_random(call, ID_RANDOM_LEN));
}

struct store_op *call_want(struct call *call, enum store_op_kind kind, const char *key,
                           call_step *next)
{
    check(next != NULL && strlen(key) < STORE_KEY_CAPACITY);
    op_clear(&call->op);
    call->op.kind = kind;
    memcpy(call->op.key, key, strlen(key) + 1);
    call->next = next;
    return &call->op;
}

void call_refuse(struct call *call, int status, const char *error, const char *detail)
{
    http_response_problem(call->response, status, error, "%s", detail);
}

static void retry_after_set(struct call *call, usec wait)
{
    char seconds[24];
    snprintf(seconds, sizeof(seconds), "%lld",
             (long long)((wait + USEC_PER_SEC - 1) / USEC_PER_SEC));
    http_response_header(call->response, "Retry-After", seconds);
}

void call_refuse_unavailable(struct call *call)
{
    retry_after_set(call, SECONDS(RETRY_AFTER_UNAVAILABLE_S));
    call_refuse(call, 503, "unavailable", "The account store is away. Try again soon.");
}

void call_refuse_throttled(struct call *call, usec retry_after)
{
    retry_after_set(call, retry_after);
    call_refuse(call, 429, "rate-limited", "Too many attempts. Wait before the next one.");
}

void call_throttle(struct auth *auth, struct call *call, enum throttle_action action,
                   const char *username, call_step *next)
{
    struct store_op *op = call_want(call, STORE_THROTTLE, "", next);
    throttle_charge_write(action, call->request->client_address, username, auth->throttle_scale,
                          &op->charge);
    if (op->charge.count == 0) {
        call->reply = (struct store_reply){ .err = OK };
        auth_resume(auth, call);
    }
}

const char *call_text(const struct call *call, const char *key, size_t max)
{
    const json_t *value = json_object_get(call->body, key);
    const char *text = json_string_value(value);
    if (text == NULL || json_string_length(value) > max ||
        strlen(text) != json_string_length(value))
        return NULL;
    return text;
}

/* How long this session lives without a refresh. */
static usec session_ttl(const struct auth *auth, const struct session *session)
{
    return session->kind == TOKEN_KIND_GUEST ? auth->guest_ttl : auth->refresh_ttl;
}

void call_open_session(struct auth *auth, struct call *call, call_step *next)
{
    memcpy(call->refresh.sid, call->session.sid, sizeof(call->refresh.sid));
    memcpy(call->refresh.secret, call_random(call, REFRESH_SECRET_LEN), REFRESH_SECRET_LEN);
    struct store_op *op = call_want(call, STORE_SESSION_PUT, call->session.sid, next);
    json_t *json = session_to_json(&call->session);
    op->value = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    refresh_token_hash(&call->refresh, op->hash);
    op->ttl = session_ttl(auth, &call->session);
}

bool call_wants_cookie(const struct call *call)
{
    return !call->is_elsewhere && json_is_true(json_object_get(call->body, "cookie"));
}

void call_set_cookie(struct call *call, const char *token, usec max_age)
{
    char text[REFRESH_TEXT_CAPACITY + 128];
    snprintf(text, sizeof(text),
             COOKIE_NAME "=%s; Path=/v1; Max-Age=%lld; HttpOnly; SameSite=Strict%s", token,
             (long long)(max_age / USEC_PER_SEC), call->request->is_https ? "; Secure" : "");
    http_response_header(call->response, "Set-Cookie", text);
    bytes_wipe(text, sizeof(text));
}

bool call_put_tokens(struct auth *auth, struct call *call, const struct refresh_token *refresh,
                     json_t *answer)
{
    char jti[ID_CAPACITY], text[REFRESH_TEXT_CAPACITY];
    call_id(call, "t_", jti);
    struct token_claims claims = session_claims(&call->session, &auth->policy, auth->issuer, jti,
                                                call->request->wall, auth->access_ttl);
    char *access = NULL;
    if (token_sign(&claims, auth->key, auth->kid, &access) != OK)
        return false;
    bool fine = json_object_set_new(answer, "access_token", json_string(access)) == 0 &&
                json_object_set_new(answer, "expires_in",
                                    json_integer(auth->access_ttl / USEC_PER_SEC)) == 0;
    free(access);
    refresh_token_write(refresh, auth->secret, text);
    if (call->wants_cookie)
        call_set_cookie(call, text, session_ttl(auth, &call->session));
    else
        fine = fine && json_object_set_new(answer, "refresh_token", json_string(text)) == 0;
    bytes_wipe(text, sizeof(text));
    return fine;
}

enum err call_refresh_token(struct auth *auth, struct call *call)
{
    const char *text = call_text(call, "refresh_token", REFRESH_TEXT_CAPACITY);
    if (text != NULL)
        return refresh_token_parse(bytes_of_str(text), auth->secret, &call->refresh);
    struct bytes cookie = http_request_cookie(call->request, COOKIE_NAME);
    if (cookie.len == 0 || call->is_elsewhere)
        return ERR_NOT_FOUND;
    call->wants_cookie = true;
    return refresh_token_parse(cookie, auth->secret, &call->refresh);
}

bool call_claims(struct auth *auth, struct call *call, struct token_claims *ret)
{
    struct bytes token = http_request_bearer(call->request);
    const struct token_expect expect = { .issuer = auth->issuer, .now = call->request->wall };
    enum err err = token.len == 0 ? ERR_NOT_FOUND : token_verify(auth->keys, token, &expect, ret);
    if (err == OK)
        return true;
    http_response_header(call->response, "WWW-Authenticate", "Bearer");
    if (err == ERR_EXPIRED)
        call_refuse(call, 401, "token-expired", "The access token has expired: refresh it.");
    else
        call_refuse(call, 401, "bad-token", "A valid access token is needed.");
    return false;
}

json_t *call_user_json(struct auth *auth, const struct session *session)
{
    return json_pack("{s:s, s:s, s:s, s:o}", "id", session->sub, "username", session->username,
                     "display_name", session->name, "roles",
                     grant_roles(&auth->policy, session->username));
}

void call_note(struct call *call, const char *type, const struct session *session,
               const char *reason)
{
    check(call->note_count < CALL_NOTES_MAX);
    struct audit_note *n = &call->notes[call->note_count++];
    *n = (struct audit_note){ .type = type, .reason = reason };
    n->actor_kind = session->kind == TOKEN_KIND_USER ? "user" : "guest";
    memcpy(n->actor_id, session->sub, sizeof(n->actor_id));
    memcpy(n->sid, session->sid, sizeof(n->sid));
    memcpy(n->org, session->org, sizeof(n->org));
    snprintf(n->actor_name, sizeof(n->actor_name), "%s",
             session->username[0] != '\0' ? session->username : session->name);
}
