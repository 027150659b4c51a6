/* HTTP requests of bots against the server of common/os, and against what does not answer.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "io/fetch.h"

#include "common/os/http_server.h"

#include "redis_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static uv_loop_t loop;
static struct http_server *server;
static struct fetcher *fetcher;
static unsigned in_flight, in_flight_max;
static struct http_exchange *parked[256];
static unsigned parked_count;

static void on_echo(struct http_exchange *x, void *data)
{
    const struct http_request *r = http_exchange_request(x);
    const char *authorization = http_request_header(r, "authorization");
    (void)data;
    http_response_json(http_exchange_response(x), 201,
                       json_pack("{ss# ss}", "body", r->body.len ? (const char *)r->body.data : "",
                                 (int)r->body.len, "authorization",
                                 authorization == NULL ? "" : authorization));
    http_exchange_finish(x);
}

static void on_big(struct http_exchange *x, void *data)
{
    (void)data;
    char *text = malloc(FETCH_BODY_MAX + 1);
    memset(text, 'x', FETCH_BODY_MAX);
    text[FETCH_BODY_MAX] = 0;
    http_response_json(http_exchange_response(x), 200, json_pack("{ss}", "text", text));
    free(text);
    http_exchange_finish(x);
}

static void on_park(struct http_exchange *x, void *data)
{
    (void)data;
    in_flight++;
    in_flight_max = MAX(in_flight_max, in_flight);
    assert_true(parked_count < ARRAY_LEN(parked));
    parked[parked_count++] = x;
}

static const struct http_route routes[] = {
    { HTTP_METHOD_GET, "/echo", on_echo, 0, NULL },
    { HTTP_METHOD_POST, "/echo", on_echo, 0, NULL },
    { HTTP_METHOD_GET, "/big", on_big, 0, NULL },
    { HTTP_METHOD_GET, "/park", on_park, 0, NULL },
};

static void make_fetcher(unsigned concurrency, usec timeout)
{
    struct fetcher_config config = { .loop = &loop,
                                     .concurrency = concurrency,
                                     .timeout = timeout };
    assert_int_equal(fetcher_new(&config, &fetcher), OK);
}

static int setup(void **state)
{
    struct http_server_options options = { .listen = "127.0.0.1:0",
                                           .routes = routes,
                                           .route_count = ARRAY_LEN(routes),
                                           .connections_per_address_max = 500 };
    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(http_server_start(&loop, &options, &server), OK);
    make_fetcher(0, MILLIS(500));
    in_flight = in_flight_max = parked_count = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fetcher_close(fetcher, NULL, NULL);
    http_server_stop(server, MILLIS(100), NULL, NULL);
    for (int i = 0; i < 500 && uv_run(&loop, UV_RUN_NOWAIT) != 0; i++)
        (void)usleep(1000);
    fetcher_free(fetcher);
    loop_finish(&loop);
    return 0;
}

struct answer {
    unsigned count;
    int status;
    char body[256];
    const char *error;
};

static void on_done(void *owner, int status, struct bytes body, const char *error, usec now)
{
    struct answer *a = owner;
    (void)now;
    a->count++;
    a->status = status;
    a->error = error;
    snprintf(a->body, sizeof a->body, "%.*s", (int)MIN(body.len, 250), (const char *)body.data);
}

static bool is_answered(void *data)
{
    return ((struct answer *)data)->count > 0;
}

static struct answer ask(const char *url, const char *body, const char *token)
{
    struct answer a = { 0 };
    struct bytes bytes = body == NULL ? bytes_of(NULL, 0) : bytes_of_str(body);
    assert_non_null(fetch_start(fetcher, url, bytes, token, on_done, &a));
    assert_int_equal(a.count, 0); /* never from inside */
    loop_until(&loop, is_answered, &a, 5000);
    assert_int_equal(a.count, 1);
    assert_int_equal(fetcher_count(fetcher), 0);
    return a;
}

static const char *url_of(const char *path)
{
    static char url[128];
    snprintf(url, sizeof url, "http://127.0.0.1:%u%s", http_server_port(server), path);
    return url;
}

static void post_carries_json_and_bearer(void **state)
{
    (void)state;
    struct answer a = ask(url_of("/echo"), "{\"name\":\"bot\"}", "secret");
    assert_int_equal(a.status, 201);
    assert_null(a.error);
    assert_non_null(strstr(a.body, "{\\\"name\\\":\\\"bot\\\"}"));
    assert_non_null(strstr(a.body, "Bearer secret"));
}

