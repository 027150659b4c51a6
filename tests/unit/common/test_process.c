/* Key files, the log sink, addresses, signals and readiness. SPDX-License-Identifier: Apache-2.0 */
#include "common/os/daemon.h"
#include "common/os/keyfile.h"
#include "common/os/log.h"
#include "common/os/net_address.h"
#include "common/os/random.h"

#include "redis_fixture.h"
#include "unit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static char directory[64], path[96], why[KEYFILE_WHY_CAPACITY];

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(directory, sizeof directory, "/tmp/conclave-key-XXXXXX");
    (void)snprintf(path, sizeof path, "%s/key", mkdtemp(directory));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(directory); /* fails if a temporary file was left behind */
}

static void key_is_made_once_private_and_found_again(void **state)
{
    (void)state;
    EVP_PKEY *first, *second;
    struct stat st;
    assert_int_equal(keyfile_p256(path, &first, why), OK);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(keyfile_p256(path, &second, why), OK);
    assert_int_equal(EVP_PKEY_eq(first, second), 1);
    EVP_PKEY_free(first);
    EVP_PKEY_free(second);
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(keyfile_p256(path, &first, why), ERR_AUTH);
    assert_non_null(strstr(why, "readable by group or others (mode 0640), expected 0600"));
}

static void secret_is_made_once_or_given_as_text(void **state)
{
    (void)state;
    uint8_t a[64], b[64];
    size_t a_len, b_len;
    assert_int_equal(keyfile_secret(path, 32, a, sizeof a, &a_len, why), OK);
    assert_int_equal(keyfile_secret(path, 32, b, sizeof b, &b_len, why), OK);
    assert_int_equal(a_len, 32);
    assert_memory_equal(a, b, 32);
    assert_int_equal(keyfile_write(path, bytes_of_str("a secret of the operator\n"), false, why),
                     OK);
    assert_int_equal(keyfile_secret(path, 32, a, sizeof a, &a_len, why), OK);
    assert_int_equal(a_len, 24);
    assert_int_equal(keyfile_write(path, bytes_of_str("short\n"), false, why), OK);
    assert_int_equal(keyfile_secret(path, 32, a, sizeof a, &a_len, why), ERR_MALFORMED);
    assert_int_equal(keyfile_write(path, bytes_of_str("x"), true, why), ERR_BAD_STATE);
    EVP_PKEY *key;
    assert_int_equal(keyfile_p256(path, &key, why), ERR_MALFORMED);
}

