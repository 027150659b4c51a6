/* ws.c - see ws.h. SPDX-License-Identifier: Apache-2.0 */
#include "ws.h"

#include "api.h"
#include "common/address.h"
#include "common/origin.h"
#include "common/os/log.h"
#include "common/os/net_address.h"
#include "runtime.h"
#include "web.h"

#include <libwebsockets.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#define SUBPROTOCOL   "conclave.v1"
#define HTTP_CHUNK    (16 * 1024)
#define CLOSE_SECONDS 3
/* Longer paths are cut here and answered 414; of a longer query the rest is skipped. All that we
 * serve is shorter. */
#define PATH_BYTES_MAX 1024
/* LWS_WRITE_CLOSE of libwebsockets, which its public header names only in a comment. */
#define WRITE_CLOSE ((enum lws_write_protocol)4)

struct ws {
    struct runtime *runtime;
    struct lws_context *context;
    struct lws_vhost *vhost;
    uint16_t port;
    bool is_stopping;
    char interface[NET_ADDRESS_CAPACITY];
};

/* One text on its way out. */
struct outgoing {
    struct list_link link;
    size_t len;
    uint8_t data[]; /* LWS_PRE bytes, then the text */
};

/* Per WebSocket; memory of libwebsockets, from the first callback to the last. */
struct socket {
    struct lws *wsi;
    struct ws *ws;
    struct session *session; /* NULL: refused, or closed */
    struct list queue;       /* struct outgoing */
    size_t queued_bytes;
    uint8_t *message; /* owned; the frame being received */
    size_t message_len, message_capacity;
    bool is_deaf; /* nothing more is read */
    bool is_close_sent;
    unsigned close_code;
    char close_why[64];
};

/* Per HTTP request. */
struct download {
    struct api *api; /* owned; NULL: a file, or a line of text */
    struct web *web; /* referenced while body is sent */
    struct bytes body;
    size_t sent;
};

static struct ws *ws_of(struct lws *wsi)
{
    return lws_context_user(lws_get_context(wsi));
}

/* ---- the client's address ---- */

static bool is_trusted(const void *context, const char *address)
{
    const struct ws *w = context;
    const struct config_strings *list = &w->runtime->config->trusted_proxies;
    for (size_t i = 0; i < list->count; i++)
        if (net_address_in(address, list->items[i]))
            return true;
    return false;
}

static void client_address(struct lws *wsi, char ret[ADDRESS_CAPACITY])
{
    char forwarded[1024], peer[ADDRESS_CAPACITY];
    lws_get_peer_simple(wsi, peer, sizeof(peer));
    if (address_parse(bytes_of_str(peer), ret) != OK)
        snprintf(ret, ADDRESS_CAPACITY, "%s", peer);
    if (lws_hdr_copy(wsi, forwarded, sizeof(forwarded), WSI_TOKEN_X_FORWARDED_FOR) > 0)
        address_behind_proxies(forwarded, is_trusted, ws_of(wsi), ret);
}

/* ---- WebSocket ---- */

static void forget_queue(struct socket *s)
{
    for (struct list_link *l; (l = list_pop_front(&s->queue)) != NULL;)
        free(list_entry(l, struct outgoing, link));
    s->queued_bytes = 0;
}

static int on_established(struct socket *s, struct lws *wsi)
{
    struct ws *w = ws_of(wsi);
    char address[ADDRESS_CAPACITY];
    *s = (struct socket){ .wsi = wsi, .ws = w };
    list_init(&s->queue);
    client_address(wsi, address);
    s->session = hub_on_open(runtime_hub(w->runtime), s, address);
    if (s->session == NULL) {
        bool is_draining = w->runtime->hub->is_draining;
        log_warn("socket.refused", KV_STR("address", address),
                 KV_STR("reason", is_draining ? "draining" : "too many"));
        if (is_draining)
            ws_close(w, s, 1001, "draining");
        else
            ws_close(w, s, 4429, "too many connections");
        return 0;
    }
    runtime_perform(w->runtime);
    return 0;
}

static void on_closed(struct socket *s)
{
    if (s->ws == NULL)
        return;
    struct runtime *r = s->ws->runtime;
    struct session *session = s->session;
    s->session = NULL;
    forget_queue(s);
    free(s->message);
    s->message = NULL;
    if (session != NULL) {
        hub_on_close(runtime_hub(r), session);
        runtime_perform(r);
    }
}

