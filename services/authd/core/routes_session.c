/* routes_session.c - POST /v1/guests, /v1/token, /v1/logout.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/routes.h"

#include <stdio.h>

/* note: recorded if there are tokens to give. */
static void tokens_answer(struct auth *auth, struct call *call, const struct refresh_token *refresh,
                          int status, json_t *answer, const char *note, const char *reason)
{
    if (answer != NULL && !call_put_tokens(auth, call, refresh, answer)) {
        json_decref(answer);
        answer = NULL;
    }
    if (answer != NULL)
        call_note(call, note, &call->session, reason);
    http_response_json(call->response, status, answer);
}

static void guest_answer(struct auth *auth, struct call *call)
{
    tokens_answer(
        auth, call, &call->refresh, 201,
        json_pack("{s:{s:s, s:s}}", "guest", "id", call->session.sub, "name", call->session.name),
        "guest.created", NULL);
}

static void guest_store(struct auth *auth, struct call *call)
{
    call_open_session(auth, call, guest_answer);
}

void route_guest(struct auth *auth, struct call *call)
{
    if (!auth->has_guests) {
        call_refuse(call, 403, "guests-disabled", "Guests are not allowed here: sign in.");
        return;
    }
    const char *name = call_text(call, "name", DISPLAY_NAME_BYTES_MAX);
    if (name == NULL || display_name_check(bytes_of_str(name)) != OK) {
        call_refuse(call, 400, "bad-name", "A name is 1 to 64 printable characters.");
        return;
    }
    char id[ID_CAPACITY], sid[ID_CAPACITY];
    call_id(call, "g_", id);
    call_id(call, "s_", sid);
    call->wants_cookie = call_wants_cookie(call);
    call->session = session_of_guest(id, name, sid, call->request->wall);
    call_throttle(auth, call, THROTTLE_GUEST, NULL, guest_store);
}

static void session_read(struct call *call)
{
    json_t *json = json_loadb((const char *)call->reply.value.data, call->reply.value.len, 0, NULL);
    if (json == NULL || session_from_json(json, &call->session) != OK)
        call->reply.err = ERR_NOT_FOUND;
    json_decref(json);
}

static void refresh_refuse(struct call *call, const char *error, const char *detail)
{
    if (call->wants_cookie)
        call_set_cookie(call, "", 0);
    call_refuse(call, 401, error, detail);
}

static void refresh_answer(struct auth *auth, struct call *call)
{
    if (call->reply.err == OK)
        session_read(call);
    if (call->reply.err != OK) {
        refresh_refuse(call, "refresh-expired", "This session has ended: sign in again.");
        return;
    }
    if (call->reply.rotation == SESSION_REUSED) {
        call_note(call, "session.reuse-detected", &call->session, "old-refresh-token");
        refresh_refuse(call, "refresh-reused",
                       "An old refresh token was used: the session has been revoked.");
        return;
    }
    tokens_answer(auth, call, &call->refresh_next, 200, json_object(), "session.refreshed",
                  call->reply.rotation == SESSION_REPEATED ? "repeated" : NULL);
}

static void refresh_rotate(struct auth *auth, struct call *call)
{
    refresh_token_next(&call->refresh, auth->secret, &call->refresh_next);
    struct store_op *op = call_want(call, STORE_SESSION_ROTATE, call->refresh.sid, refresh_answer);
    refresh_token_hash(&call->refresh, op->hash);
    refresh_token_hash(&call->refresh_next, op->next_hash);
    op->ttl = auth->refresh_ttl;
    op->guest_ttl = auth->guest_ttl;
}

void route_refresh(struct auth *auth, struct call *call)
{
    if (call_refresh_token(auth, call) != OK) {
        refresh_refuse(call, "refresh-expired", "A valid refresh token is needed.");
        return;
    }
    call_throttle(auth, call, THROTTLE_REFRESH, NULL, refresh_rotate);
}

static void logout_answer(struct auth *auth, struct call *call)
{
    if (call->reply.err == OK)
        session_read(call);
    if (call->reply.err == OK)
        call_note(call, "session.logout", &call->session, NULL);
    http_response_empty(call->response, 204);
}

/* Always 204: whoever has no session any more has what they asked for. Any token of the session
 * that we made ends it, an old one too: ending is the safe direction. */
void route_logout(struct auth *auth, struct call *call)
{
    enum err err = call_refresh_token(auth, call);
    if (call->wants_cookie)
        call_set_cookie(call, "", 0);
    if (err == OK)
        call_want(call, STORE_SESSION_REVOKE, call->refresh.sid, logout_answer);
    else
        http_response_empty(call->response, 204);
}
