/* The HTTP server, the admin port and the key cache, over real sockets on one loop.
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/os/admin.h"
#include "common/os/clock.h"
#include "common/os/http_server.h"
#include "common/os/jwks.h"
#include "common/os/keyfile.h"
#include "common/os/log.h"

#include "redis_fixture.h"
#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static uv_loop_t loop;
static struct http_server *server;
static struct http_exchange *parked;
static char answer[65536];

static void on_echo(struct http_exchange *x, void *data)
{
    const struct http_request *r = http_exchange_request(x);
    const char *q = http_request_query(r, "q");
    assert_string_equal(data, "data");
    http_response_json(http_exchange_response(x), 200,
                       json_pack("{ss ss ss si sb}", "name", http_request_param(r, "name"), "q",
                                 q == NULL ? "" : q, "client", r->client_address, "body",
                                 (int)r->body.len, "https", r->is_https));
    http_exchange_finish(x);
}

static void on_park(struct http_exchange *x, void *data)
{
    (void)data;
    parked = x;
}

static ssize_t read_chunk(void *data, char *buffer, size_t capacity)
{
    int *left = data;
    if (*left == 0)
        return 0;
    size_t n = MIN(capacity, 1000);
    memset(buffer, 'a' + *left % 26, n);
    (*left)--;
    return (ssize_t)n;
}

static void on_stream(struct http_exchange *x, void *data)
{
    (void)data;
    int *left = malloc(sizeof *left);
    *left = 5;
    http_response_stream(http_exchange_response(x), 200, "text/plain",
                         (struct http_source){ read_chunk, free, left });
    http_exchange_finish(x);
}

static const struct http_route routes[] = {
    { HTTP_METHOD_GET, "/echo/{name}", on_echo, 0, NULL },
    { HTTP_METHOD_POST, "/echo/{name}", on_echo, 0, NULL },
    { HTTP_METHOD_GET, "/park", on_park, 0, NULL },
    { HTTP_METHOD_GET, "/stream", on_stream, 0, NULL },
};

static int connect_to(uint16_t port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

static bool is_closed(void *data)
{
    int fd = *(int *)data;
    size_t len = strlen(answer);
    ssize_t n = read(fd, answer + len, sizeof answer - 1 - len);
    return n == 0;
}

static void send_text(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, text, len);
        if (n > 0) {
            text += n;
            len -= (size_t)n;
        } else {
            assert_true(n < 0 && errno == EAGAIN);
            (void)uv_run(&loop, UV_RUN_NOWAIT);
        }
    }
}

/* The whole answer to a request that closes its connection. */
static const char *ask_port(uint16_t port, const char *request)
{
    memset(answer, 0, sizeof answer);
    int fd = connect_to(port);
    send_text(fd, request, strlen(request));
    loop_until(&loop, is_closed, &fd, 3000);
    (void)close(fd);
    return answer;
}

static const char *ask(const char *request)
{
    return ask_port(http_server_port(server), request);
}

#define END "Host: h\r\nConnection: close\r\n\r\n"

static int set_up(void **state)
{
    (void)state;
    (void)signal(SIGPIPE, SIG_IGN);
    assert_int_equal(uv_loop_init(&loop), 0);
    const struct http_server_options options = { .listen = "127.0.0.1:0",
                                                 .routes = routes,
                                                 .route_count = ARRAY_LEN(routes),
                                                 .data = (void *)"data",
                                                 .body_max = 1000 };
    return http_server_start(&loop, &options, &server) == OK ? 0 : 1;
}

static void on_stopped(void *data)
{
    *(bool *)data = true;
}

static bool is_set(void *data)
{
    return *(bool *)data;
}

static int tear_down(void **state)
{
    (void)state;
    bool stopped = false;
    if (server != NULL) {
        http_server_stop(server, 0, on_stopped, &stopped);
        loop_until(&loop, is_set, &stopped, 3000);
    }
    server = NULL;
    loop_finish(&loop);
    return 0;
}

#define assert_starts_with(text, prefix) assert_memory_equal(text, prefix, strlen(prefix))
#define assert_contains(text, part)      assert_non_null(strstr(text, part))