static void get_has_no_body_and_statuses_are_answers(void **state)
{
    (void)state;
    struct answer a = ask(url_of("/echo"), NULL, NULL);
    assert_int_equal(a.status, 201);
    a = ask(url_of("/nothing"), NULL, NULL);
    assert_int_equal(a.status, 404);
    assert_null(a.error);
}

static void what_goes_wrong_has_a_stable_name(void **state)
{
    char url[64];
    struct sockaddr_in name = { .sin_family = AF_INET };
    socklen_t len = sizeof name;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)state;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof name), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &len), 0);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", ntohs(name.sin_port));
    assert_string_equal(ask(url, NULL, NULL).error, "refused");
    assert_int_equal(listen(fd, 5), 0);
    assert_string_equal(ask(url, NULL, NULL).error, "timeout"); /* accepts, says nothing */
    (void)close(fd);
    assert_string_equal(ask("http://no-such-host.invalid/", NULL, NULL).error, "dns");
    assert_string_equal(ask("gopher://localhost/", NULL, NULL).error, "bad-url");
    assert_string_equal(ask(url_of("/big"), NULL, NULL).error, "too-big");
    snprintf(url, sizeof url, "https://127.0.0.1:%u/", http_server_port(server));
    assert_string_equal(ask(url, NULL, NULL).error, "tls");
}

static bool are_four_parked(void *data)
{
    (void)data;
    return parked_count >= 4;
}

static bool are_all_answered(void *data)
{
    struct answer *a = data;
    for (; parked_count > 0; in_flight--) {
        struct http_exchange *x = parked[--parked_count];
        http_response_json(http_exchange_response(x), 200, json_object());
        http_exchange_finish(x);
    }
    for (int i = 0; i < 40; i++)
        if (a[i].count == 0)
            return false;
    return true;
}

static void concurrency_is_bounded_and_all_are_served(void **state)
{
    struct answer answers[40] = { 0 };
    (void)state;
    fetcher_close(fetcher, NULL, NULL);
    loop_for(&loop, 10);
    fetcher_free(fetcher);
    make_fetcher(4, SECONDS(5));
    for (int i = 0; i < 40; i++)
        assert_non_null(
            fetch_start(fetcher, url_of("/park"), bytes_of(NULL, 0), NULL, on_done, &answers[i]));
    loop_until(&loop, are_four_parked, NULL, 3000);
    loop_for(&loop, 50);
    assert_int_equal(parked_count, 4);
    loop_until(&loop, are_all_answered, answers, 5000);
    assert_int_equal(in_flight_max, 4);
    for (int i = 0; i < 40; i++)
        assert_int_equal(answers[i].status, 200);
}

static void cancelled_requests_say_nothing(void **state)
{
    struct answer a = { 0 }, b = { 0 };
    (void)state;
    struct fetch *x = fetch_start(fetcher, url_of("/park"), bytes_of(NULL, 0), NULL, on_done, &a);
    fetch_cancel(x); /* before it began */
    x = fetch_start(fetcher, url_of("/park"), bytes_of(NULL, 0), NULL, on_done, &b);
    loop_for(&loop, 50);
    assert_int_equal(parked_count, 1);
    fetch_cancel(x); /* while it runs */
    loop_for(&loop, 50);
    assert_int_equal(a.count + b.count, 0);
    assert_int_equal(fetcher_count(fetcher), 0);
    http_response_json(http_exchange_response(parked[0]), 200, json_object());
    http_exchange_finish(parked[0]);
}

static void closing_with_requests_on_their_way_leaks_nothing(void **state)
{
    static struct answer answers[100];
    (void)state;
    for (int i = 0; i < 100; i++)
        assert_non_null(
            fetch_start(fetcher, url_of("/echo"), bytes_of(NULL, 0), NULL, on_done, &answers[i]));
    (void)uv_run(&loop, UV_RUN_NOWAIT);
    fetcher_close(fetcher, NULL, NULL);
    for (int i = 0; i < 100; i++)
        assert_int_equal(answers[i].count, 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(post_carries_json_and_bearer),
        TEST(get_has_no_body_and_statuses_are_answers),
        TEST(what_goes_wrong_has_a_stable_name),
        TEST(concurrency_is_bounded_and_all_are_served),
        TEST(cancelled_requests_say_nothing),
        TEST(closing_with_requests_on_their_way_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
