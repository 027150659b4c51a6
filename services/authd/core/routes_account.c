/* routes_account.c - POST /v1/register, GET /v1/me.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/routes.h"

#include <stdio.h>

static void register_answer(struct auth *auth, struct call *call)
{
    if (call->reply.err == ERR_BAD_STATE) {
        call_refuse(call, 409, "username-taken", "Somebody has this user name already.");
        return;
    }
    struct session who = session_of_user(&call->user, "", call->request->wall);
    call_note(call, "account.created", &who, NULL);
    http_response_json(call->response, 201, json_pack("{s:o}", "user", call_user_json(auth, &who)));
}

static void register_store(struct auth *auth, struct call *call)
{
    struct store_op *op = call_want(call, STORE_USER_ADD, call->user.username, register_answer);
    json_t *json = user_to_json(&call->user);
    op->value = json_dumps(json, JSON_COMPACT);
    json_decref(json);
}

void route_register(struct auth *auth, struct call *call)
{
    struct user *user = &call->user;
    const char *username = call_text(call, "username", USERNAME_LEN_MAX);
    if (username == NULL || username_parse(username, user->username) != OK) {
        call_refuse(
            call, 400, "bad-username",
            "A user name is 1 to 64 of a-z, 0-9, '.', '_' and '-', a letter or digit first.");
        return;
    }
    const char *display = user->username;
    if (json_object_get(call->body, "display_name") != NULL)
        display = call_text(call, "display_name", DISPLAY_NAME_BYTES_MAX);
    if (display == NULL || display_name_check(bytes_of_str(display)) != OK) {
        call_refuse(call, 400, "bad-name", "A display name is 1 to 64 printable characters.");
        return;
    }
    if (user_credentials_parse(call->body, user) != OK) {
        call_refuse(call, 400, "bad-verifier",
                    "Salt, verifier, group and kdf must be as docs/api.md says.");
        return;
    }
    snprintf(user->display_name, sizeof(user->display_name), "%s", display);
    snprintf(user->org, sizeof(user->org), "%s", ORG_DEFAULT);
    user->created = call->request->wall;
    call_id(call, "u_", user->id);
    call_throttle(auth, call, THROTTLE_REGISTER, NULL, register_store);
}

static void me_answer(struct auth *auth, struct call *call)
{
    json_t *json = NULL;
    if (call->reply.err == OK)
        json = json_loadb((const char *)call->reply.value.data, call->reply.value.len, 0, NULL);
    bool fine = json != NULL && session_from_json(json, &call->session) == OK;
    json_decref(json);
    if (!fine)
        call_refuse(call, 401, "session-ended", "This session has ended: sign in again.");
    else if (call->session.kind == TOKEN_KIND_USER)
        http_response_json(call->response, 200,
                           json_pack("{s:o}", "user", call_user_json(auth, &call->session)));
    else
        http_response_json(call->response, 200,
                           json_pack("{s:{s:s, s:s}}", "guest", "id", call->session.sub, "name",
                                     call->session.name));
}

void route_me(struct auth *auth, struct call *call)
{
    struct token_claims claims;
    if (call_claims(auth, call, &claims))
        call_want(call, STORE_SESSION_GET, claims.sid, me_answer);
}
