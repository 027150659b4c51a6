/* The relay's commands, and the relay itself over loopback.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "io/udp_relay.h"

#include "common/os/clock.h"
#include "io/media_socket.h"

#include "redis_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char error[RELAY_ERROR_MAX];
static enum relay_step step;

/* --- commands --- */

static void a_command_replaces_a_direction_as_a_whole(void **state)
{
    struct relay_command c;
    const char *line = "{\"up\":{\"rate_bps\":300000,\"delay_ms\":40.5,\"loss\":0.05,"
                       "\"queue_ms\":100,\"reorder\":0.1,\"reorder_ms\":3},\"counters\":true}";
    assert_int_equal(relay_command_parse(bytes_of_str(line), &c, error), OK);
    assert_true(c.has_path[RELAY_UP] && !c.has_path[RELAY_DOWN] && c.counters && !c.has_to);
    assert_int_equal(c.paths[RELAY_UP].rate_bps, 300000);
    assert_int_equal(c.paths[RELAY_UP].delay_us, 40500);
    assert_int_equal(c.paths[RELAY_UP].queue_us_max, 100000);
    assert_int_equal(c.paths[RELAY_UP].reorder_us, 3000);
    assert_true(c.paths[RELAY_UP].loss == 0.05 && c.paths[RELAY_UP].reorder == 0.1);
    assert_int_equal(relay_command_parse(bytes_of_str("{\"down\":{}}"), &c, error), OK);
    assert_true(c.has_path[RELAY_DOWN] && !netem_is_needed(&c.paths[RELAY_DOWN]));
    assert_int_equal(relay_command_parse(bytes_of_str("{\"to\":\"[::1]:9\"}"), &c, error), OK);
    assert_true(c.has_to && c.to.family == NET_IPV6 && c.to.port == 9);
}

static void what_means_nothing_is_refused_by_name(void **state)
{
    static const struct {
        const char *line, *word;
    } wrong[] = {
        { "", "JSON" },
        { "[]", "object" },
        { "{\"up\":1}", "objects" },
        { "{\"upp\":{}}", "'upp'" },
        { "{\"up\":{\"los\":0}}", "'los'" },
        { "{\"up\":{\"loss\":1.1}}", "'loss'" },
        { "{\"up\":{\"loss\":-1}}", "'loss'" },
        { "{\"up\":{\"loss\":\"5%\"}}", "'loss'" },
        { "{\"up\":{\"burst_enter\":0.1}}", "burst_leave" },
        { "{\"to\":\"localhost:1\"}", "'to'" },
        { "{\"to\":\"1.2.3.4\"}", "'to'" },
        { "{\"to\":\"1.2.3.4:70000\"}", "'to'" },
        { "{\"to\":\"::1:5\"}", "'to'" },
    };
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct relay_command c;
        assert_int_equal(relay_command_parse(bytes_of_str(wrong[i].line), &c, error),
                         ERR_MALFORMED);
        assert_non_null(strstr(error, wrong[i].word));
    }
}

/* --- the relay --- */

static uv_loop_t loop;
static struct udp_relay *relay;
static struct media_sockets *sockets;
static struct media_socket *server, *clients[2];
static struct {
    unsigned count;
    struct net_addr from;
    usec at;
    uint8_t first;
} got[3]; /* the server, the clients */

static void on_datagram(void *data, const struct media_arrival *a)
{
    got[a->leg].count++;
    got[a->leg].from = a->from;
    got[a->leg].at = a->now;
    got[a->leg].first = a->data[0];
}

static void on_pass(void *data, usec now)
{
}

static struct net_addr address_of(const struct media_socket *m)
{
    return net_addr_ipv4((const uint8_t[]){ 127, 0, 0, 1 }, media_socket_port(m, NET_IPV4));
}

static void send_run(struct media_socket *m, struct net_addr to, uint8_t first, unsigned count)
{
    uint8_t data[1000] = { first };
    struct media_send s = { .data = data, .len = sizeof data, .to = to };
    for (unsigned i = 0; i < count; i++)
        media_socket_send(m, &s, 1);
}

static void await(unsigned leg, unsigned count)
{
    usec end = clock_now() + SECONDS(10);
    while (got[leg].count < count && clock_now() < end)
        (void)uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(got[leg].count, count);
}

static int start(void **state)
{
    struct media_config config = {
        .loop = &loop, .on_datagram = on_datagram, .on_pass = on_pass, .source = "127.0.0.1"
    };
    memset(got, 0, sizeof got);
    if (uv_loop_init(&loop) != 0 || media_sockets_new(&config, &sockets) != OK)
        return -1;
    server = media_socket_open(sockets, NULL, 0);
    clients[0] = media_socket_open(sockets, NULL, 1);
    clients[1] = media_socket_open(sockets, NULL, 2);
    return server == NULL || clients[0] == NULL || clients[1] == NULL;
}

static int stop(void **state)
{
    udp_relay_close(relay);
    media_sockets_close(sockets);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    udp_relay_free(relay);
    relay = NULL;
    media_sockets_free(sockets);
    loop_finish(&loop);
    return 0;
}

