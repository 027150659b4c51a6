/* Client WebSockets against a server of libwebsockets, and against bare sockets that misbehave.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "io/websocket.h"

#include "common/os/clock.h"

#include "redis_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <libwebsockets.h>
#include <malloc.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BIG = 3 << 20 };

/* ---- a server: what a text says is what it does */

struct server_socket {
    char command[32];
    uint8_t *echo;
    size_t echo_len;
};

static uv_loop_t loop;
static struct lws_context *server;
static SSL_CTX *unused;
static int tcp_port, tls_port;
static unsigned server_count, server_closed_politely, server_closed;

static int serve_text(struct lws *wsi, struct server_socket *s, const char *in, size_t len)
{
    if (len >= sizeof s->command || !lws_is_final_fragment(wsi))
        return 0;
    memcpy(s->command, in, len);
    s->command[len] = 0;
    if (strcmp(s->command, "drop") == 0)
        return -1;
    lws_callback_on_writable(wsi);
    return 0;
}

static int serve_write(struct lws *wsi, struct server_socket *s)
{
    static uint8_t frame[LWS_PRE + BIG];
    if (strcmp(s->command, "close") == 0) {
        store_be16(frame + LWS_PRE, 4404);
        memcpy(frame + LWS_PRE + 2, "gone", 4);
        (void)lws_write(wsi, frame + LWS_PRE, 6, (enum lws_write_protocol)4);
    } else if (strcmp(s->command, "big") == 0) {
        memset(frame + LWS_PRE, 'b', BIG);
        (void)lws_write(wsi, frame + LWS_PRE, BIG, LWS_WRITE_TEXT);
    } else if (strcmp(s->command, "parts") == 0) {
        memcpy(frame + LWS_PRE, "one,two,", 8);
        (void)lws_write(wsi, frame + LWS_PRE, 4, LWS_WRITE_TEXT | LWS_WRITE_NO_FIN);
        memcpy(frame + LWS_PRE, "two.", 4);
        (void)lws_write(wsi, frame + LWS_PRE, 4, LWS_WRITE_CONTINUATION);
    } else if (s->command[0] != 0) {
        size_t len = strlen(s->command);
        memcpy(frame + LWS_PRE, s->command, len);
        (void)lws_write(wsi, frame + LWS_PRE, len, LWS_WRITE_TEXT);
    }
    s->command[0] = 0;
    return 0;
}

static int serve(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                 size_t len)
{
    char path[32] = "";
    switch (reason) {
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
        lws_hdr_copy(wsi, path, sizeof path, WSI_TOKEN_GET_URI);
        if (strcmp(path, "/ws") == 0)
            return 0;
        lws_return_http_status(wsi, 404, NULL);
        return -1;
    case LWS_CALLBACK_ESTABLISHED:
        server_count++;
        return 0;
    case LWS_CALLBACK_RECEIVE:
        return serve_text(wsi, user, in, len);
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return serve_write(wsi, user);
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        server_closed_politely += len >= 2 && load_be16(in) == 1000;
        return 0;
    case LWS_CALLBACK_CLOSED:
        server_count--;
        server_closed++;
        return 0;
    default:
        return 0;
    }
}

static const struct lws_protocols protocols[] = {
    { "http", serve, sizeof(struct server_socket), 256, 0, NULL, 0 },
    { "test.v1", serve, sizeof(struct server_socket), 256, 0, NULL, 0 },
    { NULL, NULL, 0, 0, 0, NULL, 0 },
};

/* Who does not answer a ping within a second is hung up on. */
static const lws_retry_bo_t impatient = { .secs_since_valid_ping = 1,
                                          .secs_since_valid_hangup = 2 };

static int start_vhost(const char *name, const char *certificate, const char *key)
{
    struct lws_context_creation_info info = { .vhost_name = name,
                                              .protocols = protocols,
                                              .iface = "127.0.0.1",
                                              .retry_and_idle_policy = &impatient,
                                              .ssl_cert_filepath = certificate,
                                              .ssl_private_key_filepath = key };
    if (certificate != NULL) { /* one of its own would be leaked: there are more contexts */
        info.options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
        info.provided_client_ssl_ctx = unused;
    }
    struct lws_vhost *v = lws_create_vhost(server, &info);
    assert_non_null(v);
    return lws_get_vhost_listen_port(v);
}

