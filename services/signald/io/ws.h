/* ws.h - the one libwebsockets callback: WebSockets of clients, and the web app over HTTP.
 *
 * Loop thread only. SPDX-License-Identifier: Apache-2.0 */
#ifndef SIGNALD_IO_WS_H
#define SIGNALD_IO_WS_H

#include "common/base.h"
#include "common/bytes.h"

struct ws;
struct runtime;

/* Listens. ERR_SYSTEM, ERR_MALFORMED (address). */
MUST_USE enum err ws_new(struct runtime *r, struct ws **ret);
/* No new connections from now on. */
void ws_stop_listening(struct ws *w);
/* Closes everything; run the loop until it is empty, then ws_finish(). */
void ws_free(struct ws *w);
void ws_finish(struct ws *w);
uint16_t ws_port(const struct ws *w);

/* socket is what hub_on_open() was given. Copies. */
void ws_send(struct ws *w, void *socket, struct bytes text);
/* After what was sent before; within seconds, even if the client reads nothing. */
void ws_close(struct ws *w, void *socket, unsigned code, const char *why);

#endif
