/* SPDX-License-Identifier: Apache-2.0 */
#include "common/os/config.h"

#include "fail_alloc.h"
#include "unit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static struct values {
    struct config_common common;
    const char *name, *secret, *mode, *listen;
    uint64_t limit;
    bool guests;
    double load;
    usec ttl, grace, patience;
    struct config_strings urls, proxies;
} v;

static const struct config_option options[] = {
    { "name", CONFIG_STRING, NULL, "A name.", "Test", &v.name },
    { "turn-secret", CONFIG_STRING, NULL, "A secret.", "Test", &v.secret, .secret = true },
    { "io", CONFIG_STRING, "auto", "Which one.", "Test", &v.mode, .choices = "auto|uring|epoll" },
    { "listen", CONFIG_ADDRESS, "127.0.0.1:7881", "Where.", "Test", &v.listen },
    { "limit", CONFIG_UINT, "10", "How many.", "Test", &v.limit, .min = 1, .max = 100 },
    { "guests", CONFIG_BOOL, "true", "Whether.", "Test", &v.guests },
    { "load", CONFIG_DOUBLE, "0.5", "Share.", "Test", &v.load },
    { "token-ttl", CONFIG_DURATION, "15m", "How long.", "Test", &v.ttl },
    { "grace", CONFIG_DURATION, "3s", "How long.", "Test", &v.grace, .max = SECONDS(90) },
    { "patience", CONFIG_DURATION, "3s", "How long.", "Test", &v.patience, .min = MILLIS(500) },
    { "turn-urls", CONFIG_STRINGS, NULL, "Where.", "Test", &v.urls },
    { "trusted-proxies", CONFIG_NETWORKS, "127.0.0.0/8,::1", "Who.", "Test", &v.proxies },
};

static char out_text[16384], err_text[4096], file_path[64];
static struct config *config;