static bool append(struct socket *s, const void *data, size_t len)
{
    if (s->message_len + len > MESSAGE_BYTES_MAX)
        return false;
    if (s->message_len + len > s->message_capacity) {
        size_t capacity = MAX(s->message_capacity * 2, MAX((size_t)1024, s->message_len + len));
        s->message = realloc(s->message, capacity);
        check(s->message != NULL);
        s->message_capacity = capacity;
    }
    memcpy(s->message + s->message_len, data, len);
    s->message_len += len;
    return true;
}

static void on_receive(struct socket *s, struct lws *wsi, const void *data, size_t len)
{
    struct runtime *r = s->ws->runtime;
    if (s->session == NULL || s->is_deaf)
        return;
    if (lws_frame_is_binary(wsi)) {
        s->is_deaf = true;
        hub_on_binary(runtime_hub(r), s->session);
    } else if (!append(s, data, len)) {
        s->is_deaf = true;
        hub_on_too_big(runtime_hub(r), s->session);
    } else if (lws_is_final_fragment(wsi) && lws_remaining_packet_payload(wsi) == 0) {
        size_t message_len = s->message_len;
        s->message_len = 0;
        hub_on_text(runtime_hub(r), s->session, bytes_of(s->message, message_len));
        if (s->message_capacity > 64 * 1024) { /* an offer: rare */
            free(s->message);
            s->message = NULL;
            s->message_capacity = 0;
        }
    }
    runtime_perform(r);
}

/* The close frame is written by us, and the connection ends when the client answers it (or after
 * CLOSE_SECONDS): on the libuv loop this version of libwebsockets cuts a connection whose callback
 * returns -1 at once, without the frame that lws_close_reason() prepared. */
static int write_close(struct socket *s, struct lws *wsi)
{
    uint8_t frame[LWS_PRE + 2 + sizeof(s->close_why)];
    size_t len = strlen(s->close_why);
    if (s->is_close_sent)
        return 0;
    s->is_close_sent = true;
    store_be16(frame + LWS_PRE, (uint16_t)s->close_code);
    memcpy(frame + LWS_PRE + 2, s->close_why, len);
    return lws_write(wsi, frame + LWS_PRE, len + 2, WRITE_CLOSE) < 0 ? -1 : 0;
}

static int on_writeable(struct socket *s, struct lws *wsi)
{
    struct list_link *l = list_pop_front(&s->queue);
    if (l != NULL) {
        struct outgoing *o = list_entry(l, struct outgoing, link);
        s->queued_bytes -= o->len;
        int n = lws_write(wsi, o->data + LWS_PRE, o->len, LWS_WRITE_TEXT);
        bool has_failed = n < (int)o->len;
        free(o);
        if (has_failed)
            return -1;
    }
    if (!list_is_empty(&s->queue)) {
        lws_callback_on_writable(wsi);
    } else if (s->close_code != 0) {
        if (l != NULL) { /* the text may still be in libwebsockets' own buffer */
            lws_callback_on_writable(wsi);
            return 0;
        }
        return write_close(s, wsi);
    }
    return 0;
}

