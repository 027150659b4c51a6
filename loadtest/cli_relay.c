/* cli_relay.c - `conclave-bot relay`: a bad network as a process, for tests with browsers.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"

#include "io/udp_relay.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char help[] =
    "Usage: conclave-bot relay [options]\n"
    "\n"
    "Relays UDP between clients and a server through a bad network. Says where it listens in one\n"
    "line of JSON, then takes commands on stdin, a line of JSON each (docs/loadtest.md).\n"
    "\n"
    "  --listen IP:PORT  (127.0.0.1:0, a free port)\n"
    "  --to IP:PORT      the server; may be told later\n"
    "  --up NETWORK      towards the server: "
    "'{\"rate_bps\":300000,\"delay_ms\":40,\"loss\":0.05}'\n"
    "  --down NETWORK    towards the clients\n"
    "  --seed N          of its dice (1)\n"
    "  --pcap FILE       writes what reaches the clients, for Wireshark\n"
    "\n"
    "In parentheses: what holds without it.\n"
    "\n"
    "A NETWORK is an object of JSON; {} is perfect. Shares are from 0 (never) to 1 (always): 0.05 "
    "is\n"
    "5 %. Times are milliseconds, up to 10000; fractions are fine.\n"
    "\n"
    "  rate_bps      bits per second, UDP and IP headers included (0: no limit)\n"
    "  queue_ms      how much waits before the rate; what is beyond is lost (200)\n"
    "  delay_ms      one way (0)\n"
    "  jitter_ms     more delay, at random up to so much; the order stays (0)\n"
    "  loss          share of packets lost, each by itself (0)\n"
    "  burst_enter   share of packets at which a bad stretch begins (0)\n"
    "  burst_leave   … at which it ends: 0.2 is 5 packets on average\n"
    "  burst_loss    share of packets lost in a bad stretch (1)\n"
    "  reorder       share of packets that come later than they should (0)\n"
    "  reorder_ms    … by so much (20)\n"
    "  duplicate     share of packets that come twice (0)\n"
    "\n"
    "stdin is a pipe or a terminal, whose end ends the relay; or a file, whose commands hold from\n"
    "the start (/dev/null: none). SIGINT and SIGTERM end it, too.\n";

enum { LINE_MAX_BYTES = 4096 };

struct relay_cli {
    struct udp_relay_config config;
    struct udp_relay *relay;
    uv_loop_t loop;
    uv_signal_t on_int, on_term;
    uv_handle_type input_type;
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_pipe_t pipe;
        uv_tty_t terminal;
    } input; /* for pipes and terminals */
    char line[LINE_MAX_BYTES];
    size_t line_len;
};

static int take_option(struct relay_cli *c, int id)
{
    char error[RELAY_ERROR_MAX];
    switch (id) {
    case 'l':
        return relay_address_parse(optarg, &c->config.listen) == OK
                   ? 0
                   : cli_usage_error("--listen %s: expected IP:PORT", optarg);
    case 't':
        return relay_address_parse(optarg, &c->config.to) == OK
                   ? 0
                   : cli_usage_error("--to %s: expected IP:PORT", optarg);
    case 'u':
    case 'd':
        return relay_path_parse(bytes_of_str(optarg),
                                &c->config.paths[id == 'u' ? RELAY_UP : RELAY_DOWN], error) == OK
                   ? 0
                   : cli_usage_error("%s: %s", id == 'u' ? "--up" : "--down", error);
    case 's':
        return cli_parse_number(optarg, UINT64_MAX, &c->config.seed)
                   ? 0
                   : cli_usage_error("--seed wants a number from 0 to 2^64-1, not %s", optarg);
    case 'p':
        c->config.pcap_path = optarg;
        return 0;
    default:
        return cli_usage_error("see conclave-bot relay --help");
    }
}

