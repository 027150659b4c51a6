/* cli_agent.c - `conclave-bot agent`, and `conclave-bot job` that agents start.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"

#include "common/os/log.h"
#include "io/agent.h"
#include "io/job.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char help[] =
    "Usage: conclave-bot agent --key FILE [options]\n"
    "\n"
    "Runs this machine's part of load tests that a coordinator (conclave-bot run --agents) "
    "starts.\n"
    "\n"
    "  --listen ADDR:PORT   (0.0.0.0:9700)\n"
    "  --key FILE           what coordinators have to know: one line of at least 16 characters\n"
    "  --allow-url URL      servers that may be tested, and what is below (repeatable; all)\n"
    "  --allow-files        scenarios may read and write files of this machine\n"
    "  --source IP          send media from this address\n"
    "  --idle-exit SECONDS  end when no coordinator has asked for so long (0: never)\n"
    "\n"
    "In parentheses: what holds without it.\n"
    "Plain HTTP: anybody on the way can read the key. Let it listen on a private network only.\n";

struct agent_cli {
    struct agent_options options;
    const char *key_path;
    struct agent *agent;
    uv_signal_t on_int, on_term;
};

char *cli_read_key(const char *path, size_t *ret_len)
{
    struct stat st;
    char *key = cli_read_file(path, ret_len);
    if (key == NULL)
        return NULL;
    while (*ret_len > 0 && strchr(" \t\r\n", key[*ret_len - 1]) != NULL)
        key[--*ret_len] = '\0';
    if (*ret_len < AGENT_KEY_MIN || strlen(key) != *ret_len || strpbrk(key, " \t\r\n") != NULL) {
        fprintf(stderr, "conclave-bot: %s: a key is one line of at least %d characters\n", path,
                AGENT_KEY_MIN);
        free(key);
        return NULL;
    }
    if (stat(path, &st) == 0 && (st.st_mode & S_IROTH) != 0)
        fprintf(stderr, "conclave-bot: %s: everybody on this machine can read the key\n", path);
    return key;
}

static int take_option(struct agent_cli *c, int id)
{
    switch (id) {
    case 'l':
        c->options.listen = optarg;
        return 0;
    case 'k':
        c->key_path = optarg;
        return 0;
    case 'u':
        if (c->options.url_count == AGENT_URLS_MAX)
            return cli_usage_error("too many --allow-url");
        c->options.urls[c->options.url_count++] = optarg;
        return 0;
    case 'f':
        c->options.allow_files = true;
        return 0;
    case 's':
        c->options.source = optarg;
        return 0;
    case 'i': {
        uint64_t seconds;
        if (!cli_parse_number(optarg, 31536000, &seconds))
            return cli_usage_error("--idle-exit wants seconds, at most a year, not %s", optarg);
        c->options.idle_max = SECONDS((usec)seconds);
        return 0;
    }
    default:
        return cli_usage_error("see conclave-bot agent --help");
    }
}

/* -1: go on. */
static int parse(struct agent_cli *c, int argc, char **argv)
{
    static const struct option options[] = { { "listen", required_argument, NULL, 'l' },
                                             { "key", required_argument, NULL, 'k' },
                                             { "allow-url", required_argument, NULL, 'u' },
                                             { "allow-files", no_argument, NULL, 'f' },
                                             { "source", required_argument, NULL, 's' },
                                             { "idle-exit", required_argument, NULL, 'i' },
                                             { "help", no_argument, NULL, 'h' },
                                             { 0 } };
    for (int id; (id = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (id == 'h') {
            fputs(help, stdout);
            return 0;
        }
        int exit_status = take_option(c, id);
        if (exit_status != 0)
            return exit_status;
    }
    if (optind != argc || c->key_path == NULL)
        return cli_usage_error("agent wants --key FILE (see conclave-bot agent --help)");
    return -1;
}

static void on_signal(uv_signal_t *signal, int number)
{
    struct agent_cli *c = signal->data;
    (void)number;
    agent_stop(c->agent); /* again: at once */
}

static void start_signal(uv_loop_t *loop, struct agent_cli *c, uv_signal_t *s, int number)
{
    check(uv_signal_init(loop, s) == 0);
    s->data = c;
    check(uv_signal_start(s, on_signal, number) == 0);
}

static int serve(struct agent_cli *c)
{
    uv_loop_t loop;
    check(uv_loop_init(&loop) == 0);
    (void)signal(SIGPIPE, SIG_IGN);
    log_init("conclave-bot", LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT);
    enum err err = agent_start(&loop, &c->options, &c->agent);
    if (err != OK) {
        fprintf(stderr, "conclave-bot: --listen %s: %s\n", c->options.listen,
                err == ERR_SYSTEM ? strerror(errno) : err_name(err));
        (void)uv_loop_close(&loop);
        return RUN_USAGE;
    }
    start_signal(&loop, c, &c->on_int, SIGINT);
    start_signal(&loop, c, &c->on_term, SIGTERM);
    fprintf(stderr, "conclave-bot: agent on port %u\n", agent_port(c->agent));
    uv_unref((uv_handle_t *)&c->on_int); /* the agent keeps the loop going */
    uv_unref((uv_handle_t *)&c->on_term);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    uv_close((uv_handle_t *)&c->on_int, NULL);
    uv_close((uv_handle_t *)&c->on_term, NULL);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    check(uv_loop_close(&loop) == 0);
    return 0;
}

int cli_agent(int argc, char **argv)
{
    static struct agent_cli c = { .options = { .listen = "0.0.0.0:9700" } };
    int exit_status = parse(&c, argc, argv);
    if (exit_status >= 0)
        return exit_status;
    size_t len = 0;
    char *key = cli_read_key(c.key_path, &len);
    if (key == NULL)
        return RUN_USAGE;
    c.options.key = bytes_of(key, len);
    exit_status = serve(&c);
    bytes_wipe(key, len);
    free(key);
    return exit_status;
}

int cli_job(int argc, char **argv)
{
    (void)argv;
    if (argc != 1)
        return cli_usage_error("job is for agents and coordinators; it reads a job from stdin");
    return job_run(STDIN_FILENO, STDOUT_FILENO);
}