static void start_server(void)
{
    void *loops[] = { &loop };
    struct lws_context_creation_info info = { .options = LWS_SERVER_OPTION_LIBUV |
                                                         LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
                                                         LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT |
                                                         LWS_SERVER_OPTION_DISABLE_IPV6,
                                              .gid = -1,
                                              .uid = -1,
                                              .foreign_loops = loops,
                                              .pt_serv_buf_size = 16 * 1024 };
    lws_set_log_level(0, NULL);
    unused = SSL_CTX_new(TLS_client_method());
    server = lws_create_context(&info);
    assert_non_null(server);
    tcp_port = start_vhost("plain", NULL, NULL);
    tls_port = start_vhost("tls", TLS_CERTIFICATE, TLS_KEY);
}

/* ---- a client that remembers */

struct client {
    struct websocket *websocket;
    usec stages[3];
    unsigned open_count, text_count, closed_count;
    size_t last_len;
    bool is_last_all_b;
    char last[64];
    int code;
    char reason[WEBSOCKET_REASON_MAX];
};

static void on_stage(void *owner, enum websocket_stage reached, usec now)
{
    struct client *c = owner;
    assert_int_equal(c->stages[reached], 0);
    c->stages[reached] = now;
}

static void on_open(void *owner, usec now)
{
    struct client *c = owner;
    assert_int_equal(c->stages[WEBSOCKET_OPEN], now);
    c->open_count++;
}

static void on_text(void *owner, struct bytes text, usec now)
{
    struct client *c = owner;
    (void)now;
    c->text_count++;
    c->last_len = text.len;
    snprintf(c->last, sizeof c->last, "%.*s", (int)MIN(text.len, 60), (const char *)text.data);
    c->is_last_all_b = true;
    for (size_t i = 0; i < text.len; i++)
        c->is_last_all_b = c->is_last_all_b && text.data[i] == 'b';
}

static void on_closed(void *owner, int code, const char *reason, usec now)
{
    struct client *c = owner;
    (void)now;
    c->closed_count++;
    c->websocket = NULL;
    c->code = code;
    snprintf(c->reason, sizeof c->reason, "%s", reason);
}

static const struct websocket_events events = { on_stage, on_open, on_text, on_closed };
static struct websocket_pool *pool;

static void make_pool(const char *ca_file, bool insecure, usec timeout)
{
    struct websocket_pool_config config = { .loop = &loop,
                                            .events = &events,
                                            .ca_file = ca_file,
                                            .insecure = insecure,
                                            .timeout = timeout };
    assert_int_equal(websocket_pool_new(&config, &pool), OK);
}

static int setup(void **state)
{
    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    server_count = server_closed = server_closed_politely = 0;
    start_server();
    make_pool(NULL, false, 0);
    return 0;
}

static bool is_empty(void *data)
{
    (void)data;
    return websocket_pool_count(pool) == 0;
}

static void end_pool(void)
{
    websocket_pool_close(pool);
    loop_until(&loop, is_empty, NULL, 5000);
    loop_for(&loop, 30);
    websocket_pool_free(pool);
    pool = NULL;
}

static int teardown(void **state)
{
    (void)state;
    end_pool();
    lws_context_destroy(server);
    for (int i = 0; i < 2000 && uv_run(&loop, UV_RUN_NOWAIT) != 0; i++)
        (void)usleep(1000);
    lws_context_destroy(server);
    SSL_CTX_free(unused);
    loop_finish(&loop);
    return 0;
}

static void open_client(struct client *c, const char *scheme, int port, const char *path)
{
    char url[128];
    snprintf(url, sizeof url, "%s://localhost:%d%s", scheme, port, path);
    memset(c, 0, sizeof *c);
    c->websocket = websocket_open(pool, url, "test.v1", c);
    assert_non_null(c->websocket);
    assert_int_equal(c->closed_count, 0); /* never from inside */
}

