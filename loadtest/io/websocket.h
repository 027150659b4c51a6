/* websocket.h - WebSocket connections of many bots on one loop, by libwebsockets.
 *
 * What the stages mean. TCP: connect() has completed, as this thread saw the socket become
 * writable (the resolver's time lies before it: names are resolved once a minute, not for every
 * connection). TLS: the handshake is done, just before the upgrade request is written; for ws:// it
 * is reported at the same time as TCP. OPEN: the 101 answer has been read. All are read off the
 * monotonic clock when this thread learns of them, so a saturated tester adds its own delay.
 *
 * Callbacks come from the loop, never from inside a function of this header. After on_closed, or
 * websocket_close() or websocket_cut(), the websocket no longer exists for the caller.
 *
 * Thread: all of it belongs to the loop's thread, websocket_pool_new() included.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_IO_WEBSOCKET_H
#define LOADTEST_IO_WEBSOCKET_H

#include "common/bytes.h"

#include <uv.h>

enum {
    WEBSOCKET_MESSAGE_MAX = 4 << 20, /* received; a longer one ends the connection: "too-big" */
    WEBSOCKET_QUEUE_MAX = 4 << 20,   /* bytes to send; more ends the connection: "too-slow" */
    WEBSOCKET_REASON_MAX = 24,
};

enum websocket_stage { WEBSOCKET_TCP, WEBSOCKET_TLS, WEBSOCKET_OPEN };

struct websocket_pool;
struct websocket;

struct websocket_events {
    void (*on_stage)(void *owner, enum websocket_stage reached, usec now);
    /* Right after WEBSOCKET_OPEN. */
    void (*on_open)(void *owner, usec now);
    /* A whole message, fragments put together; valid during the call. */
    void (*on_text)(void *owner, struct bytes text, usec now);
    /* Not asked for by us. code: of the server's close frame, 0: there was none.
     * reason, valid during the call: before OPEN "refused" (nobody listens, or unreachable), "dns",
     * "bad-url", "timeout", "tls", "http-<status>", "reset" (hung up), "handshake" (an upgrade that
     * makes no sense); after OPEN "closed" (with a close frame), "reset", "too-big", "too-slow". */
    void (*on_closed)(void *owner, int code, const char *reason, usec now);
};

struct websocket_pool_config {
    uv_loop_t *loop;
    const struct websocket_events *events; /* borrowed for life */
    const char *ca_file;                   /* PEM; NULL: the system's */
    bool insecure;                         /* any certificate will do */
    usec timeout;                          /* of resolve, connect, TLS and upgrade; 0: 10 s */
};

/* ERR_SYSTEM: libwebsockets said no (its log line is on stderr); or ca_file cannot be read. */
MUST_USE enum err websocket_pool_new(const struct websocket_pool_config *config,
                                     struct websocket_pool **ret);
/* Cuts every connection without a callback and closes all handles; then turn the loop until it has
 * none left, and call websocket_pool_free(). */
void websocket_pool_close(struct websocket_pool *p);
void websocket_pool_free(struct websocket_pool *p);

/* Starts to connect. url: ws://, wss://, http:// or https:// (meaning ws and wss), copied.
 * subprotocol: copied, NULL: none. owner: for the events.
 * Never NULL but without memory: everything else that goes wrong is an on_closed() later. */
struct websocket *websocket_open(struct websocket_pool *p, const char *url, const char *subprotocol,
                                 void *owner);
/* Queues one text message, copied. Before OPEN it waits. */
void websocket_send(struct websocket *w, struct bytes text);
/* Politely: what is queued is sent, then a close frame with 1000; no more callbacks. */
void websocket_close(struct websocket *w);
/* Abruptly, without a close frame; no more callbacks. */
void websocket_cut(struct websocket *w);

/* Connections of any state, those being closed included. */
size_t websocket_pool_count(const struct websocket_pool *p);

#endif
