/* config.c - see config.h. SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <stdio.h>

enum config_next signald_config_load(struct signald_config *c, int argc, char *const *argv,
                                     char *const *environment, struct config **ret)
{
    const struct config_option options[] = {
        { "listen", CONFIG_ADDRESS, "127.0.0.1:7881", "Address for WebSockets and the web app.",
          .ret = &c->listen },
        { "web-root", CONFIG_STRING, NULL, "Directory of the built web app; nothing is served if unset.",
          .ret = &c->web_root },
        { "jwks-url", CONFIG_STRING, "http://127.0.0.1:7883/.well-known/jwks.json",
          "Where authd publishes its keys.", .ret = &c->jwks_url },
        { "token-issuer", CONFIG_STRING, "conclave", "The iss that tokens must have.",
          .ret = &c->token_issuer },
        { "room-participants-max", CONFIG_UINT, "1000", "Participants of one room at most.", "Limits",
          .ret = &c->room_participants_max, .min = 1, .max = 100000 },
        { "trusted-proxies", CONFIG_NETWORKS, "127.0.0.0/8,::1",
          "Networks whose X-Forwarded-For is believed.", .ret = &c->trusted_proxies },
        { "address-sockets-max", CONFIG_UINT, "1000", "Open sockets of one client address at most; IPv6 counts by /64.",
          "Limits", .ret = &c->address_sockets_max, .min = 1, .max = 1000000 },
        { "join-rate", CONFIG_DOUBLE, "20", "Joins and resumes per second of one client address.",
          "Limits", .ret = &c->join_rate },
        { "join-burst", CONFIG_UINT, "200", "Joins and resumes of one client address at once.", "Limits",
          .ret = &c->join_burst, .min = 1, .max = 1000000 },
    };
    struct config_spec spec = {
        .daemon = "signald",
        .summary = "WebSocket signaling of Conclave: rooms, presence, slots; serves the web app.",
        .admin_listen_default = "127.0.0.1:9081",
        .options = options,
        .option_count = ARRAY_LEN(options),
        .common = &c->common,
    };
    return config_load(&spec, argc, argv, environment, stdout, stderr, ret);
}
