/* config.c - the options of auditd.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "common/os/keyfile.h"
#include "limits.h"

#include <string.h>

static bool validate(void *data, char *ret_why, size_t capacity)
{
    const struct auditd_config *c = data;
    if (strncmp(c->jwks_url, "http://", 7) == 0 || strncmp(c->jwks_url, "https://", 8) == 0)
        return true;
    snprintf(ret_why, capacity, "jwks-url: '%.200s' is not an http:// or https:// URL",
             c->jwks_url);
    return false;
}

static bool check_files(void *data, char *ret_why, size_t capacity)
{
    const struct auditd_config *c = data;
    char why[KEYFILE_WHY_CAPACITY] = "";
    if (keyfile_directory_check(c->data_dir, why) == OK)
        return true;
    snprintf(ret_why, capacity, "data-dir: %.400s", why);
    return false;
}

enum config_next auditd_config_load(int argc, char *const *argv, char *const *environment,
                                    struct auditd_config *ret, struct config **ret_owner)
{
    struct auditd_config *c = ret;
    const struct config_option options[] = {
        { .key = "listen",
          .type = CONFIG_ADDRESS,
          .fallback = "127.0.0.1:7884",
          .help = "Address of the API.",
          .ret = &c->listen },
        { .key = "data-dir",
          .type = CONFIG_STRING,
          .fallback = "/var/lib/conclave/auditd",
          .help = "Directory of the segments; one auditd each; made as needed, 0700.",
          .ret = &c->data_dir },
        { .key = "jwks-url",
          .type = CONFIG_STRING,
          .fallback = "http://127.0.0.1:7883/.well-known/jwks.json",
          .help = "Where authd's public keys are.",
          .ret = &c->jwks_url },
        { .key = "token-issuer",
          .type = CONFIG_STRING,
          .fallback = "conclave",
          .help = "The iss that access tokens must have.",
          .ret = &c->token_issuer },
        { .key = "trusted-proxies",
          .type = CONFIG_NETWORKS,
          .fallback = "127.0.0.0/8,::1",
          .help = "Networks whose X-Forwarded-For is believed.",
          .ret = &c->trusted_proxies },
        { .key = "segment-bytes-max",
          .type = CONFIG_UINT,
          .fallback = "16777216",
          .help = "A segment that has reached this size in bytes is followed by the next.",
          .min = SEGMENT_BYTES_MIN,
          .max = SEGMENT_BYTES_MAX,
          .group = "Segments",
          .ret = &c->segment_bytes_max },
        { .key = "segment-age-max",
          .type = CONFIG_DURATION,
          .fallback = "24h",
          .help = "So is one that is this old.",
          .min = (uint64_t)SECONDS(60),
          .max = (uint64_t)SECONDS(366 * 86400),
          .group = "Segments",
          .ret = &c->segment_age_max },
    };
    const struct config_spec spec = {
        .daemon = "auditd",
        .summary = "The tamper-evident audit log of Conclave.\n"
                   "`auditd --verify DIR [--expect-head HASH]` checks a log and exits.",
        .admin_listen_default = "127.0.0.1:9084",
        .options = options,
        .option_count = ARRAY_LEN(options),
        .common = &c->common,
        .validate = validate,
        .check_files = check_files,
        .data = c
    };
    return config_load(&spec, argc, argv, environment, stdout, stderr, ret_owner);
}
