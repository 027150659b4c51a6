/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "io/members.h"
#include "rtc/net_addr.h"

#include <sched.h>
#include <unistd.h>

static enum err parse_address(const char *text)
{
    struct net_addr a;
    return net_addr_parse(bytes_of_str(text), 0, &a);
}

static bool validate(void *data, char *why, size_t capacity)
{
    struct sfud_config *c = data;
    if (c->workers == 0)
        c->workers = MIN(sfud_core_count(), (size_t)WORKERS_MAX);
    if (c->media_port > 0 && c->media_port + c->workers > 65536) {
        (void)snprintf(why, capacity, "media-port %u leaves no ports for %u workers",
                       (unsigned)c->media_port, (unsigned)c->workers);
        return false;
    }
    if (c->media_tcp_port > 0 && c->media_tcp_port + c->workers > 65536) {
        (void)snprintf(why, capacity, "media-tcp-port %u leaves no ports for %u workers",
                       (unsigned)c->media_tcp_port, (unsigned)c->workers);
        return false;
    }
    if (c->media_listen[0] != 0 && parse_address(c->media_listen) != OK) {
        (void)snprintf(why, capacity, "media-listen '%s' is not an IP address", c->media_listen);
        return false;
    }
    if (c->public_ip.count > CANDIDATES_MAX) {
        (void)snprintf(why, capacity, "public-ip has more than %d addresses", CANDIDATES_MAX);
        return false;
    }
    for (size_t i = 0; i < c->public_ip.count; i++) {
        if (parse_address(c->public_ip.items[i]) == OK)
            continue;
        (void)snprintf(why, capacity, "public-ip '%s' is not an IP address", c->public_ip.items[i]);
        return false;
    }
    return probe_wish_parse(c->io_text, &c->io) == OK &&
           seal_choice_parse(c->seal_text, &c->seal) == OK;
}

enum config_next sfud_config_load(int argc, char *const *argv, struct sfud_config *ret)
{
    *ret = (struct sfud_config){ 0 };
    const struct config_option options[] = {
        { .key = "workers",
          .type = CONFIG_UINT,
          .fallback = "0",
          .help = "Media threads; 0 is one per core.",
          .group = "Media",
          .ret = &ret->workers,
          .max = WORKERS_MAX },
        { .key = "media-port",
          .type = CONFIG_UINT,
          .fallback = "30000", /* below the ports that the kernel gives to connections */
          .help = "UDP and TCP port of the first worker; worker i has media-port + i. 0: any free "
                  "port.",
          .group = "Media",
          .ret = &ret->media_port,
          .max = 65535 },
        { .key = "media-listen",
          .type = CONFIG_STRING,
          .fallback = "",
          .help = "IP address to receive media on; all usable interfaces if empty.",
          .group = "Media",
          .ret = &ret->media_listen },
        { .key = "public-ip",
          .type = CONFIG_STRINGS,
          .help = "IP addresses announced to participants instead of those of the interfaces.",
          .group = "Media",
          .ret = &ret->public_ip },
        { .key = "media-tcp",
          .type = CONFIG_BOOL,
          .fallback = "true",
          .help = "ICE-TCP for those whose network lets no UDP through: each worker listens at the "
                  "TCP port of the same number, too.",
          .group = "Media",
          .ret = &ret->media_tcp },
        { .key = "media-tcp-port",
          .type = CONFIG_UINT,
          .fallback = "0",
          .help = "TCP port told to participants instead of the real one, for a load balancer in "
                  "front; worker i is at media-tcp-port + i. 0: the real one.",
          .group = "Media",
          .ret = &ret->media_tcp_port,
          .max = 65535 },
        { .key = "playout-delay-max",
          .type = CONFIG_DURATION,
          .fallback = "250ms",
          .help = "How late viewers with lasting loss are asked to show pictures, at most, so that "
                  "what was lost is here in time. 0: never.",
          .group = "Media",
          .ret = &ret->playout_delay_max,
          .max = SECONDS(10) },
        { .key = "pass-window",
          .type = CONFIG_DURATION,
          .fallback = "2ms",
          .help =
              "How long a busy media thread may wait for the rest of a frame, so that it leaves "
              "in one send for each viewer; an idle one never does. 0: never.",
          .group = "Media",
          .ret = &ret->pass_window,
          .max = MILLIS(10) },
        { .key = "io",
          .type = CONFIG_STRING,
          .fallback = "auto",
          .help = "How media is sent and received; auto tries io_uring first.",
          .group = "Media",
          .ret = &ret->io_text,
          .choices = "auto|uring|epoll" },
        { .key = "seal",
          .type = CONFIG_STRING,
          .fallback = "auto",
          .help = "What encrypts media; auto is ipsec-mb on x86-64 with AVX2, OpenSSL elsewhere.",
          .group = "Media",
          .ret = &ret->seal_text,
          .choices = "auto|ipsec-mb|openssl" },
        { .key = "region",
          .type = CONFIG_STRING,
          .fallback = "",
          .help = "Where this node is: a label of its registration and audit events. Placement "
                  "ignores it.",
          .ret = &ret->region },
    };
    struct config_spec spec = { .daemon = "sfud",
                                .summary = "Conclave's media node: forwards audio and video.",
                                .admin_listen_default = "127.0.0.1:9082",
                                .options = options,
                                .option_count = ARRAY_LEN(options),
                                .common = &ret->common,
                                .validate = validate,
                                .data = ret };
    return config_load(&spec, argc, argv, environ, stdout, stderr, &ret->owner);
}

size_t sfud_affinity_count(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    return MAX((size_t)CPU_COUNT(&set), (size_t)1);
}

size_t sfud_core_count(void)
{
    size_t cores = sfud_affinity_count();
    unsigned long long quota, period;
    FILE *file = fopen("/sys/fs/cgroup/cpu.max", "re"); /* "200000 100000", or "max 100000" */
    if (file == NULL)
        return cores;
    if (fscanf(file, "%llu %llu", &quota, &period) == 2 && period > 0)
        cores = MIN(cores, (size_t)MAX((quota + period - 1) / period, 1ull));
    fclose(file);
    return cores;
}