static void request_reaches_its_handler(void **state)
{
    (void)state;
    const char *a = ask("GET /echo/a%20b?q=x%2By+z HTTP/1.1\r\nX-Request-Id: r-1\r\n" END);
    assert_starts_with(a, "HTTP/1.1 200 ");
    assert_contains(a, "{\"name\":\"a b\",\"q\":\"x+y z\",\"client\":\"127.0.0.1\",\"body\":0,"
                       "\"https\":false}");
    assert_contains(a, "X-Request-Id: r-1\r\n");
    assert_contains(a, "X-Content-Type-Options: nosniff\r\n");
    assert_contains(a, "Cache-Control: no-store\r\n");
    a = ask(
        "POST /echo/x HTTP/1.1\r\nContent-Length: 5\r\nX-Request-Id: a b\r\nConnection: close\r\n"
        "Host: h\r\n\r\nhello");
    assert_contains(a, "\"body\":5");
    assert_contains(a, "X-Request-Id: req_");
}

static void refusals_are_problem_documents(void **state)
{
    (void)state;
    const char *a = ask("GET /nothing HTTP/1.1\r\nX-Request-Id: r-404\r\n" END);
    assert_starts_with(a, "HTTP/1.1 404 ");
    assert_contains(a, "application/problem+json");
    assert_contains(a, "\"request_id\":\"r-404\"");
    assert_contains(a, "\"error\":\"not-found\"");
    a = ask("DELETE /echo/x HTTP/1.1\r\n" END);
    assert_starts_with(a, "HTTP/1.1 405 ");
    assert_contains(a, "Allow: GET, HEAD, POST\r\n");
    assert_contains(a, "\"request_id\":\"req_");
    a = ask("GET /echo/%zz HTTP/1.1\r\n" END);
    assert_starts_with(a, "HTTP/1.1 400 ");
    a = ask("GET /echo/x?q=%00 HTTP/1.1\r\n" END);
    assert_starts_with(a, "HTTP/1.1 400 ");
    a = ask("BREW /echo/x HTTP/1.1\r\n" END);
    assert_starts_with(a, "HTTP/1.1 501 ");
}

static void body_too_large_is_refused_declared_or_not(void **state)
{
    (void)state;
    char request[4096] = "POST /echo/x HTTP/1.1\r\nContent-Length: 1001\r\nConnection: close\r\n"
                         "Host: h\r\n\r\n";
    memset(request + strlen(request), 'x', 1001);
    const char *a = ask(request);
    assert_starts_with(a, "HTTP/1.1 413 ");
    assert_contains(a, "\"error\":\"body-too-large\"");
    assert_contains(a, "\"request_id\":\"req_");
    char chunk[1501] = "";
    memset(chunk, 'x', sizeof chunk - 1);
    (void)snprintf(request, sizeof request,
                   "POST /echo/x HTTP/1.1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n"
                   "Host: h\r\n\r\n5dc\r\n%s\r\n0\r\n\r\n",
                   chunk);
    a = ask(request);
    assert_starts_with(a, "HTTP/1.1 413 ");
}

/* The body follows when the server has seen the head, and is sent to its end before anything is
 * read, as simple clients do. */
static const char *ask_with_body(const char *head, size_t body_len)
{
    static const char piece[4096] = "x";
    memset(answer, 0, sizeof answer);
    int fd = connect_to(http_server_port(server));
    send_text(fd, head, strlen(head));
    loop_for(&loop, 20);
    for (size_t left = body_len; left > 0; left -= MIN(left, sizeof piece))
        send_text(fd, piece, MIN(left, sizeof piece));
    loop_until(&loop, is_closed, &fd, 3000);
    (void)close(fd);
    return answer;
}

static void client_that_sends_too_much_sees_the_refusal_not_a_reset(void **state)
{
    (void)state;
    const char *a =
        ask_with_body("POST /echo/x HTTP/1.1\r\nContent-Length: 1000000\r\n" END, 1000000);
    assert_starts_with(a, "HTTP/1.1 413 ");
    assert_contains(a, "\"error\":\"body-too-large\"");
    a = ask_with_body("POST /nothing HTTP/1.1\r\nContent-Length: 500000\r\n" END, 500000);
    assert_starts_with(a, "HTTP/1.1 404 ");
}

