/* config.c - the options of authd.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "common/origin.h"
#include "common/os/keyfile.h"
#include "common/turn.h"
#include "limits.h"

#include <stdlib.h>
#include <string.h>

static bool check_files(void *data, char *ret_why, size_t capacity)
{
    const struct authd_config *c = data;
    char why[KEYFILE_WHY_CAPACITY] = "";
    uint8_t *secret = NULL;
    size_t len = 0;
    if (c->turn_secret_file != NULL) {
        if (keyfile_read(c->turn_secret_file, &secret, &len, why) != OK) {
            snprintf(ret_why, capacity, "turn-secret-file: %.400s", why);
            return false;
        }
        bytes_wipe(secret, len);
        free(secret);
    }
    if (keyfile_directory_check(c->data_dir, why) != OK) {
        snprintf(ret_why, capacity, "data-dir: %.400s", why);
        return false;
    }
    return true;
}

static bool validate(void *data, char *ret_why, size_t capacity)
{
    const struct authd_config *c = data;
    bool needs_secret = false;
    for (size_t i = 0; i < c->turn_urls.count; i++) {
        if (!turn_url_is_valid(c->turn_urls.items[i])) {
            snprintf(
                ret_why, capacity,
                "turn-urls: '%.200s' is not like stun:host:port or turn:host:port?transport=udp",
                c->turn_urls.items[i]);
            return false;
        }
        needs_secret = needs_secret || turn_url_needs_credential(c->turn_urls.items[i]);
    }
    if (c->turn_urls.count > TURN_URLS_MAX) {
        snprintf(ret_why, capacity, "turn-urls: at most %d", TURN_URLS_MAX);
        return false;
    }
    if (needs_secret && c->turn_secret_file == NULL) {
        snprintf(ret_why, capacity,
                 "turn-urls names a TURN server, but turn-secret-file is not set");
        return false;
    }
    for (size_t i = 0; i < c->allowed_origins.count; i++)
        if (!origin_is_valid(c->allowed_origins.items[i])) {
            snprintf(ret_why, capacity, "allowed-origins: '%.200s' is not like https://host[:port]",
                     c->allowed_origins.items[i]);
            return false;
        }
    if (c->access_token_ttl >= MIN(c->refresh_token_ttl, c->guest_token_ttl)) {
        snprintf(ret_why, capacity,
                 "access-token-ttl must be shorter than refresh-token-ttl and guest-token-ttl");
        return false;
    }
    return true;
}

enum config_next authd_config_load(int argc, char *const *argv, char *const *environment,
                                   struct authd_config *ret, struct config **ret_owner)
{
    struct authd_config *c = ret;
    const struct config_option options[] = {
        { .key = "listen",
          .type = CONFIG_ADDRESS,
          .fallback = "127.0.0.1:7883",
          .help = "Address of the API.",
          .ret = &c->listen },
        { .key = "data-dir",
          .type = CONFIG_STRING,
          .fallback = "/var/lib/conclave/authd",
          .help = "Directory of the signing key; made with mode 0700, parents too.",
          .ret = &c->data_dir },
        { .key = "trusted-proxies",
          .type = CONFIG_NETWORKS,
          .fallback = "127.0.0.0/8,::1",
          .help = "Networks whose X-Forwarded-For is believed.",
          .ret = &c->trusted_proxies },
        { .key = "allowed-origins",
          .type = CONFIG_STRINGS,
          .help = "Origins of pages elsewhere that may use the API, like https://app.example.org; "
                  "* is any.",
          .ret = &c->allowed_origins },
        { .key = "guests",
          .type = CONFIG_BOOL,
          .fallback = "true",
          .help = "Whether people may join without an account.",
          .ret = &c->guests },
        { .key = "admins",
          .type = CONFIG_STRINGS,
          .help = "User names of administrators.",
          .ret = &c->admins },
        { .key = "throttle-scale",
          .type = CONFIG_UINT,
          .fallback = "1",
          .max = 1000,
          .help = "Multiplies all rate limits; 0 turns them off (load tests only).",
          .ret = &c->throttle_scale },
        { .key = "token-issuer",
          .type = CONFIG_STRING,
          .fallback = "conclave",
          .help = "The iss of access tokens.",
          .group = "Tokens",
          .ret = &c->token_issuer },
        { .key = "access-token-ttl",
          .type = CONFIG_DURATION,
          .fallback = "15m",
          .help = "How long an access token is good for.",
          .group = "Tokens",
          .min = (uint64_t)SECONDS(1),
          .max = (uint64_t)SECONDS(86400),
          .ret = &c->access_token_ttl },
        { .key = "refresh-token-ttl",
          .type = CONFIG_DURATION,
          .fallback = "30d",
          .help = "How long an unused session of a user lives.",
          .group = "Tokens",
          .min = (uint64_t)SECONDS(2),
          .max = (uint64_t)SESSION_TTL_MAX,
          .ret = &c->refresh_token_ttl },
        { .key = "guest-token-ttl",
          .type = CONFIG_DURATION,
          .fallback = "24h",
          .help = "How long an unused session of a guest lives.",
          .group = "Tokens",
          .min = (uint64_t)SECONDS(2),
          .max = (uint64_t)SESSION_TTL_MAX,
          .ret = &c->guest_token_ttl },
        { .key = "turn-urls",
          .type = CONFIG_STRINGS,
          .help = "stun: and turn: URLs for clients.",
          .group = "TURN",
          .ret = &c->turn_urls },
        { .key = "turn-secret-file",
          .type = CONFIG_STRING,
          .help = "File (0600) with coturn's static-auth-secret.",
          .group = "TURN",
          .ret = &c->turn_secret_file },
        { .key = "turn-ttl",
          .type = CONFIG_DURATION,
          .fallback = "1h",
          .help = "How long TURN credentials are good for.",
          .group = "TURN",
          .min = (uint64_t)SECONDS(60),
          .max = (uint64_t)SECONDS(7 * 86400),
          .ret = &c->turn_ttl },
    };
    const struct config_spec spec = { .daemon = "authd",
                                      .summary = "Accounts, sessions and tokens of Conclave.",
                                      .admin_listen_default = "127.0.0.1:9083",
                                      .options = options,
                                      .option_count = ARRAY_LEN(options),
                                      .common = &c->common,
                                      .validate = validate,
                                      .check_files = check_files,
                                      .data = c };
    return config_load(&spec, argc, argv, environment, stdout, stderr, ret_owner);
}
