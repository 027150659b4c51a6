/* The engine with bots that only pretend (fake_bot.h), real sockets, and servers on this thread.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "io/engine.h"

#include "common/os/clock.h"
#include "common/os/http_server.h"
#include "fake_bot.h"

#include "redis_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <libwebsockets.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- servers: tokens, WebSockets that answer with what they were told, a UDP echo */

static uv_loop_t loop;
static struct http_server *http;
static struct lws_context *ws;
static uv_udp_t echo;
static char http_url[64], ws_url[64];
static unsigned tokens, sockets;

static void on_token(struct http_exchange *x, void *data)
{
    (void)data;
    tokens++;
    http_response_json(http_exchange_response(x), 200, json_object());
    http_exchange_finish(x);
}

static const struct http_route routes[] = { { HTTP_METHOD_POST, "/token", on_token, 0, NULL } };

static int serve(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                 size_t len)
{
    char path[32] = "";
    uint8_t frame[LWS_PRE + 64];
    switch (reason) {
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
        lws_hdr_copy(wsi, path, sizeof path, WSI_TOKEN_GET_URI);
        if (strcmp(path, "/ws") == 0)
            return 0;
        lws_return_http_status(wsi, 404, NULL);
        return -1;
    case LWS_CALLBACK_ESTABLISHED:
        sockets++;
        return 0;
    case LWS_CALLBACK_CLOSED:
        sockets--;
        return 0;
    case LWS_CALLBACK_RECEIVE:
        memcpy(frame + LWS_PRE, in, MIN(len, 64));
        return lws_write(wsi, frame + LWS_PRE, MIN(len, 64), LWS_WRITE_TEXT) < 0 ? -1 : 0;
    default:
        (void)user;
        return 0;
    }
}

static const struct lws_protocols protocols[] = {
    { "http", serve, 0, 256, 0, NULL, 0 },
    { "test.v1", serve, 0, 256, 0, NULL, 0 },
    { NULL, NULL, 0, 0, 0, NULL, 0 },
};

static void on_buffer(uv_handle_t *handle, size_t size, uv_buf_t *ret)
{
    static char memory[65536];
    (void)handle;
    (void)size;
    *ret = uv_buf_init(memory, sizeof memory);
}

static void on_echo(uv_udp_t *handle, ssize_t len, const uv_buf_t *buffer,
                    const struct sockaddr *from, unsigned flags)
{
    (void)flags;
    if (from == NULL || len <= 0)
        return;
    uv_buf_t answer = uv_buf_init(buffer->base, (unsigned)len);
    (void)uv_udp_try_send(handle, &answer, 1, from);
}

static void start_echo(void)
{
    struct sockaddr_in name;
    int len = sizeof name;
    assert_int_equal(uv_udp_init(&loop, &echo), 0);
    assert_int_equal(uv_ip4_addr("127.0.0.1", 0, &name), 0);
    assert_int_equal(uv_udp_bind(&echo, (struct sockaddr *)&name, 0), 0);
    assert_int_equal(uv_udp_getsockname(&echo, (struct sockaddr *)&name, &len), 0);
    fake_echo_port = ntohs(name.sin_port);
    assert_int_equal(uv_udp_recv_start(&echo, on_buffer, on_echo), 0);
}

static void start_websockets(void)
{
    void *loops[] = { &loop };
    struct lws_context_creation_info info = { .options = LWS_SERVER_OPTION_LIBUV |
                                                         LWS_SERVER_OPTION_DISABLE_IPV6,
                                              .protocols = protocols,
                                              .iface = "127.0.0.1",
                                              .gid = -1,
                                              .uid = -1,
                                              .foreign_loops = loops };
    lws_set_log_level(0, NULL);
    ws = lws_create_context(&info);
    assert_non_null(ws);
    snprintf(ws_url, sizeof ws_url, "ws://127.0.0.1:%d",
             lws_get_vhost_listen_port(lws_get_vhost_by_name(ws, "default")));
}

