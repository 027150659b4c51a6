/* routes_login.c - POST /v1/login/start and /v1/login/finish: SRP-6a over two requests.
 *
 * A login of a name that nobody has takes the same steps, touches the store as often and costs the
 * same exponentiations as a real one; it differs in one flag that is looked at after the proof.
 *
 * Everything expensive happens in the first step, so only two hashes wait in the store: nobody who
 * reads it learns b or K. A login id is good for one attempt.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/routes.h"

#include "common/base64url.h"

#include <stdio.h>

static struct srp_suite suite_of(enum srp_group group)
{
    return (struct srp_suite){ .group = group, .hash = SRP_HASH_SHA256 };
}

static json_t *binary_to_json(const uint8_t *data, size_t len)
{
    char text[BASE64URL_CAPACITY(SRP_GROUP_BYTES_MAX)];
    check(len <= SRP_GROUP_BYTES_MAX);
    base64url_write(text, bytes_of(data, len));
    return json_string(text);
}

/* The record that waits for the second step. */
static char *login_write(const struct call *call)
{
    json_t *json =
        json_pack("{s:s, s:s, s:s, s:s, s:o, s:o}", "id", call->user.id, "username",
                  call->user.username, "display_name", call->user.display_name, "org",
                  call->user.org, "M1", binary_to_json(call->proofs.client, call->proofs.len), "M2",
                  binary_to_json(call->proofs.server, call->proofs.len));
    char *text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    return text;
}

static bool proof_read(const json_t *json, const char *key, uint8_t ret[SRP_HASH_BYTES_MAX])
{
    const char *text = json_string_value(json_object_get(json, key));
    size_t len = 0;
    return text != NULL &&
           base64url_parse(bytes_of_str(text), ret, SRP_HASH_BYTES_MAX, &len) == OK &&
           len == SRP_HASH_BYTES_MAX;
}

static bool member_copy(const json_t *json, const char *key, char *ret, size_t capacity)
{
    const char *text = json_string_value(json_object_get(json, key));
    int len = text == NULL ? -1 : snprintf(ret, capacity, "%s", text);
    return len >= 0 && (size_t)len < capacity;
}

static bool login_read(struct bytes text, struct call *call)
{
    json_t *json = json_loadb((const char *)text.data, text.len, 0, NULL);
    struct user *user = &call->user;
    bool fine = json != NULL && member_copy(json, "id", user->id, sizeof(user->id)) &&
                member_copy(json, "username", user->username, sizeof(user->username)) &&
                member_copy(json, "display_name", user->display_name, sizeof(user->display_name)) &&
                member_copy(json, "org", user->org, sizeof(user->org)) &&
                proof_read(json, "M1", call->proofs.client) &&
                proof_read(json, "M2", call->proofs.server);
    json_decref(json);
    call->proofs.len = SRP_HASH_BYTES_MAX;
    return fine;
}

/* start, last step: the record is stored */
static void start_answer(struct auth *auth, struct call *call)
{
    json_t *answer = call->body; /* built in start_compute() */
    call->body = NULL;
    http_response_json(call->response, 200, answer);
}

/* start, third step: the user is known, or is pretended to be */
static void start_compute(struct auth *auth, struct call *call)
{
    struct user pretended, *user = &call->user;
    char username[USERNAME_LEN_MAX + 1];
    memcpy(username, user->username, sizeof(username));
    user_pretend(auth->secret, username, &pretended);
    json_t *record = NULL;
    if (call->reply.err == OK)
        record = json_loadb((const char *)call->reply.value.data, call->reply.value.len, 0, NULL);
    if (record == NULL || user_from_json(record, user) != OK)
        *user = pretended;
    json_decref(record);

    struct srp_suite suite = suite_of(user->group);
    struct srp_exchange exchange;
    struct bytes a = bytes_of(call->client_public, call->client_public_len);
    struct bytes salt = bytes_of(user->salt, user->salt_len);
    enum err err = srp_exchange_run(suite, bytes_of(user->verifier, user->verifier_len), a,
                                    call_random(call, SRP_SECRET_LEN), &exchange);
    bytes_wipe(user->verifier, sizeof(user->verifier));
    if (err == OK)
        err = srp_proofs_write(suite, bytes_of_str(username), salt, a, &exchange, &call->proofs);
    if (err != OK) {
        call_refuse(call, 400, "bad-request", "A is not a number that SRP allows.");
        return;
    }
    char login[ID_CAPACITY];
    call_id(call, "l_", login);
    json_decref(call->body);
    call->body = json_pack("{s:s, s:o, s:o, s:s, s:o}", "login", login, "salt",
                           binary_to_json(user->salt, user->salt_len), "B",
                           binary_to_json(exchange.server_public, exchange.len), "group",
                           srp_group_name(user->group), "kdf", kdf_to_json(&user->kdf));
    bytes_wipe(&exchange, sizeof(exchange));
    struct store_op *op = call_want(call, STORE_LOGIN_PUT, login, start_answer);
    op->value = login_write(call);
    op->ttl = LOGIN_TTL;
}

