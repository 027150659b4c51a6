/* Servers are watched through real processes and a real HTTP server; the exporter is scraped.
 * SPDX-License-Identifier: Apache-2.0 */
#include "io/servers.h"

#include "common/os/clock.h"
#include "common/os/http_server.h"
#include "common/os/log.h"
#include "io/exporter.h"
#include "io/fetch.h"
#include "io/fingerprint.h"
#include "io/proc_stat.h"

#include "redis_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static uv_loop_t loop;
static struct http_server *http;
static struct servers *servers;
static json_t *result;
static char exposition[2048];
static int answer_status;
static char url[64];

static void on_metrics(struct http_exchange *x, void *data)
{
    http_response_bytes(http_exchange_response(x), answer_status, "text/plain",
                        bytes_of_str(exposition));
    http_exchange_finish(x);
}

static const struct http_route routes[] = {
    { HTTP_METHOD_GET, "/metrics", on_metrics, 0, NULL },
};

static bool is_set(void *data)
{
    return *(bool *)data;
}

static void set(void *data)
{
    *(bool *)data = true;
}

static int set_up(void **state)
{
    (void)signal(SIGPIPE, SIG_IGN);
    answer_status = 200;
    result = NULL;
    assert_int_equal(uv_loop_init(&loop), 0);
    const struct http_server_options options = { .listen = "127.0.0.1:0",
                                                 .routes = routes,
                                                 .route_count = ARRAY_LEN(routes) };
    assert_int_equal(http_server_start(&loop, &options, &http), OK);
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/metrics",
                   (unsigned)http_server_port(http));
    servers = servers_new(&loop);
    assert_non_null(servers);
    return 0;
}

static int tear_down(void **state)
{
    bool is_stopped = false, is_http_stopped = false;
    if (servers != NULL) {
        servers_stop(servers, set, &is_stopped);
        loop_until(&loop, is_set, &is_stopped, 3000);
        servers = NULL;
    }
    http_server_stop(http, 0, set, &is_http_stopped);
    loop_until(&loop, is_set, &is_http_stopped, 3000);
    loop_finish(&loop);
    json_decref(result);
    return 0;
}

static void on_result(json_t *json, void *data)
{
    assert_null(result);
    result = json;
}

static bool has_result(void *data)
{
    return result != NULL;
}

/* The only entry of the result. */
static const json_t *end_interval(void)
{
    json_decref(result);
    result = NULL;
    servers_end_interval(servers, clock_now(), on_result, NULL);
    loop_until(&loop, has_result, NULL, 3000);
    assert_int_equal(json_array_size(result), servers_count(servers));
    return json_array_get(result, 0);
}

static void begin_interval(void)
{
    servers_begin_interval(servers, clock_now());
    loop_for(&loop, 100);
}

static void add(const char *name, const char *metrics_url, const char *pid_file, pid_t pid)
{
    const struct server_config c = {
        .name = name, .metrics_url = metrics_url, .pid_file = pid_file, .pid = pid
    };
    assert_int_equal(servers_add(servers, &c), OK);
}

static double number(const json_t *json, const char *key)
{
    const json_t *value = json_object_get(json, key);
    assert_true(json_is_number(value));
    return json_number_value(value);
}

static const char *note(const json_t *json)
{
    return json_string_value(json_object_get(json, "note"));
}

/* What an sfud says. */
static void expose(double started, double cpu, unsigned out, unsigned muted)
{
    (void)snprintf(exposition, sizeof exposition,
                   "process_start_time_seconds %.3f\nprocess_cpu_seconds_total %.6f\n"
                   "process_resident_memory_bytes 5000000\nbroken {\n"
                   "sfud_udp_datagrams_total{worker=\"0\",direction=\"in\"} 100\n"
                   "sfud_udp_datagrams_total{worker=\"0\",direction=\"out\"} %u\n"
                   "sfud_udp_datagrams_total{worker=\"1\",direction=\"out\"} 7\n"
                   "sfud_udp_bytes_total{worker=\"0\",direction=\"in\"} 1000\n"
                   "sfud_udp_bytes_total{worker=\"0\",direction=\"out\"} 2000\n"
                   "sfud_packets_dropped_total{worker=\"0\",reason=\"muted\"} %u\n"
                   "sfud_udp_dropped_total{worker=\"0\",reason=\"send-failed\"} 0\n",
                   started, cpu, out, muted);
}

