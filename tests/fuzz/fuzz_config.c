/* Configuration files and Redis URLs. SPDX-License-Identifier: Apache-2.0 */
#include "common/os/config.h"
#include "common/os/redis.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static struct config_common common;
static struct config_strings urls, proxies;
static uint64_t limit;
static usec ttl;

static const struct config_option options[] = {
    { "turn-urls", CONFIG_STRINGS, NULL, "Where.", NULL, &urls },
    { "trusted-proxies", CONFIG_NETWORKS, NULL, "Who.", NULL, &proxies },
    { "limit", CONFIG_UINT, "1", "How many.", NULL, &limit, .max = 100 },
    { "ttl", CONFIG_DURATION, "1s", "How long.", NULL, &ttl },
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = memfd_create("config", 0);
    check(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    static FILE *null;
    if (null == NULL)
        null = fopen("/dev/null", "we");
    const struct config_spec spec = { .daemon = "fuzz",
                                      .summary = "",
                                      .options = options,
                                      .option_count = ARRAY_LEN(options),
                                      .common = &common,
                                      .admin_listen_default = "127.0.0.1:1" };
    char *argv[] = { (char[]){ "fuzz" }, (char[]){ "--config" }, path };
    struct config *config;
    if (config_load(&spec, 3, argv, NULL, null, null, &config) == CONFIG_RUN)
        check(limit <= 100 && ttl >= 0);
    config_free(config);
    (void)close(fd);
    char *text = malloc(size + 1);
    check(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    struct redis_address address;
    if (redis_url_parse(text, &address) == OK)
        check(address.host[0] != '\0' || address.path[0] == '/');
    free(text);
    return 0;
}
