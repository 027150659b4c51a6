/* config.h - what an operator can set (docs/operations.md).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTHD_CONFIG_H
#define AUTHD_CONFIG_H

#include "common/os/config.h"

/* Texts are owned by the struct config that authd_config_load() returned. */
struct authd_config {
    struct config_common common;
    const char *listen;
    const char *data_dir;
    const char *token_issuer;
    usec access_token_ttl;
    usec refresh_token_ttl;
    usec guest_token_ttl;
    struct config_strings turn_urls;
    const char *turn_secret_file;
    usec turn_ttl;
    bool guests;
    struct config_strings admins;
    struct config_strings trusted_proxies;
    struct config_strings allowed_origins;
    uint64_t throttle_scale;
};

enum config_next authd_config_load(int argc, char *const *argv, char *const *environment,
                                   struct authd_config *ret, struct config **ret_owner);

#endif