static int setup(void **state)
{
    struct http_server_options options = { .listen = "127.0.0.1:0",
                                           .routes = routes,
                                           .route_count = ARRAY_LEN(routes),
                                           .connections_per_address_max = 900 };
    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(http_server_start(&loop, &options, &http), OK);
    snprintf(http_url, sizeof http_url, "http://127.0.0.1:%u", http_server_port(http));
    start_websockets();
    start_echo();
    tokens = sockets = 0;
    fake_record_path = NULL;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    http_server_stop(http, 0, NULL, NULL);
    uv_close((uv_handle_t *)&echo, NULL);
    lws_context_destroy(ws);
    loop_for(&loop, 30);
    lws_context_destroy(ws);
    loop_finish(&loop);
    return 0;
}

/* ---- an engine */

static struct scenario scenario;
static struct bot_world world;
static struct engine *engine;
static struct engine_snapshot now_snapshot;

static void make(unsigned good, unsigned wrong, unsigned far, unsigned threads, double rate)
{
    struct engine_config config = { .world = &world,
                                    .bots = good + wrong + far,
                                    .threads = threads,
                                    .seed = 42,
                                    .joins_per_second = rate,
                                    .source = "127.0.0.1" };
    char error[ENGINE_ERROR_MAX] = "";
    memset(&scenario, 0, sizeof scenario);
    scenario.rooms = 1;
    scenario.group_count = FAKE_GROUPS;
    scenario.groups[FAKE_GOOD] = (struct group){ .bots = good, .network = -1 };
    scenario.groups[FAKE_WRONG_PATH] = (struct group){ .bots = wrong, .network = -1 };
    scenario.groups[FAKE_FAR] = (struct group){ .bots = far, .network = 0 };
    scenario.network_count = 1;
    scenario.networks[0] =
        (struct network){ .up.delay_us = MILLIS(30), .down.delay_us = MILLIS(40) };
    world = (struct bot_world){ .scenario = &scenario, .url = http_url, .token = ws_url };
    assert_int_equal(engine_new(&config, &engine, error), OK);
    assert_string_equal(error, "");
}

static const struct engine_snapshot *look(void)
{
    engine_snapshot(engine, &now_snapshot);
    return &now_snapshot;
}

static bool all_connected(void *data)
{
    return look()->states[BOT_CONNECTED] == *(unsigned *)data;
}

static bool all_settled(void *data)
{
    look();
    return now_snapshot.states[BOT_CONNECTED] + now_snapshot.states[BOT_FAILED] ==
           *(unsigned *)data;
}

static bool has_left(void *data)
{
    (void)data;
    return look()->websockets == 0;
}

static void finish(void)
{
    engine_stop(engine);
    engine_free(engine);
    engine = NULL;
}

static void bots_join_send_receive_and_leave(void **state)
{
    unsigned bots = 100;
    static struct engine_snapshot begin, end;
    (void)state;
    make(bots, 0, 0, 2, 500);
    assert_int_equal(look()->states[BOT_IDLE], bots);
    usec began = clock_now();
    engine_start(engine);
    loop_until(&loop, all_connected, &bots, 20000);
    assert_true(clock_now() - began >= MILLIS(190)); /* 100 at 500 per second */
    assert_int_equal(tokens, bots);
    assert_int_equal(engine_begin_plateau(engine, &begin), OK);
    loop_for(&loop, 1000);
    assert_int_equal(engine_end_plateau(engine, &end), OK);
    engine_snapshot_subtract(&end, &begin);
    assert_int_equal(end.thread_count, 2);
    assert_in_range(end.measure.audio.sent_packets, bots * 30, bots * 60); /* 50 each */
    assert_in_range(end.measure.audio.received_packets, bots * 30, bots * 60);
    for (unsigned i = 0; i < 2; i++) {
        const struct engine_thread_stats *t = &end.threads[i];
        assert_in_range(t->wall_us, MILLIS(950), SECONDS(5));
        assert_true(t->busy_us > 0 && t->busy_us <= t->wall_us);
        assert_true(t->cpu_us > 0);
        assert_true(t->late_us.count >= 50 * 30);
        assert_int_equal(t->socket_drops + t->outbound_dropped + t->send_full + t->send_failed, 0);
        print_message("thread %u: busy %lld ms, cpu %lld ms of %lld ms; ticks late p50 %llu us, "
                      "p99 %llu us\n",
                      i, (long long)t->busy_us / 1000, (long long)t->cpu_us / 1000,
                      (long long)t->wall_us / 1000,
                      (unsigned long long)histogram_percentile(&t->late_us, 50),
                      (unsigned long long)histogram_percentile(&t->late_us, 99));
    }
    assert_int_equal(engine_leave_all(engine), OK);
    loop_until(&loop, has_left, NULL, 8000);
    assert_int_equal(look()->states[BOT_LEFT], bots);
    finish();
}