static bool is_open(void *data)
{
    struct client *c = data;
    return c->open_count > 0;
}

static bool is_closed(void *data)
{
    struct client *c = data;
    return c->closed_count > 0;
}

static bool has_text(void *data)
{
    struct client *c = data;
    return c->text_count > 0;
}

static void say(struct client *c, const char *text)
{
    c->text_count = 0;
    websocket_send(c->websocket, bytes_of_str(text));
}

static void assert_fails(struct client *c, const char *reason)
{
    loop_until(&loop, is_closed, c, 8000);
    assert_string_equal(c->reason, reason);
    assert_int_equal(c->open_count, 0);
    loop_until(&loop, is_empty, NULL, 3000);
    assert_int_equal(c->closed_count, 1);
}

static void stages_come_in_order_and_texts_go_both_ways(void **state)
{
    struct client c;
    (void)state;
    open_client(&c, "ws", tcp_port, "/ws");
    websocket_send(c.websocket, bytes_of_str("early")); /* waits for OPEN */
    loop_until(&loop, has_text, &c, 3000);
    assert_string_equal(c.last, "early");
    assert_true(c.stages[WEBSOCKET_TCP] > 0);
    assert_int_equal(c.stages[WEBSOCKET_TLS], c.stages[WEBSOCKET_TCP]);
    assert_true(c.stages[WEBSOCKET_OPEN] >= c.stages[WEBSOCKET_TLS]);
    say(&c, "parts");
    loop_until(&loop, has_text, &c, 3000);
    assert_string_equal(c.last, "one,two.");
    assert_int_equal(c.text_count, 1);
}

static void big_message_arrives_whole(void **state)
{
    struct client c;
    (void)state;
    open_client(&c, "http", tcp_port, "/ws");
    loop_until(&loop, is_open, &c, 3000);
    say(&c, "big");
    loop_until(&loop, has_text, &c, 8000);
    assert_int_equal(c.last_len, BIG);
    assert_true(c.is_last_all_b);
}

static void tls_is_a_stage_of_its_own(void **state)
{
    struct client c;
    (void)state;
    end_pool();
    make_pool(TLS_CERTIFICATE, false, 0);
    open_client(&c, "wss", tls_port, "/ws");
    websocket_send(c.websocket, bytes_of_str("hello"));
    loop_until(&loop, has_text, &c, 3000);
    assert_string_equal(c.last, "hello");
    assert_true(c.stages[WEBSOCKET_TCP] < c.stages[WEBSOCKET_TLS]);
    assert_true(c.stages[WEBSOCKET_TLS] < c.stages[WEBSOCKET_OPEN]);
}

static void insecure_takes_any_certificate(void **state)
{
    struct client c;
    (void)state;
    end_pool();
    make_pool(NULL, true, 0);
    open_client(&c, "https", tls_port, "/ws");
    loop_until(&loop, is_open, &c, 3000);
    assert_true(c.stages[WEBSOCKET_TCP] < c.stages[WEBSOCKET_TLS]);
}

static void unknown_certificate_is_tls(void **state)
{
    struct client c;
    (void)state;
    open_client(&c, "wss", tls_port, "/ws");
    assert_fails(&c, "tls");
    assert_true(c.stages[WEBSOCKET_TCP] > 0);
    assert_int_equal(c.stages[WEBSOCKET_TLS], 0);
}

static void plain_server_spoken_tls_to_is_tls(void **state)
{
    struct client c;
    (void)state;
    open_client(&c, "wss", tcp_port, "/ws");
    assert_fails(&c, "tls");
}

static void wrong_path_names_the_http_status(void **state)
{
    struct client c;
    (void)state;
    open_client(&c, "ws", tcp_port, "/nothing");
    assert_fails(&c, "http-404");
}

static int bound_port(int fd)
{
    struct sockaddr_in name = { .sin_family = AF_INET };
    socklen_t len = sizeof name;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof name), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &len), 0);
    return ntohs(name.sin_port);
}

