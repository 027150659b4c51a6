/* routes_public.c - GET /v1/ice-servers, GET /.well-known/jwks.json. Neither needs the store.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/turn.h"
#include "core/routes.h"

static json_t *ice_servers(struct auth *auth, const char *subject, wall_usec now)
{
    json_t *stun = json_array(), *turn = json_array(), *servers = json_array();
    for (size_t i = 0; i < auth->turn_url_count; i++) {
        bool is_stun = strncmp(auth->turn_urls[i], "stun", 4) == 0;
        json_array_append_new(is_stun ? stun : turn, json_string(auth->turn_urls[i]));
    }
    if (json_array_size(stun) > 0)
        json_array_append_new(servers, json_pack("{s:O}", "urls", stun));
    if (json_array_size(turn) > 0 && auth->turn_secret.len > 0) {
        struct turn_credential credential;
        turn_credential_write(auth->turn_secret, subject, now + auth->turn_ttl, &credential);
        json_array_append_new(servers,
                              json_pack("{s:O, s:s, s:s}", "urls", turn, "username",
                                        credential.username, "credential", credential.password));
    }
    json_decref(stun);
    json_decref(turn);
    return servers;
}

void route_ice_servers(struct auth *auth, struct call *call)
{
    struct token_claims claims;
    if (!call_claims(auth, call, &claims))
        return;
    http_response_json(call->response, 200,
                       json_pack("{s:o, s:I}", "ice_servers",
                                 ice_servers(auth, claims.sub, call->request->wall), "expires_in",
                                 (json_int_t)(auth->turn_ttl / USEC_PER_SEC)));
}

void route_jwks(struct auth *auth, struct call *call)
{
    http_response_header(call->response, "Cache-Control", "public, max-age=60");
    http_response_json(call->response, 200, token_keys_to_json(auth->keys));
}