static void figures_of_metrics_are_those_of_the_interval(void **state)
{
    expose(1000, 5, 50, 3);
    add("sfud-1", url, NULL, 0);
    begin_interval();
    expose(1000, 5.5, 1050, 15);
    const json_t *v = end_interval();
    assert_string_equal(json_string_value(json_object_get(v, "name")), "sfud-1");
    assert_true(number(v, "cpu_seconds") == 0.5);
    assert_true(number(v, "packets_in") == 0 && number(v, "packets_out") == 1000);
    assert_true(number(v, "packets_out_per_cpu_second") == 2000);
    assert_true(number(v, "packets_dropped") == 12);
    assert_string_equal(note(v), "dropped: muted 12");
    assert_true(number(json_object_get(v, "memory_bytes"), "peak") == 5000000);
    assert_true(json_is_null(json_object_get(v, "pid")));
    assert_true(json_is_false(json_object_get(v, "restarted")));
    assert_true(number(v, "cpu_share") > 0 && number(v, "cpu_share") < 10); /* 0.5 s in > 100 ms */
}

static void sums_go_on_after_a_restart(void **state)
{
    expose(1000, 5, 50, 0);
    add("sfud-1", url, NULL, 0);
    begin_interval();
    expose(1000, 6, 150, 0);
    servers_tick(servers, clock_now());
    loop_for(&loop, 100);
    expose(2000, 0.25, 30, 2);
    const json_t *v = end_interval();
    assert_true(number(v, "cpu_seconds") == 1.25);
    assert_true(number(v, "packets_out") == 100 + 30 + 7);
    assert_true(number(v, "packets_dropped") == 2);
    assert_true(json_is_true(json_object_get(v, "restarted")));
}

static void unknown_figures_are_null(void **state)
{
    (void)snprintf(exposition, sizeof exposition, "process_cpu_seconds_total 1\n");
    add("authd-1", url, NULL, 0);
    begin_interval();
    const json_t *v = end_interval();
    static const char *const keys[] = { "packets_in",      "packets_out",
                                        "bytes_in",        "bytes_out",
                                        "packets_dropped", "packets_out_per_cpu_second" };
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        assert_true(json_is_null(json_object_get(v, keys[i])));
}

static void server_that_refuses_or_errs_is_noted(void **state)
{
    add("sfud-1", url, NULL, 0);
    add("sfud-2", "http://127.0.0.1:1/metrics", NULL, 0);
    answer_status = 503;
    begin_interval();
    const json_t *v = end_interval();
    assert_string_equal(note(v), "metrics answered 503, 2 of 2 times");
    v = json_array_get(result, 1);
    assert_non_null(strstr(note(v), "did not answer ("));
    assert_non_null(strstr(note(v), ", 2 of 2 times"));
    struct live_stats live = { 0 };
    servers_fill_live(servers, &live);
    assert_int_equal(live.server_count, 2);
    assert_false(live.servers[0].up || live.servers[1].up);
}

static void server_that_was_never_seen_has_no_figures(void **state)
{
    static const char *const KEYS[] = { "cpu_seconds", "cpu_share", "packets_out",
                                        "packets_out_per_cpu_second" };
    pid_t gone = fork();
    if (gone == 0)
        _exit(0);
    assert_int_equal(waitpid(gone, NULL, 0), gone);
    add("gone", NULL, NULL, gone);
    add("deaf", "http://127.0.0.1:1/metrics", NULL, 0);
    begin_interval();
    servers_tick(servers, clock_now());
    loop_for(&loop, 50);
    servers_tick(servers, clock_now());
    (void)end_interval();
    json_t *series = servers_series_json(servers);
    for (size_t i = 0; i < 2; i++) {
        const json_t *v = json_array_get(result, i), *memory = json_object_get(v, "memory_bytes");
        for (size_t k = 0; k < ARRAY_LEN(KEYS); k++)
            assert_true(json_is_null(json_object_get(v, KEYS[k])));
        assert_true(json_is_null(json_object_get(memory, "start")));
        assert_true(json_is_null(json_object_get(memory, "peak")));
        assert_true(json_is_null(json_object_get(memory, "end")));
        const json_t *one = json_object_get(series, i == 0 ? "gone" : "deaf");
        assert_true(json_is_null(json_array_get(json_object_get(one, "cpu"), 0)));
        assert_true(json_is_null(json_array_get(json_object_get(one, "memory_bytes"), 0)));
    }
    json_decref(series);
}

static usec latest_turn, longest_pause;

static void on_turn(uv_timer_t *timer)
{
    usec now = clock_now();
    longest_pause = MAX(longest_pause, now - latest_turn);
    latest_turn = now;
}

