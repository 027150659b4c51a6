/* See websocket.h: one connection, and the callback of libwebsockets.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "io/websocket_private.h"

#include "common/os/clock.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#define CLOSE_TIMEOUT SECONDS(3)
/* LWS_WRITE_CLOSE of libwebsockets, which its public header names only in a comment. */
#define WRITE_CLOSE  ((enum lws_write_protocol)4)
#define KEEP_MESSAGE (64 * 1024)
#define INSECURE_FLAGS                                                                             \
    (LCCSCF_ALLOW_SELFSIGNED | LCCSCF_SKIP_SERVER_CERT_HOSTNAME_CHECK | LCCSCF_ALLOW_EXPIRED |     \
     LCCSCF_ALLOW_INSECURE)

/* ---- opening */

static char *part(CURLU *u, CURLUPart which, unsigned flags)
{
    char *text = NULL;
    return curl_url_get(u, which, &text, flags) == CURLUE_OK ? text : NULL;
}

/* "[::1]" → "::1". */
static void bare_host(const char *host, char ret[WEBSOCKET_HOST_MAX])
{
    size_t len = strlen(host);
    bool is_v6 = len > 2 && host[0] == '[';
    snprintf(ret, WEBSOCKET_HOST_MAX, "%.*s", (int)(is_v6 ? len - 2 : len), host + is_v6);
}

static bool fill_target(struct websocket *w, const char *scheme, const char *host, const char *port,
                        const char *path, const char *query)
{
    char name[WEBSOCKET_HOST_MAX], text[1024];
    w->is_tls = strcmp(scheme, "wss") == 0 || strcmp(scheme, "https") == 0;
    w->port = (uint16_t)(port != NULL ? strtoul(port, NULL, 10) : w->is_tls ? 443 : 80);
    snprintf(text, sizeof text, "%s%s%s", path, query != NULL ? "?" : "",
             query != NULL ? query : "");
    w->path = strdup(text);
    snprintf(text, sizeof text, port != NULL ? "%s:%s" : "%s", host, port);
    w->authority = strdup(text);
    bare_host(host, name);
    w->host = websocket_host_find(w->pool, name);
    return w->path != NULL && w->authority != NULL && w->host != NULL && w->port != 0;
}