static void nobody_listening_is_refused(void **state)
{
    struct client c[20];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int port = bound_port(fd); /* not listening */
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(c); i++)
        open_client(&c[i], "ws", port, "/ws");
    for (size_t i = 0; i < ARRAY_LEN(c); i++)
        assert_fails(&c[i], "refused");
    assert_int_equal(c[0].stages[WEBSOCKET_TCP], 0);
    (void)close(fd);
}

static void unknown_name_is_dns(void **state)
{
    struct client c = { 0 };
    (void)state;
    c.websocket = websocket_open(pool, "ws://no-such-host.invalid/ws", "test.v1", &c);
    assert_fails(&c, "dns");
}

static void nonsense_is_a_bad_url(void **state)
{
    struct client c = { 0 };
    (void)state;
    c.websocket = websocket_open(pool, "ws://:::/", "test.v1", &c);
    assert_fails(&c, "bad-url");
}

static void silent_server_is_timeout(void **state)
{
    struct client c;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int port = bound_port(fd);
    (void)state;
    assert_int_equal(listen(fd, 5), 0);
    end_pool();
    make_pool(NULL, false, MILLIS(400));
    usec began = clock_now();
    open_client(&c, "ws", port, "/ws");
    assert_fails(&c, "timeout");
    assert_in_range(clock_now() - began, MILLIS(400), MILLIS(1500));
    assert_true(c.stages[WEBSOCKET_TCP] > 0); /* the kernel accepts */
    open_client(&c, "wss", port, "/ws");
    assert_fails(&c, "timeout");
    (void)close(fd);
}

