/* conclave-bench - what one forwarder costs, once. See bench.h and docs/performance.md.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "bench.h"
#include "common/os/log.h"
#include "machine.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

enum { USAGE = 64, UNAVAILABLE = 69 };

static const struct option options[] = {
    { "rooms", required_argument, NULL, 'r' },
    { "viewers", required_argument, NULL, 'v' },
    { "participants", required_argument, NULL, 'p' },
    { "seconds", required_argument, NULL, 's' },
    { "warm-up", required_argument, NULL, 'w' },
    { "speed", required_argument, NULL, 'x' },
    { "loopback", no_argument, NULL, 'L' },
    { "fan-out", required_argument, NULL, 'f' },
    { "burst", required_argument, NULL, 'b' },
    { "trace", required_argument, NULL, 't' },
    { "offer", required_argument, NULL, 'o' },
    { "listen", required_argument, NULL, 'l' },
    { "device", required_argument, NULL, 'd' },
    { "cpu", required_argument, NULL, 'c' },
    { "cpu-others", required_argument, NULL, 'C' },
    { "io", required_argument, NULL, 'i' },
    { "no-gso", no_argument, NULL, 'g' },
    { "no-bandwidth-control", no_argument, NULL, 'n' },
    { "no-window", no_argument, NULL, 'W' },
    { "sha1", no_argument, NULL, 'h' },
    { "seal", required_argument, NULL, 'e' },
    { 0 },
};

struct arguments {
    struct bench_options bench;
    struct trace trace;
    char *offer;
};

static char *read_text(const char *path)
{
    FILE *f = fopen(path, "re");
    char *text = calloc(1, SDP_TEXT_MAX);
    if (f == NULL || text == NULL || fread(text, 1, SDP_TEXT_MAX - 1, f) == 0) {
        free(text);
        text = NULL;
    }
    if (f != NULL)
        (void)fclose(f);
    return text;
}

static size_t number(const char *text)
{
    return (size_t)strtoul(text, NULL, 10);
}

static bool take_option(struct arguments *a, int option, const char *value)
{
    struct bench_options *b = &a->bench;
    switch (option) {
    case 'r':
        b->stage.rooms = number(value);
        return b->stage.rooms > 0 && b->stage.rooms <= WORKER_ROOMS_MAX;
    case 'v':
        b->stage.viewers = number(value);
        return b->stage.viewers > 0;
    case 'p':
        b->stage.participants = number(value);
        return b->stage.participants > 0;
    case 's':
        b->seconds = strtod(value, NULL);
        return b->seconds > 0;
    case 'w':
        b->warm_up = strtod(value, NULL);
        return b->warm_up >= 0;
    case 'x':
        b->speed = strtod(value, NULL);
        return b->speed > 0;
    case 'L':
        b->loopback = true;
        return true;
    case 'f':
        b->fan_out = strtod(value, NULL);
        return b->fan_out > 0;
    case 'b':
        b->burst = strtod(value, NULL);
        return b->burst >= 0;
    case 't':
        return trace_load(value, &a->trace) == OK;
    case 'o':
        a->offer = read_text(value);
        b->stage.offer = a->offer;
        return a->offer != NULL;
    case 'l':
        return net_addr_parse(bytes_of_str(value), 0, &b->stage.listen) == OK;
    case 'd':
        b->device = value;
        return true;
    case 'c':
        b->stage.cpu = (int)strtol(value, NULL, 10);
        return true;
    case 'C':
        b->cpu_others = (int)strtol(value, NULL, 10);
        return true;
    case 'i':
        b->stage.backend = strcmp(value, "epoll") == 0 ? UDP_EPOLL : UDP_URING;
        return strcmp(value, "epoll") == 0 || strcmp(value, "uring") == 0;
    case 'g':
        b->stage.no_gso = true;
        return true;
    case 'n':
        b->stage.no_bandwidth_control = true;
        return true;
    case 'W':
        b->stage.no_window = true;
        return true;
    case 'h':
        b->stage.profile = SEAL_AES_CM_128_HMAC_SHA1_80;
        return true;
    case 'e':
        return seal_choice_parse(value, &b->stage.seal) == OK;
    default:
        return false;
    }
}

static bool parse(struct arguments *a, int argc, char **argv)
{
    int option;
    a->bench = (struct bench_options){ .stage = { .rooms = 1,
                                                  .viewers = 50,
                                                  .backend = UDP_URING,
                                                  .profile = SEAL_AEAD_AES_128_GCM,
                                                  .cpu = -1,
                                                  .trace = &a->trace },
                                       .warm_up = 2,
                                       .seconds = 4,
                                       .speed = 1,
                                       .device = "sink",
                                       .cpu_others = -1 };
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (!take_option(a, option, optarg))
            return false;
    }
    return a->trace.count > 0 && a->offer != NULL && net_addr_is_set(&a->bench.stage.listen) &&
           optind + 1 == argc;
}

static json_t *run(const char *what, const struct bench_options *o)
{
    if (strcmp(what, "sfud") == 0)
        return bench_sfud(o);
    if (strcmp(what, "naive") == 0)
        return bench_naive(o);
    if (strcmp(what, "bare") == 0)
        return bench_bare(o);
    return strcmp(what, "seal") == 0 ? bench_seal(o) : NULL;
}

int main(int argc, char **argv)
{
    static struct arguments arguments;
    if (!parse(&arguments, argc, argv)) {
        fprintf(stderr,
                "usage: conclave-bench sfud|naive|bare|seal --listen IP --trace FILE --offer FILE "
                "[--viewers N] [--rooms N] ... (see tools/bench.py)\n");
        free(arguments.offer);
        return USAGE;
    }
    log_init("bench", LOG_LEVEL_WARN, LOG_FORMAT_LOGFMT);
    machine_raise_file_limit();
    machine_pin(arguments.bench.cpu_others);
    json_t *result = run(argv[optind], &arguments.bench);
    if (result != NULL)
        (void)json_dumpf(result, stdout, JSON_COMPACT | JSON_REAL_PRECISION(8));
    json_decref(result);
    free(arguments.offer);
    return result != NULL ? 0 : UNAVAILABLE;
}