/* -1: go on. */
static int parse(struct relay_cli *c, int argc, char **argv)
{
    static const struct option options[] = {
        { "listen", required_argument, NULL, 'l' }, { "to", required_argument, NULL, 't' },
        { "up", required_argument, NULL, 'u' },     { "down", required_argument, NULL, 'd' },
        { "seed", required_argument, NULL, 's' },   { "pcap", required_argument, NULL, 'p' },
        { "help", no_argument, NULL, 'h' },         { 0 }
    };
    for (int id; (id = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (id == 'h') {
            fputs(help, stdout);
            return 0;
        }
        int exit_status = take_option(c, id);
        if (exit_status != 0)
            return exit_status;
    }
    return optind == argc ? -1 : cli_usage_error("see conclave-bot relay --help");
}

/* --- words --- */

static void say(json_t *line)
{
    check(line != NULL);
    (void)json_dumpf(line, stdout, JSON_COMPACT);
    (void)fputc('\n', stdout);
    (void)fflush(stdout);
    json_decref(line);
}

static void say_counters(struct relay_cli *c, const char *event)
{
    udp_relay_flush(c->relay);
    say(json_pack("{ss si so so}", "event", event, "clients", (int)udp_relay_client_count(c->relay),
                  "up", relay_counters_json(udp_relay_counters(c->relay, RELAY_UP)), "down",
                  relay_counters_json(udp_relay_counters(c->relay, RELAY_DOWN))));
}

static void obey(struct relay_cli *c)
{
    struct relay_command command;
    char error[RELAY_ERROR_MAX];
    if (relay_command_parse(bytes_of(c->line, c->line_len), &command, error) != OK) {
        say(json_pack("{ss ss}", "event", "error", "message", error));
        return;
    }
    udp_relay_command(c->relay, &command);
    if (command.counters)
        say_counters(c, "counters");
    else
        say(json_pack("{ss}", "event", "set"));
}

static void stop(struct relay_cli *c)
{
    if (uv_is_closing((uv_handle_t *)&c->on_int))
        return;
    say_counters(c, "end");
    uv_close((uv_handle_t *)&c->on_int, NULL);
    uv_close((uv_handle_t *)&c->on_term, NULL);
    if (c->input_type != UV_FILE)
        uv_close(&c->input.handle, NULL);
    udp_relay_close(c->relay);
}

/* --- events --- */

static void on_signal(uv_signal_t *signal, int number)
{
    (void)number;
    stop(signal->data);
}

static void give_memory(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
    static char memory[LINE_MAX_BYTES];
    (void)handle;
    (void)suggested;
    *ret = uv_buf_init(memory, sizeof memory);
}

static void take_byte(struct relay_cli *c, char byte)
{
    if (byte == '\n') {
        obey(c);
        c->line_len = 0;
    } else if (c->line_len < sizeof c->line) {
        c->line[c->line_len++] = byte;
    }
}

static void on_input(uv_stream_t *stream, ssize_t len, const uv_buf_t *buffer)
{
    struct relay_cli *c = stream->data;
    if (len < 0)
        stop(c);
    for (ssize_t i = 0; i < len; i++)
        take_byte(c, buffer->base[i]);
}

/* Its last line may have no end. */
static void take_file(struct relay_cli *c)
{
    char byte;
    while (read(STDIN_FILENO, &byte, 1) == 1)
        take_byte(c, byte);
    if (c->line_len > 0)
        take_byte(c, '\n');
}

static void start_signal(struct relay_cli *c, uv_signal_t *s, int number)
{
    check(uv_signal_init(&c->loop, s) == 0);
    s->data = c;
    check(uv_signal_start(s, on_signal, number) == 0);
}

/* Looks before anything else is opened: a closed stdin would be the next file. */
static bool find_input(struct relay_cli *c)
{
    struct stat s;
    bool is_directory = fstat(STDIN_FILENO, &s) == 0 && S_ISDIR(s.st_mode);
    c->input_type = uv_guess_handle(STDIN_FILENO);
    return !is_directory &&
           (c->input_type == UV_NAMED_PIPE || c->input_type == UV_TTY || c->input_type == UV_FILE);
}

/* The loop cannot wait for files: they are read at once. */
static void start_input(struct relay_cli *c)
{
    if (c->input_type == UV_FILE) {
        take_file(c);
        return;
    }
    if (c->input_type == UV_TTY) {
        check(uv_tty_init(&c->loop, &c->input.terminal, STDIN_FILENO, 0) == 0);
    } else {
        check(uv_pipe_init(&c->loop, &c->input.pipe, 0) == 0);
        check(uv_pipe_open(&c->input.pipe, STDIN_FILENO) == 0);
    }
    c->input.handle.data = c;
    check(uv_read_start(&c->input.stream, give_memory, on_input) == 0);
}

static void say_failure(const struct relay_cli *c, enum relay_step step, int why)
{
    char ip[NET_ADDR_TEXT_SIZE];
    if (step == RELAY_STEP_CAPTURE)
        fprintf(stderr, "conclave-bot: relay: --pcap %s: %s\n", c->config.pcap_path, strerror(why));
    else if (step == RELAY_STEP_LISTEN)
        fprintf(stderr, "conclave-bot: relay: --listen %s: %s\n",
                net_addr_format(&c->config.listen, ip), strerror(why));
    else
        fprintf(stderr, "conclave-bot: relay: %s\n", strerror(why));
}

static int serve(struct relay_cli *c)
{
    char ip[NET_ADDR_TEXT_SIZE];
    enum relay_step step;
    if (!find_input(c))
        return cli_usage_error("relay: stdin is no pipe, terminal or file: </dev/null for one "
                               "without commands");
    check(uv_loop_init(&c->loop) == 0);
    enum err err = udp_relay_start(&c->loop, &c->config, &c->relay, &step);
    int why = errno;
    if (err == OK) {
        start_signal(c, &c->on_int, SIGINT);
        start_signal(c, &c->on_term, SIGTERM);
        struct net_addr at = udp_relay_address(c->relay);
        say(json_pack("{ss ss si}", "event", "listening", "ip", net_addr_format_ip(&at, ip), "port",
                      (int)at.port));
        start_input(c);
    } else {
        say_failure(c, step, why);
        udp_relay_close(c->relay);
    }
    (void)uv_run(&c->loop, UV_RUN_DEFAULT);
    udp_relay_free(c->relay);
    check(uv_loop_close(&c->loop) == 0);
    return err == OK ? 0 : RUN_USAGE;
}

int cli_relay(int argc, char **argv)
{
    static struct relay_cli c = { .config = { .seed = 1 } };
    check(relay_address_parse("127.0.0.1:0", &c.config.listen) == OK);
    int exit_status = parse(&c, argc, argv);
    return exit_status >= 0 ? exit_status : serve(&c);
}
