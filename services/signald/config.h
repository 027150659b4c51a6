/* config.h - the options of signald. SPDX-License-Identifier: Apache-2.0 */
#ifndef SIGNALD_CONFIG_H
#define SIGNALD_CONFIG_H

#include "common/os/config.h"

struct signald_config {
    struct config_common common;
    const char *listen;
    const char *web_root;
    const char *jwks_url;
    const char *token_issuer;
    uint64_t room_participants_max;
    struct config_strings trusted_proxies;
    struct config_strings allowed_origins;
    uint64_t address_sockets_max;
    double join_rate;
    uint64_t join_burst;
    struct config_strings turn_urls;
    const char *turn_secret_file;
    uint64_t turn_ttl;
};

/* As config_load(). */
enum config_next signald_config_load(struct signald_config *c, int argc, char *const *argv,
                                     char *const *environment, struct config **ret);

#endif