static void refusal_does_not_wait_for_a_body_that_waits_for_leave_or_is_huge(void **state)
{
    (void)state;
    const char *a = ask("POST /echo/x HTTP/1.1\r\nContent-Length: 2000\r\n"
                        "Expect: 100-continue\r\n" END);
    assert_starts_with(a, "HTTP/1.1 413 ");
    a = ask("POST /echo/x HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n" END);
    assert_starts_with(a, "HTTP/1.1 4");
    a = ask("POST /echo/x HTTP/1.1\r\nContent-Length: 5000000000\r\n" END);
    assert_starts_with(a, "HTTP/1.1 413 ");
}

static void head_has_headers_only(void **state)
{
    (void)state;
    const char *a = ask("HEAD /echo/x HTTP/1.1\r\n" END);
    assert_starts_with(a, "HTTP/1.1 200 ");
    assert_contains(a, "Content-Length: ");
    assert_string_equal(strstr(a, "\r\n\r\n"), "\r\n\r\n");
}

static void streamed_body_arrives_whole(void **state)
{
    (void)state;
    const char *a = ask("GET /stream HTTP/1.0\r\n\r\n");
    assert_starts_with(a, "HTTP/1.");
    assert_int_equal(strlen(strstr(a, "\r\n\r\n") + 4), 5000);
}

static void forwarded_address_is_believed_from_loopback_only_as_far_as_trusted(void **state)
{
    (void)state;
    const char *a = ask("GET /echo/x HTTP/1.1\r\nX-Forwarded-For: 6.6.6.6, 192.0.2.7\r\n" END);
    assert_contains(a, "\"client\":\"192.0.2.7\"");
    a = ask("GET /echo/x HTTP/1.1\r\nX-Forwarded-For: 192.0.2.7, 127.0.0.1\r\n" END);
    assert_contains(a, "\"client\":\"192.0.2.7\"");
    a = ask("GET /echo/x HTTP/1.1\r\nX-Forwarded-For: 6.6.6.6, ::ffff:192.0.2.7\r\n" END);
    assert_contains(a, "\"client\":\"192.0.2.7\"");
    a = ask("GET /echo/x HTTP/1.1\r\nX-Forwarded-For: [2001:db8::7]:4711\r\n" END);
    assert_contains(a, "\"client\":\"2001:db8::7\"");
    a = ask("GET /echo/x HTTP/1.1\r\nX-Forwarded-For: nonsense\r\n" END);
    assert_contains(a, "\"client\":\"127.0.0.1\"");
}

static void forwarded_proto_is_believed_from_trusted_proxies_only(void **state)
{
    (void)state;
    const char *request = "GET /echo/x HTTP/1.1\r\nX-Forwarded-Proto: https\r\n" END;
    assert_contains(ask(request), "\"https\":true");
    assert_contains(ask("GET /echo/x HTTP/1.1\r\nX-Forwarded-Proto: http\r\n" END),
                    "\"https\":false");
    const char *const proxies[] = { "192.0.2.0/24" };
    const struct http_server_options options = { .listen = "127.0.0.1:0",
                                                 .routes = routes,
                                                 .route_count = ARRAY_LEN(routes),
                                                 .data = (void *)"data",
                                                 .trusted_proxies = proxies,
                                                 .trusted_proxy_count = 1 };
    struct http_server *wary;
    assert_int_equal(http_server_start(&loop, &options, &wary), OK);
    assert_contains(ask_port(http_server_port(wary), request), "\"https\":false");
    bool stopped = false;
    http_server_stop(wary, 0, on_stopped, &stopped);
    loop_until(&loop, is_set, &stopped, 2000);
}

static bool is_parked(void *data)
{
    (void)data;
    return parked != NULL;
}

static void handler_may_finish_later(void **state)
{
    (void)state;
    memset(answer, 0, sizeof answer);
    parked = NULL;
    int fd = connect_to(http_server_port(server));
    send_text(fd, "GET /park HTTP/1.1\r\n" END, strlen("GET /park HTTP/1.1\r\n" END));
    loop_until(&loop, is_parked, NULL, 2000);
    assert_contains(ask("GET /echo/other HTTP/1.1\r\n" END), "\"other\"");
    memset(answer, 0, sizeof answer);
    http_response_json(http_exchange_response(parked), 202, json_pack("{sb}", "late", 1));
    http_exchange_finish(parked);
    loop_until(&loop, is_closed, &fd, 2000);
    assert_starts_with(answer, "HTTP/1.1 202 ");
    assert_contains(answer, "{\"late\":true}");
    (void)close(fd);
}