static void start_relay(struct network_path up, struct network_path down, const char *pcap)
{
    struct udp_relay_config c = { .listen = net_addr_ipv4((const uint8_t[]){ 127, 0, 0, 1 }, 0),
                                  .to = address_of(server),
                                  .paths = { up, down },
                                  .seed = 1,
                                  .pcap_path = pcap };
    assert_int_equal(udp_relay_start(&loop, &c, &relay, &step), OK);
    assert_int_not_equal(udp_relay_address(relay).port, 0);
}

static void clients_are_told_apart_and_answered(void **state)
{
    start_relay((struct network_path){ .delay_us = MILLIS(30) }, (struct network_path){ 0 }, NULL);
    struct net_addr at = udp_relay_address(relay), from[2];
    for (unsigned i = 0; i < 2; i++) {
        usec sent = clock_now();
        send_run(clients[i], at, (uint8_t)i, 1);
        await(0, i + 1);
        assert_true(got[0].at - sent >= MILLIS(30));
        from[i] = got[0].from;
    }
    assert_int_not_equal(from[0].port, from[1].port);
    send_run(server, from[1], 'b', 1);
    await(2, 1);
    send_run(server, from[0], 'a', 1);
    await(1, 1);
    assert_true(got[1].first == 'a' && got[2].first == 'b');
    assert_true(net_addr_equal(&got[1].from, &at));
    assert_int_equal(udp_relay_client_count(relay), 2);
    /* a stranger who sends to a client's socket is not the server */
    from[0] = net_addr_ipv4((const uint8_t[]){ 127, 0, 0, 1 }, from[0].port);
    send_run(clients[1], from[0], 'x', 1);
    send_run(server, from[0], 'c', 1);
    await(1, 2);
    assert_int_equal(got[1].first, 'c');
}

static void a_viewer_is_squeezed_and_released_mid_call(void **state)
{
    struct relay_command c = { .has_path = { [RELAY_DOWN] = true } };
    start_relay((struct network_path){ 0 }, (struct network_path){ 0 }, NULL);
    send_run(clients[0], udp_relay_address(relay), 0, 1);
    await(0, 1);
    c.paths[RELAY_DOWN] = (struct network_path){ .rate_bps = 822400, .queue_us_max = 50000 };
    udp_relay_command(relay, &c); /* 10 ms for each datagram */
    usec sent = clock_now();
    send_run(server, got[0].from, 0, 20);
    await(1, 6);
    assert_true(got[1].at - sent >= MILLIS(59));
    const struct relay_counters *n = udp_relay_counters(relay, RELAY_DOWN);
    assert_int_equal(n->fates[NETEM_QUEUE_FULL], 14);
    assert_int_equal(n->packets, 6);
    assert_int_equal(n->bytes, 6000);
    c.paths[RELAY_DOWN] = (struct network_path){ 0 };
    udp_relay_command(relay, &c);
    send_run(server, got[0].from, 0, 20);
    await(1, 26);
    assert_int_equal(n->fates[NETEM_QUEUE_FULL], 14);
}

static void what_reaches_the_client_is_captured(void **state)
{
    char path[] = "/tmp/conclave-relay-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    start_relay((struct network_path){ 0 }, (struct network_path){ .duplicate = 1 }, path);
    send_run(clients[0], udp_relay_address(relay), 0, 3);
    await(0, 3);
    send_run(server, got[0].from, 'z', 1);
    await(1, 2);
    udp_relay_flush(relay);
    assert_int_equal(lseek(fd, 0, SEEK_END), 24 + 2 * (16 + 28 + 1000));
    uint8_t first = 0;
    assert_int_equal(pread(fd, &first, 1, 24 + 16 + 28), 1);
    assert_int_equal(first, 'z');
    close(fd);
    unlink(path);
}

static void nothing_is_relayed_before_it_is_known_where_to(void **state)
{
    struct udp_relay_config c = { .listen = net_addr_ipv4((const uint8_t[]){ 127, 0, 0, 1 }, 0) };
    assert_int_equal(udp_relay_start(&loop, &c, &relay, &step), OK);
    send_run(clients[0], udp_relay_address(relay), 'a', 1);
    for (int i = 0; i < 3; i++)
        (void)uv_run(&loop, UV_RUN_NOWAIT);
    assert_int_equal(udp_relay_client_count(relay), 0);
    udp_relay_command(relay, &(struct relay_command){ .has_to = true, .to = address_of(server) });
    send_run(clients[0], udp_relay_address(relay), 'b', 1);
    await(0, 1);
    assert_int_equal(got[0].first, 'b');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_replaces_a_direction_as_a_whole),
        cmocka_unit_test(what_means_nothing_is_refused_by_name),
        cmocka_unit_test_setup_teardown(clients_are_told_apart_and_answered, start, stop),
        cmocka_unit_test_setup_teardown(a_viewer_is_squeezed_and_released_mid_call, start, stop),
        cmocka_unit_test_setup_teardown(what_reaches_the_client_is_captured, start, stop),
        cmocka_unit_test_setup_teardown(nothing_is_relayed_before_it_is_known_where_to, start,
                                        stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