static void silent_server_holds_nothing_up(void **state)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    char silent[64];
    (void)snprintf(silent, sizeof silent, "http://127.0.0.1:%u/metrics", ntohs(address.sin_port));
    expose(1000, 5, 50, 0);
    add("silent", silent, NULL, 0);
    add("well", url, NULL, 0);
    static uv_timer_t timer;
    assert_int_equal(uv_timer_init(&loop, &timer), 0);
    latest_turn = clock_now();
    longest_pause = 0;
    assert_int_equal(uv_timer_start(&timer, on_turn, 5, 5), 0);
    begin_interval();
    usec began = clock_now();
    const json_t *v = end_interval();
    assert_true(clock_now() - began < MILLIS(2000));
    assert_true(longest_pause < MILLIS(500));
    assert_non_null(strstr(note(v), "did not answer ("));
    assert_string_equal(note(json_array_get(result, 1)), "");
    uv_close((uv_handle_t *)&timer, NULL);
    (void)close(fd);
}

/* Burns CPU in itself and in a child of its own, until it is killed. */
static pid_t start_burner(void)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)setpgid(0, 0);
        (void)fork();
        for (volatile unsigned i = 0;; i++)
            ;
    }
    (void)setpgid(pid, pid);
    return pid;
}

static void stop_burner(pid_t pid)
{
    (void)kill(-pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
}

static void process_is_seen_with_its_children(void **state)
{
    pid_t pid = start_burner();
    add("burner", NULL, NULL, pid);
    begin_interval();
    servers_tick(servers, clock_now());
    loop_for(&loop, 500);
    servers_tick(servers, clock_now());
    const json_t *v = end_interval();
    struct proc_stat stat;
    assert_int_equal(proc_stat_read(pid, &stat), OK);
    assert_int_equal(stat.processes, 2);
    stop_burner(pid);
    assert_true(number(v, "cpu_seconds") > 0.1 && number(v, "cpu_seconds") < 3);
    assert_int_equal(number(v, "pid"), pid);
    assert_true(number(json_object_get(v, "memory_bytes"), "end") > 100000);
    assert_true(json_is_null(json_object_get(v, "metrics")));
    assert_string_equal(note(v), "");
    json_t *series = servers_series_json(servers);
    const json_t *cpu = json_object_get(json_object_get(series, "burner"), "cpu");
    assert_int_equal(json_array_size(cpu), 1);
    assert_true(json_number_value(json_array_get(cpu, 0)) > 0.05);
    json_decref(series);
}

static void write_pid_file(const char *path, pid_t pid)
{
    struct proc_stat stat;
    assert_int_equal(proc_stat_read(pid, &stat), OK);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    (void)fprintf(f, "%d %llu\n", (int)pid, (unsigned long long)stat.start_ticks);
    assert_int_equal(fclose(f), 0);
}

static void process_is_followed_by_its_pid_file(void **state)
{
    char directory[] = "/tmp/conclave-servers-XXXXXX", path[64];
    assert_non_null(mkdtemp(directory));
    (void)snprintf(path, sizeof path, "%s/x.pid", directory);
    pid_t first = start_burner();
    write_pid_file(path, first);
    add("burner", NULL, path, 0);
    begin_interval();
    loop_for(&loop, 200);
    servers_tick(servers, clock_now());
    stop_burner(first);
    servers_tick(servers, clock_now());
    struct live_stats live = { 0 };
    servers_fill_live(servers, &live);
    assert_false(live.servers[0].up);
    assert_int_equal(live.servers[0].memory_bytes, 0);
    pid_t second = start_burner();
    write_pid_file(path, second);
    loop_for(&loop, 200);
    const json_t *v = end_interval();
    stop_burner(second);
    assert_int_equal(number(v, "pid"), second);
    assert_true(json_is_true(json_object_get(v, "restarted")));
    assert_string_equal(note(v), "was not running, 1 of 4 times");
    assert_true(number(v, "cpu_seconds") > 0.1);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(directory), 0);
}

static void put_file(const char *directory, const char *name, const char *content)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    (void)fputs(content, f);
    assert_int_equal(fclose(f), 0);
}