static void stop_answers_503_for_handlers_that_are_too_slow(void **state)
{
    (void)state;
    memset(answer, 0, sizeof answer);
    parked = NULL;
    int fd = connect_to(http_server_port(server));
    send_text(fd, "GET /park HTTP/1.1\r\n" END, strlen("GET /park HTTP/1.1\r\n" END));
    loop_until(&loop, is_parked, NULL, 2000);
    bool stopped = false;
    http_server_stop(server, MILLIS(100), on_stopped, &stopped);
    server = NULL;
    loop_until(&loop, is_set, &stopped, 3000);
    loop_until(&loop, is_closed, &fd, 1000);
    assert_starts_with(answer, "HTTP/1.1 503 ");
    http_exchange_finish(parked); /* late, harmless */
    (void)close(fd);
}

#define HALF_A_REQUEST "GET /healthz HTTP/1.1\r\nHost: h\r\nX: "

static void server_listens_again_after_a_burst_of_half_open_connections(void **state)
{
    (void)state;
    struct metrics *m = metrics_new("sfud");
    struct admin *admin;
    bool stopped = false;
    assert_int_equal(admin_start(&loop, "127.0.0.1:0", m, &admin), OK);
    int fds[90];
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        fds[i] = connect_to(admin_port(admin));
        send_text(fds[i], HALF_A_REQUEST, strlen(HALF_A_REQUEST));
    }
    loop_for(&loop, 100);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        (void)close(fds[i]);
    loop_for(&loop, 100);
    assert_starts_with(ask_port(admin_port(admin), "GET /healthz HTTP/1.1\r\n" END),
                       "HTTP/1.1 200 ");
    const char *a = ask_port(admin_port(admin), "GET /metrics HTTP/1.1\r\n" END);
    const char *line = strstr(a, "conclave_http_connections_limited_total{listener=\"admin\","
                                 "why=\"full\"} ");
    assert_non_null(line);
    assert_int_not_equal(strstr(line, "} ")[2], '0');
    admin_stop(admin, on_stopped, &stopped);
    loop_until(&loop, is_set, &stopped, 2000);
    metrics_free(m);
}

static void connections_that_ended_before_accept_hold_no_place(void **state)
{
    (void)state;
    struct metrics *m = metrics_new("sfud");
    struct admin *admin;
    bool stopped = false;
    assert_int_equal(admin_start(&loop, "127.0.0.1:0", m, &admin), OK);
    for (size_t i = 0; i < 150; i++) { /* the loop does not run meanwhile */
        int fd = connect_to(admin_port(admin));
        send_text(fd, HALF_A_REQUEST, strlen(HALF_A_REQUEST));
        (void)close(fd);
    }
    assert_starts_with(ask_port(admin_port(admin), "GET /healthz HTTP/1.1\r\n" END),
                       "HTTP/1.1 200 ");
    admin_stop(admin, on_stopped, &stopped);
    loop_until(&loop, is_set, &stopped, 2000);
    metrics_free(m);
}

static bool is_gone(void *data)
{
    char byte;
    ssize_t n = read(*(int *)data, &byte, 1);
    return n == 0 || (n < 0 && errno != EAGAIN);
}

static struct http_server *start_wary(const struct http_server_options *limits)
{
    static const char *const proxies[] = { "192.0.2.0/24" };
    struct http_server_options options = *limits;
    options.listen = "127.0.0.1:0";
    options.routes = routes;
    options.route_count = ARRAY_LEN(routes);
    options.data = (void *)"data";
    options.trusted_proxies = proxies;
    options.trusted_proxy_count = 1;
    struct http_server *wary;
    assert_int_equal(http_server_start(&loop, &options, &wary), OK);
    return wary;
}

static void stop_wary(struct http_server *wary)
{
    bool stopped = false;
    http_server_stop(wary, 0, on_stopped, &stopped);
    loop_until(&loop, is_set, &stopped, 2000);
}