static void failures_are_collected_with_their_stage(void **state)
{
    unsigned bots = 30;
    static struct engine_failure failures[64];
    (void)state;
    make(20, 10, 0, 3, 1000);
    engine_start(engine);
    loop_until(&loop, all_settled, &bots, 20000);
    assert_int_equal(now_snapshot.failed, 10);
    assert_int_equal(now_snapshot.failures, 10);
    assert_int_equal(now_snapshot.joined, 20);
    assert_int_equal(now_snapshot.started, 30);
    assert_int_equal(engine_failures(engine, failures, ARRAY_LEN(failures)), 10);
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(failures[i].failure.stage, STAGE_WEBSOCKET);
        assert_string_equal(failures[i].failure.error, "http-404");
        assert_in_range(failures[i].bot, 20, 29);
        assert_string_equal(failures[i].room, "room-1");
    }
    finish();
}

static void nobody_answering_is_told_and_does_not_hang(void **state)
{
    unsigned bots = 10;
    static struct engine_failure failures[16];
    (void)state;
    snprintf(http_url, sizeof http_url, "http://127.0.0.1:1");
    make(bots, 0, 0, 2, 1000);
    engine_start(engine);
    loop_until(&loop, all_settled, &bots, 20000);
    assert_int_equal(engine_failures(engine, failures, ARRAY_LEN(failures)), bots);
    assert_string_equal(failures[0].failure.error, "refused");
    assert_int_equal(failures[0].failure.stage, STAGE_TOKEN);
    finish();
}

static void sum_up(struct bot *b, void *data)
{
    unsigned *sums = data;
    sums[0] += b->closes;
    sums[1] += b->opens;
    sums[2] += b->starts;
    sums[3] += b->plateaus;
    sums[4] += b->index;
}

static void storms_hit_their_share(void **state)
{
    unsigned bots = 40, hit = 0, sums[5] = { 0 };
    struct storm cut = { .group = -1, .share = 0.25 };
    struct storm rejoin = { .group = FAKE_GOOD, .share = 0.5, .rejoin = true };
    struct storm nobody = { .group = FAKE_FAR, .share = 1 };
    (void)state;
    make(bots, 0, 0, 2, 1000);
    engine_start(engine);
    loop_until(&loop, all_connected, &bots, 20000);
    assert_int_equal(engine_storm(engine, &cut, &hit), OK);
    assert_int_equal(hit, 10);
    loop_until(&loop, all_connected, &bots, 10000);
    assert_int_equal(engine_for_each_bot(engine, sum_up, sums), OK);
    assert_int_equal(sums[0], 10);
    assert_int_equal(sums[1], 50);
    assert_int_equal(sums[4], 39 * 40 / 2);
    assert_int_equal(engine_storm(engine, &rejoin, &hit), OK);
    assert_int_equal(hit, 20);
    loop_until(&loop, all_connected, &bots, 10000);
    memset(sums, 0, sizeof sums);
    assert_int_equal(engine_for_each_bot(engine, sum_up, sums), OK);
    assert_int_equal(sums[2], 60);
    assert_int_equal(engine_storm(engine, &nobody, &hit), OK);
    assert_int_equal(hit, 0);
    assert_int_equal(engine_begin_plateau(engine, NULL), OK);
    assert_int_equal(engine_end_plateau(engine, NULL), OK);
    engine_stop(engine);
    memset(sums, 0, sizeof sums);
    assert_int_equal(engine_for_each_bot(engine, sum_up, sums), OK); /* still there to be read */
    assert_int_equal(sums[3], bots * 101);
    assert_int_equal(engine_begin_plateau(engine, NULL), ERR_BAD_STATE);
    finish();
}

