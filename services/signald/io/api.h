/* api.h - requests of WHIP and WHEP over libwebsockets: body in, hub's answer out.
 *
 * A request is collected here, given to hub_on_http() when it is whole, and answered when the hub
 * says so, which for a POST takes as long as a join.
 *
 * Loop thread only. SPDX-License-Identifier: Apache-2.0 */
#ifndef SIGNALD_IO_API_H
#define SIGNALD_IO_API_H

#include "common/base.h"
#include "common/http.h"

struct api;
struct lws;
struct runtime;

/* Whether the path belongs to us: /whip/… and /whep/…. */
bool api_is_path(const char *path);
/* A request's headers are there. ret: owned by the caller until api_free(). What libwebsockets'
 * callback is to return; path: without the query; address: the client's. */
int api_on_headers(struct runtime *r, struct lws *wsi, const char *path, const char *address,
                   struct api **ret);
int api_on_body(struct api *a, const void *data, size_t len);
int api_on_complete(struct api *a);
/* ret_is_done: the answer is written; the caller frees and completes the transaction. */
int api_on_writeable(struct api *a, bool *ret_is_done);
void api_free(struct api *a);

/* ACTION_RESPOND; takes over the content of response. */
void api_respond(void *api, struct http_response *response);

#endif