static bool parse_url(struct websocket *w, const char *url)
{
    bool ok = false;
    CURLU *u = curl_url();
    if (u != NULL && curl_url_set(u, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK) {
        char *scheme = part(u, CURLUPART_SCHEME, 0), *host = part(u, CURLUPART_HOST, 0);
        char *port = part(u, CURLUPART_PORT, 0), *path = part(u, CURLUPART_PATH, 0);
        char *query = part(u, CURLUPART_QUERY, 0);
        ok = scheme != NULL && host != NULL && path != NULL &&
             fill_target(w, scheme, host, port, path, query);
        curl_free(scheme);
        curl_free(host);
        curl_free(port);
        curl_free(path);
        curl_free(query);
    }
    curl_url_cleanup(u);
    return ok;
}

struct websocket *websocket_open(struct websocket_pool *p, const char *url, const char *subprotocol,
                                 void *owner)
{
    struct websocket *w = calloc(1, sizeof *w);
    if (w == NULL)
        return NULL;
    w->pool = p;
    w->owner = owner;
    w->subprotocol = subprotocol == NULL ? NULL : strdup(subprotocol);
    list_init(&w->queue);
    list_link_init(&w->deferred);
    list_link_init(&w->wait);
    list_push_back(&p->all, &w->link);
    w->deadline_at = clock_now() + p->timeout;
    list_push_back(&p->connecting, &w->deadline);
    p->count++;
    if (parse_url(w, url))
        websocket_resolve(w);
    else
        websocket_fail(w, "bad-url");
    return w;
}

void websocket_connect(struct websocket *w)
{
    struct websocket_host *h = w->host;
    check(h->address_count > 0 && w->wsi == NULL);
    w->address = w->tries++ == 0 ? h->next++ : w->address + 1;
    int flags = LCCSCF_HTTP_NO_FOLLOW_REDIRECT;
    if (w->is_tls)
        flags |= LCCSCF_USE_SSL | (w->pool->insecure ? INSECURE_FLAGS : 0);
    struct lws_client_connect_info info = {
        .context = w->pool->context,
        .vhost = w->pool->vhost,
        .address = h->addresses[w->address % h->address_count],
        .port = w->port,
        .path = w->path,
        .host = w->authority,
        .origin = NULL,
        .protocol = w->subprotocol,
        .local_protocol_name = "bot",
        .alpn = "http/1.1",
        .userdata = w,
        .pwsi = &w->wsi,
        .ssl_connection = flags,
    };
    w->is_starting = true; /* it may fail before pwsi is written */
    bool has_started = lws_client_connect_via_info(&info) != NULL;
    w->is_starting = false;
    if (!has_started) {
        w->wsi = NULL;
        websocket_fail(w, "refused");
    }
}

/* ---- the end */

void websocket_fail(struct websocket *w, const char *reason)
{
    if (w->is_dead || w->reason[0] != 0)
        return;
    snprintf(w->reason, sizeof w->reason, "%s", reason);
    w->must_kill = true;
    websocket_defer(w);
}

static void kill_connection(struct websocket *w)
{
    const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
    int fd = lws_get_socket_fd(w->wsi);
    if (fd >= 0 && !w->is_close_sent)
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    lws_set_timeout(w->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_SYNC);
}

void websocket_run_deferred(struct websocket *w)
{
    struct websocket_pool *p = w->pool;
    if (w->must_connect && !w->is_dead && w->reason[0] == 0) {
        w->must_connect = false;
        websocket_connect(w);
        return;
    }
    if (!w->is_dead && w->reason[0] != 0) {
        w->is_dead = true;
        list_remove(&w->deadline);
        p->events->on_closed(w->owner, w->close_code, w->reason, clock_now());
    }
    if (w->wsi != NULL && w->must_kill) {
        w->must_kill = false;
        kill_connection(w); /* w is destroyed when libwebsockets is through with it, or now */
    } else if (w->wsi == NULL && w->is_dead) {
        websocket_destroy(w);
    }
}

void websocket_cut(struct websocket *w)
{
    w->is_dead = true;
    w->must_kill = true;
    websocket_defer(w);
}

void websocket_close(struct websocket *w)
{
    if (!w->is_open || w->reason[0] != 0 || w->close_code != 0) {
        websocket_cut(w);
        return;
    }
    w->is_dead = true;
    w->wants_close = true;
    w->deadline_at = clock_now() + CLOSE_TIMEOUT;
    list_remove(&w->deadline);
    list_push_back(&w->pool->closing, &w->deadline);
    lws_callback_on_writable(w->wsi);
}

/* ---- sending */

void websocket_send(struct websocket *w, struct bytes text)
{
    if (w->is_dead || w->reason[0] != 0)
        return;
    struct websocket_text *t = NULL;
    if (w->queued_bytes + text.len <= WEBSOCKET_QUEUE_MAX)
        t = malloc(sizeof *t + LWS_PRE + text.len);
    if (t == NULL) {
        websocket_fail(w, "too-slow");
        return;
    }
    t->len = text.len;
    memcpy(t->data + LWS_PRE, text.data, text.len);
    list_push_back(&w->queue, &t->link);
    w->queued_bytes += text.len;
    if (w->is_open)
        lws_callback_on_writable(w->wsi);
}

static int write_close(struct websocket *w)
{
    uint8_t frame[LWS_PRE + 2];
    if (w->is_close_sent)
        return 0;
    w->is_close_sent = true;
    store_be16(frame + LWS_PRE, 1000);
    return lws_write(w->wsi, frame + LWS_PRE, 2, WRITE_CLOSE) < 0 ? -1 : 0;
}

static int on_writeable(struct websocket *w)
{
    struct list_link *l = list_pop_front(&w->queue);
    if (l != NULL) {
        struct websocket_text *t = container_of(l, struct websocket_text, link);
        w->queued_bytes -= t->len;
        bool has_failed =
            lws_write(w->wsi, t->data + LWS_PRE, t->len, LWS_WRITE_TEXT) < (int)t->len;
        free(t);
        if (has_failed)
            return -1;
    }
    if (!list_is_empty(&w->queue) || (l != NULL && w->wants_close))
        lws_callback_on_writable(w->wsi); /* the text may still be in libwebsockets' own buffer */
    else if (w->wants_close)
        return write_close(w);
    return 0;
}

/* ---- receiving */

static bool append(struct websocket *w, const void *data, size_t len)
{
    size_t needed = w->message_len + len;
    if (needed > WEBSOCKET_MESSAGE_MAX)
        return false;
    if (needed > w->message_capacity) {
        size_t capacity = MAX(w->message_capacity * 2, MAX((size_t)1024, needed));
        uint8_t *larger = realloc(w->message, capacity);
        if (larger == NULL)
            return false;
        w->message = larger;
        w->message_capacity = capacity;
    }
    memcpy(w->message + w->message_len, data, len);
    w->message_len = needed;
    return true;
}

static void on_receive(struct websocket *w, const void *data, size_t len)
{
    if (w->is_dead || w->reason[0] != 0)
        return;
    bool is_last = lws_is_final_fragment(w->wsi) && lws_remaining_packet_payload(w->wsi) == 0;
    if (is_last && w->message_len == 0) { /* the usual case needs no copy */
        w->pool->events->on_text(w->owner, bytes_of(data, len), clock_now());
        return;
    }
    if (!append(w, data, len)) {
        websocket_fail(w, "too-big");
        return;
    }
    if (!is_last)
        return;
    size_t message_len = w->message_len;
    w->message_len = 0;
    w->pool->events->on_text(w->owner, bytes_of(w->message, message_len), clock_now());
    if (w->message_capacity > KEEP_MESSAGE || w->is_dead) {
        free(w->message);
        w->message = NULL;
        w->message_capacity = 0;
    }
}

/* ---- stages */

static void on_tcp(struct websocket *w)
{
    if (w->is_dead || w->has_tcp)
        return;
    usec now = clock_now();
    w->has_tcp = true;
    w->pool->events->on_stage(w->owner, WEBSOCKET_TCP, now);
    if (!w->is_tls && !w->is_dead)
        w->pool->events->on_stage(w->owner, WEBSOCKET_TLS, now);
}

static void on_tls(struct websocket *w)
{
    if (w->is_tls && !w->is_dead)
        w->pool->events->on_stage(w->owner, WEBSOCKET_TLS, clock_now());
}

static void on_open(struct websocket *w)
{
    if (w->is_dead || w->reason[0] != 0)
        return;
    usec now = clock_now();
    w->is_open = true;
    list_remove(&w->deadline);
    w->pool->events->on_stage(w->owner, WEBSOCKET_OPEN, now);
    if (!w->is_dead)
        w->pool->events->on_open(w->owner, now);
    if (!list_is_empty(&w->queue))
        lws_callback_on_writable(w->wsi);
}

static void on_connection_error(struct websocket *w, const char *text, size_t len)
{
    char reason[WEBSOCKET_REASON_MAX];
    struct bytes said = bytes_of(text, text == NULL ? 0 : len);
    unsigned status = w->has_tcp ? lws_http_client_http_response(w->wsi) : 0;
    if (!w->has_tcp && !w->is_dead && w->reason[0] == 0 && w->tries < w->host->address_count) {
        w->must_connect = true; /* the next address, when this wsi has gone */
        return;
    }
    if (status != 0 && status != 101) {
        snprintf(reason, sizeof reason, "http-%u", status);
        websocket_fail(w, reason);
    } else if (!w->has_tcp) {
        websocket_fail(w, "refused");
    } else if (said.len >= 3 && memcmp(said.data, "HS:", 3) == 0) {
        websocket_fail(w, "handshake");
    } else {
        websocket_fail(w, w->is_tls && w->close_code == 0 && !w->is_open ? "tls" : "reset");
    }
}

static void free_watcher(uv_handle_t *handle)
{
    free(handle);
}

static void reap_watcher(uv_handle_t *handle, void *wsi)
{
    if (handle->type == UV_POLL && handle->data == wsi && !uv_is_active(handle) &&
        !uv_is_closing(handle))
        uv_close(handle, free_watcher);
}

static void on_destroyed(struct websocket *w)
{
    /* This version of libwebsockets forgets its (stopped) handle in the loop when connect() has
     * failed: without this, each refused connection would leave one behind. */
    if (!w->has_tcp)
        uv_walk(w->pool->loop, reap_watcher, w->wsi);
    w->wsi = NULL;
    if (w->is_starting)
        return;
    if (w->pool->is_closing) {
        w->is_dead = true;
    } else if (!w->is_dead && !w->must_connect) {
        websocket_fail(w, "reset"); /* unless there was a better reason */
    }
    if (w->is_dead && !list_link_is_linked(&w->deferred))
        websocket_destroy(w);
    else
        websocket_defer(w);
}

int websocket_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                       size_t len)
{
    struct websocket *w = user;
    if (w != NULL && w->is_starting)
        w->wsi = wsi;
    if (w == NULL || w->wsi != wsi)
        return 0;
    switch (reason) {
    case LWS_CALLBACK_WSI_CREATE:
        on_tcp(w);
        return 0;
    case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER:
        on_tls(w);
        return 0;
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
        on_connection_error(w, in, len);
        return 0;
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
        on_open(w);
        return 0;
    case LWS_CALLBACK_CLIENT_RECEIVE:
        on_receive(w, in, len);
        return 0;
    case LWS_CALLBACK_CLIENT_WRITEABLE:
        return on_writeable(w);
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        w->close_code = len >= 2 ? load_be16(in) : 1005;
        return w->is_close_sent ? -1 : 0; /* the answer to our own */
    case LWS_CALLBACK_CLIENT_CLOSED:
        websocket_fail(w, w->close_code != 0 ? "closed" : "reset");
        return 0;
    case LWS_CALLBACK_WSI_DESTROY:
        on_destroyed(w);
        return 0;
    default:
        return 0;
    }
}