static void directory_is_made_with_its_parents_private(void **state)
{
    (void)state;
    char below[128], deep[256];
    struct stat st;
    (void)snprintf(below, sizeof below, "%s/a", directory);
    (void)snprintf(deep, sizeof deep, "%s/b//c/", below);
    assert_int_equal(keyfile_directory(deep, why), OK);
    assert_int_equal(keyfile_directory(deep, why), OK);
    assert_int_equal(stat(below, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_int_equal(rmdir(deep), 0);
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    (void)close(fd);
    assert_int_equal(keyfile_directory(path, why), ERR_SYSTEM);
    assert_non_null(strstr(why, "is not a directory"));
    (void)snprintf(deep, sizeof deep, "%s/c", path);
    assert_int_equal(keyfile_directory(deep, why), ERR_SYSTEM);
    assert_memory_equal(why, path, strlen(path));
    static char long_path[5000];
    memset(long_path, 'x', sizeof long_path - 1);
    assert_int_equal(keyfile_directory(long_path, why), ERR_FULL);
    assert_non_null(strstr(why, "too long"));
    assert_int_equal(keyfile_directory("", why), ERR_SYSTEM);
    (void)snprintf(deep, sizeof deep, "%s/b", below);
    assert_int_equal(rmdir(deep), 0);
    assert_int_equal(rmdir(below), 0);
}

static void log_suppresses_floods_and_says_so(void **state)
{
    (void)state;
    int pipe_fds[2];
    static char text[65536];
    assert_int_equal(pipe2(pipe_fds, O_NONBLOCK), 0);
    log_init("unit", LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT);
    log_set_fd(pipe_fds[1]);
    log_debug("thing.hidden");
    for (int i = 0; i < LOG_BURST + 20; i++)
        log_warn("thing.happened", KV_I64("i", i));
    log_info("other.happened");
    (void)usleep(1050000);
    log_warn("thing.happened", KV_STR("i", "last"));
    log_set_fd(STDERR_FILENO);
    ssize_t n = read(pipe_fds[0], text, sizeof text - 1);
    text[n] = '\0';
    unsigned lines = 0;
    for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    assert_int_equal(lines, LOG_BURST + 2);
    assert_null(strstr(text, "hidden"));
    assert_non_null(strstr(text, " lvl=warn svc=unit evt=thing.happened suppressed=20 i=last\n"));
    (void)close(pipe_fds[0]);
    (void)close(pipe_fds[1]);
}

static void addresses_are_parsed_and_matched(void **state)
{
    (void)state;
    struct sockaddr_storage a;
    char text[NET_ADDRESS_CAPACITY];
    static const char *const pairs[][2] = { { "127.0.0.1:80", "127.0.0.1:80" },
                                            { "[2001:DB8::1]:443", "[2001:db8::1]:443" },
                                            { ":9090", "0.0.0.0:9090" },
                                            { "9090", "0.0.0.0:9090" },
                                            { "[::ffff:192.0.2.1]:1", "192.0.2.1:1" } };
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        assert_int_equal(net_address_parse(pairs[i][0], &a), OK);
        net_address_text((const struct sockaddr *)&a, text);
        assert_string_equal(text, pairs[i][1]);
    }
    static const char *const bad[] = { "",          "host:80",       "1.2.3.4", "::1:80",
                                       "1.2.3.4:x", "1.2.3.4:65536", "[::1]",   "[::1:80" };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(net_address_parse(bad[i], &a), ERR_MALFORMED);
    assert_true(net_address_in("10.1.2.3", "10.0.0.0/8"));
    assert_false(net_address_in("11.1.2.3", "10.0.0.0/8"));
    assert_true(net_address_in("192.0.2.200", "192.0.2.128/25"));
    assert_false(net_address_in("192.0.2.100", "192.0.2.128/25"));
    assert_true(net_address_in("::ffff:10.1.2.3", "10.0.0.0/8"));
    assert_true(net_address_in("2001:db8::7", "2001:db8::/32"));
    assert_false(net_address_in("10.0.0.1", "2001:db8::/32"));
    assert_false(net_cidr_is_valid("10.0.0.0/33"));
}

struct seen {
    unsigned stops, reloads;
};

static void on_stop(void *data)
{
    ((struct seen *)data)->stops++;
}

static void on_reload(void *data)
{
    ((struct seen *)data)->reloads++;
}

static bool has_reloaded(void *data)
{
    return ((struct seen *)data)->reloads > 0;
}

static bool has_stopped(void *data)
{
    return ((struct seen *)data)->stops > 0;
}

static void signals_reach_the_loop_and_readiness_reaches_systemd(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct seen seen = { 0 };
    struct daemon *d;
    assert_int_equal(uv_loop_init(&loop), 0);
    const struct daemon_options options = { .on_stop = on_stop,
                                            .on_reload = on_reload,
                                            .data = &seen };
    assert_int_equal(daemon_start(&loop, &options, &d), OK);
    assert_int_equal(raise(SIGPIPE), 0);
    assert_int_equal(kill(getpid(), SIGHUP), 0);
    loop_until(&loop, has_reloaded, &seen, 2000);
    assert_int_equal(kill(getpid(), SIGTERM), 0);
    loop_until(&loop, has_stopped, &seen, 2000);
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(setenv("NOTIFY_SOCKET", path, 1), 0);
    daemon_notify_ready(d);
    char text[32] = "";
    assert_int_equal(recv(fd, text, sizeof text - 1, MSG_DONTWAIT), 7);
    assert_string_equal(text, "READY=1");
    (void)unsetenv("NOTIFY_SOCKET");
    (void)close(fd);
    daemon_stop(d);
    loop_finish(&loop);
}

static void random_numbers_stay_below_their_bound(void **state)
{
    (void)state;
    unsigned counts[3] = { 0 };
    for (int i = 0; i < 3000; i++)
        counts[random_below(3)]++;
    for (int i = 0; i < 3; i++)
        assert_in_range(counts[i], 800, 1200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(key_is_made_once_private_and_found_again, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(secret_is_made_once_or_given_as_text, set_up, tear_down),
        cmocka_unit_test_setup_teardown(directory_is_made_with_its_parents_private, set_up,
                                        tear_down),
        cmocka_unit_test(log_suppresses_floods_and_says_so),
        cmocka_unit_test(addresses_are_parsed_and_matched),
        cmocka_unit_test_setup_teardown(signals_reach_the_loop_and_readiness_reaches_systemd,
                                        set_up, tear_down),
        cmocka_unit_test(random_numbers_stay_below_their_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