static void request_that_drips_is_cut_off(void **state)
{
    (void)state;
    struct http_server *wary =
        start_wary(&(struct http_server_options){ .receive_timeout = MILLIS(600) });
    static const char *const begun[] = {
        HALF_A_REQUEST, "POST /echo/x HTTP/1.1\r\nHost: h\r\nContent-Length: 900\r\n\r\n"
    };
    for (size_t i = 0; i < ARRAY_LEN(begun); i++) {
        int fd = connect_to(http_server_port(wary));
        send_text(fd, begun[i], strlen(begun[i]));
        usec start = clock_now();
        while (!is_gone(&fd) && clock_now() - start < SECONDS(5)) {
            (void)write(fd, "x", 1);
            loop_for(&loop, 50);
        }
        assert_in_range(clock_now() - start, MILLIS(500), MILLIS(3000));
        (void)close(fd);
    }
    stop_wary(wary);
}

static void slow_handler_is_not_cut_off(void **state)
{
    (void)state;
    struct http_server *wary =
        start_wary(&(struct http_server_options){ .receive_timeout = MILLIS(100) });
    memset(answer, 0, sizeof answer);
    parked = NULL;
    int fd = connect_to(http_server_port(wary));
    send_text(fd, "GET /park HTTP/1.1\r\n" END, strlen("GET /park HTTP/1.1\r\n" END));
    loop_for(&loop, 1300);
    assert_non_null(parked);
    http_response_json(http_exchange_response(parked), 200, json_pack("{}"));
    http_exchange_finish(parked);
    loop_until(&loop, is_closed, &fd, 2000);
    assert_starts_with(answer, "HTTP/1.1 200 ");
    (void)close(fd);
    stop_wary(wary);
}

static void one_address_gets_its_share_of_connections_only(void **state)
{
    (void)state;
    struct http_server *wary =
        start_wary(&(struct http_server_options){ .connections_per_address_max = 2 });
    int fds[3];
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        fds[i] = connect_to(http_server_port(wary));
        loop_for(&loop, 20);
    }
    loop_until(&loop, is_gone, &fds[2], 1000);
    assert_false(is_gone(&fds[0]));
    (void)close(fds[0]);
    loop_for(&loop, 50);
    assert_starts_with(ask_port(http_server_port(wary), "GET /echo/x HTTP/1.1\r\n" END),
                       "HTTP/1.1 200 ");
    (void)close(fds[1]);
    (void)close(fds[2]);
    stop_wary(wary);
}

static bool redis_like_check(void *data, char *ret_why, size_t capacity)
{
    if (*(bool *)data)
        return true;
    (void)snprintf(ret_why, capacity, "not connected");
    return false;
}

static void admin_port_tells_health_readiness_and_metrics(void **state)
{
    (void)state;
    struct metrics *m = metrics_new("sfud");
    metric_add(metrics_counter(m, "sfud_test_total", "A test.", "kind=\"a\""), 3);
    struct metric_histogram *h =
        metrics_histogram(m, "sfud_test_seconds", "Time.", NULL, (const double[]){ 0.1, 1 }, 2);
    metric_observe(h, 0.1);
    metric_observe(h, 0.5);
    metric_observe(h, 7);
    struct admin *admin;
    bool ready = false, stopped = false;
    assert_int_equal(admin_start(&loop, "127.0.0.1:0", m, &admin), OK);
    admin_add_check(admin, "redis", redis_like_check, &ready);
    uint16_t port = admin_port(admin);
    assert_starts_with(ask_port(port, "GET /healthz HTTP/1.1\r\n" END), "HTTP/1.1 200 ");
    const char *a = ask_port(port, "GET /readyz HTTP/1.1\r\n" END);
    assert_starts_with(a, "HTTP/1.1 503 ");
    assert_contains(
        a, "{\"ready\":false,\"failing\":[{\"check\":\"redis\",\"why\":\"not connected\"}]}");
    ready = true;
    assert_starts_with(ask_port(port, "GET /readyz HTTP/1.1\r\n" END), "HTTP/1.1 200 ");
    admin_set_draining(admin);
    assert_contains(ask_port(port, "GET /readyz HTTP/1.1\r\n" END), "\"draining\"");
    a = ask_port(port, "GET /metrics HTTP/1.1\r\n" END);
    assert_contains(a, "Content-Type: text/plain; version=0.0.4");
    assert_contains(a, "# HELP sfud_test_total A test.\n# TYPE sfud_test_total counter\n"
                       "sfud_test_total{kind=\"a\"} 3\n");
    assert_contains(a,
                    "sfud_test_seconds_bucket{le=\"0.1\"} 1\nsfud_test_seconds_bucket{le=\"1\"} 2\n"
                    "sfud_test_seconds_bucket{le=\"+Inf\"} 3\n");
    assert_contains(a, "sfud_test_seconds_count 3\n");
    assert_contains(a, "process_open_fds ");
    assert_contains(a,
                    "conclave_build_info{service=\"sfud\",version=\"" CONCLAVE_VERSION "\"} 1\n");
    admin_stop(admin, on_stopped, &stopped);
    loop_until(&loop, is_set, &stopped, 2000);
    metrics_free(m);
}