/* start, second step: the attempt has been paid for */
static void start_lookup(struct auth *auth, struct call *call)
{
    call_want(call, STORE_USER_GET, call->user.username, start_compute);
}

void route_login_start(struct auth *auth, struct call *call)
{
    const char *username = call_text(call, "username", USERNAME_LEN_MAX);
    const char *a = call_text(call, "A", BASE64URL_CAPACITY(SRP_GROUP_BYTES_MAX));
    if (username == NULL || username_parse(username, call->user.username) != OK) {
        call_refuse(call, 400, "bad-username", "This cannot be a user name.");
        return;
    }
    if (a == NULL ||
        base64url_parse(bytes_of_str(a), call->client_public, sizeof(call->client_public),
                        &call->client_public_len) != OK ||
        call->client_public_len == 0) {
        call_refuse(call, 400, "bad-request", "A must be base64url of the client's public number.");
        return;
    }
    call_throttle(auth, call, THROTTLE_LOGIN, call->user.username, start_lookup);
}

/* finish, after a failure has been charged */
static void finish_refuse(struct auth *auth, struct call *call)
{
    call_refuse(call, 401, "bad-credentials", "User name or password is wrong.");
}

/* finish, last step: the session is stored */
static void finish_answer(struct auth *auth, struct call *call)
{
    json_t *answer =
        json_pack("{s:o, s:o}", "M2", binary_to_json(call->proofs.server, call->proofs.len), "user",
                  call_user_json(auth, &call->session));
    if (answer != NULL && !call_put_tokens(auth, call, &call->refresh, answer)) {
        json_decref(answer);
        answer = NULL;
    }
    if (answer != NULL)
        call_note(call, "session.login", &call->session, NULL);
    http_response_json(call->response, 200, answer);
}

/* finish, second step: the record has been taken out of the store */
static void finish_compare(struct auth *auth, struct call *call)
{
    uint8_t shown[SRP_HASH_BYTES_MAX] = { 0 };
    if (call->reply.err != OK || !login_read(call->reply.value, call)) {
        call_refuse(call, 401, "login-expired", "This login took too long, or was used already.");
        return;
    }
    bool is_right = proof_read(call->body, "M1", shown) &&
                    bytes_equal_secret(bytes_of(shown, sizeof(shown)),
                                       bytes_of(call->proofs.client, call->proofs.len));
    bool is_known = call->user.id[0] != '\0';
    char sid[ID_CAPACITY];
    call_id(call, "s_", sid);
    call->session =
        session_of_user(&call->user, is_right && is_known ? sid : "", call->request->wall);
    if (!is_right || !is_known) {
        call_note(call, "session.login-failed", &call->session, "bad-credentials");
        call_throttle(auth, call, THROTTLE_LOGIN_FAILED, call->user.username, finish_refuse);
        return;
    }
    call_open_session(auth, call, finish_answer);
}

void route_login_finish(struct auth *auth, struct call *call)
{
    const char *login = call_text(call, "login", ID_CAPACITY);
    call->wants_cookie = call_wants_cookie(call);
    if (login == NULL || !id_is_valid(login, "l_") || call_text(call, "M1", 64) == NULL) {
        call_refuse(call, 400, "bad-request", "login and M1 are needed.");
        return;
    }
    call_want(call, STORE_LOGIN_TAKE, login, finish_compare);
}