static const char *write_file(const char *text)
{
    (void)snprintf(file_path, sizeof file_path, "/tmp/conclave-config-XXXXXX");
    int fd = mkstemp(file_path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    (void)close(fd);
    return file_path;
}

static enum config_next load(const char *yaml, char *const *environment, ...)
{
    char *argv[16] = { (char[]){ "sfud" } };
    int argc = 1;
    char file_flag[96];
    if (yaml != NULL) {
        (void)snprintf(file_flag, sizeof file_flag, "--config=%s", write_file(yaml));
        argv[argc++] = file_flag;
    }
    va_list list;
    va_start(list, environment);
    for (char *arg; (arg = va_arg(list, char *)) != NULL;)
        argv[argc++] = arg;
    va_end(list);
    const struct config_spec spec = { .daemon = "sfud",
                                      .summary = "media",
                                      .options = options,
                                      .admin_listen_default = "127.0.0.1:9082",
                                      .option_count = ARRAY_LEN(options),
                                      .common = &v.common };
    memset(&v, 0, sizeof v);
    memset(out_text, 0, sizeof out_text);
    memset(err_text, 0, sizeof err_text);
    FILE *out = fmemopen(out_text, sizeof out_text - 1, "w");
    FILE *err = fmemopen(err_text, sizeof err_text - 1, "w");
    config_free(config);
    enum config_next next = config_load(&spec, argc, argv, environment, out, err, &config);
    (void)fclose(out);
    (void)fclose(err);
    if (yaml != NULL)
        (void)unlink(file_path);
    return next;
}

/* The message behind "<file>", or the whole of it. */
static const char *message(void)
{
    size_t len = strlen(file_path);
    return strncmp(err_text, file_path, len) == 0 ? err_text + len : err_text;
}

static void defaults_are_in_effect(void **state)
{
    (void)state;
    assert_int_equal(load(NULL, NULL, NULL), CONFIG_RUN);
    assert_null(v.name);
    assert_string_equal(v.mode, "auto");
    assert_int_equal(v.limit, 10);
    assert_true(v.guests && v.load == 0.5 && v.ttl == SECONDS(900) && v.urls.count == 0);
    assert_string_equal(v.common.redis_url, "redis://127.0.0.1:6379");
    assert_string_equal(v.common.admin_listen, "127.0.0.1:9082");
    assert_memory_equal(v.common.instance_id, "sfud-", 5);
    assert_int_equal(v.common.log_level, LOG_LEVEL_INFO);
}

static void flags_win_over_environment_over_file(void **state)
{
    (void)state;
    char *environment[] = { "PATH=/bin",
                            "CONCLAVE_LIMIT=30",
                            "CONCLAVE_NAME=env",
                            "CONCLAVE_TURN_URLS=a, b",
                            "CONCLAVE_SIGNALD_PORT=tcp://10.0.0.1:80",
                            NULL };
    assert_int_equal(load("# comment\nlimit: 20\nname: file\nguests: no\nload: 0.25\n"
                          "token:\n  ttl: 2h\nturn-urls: [x, y, z]\nlog-level: debug\n",
                          environment, "--name", "flag", NULL),
                     CONFIG_RUN);
    assert_string_equal(v.name, "flag");
    assert_int_equal(v.limit, 30);
    assert_true(!v.guests && v.load == 0.25 && v.ttl == SECONDS(7200));
    assert_int_equal(v.urls.count, 2);
    assert_string_equal(v.urls.items[1], "b");
    assert_int_equal(v.common.log_level, LOG_LEVEL_DEBUG);
    assert_int_equal(load(NULL, NULL, "--no-guests", "--limit=5", NULL), CONFIG_RUN);
    assert_true(!v.guests && v.limit == 5);
    assert_int_equal(load(NULL, NULL, "--guests", "--load", "1", NULL), CONFIG_RUN);
    assert_true(v.guests && v.load == 1);
}

static void errors_in_the_file_name_their_place(void **state)
{
    (void)state;
    static const struct {
        const char *yaml, *message;
    } cases[] = {
        { "limit: 5\nredis-ulr: x\n",
          ":2:1: unknown key 'redis-ulr' (did you mean 'redis-url'?)\n" },
        { "zebra-crossing: 1\n", ":1:1: unknown key 'zebra-crossing'\n" },
        { "limit: many\n", ":1:8: bad value for 'limit': expected a whole number, got 'many'\n" },
        { "limit: 101\n",
          ":1:8: bad value for 'limit': expected a whole number from 1 to 100, got '101'\n" },
        { "\n\ntoken:\n  ttl: soon\n", ":4:8: bad value for 'token-ttl': expected a duration with "
                                       "its unit such as 500ms, 10s, 5m or 24h, got "
                                       "'soon'\n" },
        { "grace: 2m\n",
          ":1:8: bad value for 'grace': expected a duration from 0 to 90s, got '2m'\n" },
        { "patience: 1ms\n", ":1:11: bad value for 'patience': expected a duration of at least "
                             "500ms, got '1ms'\n" },
        { "io: kqueue\n", ":1:5: bad value for 'io': expected auto|uring|epoll, got 'kqueue'\n" },
        { "limit: 1\nlimit: 2\n", ":2:1: this key is here twice\n" },
        { "limit: [1, 2]\n", ":1:8: a list is not expected here\n" },
        { "token:\n  ttl:\n    x: 1\n", ":2:3: keys nest one level deep only\n" },
        { "- a\n", ":1:1: expected 'key: value' lines\n" },
        { "guests: maybe\n",
          ":1:9: bad value for 'guests': expected true or false, got 'maybe'\n" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(load(cases[i].yaml, NULL, NULL), CONFIG_EXIT_USAGE);
        assert_string_equal(message(), cases[i].message);
    }
    assert_int_equal(load("limit: \"1\n", NULL, NULL), CONFIG_EXIT_USAGE);
}

static void errors_elsewhere_name_their_source(void **state)
{
    (void)state;
    char *bad_value[] = { "CONCLAVE_LIMIT=x", NULL }, *bad_name[] = { "CONCLAVE_LIMITS=3", NULL };
    char *secret[] = { "CONCLAVE_TOKEN_TTL=x", NULL };
    assert_int_equal(load(NULL, bad_value, NULL), CONFIG_EXIT_USAGE);
    assert_string_equal(err_text, "CONCLAVE_LIMIT: bad value for 'limit': expected a whole number, "
                                  "got 'x'\n");
    assert_int_equal(load(NULL, bad_name, NULL), CONFIG_EXIT_USAGE);
    assert_string_equal(err_text, "CONCLAVE_LIMITS: unknown (did you mean 'CONCLAVE_LIMIT'?)\n");
    assert_int_equal(load(NULL, secret, NULL), CONFIG_EXIT_USAGE);
    assert_int_equal(load(NULL, NULL, "--limt", "3", NULL), CONFIG_EXIT_USAGE);
    assert_non_null(
        strstr(err_text, "command line: unknown key '--limt' (did you mean '--limit'?)"));
    assert_int_equal(load(NULL, NULL, "--limit", NULL), CONFIG_EXIT_USAGE);
    assert_string_equal(err_text, "--limit: a value is missing\n");
    assert_int_equal(load(NULL, NULL, "stray", NULL), CONFIG_EXIT_USAGE);
    assert_int_equal(load(NULL, NULL, "--config", "/nonexistent", NULL), CONFIG_EXIT_USAGE);
    assert_string_equal(err_text, "/nonexistent: cannot open: No such file or directory\n");
    assert_int_equal(load(NULL, NULL, "--redis-url=http://x", NULL), CONFIG_EXIT_USAGE);
}

static void names_and_networks_are_checked_where_they_are_set(void **state)
{
    (void)state;
    static const char long_name[] =
        "instance-id: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n";
    static const struct {
        const char *yaml, *message;
    } cases[] = {
        { "limit: 3\ninstance-id: a b\n", ":2:14: bad value for 'instance-id': "
                                          "expected up to 64 of a-z A-Z 0-9 . _ -, got 'a b'\n" },
        { "instance-id: \"a{b\"\n", ":1:14: bad value for 'instance-id': "
                                    "expected up to 64 of a-z A-Z 0-9 . _ -, got 'a{b'\n" },
        { "trusted-proxies: [10.0.0.0/8, 10.0.0.0/33]\n",
          ":1:18: bad value for 'trusted-proxies': "
          "expected addresses or networks such as 10.0.0.0/8, ::1, got "
          "'10.0.0.0/8,10.0.0.0/33'\n" },
        { "trusted-proxies: localhost\n",
          ":1:18: bad value for 'trusted-proxies': "
          "expected addresses or networks such as 10.0.0.0/8, ::1, got 'localhost'\n" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(load(cases[i].yaml, NULL, NULL), CONFIG_EXIT_USAGE);
        assert_string_equal(message(), cases[i].message);
    }
    assert_int_equal(strcspn(long_name + 13, "\n"), CONFIG_NAME_MAX + 1);
    assert_int_equal(load(long_name, NULL, NULL), CONFIG_EXIT_USAGE);
    assert_int_equal(load(NULL, NULL, "--instance-id", "sfud-1.Rack_2", NULL), CONFIG_RUN);
    assert_string_equal(v.common.instance_id, "sfud-1.Rack_2");
    assert_int_equal(v.proxies.count, 2);
    assert_int_equal(load("trusted-proxies: []\n", NULL, NULL), CONFIG_RUN);
    assert_int_equal(v.proxies.count, 0);
    assert_int_equal(load(NULL, NULL, "--trusted-proxies", "192.0.2.7, 2001:db8::/32", NULL),
                     CONFIG_RUN);
    assert_int_equal(v.proxies.count, 2);
}

/* In a process of its own: 0 loaded right, 1 refused with a message, 2 loaded something else. */
static int load_with_failing(unsigned nth)
{
    static char *environment[] = { "CONCLAVE_TURN_URLS=a, b", NULL };
    fail_alloc_at(nth);
    enum config_next next = load("limit: 20\nname: file\n", environment, "--io", "epoll", NULL);
    fail_alloc_at(0);
    if (next != CONFIG_RUN)
        return err_text[0] != '\0' ? 1 : 2;
    bool is_right = strcmp(v.name, "file") == 0 && v.limit == 20 && v.urls.count == 2 &&
                    strcmp(v.urls.items[1], "b") == 0 && strcmp(v.mode, "epoll") == 0 &&
                    v.proxies.count == 2 && v.common.instance_id != NULL;
    return is_right ? 0 : 2;
}

/* Options live as long as the process: without memory it ends, by check() or with a message. */
static void daemon_without_memory_does_not_run_half_configured(void **state)
{
    (void)state;
    unsigned ended = 0;
    bool is_loaded = false;
    for (unsigned nth = 1; nth < 1000 && !is_loaded; nth++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            const struct rlimit no_core = { 0 };
            (void)setrlimit(RLIMIT_CORE, &no_core);
            (void)signal(SIGABRT, SIG_DFL);
            (void)dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
            _exit(load_with_failing(nth));
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        bool is_refused = WIFEXITED(status) && WEXITSTATUS(status) == 1;
        is_loaded = WIFEXITED(status) && WEXITSTATUS(status) == 0;
        assert_true(is_loaded || is_refused ||
                    (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT));
        ended += is_loaded ? 0 : 1;
    }
    assert_true(is_loaded && ended > 20);
}

static void secrets_are_not_printed(void **state)
{
    (void)state;
    assert_int_equal(
        load("turn-secret: hunter2\nredis-url: redis://u:pa55@h\n", NULL, "--print-config", NULL),
        CONFIG_EXIT_OK);
    assert_null(strstr(out_text, "hunter2"));
    assert_null(strstr(out_text, "pa55"));
    assert_non_null(strstr(out_text, "turn-secret: \"***\"  # file\n"));
    assert_non_null(strstr(out_text, "redis-url: \"redis://u:***@h\"  # file\n"));
    assert_non_null(strstr(out_text, "limit: 10  # default\n"));
}

static void help_version_and_check_exit_well(void **state)
{
    (void)state;
    assert_int_equal(load(NULL, NULL, "--help", NULL), CONFIG_EXIT_OK);
    assert_non_null(strstr(out_text, "--token-ttl TIME"));
    assert_non_null(strstr(out_text, "default 15m, env CONCLAVE_TOKEN_TTL"));
    assert_non_null(strstr(out_text, "\nCommon:\n"));
    assert_int_equal(load(NULL, NULL, "--version", NULL), CONFIG_EXIT_OK);
    assert_string_equal(out_text, "sfud " CONCLAVE_VERSION "\n");
    assert_int_equal(load("limit: 3\n", NULL, "--check-config", NULL), CONFIG_EXIT_OK);
    assert_int_equal(load("limit: x\n", NULL, "--check-config", NULL), CONFIG_EXIT_USAGE);
    assert_int_equal(load("limit: 99999999999999999999\n", NULL, "--check-config", NULL),
                     CONFIG_EXIT_USAGE);
}

static void durations_have_units(void **state)
{
    (void)state;
    usec d;
    static const struct {
        const char *text;
        usec d;
    } good[] = { { "500ms", MILLIS(500) }, { "10s", SECONDS(10) },         { "1.5s", MILLIS(1500) },
                 { "5m", SECONDS(300) },   { "30d", SECONDS(30 * 86400) }, { "0", 0 } };
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        assert_int_equal(config_parse_duration(good[i].text, &d), OK);
        assert_true(d == good[i].d);
    }
    static const char *const bad[] = { "",   "s",   "10",     "1.5",         "-1s",
                                       "1w", "1 s", "1.2.3s", "99999999999d" };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(config_parse_duration(bad[i], &d), ERR_MALFORMED);
}

static int tear_down(void **state)
{
    (void)state;
    config_free(config);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_in_effect),
        cmocka_unit_test(flags_win_over_environment_over_file),
        cmocka_unit_test(errors_in_the_file_name_their_place),
        cmocka_unit_test(errors_elsewhere_name_their_source),
        cmocka_unit_test(names_and_networks_are_checked_where_they_are_set),
        cmocka_unit_test(daemon_without_memory_does_not_run_half_configured),
        cmocka_unit_test(secrets_are_not_printed),
        cmocka_unit_test(help_version_and_check_exit_well),
        cmocka_unit_test(durations_have_units),
    };
    return cmocka_run_group_tests(tests, NULL, tear_down);
}