static void collect_histogram(struct metrics_text *out, void *data)
{
    metrics_text_family(out, "sfud_own_seconds", "histogram", "Own.");
    metrics_text_histogram(out, "worker=\"0\"", data);
}

static void on_own(struct http_exchange *x, void *data)
{
    const char *name = http_request_param(http_exchange_request(x), "name");
    const char *of = admin_data(data);
    http_response_json(http_exchange_response(x), 200, json_pack("{ss}", of, name));
    http_exchange_finish(x);
}

static void admin_port_serves_what_a_daemon_adds(void **state)
{
    (void)state;
    struct metrics *m = metrics_new("sfud");
    struct metrics_buckets buckets = { .bounds = (const double[]){ 0.5, 2 },
                                       .bound_count = 2,
                                       .counts = (const uint64_t[]){ 3, 0, 4 },
                                       .sum = 40.5 };
    metrics_add_collector(m, collect_histogram, &buckets);
    struct http_route route = { HTTP_METHOD_GET, "/v1/things/{name}", on_own, 0, NULL };
    char data[] = "of";
    const struct admin_routes more = { .routes = &route, .count = 1, .data = data };
    struct admin *admin;
    bool stopped = false;
    assert_int_equal(admin_start_with(&loop, "127.0.0.1:0", m, &more, &admin), OK);
    route.pattern = "/gone"; /* it was copied */
    uint16_t port = admin_port(admin);
    assert_contains(ask_port(port, "GET /v1/things/a HTTP/1.1\r\n" END), "{\"of\":\"a\"}");
    assert_starts_with(ask_port(port, "GET /v1/things HTTP/1.1\r\n" END), "HTTP/1.1 404 ");
    assert_starts_with(ask_port(port, "GET /healthz HTTP/1.1\r\n" END), "HTTP/1.1 200 ");
    const char *a = ask_port(port, "GET /metrics HTTP/1.1\r\n" END);
    assert_contains(a, "# TYPE sfud_own_seconds histogram\n"
                       "sfud_own_seconds_bucket{worker=\"0\",le=\"0.5\"} 3\n"
                       "sfud_own_seconds_bucket{worker=\"0\",le=\"2\"} 3\n"
                       "sfud_own_seconds_bucket{worker=\"0\",le=\"+Inf\"} 7\n"
                       "sfud_own_seconds_sum{worker=\"0\"} 40.5\n"
                       "sfud_own_seconds_count{worker=\"0\"} 7\n");
    admin_stop(admin, on_stopped, &stopped);
    loop_until(&loop, is_set, &stopped, 2000);
    metrics_free(m);
}

/* A key server whose set can change. */
static struct token_keys *published;
static unsigned fetch_count;

static void on_jwks(struct http_exchange *x, void *data)
{
    (void)data;
    fetch_count++;
    http_response_json(http_exchange_response(x), 200, token_keys_to_json(published));
    http_exchange_finish(x);
}

static const struct http_route jwks_routes[] = { { HTTP_METHOD_GET, "/jwks", on_jwks, 0, NULL } };

struct verdict {
    unsigned count;
    enum err e;
};

static void on_verdict(enum err e, const struct token_claims *claims, void *data)
{
    struct verdict *v = data;
    v->count++;
    v->e = e;
    assert_true((claims != NULL) == (e == OK));
}

static bool has_verdict(void *data)
{
    return ((struct verdict *)data)->count > 0;
}

static bool has_keys(void *data)
{
    return jwks_has_keys(data);
}

static char *token_of(EVP_PKEY *key, const char *kid)
{
    const struct token_claims claims = {
        .iss = "conclave", .sub = "u_1", .iat = clock_wall(), .exp = clock_wall() + SECONDS(60)
    };
    char *token;
    assert_int_equal(token_sign(&claims, key, kid, &token), OK);
    return token;
}