void ws_send(struct ws *w, void *socket, struct bytes text)
{
    struct socket *s = socket;
    if (s->close_code != 0 || s->session == NULL)
        return;
    if (s->queued_bytes + text.len > SOCKET_QUEUE_BYTES_MAX) {
        metric_inc(w->runtime->slow_sockets);
        log_warn("socket.slow", KV_U64("queued_bytes", s->queued_bytes));
        forget_queue(s);
        s->is_deaf = true;
        s->close_code = 1008;
        snprintf(s->close_why, sizeof(s->close_why), "too slow");
        lws_set_timeout(s->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
        return;
    }
    struct outgoing *o = malloc(sizeof(*o) + LWS_PRE + text.len);
    check(o != NULL);
    o->len = text.len;
    memcpy(o->data + LWS_PRE, text.data, text.len);
    list_push_back(&s->queue, &o->link);
    s->queued_bytes += text.len;
    lws_callback_on_writable(s->wsi);
}

void ws_close(struct ws *w, void *socket, unsigned code, const char *why)
{
    struct socket *s = socket;
    if (s->close_code != 0)
        return;
    s->is_deaf = true;
    s->close_code = code;
    snprintf(s->close_why, sizeof(s->close_why), "%s", why);
    lws_set_timeout(s->wsi, PENDING_TIMEOUT_USER_OK, CLOSE_SECONDS);
    lws_callback_on_writable(s->wsi);
}

/* ---- HTTP ---- */

static int write_headers(struct lws *wsi, unsigned status, const char *const *fields,
                         lws_filepos_t length)
{
    unsigned char buffer[LWS_PRE + 2048], *start = buffer + LWS_PRE, *p = start;
    unsigned char *end = buffer + sizeof(buffer) - 1;
    char host[300] = "", policy[WEB_POLICY_CAPACITY];
    if (lws_hdr_copy(wsi, host, sizeof(host), WSI_TOKEN_HOST) < 0)
        host[0] = 0;
    web_policy(host, policy);
    if (lws_add_http_header_status(wsi, status, &p, end) ||
        lws_add_http_header_by_name(wsi, (const unsigned char *)"content-security-policy:",
                                    (const unsigned char *)policy, (int)strlen(policy), &p, end))
        return -1;
    for (size_t set = 0; set < 2; set++)
        for (const char *const *f = set == 0 ? fields : web_headers; f[0] != NULL; f += 2)
            if (lws_add_http_header_by_name(wsi, (const unsigned char *)f[0],
                                            (const unsigned char *)f[1], (int)strlen(f[1]), &p,
                                            end))
                return -1;
    if (status != 304 && lws_add_http_header_content_length(wsi, length, &p, end))
        return -1;
    return lws_finalize_write_http_header(wsi, start, &p, end);
}

static int complete(struct lws *wsi)
{
    return lws_http_transaction_completed(wsi) ? -1 : 0;
}

/* A status with one line of text. */
static int answer_text(struct lws *wsi, struct download *d, unsigned status, const char *text,
                       bool is_head)
{
    const char *fields[] = { "content-type:",
                             "text/plain; charset=utf-8",
                             "cache-control:",
                             "no-store",
                             status == 405 ? "allow:" : NULL,
                             "GET, HEAD",
                             NULL };
    if (write_headers(wsi, status, fields, strlen(text)) != 0)
        return -1;
    if (is_head)
        return complete(wsi);
    d->body = bytes_of_str(text);
    d->sent = 0;
    lws_callback_on_writable(wsi);
    return 0;
}

static bool header_has(struct lws *wsi, enum lws_token_indexes token, const char *text)
{
    char value[256];
    int len = lws_hdr_copy(wsi, value, sizeof(value), token);
    return len > 0 && strstr(value, text) != NULL;
}

static int serve_file(struct lws *wsi, struct download *d, const struct web_file *f, bool is_head)
{
    bool is_gzip = f->gzip.len > 0 && header_has(wsi, WSI_TOKEN_HTTP_ACCEPT_ENCODING, "gzip");
    struct bytes body = is_gzip ? f->gzip : f->body;
    bool is_fresh = header_has(wsi, WSI_TOKEN_HTTP_IF_NONE_MATCH, f->etag);
    const char *fields[] = { "content-type:",
                             f->type,
                             "cache-control:",
                             f->cache,
                             "etag:",
                             f->etag,
                             "vary:",
                             "accept-encoding",
                             is_gzip ? "content-encoding:" : NULL,
                             "gzip",
                             NULL };
    if (write_headers(wsi, is_fresh ? 304 : 200, fields, body.len) != 0)
        return -1;
    if (is_head || is_fresh || body.len == 0)
        return complete(wsi);
    d->web = web_ref(ws_of(wsi)->runtime->web);
    d->body = body;
    d->sent = 0;
    lws_callback_on_writable(wsi);
    return 0;
}

static int on_http(struct lws *wsi, struct download *d, const char *path)
{
    struct ws *w = ws_of(wsi);
    if (api_is_path(path) && strlen(path) < PATH_BYTES_MAX) {
        char address[ADDRESS_CAPACITY];
        client_address(wsi, address);
        return api_on_headers(w->runtime, wsi, path, address, &d->api);
    }
    bool is_head = lws_hdr_total_length(wsi, WSI_TOKEN_HEAD_URI) > 0;
    if (!is_head && lws_hdr_total_length(wsi, WSI_TOKEN_GET_URI) <= 0) {
        answer_text(wsi, d, 405, "Only GET and HEAD.\n", true);
        return -1; /* a body may follow: do not read it as a request */
    }
    if (strlen(path) >= PATH_BYTES_MAX)
        return answer_text(wsi, d, 414, "The path is too long.\n", is_head);
    if (strcmp(path, "/ws") == 0)
        return answer_text(wsi, d, 426, "This is a WebSocket of the subprotocol conclave.v1.\n",
                           is_head);
    const struct web_file *f = web_find(w->runtime->web, path);
    if (f == NULL)
        return answer_text(wsi, d, 404, "Not found.\n", is_head);
    return serve_file(wsi, d, f, is_head);
}

static int on_http_writeable(struct lws *wsi, struct download *d)
{
    unsigned char buffer[LWS_PRE + HTTP_CHUNK];
    size_t len = MIN(d->body.len - d->sent, (size_t)HTTP_CHUNK);
    if (d->body.data == NULL)
        return 0;
    bool is_last = d->sent + len == d->body.len;
    memcpy(buffer + LWS_PRE, d->body.data + d->sent, len);
    if (lws_write(wsi, buffer + LWS_PRE, len, is_last ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP) !=
        (int)len)
        return -1;
    d->sent += len;
    if (!is_last) {
        lws_callback_on_writable(wsi);
        return 0;
    }
    web_unref(d->web);
    *d = (struct download){ 0 };
    return complete(wsi);
}

/* As answer_text(), at once: for a connection that ends. */
static int answer_and_close(struct lws *wsi, unsigned status, const char *text)
{
    unsigned char buffer[LWS_PRE + 128];
    size_t len = strlen(text);
    const char *fields[] = { "content-type:", "text/plain; charset=utf-8", "connection:", "close",
                             NULL };
    check(len <= sizeof(buffer) - LWS_PRE);
    memcpy(buffer + LWS_PRE, text, len);
    if (write_headers(wsi, status, fields, len) == 0)
        (void)lws_write(wsi, buffer + LWS_PRE, len, LWS_WRITE_HTTP_FINAL);
    return -1;
}

/* Tokens, not cookies, open rooms; all the same a page from elsewhere is to be one that the
 * operator knows, as in authd. Browsers send the header with each WebSocket, and nobody else has
 * to. */
static bool is_admitted(struct lws *wsi)
{
    const struct config_strings *allowed = &ws_of(wsi)->runtime->config->allowed_origins;
    char origin[ORIGIN_CAPACITY] = "", host[300] = "";
    if (lws_hdr_total_length(wsi, WSI_TOKEN_ORIGIN) <= 0)
        return true;
    bool is_short = lws_hdr_copy(wsi, origin, sizeof(origin), WSI_TOKEN_ORIGIN) > 0;
    if (lws_hdr_copy(wsi, host, sizeof(host), WSI_TOKEN_HOST) < 0)
        host[0] = 0;
    if (is_short && origin_judge(origin, host, allowed->items, allowed->count) != ORIGIN_FOREIGN)
        return true;
    log_warn("socket.refused", KV_STR("reason", "origin"), KV_STR("origin", origin));
    return false;
}

/* Exactly our path and our subprotocol, or an HTTP error before the connection opens. */
static int on_upgrade(struct lws *wsi, const char *kind)
{
    char path[64] = "", offered[256] = "";
    struct ws *w = ws_of(wsi);
    lws_hdr_copy(wsi, path, sizeof(path), WSI_TOKEN_GET_URI);
    lws_hdr_copy(wsi, offered, sizeof(offered), WSI_TOKEN_PROTOCOL);
    bool is_ours = false;
    for (char *save = NULL, *p = strtok_r(offered, ", ", &save); p != NULL;
         p = strtok_r(NULL, ", ", &save))
        is_ours = is_ours || strcmp(p, SUBPROTOCOL) == 0;
    unsigned status = 0;
    if (!is_admitted(wsi))
        status = 403;
    else if (strcmp(kind, "websocket") != 0 || !is_ours)
        status = 400;
    else if (strcmp(path, "/ws") != 0)
        status = 404;
    else if (w->is_stopping)
        status = 503;
    if (status == 0)
        return 0;
    const char *text = status == 400   ? "The subprotocol must be conclave.v1.\n"
                       : status == 403 ? "This origin is not among the allowed-origins.\n"
                       : status == 404 ? "Not found.\n"
                                       : "Shutting down.\n";
    return answer_and_close(wsi, status, text);
}

static int on_api_writeable(struct lws *wsi, struct download *d)
{
    bool is_done = false;
    if (api_on_writeable(d->api, &is_done) != 0)
        return -1;
    if (!is_done)
        return 0;
    api_free(d->api);
    d->api = NULL;
    return complete(wsi);
}

static int callback_http(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                         size_t len)
{
    struct download *d = user;
    switch (reason) {
    case LWS_CALLBACK_HTTP:
        return on_http(wsi, d, in);
    case LWS_CALLBACK_HTTP_BODY:
        return d->api == NULL ? 0 : api_on_body(d->api, in, len);
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
        return d->api == NULL ? 0 : api_on_complete(d->api);
    case LWS_CALLBACK_HTTP_WRITEABLE:
        return d->api == NULL ? on_http_writeable(wsi, d) : on_api_writeable(wsi, d);
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
        return on_upgrade(wsi, in);
    case LWS_CALLBACK_CLOSED_HTTP:
        if (d != NULL) {
            api_free(d->api);
            web_unref(d->web);
            *d = (struct download){ 0 };
        }
        return 0;
    default:
        return 0;
    }
}

static int callback_ws(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                       size_t len)
{
    struct socket *s = user;
    switch (reason) {
    case LWS_CALLBACK_ESTABLISHED:
        return on_established(s, wsi);
    case LWS_CALLBACK_RECEIVE:
        on_receive(s, wsi, in, len);
        return 0;
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return on_writeable(s, wsi);
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        return s->is_close_sent ? -1 : 0; /* the answer to our own */
    case LWS_CALLBACK_CLOSED:
        on_closed(s);
        return 0;
    default:
        return 0;
    }
}

static const struct lws_protocols protocols[] = {
    { "http", callback_http, sizeof(struct download), 0, 0, NULL, 0 },
    { SUBPROTOCOL, callback_ws, sizeof(struct socket), 16 * 1024, 0, NULL, 0 },
    { NULL, NULL, 0, 0, 0, NULL, 0 },
};

static const lws_retry_bo_t idle_policy = {
    .secs_since_valid_ping = PING_PERIOD_SEC,
    .secs_since_valid_hangup = SILENCE_LIMIT_SEC,
};

static const struct lws_token_limits token_limits = {
    .token_limit = { [WSI_TOKEN_GET_URI] = PATH_BYTES_MAX, [WSI_TOKEN_HEAD_URI] = PATH_BYTES_MAX },
};

static void on_lws_log(int level, const char *line)
{
    size_t len = strlen(line);
    while (len > 0 && line[len - 1] == '\n')
        len--;
    log_warn("libwebsockets.said", KV_BYTES("text", bytes_of(line, len)));
}

enum err ws_new(struct runtime *r, struct ws **ret)
{
    struct sockaddr_storage address;
    enum err e = net_address_parse(r->config->listen, &address);
    if (e != OK)
        return e;
    struct ws *w = calloc(1, sizeof(*w));
    check(w != NULL);
    w->runtime = r;
    net_address_host((const struct sockaddr *)&address, w->interface);
    lws_set_log_level(LLL_ERR, on_lws_log);
    void *loops[] = { r->loop };
    bool is_any = strcmp(w->interface, "0.0.0.0") == 0 || strcmp(w->interface, "::") == 0;
    struct lws_context_creation_info info = {
        .port = net_address_port((const struct sockaddr *)&address),
        .iface = is_any ? NULL : w->interface,
        .protocols = protocols,
        .gid = -1,
        .uid = -1,
        .user = w,
        .server_string = "conclave",
        .options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
                   LWS_SERVER_OPTION_FAIL_UPON_UNABLE_TO_BIND |
                   /* with IPv6 on, an IPv4 address here would be taken for "everywhere" */
                   (address.ss_family == AF_INET ? LWS_SERVER_OPTION_DISABLE_IPV6 : 0),
        .foreign_loops = loops,
        .retry_and_idle_policy = &idle_policy,
        .keepalive_timeout = 60,
        .timeout_secs = 20,
        .max_http_header_data = 4096,
        .token_limits = &token_limits,
        .pt_serv_buf_size = 16 * 1024,
        .fd_limit_per_thread = 0,
    };
    w->context = lws_create_context(&info);
    if (w->context != NULL)
        w->vhost = lws_create_vhost(w->context, &info);
    if (w->vhost == NULL) {
        if (w->context != NULL)
            lws_context_destroy(w->context);
        free(w);
        return ERR_SYSTEM;
    }
    w->port = (uint16_t)lws_get_vhost_listen_port(w->vhost);
    *ret = w;
    return OK;
}

uint16_t ws_port(const struct ws *w)
{
    return w->port;
}

void ws_stop_listening(struct ws *w)
{
    w->is_stopping = true;
}

void ws_free(struct ws *w)
{
    if (w == NULL)
        return;
    lws_context_destroy(w->context);
}

void ws_finish(struct ws *w)
{
    if (w == NULL)
        return;
    lws_context_destroy(w->context); /* a foreign loop's context is freed by the second call */
    free(w);
}