static bool has_been_answered(void *data)
{
    int *fds = data, peer;
    struct client *c = NULL;
    (void)c;
    if (fds[1] < 0) {
        peer = accept4(fds[0], NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        fds[1] = peer;
        return false;
    }
    char request[2048];
    return recv(fds[1], request, sizeof request, 0) > 0;
}

static void hang_up_or_nonsense_before_the_upgrade(void **state)
{
    static const char *const answers[][2] = {
        { "", "reset" },
        { "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
          "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n",
          "handshake" },
        { "HTTP/1.1 302 Found\r\nLocation: http://localhost:1/\r\nContent-Length: 0\r\n\r\n",
          "http-302" },
        { "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", "http-503" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        struct client c;
        int fds[2] = { socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), -1 };
        int port = bound_port(fds[0]);
        assert_int_equal(listen(fds[0], 5), 0);
        open_client(&c, "ws", port, "/ws");
        loop_until(&loop, has_been_answered, fds, 3000);
        if (answers[i][0][0] != 0)
            assert_true(send(fds[1], answers[i][0], strlen(answers[i][0]), 0) > 0);
        else
            assert_int_equal(close(fds[1]), 0);
        assert_fails(&c, answers[i][1]);
        if (answers[i][0][0] != 0)
            (void)close(fds[1]);
        (void)close(fds[0]);
    }
}

static void close_code_of_the_server_is_told(void **state)
{
    struct client c;
    (void)state;
    open_client(&c, "ws", tcp_port, "/ws");
    loop_until(&loop, is_open, &c, 3000);
    say(&c, "close");
    loop_until(&loop, is_closed, &c, 5000);
    assert_int_equal(c.code, 4404);
    assert_string_equal(c.reason, "closed");
}

static void pings_of_the_server_are_answered(void **state)
{
    struct client c;
    (void)state;
    open_client(&c, "ws", tcp_port, "/ws");
    loop_until(&loop, is_open, &c, 3000);
    loop_for(&loop, 3500);
    assert_int_equal(c.closed_count, 0);
    assert_int_equal(server_count, 1);
}

static void dropped_connection_is_reset(void **state)
{
    struct client c;
    (void)state;
    open_client(&c, "ws", tcp_port, "/ws");
    loop_until(&loop, is_open, &c, 3000);
    say(&c, "drop");
    loop_until(&loop, is_closed, &c, 5000);
    assert_int_equal(c.code, 0);
    assert_string_equal(c.reason, "reset");
}

static bool server_is_empty(void *data)
{
    (void)data;
    return server_count == 0 && server_closed > 0;
}

static void polite_close_sends_what_is_queued_and_1000(void **state)
{
    struct client c;
    (void)state;
    open_client(&c, "ws", tcp_port, "/ws");
    loop_until(&loop, is_open, &c, 3000);
    say(&c, "last words");
    websocket_close(c.websocket);
    loop_until(&loop, server_is_empty, NULL, 5000);
    loop_until(&loop, is_empty, NULL, 5000);
    assert_int_equal(server_closed_politely, 1);
    assert_int_equal(c.closed_count, 0);
    assert_int_equal(c.text_count, 0);
}

static void cut_is_abrupt_and_silent(void **state)
{
    struct client c, d;
    (void)state;
    open_client(&c, "ws", tcp_port, "/ws");
    open_client(&d, "ws", tcp_port, "/ws");
    websocket_cut(d.websocket); /* before it is anything */
    loop_until(&loop, is_open, &c, 3000);
    websocket_cut(c.websocket);
    loop_until(&loop, server_is_empty, NULL, 5000);
    loop_until(&loop, is_empty, NULL, 5000);
    assert_int_equal(server_closed_politely, 0);
    assert_int_equal(c.closed_count + d.closed_count + d.open_count, 0);
}

static void too_much_to_send_ends_the_connection(void **state)
{
    struct client c;
    (void)state;
    uint8_t *text = calloc(1, WEBSOCKET_QUEUE_MAX);
    open_client(&c, "ws", tcp_port, "/ws");
    websocket_send(c.websocket, bytes_of(text, WEBSOCKET_QUEUE_MAX));
    websocket_send(c.websocket, bytes_of(text, 1));
    free(text);
    assert_fails(&c, "too-slow");
}

static unsigned opened;

static bool all_open(void *data)
{
    struct client *c = data;
    while (opened < 1000 && c[opened].open_count > 0)
        opened++;
    return opened == 1000;
}

static void thousand_idle_connections_are_small(void **state)
{
    struct rlimit limit;
    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_cur < 2200)
        skip();
    struct client *clients = calloc(1000, sizeof *clients);
    opened = 0;
    size_t before = mallinfo2().uordblks;
    usec began = clock_now();
    for (size_t i = 0; i < 1000; i++)
        open_client(&clients[i], "ws", tcp_port, "/ws");
    loop_until(&loop, all_open, clients, 20000);
    loop_for(&loop, 100);
    size_t bytes = mallinfo2().uordblks - before;
    print_message("1000 connections in %lld ms; both ends take %zu bytes of heap each\n",
                  (long long)((clock_now() - began) / 1000 - 100), bytes / 1000);
    if (bytes > 0) /* a sanitizer's allocator tells nothing */
        assert_in_range(bytes / 1000, 1, 16 * 1024);
    free(clients); /* the pool is closed without a callback */
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(stages_come_in_order_and_texts_go_both_ways),
        TEST(big_message_arrives_whole),
        TEST(tls_is_a_stage_of_its_own),
        TEST(insecure_takes_any_certificate),
        TEST(unknown_certificate_is_tls),
        TEST(plain_server_spoken_tls_to_is_tls),
        TEST(wrong_path_names_the_http_status),
        TEST(nobody_listening_is_refused),
        TEST(unknown_name_is_dns),
        TEST(nonsense_is_a_bad_url),
        TEST(silent_server_is_timeout),
        TEST(hang_up_or_nonsense_before_the_upgrade),
        TEST(close_code_of_the_server_is_told),
        TEST(pings_of_the_server_are_answered),
        TEST(dropped_connection_is_reset),
        TEST(polite_close_sends_what_is_queued_and_1000),
        TEST(cut_is_abrupt_and_silent),
        TEST(too_much_to_send_ends_the_connection),
        TEST(thousand_idle_connections_are_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