static void key_cache_learns_new_keys_and_survives_the_key_server(void **state)
{
    (void)state;
    EVP_PKEY *first = keyfile_p256_generate(), *second = keyfile_p256_generate();
    assert_int_equal(token_keys_of(first, "k1", &published), OK);
    struct http_server *keys;
    const struct http_server_options options = { .listen = "127.0.0.1:0",
                                                 .routes = jwks_routes,
                                                 .route_count = 1 };
    assert_int_equal(http_server_start(&loop, &options, &keys), OK);
    char url[64];
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/jwks", (unsigned)http_server_port(keys));
    struct jwks *cache;
    const struct jwks_options jwks = { .url = url,
                                       .issuer = "conclave",
                                       .refresh_min = MILLIS(100) };
    assert_int_equal(jwks_new(&loop, &jwks, &cache), OK);
    char *old_token = token_of(first, "k1"), *new_token = token_of(second, "k2");
    struct verdict v = { 0 };
    struct token_claims claims;
    assert_int_equal(jwks_verify(cache, bytes_of_str(old_token), clock_wall(), &claims),
                     ERR_BAD_STATE);
    jwks_verify_async(cache, bytes_of_str(old_token), clock_wall(), on_verdict, &v);
    assert_int_equal(v.count, 0); /* waits for the first fetch */
    loop_until(&loop, has_verdict, &v, 3000);
    assert_int_equal(v.e, OK);
    assert_int_equal(jwks_verify(cache, bytes_of_str(new_token), clock_wall(), &claims),
                     ERR_NOT_FOUND);
    assert_int_equal(token_keys_add(published, second, "k2"), OK);
    loop_for(&loop, 120);
    v = (struct verdict){ 0 };
    jwks_verify_async(cache, bytes_of_str(new_token), clock_wall(), on_verdict, &v);
    loop_until(&loop, has_verdict, &v, 3000);
    assert_int_equal(v.e, OK);
    bool stopped = false;
    http_server_stop(keys, 0, on_stopped, &stopped);
    loop_until(&loop, is_set, &stopped, 2000);
    loop_for(&loop, 120);
    char *unknown = token_of(first, "k3");
    v = (struct verdict){ 0 };
    jwks_verify_async(cache, bytes_of_str(unknown), clock_wall(), on_verdict, &v);
    loop_until(&loop, has_verdict, &v, 3000);
    assert_int_equal(v.e, ERR_NOT_FOUND);
    assert_true(has_keys(cache));
    assert_int_equal(jwks_verify(cache, bytes_of_str(old_token), clock_wall(), &claims), OK);
    assert_int_equal(fetch_count, 2);
    jwks_free(cache);
    token_keys_free(published);
    free(old_token);
    free(new_token);
    free(unknown);
    EVP_PKEY_free(first);
    EVP_PKEY_free(second);
}

int main(void)
{
    log_set_fd(open("/dev/null", O_WRONLY));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(request_reaches_its_handler, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refusals_are_problem_documents, set_up, tear_down),
        cmocka_unit_test_setup_teardown(body_too_large_is_refused_declared_or_not, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(client_that_sends_too_much_sees_the_refusal_not_a_reset,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            refusal_does_not_wait_for_a_body_that_waits_for_leave_or_is_huge, set_up, tear_down),
        cmocka_unit_test_setup_teardown(forwarded_proto_is_believed_from_trusted_proxies_only,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(head_has_headers_only, set_up, tear_down),
        cmocka_unit_test_setup_teardown(streamed_body_arrives_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            forwarded_address_is_believed_from_loopback_only_as_far_as_trusted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(handler_may_finish_later, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stop_answers_503_for_handlers_that_are_too_slow, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(server_listens_again_after_a_burst_of_half_open_connections,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(connections_that_ended_before_accept_hold_no_place, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(request_that_drips_is_cut_off, set_up, tear_down),
        cmocka_unit_test_setup_teardown(slow_handler_is_not_cut_off, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_address_gets_its_share_of_connections_only, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(admin_port_tells_health_readiness_and_metrics, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(admin_port_serves_what_a_daemon_adds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(key_cache_learns_new_keys_and_survives_the_key_server,
                                        set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