static void emulated_network_delays_both_ways(void **state)
{
    unsigned bots = 4;
    (void)state;
    make(0, 0, bots, 1, 1000);
    engine_start(engine);
    loop_until(&loop, all_connected, &bots, 20000);
    loop_for(&loop, 1500);
    const struct histogram *latency = &look()->measure.audio.latency;
    assert_true(latency->count > 50);
    assert_in_range(latency->min, MILLIS(70), MILLIS(90));
    print_message("30 + 40 ms each way: %llu us at least, p50 %llu us\n",
                  (unsigned long long)latency->min,
                  (unsigned long long)histogram_percentile(latency, 50));
    finish();
}

static size_t lines_of(const char *directory, const char *name)
{
    char path[160];
    int c;
    size_t lines = 0;
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    while ((c = getc(file)) != EOF)
        lines += c == '\n';
    (void)fclose(file);
    assert_int_equal(unlink(path), 0);
    *strrchr(path, '/') = 0;
    assert_int_equal(rmdir(path), 0);
    return lines;
}

static void recordings_are_whole_when_the_engine_ends(void **state)
{
    unsigned bots = 21;
    char directory[] = "/tmp/conclave-engine-XXXXXX";
    (void)state;
    assert_non_null(mkdtemp(directory));
    fake_record_path = directory;
    make(bots, 0, 0, 2, 1000); /* even bots are of one thread, odd ones of the other */
    engine_start(engine);
    loop_until(&loop, all_connected, &bots, 20000);
    assert_int_equal(engine_leave_all(engine), OK);
    finish();
    assert_int_equal(lines_of(directory, "odd/left"), 10);
    assert_int_equal(lines_of(directory, "even/left"), 11);
    assert_int_equal(rmdir(directory), 0);
}

static void ending_in_the_middle_of_joining_leaks_nothing(void **state)
{
    (void)state;
    make(60, 10, 10, 2, 2000);
    engine_start(engine);
    loop_for(&loop, 25);
    finish();
    make(10, 0, 0, 2, 100); /* never started */
    finish();
}

static void what_cannot_start_says_why(void **state)
{
    char error[ENGINE_ERROR_MAX] = "";
    struct engine_config config = { .world = &world, .bots = 4, .threads = 2 };
    (void)state;
    make(4, 0, 0, 1, 1);
    finish();
    config.source = "not-an-address";
    assert_int_equal(engine_new(&config, &engine, error), ERR_SYSTEM);
    assert_non_null(strstr(error, "not an IP address"));
    config.source = NULL;
    config.ca_file = "/nonexistent/ca.pem";
    assert_int_equal(engine_new(&config, &engine, error), ERR_SYSTEM);
    assert_non_null(strstr(error, "CA file"));
    config.ca_file = NULL;
    config.bots = 100000000;
    assert_int_equal(engine_new(&config, &engine, error), ERR_SYSTEM);
    assert_non_null(strstr(error, "ulimit -n"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(bots_join_send_receive_and_leave),
        TEST(failures_are_collected_with_their_stage),
        TEST(nobody_answering_is_told_and_does_not_hang),
        TEST(storms_hit_their_share),
        TEST(emulated_network_delays_both_ways),
        TEST(recordings_are_whole_when_the_engine_ends),
        TEST(ending_in_the_middle_of_joining_leaks_nothing),
        TEST(what_cannot_start_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