static void cluster_directory_says_who_is_there(void **state)
{
    char directory[] = "/tmp/conclave-cluster-XXXXXX", path[128], error[SERVERS_ERROR_MAX];
    static const char *const subs[] = { "run", "etc", "log" };
    assert_non_null(mkdtemp(directory));
    assert_int_equal(servers_add_cluster(servers, directory, error), ERR_NOT_FOUND);
    assert_non_null(strstr(error, directory));
    for (size_t i = 0; i < ARRAY_LEN(subs); i++) {
        (void)snprintf(path, sizeof path, "%s/%s", directory, subs[i]);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    put_file(directory, "run/redis.pid", "1 1\n");
    put_file(directory, "run/sfud-1.pid", "2 1\n");
    put_file(directory, "run/sfud-1.sh", "");
    put_file(directory, "etc/sfud-1.yaml",
             "workers: 1\nadmin-listen: \"127.0.0.1:18081\" # local\n");
    put_file(directory, "log/sfud-1.log",
             "ts=1 lvl=info svc=sfud evt=io.chosen backend=epoll gso=true\nts=2 evt=node.started\n"
             "ts=3 lvl=info svc=sfud evt=io.chosen backend=uring gso=true\n");
    assert_int_equal(servers_add_cluster(servers, directory, error), OK);
    const json_t *v = end_interval();
    assert_string_equal(json_string_value(json_object_get(v, "name")), "redis");
    assert_true(json_is_null(json_object_get(v, "metrics")));
    v = json_array_get(result, 1);
    assert_string_equal(json_string_value(json_object_get(v, "name")), "sfud-1");
    assert_string_equal(json_string_value(json_object_get(v, "metrics")),
                        "http://127.0.0.1:18081/metrics");
    json_t *backends = servers_io_backends(servers);
    assert_string_equal(json_string_value(json_object_get(backends, "sfud-1")), "uring");
    assert_int_equal(json_object_size(backends), 1);
    json_decref(backends);
    (void)snprintf(path, sizeof path, "rm -r %s", directory);
    assert_int_equal(system(path), 0);
}

static void on_result_and_stop(json_t *json, void *data)
{
    result = json;
    servers_stop(servers, set, data);
    servers = NULL;
}

static void watching_may_stop_when_the_result_is_there(void **state)
{
    bool is_stopped = false;
    expose(1000, 5, 50, 0);
    add("sfud-1", url, NULL, 0);
    add("self", NULL, NULL, getpid());
    begin_interval();
    servers_end_interval(servers, clock_now(), on_result_and_stop, &is_stopped);
    loop_until(&loop, is_set, &is_stopped, 3000);
    assert_int_equal(json_array_size(result), 2);
}

static void watching_may_stop_in_the_middle(void **state)
{
    add("sfud-1", url, NULL, 0);
    servers_tick(servers, clock_now());
    servers_end_interval(servers, clock_now(), on_result, NULL);
}

static void bad_servers_are_refused(void **state)
{
    const struct server_config nothing = { .name = "x" }, nobody = { .pid = 1 },
                               garbled = { .name = "\xff", .pid = 1 };
    assert_int_equal(servers_add(servers, &nothing), ERR_MALFORMED);
    assert_int_equal(servers_add(servers, &nobody), ERR_MALFORMED);
    assert_int_equal(servers_add(servers, &garbled), ERR_MALFORMED);
    for (int i = 0; i < LIVE_SERVERS_MAX; i++)
        add("x", NULL, NULL, 1);
    const struct server_config one_more = { .name = "x", .pid = 1 };
    assert_int_equal(servers_add(servers, &one_more), ERR_FULL);
}

static char scraped[65536];

static void on_scraped(void *owner, int status, struct bytes body, const char *error, usec now)
{
    assert_int_equal(status, 200);
    assert_true(body.len < sizeof scraped);
    memcpy(scraped, body.data, body.len);
    scraped[body.len] = '\0';
    *(bool *)owner = true;
}

static void exporter_shows_the_live_figures(void **state)
{
    static struct histogram latency;
    static const int64_t values_us[] = { 400, 900, 900, 4000, 9000000 };
    static const char *const parts[] = {
        "conclave_bot_bots{state=\"wanted\"} 300\n",
        "conclave_bot_bots{state=\"connected\"} 298\n",
        "conclave_bot_bots{state=\"failed\"} 2\n",
        "conclave_bot_phase{phase=\"plateau\"} 1\n",
        "conclave_bot_packets_total{direction=\"received\"} 8550000\n",
        "conclave_bot_bytes_total{direction=\"sent\"} 1234\n",
        "conclave_bot_freezes_total 3\n",
        "conclave_bot_server_up{server=\"sf\\\"ud\"} 1\n",
        "# TYPE conclave_bot_latency_seconds histogram\n",
        "conclave_bot_latency_seconds_bucket{le=\"0.0005\"} 1\n",
        "conclave_bot_latency_seconds_bucket{le=\"0.001\"} 3\n",
        "conclave_bot_latency_seconds_bucket{le=\"5\"} 4\n",
        "conclave_bot_latency_seconds_bucket{le=\"+Inf\"} 5\n",
        "conclave_bot_latency_seconds_count 5\n",
        "process_cpu_seconds_total ",
    };
    struct exporter *e;
    assert_int_equal(exporter_start(&loop, "nonsense", &e), ERR_MALFORMED);
    char taken[32];
    (void)snprintf(taken, sizeof taken, "127.0.0.1:%u", (unsigned)http_server_port(http));
    errno = 0;
    assert_int_equal(exporter_start(&loop, taken, &e), ERR_SYSTEM);
    assert_int_equal(errno, EADDRINUSE);
    assert_int_equal(exporter_start(&loop, "127.0.0.1:0", &e), OK);
    for (size_t i = 0; i < ARRAY_LEN(values_us); i++)
        histogram_record(&latency, values_us[i]);
    const struct live_stats stats = { .phase = LIVE_PLATEAU,
                                      .bots_wanted = 300,
                                      .bots_connected = 298,
                                      .bots_failed = 2,
                                      .sent.bytes_total = 1234,
                                      .received.packets_total = 8550000,
                                      .freezes_total = 3,
                                      .latency_us = &latency,
                                      .servers = { { .name = "sf\"ud", .up = true } },
                                      .server_count = 1 };
    exporter_update(e, &stats);
    struct fetcher *f;
    assert_int_equal(fetcher_new(&(struct fetcher_config){ .loop = &loop }, &f), OK);
    char address[64];
    bool is_scraped = false, is_stopped = false, is_exporter_stopped = false;
    (void)snprintf(address, sizeof address, "http://127.0.0.1:%u/metrics",
                   (unsigned)exporter_port(e));
    assert_non_null(fetch_start(f, address, bytes_of(NULL, 0), NULL, on_scraped, &is_scraped));
    loop_until(&loop, is_set, &is_scraped, 3000);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        assert_non_null(strstr(scraped, parts[i]));
    fetcher_close(f, set, &is_stopped);
    exporter_stop(e, set, &is_exporter_stopped);
    loop_until(&loop, is_set, &is_stopped, 3000);
    fetcher_free(f);
    loop_until(&loop, is_set, &is_exporter_stopped, 3000);
}

static void fingerprint_knows_this_machine(void **state)
{
    json_t *json = fingerprint_json();
    assert_int_equal(strncmp(json_string_value(json_object_get(json, "kernel")), "Linux ", 6), 0);
    assert_true(number(json, "cores") >= 1 && number(json, "memory_bytes") > 1e8);
    assert_true(number(json, "open_files_max") > 10);
    assert_true(number(json_object_get(json, "sysctl"), "net.core.rmem_max") > 1000);
    const json_t *clock = json_object_get(json, "clock");
    assert_true(json_is_string(json_object_get(clock, "source")));
    assert_true(number(clock, "offset_us") == 0);
    assert_int_equal(strlen(json_string_value(json_object_get(json, "hostname_hash"))), 16);
    json_decref(json);
    assert_string_equal(fingerprint_hypervisor("KVMKVMKVM"), "kvm");
    assert_string_equal(fingerprint_hypervisor("Microsoft Corporation Virtual Machine"), "hyper-v");
    assert_null(fingerprint_hypervisor("Dell Inc. PowerEdge"));
}

#define watched(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    log_set_fd(open("/dev/null", O_WRONLY | O_CLOEXEC));
    const struct CMUnitTest tests[] = {
        watched(figures_of_metrics_are_those_of_the_interval),
        watched(sums_go_on_after_a_restart),
        watched(unknown_figures_are_null),
        watched(server_that_refuses_or_errs_is_noted),
        watched(server_that_was_never_seen_has_no_figures),
        watched(silent_server_holds_nothing_up),
        watched(process_is_seen_with_its_children),
        watched(process_is_followed_by_its_pid_file),
        watched(cluster_directory_says_who_is_there),
        watched(watching_may_stop_when_the_result_is_there),
        watched(watching_may_stop_in_the_middle),
        watched(bad_servers_are_refused),
        watched(exporter_shows_the_live_figures),
        cmocka_unit_test(fingerprint_knows_this_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
