/* http.c - auditd's API.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "io/http.h"

#include <stdlib.h>

/* A request that waits for its token to be checked. */
struct status_request {
    struct api *api;
    struct http_exchange *exchange;
};

static json_t *status_json(const struct journal *journal)
{
    const struct chain *chain = journal_chain(journal);
    char head[CHAIN_HEAD_CHARS];
    chain_head_write(chain, head);
    return json_pack("{s:s, s:I, s:s, s:I, s:{s:I, s:I}}", "chain", chain->id, "seq",
                     (json_int_t)chain->seq, "head", head, "segment", (json_int_t)chain->segment,
                     "verified", "from", (json_int_t)journal_verified_from(journal), "to",
                     (json_int_t)chain->seq);
}

static void on_verified(enum err err, const struct token_claims *claims, void *data)
{
    struct status_request q = *(struct status_request *)data;
    free(data);
    struct http_response *r = http_exchange_response(q.exchange);
    if (err == ERR_BAD_STATE || err == ERR_FULL) {
        http_response_header(r, "Retry-After", "2");
        http_response_problem(r, 503, "unavailable", "The keys of authd are not known yet.");
    } else if (err != OK) {
        http_response_header(r, "WWW-Authenticate", "Bearer");
        http_response_problem(r, 401, err == ERR_EXPIRED ? "token-expired" : "bad-token",
                              "A valid access token is needed.");
    } else if (!claims->grant.admin) {
        http_response_problem(r, 403, "forbidden", "Only administrators may see this.");
    } else {
        http_response_json(r, 200, status_json(q.api->journal));
    }
    http_exchange_finish(q.exchange);
}

static void get_status(struct http_exchange *x, void *data)
{
    struct status_request *q = malloc(sizeof(*q));
    check(q != NULL);
    *q = (struct status_request){ .api = data, .exchange = x };
    const struct http_request *request = http_exchange_request(x);
    struct bytes token = http_request_bearer(request);
    if (token.len == 0)
        on_verified(ERR_AUTH, NULL, q);
    else
        jwks_verify_async(q->api->jwks, token, request->wall, on_verified, q);
}

static const struct http_route routes[] = {
    { .method = HTTP_METHOD_GET, .pattern = "/v1/audit/status", .handle = get_status },
};

enum err api_start(uv_loop_t *loop, const struct api_options *options, struct api *api,
                   struct http_server **ret)
{
    const struct http_server_options server = { .listen = options->listen,
                                                .routes = routes,
                                                .route_count = ARRAY_LEN(routes),
                                                .data = api,
                                                .trusted_proxies = options->trusted_proxies,
                                                .trusted_proxy_count = options->trusted_proxy_count,
                                                .metrics = options->metrics,
                                                .service = "auditd" };
    return http_server_start(loop, &server, ret);
}
